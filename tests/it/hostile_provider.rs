//! A provider that lies: everything it says can be altered, one thing at a time.
//!
//! It is honest until told otherwise: it logs anybody in at once, as Ann, with an answer that a gateway should believe.
//!
//! ```text
//! let liar = HostileProvider::start().await;
//! liar.conduct(|conduct| conduct.claims = json!({ "aud": "somebody-else" }));
//! ```

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair};
use aws_lc_rs::{digest, hmac, rand::SystemRandom};
use axum::body::Body;
use axum::extract::{Request, State};
use axum::response::Response;
use data_encoding::BASE64URL_NOPAD;
use http::{StatusCode, header};
use serde_json::{Map, Value, json};

use crate::provider::{CLIENT, CLIENT_SECRET};

/// How it behaves. Objects are laid over what an honest provider would say; null takes a member away.
#[derive(Clone, Debug, Default)]
pub(crate) struct Conduct {
    /// The ID token's claims.
    pub(crate) claims: Value,
    /// The ID token's header.
    pub(crate) header: Value,
    /// Who signs it.
    pub(crate) signing: Signing,
    /// What userinfo says.
    pub(crate) userinfo: Value,
    /// The discovery document.
    pub(crate) discovery: Value,
    /// The answer of the token endpoint.
    pub(crate) tokens: Value,
    /// The query with which the browser is sent back.
    pub(crate) back: Value,
    /// More of that query, just as it stands.
    pub(crate) back_raw: String,
    /// The key set, whole; its own key when null.
    pub(crate) keys: Value,
    /// What happens at an endpoint instead of an answer.
    pub(crate) faults: HashMap<&'static str, Fault>,
}

/// Who signs.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(crate) enum Signing {
    /// Its own key, as the key set says.
    #[default]
    Own,
    /// A key that stands nowhere.
    Stranger,
    /// Its own key, but one bit of the signature is wrong.
    Broken,
    /// Nobody: the third part is empty.
    Nobody,
    /// HMAC with these bytes.
    Hmac(Vec<u8>),
}

/// What happens at an endpoint instead of an answer.
#[derive(Clone, Debug)]
pub(crate) enum Fault {
    /// This status and nothing else.
    Status(u16),
    /// This redirect.
    Redirect(u16, String),
    /// The answer, but late.
    Slow(Duration),
    /// Text without an end.
    Huge,
    /// This, as JSON.
    Text(&'static str),
}

/// One request that it got.
#[derive(Clone, Debug)]
pub(crate) struct Asked {
    /// The endpoint: `discovery`, `auth`, `token`, `userinfo`, `jwks`, `end`.
    pub(crate) endpoint: String,
    /// The query or the form.
    pub(crate) fields: HashMap<String, String>,
}

/// A provider under a story's command; it ends when it is dropped.
pub(crate) struct HostileProvider {
    inner: Arc<Inner>,
    task: tokio::task::JoinHandle<()>,
}

struct Inner {
    issuer: String,
    own: EcdsaKeyPair,
    stranger: EcdsaKeyPair,
    conduct: Mutex<Conduct>,
    /// What each code was asked with.
    codes: Mutex<HashMap<String, HashMap<String, String>>>,
    asked: Mutex<Vec<Asked>>,
}

impl Drop for HostileProvider {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Lays one object over another; null takes away.
pub(crate) fn laid_over(honest: Value, other: &Value) -> Value {
    let Some(changes) = other.as_object() else { return if other.is_null() { honest } else { other.clone() } };
    let mut all: Map<String, Value> = honest.as_object().cloned().unwrap_or_default();
    for (name, value) in changes {
        if value.is_null() {
            all.remove(name);
        } else {
            all.insert(name.clone(), value.clone());
        }
    }
    Value::Object(all)
}

/// Seconds since 1970.
#[expect(clippy::disallowed_methods, reason = "a provider has a clock of its own")]
pub(crate) fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).expect("it is later than 1970").as_secs()
}

fn new_key() -> EcdsaKeyPair {
    EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).expect("a key can be made")
}

