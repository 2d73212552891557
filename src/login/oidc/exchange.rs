//! What is asked at a provider's endpoints: a log-in, tokens for a code or a refresh token, and who somebody is.

use std::borrow::Cow;
use std::fmt;
use std::time::Duration;

use openidconnect::core::{
    CoreAuthDisplay, CoreAuthPrompt, CoreErrorResponseType, CoreGenderClaim, CoreJsonWebKey,
    CoreJweContentEncryptionAlgorithm, CoreJwsSigningAlgorithm, CoreResponseType, CoreRevocableToken,
    CoreRevocationErrorResponse, CoreTokenIntrospectionResponse, CoreTokenType,
};
use openidconnect::{
    AccessToken, AdditionalClaims, AuthenticationFlow, AuthorizationCode, ClaimsVerificationError, Client, ClientId,
    ClientSecret, CsrfToken, EmptyAdditionalClaims, EndpointMaybeSet, EndpointNotSet, EndpointSet, ExtraTokenFields,
    IdToken, LoginHint, Nonce, OAuth2TokenResponse, PkceCodeChallenge, PkceCodeVerifier, RedirectUrl, RefreshToken,
    RequestTokenError, Scope, StandardErrorResponse, StandardTokenResponse, SubjectIdentifier, TokenResponse,
    UserInfoClaims, UserInfoError,
};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::claims::Claims;
use super::contact::Contact;
use super::discovery::{Known, Metadata};
use super::http::{Asking, HttpProblem, Kind};
use super::{Begin, Begun, Callback, FlowSecrets};
use crate::config::Provider;
use crate::session::Token;
use crate::types::Secret;

/// The scope that asks for a refresh token (OpenID Connect Core, section 11).
pub(super) const OFFLINE_ACCESS: &str = "offline_access";

/// Google knows no such scope: there it is `access_type=offline`, and only with consent does each log-in get a token.
const GOOGLE: &str = "https://accounts.google.com";

/// Asks a provider for tokens.
pub(super) type OidcClient = Client<
    EmptyAdditionalClaims,
    CoreAuthDisplay,
    CoreGenderClaim,
    CoreJweContentEncryptionAlgorithm,
    CoreJsonWebKey,
    CoreAuthPrompt,
    StandardErrorResponse<CoreErrorResponseType>,
    Tokens,
    CoreTokenIntrospectionResponse,
    CoreRevocableToken,
    CoreRevocationErrorResponse,
    EndpointSet,
    EndpointNotSet,
    EndpointNotSet,
    EndpointNotSet,
    EndpointMaybeSet,
    EndpointMaybeSet,
>;

/// A token endpoint's answer. The ID token stays the text that it is: one that makes no sense must not cost us the refresh
/// token beside it, and each thing wrong with it has a name.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(transparent)]
pub(super) struct Tokens(StandardTokenResponse<IdTokenText, CoreTokenType>);

#[derive(Clone, Deserialize, Serialize)]
pub(super) struct IdTokenText {
    id_token: Option<String>,
}

/// A token does not print.
impl fmt::Debug for IdTokenText {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("IdTokenText(…)")
    }
}

impl ExtraTokenFields for IdTokenText {}

impl Tokens {
    pub(super) fn id_token(&self) -> Option<Secret> {
        self.0.extra_fields().id_token.clone().map(Secret::new)
    }

    pub(super) fn access(&self) -> &AccessToken {
        self.0.access_token()
    }

    pub(super) fn refresh(&self) -> Option<Secret> {
        let token = self.0.refresh_token().map(|token| token.secret());
        token.filter(|token| !token.is_empty()).map(|token| Secret::new(token.clone()))
    }
}

impl OAuth2TokenResponse for Tokens {
    type TokenType = CoreTokenType;

    fn access_token(&self) -> &AccessToken {
        self.0.access_token()
    }
    fn token_type(&self) -> &CoreTokenType {
        self.0.token_type()
    }
    fn expires_in(&self) -> Option<Duration> {
        self.0.expires_in()
    }
    fn refresh_token(&self) -> Option<&RefreshToken> {
        self.0.refresh_token()
    }
    fn scopes(&self) -> Option<&Vec<Scope>> {
        self.0.scopes()
    }
}

