//! `[[workspace.user]]`: the staff, and which apps each may preview.

use std::collections::BTreeMap;
use std::ops::Range;

use super::app::{is_app, role_of};
use super::builder::Builder;
use super::console;
use super::error::Problem;
use super::file::{ConfigFile, Text};
use super::nearest::did_you_mean;
use crate::policy::WorkspaceUser;
use crate::types::{DisplayName, Email};

/// The staff of each app, by its name.
pub(super) type Staff = BTreeMap<String, BTreeMap<Email, WorkspaceUser>>;

/// The staff of each app.
pub(super) fn workspace(builder: &mut Builder<'_>, file: &ConfigFile) -> Staff {
    let mut staff = Staff::new();
    let apps = || file.app.keys().map(|name| name.value.as_str());
    for user in &file.workspace.user {
        check_previews(builder, file, &user.preview, &user.roles);
        let email = parse_email(builder, &user.email);
        let name = user.name.as_ref().and_then(|name| builder.text(name)).and_then(|name| DisplayName::new(&name));
        for (app_name, role_name) in &user.roles {
            if !is_app(file, &app_name.value) {
                let add = match app_name.value.as_str() {
                    console::NAME => "add `[console]`".to_owned(),
                    name => format!("add `[app.{name}]`"),
                };
                let help = did_you_mean(&app_name.value, apps(), &add);
                builder.problem(&app_name.span, format!("there is no app `{}`", app_name.value), help);
                continue;
            }
            let role = role_of(builder, role_name, &app_name.value, file);
            if let (Some(email), Some(role)) = (&email, role) {
                let preview = user.preview.iter().any(|app| app.value == app_name.value);
                let user = WorkspaceUser { name: name.clone(), role, preview };
                if staff.entry(app_name.value.clone()).or_default().insert(email.clone(), user).is_some() {
                    builder.problem(
                        &user_span(&user_email(file, email)),
                        format!("`{}` stands twice in `[[workspace.user]]`", email.masked()),
                        "keep one of the two",
                    );
                }
            }
        }
    }
    staff
}

/// Whoever may preview an app has a role in it: a preview is begun from the app itself. The console has no customers to see it.
pub(super) fn check_previews(
    builder: &mut Builder<'_>,
    file: &ConfigFile,
    apps: &[Text],
    roles: &BTreeMap<Text, Text>,
) {
    let is_console = |app: &Text| file.console.is_some() && app.value == console::NAME;
    let has_role = |app: &&Text| roles.contains_key(app.value.as_str()) && !is_console(app);
    for app in apps.iter().filter(|app| !has_role(app)) {
        let what = format!("`preview` names the app `{}`, in which there is no role here", app.value);
        let known = roles.keys().map(|name| name.value.as_str());
        let help =
            did_you_mean(&app.value, known, &format!("add it to `roles`, such as {{ {} = \"ROLE\" }}", app.value));
        builder.problem(&app.span, what, help);
    }
}

fn user_email<'a>(file: &'a ConfigFile, email: &Email) -> Option<&'a Text> {
    file.workspace
        .user
        .iter()
        .rev()
        .map(|user| &user.email)
        .find(|text| Email::parse(&text.value).is_ok_and(|parsed| parsed == *email))
}

fn user_span(text: &Option<&Text>) -> Range<usize> {
    text.map_or(0..0, |text| text.span.clone())
}

fn parse_email(builder: &mut Builder<'_>, text: &Text) -> Option<Email> {
    let filled = builder.text(text)?;
    let parsed =
        Email::parse(&filled).map_err(|error| Problem::new(format!("`{filled}`: {error}"), "write an email address"));
    builder.keep(&text.span, parsed)
}
