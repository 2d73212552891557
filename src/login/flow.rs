//! A log-in on its way to a provider and back: what ties the provider's answer to the browser that began.
//!
//! Each attempt has a cookie of its own, so that tabs do not get into each other's way: sealed, for ten minutes, at most five in
//! a browser, and taken back when the browser returns, whatever comes of it. A copy of it is of no use either, for the state
//! in it works once.

use std::cmp::Reverse;
use std::time::Duration;

use axum::http::{HeaderMap, HeaderValue};
use data_encoding::BASE64URL_NOPAD;
use jiff::Timestamp;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::oidc::FlowSecrets;
use crate::session::{Seal, SealedCookie, Token, TokenHash};
use crate::types::{AppName, Email, HostName, ProviderName, Secret};

/// How long a person may take at a provider.
pub(super) const LIFETIME: Duration = Duration::from_secs(600);
/// How many attempts a browser may have under way.
const MOST: usize = 5;
/// How many bytes their cookies may take together: a browser that sends too many is refused (431), whatever it asks for.
const MOST_BYTES: usize = 8000;
/// How many cookies are taken back in one answer.
const MOST_CLEARED: usize = 16;
/// What the cookies' names begin with.
const PURPOSE: &str = "flow-";
/// How many characters of the state name an attempt.
const ID_CHARACTERS: usize = 8;

/// One attempt, and what is to be known when its browser comes back.
#[derive(Clone, Debug)]
pub(super) struct Flow<W> {
    /// What only this attempt's browser knows. At a provider, the `state`; for the hub, the browser's half of the ticket.
    pub(super) state: Token,
    /// When it began.
    pub(super) began: Timestamp,
    /// What is to be known.
    pub(super) what: W,
}

/// What a domain keeps of an attempt.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub(super) struct AtDomain {
    pub(super) app: String,
    pub(super) provider: String,
    pub(super) to: String,
    /// Nothing, where the hub goes to the provider.
    pub(super) login: Option<AtProvider>,
}

/// What the hub keeps of an attempt.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub(super) struct AtHub {
    pub(super) request: HubRequest,
    pub(super) login: AtProvider,
}

/// What finishing a log-in at a provider takes.
#[derive(Clone, Deserialize, Serialize)]
pub(super) struct AtProvider {
    /// Where the browser comes back to, exactly as the provider was told.
    pub(super) redirect_uri: String,
    nonce: String,
    verifier: String,
}

/// What a domain asks of the hub. It goes through the browser, sealed.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub(super) struct HubRequest {
    /// The domain that asks.
    pub(super) host: String,
    /// The port by which the browser reaches it, unless it is the usual one; the hub has the same.
    pub(super) port: Option<u16>,
    pub(super) app: String,
    pub(super) provider: String,
    /// Which of the browser's attempts on the domain it is.
    pub(super) flow: String,
    /// The hash of that attempt's state: the ticket is for the browser that holds it.
    pub(super) browser: String,
    pub(super) hint: Option<String>,
    pub(super) another: bool,
    /// When it was made, in milliseconds.
    began: i64,
}

/// The name of one attempt's cookie.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct FlowId(SealedCookie);

/// The attempts of one host: each host's cookies are sealed for it alone.
pub(super) struct Flows<'a> {
    seal: &'a Seal,
    place: String,
}

#[derive(Deserialize, Serialize)]
struct Sealed<W> {
    state: String,
    began: i64,
    what: W,
}

/// All that is to be known of a cookie to tell whether it may stay.
#[derive(Deserialize)]
struct Age {
    began: i64,
}

impl<'a> Flows<'a> {
    pub(super) fn of_domain(seal: &'a Seal, host: &HostName) -> Self {
        Self { seal, place: format!("flow/{host}") }
    }

    pub(super) fn of_hub(seal: &'a Seal, hub: &HostName) -> Self {
        Self { seal, place: format!("hub-flow/{hub}") }
    }

