//! The language that somebody chooses: the browser keeps it and, of who is logged in, the store.

use axum::extract::{Extension, Form, State};
use http::StatusCode;
use serde::Deserialize;

use super::{Room, encode, error, store_failed};
use crate::pages::{ChosenOn, Reply};
use crate::session::setting_language;
use crate::state::visit::Visit;
use crate::types::Language;

#[derive(Deserialize)]
pub(super) struct LanguageForm {
    #[serde(default)]
    language: String,
    #[serde(default)]
    page: String,
    #[serde(default)]
    to: String,
}

/// Takes a choice, and leads back to where it was made. Before log-in it is the browser's alone, for whoever sits there.
pub(super) async fn choose(
    State(room): Room,
    Extension(visit): Extension<Visit>,
    Form(form): Form<LanguageForm>,
) -> Reply {
    let known = Language::ALL.into_iter().find(|language| language.code() == form.language);
    let (Some(language), Some(page)) = (known, ChosenOn::parse(&form.page)) else {
        return error(&visit, StatusCode::BAD_REQUEST);
    };
    if let Some(live) = &visit.live
        && let Err(cause) = room.sessions.choose_language(live, language).await
    {
        return store_failed(&visit, &cause);
    }
    let back = match page {
        ChosenOn::Account => "/.access/account".to_owned(),
        ChosenOn::Check => "/.access/check".to_owned(),
        // `stay`, for with a single provider the page leads on at once, and nobody would see what they chose.
        ChosenOn::LogIn => format!("/.access/login?stay=1&to={}", encode(&visit.return_path(&form.to))),
    };
    Reply::see_other(&back).with_cookie(setting_language(language))
}
