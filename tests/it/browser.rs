//! A person with a browser: a cookie jar a host, the headers a browser sends, and nothing followed by itself.

use std::collections::{BTreeMap, HashMap};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use tokio::net::TcpStream;
use tokio_rustls::client::TlsStream;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::{self, client::IntoClientRequest};

use crate::house::Door;
use crate::mailbox::{Mail, Mailbox};
use crate::provider;
use crate::wire;

/// The session cookie.
pub(crate) const SESSION: &str = "__Host-access";
/// The cookie of a browser that asked for a mail.
pub(crate) const TRY: &str = "__Host-access-try";

/// The cookie of a browser in which somebody chose a language.
pub(crate) const LANGUAGE: &str = "__Host-access-language";

/// What came back.
#[derive(Clone, Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

impl Answer {
    /// Every value of a header.
    pub(crate) fn all(&self, name: &str) -> Vec<&str> {
        let same = |(key, _): &&(String, String)| key.eq_ignore_ascii_case(name);
        self.headers.iter().filter(same).map(|(_, value)| value.as_str()).collect()
    }

    /// The first value of a header, or the empty string.
    pub(crate) fn header(&self, name: &str) -> &str {
        self.all(name).first().copied().unwrap_or_default()
    }

    /// Where a redirect leads, without our own scheme, host and port when it names them.
    pub(crate) fn location(&self) -> &str {
        self.header("location")
    }

    /// The body as text.
    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The body as JSON.
    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|e| panic!("{e}: {} {}", self.status, self.text()))
    }

    /// The values of all form fields and buttons with this name.
    pub(crate) fn fields(&self, name: &str) -> Vec<String> {
        let text = self.text();
        let tags = text.split('<').filter_map(|tag| tag.split_once('>')).map(|(tag, _)| tag);
        let named = tags.filter(|tag| attribute(tag, "name").as_deref() == Some(name));
        named.map(|tag| attribute(tag, "value").unwrap_or_default()).collect()
    }

    /// The page has a field with this name.
    pub(crate) fn has_field(&self, name: &str) -> bool {
        !self.fields(name).is_empty()
    }

    /// Fails, with the page, unless the status is this one.
    #[track_caller]
    pub(crate) fn expect(self, status: u16) -> Self {
        assert_eq!(self.status, status, "{:?}\n{}", self.headers, self.text());
        self
    }

    /// Fails unless this is the redirect of a person who must log in first.
    #[track_caller]
    pub(crate) fn must_log_in(self) -> Self {
        let answer = self.expect(303);
        assert!(answer.location().starts_with("/.access/login"), "{}", answer.location());
        answer
    }
}

/// An answer, and whether it came to its end or was broken off.
#[derive(Debug)]
pub(crate) struct Got {
    pub(crate) answer: Answer,
    pub(crate) is_whole: bool,
}

impl Got {
    /// Fails unless it is a whole answer of this status.
    #[track_caller]
    pub(crate) fn whole(self, status: u16) -> Answer {
        assert!(self.is_whole, "it was broken off: {:?}\n{}", self.answer.headers, self.answer.text());
        self.answer.expect(status)
    }

    /// Fails unless it began well and was broken off.
    #[track_caller]
    pub(crate) fn broken(self) -> Answer {
        assert!(!self.is_whole, "it is whole: {:?}\n{}", self.answer.headers, self.answer.text());
        self.answer.expect(200)
    }
}

/// An attribute of one HTML tag, unescaped.
pub(crate) fn attribute(tag: &str, name: &str) -> Option<String> {
    let start = tag.find(&format!(" {name}=\""))? + name.len() + 3;
    let value = tag[start..].split('"').next()?;
    let value = value.replace("&quot;", "\"").replace("&#34;", "\"").replace("&#39;", "'").replace("&#x27;", "'");
    Some(
        value
            .replace("&lt;", "<")
            .replace("&#60;", "<")
            .replace("&gt;", ">")
            .replace("&#62;", ">")
            .replace("&amp;", "&")
            .replace("&#38;", "&"),
    )
}

/// Every name leads to this machine.
struct Loopback;

impl Resolve for Loopback {
    fn resolve(&self, _: Name) -> Resolving {
        let addresses: Addrs = Box::new(std::iter::once(SocketAddr::from(([127, 0, 0, 1], 0))));
        Box::pin(std::future::ready(Ok(addresses)))
    }
}