    /// The `Set-Cookie` values that begin an attempt: its own, and those that make room for it. `None` when it does not fit
    /// into a cookie.
    pub(super) fn begin<W: Serialize>(&self, flow: &Flow<W>, headers: &HeaderMap) -> Option<Vec<HeaderValue>> {
        let sealed = Sealed { state: flow.state.expose(), began: flow.began.as_millisecond(), what: &flow.what };
        let sealed = self.seal.seal(&self.place, &serde_json::to_vec(&sealed).ok()?).ok()?;
        let cookie = FlowId::of(&flow.state)?.0.setting(&sealed, LIFETIME.as_secs())?;
        let mut cookies = self.make_room(headers, flow.began, cookie.len());
        cookies.push(cookie);
        Some(cookies)
    }

    /// The attempt that a browser comes back with, by its state. Another's state finds nothing.
    pub(super) fn find<W: DeserializeOwned>(
        &self,
        headers: &HeaderMap,
        state: &Token,
        now: Timestamp,
    ) -> Option<Flow<W>> {
        let flow = self.find_by_id(headers, &FlowId::of(state)?, now)?;
        // Hashes are compared, so that the time it takes tells nothing of the state.
        (flow.state.hash() == state.hash()).then_some(flow)
    }

    /// The attempt of a name.
    pub(super) fn find_by_id<W: DeserializeOwned>(
        &self,
        headers: &HeaderMap,
        id: &FlowId,
        now: Timestamp,
    ) -> Option<Flow<W>> {
        let sealed: Sealed<W> = self.open(headers, &id.0)?;
        let state = Token::parse(&sealed.state)?;
        let began = Timestamp::from_millisecond(sealed.began).ok()?;
        // A cookie sealed under one name says nothing under another.
        let is_its_own = FlowId::of(&state)? == *id;
        (is_its_own && is_in_time(sealed.began, now)).then_some(Flow { state, began, what: sealed.what })
    }

    fn open<W: DeserializeOwned>(&self, headers: &HeaderMap, cookie: &SealedCookie) -> Option<W> {
        let open = self.seal.open(&self.place, &cookie.read(headers)?).ok()?;
        serde_json::from_slice(&open).ok()
    }

    /// Takes back what cannot be read, is too old, or is one too many: the oldest go first.
    fn make_room(&self, headers: &HeaderMap, now: Timestamp, incoming_bytes: usize) -> Vec<HeaderValue> {
        let mut doomed = Vec::new();
        let mut kept = Vec::new();
        for cookie in SealedCookie::all(headers, PURPOSE) {
            match self.open::<Age>(headers, &cookie).filter(|age| is_in_time(age.began, now)) {
                Some(age) => kept.push((Reverse(age.began), cookie)),
                None => doomed.push(cookie),
            }
        }
        kept.sort_by_key(|(began, _)| *began);
        let mut bytes = incoming_bytes;
        for (newer, (_, cookie)) in kept.into_iter().enumerate() {
            bytes += cookie.read(headers).map_or(0, |sealed| sealed.len().saturating_mul(4) / 3 + ID_CHARACTERS);
            if newer + 1 >= MOST || bytes > MOST_BYTES {
                doomed.push(cookie);
            }
        }
        doomed.iter().take(MOST_CLEARED).map(SealedCookie::clearing).collect()
    }
}

impl FlowId {
    /// The attempt with this state. A few of its characters tell attempts apart, and nobody what the rest is.
    pub(super) fn of(state: &Token) -> Option<Self> {
        Self::parse(state.expose().get(..ID_CHARACTERS)?)
    }

    pub(super) fn parse(text: &str) -> Option<Self> {
        if text.len() != ID_CHARACTERS {
            return None;
        }
        SealedCookie::new(&format!("{PURPOSE}{text}")).map(Self)
    }

    pub(super) fn as_str(&self) -> &str {
        self.0.purpose().strip_prefix(PURPOSE).unwrap_or_default()
    }

    /// The `Set-Cookie` value that ends the attempt.
    pub(super) fn clearing(&self) -> HeaderValue {
        self.0.clearing()
    }
}

impl AtProvider {
    pub(super) fn new(redirect_uri: String, secrets: &FlowSecrets) -> Self {
        let (nonce, verifier) = (secrets.nonce.expose().to_owned(), secrets.verifier.expose().to_owned());
        Self { redirect_uri, nonce, verifier }
    }

    pub(super) fn secrets(&self) -> FlowSecrets {
        FlowSecrets { nonce: Secret::new(self.nonce.clone()), verifier: Secret::new(self.verifier.clone()) }
    }
}

