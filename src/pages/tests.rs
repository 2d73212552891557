//! All pages at once: what must hold for each of them.

use http::{StatusCode, header};
use proptest::prelude::*;

use super::*;
use crate::types::Color;

const HOSTILE: &str = "<script>alert('x')</script>\"><img src=x onerror=y>&{code}";

fn brand(title: &str) -> Brand {
    Brand {
        title: title.to_owned(),
        logo: None,
        logo_dark: None,
        icon: None,
        color: Color::parse("#0b5fff").expect("a colour"),
    }
}

fn with_logo(title: &str) -> Brand {
    Brand { logo: Some(svg(b"<svg/>")), ..brand(title) }
}

fn svg(bytes: &'static [u8]) -> Logo {
    Logo::new("image/svg+xml", bytes::Bytes::from_static(bytes))
}

fn english(brand: &Brand) -> Look<'_> {
    Look { brand, language: Language::English }
}

/// A log-in page that offers a mail and nothing else.
fn by_mail<'a>(email: &'a str, to: &'a str, problem: Option<LoginProblem<'a>>) -> LoginView<'a> {
    LoginView { email, to, problem, address: AddressField::Mail, providers: &[], passkey: false }
}

/// Two providers: one with a picture, one that does not answer.
fn two_providers(text: &str) -> [ProviderButton<'_>; 2] {
    [
        ProviderButton { name: "one", title: text, icon: true, up: true },
        ProviderButton { name: text, title: text, icon: false, up: false },
    ]
}

const PROVIDER_PROBLEMS: [(u16, ProviderProblem); 7] = [
    (503, ProviderProblem::Unreachable),
    (403, ProviderProblem::Cancelled),
    (502, ProviderProblem::Failed),
    (403, ProviderProblem::NotBelieved),
    (403, ProviderProblem::UnverifiedEmail),
    (403, ProviderProblem::OtherDomain),
    (403, ProviderProblem::Taken),
];

/// The pages of logging in by other ways than mail.
fn provider_pages(look: Look<'_>, text: &str) -> Vec<(&'static str, u16, Reply)> {
    let providers = two_providers(text);
    let [first, _] = providers;
    let view = LoginView { providers: &providers, ..by_mail(text, text, None) };
    let step =
        StepUpView { email: text, to: text, mail: true, providers: &providers, passkey: false, add_passkey: true };
    let no_access_view = NoAccessView { email: text, provider: first, to: text, request_id: text };
    let mut pages = vec![
        ("login-all", 200, login(look, &view)),
        ("login-home", 200, login(look, &LoginView { address: AddressField::Home, ..view })),
        ("login-providers", 200, login(look, &LoginView { address: AddressField::Absent, ..view })),
        ("login-no-way", 422, login(look, &LoginView { problem: Some(LoginProblem::NoWay), ..view })),
        ("step-up", 200, step_up(look, &step)),
        ("step-up-none", 200, step_up(look, &StepUpView { mail: false, providers: &[], add_passkey: false, ..step })),
        ("no-access", 403, no_access(look, &no_access_view)),
        ("start-again", 410, start_again(look)),
        ("hub-lost", 410, hub_lost(look.language, text)),
    ];
    for (status, what) in PROVIDER_PROBLEMS {
        let problem = Some(LoginProblem::AtProvider { title: text, what });
        pages.push(("login-provider-problem", status, login(look, &LoginView { problem, ..view })));
    }
    pages
}

/// What staff see of previews.
fn preview_pages(look: Look<'_>, text: &str) -> Vec<(&'static str, u16, Reply)> {
    let who = OtherView { email: text, name: Some(text), customer: Some(text), customer_name: Some(text) };
    let person = |who, is_invited, refusal| PersonView { who, role: text.to_owned(), is_invited, refusal };
    let nameless = OtherView { name: None, customer: None, ..who };
    let people = vec![person(who, true, None), person(nameless, false, Some("role-too-high"))];
    let found = FoundView { people, is_cut: true, is_partial: true };
    let view = PreviewPageView {
        state: PreviewState::Own,
        query: text,
        found: Some(found),
        recent: vec![who],
        refusal: None,
        to: text,
        writes: false,
    };
    let with = |state, refusal| PreviewPageView { state, refusal, found: None, ..view.clone() };
    let on = PreviewState::On { who: text, minutes: 1 };
    vec![
        ("preview", 200, preview(look, &view)),
        ("preview-on", 200, preview(look, &with(on, None))),
        ("preview-refused", 403, preview(look, &with(PreviewState::Own, Some("no-grant")))),
        ("preview-over", 403, preview(look, &with(PreviewState::Over { reason: "time" }, None))),
        ("preview-closed", 403, closed_in_preview(look, text)),
        ("preview-read-only", 403, preview_reads_only(look, text, text)),
    ]
}