type CrateIdToken =
    IdToken<EmptyAdditionalClaims, CoreGenderClaim, CoreJweContentEncryptionAlgorithm, CoreJwsSigningAlgorithm>;

impl TokenResponse<EmptyAdditionalClaims, CoreGenderClaim, CoreJweContentEncryptionAlgorithm, CoreJwsSigningAlgorithm>
    for Tokens
{
    fn id_token(&self) -> Option<&CrateIdToken> {
        None
    }
}

/// Our client at a provider.
pub(super) fn client(provider: &Provider, metadata: &Metadata) -> OidcClient {
    let secret = provider.client_secret.as_ref().map(|secret| ClientSecret::new(secret.expose().to_owned()));
    Client::from_provider_metadata(metadata.clone(), ClientId::new(provider.client_id.clone()), secret)
}

/// As whom a person wants to come.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Account {
    /// As whoever the provider takes them for.
    Any,
    /// As somebody else than last time.
    Another,
}

/// The provider's log-in page for one browser. `None` when we cannot be sent back to.
pub(super) fn begin(contact: &Contact, known: &Known, begin: Begin, account: Account) -> Option<Begun> {
    let provider = &contact.provider;
    let redirect = RedirectUrl::new(begin.redirect_uri).ok()?;
    let (nonce, verifier) = (Token::generate().expose(), Token::generate().expose());
    let challenge = PkceCodeChallenge::from_code_verifier_sha256(&PkceCodeVerifier::new(verifier.clone()));
    let (state, sent_nonce) = (begin.state, nonce.clone());
    let mut request = known
        .client
        .authorize_url(
            AuthenticationFlow::<CoreResponseType>::AuthorizationCode,
            move || CsrfToken::new(state),
            move || Nonce::new(sent_nonce),
        )
        .set_redirect_uri(Cow::Owned(redirect))
        .set_pkce_challenge(challenge);
    // `openid` is in every such request already.
    let scopes = || provider.scopes.iter().filter(|scope| *scope != "openid");
    for scope in scopes() {
        request = request.add_scope(Scope::new(scope.clone()));
    }
    if let Some(hint) = begin.hint {
        request = request.set_login_hint(LoginHint::new(hint.as_str().to_owned()));
    }
    if account == Account::Another {
        // Without being asked it would send the same person back at once. Every provider knows `login` (OpenID Connect Core,
        // section 15.1), but Google, which has only the other and does not say so.
        let prompt = if known.selects_account || provider.issuer == GOOGLE {
            CoreAuthPrompt::SelectAccount
        } else {
            CoreAuthPrompt::Login
        };
        request = request.add_prompt(prompt);
    }
    if provider.recheck.is_some() {
        let is_google = provider.issuer == GOOGLE;
        if is_google {
            request = request.add_extra_param("access_type", "offline");
        } else if known.offline_access && !scopes().any(|scope| scope == OFFLINE_ACCESS) {
            request = request.add_scope(Scope::new(OFFLINE_ACCESS.to_owned()));
        }
        if is_google || contact.wants_consent() {
            request = request.add_prompt(CoreAuthPrompt::Consent);
        }
    }
    let (url, ..) = request.url();
    let secrets = FlowSecrets { nonce: Secret::new(nonce), verifier: Secret::new(verifier) };
    Some(Begun { url: url.into(), secrets })
}

/// Why a token endpoint gives no tokens.
#[derive(Debug, PartialEq)]
pub(super) enum NoTokens {
    /// The code or refresh token is not, or no longer, good.
    Grant,
    /// It does not know us, or our secret: the operator's to mend.
    Client,
    /// It wants the request otherwise; its word for that.
    Other(String),
    /// There is no answer, or none that makes sense.
    Unavailable(String),
}

impl fmt::Display for NoTokens {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Grant => formatter.write_str("it refuses the grant"),
            Self::Client => formatter.write_str("it refuses our client id or secret"),
            Self::Other(word) => write!(formatter, "it refuses the request: {word}"),
            Self::Unavailable(cause) => formatter.write_str(cause),
        }
    }
}