/// Nonce and verifier are secrets.
impl std::fmt::Debug for AtProvider {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("AtProvider").field("redirect_uri", &self.redirect_uri).finish_non_exhaustive()
    }
}

impl HubRequest {
    /// The longest sealed request, in characters.
    const MOST_CHARACTERS: usize = 4096;

    /// What a domain asks for one of its attempts.
    pub(super) fn new(
        flow: &Flow<AtDomain>,
        host: &HostName,
        port: Option<u16>,
        hint: Option<&Email>,
        another: bool,
    ) -> Option<Self> {
        Some(Self {
            host: host.to_string(),
            port,
            app: flow.what.app.clone(),
            provider: flow.what.provider.clone(),
            flow: FlowId::of(&flow.state)?.as_str().to_owned(),
            browser: BASE64URL_NOPAD.encode(flow.state.hash().as_bytes()),
            hint: hint.map(ToString::to_string),
            another,
            began: flow.began.as_millisecond(),
        })
    }

    /// Seals it for the hub, as text for a query.
    pub(super) fn seal(&self, seal: &Seal, hub: &HostName) -> Option<String> {
        let sealed = seal.seal(&Self::sealed_as(hub), &serde_json::to_vec(self).ok()?).ok()?;
        Some(BASE64URL_NOPAD.encode(&sealed))
    }

    /// Opens what a domain sealed; too old is as good as not ours.
    pub(super) fn open(seal: &Seal, hub: &HostName, text: &str, now: Timestamp) -> Option<Self> {
        if text.len() > Self::MOST_CHARACTERS {
            return None;
        }
        let open = seal.open(&Self::sealed_as(hub), &BASE64URL_NOPAD.decode(text.as_bytes()).ok()?).ok()?;
        let request: Self = serde_json::from_slice(&open).ok()?;
        is_in_time(request.began, now).then_some(request)
    }

    pub(super) fn host(&self) -> Option<HostName> {
        HostName::parse(&self.host).ok()
    }

    pub(super) fn app(&self) -> Option<AppName> {
        AppName::parse(&self.app).ok()
    }

    pub(super) fn provider(&self) -> Option<ProviderName> {
        ProviderName::parse(&self.provider).ok()
    }

    pub(super) fn hint(&self) -> Option<Email> {
        self.hint.as_deref().and_then(|hint| Email::parse(hint).ok())
    }

    pub(super) fn browser(&self) -> Option<TokenHash> {
        TokenHash::from_bytes(&BASE64URL_NOPAD.decode(self.browser.as_bytes()).ok()?)
    }

    fn sealed_as(hub: &HostName) -> String {
        format!("hub-request/{hub}")
    }
}

/// A host's origin, as a browser writes it.
pub(super) fn origin(host: &HostName, port: Option<u16>) -> String {
    match port {
        Some(port) => format!("https://{host}:{port}"),
        None => format!("https://{host}"),
    }
}

/// The port in an origin of ours, where there is one.
pub(super) fn port_of(origin: &str) -> Option<u16> {
    origin.strip_prefix("https://")?.split_once(':')?.1.parse().ok()
}

/// Until when something that began at a moment is remembered as used.
pub(super) fn remember_until(began: Timestamp) -> Timestamp {
    began.checked_add(LIFETIME * 2).unwrap_or(Timestamp::MAX)
}

fn is_in_time(began: i64, now: Timestamp) -> bool {
    let lifetime = i64::try_from(LIFETIME.as_millis()).unwrap_or(i64::MAX);
    let age = now.as_millisecond().saturating_sub(began);
    // One from the future was sealed by a node whose clock is ahead; by much, and its time would not end.
    (-lifetime..lifetime).contains(&age)
}

#[cfg(test)]
mod tests {
    use axum::http::header;

    use super::*;