/// Pages that name a script of ours.
fn pages_with_script(look: Look<'_>, text: &str) -> Vec<(&'static str, Reply)> {
    let providers = two_providers(text);
    let view = LoginView { providers: &providers, passkey: true, ..by_mail(text, text, None) };
    let step = StepUpView { email: text, to: text, mail: false, providers: &[], passkey: true, add_passkey: false };
    vec![
        ("login-passkey", login(look, &view)),
        ("step-up-passkey", step_up(look, &step)),
        ("ticket", ticket(look, &TicketView { title: text, ticket: text })),
        ("offer-passkey", passkey_offer(look, &PasskeyOfferView { to: text, is_required: false })),
    ]
}

/// The script that uses passkeys, as pages name it.
const SCRIPT: &str = "<script src=\"/.access/passkey.js\" defer></script>";

fn passkeys(text: &str, is_required: bool) -> PasskeysView {
    let passkey = |last_used: Option<&str>| PasskeyView {
        id: text.to_owned(),
        name: text.to_owned(),
        added: text.to_owned(),
        last_used: last_used.map(str::to_owned),
    };
    PasskeysView { passkeys: vec![passkey(None), passkey(Some(text))], can_add: true, can_change: true, is_required }
}

/// Every page there is, with `text` wherever a page shows what it was given.
fn every_page(look: Look<'_>, text: &str) -> Vec<(&'static str, u16, Reply)> {
    let login_with = |problem| login(look, &by_mail(text, text, problem));
    let check_with = |problem| check_mail(look, &CheckView { address: Some(text), minutes: 15, problem });
    let choices = [
        ChoiceView { id: text, name: text, current: true },
        ChoiceView { id: "2", name: text, current: false },
        ChoiceView { id: text, name: "", current: false },
    ];
    let session = |current| SessionView {
        id: text.to_owned(),
        device: text.to_owned(),
        started: text.to_owned(),
        last_used: text.to_owned(),
        current,
        preview: Some(text.to_owned()),
    };
    let account_view = AccountView {
        email: text,
        name: Some(text),
        customer: Some(text),
        role: text,
        can_preview: true,
        can_switch: true,
        doors: team::DoorsView { team: true, invite: true, independent: true, leave: Some(text) },
        sessions: vec![session(true), session(false)],
        passkeys: Some(passkeys(text, true)),
        has_notifications: true,
        has_dashboard: true,
    };
    let with_passkeys = |passkeys| AccountView { passkeys, ..account_view.clone() };
    let locked = PasskeysView { can_add: false, can_change: false, ..passkeys(text, true) };
    let denied_view =
        DeniedView { email: Some(text), customer: Some(text), reason: text, can_switch: true, request_id: text };
    let mut pages = vec![
        ("login", 200, login_with(None)),
        ("login-bad-address", 400, login_with(Some(LoginProblem::BadAddress))),
        ("login-too-many", 429, login_with(Some(LoginProblem::TooMany { minutes: 12 }))),
        ("login-unavailable", 503, login_with(Some(LoginProblem::Unavailable))),
        ("login-expired", 410, login_with(Some(LoginProblem::Expired))),
        ("check", 200, check_with(None)),
        ("check-unnamed", 200, check_mail(look, &CheckView { address: None, minutes: 1, problem: None })),
        ("check-wrong", 422, check_with(Some(CodeProblem::Wrong { left: 3 }))),
        ("check-ended", 410, check_with(Some(CodeProblem::Ended))),
        ("check-too-many", 429, check_with(Some(CodeProblem::TooMany { minutes: 1 }))),
        ("confirm", 200, confirm_link(look, text, text)),
        ("other-browser", 200, other_browser(look, text)),
        ("link-ended", 410, link_ended(look)),
        ("wrong-browser", 403, wrong_browser(look)),
        ("choose", 200, choose(look, text, &choices, text)),
        ("choose-none", 200, choose(look, text, &[], text)),
        ("account", 200, account(look, &account_view)),
        ("account-no-passkeys", 200, account(look, &with_passkeys(None))),
        ("account-locked-passkeys", 200, account(look, &with_passkeys(Some(locked)))),
        ("offer", 200, passkey_offer(look, &PasskeyOfferView { to: text, is_required: false })),
        ("offer-required", 200, passkey_offer(look, &PasskeyOfferView { to: text, is_required: true })),
        ("denied", 403, denied(look, &denied_view)),
        ("denied-one-customer", 403, denied(look, &DeniedView { can_switch: false, ..denied_view })),
        ("denied-no-customer", 403, denied(look, &DeniedView { customer: None, ..denied_view })),
        ("denied-nobody", 403, denied(look, &DeniedView { email: None, can_switch: false, ..denied_view })),
        ("logged-out", 200, logged_out(look)),
        ("log-out-there", 200, log_out_there(look, text)),
        ("logged-out-there", 200, logged_out_there(look.language, text)),
        ("disabled", 503, disabled(look)),
    ];
    pages.extend(provider_pages(look, text));
    pages.extend(preview_pages(look, text));
    pages.extend(team::tests::team_pages(look, text));
    for code in [400, 403, 404, 405, 408, 413, 418, 421, 429, 431, 500, 502, 503, 504] {
        let view = ErrorView { status: StatusCode::from_u16(code).expect("a status"), request_id: text };
        pages.push(("error", code, error(Some(look.brand), look.language, &view)));
        pages.push(("neutral error", code, error(None, look.language, &view)));
    }
    pages
}