impl HostileProvider {
    /// One that behaves, so far.
    pub(crate) async fn start() -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port is free");
        let address = listener.local_addr().expect("it is bound");
        let inner = Arc::new(Inner {
            issuer: format!("http://{address}"),
            own: new_key(),
            stranger: new_key(),
            conduct: Mutex::default(),
            codes: Mutex::default(),
            asked: Mutex::default(),
        });
        let router = axum::Router::new().fallback(answer).with_state(inner.clone());
        let task = tokio::spawn(async move {
            let _end = axum::serve(listener, router).await;
        });
        Self { inner, task }
    }

    /// Its issuer identifier.
    pub(crate) fn issuer(&self) -> &str {
        &self.inner.issuer
    }

    /// Its table for the config file, with these keys besides.
    pub(crate) fn toml(&self, name: &str, more: &str) -> String {
        let issuer = self.issuer();
        format!(
            "\n[login.oidc.{name}]\nissuer = \"{issuer}\"\nclient_id = \"{CLIENT}\"\nclient_secret = \"{CLIENT_SECRET}\"\n{more}\n"
        )
    }

    /// Begins to behave anew: honest, but for these changes.
    pub(crate) fn conduct(&self, change: impl FnOnce(&mut Conduct)) {
        let mut conduct = Conduct::default();
        change(&mut conduct);
        *self.inner.conduct.lock().expect("no test panics with the lock held") = conduct;
    }

    /// Every request to an endpoint so far.
    pub(crate) fn asked(&self, endpoint: &str) -> Vec<Asked> {
        let asked = self.inner.asked.lock().expect("no test panics with the lock held");
        asked.iter().filter(|asked| asked.endpoint == endpoint).cloned().collect()
    }

    /// Its public key in the forms that a careless verifier might take for an HMAC secret.
    pub(crate) fn public_key_bytes(&self) -> Vec<Vec<u8>> {
        let point = self.inner.own.public_key().as_ref().to_vec();
        // The SubjectPublicKeyInfo of P-256 (RFC 5480) is a fixed head before the point.
        let head = "3059301306072a8648ce3d020106082a8648ce3d030107034200";
        let head = data_encoding::HEXLOWER.decode(head.as_bytes()).expect("hex");
        let der = [head, point.clone()].concat();
        let text = data_encoding::BASE64.encode(&der);
        let lines: Vec<&str> = [&text[..64], &text[64..]].to_vec();
        let pem = format!("-----BEGIN PUBLIC KEY-----\n{}\n-----END PUBLIC KEY-----\n", lines.join("\n"));
        let jwk = self.inner.jwk().to_string();
        vec![pem.trim_end().as_bytes().to_vec(), pem.into_bytes(), der, point, jwk.into_bytes(), Vec::new()]
    }

    /// A token with any header and claims, laid over honest ones of a log-out token (OpenID Connect Back-Channel Logout, section 2.4).
    pub(crate) fn logout_token(&self, header: &Value, claims: &Value, signing: &Signing) -> String {
        let random = BASE64URL_NOPAD.encode(&random());
        let honest = json!({
            "iss": self.inner.issuer, "aud": CLIENT, "iat": now(), "exp": now() + 120, "jti": random, "sub": "ann-1",
            "events": { "http://schemas.openid.net/event/backchannel-logout": {} },
        });
        let head = laid_over(json!({ "alg": "ES256", "kid": "own", "typ": "logout+jwt" }), header);
        self.inner.sign(&head, &laid_over(honest, claims), signing)
    }
}

fn random() -> [u8; 16] {
    let mut bytes = [0; 16];
    aws_lc_rs::rand::fill(&mut bytes).expect("there is randomness");
    bytes
}

/// The query or form as pairs; the last of a name counts.
fn fields(text: &str) -> HashMap<String, String> {
    let url = reqwest::Url::parse(&format!("http://x/?{text}")).expect("a query is a query");
    url.query_pairs().into_owned().collect()
}

async fn answer(State(inner): State<Arc<Inner>>, request: Request) -> Response {
    let path = request.uri().path().to_owned();
    let endpoint = match path.as_str() {
        "/.well-known/openid-configuration" => "discovery",
        other => other.trim_start_matches('/'),
    };
    let query = request.uri().query().unwrap_or_default().to_owned();
    let body = axum::body::to_bytes(request.into_body(), 1 << 20).await.unwrap_or_default();
    let fields = fields(if body.is_empty() { &query } else { std::str::from_utf8(&body).unwrap_or_default() });
    let asked = Asked { endpoint: endpoint.to_owned(), fields: fields.clone() };
    inner.asked.lock().expect("no test panics with the lock held").push(asked);
    let conduct = inner.conduct.lock().expect("no test panics with the lock held").clone();
    match conduct.faults.get(endpoint) {
        Some(Fault::Status(status)) => return reply(*status, "text/plain", Body::from("out of order")),
        Some(Fault::Redirect(status, to)) => {
            let mut response = reply(*status, "text/plain", Body::empty());
            response.headers_mut().insert(header::LOCATION, to.parse().expect("a header value"));
            return response;
        }
        Some(Fault::Slow(delay)) => tokio::time::sleep(*delay).await,
        Some(Fault::Huge) => {
            let piece = bytes::Bytes::from(vec![b' '; 1 << 16]);
            let endless = futures_util::stream::repeat_with(move || Ok::<_, std::io::Error>(piece.clone()));
            return reply(200, "application/json", Body::from_stream(endless));
        }
        Some(Fault::Text(text)) => return reply(200, "application/json", Body::from(*text)),
        None => {}
    }
    let told = match endpoint {
        "discovery" => laid_over(inner.discovery(), &conduct.discovery),
        "jwks" if conduct.keys.is_null() => json!({ "keys": [inner.jwk()] }),
        "jwks" => conduct.keys,
        "auth" => return inner.authorize(&fields, &conduct),
        "token" => inner.tokens(&fields, &conduct),
        "userinfo" => laid_over(honest_person(), &conduct.userinfo),
        "end" => return reply(200, "text/plain", Body::from("logged out there")),
        _ => return reply(404, "text/plain", Body::empty()),
    };
    reply(200, "application/json", Body::from(told.to_string()))
}

