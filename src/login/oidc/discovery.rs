//! What a provider says of itself (OpenID Connect Discovery, section 3) and the keys it signs with (RFC 7517).

use std::collections::HashSet;

use data_encoding::BASE64URL_NOPAD;
use openidconnect::core::{
    CoreAuthDisplay, CoreClaimName, CoreClaimType, CoreClientAuthMethod, CoreGrantType, CoreJsonWebKey,
    CoreJsonWebKeySet, CoreJweContentEncryptionAlgorithm, CoreJweKeyManagementAlgorithm, CoreJwsSigningAlgorithm,
    CoreResponseMode, CoreResponseType, CoreSubjectIdentifierType,
};
use openidconnect::url::Url;
use openidconnect::{
    AdditionalProviderMetadata, AsyncHttpClient, AuthType, HttpRequest, HttpResponse, JsonWebKeySetUrl,
    ProviderMetadata,
};
use serde::{Deserialize, Serialize};
use tokio::time::Instant;

use super::contact::Contact;
use super::exchange::{self, OidcClient};
use super::http::{Asking, Kind, is_safe, origin};
use crate::config::{Provider, SigningAlgorithm};

/// RFC 7518, section 3.3: a smaller RSA key must not be used.
const LEAST_RSA_BYTES: usize = 256;

/// A discovery document.
pub(super) type Metadata = ProviderMetadata<
    MoreMetadata,
    CoreAuthDisplay,
    CoreClientAuthMethod,
    CoreClaimName,
    CoreClaimType,
    CoreGrantType,
    CoreJweContentEncryptionAlgorithm,
    CoreJweKeyManagementAlgorithm,
    CoreJsonWebKey,
    CoreResponseMode,
    CoreResponseType,
    CoreSubjectIdentifierType,
>;

/// What else of it we read.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub(super) struct MoreMetadata {
    /// OpenID Connect RP-Initiated Logout, section 2.1.
    end_session_endpoint: Option<String>,
    /// RFC 9207, section 3.
    authorization_response_iss_parameter_supported: Option<bool>,
    /// Initiating User Registration via OpenID Connect, section 3.
    prompt_values_supported: Option<Vec<String>>,
}

impl AdditionalProviderMetadata for MoreMetadata {}

/// What is known of a provider.
#[derive(Clone)]
pub(super) struct Known {
    /// Asks it for tokens.
    pub(super) client: OidcClient,
    /// What its tokens are signed with.
    pub(super) keys: CoreJsonWebKeySet,
    /// The signatures that count: those of the config that the provider uses.
    pub(super) algorithms: HashSet<CoreJwsSigningAlgorithm>,
    /// Whether it says who it is when it sends a browser back.
    pub(super) names_itself: bool,
    /// Whether it knows the scope `offline_access`.
    pub(super) offline_access: bool,
    /// Whether it says that it can ask a person which of their accounts it shall be.
    pub(super) selects_account: bool,
    /// Where it logs people out.
    pub(super) end_session: Option<Url>,
    /// Whether it says who somebody is, beyond the ID token.
    pub(super) has_userinfo: bool,
    /// Where its keys are.
    keys_url: JsonWebKeySetUrl,
    /// When it was asked.
    pub(super) fetched: Instant,
}

/// Asks a provider about itself.
pub(super) async fn fetch(contact: &Contact) -> Result<Known, String> {
    let metadata = document(contact).await?;
    let client = client(&contact.provider, &metadata)?;
    let end_session = checked(&contact.provider, &metadata)?;
    let keys = keys(contact, metadata.jwks_uri()).await?;
    Ok(Known {
        client,
        keys,
        algorithms: algorithms(&contact.provider, &metadata)?,
        names_itself: metadata.additional_metadata().authorization_response_iss_parameter_supported == Some(true),
        offline_access: metadata
            .scopes_supported()
            .is_some_and(|scopes| scopes.iter().any(|scope| scope.as_str() == exchange::OFFLINE_ACCESS)),
        selects_account: metadata
            .additional_metadata()
            .prompt_values_supported
            .as_ref()
            .is_some_and(|values| values.iter().any(|value| value == "select_account")),
        end_session,
        has_userinfo: metadata.userinfo_endpoint().is_some(),
        keys_url: metadata.jwks_uri().clone(),
        fetched: Instant::now(),
    })
}

/// What is known, with the keys as they are now.
pub(super) async fn with_new_keys(contact: &Contact, known: &Known) -> Result<Known, String> {
    Ok(Known { keys: keys(contact, &known.keys_url).await?, ..known.clone() })
}

async fn document(contact: &Contact) -> Result<Metadata, String> {
    let issuer = &contact.provider.issuer;
    let url = format!("{}/.well-known/openid-configuration", issuer.trim_end_matches('/'));
    let request = http::Request::get(url).header(http::header::ACCEPT, "application/json").body(Vec::new());
    let request: HttpRequest = request.map_err(|error| error.to_string())?;
    let asking = Asking { contact, kind: Kind::Discovery };
    let answer: HttpResponse = asking.call(request).await.map_err(|error| format!("discovery: {error}"))?;
    if answer.status() != http::StatusCode::OK {
        return Err(format!("discovery: it answered with status {}; is `issuer` right?", answer.status().as_u16()));
    }
    let metadata: Metadata =
        serde_json::from_slice(answer.body()).map_err(|error| format!("discovery: its document is none: {error}"))?;
    // Section 4.3: exactly, or a provider could speak for another.
    if metadata.issuer().as_str() != issuer {
        return Err(format!(
            "discovery: it calls itself `{}`; if that is so, write it as `issuer`",
            short(metadata.issuer().as_str())
        ));
    }
    Ok(metadata)
}

