//! What forms have in common: what is wrong is said at its field, and a choice of app comes before what hangs on it.

use http::StatusCode;

use super::{apps, sentence};
use crate::console::ConsoleRoom;
use crate::console::api::Failure;
use crate::pages::console::{Block, Cell, FieldKind, Form, FormField, Tone};

/// A form that was not done as it was sent, with what is wrong with it: at its fields, and above it what is of none.
pub(super) fn refused(mut form: Form, failure: &Failure) -> Vec<Block> {
    let fields: Vec<_> =
        failure.fields.iter().map(|(name, problem)| (*name, format!("{}.", sentence(problem)))).collect();
    let elsewhere = form.mark(&fields);
    let what = match (fields.is_empty(), elsewhere.is_empty()) {
        (true, _) => format!("{}.", sentence(&failure.text)),
        (false, true) => "Nothing was done: see what is wrong below.".to_owned(),
        (false, false) => format!("Nothing was done. {}", elsewhere.join(" ")),
    };
    vec![Block::Notice(Tone::Bad, what), Block::Form(form)]
}

/// Something wrong with a field that no operation has to be asked about.
pub(super) fn wrong(field: &'static str, problem: &str) -> Failure {
    Failure {
        status: StatusCode::UNPROCESSABLE_ENTITY,
        text: problem.to_owned(),
        errors: Vec::new(),
        fields: vec![(field, problem.to_owned())],
    }
}

/// What was typed, if it was anything.
pub(super) fn given(text: &str) -> Option<&str> {
    Some(text.trim()).filter(|text| !text.is_empty())
}

/// The app that a form is for: the one that was chosen, or the only one; and where there are several, a form to choose another by.
/// `keep` goes on with it.
pub(super) fn choose_app(
    room: &ConsoleRoom,
    chosen: &str,
    action: &str,
    keep: &[(&'static str, &str)],
) -> (Option<String>, Option<Block>) {
    let apps = apps(room);
    let is_known = apps.iter().any(|(name, _)| name == chosen);
    let app = if is_known { Some(chosen.to_owned()) } else { apps.first().map(|(name, _)| name.clone()) };
    let chooser = app.as_deref().filter(|_| apps.len() > 1).map(|app| {
        let mut fields = vec![FormField::line("app", "App", app).of(FieldKind::Choice(apps.clone()))];
        let kept = keep.iter().filter(|(_, value)| !value.is_empty());
        fields.extend(kept.map(|(name, value)| FormField::hidden(name, *value)));
        Block::Form(Form::search(action, "Choose", fields))
    });
    (app, chooser)
}

/// A way back.
pub(super) fn back(to: impl Into<String>, text: &str) -> Block {
    Block::Facts(vec![("Back".to_owned(), Cell::link(to, text))])
}
