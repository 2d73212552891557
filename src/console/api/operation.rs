//! One operation of the API: what it is called with, what it answers, and what does it.

use std::any::TypeId;
use std::future::Future;
use std::net::IpAddr;
use std::pin::Pin;
use std::sync::Arc;

use axum::extract::Query;
use axum::http::{HeaderName, Method, StatusCode, Uri};
use bytes::Bytes;
use jiff::Timestamp;
use percent_encoding::percent_decode_str;
use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::auth::Caller;
use super::problem::{Code, Problem};
use crate::console::ConsoleRoom;
use crate::state::audit::Scene;
use crate::state::tokens::Scope;
use crate::types::{AppName, Email};

/// No query, or no body.
#[derive(Debug, serde::Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Nothing {}

/// Which tokens an operation is for.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Needs {
    /// Any token.
    AnyToken,
    /// One with this scope, for all apps.
    All(Scope),
    /// One with this scope; one that is for a single app gets what is of that app.
    OfApp(Scope),
}

/// A request, as an operation gets it.
pub(super) struct Asked {
    pub(super) caller: Caller,
    pub(super) client: Option<IpAddr>,
    pub(super) request_id: String,
    pub(super) now: Timestamp,
    pub(super) path: Vec<(&'static str, String)>,
    pub(super) uri: Uri,
    pub(super) body: Bytes,
    pub(super) is_json: bool,
    /// What the caller names the call by, to repeat it without doing it twice.
    pub(super) idempotency_key: Option<String>,
}

impl Asked {
    /// A part of the path.
    pub(super) fn part(&self, name: &str) -> Result<&str, Problem> {
        let found = self.path.iter().find(|(part, _)| *part == name);
        found.map(|(_, value)| value.as_str()).ok_or_else(|| Problem::not_found("there is nothing at this path"))
    }

    /// A part of the path that is a person's address.
    pub(super) fn email(&self, name: &str) -> Result<Email, Problem> {
        email(self.part(name)?)
    }

    /// The scene of what happens now.
    pub(super) fn scene<'a>(&'a self, app: Option<&'a AppName>) -> Scene<'a> {
        Scene {
            actor: self.caller.actor(),
            app,
            host: None,
            client: self.client,
            request_id: Some(&self.request_id),
            now: self.now,
        }
    }

