//! What is kept of a ceremony is good for that ceremony alone.

use http::header;

use super::*;

fn ceremony(purpose: Purpose, host: &HostName, second: i64) -> Ceremony<'_> {
    Ceremony { purpose, host, now: Timestamp::from_second(second).expect("in range") }
}

fn host(name: &str) -> HostName {
    HostName::parse(name).expect("valid")
}

fn session(number: u8) -> SessionId {
    Token::new([number; 32]).hash()
}

/// The cookie pairs that a browser would send back, and those that it would drop.
fn kept(cookies: &[HeaderValue]) -> (Vec<String>, Vec<String>) {
    let text = |cookie: &HeaderValue| cookie.to_str().expect("ASCII").to_owned();
    let (gone, set): (Vec<String>, Vec<String>) =
        cookies.iter().map(text).partition(|cookie| cookie.contains("Max-Age=0"));
    let pair = |cookie: &String| cookie.split(';').next().expect("a pair").to_owned();
    (set.iter().map(pair).collect(), gone.iter().map(pair).collect())
}

fn with(cookies: &[String]) -> HeaderMap {
    let mut headers = HeaderMap::new();
    headers.insert(header::COOKIE, HeaderValue::try_from(cookies.join("; ")).expect("a header"));
    headers
}

#[test]
fn a_state_opens_for_its_purpose_on_its_domain_in_time_with_its_key() {
    let (orders, acme) = (host("orders.example"), host("acme.example"));
    let seal = Seal::new([1; 32]);
    let add = Purpose::Add(session(1));
    let begun = ceremony(add, &orders, 1000);
    let cookies = begun.keep(&seal, &HeaderMap::new(), &[7; 32], "state".to_owned()).expect("it is kept");
    let headers = with(&kept(&cookies).0);
    let sealed = cookie_of(&BASE64URL_NOPAD.encode(&[7; 32])).expect("a name").read(&headers).expect("a cookie");
    let opens = |ceremony: Ceremony<'_>, seal: &Seal| {
        ceremony.open::<String>(seal, &sealed).map(|kept| (kept.challenge, kept.state))
    };
    assert_eq!(opens(begun, &seal), Some(([7; 32], "state".to_owned())));
    assert!(opens(ceremony(add, &orders, 1299), &seal).is_some());
    assert!(opens(ceremony(add, &orders, 1300), &seal).is_none(), "too late");
    assert!(opens(ceremony(add, &acme, 1000), &seal).is_none(), "another domain");
    assert!(opens(ceremony(Purpose::LogIn, &orders, 1000), &seal).is_none(), "another purpose");
    assert!(opens(ceremony(Purpose::Add(session(2)), &orders, 1000), &seal).is_none(), "another session");
    assert!(opens(begun, &Seal::new([2; 32])).is_none(), "another key");
}

#[test]
fn a_browser_keeps_a_few_ceremonies_and_gives_up_the_oldest() {
    let orders = host("orders.example");
    let seal = Seal::new([1; 32]);
    let begin = |number: u8, cookies: &[String]| {
        let cookies = ceremony(Purpose::LogIn, &orders, 1000).keep(&seal, &with(cookies), &[number; 32], String::new());
        kept(&cookies.expect("it is kept"))
    };
    let mut jar: Vec<String> = vec!["app=1".to_owned()];
    for number in 1..=5 {
        let (set, gone) = begin(number, &jar);
        assert!(gone.is_empty(), "{gone:?}");
        jar.extend(set);
    }
    let (set, gone) = begin(6, &jar);
    let oldest = jar[1].split('=').next().expect("a name");
    assert_eq!((set.len(), gone), (1, vec![format!("{oldest}=")]));
}

#[test]
fn client_data_from_a_frame_in_another_page_is_refused() {
    let read = |json: &str| ClientData::read(json.as_bytes());
    assert!(
        read(r#"{"type":"webauthn.get","challenge":"abc","origin":"https://a.example","crossOrigin":false}"#).is_ok()
    );
    assert!(read(r#"{"type":"webauthn.get","challenge":"abc"}"#).is_ok());
    for refused in
        [r#"{"challenge":"abc","crossOrigin":true}"#, r#"{"challenge":"abc","topOrigin":"https://b.example"}"#]
    {
        assert!(matches!(read(refused), Err(Problem::Refused { .. })), "{refused}");
    }
    for junk in ["", "[]", "{}", "\u{fffd}", r#"{"challenge":7}"#] {
        assert!(matches!(read(junk), Err(Problem::Unreadable)), "{junk}");
    }
    for name in ["", "short", "AAAA;BBB", "AAAA BBB", "ääää"] {
        assert_eq!(cookie_of(name), None, "{name}");
    }
}