fn body(reply: &Reply) -> &str {
    std::str::from_utf8(&reply.body).expect("UTF-8")
}

fn header<'a>(reply: &'a Reply, name: &str) -> &'a str {
    reply.headers.get(name).map_or("", |value| value.to_str().expect("visible ASCII"))
}

#[test]
fn every_page_has_its_status_and_guards() {
    for (name, status, reply) in every_page(english(&brand("Acme Orders")), "ann@example.com") {
        assert_eq!(reply.status.as_u16(), status, "{name}");
        for (header_name, value) in [
            ("content-type", "text/html; charset=utf-8"),
            ("cache-control", "no-store"),
            ("x-content-type-options", "nosniff"),
            ("referrer-policy", "same-origin"),
            ("cross-origin-opener-policy", "same-origin"),
        ] {
            assert_eq!(header(&reply, header_name), value, "{name}: {header_name}");
        }
        let has_script = body(&reply).contains(SCRIPT);
        let scripts = if has_script { "script-src 'self'; connect-src 'self'; " } else { "" };
        let policy = format!(
            "default-src 'none'; {scripts}style-src 'self'; img-src 'self'; form-action 'self'; base-uri 'none'; \
             frame-ancestors 'none'"
        );
        assert_eq!(header(&reply, "content-security-policy"), policy, "{name}");
        assert_eq!(reply.headers.contains_key("permissions-policy"), has_script, "{name}");
    }
}

