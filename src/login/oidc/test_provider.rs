//! An OpenID provider for tests, on a real socket, that misbehaves in any way it is told to.

use std::collections::HashMap;
use std::future::pending;
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{
    self, ECDSA_P256_SHA256_FIXED_SIGNING, ECDSA_P384_SHA384_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair,
    RsaKeyPair,
};
use aws_lc_rs::{digest, hmac, rsa};
use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{Request, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use data_encoding::{BASE64, BASE64URL_NOPAD};
use openidconnect::url::{Url, form_urlencoded};
use serde_json::{Map, Value, json};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Notify;
use tokio::task::JoinHandle;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use crate::session::Token;
use crate::state::clock::Clock;

pub(super) const CLIENT: &str = "gateway";
pub(super) const SECRET: &str = "a secret, with: odd & characters %";
pub(super) const SUBJECT: &str = "subject-1";

/// A signing key.
pub(super) struct Key {
    pub(super) kid: Option<String>,
    pub(super) algorithm: &'static str,
    pair: Pair,
}

enum Pair {
    Ec(EcdsaKeyPair),
    Rsa(RsaKeyPair),
    Ed(Ed25519KeyPair),
}

impl Key {
    pub(super) fn new(algorithm: &'static str, kid: &str) -> Arc<Self> {
        let pair = match algorithm {
            "ES256" => Pair::Ec(EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).expect("a key")),
            "ES384" => Pair::Ec(EcdsaKeyPair::generate(&ECDSA_P384_SHA384_FIXED_SIGNING).expect("a key")),
            "EdDSA" => Pair::Ed(Ed25519KeyPair::generate().expect("a key")),
            "RS256" | "PS256" => Pair::Rsa(RsaKeyPair::generate(rsa::KeySize::Rsa2048).expect("a key")),
            other => panic!("no key for {other}"),
        };
        Arc::new(Self { kid: Some(kid.to_owned()), algorithm, pair })
    }

    fn sign(&self, input: &[u8]) -> Vec<u8> {
        let random = SystemRandom::new();
        match &self.pair {
            Pair::Ec(pair) => pair.sign(&random, input).expect("signed").as_ref().to_vec(),
            Pair::Ed(pair) => pair.sign(input).as_ref().to_vec(),
            Pair::Rsa(pair) => {
                let padding: &dyn signature::RsaEncoding =
                    if self.algorithm == "PS256" { &signature::RSA_PSS_SHA256 } else { &signature::RSA_PKCS1_SHA256 };
                let mut signed = vec![0; pair.public_modulus_len()];
                pair.sign(padding, &random, input, &mut signed).expect("signed");
                signed
            }
        }
    }

    /// The public key, in whatever form it is published.
    pub(super) fn public(&self) -> Vec<u8> {
        match &self.pair {
            Pair::Ec(pair) => pair.public_key().as_ref().to_vec(),
            Pair::Ed(pair) => pair.public_key().as_ref().to_vec(),
            Pair::Rsa(pair) => pair.public_key().as_ref().to_vec(),
        }
    }

    pub(super) fn jwk(&self) -> Value {
        let text = |bytes: &[u8]| BASE64URL_NOPAD.encode(bytes);
        let mut jwk = match &self.pair {
            Pair::Ec(_) => {
                let point = self.public();
                let (x, y) = point[1..].split_at(point.len() / 2);
                let curve = if x.len() == 32 { "P-256" } else { "P-384" };
                json!({ "kty": "EC", "crv": curve, "x": text(x), "y": text(y) })
            }
            Pair::Ed(_) => json!({ "kty": "OKP", "crv": "Ed25519", "x": text(&self.public()) }),
            // RFC 8017, appendix A.1.1: a sequence of two numbers, of which the second is 65537.
            Pair::Rsa(pair) => {
                let modulus = pair.public_modulus_len();
                let public = self.public();
                json!({ "kty": "RSA", "n": text(&public[public.len() - 5 - modulus..][..modulus]), "e": "AQAB" })
            }
        };
        jwk["use"] = "sig".into();
        jwk["alg"] = self.algorithm.into();
        if let Some(kid) = &self.kid {
            jwk["kid"] = kid.as_str().into();
        }
        jwk
    }

    pub(super) fn token(&self, header: &Value, claims: &str) -> String {
        let input = input(header, claims);
        let signature = self.sign(input.as_bytes());
        format!("{input}.{}", BASE64URL_NOPAD.encode(&signature))
    }

    pub(super) fn header(&self) -> Value {
        let mut header = json!({ "alg": self.algorithm });
        if let Some(kid) = &self.kid {
            header["kid"] = kid.as_str().into();
        }
        header
    }
}