    /// The app that is asked about: the named one, or the only one that the token is for. `None` is all apps.
    pub(super) fn app(&self, named: Option<&str>) -> Result<Option<AppName>, Problem> {
        let Some(named) = named else { return Ok(self.caller.app().cloned()) };
        let app = AppName::parse(named).map_err(|error| malformed("app", error))?;
        match self.caller.app() {
            Some(own) if *own != app => {
                Err(Problem::new(Code::NotAllowed, format!("this token is for app `{own}` alone")))
            }
            _ => Ok(Some(app)),
        }
    }
}

/// Reads an address.
pub(super) fn email(text: &str) -> Result<Email, Problem> {
    Email::parse(text).map_err(|error| malformed("email", error))
}

/// A value of a query or a body that is not what it has to be.
pub(super) fn malformed(name: &'static str, problem: impl std::fmt::Display) -> Problem {
    Problem::new(Code::Malformed, format!("`{name}`: {problem}")).at(name, problem.to_string())
}

/// An answer.
#[derive(Debug)]
pub(super) struct Sent {
    pub(super) status: StatusCode,
    pub(super) kind: &'static str,
    pub(super) body: Vec<u8>,
    pub(super) header: Option<(HeaderName, String)>,
}

type Run =
    Box<dyn Fn(Arc<ConsoleRoom>, Asked) -> Pin<Box<dyn Future<Output = Result<Sent, Problem>> + Send>> + Send + Sync>;
type SchemaOf = fn(&mut SchemaGenerator) -> Schema;

/// One operation.
pub(super) struct Operation {
    pub(super) method: Method,
    pub(super) path: &'static str,
    /// Its name in the document.
    pub(super) id: &'static str,
    /// What it does.
    pub(super) summary: &'static str,
    pub(super) needs: Needs,
    /// What goes well is answered with this status.
    pub(super) status: StatusCode,
    /// What else it may answer than every operation may.
    pub(super) refuses: &'static [Code],
    /// Whether its calls have to be named by an `Idempotency-Key`.
    pub(super) takes_key: bool,
    pub(super) query: Option<SchemaOf>,
    pub(super) body: Option<SchemaOf>,
    pub(super) answer: SchemaOf,
    pub(super) run: Run,
}

/// An operation that reads a query `Q` and a body `B`, and answers with a `T`.
pub(super) fn operation<Q, B, T, F, Fut>(
    method: Method,
    path: &'static str,
    id: &'static str,
    needs: Needs,
    summary: &'static str,
    run: F,
) -> Operation
where
    Q: DeserializeOwned + JsonSchema + Send + 'static,
    B: DeserializeOwned + JsonSchema + Send + 'static,
    T: Serialize + JsonSchema + 'static,
    F: Fn(Arc<ConsoleRoom>, Asked, Q, B) -> Fut + Clone + Send + Sync + 'static,
    Fut: Future<Output = Result<T, Problem>> + Send + 'static,
{
    let is_nothing = |id: TypeId| id == TypeId::of::<Nothing>();
    let run = move |room: Arc<ConsoleRoom>, asked: Asked| {
        let run = run.clone();
        let done = async move {
            let query = query(&asked.uri)?;
            let body = body(&asked)?;
            let answer = run(room, asked, query, body).await?;
            let body = serde_json::to_vec(&answer)
                .map_err(|error| Problem::new(Code::Unavailable, format!("the answer is no JSON: {error}")))?;
            Ok(Sent { status: StatusCode::OK, kind: "application/json", body, header: None })
        };
        Box::pin(done) as Pin<Box<dyn Future<Output = Result<Sent, Problem>> + Send>>
    };
    Operation {
        method,
        path,
        id,
        summary,
        needs,
        status: StatusCode::OK,
        refuses: &[],
        takes_key: false,
        query: (!is_nothing(TypeId::of::<Q>())).then_some(schema_of::<Q> as SchemaOf),
        body: (!is_nothing(TypeId::of::<B>())).then_some(schema_of::<B> as SchemaOf),
        answer: schema_of::<T>,
        run: Box::new(run),
    }
}

fn schema_of<T: JsonSchema>(generator: &mut SchemaGenerator) -> Schema {
    generator.subschema_for::<T>()
}

impl Operation {
    /// The same, and it may refuse for these reasons too.
    pub(super) const fn refuses(mut self, codes: &'static [Code]) -> Self {
        self.refuses = codes;
        self
    }

    /// The same, answering with another status than 200.
    pub(super) const fn status(mut self, status: StatusCode) -> Self {
        self.status = status;
        self
    }

    /// The same, and its calls have to be named.
    pub(super) const fn takes_key(mut self) -> Self {
        self.takes_key = true;
        self
    }

    /// The values of its path's parameters, if it is for this path.
    pub(super) fn matches(&self, path: &str) -> Option<Vec<(&'static str, String)>> {
        let mut found = Vec::new();
        let (mut own, mut given) = (self.path.split('/'), path.split('/'));
        loop {
            match (own.next(), given.next()) {
                (None, None) => return Some(found),
                (Some(own), Some(given)) => match own.strip_prefix('{').and_then(|own| own.strip_suffix('}')) {
                    Some(name) if !given.is_empty() => {
                        found.push((name, percent_decode_str(given).decode_utf8().ok()?.into_owned()));
                    }
                    None if own == given => {}
                    _ => return None,
                },
                _ => return None,
            }
        }
    }
}

fn query<Q: DeserializeOwned>(uri: &Uri) -> Result<Q, Problem> {
    let Query(query) = Query::try_from_uri(uri).map_err(|error| {
        let cause = std::error::Error::source(&error).map_or_else(|| error.to_string(), ToString::to_string);
        Problem::new(Code::Malformed, format!("the query: {cause}"))
    })?;
    Ok(query)
}

fn body<B: DeserializeOwned + 'static>(asked: &Asked) -> Result<B, Problem> {
    if TypeId::of::<B>() == TypeId::of::<Nothing>() {
        if !asked.body.is_empty() {
            return Err(Problem::new(Code::Malformed, "this takes no body"));
        }
        return serde_json::from_slice(b"{}").map_err(|error| malformed("body", error));
    }
    if !asked.is_json {
        let help = "send `Content-Type: application/json`";
        return Err(Problem::new(Code::NotJson, "the body is to be JSON").help(help));
    }
    serde_json::from_slice(&asked.body).map_err(|error| Problem::new(Code::Malformed, format!("the body: {error}")))
}