#[test]
fn json_text_and_redirects_are_guarded_too() {
    let json = Reply::json(StatusCode::FORBIDDEN, &serde_json::json!({"error": "denied"}));
    assert_eq!((header(&json, "content-type"), body(&json)), ("application/json", r#"{"error":"denied"}"#));
    for reply in [json, Reply::text(StatusCode::OK, "fine"), Reply::see_other("/a"), Reply::permanent("/a")] {
        assert_eq!(header(&reply, "cache-control"), "no-store");
        assert!(header(&reply, "content-security-policy").starts_with("default-src 'none'; "));
        assert_eq!(header(&reply, "x-content-type-options"), "nosniff");
        assert_eq!(header(&reply, "referrer-policy"), "same-origin");
    }
}

/// The whole markup of a page, tag by tag, without what the tags enclose and without attribute values.
fn skeleton(page: &str) -> Vec<String> {
    let mut tags = Vec::new();
    let mut rest = page;
    while let Some((_, after)) = rest.split_once('<') {
        let mut tag = String::new();
        let mut quoted = false;
        let mut end = after.len();
        for (at, character) in after.char_indices() {
            match character {
                '"' => quoted = !quoted,
                '>' if !quoted => {
                    end = at;
                    break;
                }
                _ if quoted => {}
                _ => tag.push(character),
            }
        }
        tags.push(tag);
        rest = after.get(end..).unwrap_or_default();
    }
    tags
}

#[test]
fn nothing_shown_can_become_markup() {
    for make in [brand, with_logo] {
        let tame = every_page(english(&make("Acme")), "ann");
        let wild = every_page(english(&make(HOSTILE)), HOSTILE);
        for ((name, _, tame), (_, _, wild)) in tame.iter().zip(&wild) {
            assert_eq!(skeleton(body(tame)), skeleton(body(wild)), "{name}");
            assert!(
                !body(wild).replace(SCRIPT, "").contains("<script") && !body(wild).contains("<img src=x"),
                "{name}"
            );
        }
    }
}

#[test]
fn a_page_has_a_language_a_title_one_heading_and_one_main_part() {
    let brand = brand("Acme Orders");
    let looks = Language::ALL.map(|language| Look { brand: &brand, language });
    for (look, (name, _, reply)) in
        looks.iter().flat_map(|look| every_page(*look, "ann@example.com").into_iter().map(move |page| (look, page)))
    {
        let page = body(&reply);
        let count = |text: &str| page.matches(text).count();
        let start = format!("<!doctype html>\n<html lang=\"{}\">", look.language);
        assert!(page.starts_with(&start), "{name}");
        assert_eq!((count("<title>"), count("<h1>"), count("<main")), (1, 1, 1), "{name}");
        assert_eq!(count("<title></title>") + count("<h1></h1>"), 0, "{name}");
        assert_eq!(count("{") + count("}") - 4 * count("pattern="), 0, "a word in braces was left in {name}: {page}");
        for id in page.split("aria-describedby=\"").skip(1).filter_map(|rest| rest.split('"').next()) {
            for id in id.split(' ') {
                assert_eq!(count(&format!("id=\"{id}\"")), 1, "{name}: {id}");
            }
        }
    }
}

#[test]
fn a_page_is_the_same_in_each_language_but_for_its_words() {
    let brand = brand("Acme Orders");
    let original = every_page(english(&brand), "ann@example.com");
    for language in Language::ALL {
        let pages = every_page(Look { brand: &brand, language }, "ann@example.com");
        for ((name, status, original), (_, _, page)) in original.iter().zip(&pages) {
            assert_eq!(page.status.as_u16(), *status, "{language} {name}");
            assert_eq!(page.headers, original.headers, "{language} {name}");
            // Which language is the current one differs, and nothing else.
            let marks = |page| body(page).matches(" aria-current=\"true\"").count();
            assert_eq!(marks(page), marks(original), "{language} {name}");
            let markup = |page| skeleton(&body(page).replace(" aria-current=\"true\"", ""));
            assert_eq!(markup(page), markup(original), "{language} {name}");
            let is_own = body(page).replace("Acme Orders", "") != body(original).replace("Acme Orders", "");
            assert!(is_own || language == Language::English, "{language} {name}");
        }
    }
}

#[test]
fn the_languages_to_choose_from_stand_in_their_own_names_and_know_the_way_back() {
    let brand = brand("Acme");
    let look = Look { brand: &brand, language: Language::Bulgarian };
    let page = login(look, &by_mail("", "/x?y=1&z=\"", None));
    assert!(body(&page).contains("name=\"page\" value=\"login\""), "{}", body(&page));
    assert_eq!(body(&page).matches("value=\"/x?y=1&#38;z=&#34;\"").count(), 2);
    for (code, name) in
        [("en", "English"), ("de", "Deutsch"), ("fr", "Français"), ("es", "Español"), ("bg", "Български")]
    {
        let current = if code == "bg" { " aria-current=\"true\"" } else { "" };
        let button = format!("name=\"language\" value=\"{code}\" lang=\"{code}\"{current}>{name}</button>");
        assert_eq!(body(&page).matches(&button).count(), 1, "{button}");
    }
    let page = check_mail(look, &CheckView { address: None, minutes: 15, problem: None });
    assert!(body(&page).contains("name=\"page\" value=\"check\""));
}

#[test]
fn no_page_carries_script_but_the_one_or_style_or_looks_elsewhere() {
    // A way back is what the room found to be a path of this site: here, what stands for every text is one.
    for (name, _, reply) in every_page(english(&with_logo("Acme Orders")), "/.access/account") {
        let page = body(&reply).replacen(SCRIPT, "", 1).to_lowercase();
        for banned in ["<script", "<style", " style=", " onclick", "http:", "https:", "javascript:", "vestibule"] {
            assert!(!page.contains(banned), "{name}: {banned}");
        }
        for target in page.split(" href=\"").skip(1).chain(page.split(" action=\"").skip(1)) {
            assert!(target.starts_with("/.access/") || target.starts_with("/\""), "{name}: {target}");
        }
        // Only what changes nothing, a search, may be asked for by its address.
        let searches = page.matches("<form method=\"get\" action=\"/.access/").count();
        assert_eq!(page.matches("<form").count() - searches, page.matches("method=\"post\"").count(), "{name}");
    }
}

#[test]
fn a_page_with_a_script_names_one_of_ours_and_lets_no_other_in() {
    for (name, reply) in pages_with_script(english(&brand("Acme")), "ann") {
        let page = body(&reply);
        let policy = header(&reply, "content-security-policy");
        assert!(policy.contains("default-src 'none'; script-src 'self'; ") && !policy.contains("unsafe"), "{policy}");
        assert!(policy.contains("form-action 'self'") && policy.contains("frame-ancestors 'none'"), "{policy}");
        assert_eq!(page.matches("<script").count(), 1, "{name}");
        assert!(page.contains("<script src=\"/.access/") && page.contains("\" defer></script>"), "{name}");
        assert!(!page.contains(" onclick") && !page.contains(" style=") && !page.contains("http"), "{name}");
        for make in [brand, with_logo] {
            let wild = pages_with_script(english(&make(HOSTILE)), HOSTILE);
            let tame = pages_with_script(english(&make("Acme")), "ann");
            for ((name, tame), (_, wild)) in tame.iter().zip(&wild) {
                assert_eq!(skeleton(body(tame)), skeleton(body(wild)), "{name}");
            }
        }
    }
    let script = continue_script();
    assert_eq!(header(&script, "content-type"), "text/javascript; charset=utf-8");
    assert!(body(&script).contains("requestSubmit"));
}

#[test]
fn the_page_that_leaves_after_a_form_needs_no_script_and_goes_where_it_says() {
    let page = leave_for(english(&brand("Acme")), "Okta", "https://op.test/auth?a=1&b=\"><script>");
    let there = "https://op.test/auth?a=1&#38;b=%22%3E%3Cscript%3E";
    assert_eq!(page.status, StatusCode::OK);
    assert!(
        body(&page).contains(&format!("<meta http-equiv=\"refresh\" content=\"0;url={there}\">")),
        "{}",
        body(&page)
    );
    assert!(body(&page).contains(&format!("href=\"{there}\"")));
    assert!(!body(&page).contains("<script"));
    for elsewhere in ["javascript:alert(1)", "//evil.test", "data:text/html,x"] {
        assert!(
            body(&leave_for(english(&brand("Acme")), "Okta", elsewhere)).contains("content=\"0;url=/\""),
            "{elsewhere}"
        );
    }
}

#[test]
fn the_login_page_offers_what_there_is_in_order() {
    let providers = two_providers("Big & Co");
    let view = LoginView { providers: &providers, ..by_mail("", "/a?b=1&c", None) };
    let page = login(english(&brand("Acme")), &view);
    let first = "href=\"/.access/oidc/start?provider=one&#38;to=%2Fa%3Fb%3D1%26c\"";
    assert!(body(&page).contains(first), "{}", body(&page));
    assert!(body(&page).contains("Log in with Big &#38; Co") && body(&page).contains("/.access/oidc/icon/one"));
    assert_eq!(body(&page).matches("Not reachable just now.").count(), 1);
    assert!(body(&page).contains(">or<") && !body(&page).contains("id=\"passkey\""));
    let buttons_alone = login(english(&brand("Acme")), &LoginView { address: AddressField::Absent, ..view });
    assert!(!body(&buttons_alone).contains("action=\"/.access/login\"") && !body(&buttons_alone).contains(">or<"));
    let passkey = login(english(&brand("Acme")), &LoginView { passkey: true, ..view });
    assert!(body(&passkey).contains("<button type=\"button\" id=\"passkey\""));
}

#[test]
fn who_has_no_access_is_told_as_whom_and_offered_ways_on() {
    let provider = ProviderButton { name: "okta", title: "Okta", icon: false, up: true };
    let view = NoAccessView { email: "ann@example.com", provider, to: "/x", request_id: "r1" };
    let page = no_access(english(&brand("Acme")), &view);
    assert!(body(&page).contains("You are signed in at <strong dir=\"auto\">Okta</strong> as"));
    assert!(body(&page).contains(">ann@example.com</strong>"));
    assert!(body(&page).contains("provider=okta&#38;to=%2Fx&#38;another=1"));
    assert!(body(&page).contains("/.access/login?stay=1&#38;to=%2Fx"));
}

fn check_form(reply: &Reply, action: &str, fields: &[&str]) {
    let page = body(reply);
    let form = page
        .split("<form ")
        .skip(1)
        .filter_map(|rest| rest.split("</form>").next())
        .find(|form| form.contains(&format!("action=\"{action}\"")))
        .unwrap_or_else(|| panic!("no form posts to {action}: {page}"));
    assert!(form.split('>').next().is_some_and(|tag| tag.contains("method=\"post\"")), "{form}");
    for field in fields {
        assert!(form.contains(field), "{action}: no {field} in {form}");
    }
    assert_eq!(form.matches(" name=\"").count(), fields.len(), "{form}");
}

#[test]
fn forms_post_the_agreed_fields_to_the_agreed_paths() {
    let brand = brand("Acme Orders");
    let page = login(english(&brand), &by_mail("a@b.example", "/x?y=1&z=\"", None));
    let to = "name=\"to\" value=\"/x?y=1&#38;z=&#34;\"";
    check_form(&page, "/.access/login", &[to, "name=\"email\" type=\"email\" value=\"a@b.example\""]);
    let page = check_mail(english(&brand), &CheckView { address: None, minutes: 15, problem: None });
    check_form(&page, "/.access/code", &["name=\"code\""]);
    check_form(
        &confirm_link(english(&brand), "T0-k_n", "a@b.example"),
        "/.access/link",
        &["name=\"token\" value=\"T0-k_n\""],
    );
    let choices =
        [ChoiceView { id: "42", name: "One", current: false }, ChoiceView { id: "43", name: "Two", current: true }];
    let page = choose(english(&brand), "a@b.example", &choices, "/x");
    let fields = ["name=\"to\" value=\"/x\"", "name=\"customer\" value=\"42\"", "name=\"customer\" value=\"43\""];
    check_form(&page, "/.access/choose", &fields);
    check_form(&page, "/.access/logout", &[]);
}

#[test]
fn the_account_page_ends_others_one_by_one_or_all_at_once_and_itself_by_logging_out() {
    let session = |id: &str, current| SessionView {
        id: id.to_owned(),
        device: "Firefox on Linux".to_owned(),
        started: "3 May".to_owned(),
        last_used: "today".to_owned(),
        current,
        preview: None,
    };
    let with = |sessions| AccountView {
        email: "a@b.example",
        name: None,
        customer: None,
        role: "user",
        can_preview: true,
        can_switch: false,
        doors: team::DoorsView::default(),
        sessions,
        passkeys: None,
        has_notifications: true,
        has_dashboard: true,
    };
    let alone = account(english(&brand("Acme")), &with(vec![session("s1", true)]));
    assert!(!body(&alone).contains("/.access/sessions/end") && !body(&alone).contains("/.access/choose"));
    check_form(&alone, "/.access/logout", &[]);
    let both = account(english(&brand("Acme")), &with(vec![session("s1", true), session("s2", false)]));
    check_form(&both, "/.access/sessions/end", &["name=\"session\" value=\"s2\""]);
    assert!(body(&both).contains("name=\"all\" value=\"1\"") && !body(&both).contains("value=\"s1\""));
    let nameless =
        account(english(&brand("Acme")), &with(vec![SessionView { device: String::new(), ..session("s1", true) }]));
    assert!(body(&nameless).contains(">An unknown browser<"));
}

#[test]
fn passkeys_are_named_and_deleted_by_forms_and_the_last_one_says_what_it_was_for() {
    let view = |passkeys| AccountView {
        email: "a@b.example",
        name: None,
        customer: None,
        role: "user",
        can_preview: true,
        can_switch: false,
        doors: team::DoorsView::default(),
        sessions: Vec::new(),
        passkeys: Some(passkeys),
        has_notifications: true,
        has_dashboard: true,
    };
    let two = passkeys("k1", true);
    let page = account(english(&brand("Acme")), &view(two.clone()));
    check_form(&page, "/.access/passkey/name", &["name=\"passkey\" value=\"k1\"", "name=\"name\" value=\"k1\""]);
    check_form(&page, "/.access/passkey/remove", &["name=\"passkey\" value=\"k1\""]);
    assert!(body(&page).contains("id=\"name-1\"") && body(&page).contains("id=\"name-2\""));
    assert!(!body(&page).contains("This is your last passkey"));
    let one = PasskeysView { passkeys: two.passkeys.iter().take(1).cloned().collect(), ..two };
    assert!(body(&account(english(&brand("Acme")), &view(one))).contains("This is your last passkey"));
}

#[test]
fn the_offer_has_a_way_on_without_script_unless_a_passkey_is_needed() {
    let offer = |is_required| passkey_offer(english(&brand("Acme")), &PasskeyOfferView { to: "/x", is_required });
    check_form(&offer(false), "/.access/passkey/offer", &["name=\"to\" value=\"/x\""]);
    assert!(body(&offer(false)).contains("data-onward=\"/x\"") && !body(&offer(true)).contains("data-onward"));
    check_form(&offer(true), "/.access/logout", &[]);
}

#[test]
fn the_script_is_an_asset_that_finds_every_sentence_on_the_page() {
    let script = passkey_script();
    assert_eq!(header(&script, "content-type"), "text/javascript; charset=utf-8");
    let page = login(english(&brand("Acme")), &LoginView { passkey: true, ..by_mail("", "/", None) });
    for name in ["cancelled", "refused", "known", "enough", "expired", "too_often", "unavailable", "failed"] {
        assert!(body(&page).contains(&format!(" data-{name}=\"")), "{name}");
    }
    assert!(body(&page).contains("autocomplete=\"email webauthn\""));
}

#[test]
fn customers_of_one_name_can_be_told_apart() {
    let choices = [
        ChoiceView { id: "id-1", name: "Twin", current: false },
        ChoiceView { id: "id-2", name: "Twin", current: false },
        ChoiceView { id: "id-3", name: "Other", current: false },
    ];
    let page = choose(english(&brand("Acme")), "a@b.example", &choices, "/");
    assert!(body(&page).contains(">id-1<") && body(&page).contains(">id-2<") && !body(&page).contains(">id-3<"));
}

#[test]
fn a_problem_is_announced_and_tied_to_its_field() {
    let brand = brand("Acme");
    let page = login(english(&brand), &by_mail("ann", "/", Some(LoginProblem::BadAddress)));
    assert!(body(&page).contains("role=\"alert\" id=\"problem\""));
    assert!(body(&page).contains("aria-invalid=\"true\" aria-describedby=\"problem lead\""));
    assert!(body(&page).contains("<title>Problem: Log in · Acme</title>"));
    let page = login(english(&brand), &by_mail("ann", "/", Some(LoginProblem::TooMany { minutes: 3 })));
    assert_eq!(page.headers[header::RETRY_AFTER], "180");
    assert!(body(&page).contains("3 minutes") && !body(&page).contains("aria-invalid"));
}

#[test]
fn the_logo_is_named_only_where_there_is_one() {
    let page = logged_out(english(&brand("Acme")));
    assert!(!body(&page).contains("/.access/logo") && body(&page).contains(">A</span>"));
    let light = with_logo("Acme");
    let page = logged_out(english(&light));
    let path = format!("/.access/logo/{}", svg(b"<svg/>").hash());
    assert!(body(&page).contains(&format!("<img src=\"{path}\" alt=\"Acme\" class=\"on-white\">")), "{}", body(&page));
    assert!(body(&page).contains(&format!("<link rel=\"icon\" href=\"{path}\">")) && !body(&page).contains("<source"));

    let both = Brand { logo_dark: Some(svg(b"<svg id='d'/>")), icon: Some(svg(b"<svg id='i'/>")), ..light };
    let page = logged_out(english(&both));
    let [dark, icon] = [&both.logo_dark, &both.icon].map(|logo| logo.as_ref().expect("a picture").hash());
    assert!(
        dark != icon && both.picture(dark).is_some() && both.picture(icon).is_some() && both.picture("x").is_none()
    );
    let source = format!("<source srcset=\"/.access/logo/{dark}\" media=\"(prefers-color-scheme: dark)\">");
    assert!(body(&page).contains(&source) && body(&page).contains(&format!("href=\"/.access/logo/{icon}\"")));
    assert!(!body(&page).contains("on-white"));
}

fn letter(title: &str, link: &str) -> mail::Letter {
    let brand = Brand { color: Color::parse("#112233").expect("a colour"), ..brand(title) };
    mail::login_letter(english(&brand), link, "042137", 15, "orders.example.com")
}

/// Every run of exactly six digits in a text.
fn six_digits(text: &str) -> Vec<&str> {
    text.split(|character: char| !character.is_ascii_digit()).filter(|run| run.len() == 6).collect()
}

#[test]
fn a_letter_says_it_all_in_both_parts_with_one_link_and_one_code() {
    let link = "https://orders.example.com:8443/.access/link/abc-DEF_1";
    let letter = letter("Acme Orders", link);
    assert_eq!(letter.subject, "Log in to Acme Orders");
    for part in [&letter.text, &letter.html] {
        assert_eq!(part.matches(link).count(), 1, "{part}");
        assert_eq!(part.matches("://").count(), 1, "{part}");
        assert_eq!(six_digits(part), ["042137"], "{part}");
        for said in ["15 minutes", "orders.example.com", "Acme Orders", "ignore this mail"] {
            assert!(part.contains(said), "{said}: {part}");
        }
        assert!(!part.contains(['{', '}']) || part.contains("@media"), "{part}");
        assert!(!part.to_lowercase().contains("vestibule"));
    }
    assert!(letter.text.contains(&format!("\n\n{link}\n\n")), "the link stands alone on its line");
    assert!(letter.text.contains("\n\n    042137\n\n"), "the code stands alone on its line");
}

#[test]
fn a_letter_tells_of_a_new_passkey_in_both_parts() {
    let account = "https://orders.example.com:8443/.access/account";
    let news = |device| mail::PasskeyNews { host: "orders.example.com", device, at: "3 May 2026, 10:11", account };
    let letter = mail::passkey_letter(english(&brand("Acme\nOrders")), &news("Firefox, Linux"));
    assert_eq!(letter.subject, "A passkey was added to your account at Acme Orders");
    for part in [&letter.text, &letter.html] {
        assert_eq!(part.matches(account).count(), 1, "{part}");
        for said in ["Firefox, Linux", "3 May 2026, 10:11", "If it was not you"] {
            assert!(part.contains(said), "{said}: {part}");
        }
        assert!(!part.contains(['{', '}']) || part.contains("@media"), "{part}");
    }
    assert!(!mail::passkey_letter(english(&brand("Acme")), &news("")).text.contains("with ,"));
}

#[test]
fn a_letter_in_any_language_says_it_all_in_both_parts() {
    let brand = brand("Acme Orders");
    let link = "https://orders.example.com/.access/link/abc-DEF_1";
    let account = "https://orders.example.com/.access/account";
    for language in Language::ALL {
        let look = Look { brand: &brand, language };
        let login = mail::login_letter(look, link, "042137", 15, "orders.example.com");
        let news = mail::PasskeyNews { host: "orders.example.com", device: "Firefox, Linux", at: "AT", account };
        let news = mail::passkey_letter(look, &news);
        let t = look.texts();
        for (letter, said) in [
            (&login, [link, "042137", "15", t.mail.by_code, t.mail.ignore]),
            (&news, [account, "Firefox, Linux", "AT", t.passkey.mail.good, t.passkey.mail.not_you]),
        ] {
            assert!(letter.subject.contains("Acme Orders") && !letter.subject.contains('{'), "{}", letter.subject);
            for said in said {
                assert!(letter.text.contains(said) && letter.html.contains(said), "{language}: {said}");
            }
            assert!(letter.html.contains(&format!("<html lang=\"{language}\">")));
            assert!(!letter.text.contains(['{', '}']), "{}", letter.text);
        }
        assert_eq!(six_digits(&login.text), ["042137"], "{language}");
    }
}

#[test]
fn a_title_begins_no_header_and_no_markup_in_a_letter() {
    let letter = letter("Acme\r\nBcc: eve@example.com <b>\"", "https://a.example/\"><script>");
    assert_eq!(letter.subject, "Log in to Acme Bcc: eve@example.com <b>\"");
    assert!(!letter.html.contains("<b>") && !letter.html.contains("<script") && !letter.html.contains("/\">"));
}

proptest! {
    #[test]
    fn no_title_or_address_changes_a_pages_markup(text in "\\PC{0,40}", title in "\\PC{0,40}") {
        let tame = every_page(english(&brand("Acme")), "ann");
        let wild = every_page(english(&brand(&title)), &text);
        for ((name, _, tame), (_, _, wild)) in tame.iter().zip(&wild) {
            // An empty name shows the id instead, which the page with equal names shows beside the name; and no request is
            // without an id, which pages without a brand would leave out.
            if *name != "choose" && !(text.is_empty() && matches!(*name, "hub-lost" | "neutral error")) {
                prop_assert_eq!(skeleton(body(tame)), skeleton(body(wild)), "{}", name);
            }
        }
    }

    #[test]
    fn a_subject_is_one_line(title in "[\\PC\r\n\t\0]{0,40}") {
        prop_assert!(!letter(&title, "https://a.example/").subject.contains(char::is_control));
    }
}