fn input(header: &Value, claims: &str) -> String {
    format!("{}.{}", BASE64URL_NOPAD.encode(header.to_string().as_bytes()), BASE64URL_NOPAD.encode(claims.as_bytes()))
}

/// A token that an HMAC with this key would make good.
pub(super) fn hmac_token(header: &Value, claims: &str, key: &[u8]) -> String {
    let input = input(header, claims);
    let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, key), input.as_bytes());
    format!("{input}.{}", BASE64URL_NOPAD.encode(tag.as_ref()))
}

/// A token with no signature.
pub(super) fn unsigned_token(claims: &str) -> String {
    format!("{}.", input(&json!({ "alg": "none" }), claims))
}

/// What an endpoint does instead of its work.
#[derive(Clone)]
pub(super) enum Fault {
    Status(u16, String),
    Redirect(String),
    /// An answer without end.
    Endless,
    /// No answer.
    Silent,
    /// Works, and then does not answer.
    LosesAnswer,
    /// Works, and answers when it is told to.
    Waits(Arc<Notify>),
}

type Change<T> = Box<dyn Fn(&mut T) + Send>;
type MakeToken = Box<dyn Fn(&Map<String, Value>) -> String + Send>;

/// How the provider behaves. Everything may be changed at any time.
pub(super) struct Script {
    /// What it signs with.
    pub(super) key: Arc<Key>,
    /// What it publishes.
    pub(super) jwks: Vec<Value>,
    pub(super) discovery: Change<Value>,
    pub(super) claims: Change<Map<String, Value>>,
    pub(super) header: Change<Value>,
    /// Makes the whole ID token of its claims, instead of signing them.
    pub(super) token: Option<MakeToken>,
    pub(super) token_answer: Change<Value>,
    pub(super) userinfo: Change<Value>,
    pub(super) faults: HashMap<&'static str, Fault>,
    /// Whether refresh tokens are good once.
    pub(super) rotates: bool,
    pub(super) asked: HashMap<String, usize>,
    /// What was last sent to the token endpoint: the header that says who, and the form.
    pub(super) last: (Option<String>, HashMap<String, String>),
    codes: HashMap<String, HashMap<String, String>>,
    /// Good refresh tokens and their nonces.
    refresh_tokens: HashMap<String, Option<String>>,
}

impl Default for Script {
    fn default() -> Self {
        let key = Key::new("ES256", "first");
        Self {
            jwks: vec![key.jwk()],
            key,
            discovery: Box::new(|_| {}),
            claims: Box::new(|_| {}),
            header: Box::new(|_| {}),
            token: None,
            token_answer: Box::new(|_| {}),
            userinfo: Box::new(|_| {}),
            faults: HashMap::new(),
            rotates: true,
            asked: HashMap::new(),
            last: (None, HashMap::new()),
            codes: HashMap::new(),
            refresh_tokens: HashMap::new(),
        }
    }
}

struct Shared {
    issuer: String,
    script: Mutex<Script>,
}

/// A provider that runs.
pub(super) struct TestProvider {
    pub(super) issuer: String,
    shared: Arc<Shared>,
    task: JoinHandle<()>,
}

impl Drop for TestProvider {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl TestProvider {
    pub(super) async fn start() -> Self {
        Self::start_at(SocketAddr::from(([127, 0, 0, 1], 0))).await
    }

    pub(super) async fn start_at(address: SocketAddr) -> Self {
        let socket = TcpListener::bind(address).await.expect("a socket");
        let issuer = format!("http://{}", socket.local_addr().expect("bound"));
        let (shared, router) = shared(issuer);
        let task = tokio::spawn(async move { axum::serve(socket, router).await.expect("served") });
        Self { issuer: shared.issuer.clone(), shared, task }
    }

    /// Serves over TLS, as `127.0.0.1`.
    pub(super) async fn start_tls(tls: Arc<rustls::ServerConfig>) -> Self {
        let socket = TcpListener::bind("127.0.0.1:0").await.expect("a socket");
        let issuer = format!("https://127.0.0.1:{}", socket.local_addr().expect("bound").port());
        let (shared, router) = shared(issuer);
        let socket = TlsSocket { socket, acceptor: TlsAcceptor::from(tls) };
        let task = tokio::spawn(async move { axum::serve(socket, router).await.expect("served") });
        Self { issuer: shared.issuer.clone(), shared, task }
    }

