//! Domains with faces of their own, one of which pins a customer.

use crate::browser::SESSION;
use crate::house::{House, OPEN, printed};

const BRANDS: &str = r##"
[app.orders.branding]
title = "Acme Orders"
logo = "branding/acme.svg"
color = "#0b5fff"

[[app.orders.domain]]
host = "orders.big.test"
customer = "42"
branding = { title = "BigCustomer", logo = "branding/big.svg", color = "#aa0000" }

[app.reports]
domains = ["reports.test"]
upstream = "{{upstream}}"
[[app.reports.customers]]
source = "crm"
email = "email"
"##;

const ACME: &str = r##"<svg xmlns="http://www.w3.org/2000/svg" width="8" height="8"><title>acme</title></svg>"##;
const BIG: &str = r##"<svg xmlns="http://www.w3.org/2000/svg" width="8" height="8"><title>big</title></svg>"##;

async fn house() -> House {
    let apps = format!("{OPEN}{BRANDS}");
    House::plan(&apps).file("branding/acme.svg", ACME).file("branding/big.svg", BIG).start().await
}

#[tokio::test]
async fn each_domain_shows_its_own_title_logo_and_colour() {
    let house = house().await;
    let at_home = house.browser("orders.test");
    for (browser, title, logo, color) in [
        (at_home.clone(), "Acme Orders", ACME, "rgb(11, 95, 255)"),
        (at_home.at("orders.big.test"), "BigCustomer", BIG, "rgb(170, 0, 0)"),
    ] {
        let page = browser.navigate("/.access/login").await.expect(200).text();
        assert!(page.contains(title), "{page}");
        let picture = browser.navigate("/.access/logo").await.expect(200);
        assert_eq!(picture.text(), logo);
        assert_eq!(picture.header("content-type"), "image/svg+xml");
        assert_eq!(picture.header("x-content-type-options"), "nosniff");
        assert!(!picture.header("content-security-policy").is_empty(), "an SVG may hold scripts");
        let style = browser.navigate("/.access/style.css").await.expect(200);
        assert!(style.header("content-type").starts_with("text/css"));
        assert!(style.text().contains(color), "{title} in {color}:\n{}", style.text());
    }
    for word in ["vestibule", "Vestibule"] {
        assert!(!at_home.navigate("/.access/login").await.text().contains(word), "customers never hear of us");
    }
}

#[tokio::test]
async fn pictures_are_kept_for_good_under_addresses_that_tell_their_bytes() {
    let dark = BIG.replace("big", "dark");
    let icon = BIG.replace("big", "icon");
    let brands = BRANDS.replace(
        "logo = \"branding/big.svg\"",
        "logo = \"branding/big.svg\", logo_dark = \"branding/dark.svg\", icon = \"branding/icon.svg\"",
    );
    let plan = House::plan(&format!("{OPEN}{brands}")).file("branding/acme.svg", ACME).file("branding/big.svg", BIG);
    let house = plan.file("branding/dark.svg", &dark).file("branding/icon.svg", &icon).start().await;
    let browser = house.browser("orders.big.test");
    let page = browser.navigate("/.access/nothing").await.expect(404).text();
    let mut addresses = Vec::new();
    for (before, content) in [("<img src=\"", BIG), ("<source srcset=\"", &dark), ("<link rel=\"icon\" href=\"", &icon)]
    {
        let (_, rest) = page.split_once(before).unwrap_or_else(|| panic!("no {before} in {page}"));
        let address = rest.split('"').next().expect("an attribute ends");
        let picture = browser.navigate(address).await.expect(200);
        assert_eq!(picture.text(), content, "{address}");
        assert_eq!(picture.header("cache-control"), "public, max-age=31536000, immutable");
        assert!(picture.header("content-security-policy").ends_with("sandbox"));
        addresses.push(address.to_owned());
    }
    addresses.dedup();
    assert_eq!(addresses.len(), 3);
    // A page from before a change asks for what is no more, and another domain's pictures are not here.
    for address in ["/.access/logo/0123456789abcdef01234567", "/.access/logo"] {
        let picture = browser.navigate(address).await.expect(200);
        assert_eq!((picture.text().as_str(), picture.header("cache-control")), (BIG, "private, max-age=300"));
    }
    assert_eq!(house.browser("orders.test").navigate(&addresses[1]).await.expect(200).text(), ACME);
    house.browser("reports.test").navigate(&addresses[0]).await.expect(404);
}

#[tokio::test]
async fn mails_wear_the_domains_brand() {
    let house = house().await;
    let mail = house.browser("orders.big.test").mail("bob@example.com", "/").await;
    assert!(mail.subject.contains("BigCustomer"), "{}", mail.subject);
    assert!(mail.link().contains("https://orders.big.test"), "{}", mail.link());
}

#[tokio::test]
async fn a_domain_that_pins_a_customer_skips_the_chooser() {
    let house = house().await;
    let cat = house.browser("orders.big.test");
    cat.log_in("cat@example.com").await;
    cat.navigate("/").await.expect(200);
    assert_eq!(house.upstream.last().header("x-access-customer"), Some("42"));
}

#[tokio::test]
async fn a_pinned_domain_lets_no_other_customer_in() {
    let house = house().await;
    let eve = house.browser("orders.test");
    eve.log_in("eve@example.com").await;
    eve.fetch("/").await.expect(200);
    let seen = house.upstream.count();

    // By asking there, and by carrying the cookie over.
    let there = eve.at("orders.big.test");
    there.ask_for_mail("eve@example.com").await;
    there.set_cookie(SESSION, &eve.cookie(SESSION).expect("a session"));
    let answer = there.fetch("/").await;
    assert!(matches!(answer.status, 401 | 403), "{}", answer.status);
    there.choose("43").await;
    there.choose("42").await;
    assert_ne!(there.fetch("/").await.status, 200);
    assert_eq!(house.upstream.count(), seen);
}

#[tokio::test]
async fn a_session_of_one_app_is_none_of_another() {
    let house = house().await;
    let ann = house.browser("orders.test");
    ann.log_in("ann@example.com").await;
    let there = ann.at("reports.test");
    there.set_cookie(SESSION, &ann.cookie(SESSION).expect("a session"));
    there.fetch("/").await.expect(401);
    house.upstream.saw_nothing();
    // In the app without a customer column each address is its own customer.
    there.log_in("ann@example.com").await;
    there.fetch("/").await.expect(200);
    assert_eq!(house.upstream.last().header("x-access-customer"), Some("ann@example.com"));
}

#[tokio::test]
async fn a_link_works_on_the_domain_that_sent_it() {
    let house = house().await;
    let ann = house.browser("orders.test");
    let mail = ann.mail("ann@example.com", "/").await;
    let elsewhere = ann.at("reports.test");
    let answer = elsewhere.press_button(&mail).await;
    assert!(matches!(answer.status, 403 | 410), "{}", answer.status);
    assert_eq!(elsewhere.cookie(SESSION), None);
    ann.press_button(&mail).await.expect(303);
}

#[tokio::test]
async fn check_names_a_colour_whose_links_need_another_shade() {
    let pale = BRANDS.replace("#0b5fff", "#ffd400");
    let plan = House::plan(&format!("{OPEN}{pale}")).file("branding/acme.svg", ACME).file("branding/big.svg", BIG);
    let told = printed(&plan.furnish().await.command(&["check"]));
    assert!(
        told.contains("note: app orders: #ffd400 is too pale to be read on white: there, links are rgb("),
        "{told}"
    );
    assert_eq!(told.matches("too pale").count(), 1, "{told}");
}