    fn host(name: &str) -> HostName {
        HostName::parse(name).expect("a host")
    }

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_second(1_700_000_000 + seconds).expect("in range")
    }

    fn flow(seed: u8, began: Timestamp, to: &str) -> Flow<AtDomain> {
        let secrets = FlowSecrets { nonce: Secret::new("n".to_owned()), verifier: Secret::new("v".to_owned()) };
        let login = Some(AtProvider::new("https://a.test/.access/oidc/callback".to_owned(), &secrets));
        let what = AtDomain { app: "orders".to_owned(), provider: "okta".to_owned(), to: to.to_owned(), login };
        Flow { state: Token::new([seed; 32]), began, what }
    }

    /// What a browser does with `Set-Cookie` values.
    #[derive(Default)]
    struct Jar(Vec<(String, String)>);

    impl Jar {
        fn take(&mut self, cookies: &[HeaderValue]) {
            for cookie in cookies {
                let text = cookie.to_str().expect("ASCII");
                let (name, value) = text.split(';').next().and_then(|pair| pair.split_once('=')).expect("a pair");
                self.0.retain(|(known, _)| known != name);
                if !value.is_empty() {
                    self.0.push((name.to_owned(), value.to_owned()));
                }
            }
        }

        fn headers(&self) -> HeaderMap {
            let pairs: Vec<String> = self.0.iter().map(|(name, value)| format!("{name}={value}")).collect();
            let mut headers = HeaderMap::new();
            headers.insert(header::COOKIE, pairs.join("; ").parse().expect("a header"));
            headers
        }
    }

    #[test]
    fn attempts_of_several_tabs_stand_side_by_side_and_the_oldest_gives_way_to_a_sixth() {
        let seal = Seal::new([1; 32]);
        let flows = Flows::of_domain(&seal, &host("a.test"));
        let mut jar = Jar::default();
        for seed in 0..7 {
            let flow = flow(seed, at(i64::from(seed)), "/");
            jar.take(&flows.begin(&flow, &jar.headers()).expect("it fits"));
        }
        assert_eq!(jar.0.len(), MOST);
        for seed in 0..7_u8 {
            let found = flows.find::<AtDomain>(&jar.headers(), &Token::new([seed; 32]), at(10));
            assert_eq!(found.is_some(), seed >= 2, "{seed}");
        }
    }

    #[test]
    fn long_ways_back_never_fill_a_browsers_cookies() {
        let seal = Seal::new([1; 32]);
        let flows = Flows::of_domain(&seal, &host("a.test"));
        let mut jar = Jar::default();
        for seed in 0..5 {
            let flow = flow(seed, at(i64::from(seed)), &format!("/{}", "a".repeat(2000)));
            jar.take(&flows.begin(&flow, &jar.headers()).expect("it fits"));
        }
        let bytes: usize = jar.0.iter().map(|(_, value)| value.len()).sum();
        assert!(bytes <= MOST_BYTES && jar.0.len() == 2, "{bytes} in {}", jar.0.len());
        assert!(flows.find::<AtDomain>(&jar.headers(), &Token::new([4; 32]), at(10)).is_some(), "the newest stays");
        assert!(flows.begin(&flow(9, at(0), &"\"".repeat(2048)), &jar.headers()).is_none(), "no browser would keep it");
    }

    #[test]
    fn attack_17_an_attempt_opens_for_its_own_state_host_and_time_alone() {
        let seal = Seal::new([1; 32]);
        let flows = Flows::of_domain(&seal, &host("a.test"));
        let mut jar = Jar::default();
        jar.take(&flows.begin(&flow(1, at(0), "/"), &jar.headers()).expect("it fits"));
        let headers = jar.headers();
        let state = Token::new([1; 32]);
        assert!(flows.find::<AtDomain>(&headers, &state, at(599)).is_some());
        assert!(flows.find::<AtDomain>(&headers, &state, at(600)).is_none(), "too late");
        assert!(flows.find::<AtDomain>(&headers, &state, at(-601)).is_none(), "from the future");
        // Begins alike, and is another.
        let mut other = [1; 32];
        other[31] = 2;
        assert!(flows.find::<AtDomain>(&headers, &Token::new(other), at(1)).is_none());
        for elsewhere in [
            Flows::of_domain(&seal, &host("b.test")),
            Flows::of_hub(&seal, &host("a.test")),
            Flows::of_domain(&Seal::new([2; 32]), &host("a.test")),
        ] {
            assert!(elsewhere.find::<AtDomain>(&headers, &state, at(1)).is_none(), "{}", elsewhere.place);
        }
        // Under another attempt's name.
        let value = jar.0.first().expect("a cookie").1.clone();
        let renamed = FlowId::of(&Token::new([3; 32])).expect("an id");
        let planted = Jar(vec![(format!("__Host-access-flow-{}", renamed.as_str()), value.clone())]);
        assert!(flows.find_by_id::<AtDomain>(&planted.headers(), &renamed, at(1)).is_none());
        // Twice.
        let name = jar.0.first().expect("a cookie").0.clone();
        let twice = Jar(vec![(name.clone(), value.clone()), (name, value)]);
        assert!(flows.find::<AtDomain>(&twice.headers(), &state, at(1)).is_none());
    }

    #[test]
    fn what_cannot_be_read_is_taken_back() {
        let seal = Seal::new([1; 32]);
        let flows = Flows::of_domain(&seal, &host("a.test"));
        let mut jar = Jar(vec![("__Host-access-flow-AAAAAAAA".to_owned(), "junk".to_owned())]);
        jar.take(&flows.begin(&flow(1, at(0), "/"), &jar.headers()).expect("it fits"));
        assert_eq!(jar.0.len(), 1);
        jar.take(&flows.begin(&flow(2, at(1000), "/"), &jar.headers()).expect("it fits"));
        assert_eq!(jar.0.len(), 1, "the first is too old by now");
    }

    #[test]
    fn attack_15_a_request_to_the_hub_opens_there_alone_and_for_minutes() {
        let (seal, hub) = (Seal::new([1; 32]), host("login.test"));
        let flow = flow(1, at(0), "/");
        let hint = Email::parse("ann@example.com").expect("an address");
        let request = HubRequest::new(&flow, &host("a.test"), Some(8443), Some(&hint), false).expect("a request");
        let sealed = request.seal(&seal, &hub).expect("it seals");
        assert!(!sealed.contains("ann"));
        let open = HubRequest::open(&seal, &hub, &sealed, at(1)).expect("it opens");
        assert_eq!((open.host(), open.port, open.hint()), (Some(host("a.test")), Some(8443), Some(hint)));
        assert_eq!(open.browser(), Some(flow.state.hash()));
        assert!(HubRequest::open(&seal, &hub, &sealed, at(600)).is_none());
        assert!(HubRequest::open(&seal, &host("other.test"), &sealed, at(1)).is_none());
        assert!(HubRequest::open(&seal, &hub, &format!("{sealed}A"), at(1)).is_none());
        assert!(HubRequest::open(&seal, &hub, &"A".repeat(5000), at(1)).is_none());
        // A flow cookie's text is no request, though one key seals both.
        let cookie = seal.seal("flow/login.test", b"{}").expect("it seals");
        assert!(HubRequest::open(&seal, &hub, &BASE64URL_NOPAD.encode(&cookie), at(1)).is_none());
    }

    #[test]
    fn an_origin_has_the_port_that_the_browser_wrote() {
        let name = host("a.test");
        for (port, text) in [(None, "https://a.test"), (Some(8443), "https://a.test:8443")] {
            assert_eq!(origin(&name, port), text);
            assert_eq!(port_of(text), port);
        }
    }

    #[test]
    fn secrets_do_not_print() {
        assert!(!format!("{:?}", flow(1, at(0), "/")).contains("\"v\""));
    }

    proptest::proptest! {
        #[test]
        fn nothing_that_we_did_not_seal_opens(text in "\\PC{0,80}|[A-Za-z0-9_-]{0,200}") {
            let seal = Seal::new([3; 32]);
            proptest::prop_assert!(HubRequest::open(&seal, &host("login.test"), &text, at(0)).is_none());
            let mut headers = HeaderMap::new();
            if let Ok(value) = HeaderValue::try_from(format!("__Host-access-flow-AAAAAAAA={text}")) {
                headers.insert(header::COOKIE, value);
            }
            let flows = Flows::of_domain(&seal, &host("orders.test"));
            let id = FlowId::parse("AAAAAAAA").expect("a name");
            proptest::prop_assert!(flows.find_by_id::<AtDomain>(&headers, &id, at(0)).is_none());
            let _ = FlowId::parse(&text);
        }
    }
}