    /// Changes how it behaves, or looks at what happened.
    pub(super) fn script<T>(&self, change: impl FnOnce(&mut Script) -> T) -> T {
        change(&mut self.shared.script.lock().expect("whole"))
    }

    /// How often a path was asked for.
    pub(super) fn asked(&self, path: &str) -> usize {
        self.script(|script| script.asked.get(path).copied().unwrap_or_default())
    }

    /// A person logs in at the page that the browser was sent to; gives the code.
    pub(super) fn log_in(&self, url: &str) -> String {
        let url = Url::parse(url).expect("a URL");
        let asked: HashMap<String, String> = url.query_pairs().into_owned().collect();
        assert_eq!(asked["response_type"], "code");
        assert_eq!(asked["client_id"], CLIENT);
        assert_eq!(asked["code_challenge_method"], "S256");
        let code = Token::generate().expose();
        self.script(|script| script.codes.insert(code.clone(), asked));
        code
    }

    /// Makes every refresh token useless.
    pub(super) fn forget_everybody(&self) {
        self.script(|script| script.refresh_tokens.clear());
    }

    /// Claims of a log-out token as the standard wants them.
    pub(super) fn logout_claims(&self) -> Value {
        let now = Clock.now().as_second();
        json!({
            "iss": self.issuer, "aud": CLIENT, "iat": now, "exp": now + 120, "jti": Token::generate().expose(),
            "events": { "http://schemas.openid.net/event/backchannel-logout": {} },
            "sub": SUBJECT, "sid": "sid-1",
        })
    }

    /// A log-out token, signed.
    pub(super) fn logout_token(&self, claims: &Value) -> String {
        self.script(|script| {
            let mut header = script.key.header();
            header["typ"] = "logout+jwt".into();
            script.key.token(&header, &claims.to_string())
        })
    }
}

fn shared(issuer: String) -> (Arc<Shared>, Router) {
    let shared = Arc::new(Shared { issuer, script: Mutex::default() });
    let router = Router::new().fallback(answer).with_state(Arc::clone(&shared));
    (shared, router)
}

struct TlsSocket {
    socket: TcpListener,
    acceptor: TlsAcceptor,
}

impl axum::serve::Listener for TlsSocket {
    type Io = TlsStream<TcpStream>;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Self::Io, Self::Addr) {
        loop {
            let Ok((stream, peer)) = self.socket.accept().await else { continue };
            // Whoever does not trust us hangs up here.
            if let Ok(stream) = self.acceptor.accept(stream).await {
                return (stream, peer);
            }
        }
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.socket.local_addr()
    }
}

async fn answer(State(shared): State<Arc<Shared>>, request: Request) -> Response {
    let path = request.uri().path().to_owned();
    let fault = {
        let mut script = shared.script.lock().expect("whole");
        *script.asked.entry(path.clone()).or_default() += 1;
        let name = path.rsplit('/').next().unwrap_or_default().to_owned();
        script.faults.get(name.as_str()).or_else(|| script.faults.get("*")).cloned()
    };
    match fault {
        None => work(&shared, &path, request).await,
        Some(Fault::LosesAnswer) => {
            work(&shared, &path, request).await;
            pending().await
        }
        Some(Fault::Waits(go_on)) => {
            let answer = work(&shared, &path, request).await;
            go_on.notified().await;
            answer
        }
        Some(Fault::Silent) => pending().await,
        Some(Fault::Status(status, body)) => {
            let status = StatusCode::from_u16(status).expect("a status");
            (status, [("content-type", "application/json")], body).into_response()
        }
        Some(Fault::Redirect(to)) => (StatusCode::FOUND, [("location", to)]).into_response(),
        Some(Fault::Endless) => {
            let chunks =
                futures_util::stream::repeat_with(|| Ok::<_, io::Error>(Bytes::from_static(&[b' '; 16 * 1024])));
            ([("content-type", "application/json")], Body::from_stream(chunks)).into_response()
        }
    }
}

async fn work(shared: &Shared, path: &str, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let body = axum::body::to_bytes(body, 1024 * 1024).await.expect("a body");
    let mut script = shared.script.lock().expect("whole");
    match path {
        "/.well-known/openid-configuration" => json_answer(&discovery(&shared.issuer, &script)),
        "/jwks" => json_answer(&json!({ "keys": script.jwks })),
        "/token" => token(&shared.issuer, &mut script, &parts.headers, &body),
        "/userinfo" => {
            let mut userinfo =
                json!({ "sub": SUBJECT, "email": "ann@example.com", "email_verified": true, "name": "Ann Lee" });
            (script.userinfo)(&mut userinfo);
            json_answer(&userinfo)
        }
        _ => StatusCode::NOT_FOUND.into_response(),
    }
}