/// A browser on one host; `at` gives the same one on another host.
#[derive(Clone)]
pub(crate) struct Browser {
    door: Arc<Door>,
    mail: Mailbox,
    host: String,
    client: reqwest::Client,
    jar: Arc<Mutex<HashMap<String, BTreeMap<String, String>>>>,
}

impl Browser {
    pub(crate) fn new(door: Arc<Door>, mail: Mailbox, host: &str) -> Self {
        let trusted = format!("{}{}", door.ca(), provider::authority().pem);
        let ca = reqwest::Certificate::from_pem_bundle(trusted.as_bytes()).expect("both CAs are PEM");
        let client = reqwest::Client::builder()
            .no_proxy()
            .redirect(reqwest::redirect::Policy::none())
            .dns_resolver(Arc::new(Loopback))
            .tls_certs_only(ca)
            .timeout(Duration::from_secs(30))
            .build()
            .expect("a client");
        Self { door, mail, host: host.to_owned(), client, jar: Arc::default() }
    }

    /// The same browser on another host: other cookies, as browsers keep them.
    pub(crate) fn at(&self, host: &str) -> Self {
        Self { host: host.to_owned(), ..self.clone() }
    }

    /// Our own origin here.
    pub(crate) fn origin(&self) -> String {
        format!("https://{}:{}", self.host, self.door.https().port())
    }

    /// A cookie's value.
    pub(crate) fn cookie(&self, name: &str) -> Option<String> {
        self.cookies().get(name).cloned()
    }

    /// Puts a cookie in, as a thief or a tester would.
    pub(crate) fn set_cookie(&self, name: &str, value: &str) {
        let mut jar = self.jar.lock().expect("no test panics with the lock held");
        jar.entry(self.host.clone()).or_default().insert(name.to_owned(), value.to_owned());
    }

    /// Throws a cookie away.
    pub(crate) fn forget_cookie(&self, name: &str) {
        self.jar.lock().expect("no test panics with the lock held").entry(self.host.clone()).or_default().remove(name);
    }

    /// The cookies whose name begins so, with their values.
    pub(crate) fn cookies_named(&self, prefix: &str) -> Vec<(String, String)> {
        self.cookies().into_iter().filter(|(name, _)| name.starts_with(prefix)).collect()
    }

    /// The host that it is on.
    pub(crate) fn host(&self) -> &str {
        &self.host
    }

    /// Our own port, by which our addresses are told from those of others.
    pub(crate) fn port(&self) -> u16 {
        self.door.https().port()
    }

    /// Remembers what no log line may hold.
    pub(crate) fn secret(&self, secret: &str) {
        self.door.secret(secret);
    }

    fn cookies(&self) -> BTreeMap<String, String> {
        self.jar.lock().expect("no test panics with the lock held").get(&self.host).cloned().unwrap_or_default()
    }

    /// The `Cookie` header.
    pub(crate) fn cookie_header(&self) -> String {
        let pairs: Vec<String> = self.cookies().iter().map(|(name, value)| format!("{name}={value}")).collect();
        pairs.join("; ")
    }

    /// Sends any request with the jar's cookies; the answer's cookies go into the jar.
    pub(crate) async fn send(&self, method: &str, path: &str, headers: &[(&str, &str)], body: &str) -> Answer {
        self.exchange(method, &format!("{}{path}", self.origin()), headers, body).await
    }

    /// Sends a request to somebody else, whose cookies are kept apart by host and port.
    pub(crate) async fn send_abroad(&self, method: &str, url: &str, headers: &[(&str, &str)], body: &str) -> Answer {
        let there = reqwest::Url::parse(url).unwrap_or_else(|error| panic!("{url:?}: {error}"));
        self.at(there.authority()).exchange(method, url, headers, body).await
    }

    async fn exchange(&self, method: &str, url: &str, headers: &[(&str, &str)], body: &str) -> Answer {
        let method = method.parse().expect("a method");
        let mut request = self.client.request(method, url);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        if !self.cookies().is_empty() {
            request = request.header("cookie", self.cookie_header());
        }
        if !body.is_empty() {
            request = request.body(body.to_owned());
        }
        let answer = request.send().await.unwrap_or_else(|error| panic!("{url}: {error:?}"));
        let status = answer.status().as_u16();
        let text = |value: &reqwest::header::HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
        let headers = answer.headers().iter().map(|(name, value)| (name.to_string(), text(value))).collect();
        let body = answer.bytes().await.unwrap_or_else(|error| panic!("{url}: {error:?}")).to_vec();
        let answer = Answer { status, headers, body };
        self.keep_cookies(&answer);
        answer
    }