impl From<RequestTokenError<HttpProblem, StandardErrorResponse<CoreErrorResponseType>>> for NoTokens {
    fn from(error: RequestTokenError<HttpProblem, StandardErrorResponse<CoreErrorResponseType>>) -> Self {
        match error {
            // Never its description: some quote the code, or the person's address.
            RequestTokenError::ServerResponse(answer) => match answer.error() {
                CoreErrorResponseType::InvalidGrant => Self::Grant,
                CoreErrorResponseType::InvalidClient | CoreErrorResponseType::UnauthorizedClient => Self::Client,
                other => Self::Other(word(other.as_ref())),
            },
            RequestTokenError::Request(problem) => Self::Unavailable(problem.to_string()),
            // Nor what could not be read, for there may be a token in it.
            _ => Self::Unavailable("its token endpoint's answer makes no sense".to_owned()),
        }
    }
}

/// An error's name as RFC 6749, section 5.2 has it, whatever was sent.
fn word(text: &str) -> String {
    text.chars().filter(|letter| letter.is_ascii_lowercase() || *letter == '_').take(40).collect()
}

/// Redeems a code.
pub(super) async fn redeem(
    contact: &Contact,
    known: &Known,
    callback: &Callback,
    secrets: &FlowSecrets,
) -> Result<Tokens, NoTokens> {
    let redirect = RedirectUrl::new(callback.redirect_uri.clone()).map_err(|_| NoTokens::Grant)?;
    let request = known
        .client
        .exchange_code(AuthorizationCode::new(callback.code.expose().to_owned()))
        .map_err(|error| NoTokens::Unavailable(error.to_string()))?
        .set_redirect_uri(Cow::Owned(redirect))
        .set_pkce_verifier(PkceCodeVerifier::new(secrets.verifier.expose().to_owned()));
    Ok(request.request_async(&Asking { contact, kind: Kind::Code }).await?)
}

/// Renews a session's tokens.
pub(super) async fn refresh(contact: &Contact, known: &Known, token: &Secret) -> Result<Tokens, NoTokens> {
    let token = RefreshToken::new(token.expose().to_owned());
    let request =
        known.client.exchange_refresh_token(&token).map_err(|error| NoTokens::Unavailable(error.to_string()))?;
    Ok(request.request_async(&Asking { contact, kind: Kind::Refresh }).await?)
}

/// Why a provider does not say who somebody is.
#[derive(Debug)]
pub(super) enum NoUserInfo {
    /// It says something that is not believed.
    NotBelieved(&'static str),
    /// There is no answer, or none that makes sense.
    Unavailable(String),
}

#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(transparent)]
struct OtherClaims(Map<String, Value>);

impl AdditionalClaims for OtherClaims {}

/// Asks who somebody is, who must be the one whose ID token came with the access token (OpenID Connect Core, section 5.3.2).
pub(super) async fn user_info(
    contact: &Contact,
    known: &Known,
    access: &AccessToken,
    subject: &str,
) -> Result<Claims, NoUserInfo> {
    let subject = SubjectIdentifier::new(subject.to_owned());
    let request = known
        .client
        .user_info(access.clone(), Some(subject))
        .map_err(|error| NoUserInfo::Unavailable(error.to_string()))?;
    let asking = Asking { contact, kind: Kind::UserInfo };
    let answer: Result<UserInfoClaims<OtherClaims, CoreGenderClaim>, _> = request.request_async(&asking).await;
    let claims = answer.map_err(|error| match error {
        UserInfoError::ClaimsVerification(ClaimsVerificationError::InvalidSubject(_)) => {
            NoUserInfo::NotBelieved("userinfo-sub")
        }
        UserInfoError::ClaimsVerification(_) => NoUserInfo::NotBelieved("userinfo-signature"),
        UserInfoError::Request(problem) => NoUserInfo::Unavailable(format!("userinfo: {problem}")),
        UserInfoError::Response(status, ..) => NoUserInfo::Unavailable(format!("userinfo: status {}", status.as_u16())),
        _ => NoUserInfo::Unavailable("userinfo: its answer makes no sense".to_owned()),
    })?;
    match serde_json::to_value(&claims) {
        Ok(Value::Object(claims)) => Ok(Claims::new(claims)),
        _ => Err(NoUserInfo::Unavailable("userinfo: its answer makes no sense".to_owned())),
    }
}