fn json_answer(value: &Value) -> Response {
    ([("content-type", "application/json")], value.to_string()).into_response()
}

fn refusal(status: u16, error: &str) -> Response {
    let status = StatusCode::from_u16(status).expect("a status");
    let body = json!({ "error": error, "error_description": "of ann@example.com" }).to_string();
    (status, [("content-type", "application/json")], body).into_response()
}

fn discovery(issuer: &str, script: &Script) -> Value {
    let mut document = json!({
        "issuer": issuer,
        "authorization_endpoint": format!("{issuer}/authorize"),
        "token_endpoint": format!("{issuer}/token"),
        "userinfo_endpoint": format!("{issuer}/userinfo"),
        "jwks_uri": format!("{issuer}/jwks"),
        "end_session_endpoint": format!("{issuer}/end?keep=1"),
        "scopes_supported": ["openid", "email", "profile", "offline_access"],
        "response_types_supported": ["code"],
        "subject_types_supported": ["public"],
        "id_token_signing_alg_values_supported": ["RS256", "PS256", "ES256", "ES384", "EdDSA", "HS256", "none"],
    });
    (script.discovery)(&mut document);
    document
}

fn token(issuer: &str, script: &mut Script, headers: &HeaderMap, body: &[u8]) -> Response {
    let form: HashMap<String, String> = form_urlencoded::parse(body).into_owned().collect();
    let authorization = headers.get("authorization").and_then(|value| value.to_str().ok()).map(str::to_owned);
    script.last = (authorization, form.clone());
    let nonce = match form.get("grant_type").map(String::as_str) {
        Some("authorization_code") => {
            let asked = form.get("code").and_then(|code| script.codes.remove(code));
            let challenge = form
                .get("code_verifier")
                .map(|verifier| BASE64URL_NOPAD.encode(digest::digest(&digest::SHA256, verifier.as_bytes()).as_ref()));
            match asked {
                Some(asked)
                    if challenge.as_ref() == asked.get("code_challenge")
                        && form.get("redirect_uri") == asked.get("redirect_uri") =>
                {
                    asked.get("nonce").cloned()
                }
                _ => return refusal(400, "invalid_grant"),
            }
        }
        Some("refresh_token") => {
            let sent = form.get("refresh_token").cloned().unwrap_or_default();
            let found = if script.rotates {
                script.refresh_tokens.remove(&sent)
            } else {
                script.refresh_tokens.get(&sent).cloned()
            };
            match found {
                Some(nonce) => nonce,
                None => return refusal(400, "invalid_grant"),
            }
        }
        _ => return refusal(400, "unsupported_grant_type"),
    };
    json_answer(&tokens(issuer, script, nonce))
}

fn tokens(issuer: &str, script: &mut Script, nonce: Option<String>) -> Value {
    let now = Clock.now().as_second();
    let access = Token::generate().expose();
    let Value::Object(mut claims) = json!({
        "iss": issuer, "aud": CLIENT, "sub": SUBJECT, "iat": now, "exp": now + 300, "auth_time": now - 5,
        "sid": "sid-1", "amr": ["pwd"], "nonce": nonce, "email": "ann@example.com", "email_verified": true,
        "name": "Ann Lee",
    }) else {
        unreachable!("an object")
    };
    (script.claims)(&mut claims);
    let id_token = match &script.token {
        Some(make) => make(&claims),
        None => {
            let mut header = script.key.header();
            (script.header)(&mut header);
            script.key.token(&header, &Value::Object(claims).to_string())
        }
    };
    let refresh = Token::generate().expose();
    script.refresh_tokens.insert(refresh.clone(), nonce);
    let mut answer = json!({
        "access_token": access, "token_type": "Bearer", "expires_in": 300, "id_token": id_token, "refresh_token": refresh,
    });
    (script.token_answer)(&mut answer);
    answer
}

/// Who a `Basic` header says that we are.
pub(super) fn basic(header: &str) -> String {
    let bytes = BASE64.decode(header.strip_prefix("Basic ").expect("Basic").as_bytes()).expect("base64");
    String::from_utf8(bytes).expect("text")
}

/// What an honest `at_hash` is, for a hash function.
pub(super) fn half_hash(algorithm: &'static digest::Algorithm, token: &str) -> String {
    let hash = digest::digest(algorithm, token.as_bytes());
    BASE64URL_NOPAD.encode(&hash.as_ref()[..hash.as_ref().len() / 2])
}