    /// Sends a request over HTTP/2, and reads the answer as far as it comes.
    pub(crate) async fn ask(&self, method: &str, path: &str, headers: &[(&str, &str)]) -> Got {
        let method = method.parse::<reqwest::Method>().expect("a method");
        let mut request = self.client.request(method, format!("{}{path}", self.origin()));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let request = request.header("cookie", self.cookie_header()).version(reqwest::Version::HTTP_2);
        let mut response = request.send().await.unwrap_or_else(|error| panic!("{path}: {error:?}"));
        assert_eq!(response.version(), reqwest::Version::HTTP_2);
        let text = |value: &reqwest::header::HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
        let headers = response.headers().iter().map(|(name, value)| (name.to_string(), text(value))).collect();
        let mut answer = Answer { status: response.status().as_u16(), headers, body: Vec::new() };
        loop {
            match response.chunk().await {
                Ok(Some(chunk)) => answer.body.extend_from_slice(&chunk),
                Ok(None) => return Got { answer, is_whole: true },
                Err(error) => {
                    eprintln!("{path} was broken off: {error:?}");
                    return Got { answer, is_whole: false };
                }
            }
        }
    }

    fn keep_cookies(&self, answer: &Answer) {
        for cookie in answer.all("set-cookie") {
            let (pair, attributes) = cookie.split_once(';').unwrap_or((cookie, ""));
            let (name, value) = pair.split_once('=').expect("a cookie has a name and a value");
            let over = value.is_empty() || attributes.to_ascii_lowercase().contains("max-age=0");
            if over {
                let mut jar = self.jar.lock().expect("no test panics with the lock held");
                jar.entry(self.host.clone()).or_default().remove(name);
            } else {
                self.set_cookie(name, value);
                // A language is no secret, and its two letters stand in any log.
                if name.starts_with(SESSION) && name != LANGUAGE {
                    self.door.secret(value);
                }
            }
        }
    }

    /// Goes to a page, as by typing its address or clicking a link.
    pub(crate) async fn navigate(&self, path: &str) -> Answer {
        let headers = [
            ("accept", "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"),
            ("sec-fetch-mode", "navigate"),
            ("sec-fetch-dest", "document"),
            ("sec-fetch-site", "none"),
        ];
        self.send("GET", path, &headers, "").await
    }

    /// Asks from a script.
    pub(crate) async fn fetch(&self, path: &str) -> Answer {
        self.fetch_with("GET", path, "").await
    }

    /// Asks from a script with another method.
    pub(crate) async fn fetch_with(&self, method: &str, path: &str, body: &str) -> Answer {
        let origin = self.origin();
        let headers = [
            ("accept", "application/json"),
            ("sec-fetch-mode", "cors"),
            ("sec-fetch-dest", "empty"),
            ("sec-fetch-site", "same-origin"),
            ("origin", &origin),
        ];
        self.send(method, path, &headers, body).await
    }

    /// Asks as a script does and leaves the body to be read piece by piece.
    pub(crate) async fn open(&self, path: &str) -> reqwest::Response {
        let request = self.client.get(format!("{}{path}", self.origin())).header("cookie", self.cookie_header());
        request.header("accept", "*/*").send().await.unwrap_or_else(|error| panic!("{path}: {error:?}"))
    }

    /// Sends one of our own forms from one of our own pages.
    pub(crate) async fn post(&self, path: &str, fields: &[(&str, &str)]) -> Answer {
        let origin = self.origin();
        self.post_from(path, fields, &[("origin", &origin), ("sec-fetch-site", "same-origin")]).await
    }

    /// Sends a form with this proof of where it came from, or none.
    pub(crate) async fn post_from(&self, path: &str, fields: &[(&str, &str)], proof: &[(&str, &str)]) -> Answer {
        let pairs: Vec<String> = fields.iter().map(|(name, value)| format!("{name}={}", encode(value))).collect();
        let mut headers = vec![
            ("accept", "text/html"),
            ("content-type", "application/x-www-form-urlencoded"),
            ("sec-fetch-mode", "navigate"),
        ];
        headers.extend_from_slice(proof);
        self.send("POST", path, &headers, &pairs.join("&")).await
    }

