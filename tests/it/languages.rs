//! Pages and mails speak to everybody in their language: the one they chose, the one that the table or the browser says.

use crate::browser::{Answer, Browser, LANGUAGE};
use crate::house::{House, LADDER, OPEN};
use crate::team::{invitation, logged_in, plan};

const AS_A_PAGE: (&str, &str) = ("accept", "text/html");

/// Goes to a page with a browser whose settings ask for these languages.
async fn see(person: &Browser, path: &str, languages: &str) -> Answer {
    person.send("GET", path, &[AS_A_PAGE, ("accept-language", languages)], "").await
}

/// Chooses a language by the button of a page.
async fn choose(person: &Browser, page: &str, language: &str) -> Answer {
    person.post("/.access/language", &[("page", page), ("language", language)]).await
}

/// The language that a page says it is in.
#[track_caller]
fn language(page: &Answer) -> String {
    let text = page.text();
    let (_, rest) = text.split_once("<html lang=\"").unwrap_or_else(|| panic!("not a page: {}\n{text}", page.status));
    rest.split('"').next().expect("an attribute ends").to_owned()
}

#[tokio::test]
async fn a_stranger_is_spoken_to_as_their_browser_asks() {
    let house = House::start(OPEN).await;
    let person = house.browser("orders.test");
    for (asked, expected, said) in [
        ("de-AT,de;q=0.9,en;q=0.8", "de", "Anmelden"),
        ("nl, fr;q=0.5, en;q=0.3", "fr", "Se connecter"),
        ("es-419", "es", "Iniciar sesión"),
        ("bg", "bg", "Вход"),
        ("nl", "en", "Log in"),
        ("", "en", "Log in"),
        ("de;q=nonsense", "en", "Log in"),
    ] {
        let page = see(&person, "/.access/login", asked).await.expect(200);
        assert_eq!(language(&page), expected, "{asked}");
        assert!(page.text().contains(said), "{asked}: {}", page.text());
    }
    // What goes wrong is said in it too, here and where nobody knows the domain.
    assert_eq!(language(&see(&person, "/.access/nothing", "bg").await.expect(404)), "bg");
    assert_eq!(language(&see(&person, "/.access/link/nonsense", "de").await.expect(410)), "de");
    assert_eq!(language(&see(&person, "/a%2fb", "fr").await.expect(400)), "fr");
    let mut wire = house.wire("orders.test").await;
    let head = ["GET / HTTP/1.1", "Host: elsewhere.test", "Accept: text/html", "Accept-Language: es"];
    assert_eq!(language(&wire.ask(&head).await.expect("an answer").expect(421)), "es");
}

#[tokio::test]
async fn a_language_is_chosen_before_log_in_by_a_cookie_that_tells_nothing_else() {
    let house = House::start(OPEN).await;
    let person = house.browser("orders.test");
    let fields = [("page", "login"), ("language", "bg"), ("to", "/orders?page=2")];
    let answer = person.post("/.access/language", &fields).await.expect(303);
    assert_eq!(answer.location(), "/.access/login?stay=1&to=%2Forders%3Fpage%3D2");
    assert_eq!(person.cookie(LANGUAGE).as_deref(), Some("bg"));
    let cookie = answer.header("set-cookie");
    for part in ["; Path=/", "; Secure", "; HttpOnly", "; SameSite=Lax"] {
        assert!(cookie.contains(part), "{cookie}");
    }
    let page = see(&person, answer.location(), "de").await.expect(200);
    assert_eq!(language(&page), "bg");
    assert_eq!(page.fields("to"), ["/orders?page=2", "/orders?page=2"]);
    // Neither another site's form nor a made-up language or page changes anything, and a made-up cookie counts as none.
    let abroad = [("sec-fetch-site", "cross-site"), ("origin", "https://evil.test")];
    person.post_from("/.access/language", &[("page", "login"), ("language", "es")], &abroad).await.expect(403);
    choose(&person, "login", "xx").await.expect(400);
    choose(&person, "https://evil.test/", "es").await.expect(400);
    assert_eq!(person.cookie(LANGUAGE).as_deref(), Some("bg"));
    person.set_cookie(LANGUAGE, "de\"><script>");
    assert_eq!(language(&see(&person, "/.access/login", "fr").await), "fr");
}