/// Every endpoint that it names is one that may be asked; gives the one for log-out.
fn checked(provider: &Provider, metadata: &Metadata) -> Result<Option<Url>, String> {
    let check = |name: &str, url: &Url| {
        if is_safe(url, &provider.issuer) {
            return Ok(());
        }
        Err(format!("discovery: its {name} at {} is neither https nor on this machine", short(&origin(url))))
    };
    let token = metadata.token_endpoint().ok_or("discovery: it has no token_endpoint")?;
    check("authorization_endpoint", metadata.authorization_endpoint().url())?;
    check("token_endpoint", token.url())?;
    check("jwks_uri", metadata.jwks_uri().url())?;
    if let Some(userinfo) = metadata.userinfo_endpoint() {
        check("userinfo_endpoint", userinfo.url())?;
    }
    let end_session = metadata.additional_metadata().end_session_endpoint.as_deref().unwrap_or_default();
    if end_session.is_empty() {
        return Ok(None);
    }
    let end_session =
        Url::parse(end_session).map_err(|error| format!("discovery: its end_session_endpoint: {error}"))?;
    check("end_session_endpoint", &end_session)?;
    Ok(Some(end_session))
}

/// How we say who we are at the token endpoint (OpenID Connect Core, section 9).
fn client(provider: &Provider, metadata: &Metadata) -> Result<OidcClient, String> {
    let client = exchange::client(provider, metadata);
    if provider.client_secret.is_none() {
        return Ok(client.set_auth_type(AuthType::RequestBody));
    }
    let offers = |method: &CoreClientAuthMethod| {
        // Left out, it is `client_secret_basic` (Discovery, section 3).
        let standard = *method == CoreClientAuthMethod::ClientSecretBasic;
        metadata.token_endpoint_auth_methods_supported().map_or(standard, |offered| offered.contains(method))
    };
    if offers(&CoreClientAuthMethod::ClientSecretBasic) {
        Ok(client.set_auth_type(AuthType::BasicAuth))
    } else if offers(&CoreClientAuthMethod::ClientSecretPost) {
        Ok(client.set_auth_type(AuthType::RequestBody))
    } else {
        Err("discovery: it takes a client secret neither by client_secret_basic nor by client_secret_post".to_owned())
    }
}

fn algorithms(provider: &Provider, metadata: &Metadata) -> Result<HashSet<CoreJwsSigningAlgorithm>, String> {
    let used = metadata.id_token_signing_alg_values_supported();
    let ours = provider.algorithms.iter().map(|algorithm| of(*algorithm));
    let both: HashSet<_> = ours.filter(|algorithm| used.contains(algorithm)).collect();
    if both.is_empty() {
        return Err("discovery: it signs ID tokens by none of the provider's `algorithms`".to_owned());
    }
    Ok(both)
}

const fn of(algorithm: SigningAlgorithm) -> CoreJwsSigningAlgorithm {
    match algorithm {
        SigningAlgorithm::Rs256 => CoreJwsSigningAlgorithm::RsaSsaPkcs1V15Sha256,
        SigningAlgorithm::Ps256 => CoreJwsSigningAlgorithm::RsaSsaPssSha256,
        SigningAlgorithm::Es256 => CoreJwsSigningAlgorithm::EcdsaP256Sha256,
        SigningAlgorithm::Es384 => CoreJwsSigningAlgorithm::EcdsaP384Sha384,
        SigningAlgorithm::EdDsa => CoreJwsSigningAlgorithm::EdDsa,
    }
}

async fn keys(contact: &Contact, url: &JsonWebKeySetUrl) -> Result<CoreJsonWebKeySet, String> {
    let asking = Asking { contact, kind: Kind::Keys };
    let fetched = CoreJsonWebKeySet::fetch_async(url, &asking).await.map_err(|error| match error {
        openidconnect::DiscoveryError::Request(error) => format!("its keys: {error}"),
        openidconnect::DiscoveryError::Response(status, ..) => format!("its keys: status {}", status.as_u16()),
        _ => "its keys: the answer is no key set".to_owned(),
    })?;
    let usable: Vec<CoreJsonWebKey> = fetched.keys().iter().filter(|key| is_usable(key)).cloned().collect();
    if usable.is_empty() {
        return Err("its keys: none of them can be used".to_owned());
    }
    Ok(CoreJsonWebKeySet::new(usable))
}

/// No symmetric keys, which whoever reads the set could sign with, and no RSA keys that can be broken.
fn is_usable(key: &CoreJsonWebKey) -> bool {
    let Ok(key) = serde_json::to_value(key) else { return false };
    let text = |name: &str| key.get(name).and_then(serde_json::Value::as_str);
    match text("kty") {
        Some("RSA") => {
            let modulus = text("n").and_then(|modulus| BASE64URL_NOPAD.decode(modulus.as_bytes()).ok());
            modulus.is_some_and(|bytes| bytes.iter().skip_while(|byte| **byte == 0).count() >= LEAST_RSA_BYTES)
        }
        Some("EC" | "OKP") => true,
        _ => false,
    }
}

/// The beginning of what a stranger wrote, for a log.
fn short(text: &str) -> String {
    text.chars().filter(|character| !character.is_control()).take(200).collect()
}
