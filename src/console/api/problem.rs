//! What an answer says that is none: a problem, as RFC 9457 has it.

use axum::http::{HeaderName, Method, StatusCode, header};
use schemars::JsonSchema;
use serde::Serialize;

use super::Failure;
use super::operation::Sent;
use crate::state::ports::StoreError;

/// What went wrong. The names do not change.
#[derive(Clone, Copy, Debug, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Code {
    /// Query, path or body are not as the document says.
    Malformed,
    /// No token was shown, or it is not good.
    NoToken,
    /// The token is not for this.
    NotAllowed,
    /// The request comes from a web page.
    FromAPage,
    /// There is nothing at this path.
    UnknownRoute,
    /// There is no such thing.
    NotFound,
    /// The path takes other methods.
    OtherMethod,
    /// There is such a thing already.
    Conflict,
    /// The body is too large.
    TooLarge,
    /// The body is no JSON.
    NotJson,
    /// The admin listener is asked by a name.
    OtherHost,
    /// What is asked for cannot be done as it is.
    Refused,
    /// There were too many such requests.
    TooMany,
    /// The gateway cannot do this now.
    Unavailable,
}

impl Code {
    /// Every one, with its status and title.
    pub(super) const ALL: [(Self, u16, &'static str); 14] = [
        (Self::Malformed, 400, "malformed request"),
        (Self::NoToken, 401, "a token is needed"),
        (Self::NotAllowed, 403, "not allowed"),
        (Self::FromAPage, 403, "not for web pages"),
        (Self::UnknownRoute, 404, "unknown path"),
        (Self::NotFound, 404, "not found"),
        (Self::OtherMethod, 405, "other method"),
        (Self::Conflict, 409, "conflict"),
        (Self::TooLarge, 413, "too large"),
        (Self::NotJson, 415, "no JSON"),
        (Self::OtherHost, 421, "other host"),
        (Self::Refused, 422, "refused"),
        (Self::TooMany, 429, "too many"),
        (Self::Unavailable, 503, "not now"),
    ];

    fn told(self) -> (u16, &'static str) {
        let found = Self::ALL.into_iter().find(|(code, ..)| *code == self);
        found.map_or((500, "failed"), |(_, status, title)| (status, title))
    }
}

/// A problem, as its answer has it.
#[derive(Clone, Debug, JsonSchema, Serialize)]
#[schemars(rename = "Problem", deny_unknown_fields)]
pub(super) struct Told {
    /// Always `about:blank`: `code` tells the kind.
    r#type: &'static str,
    /// The kind, in words.
    title: &'static str,
    /// The answer's status.
    status: u16,
    /// The kind, for programs.
    code: Code,
    /// What is wrong.
    detail: String,
    /// How to mend it.
    #[serde(skip_serializing_if = "Option::is_none")]
    help: Option<String>,
    /// Everything that is wrong, where it is more than one thing.
    errors: Vec<String>,
    /// The request, as logs and the audit log name it.
    request_id: String,
}

/// Something is wrong with a request, or cannot be done.
#[derive(Debug)]
pub(in crate::console) struct Problem {
    code: Code,
    detail: String,
    help: Option<String>,
    errors: Vec<String>,
    /// The fields that are wrong, and how: for a form, which says it there.
    fields: Vec<(&'static str, String)>,
    header: Option<Box<(HeaderName, String)>>,
}

impl Problem {
    pub(super) fn new(code: Code, detail: impl Into<String>) -> Self {
        Self { code, detail: detail.into(), help: None, errors: Vec::new(), fields: Vec::new(), header: None }
    }

    /// The same with how to mend it.
    pub(super) fn help(self, help: impl Into<String>) -> Self {
        Self { help: Some(help.into()), ..self }
    }

    /// The same with everything that is wrong.
    pub(super) fn errors(self, errors: Vec<String>) -> Self {
        Self { errors, ..self }
    }

    /// The same with what is wrong at a field.
    pub(super) fn at(mut self, field: &'static str, problem: impl Into<String>) -> Self {
        self.fields.push((field, problem.into()));
        self
    }

    pub(super) fn no_token(detail: &str, error: Option<&str>) -> Self {
        // RFC 6750, section 3.
        let asked = error.map_or_else(
            || "Bearer realm=\"vestibule\"".to_owned(),
            |error| format!("Bearer realm=\"vestibule\", error=\"{error}\""),
        );
        let help = "send `Authorization: Bearer TOKEN`; `vestibule token create` makes one";
        Self { header: Some(Box::new((header::WWW_AUTHENTICATE, asked))), ..Self::new(Code::NoToken, detail) }
            .help(help)
    }

    pub(super) fn other_method(methods: &[Method]) -> Self {
        let allowed = methods.iter().map(Method::as_str).collect::<Vec<_>>().join(", ");
        let problem = Self::new(Code::OtherMethod, format!("this path takes {allowed}"));
        Self { header: Some(Box::new((header::ALLOW, allowed))), ..problem }
    }

    /// There were too many such requests; come again after so long.
    pub(super) fn too_many(detail: &str, wait: std::time::Duration) -> Self {
        let header = Some(Box::new((header::RETRY_AFTER, wait.as_secs().to_string())));
        Self { header, ..Self::new(Code::TooMany, detail) }
    }

    pub(super) fn not_found(detail: impl Into<String>) -> Self {
        Self::new(Code::NotFound, detail)
    }

    /// As a page tells it.
    pub(super) fn failure(self) -> Failure {
        let (status, _) = self.code.told();
        let mut text = self.detail;
        if let Some(more) = self.help {
            text.push_str(". ");
            text.push_str(&more);
        }
        let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        Failure { status, text, errors: self.errors, fields: self.fields }
    }

    /// As an answer.
    pub(super) fn sent(self, id: &str) -> Sent {
        let (status, title) = self.code.told();
        let told = Told {
            r#type: "about:blank",
            title,
            status,
            code: self.code,
            detail: self.detail,
            help: self.help,
            errors: self.errors,
            request_id: id.to_owned(),
        };
        Sent {
            status: StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR),
            kind: "application/problem+json",
            body: serde_json::to_vec(&told).unwrap_or_default(),
            header: self.header.map(|header| *header),
        }
    }
}

impl From<StoreError> for Problem {
    fn from(error: StoreError) -> Self {
        tracing::warn!(%error, "the API cannot be answered");
        Self::new(Code::Unavailable, error.to_string()).help("try again; `/readyz` tells how the store is")
    }
}