#[tokio::test]
async fn what_a_person_chose_counts_on_every_device_and_in_their_mails() {
    let house = House::start(OPEN).await;
    // Bob's table says German, his browser French, and he says Bulgarian.
    let bob = house.browser("orders.test");
    bob.log_in("bob@example.com").await;
    let account = see(&bob, "/.access/account", "fr").await.expect(200);
    assert_eq!(language(&account), "de");
    assert!(account.text().contains("Ihr Konto") && account.text().contains("\u{a0}Uhr"), "{}", account.text());
    assert_eq!(choose(&bob, "account", "bg").await.expect(303).location(), "/.access/account");
    assert_eq!(language(&see(&bob, "/.access/account", "fr").await.expect(200)), "bg");

    let elsewhere = house.browser("orders.test");
    let mail = elsewhere.mail("bob@example.com", "/").await;
    assert_eq!(mail.subject, "Вход в orders");
    elsewhere.type_code(&mail.code()).await.expect(303);
    assert_eq!(language(&see(&elsewhere, "/.access/account", "fr").await.expect(200)), "bg");
    // The choice is the person's, and stronger than that of a browser where somebody else chose.
    elsewhere.set_cookie(LANGUAGE, "es");
    assert_eq!(language(&see(&elsewhere, "/.access/account", "fr").await.expect(200)), "bg");
    elsewhere.log_out().await;
    assert_eq!(language(&see(&elsewhere, "/.access/login", "fr").await.expect(200)), "es");
}

#[tokio::test]
async fn a_choice_outlives_a_crash() {
    let mut house = House::start(OPEN).await;
    let bob = house.browser("orders.test");
    bob.log_in("bob@example.com").await;
    choose(&bob, "account", "es").await.expect(303);
    house.kill9();
    house.start_again().await;
    assert_eq!(language(&see(&bob, "/.access/account", "fr").await.expect(200)), "es");
}

#[tokio::test]
async fn a_mail_speaks_as_the_table_says_and_else_as_the_page_that_asked() {
    let house = House::start(OPEN).await;
    for (email, languages, subject) in [
        ("bob@example.com", "fr", "Bei orders anmelden"),
        ("ann@example.com", "fr", "Log in to orders"),
        // Her table says Vietnamese, which is none of ours.
        ("zoe@example.com", "bg;q=0.5, nl", "Вход в orders"),
    ] {
        let person = house.browser("orders.test");
        let origin = person.origin();
        let headers = [
            AS_A_PAGE,
            ("accept-language", languages),
            ("content-type", "application/x-www-form-urlencoded"),
            ("origin", &origin),
            ("sec-fetch-site", "same-origin"),
        ];
        let body = format!("email={}", email.replace('@', "%40"));
        person.send("POST", "/.access/login", &headers, &body).await.expect(303);
        let mail = house.mail.wait(email).await;
        assert_eq!(mail.subject, subject, "{email}");
        assert!(mail.html.contains("<html lang=\""), "{}", mail.html);
    }
}

#[tokio::test]
async fn a_refusal_is_said_in_the_persons_language() {
    let house = House::start(LADDER).await;
    let bob = house.browser("orders.test");
    bob.log_in("bob@example.com").await;
    let page = see(&bob, "/admin/users", "de-CH").await.expect(403);
    assert_eq!(language(&page), "de");
    for said in ["Sie können diese Seite nicht öffnen", "Diese Seite gehört nicht zu Ihrer Rolle.", "Anfrage-ID: "] {
        assert!(page.text().contains(said), "{said}: {}", page.text());
    }
    choose(&bob, "account", "bg").await.expect(303);
    let page = see(&bob, "/admin/users", "de-CH").await.expect(403);
    assert!(page.text().contains("Ролята Ви не включва тази страница."), "{}", page.text());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_person_walks_through_the_log_in_in_german_and_bulgarian() {
    const BRAND: &str = "[app.orders.branding]\ntitle = \"Acme Orders\"\n";
    let plan = House::plan(&format!("{LADDER}{BRAND}"));
    let house = plan.login("mails_per_address = 100\ntries_per_client = 1000").start().await;
    crate::house::walk(&house, "language_walk.mjs", 26).await;
}

#[tokio::test]
async fn the_log_in_goes_on_in_an_invitations_language() {
    let house = plan().start().await;
    let olga = logged_in(&house, "olga").await;
    let form = [("email", "ines@example.com"), ("role", "member"), ("language", "es")];
    olga.post("/.access/team/invite", &form).await.expect(303);
    let mail = house.mail.wait("ines@example.com").await;
    olga.secret(invitation(&mail).rsplit('/').next().expect("a token"));
    let ines = house.browser("orders.test");
    let login = async || ines.navigate("/.access/login?stay=1").await.expect(200).text();
    assert!(login().await.contains("<html lang=\"en\">"));
    let shown = ines.navigate(&invitation(&mail)).await.expect(200).text();
    assert!(shown.contains("<html lang=\"es\">"), "{shown}");
    assert!(login().await.contains("<html lang=\"es\">"));
}