fn reply(status: u16, kind: &str, body: Body) -> Response {
    let response = Response::builder().status(status).header(header::CONTENT_TYPE, kind);
    response.body(body).expect("a response can be made of these")
}

fn honest_person() -> Value {
    json!({ "sub": "ann-1", "email": "ann@example.com", "email_verified": true, "name": "Ann Lee" })
}

impl Inner {
    fn jwk(&self) -> Value {
        let point = self.own.public_key().as_ref();
        let coordinate = |bytes: &[u8]| BASE64URL_NOPAD.encode(bytes);
        json!({ "kty": "EC", "crv": "P-256", "use": "sig", "alg": "ES256", "kid": "own",
            "x": coordinate(&point[1..33]), "y": coordinate(&point[33..]) })
    }

    fn discovery(&self) -> Value {
        let issuer = &self.issuer;
        json!({
            "issuer": issuer,
            "authorization_endpoint": format!("{issuer}/auth"),
            "token_endpoint": format!("{issuer}/token"),
            "userinfo_endpoint": format!("{issuer}/userinfo"),
            "jwks_uri": format!("{issuer}/jwks"),
            "end_session_endpoint": format!("{issuer}/end"),
            "response_types_supported": ["code"],
            "subject_types_supported": ["public"],
            "id_token_signing_alg_values_supported": ["ES256"],
            "code_challenge_methods_supported": ["S256"],
            "token_endpoint_auth_methods_supported": ["client_secret_basic"],
            "authorization_response_iss_parameter_supported": true,
            "backchannel_logout_supported": true,
            "backchannel_logout_session_supported": true,
            "scopes_supported": ["openid", "email", "profile", "offline_access"],
        })
    }

    fn authorize(&self, asked: &HashMap<String, String>, conduct: &Conduct) -> Response {
        let code = BASE64URL_NOPAD.encode(&random());
        self.codes.lock().expect("no test panics with the lock held").insert(code.clone(), asked.clone());
        let honest = json!({ "code": code, "state": asked.get("state"), "iss": self.issuer });
        let target = asked.get("redirect_uri").map(String::as_str).unwrap_or_default();
        let mut url = reqwest::Url::parse(target).expect("a redirect URI is a URL");
        if let Value::Object(query) = laid_over(honest, &conduct.back) {
            for (name, value) in &query {
                url.query_pairs_mut().append_pair(name, value.as_str().unwrap_or_default());
            }
        }
        let location = format!("{url}{}", conduct.back_raw);
        let mut response = reply(StatusCode::SEE_OTHER.as_u16(), "text/plain", Body::empty());
        response.headers_mut().insert(header::LOCATION, location.parse().expect("a header value"));
        response
    }

    fn tokens(&self, asked: &HashMap<String, String>, conduct: &Conduct) -> Value {
        let code = asked.get("code").cloned().unwrap_or_default();
        let codes = self.codes.lock().expect("no test panics with the lock held");
        let begun = codes.get(&code).cloned().unwrap_or_default();
        drop(codes);
        let access = BASE64URL_NOPAD.encode(&random());
        let half = digest::digest(&digest::SHA256, access.as_bytes());
        let mut honest = laid_over(
            json!({ "iss": self.issuer, "aud": CLIENT, "iat": now(), "exp": now() + 300, "auth_time": now(), "sid": "sid-1",
                "amr": ["pwd"], "at_hash": BASE64URL_NOPAD.encode(&half.as_ref()[..16]) }),
            &honest_person(),
        );
        if let (Some(nonce), Some(claims)) = (begun.get("nonce"), honest.as_object_mut()) {
            claims.insert("nonce".to_owned(), json!(nonce));
        }
        let head = laid_over(json!({ "alg": "ES256", "kid": "own" }), &conduct.header);
        let id_token = self.sign(&head, &laid_over(honest, &conduct.claims), &conduct.signing);
        let told = json!({ "access_token": access, "token_type": "Bearer", "expires_in": 300, "id_token": id_token,
            "refresh_token": BASE64URL_NOPAD.encode(&random()) });
        laid_over(told, &conduct.tokens)
    }

    fn sign(&self, head: &Value, claims: &Value, signing: &Signing) -> String {
        let part = |value: &Value| BASE64URL_NOPAD.encode(value.to_string().as_bytes());
        let message = format!("{}.{}", part(head), part(claims));
        let with = |key: &EcdsaKeyPair| {
            key.sign(&SystemRandom::new(), message.as_bytes()).expect("a key signs").as_ref().to_vec()
        };
        let signature = match signing {
            Signing::Own => with(&self.own),
            Signing::Stranger => with(&self.stranger),
            Signing::Broken => {
                let mut bytes = with(&self.own);
                bytes[40] ^= 1;
                bytes
            }
            Signing::Nobody => Vec::new(),
            Signing::Hmac(key) => {
                hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, key), message.as_bytes()).as_ref().to_vec()
            }
        };
        format!("{message}.{}", BASE64URL_NOPAD.encode(&signature))
    }
}