    /// Asks for a log-in mail and expects the one answer there is.
    pub(crate) async fn ask_for_mail(&self, email: &str) -> Answer {
        self.ask_for_mail_to(email, "/").await
    }

    /// The same, on the way to a page.
    pub(crate) async fn ask_for_mail_to(&self, email: &str, to: &str) -> Answer {
        self.door.secret(email);
        let answer = self.post("/.access/login", &[("email", email), ("to", to)]).await.expect(303);
        assert_eq!(answer.location(), "/.access/check");
        answer
    }

    /// Asks for a log-in mail and waits for it, whatever else comes meanwhile.
    pub(crate) async fn mail(&self, email: &str, to: &str) -> Mail {
        let mut before = self.mail.all().await.last().map_or(0, |mail| mail.n);
        self.ask_for_mail_to(email, to).await;
        let mail = loop {
            let mail = self.mail.wait_after(email.trim(), before).await;
            if mail.is_log_in() {
                break mail;
            }
            before = mail.n;
        };
        self.door.secret(&mail.token());
        mail
    }

    /// Opens the link of a mail; the page is whatever this browser deserves.
    pub(crate) async fn open_link(&self, mail: &Mail) -> Answer {
        self.navigate(&format!("/.access/link/{}", mail.token())).await
    }

    /// Presses the button on the link's page.
    pub(crate) async fn press_button(&self, mail: &Mail) -> Answer {
        self.post("/.access/link", &[("token", &mail.token())]).await
    }

    /// Types a code.
    pub(crate) async fn type_code(&self, code: &str) -> Answer {
        self.post("/.access/code", &[("code", code)]).await
    }

    /// Logs in by the link, the whole way, and says where it led.
    pub(crate) async fn log_in(&self, email: &str) -> String {
        self.log_in_to(email, "/").await
    }

    /// The same, on the way to a page.
    pub(crate) async fn log_in_to(&self, email: &str, to: &str) -> String {
        let mail = self.mail(email, to).await;
        let page = self.open_link(&mail).await.expect(200);
        assert_eq!(page.fields("token"), [mail.token()], "the page has a button:\n{}", page.text());
        let answer = self.press_button(&mail).await.expect(303);
        assert!(self.cookie(SESSION).is_some(), "no session cookie in {:?}", answer.headers);
        answer.location().to_owned()
    }

    /// Logs in with another spelling of an address than the one that the mail goes to.
    pub(crate) async fn log_in_as(&self, typed: &str, email: &str) {
        let before = self.mail.all().await.last().map_or(0, |mail| mail.n);
        self.ask_for_mail(typed).await;
        let mail = self.mail.wait_after(email, before).await;
        self.press_button(&mail).await.expect(303);
    }

    /// Chooses a customer.
    pub(crate) async fn choose(&self, customer: &str) -> Answer {
        self.post("/.access/choose", &[("customer", customer), ("to", "/")]).await
    }

    /// Logs out.
    pub(crate) async fn log_out(&self) {
        let answer = self.post("/.access/logout", &[]).await.expect(303);
        assert_eq!(answer.location(), "/.access/logged-out");
    }

    /// Opens a WebSocket, or says with which status it was refused.
    pub(crate) async fn web_socket(&self, path: &str) -> Result<WebSocketStream<TlsStream<TcpStream>>, u16> {
        let stream = wire::tls(self.door.https(), &self.host, self.door.ca(), &[b"http/1.1"]).await.expect("TLS");
        let url = format!("wss://{}:{}{path}", self.host, self.door.https().port());
        let mut request = url.into_client_request().expect("a request");
        let value = |text: &str| text.parse().expect("a header value");
        request.headers_mut().insert("origin", value(&self.origin()));
        if !self.cookies().is_empty() {
            request.headers_mut().insert("cookie", value(&self.cookie_header()));
        }
        match tokio_tungstenite::client_async(request, stream).await {
            Ok((socket, _)) => Ok(socket),
            Err(tungstenite::Error::Http(answer)) => Err(answer.status().as_u16()),
            Err(error) => panic!("{error}"),
        }
    }
}

/// Form encoding that leaves nothing to chance.
pub(crate) fn encode(value: &str) -> String {
    value
        .bytes()
        .map(|b| if b.is_ascii_alphanumeric() { char::from(b).to_string() } else { format!("%{b:02X}") })
        .collect()
}
