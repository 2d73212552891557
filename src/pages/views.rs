//! The pages: what each needs to know, and the function that renders it.
//!
//! A view borrows what it shows and decides nothing: who may see a page was settled before. The templates beside this
//! file escape every value, and the forms in them post to the paths and fields that `login` and `portal` read.

use std::fmt::Display;

use askama::Template;
use http::StatusCode;

use super::dashboard::dashboard_label;
use super::languages::{ChosenOn, LanguagePicker};
use super::notifications::settings_label;
use super::passkeys::{PasskeySection, PasskeysView};
use super::reply::safe_location;
use super::team::{Doors, DoorsView};
use super::texts::{ErrorTexts, Sentence, Texts, fill};
use super::{Brand, Look, Reply};
use crate::types::Language;

/// The facts of the page that asks for the code.
#[derive(Clone, Copy, Debug)]
pub struct CheckView<'a> {
    /// The address typed, shown back to the browser that sent it and to no other.
    pub address: Option<&'a str>,
    /// How long link and code hold.
    pub minutes: u32,
    /// What went wrong, if anything.
    pub problem: Option<CodeProblem>,
}

/// Why a code did not let anyone in.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum CodeProblem {
    /// Not the code: 422.
    Wrong {
        /// How many tries are left.
        left: u32,
    },
    /// Used, too old, or tried too often: 410.
    Ended,
    /// A limit was reached: 429.
    TooMany {
        /// When to try again.
        minutes: u32,
    },
}

/// One customer to choose.
#[derive(Clone, Copy, Debug)]
pub struct ChoiceView<'a> {
    /// The customer's id, as posted.
    pub id: &'a str,
    /// The customer's name, as shown; an empty one shows the id.
    pub name: &'a str,
    /// Whether the session is for this customer now.
    pub current: bool,
}

/// The account page's facts.
#[derive(Clone, Debug)]
pub struct AccountView<'a> {
    /// The person's address.
    pub email: &'a str,
    /// The person's name, where the table has one.
    pub name: Option<&'a str>,
    /// The customer's name, where there is one.
    pub customer: Option<&'a str>,
    /// The role's name.
    pub role: &'a str,
    /// Whether another customer can be chosen.
    pub can_switch: bool,
    /// Where the page leads for the person's organisation.
    pub doors: DoorsView<'a>,
    /// Whether the app can be seen as its customers do.
    pub can_preview: bool,
    /// The person's sessions in this app.
    pub sessions: Vec<SessionView>,
    /// The person's passkeys on this domain; nothing where there can be none.
    pub passkeys: Option<PasskeysView>,
    /// Whether there are notifications to choose from.
    pub has_notifications: bool,
    /// Whether the person may see the dashboard.
    pub has_dashboard: bool,
}

/// One of a person's sessions.
#[derive(Clone, Debug)]
pub struct SessionView {
    /// The public id, as posted to end it.
    pub id: String,
    /// What it runs on, such as "Firefox on Linux"; empty where nobody knows.
    pub device: String,
    /// When it began, ready to read.
    pub started: String,
    /// When it was last used, ready to read.
    pub last_used: String,
    /// Whether it is the one that asks.
    pub current: bool,
    /// Through whose eyes it looks, where it is a preview.
    pub preview: Option<String>,
}

/// The facts of a refusal.
#[derive(Clone, Copy, Debug)]
pub struct DeniedView<'a> {
    /// Who is logged in, if anyone.
    pub email: Option<&'a str>,
    /// For which customer, if any.
    pub customer: Option<&'a str>,
    /// Why, as a plain sentence.
    pub reason: &'a str,
    /// Whether another customer can be chosen.
    pub can_switch: bool,
    /// The request's id, by which the log has the rest.
    pub request_id: &'a str,
}

/// The facts of an error page.
#[derive(Clone, Copy, Debug)]
pub struct ErrorView<'a> {
    /// The status, which decides the words.
    pub status: StatusCode,
    /// The request's id, by which the log has the rest.
    pub request_id: &'a str,
}

/// What every page of a brand shares.
pub(super) struct Frame<'a> {
    pub(super) look: Look<'a>,
    pub(super) heading: String,
    pub(super) problem: bool,
    pub(super) wide: bool,
    /// Wider still, for a table.
    pub(super) broad: bool,
}

#[derive(Template)]
#[template(path = "check.html")]
struct CheckPage<'a> {
    t: &'static Texts,
    frame: Frame<'a>,
    languages: LanguagePicker<'a>,
    sent: Sentence<'a>,
    valid: String,
    problem: Option<String>,
    wrong: bool,
}

#[derive(Template)]
#[template(path = "confirm.html")]
struct ConfirmPage<'a> {
    t: &'static Texts,
    frame: Frame<'a>,
    who: Sentence<'a>,
    token: &'a str,
}

#[derive(Template)]
#[template(path = "other_browser.html")]
struct OtherBrowserPage<'a> {
    t: &'static Texts,
    frame: Frame<'a>,
    code: &'a str,
}

/// A page that only says something, with a way to log in where that is what comes next.
#[derive(Template)]
#[template(path = "notice.html")]
struct NoticePage<'a> {
    t: &'static Texts,
    frame: Frame<'a>,
    paragraphs: Vec<&'a str>,
    log_in: Option<&'static str>,
    request_id: Option<&'a str>,
}

#[derive(Template)]
#[template(path = "log_out_there.html")]
struct LogOutTherePage<'a> {
    t: &'static Texts,
    frame: Frame<'a>,
    location: String,
}

/// A page without a brand: the host is unknown, and then there is no stylesheet to name either, or the hub.
#[derive(Template)]
#[template(path = "neutral.html")]
pub(super) struct NeutralPage<'a> {
    pub(super) t: &'static Texts,
    pub(super) error: ErrorTexts<'a>,
    pub(super) styled: bool,
    pub(super) request_id: &'a str,
}

#[derive(Template)]
#[template(path = "choose.html")]
struct ChoosePage<'a> {
    t: &'static Texts,
    frame: Frame<'a>,
    lead: Sentence<'a>,
    choices: Vec<Choice<'a>>,
    to: &'a str,
}

struct Choice<'a> {
    id: &'a str,
    name: &'a str,
    current: bool,
    show_id: bool,
}

#[derive(Template)]
#[template(path = "account.html")]
struct AccountPage<'a> {
    t: &'static Texts,
    frame: Frame<'a>,
    languages: LanguagePicker<'a>,
    view: &'a AccountView<'a>,
    sessions: Vec<OwnSession<'a>>,
    passkeys: Option<PasskeySection<'a>>,
    doors: Option<Doors<'a>>,
    others: bool,
    back: String,
    preview_link: &'static str,
    notifications: Option<&'static str>,
    dashboard: Option<&'static str>,
}

struct OwnSession<'a> {
    view: &'a SessionView,
    device: &'a str,
    times: String,
    which: String,
    preview: Option<String>,
}

#[derive(Template)]
#[template(path = "denied.html")]
struct DeniedPage<'a> {
    t: &'static Texts,
    frame: Frame<'a>,
    reason: &'a str,
    who: Sentence<'a>,
    known: bool,
    can_switch: bool,
    request_id: &'a str,
}

/// Says that a mail may be on its way, the same for every address, and asks for the code.
#[must_use]
pub fn check_mail(look: Look<'_>, view: &CheckView<'_>) -> Reply {
    let t = look.texts();
    let (status, problem) = match view.problem {
        None => (StatusCode::OK, None),
        Some(CodeProblem::Wrong { left }) => (StatusCode::UNPROCESSABLE_ENTITY, Some((t.check.wrong)(left))),
        Some(CodeProblem::TooMany { minutes }) => (StatusCode::TOO_MANY_REQUESTS, Some((t.check.too_many)(minutes))),
        // No code can be right any more, so the page does not ask for one.
        Some(CodeProblem::Ended) => {
            let paragraphs = vec![t.check.ended];
            return notice(StatusCode::GONE, look, t.check.ended_heading, paragraphs, Some(t.link.new_mail));
        }
    };
    let reply = render(
        status,
        &CheckPage {
            t,
            frame: Frame { problem: problem.is_some(), ..Frame::new(look, t.check.heading) },
            languages: LanguagePicker::new(look, ChosenOn::Check, None),
            sent: match view.address {
                Some(address) => Sentence::new(t.check.sent_to, &[("address", address)]),
                None => Sentence::new(t.check.sent, &[]),
            },
            valid: (t.check.valid)(view.minutes),
            problem,
            wrong: matches!(view.problem, Some(CodeProblem::Wrong { .. })),
        },
    );
    match view.problem {
        Some(CodeProblem::TooMany { minutes }) => reply.retry_after(minutes),
        _ => reply,
    }
}

/// Asks the browser that opened its link to press a button: a scanner opens links, but presses nothing.
#[must_use]
pub fn confirm_link(look: Look<'_>, token: &str, address: &str) -> Reply {
    let t = look.texts();
    let heading = fill(t.log_in_to, &[("title", &look.brand.title)]);
    let who = Sentence::new(t.link.confirm, &[("address", address)]);
    render(StatusCode::OK, &ConfirmPage { t, frame: Frame::new(look, &heading), who, token })
}

/// Shows the code to type in the browser that asked.
#[must_use]
pub fn other_browser(look: Look<'_>, code: &str) -> Reply {
    let t = look.texts();
    render(StatusCode::OK, &OtherBrowserPage { t, frame: Frame::new(look, t.link.elsewhere_heading), code })
}

/// The link was used, is too old, or never was one: 410.
#[must_use]
pub fn link_ended(look: Look<'_>) -> Reply {
    let t = &look.texts().link;
    notice(StatusCode::GONE, look, t.ended_heading, vec![t.ended], Some(t.new_mail))
}

/// The button was pressed in a browser that did not ask: 403.
#[must_use]
pub fn wrong_browser(look: Look<'_>) -> Reply {
    let t = &look.texts().link;
    let paragraphs = vec![t.wrong_browser, t.wrong_browser_next];
    notice(StatusCode::FORBIDDEN, look, t.wrong_browser_heading, paragraphs, Some(look.texts().start_again))
}

/// Offers a person's customers, a button each.
#[must_use]
pub fn choose(look: Look<'_>, email: &str, choices: &[ChoiceView<'_>], to: &str) -> Reply {
    let t = look.texts();
    let choices: Vec<_> = choices
        .iter()
        .map(|choice| Choice {
            id: choice.id,
            name: if choice.name.trim().is_empty() { choice.id } else { choice.name },
            current: choice.current,
            // Two of one name could not be told apart otherwise.
            show_id: choices.iter().filter(|other| other.name == choice.name).nth(1).is_some()
                && !choice.name.trim().is_empty(),
        })
        .collect();
    let lead = Sentence::new(t.choose.lead, &[("email", email)]);
    render(StatusCode::OK, &ChoosePage { t, frame: Frame::new(look, t.choose.heading), lead, choices, to })
}

/// Who the person is here, and where they are logged in.
#[must_use]
pub fn account(look: Look<'_>, view: &AccountView<'_>) -> Reply {
    let t = look.texts();
    let sessions = view
        .sessions
        .iter()
        .map(|session| {
            let device = if session.device.is_empty() { t.account.some_device } else { session.device.as_str() };
            let values =
                [("device", device), ("started", session.started.as_str()), ("last_used", session.last_used.as_str())];
            OwnSession {
                view: session,
                device,
                times: fill(t.account.times, &values),
                which: fill(t.account.end_which, &values),
                preview: session.preview.as_ref().map(|who| super::preview::session_mark(look, who)),
            }
        })
        .collect();
    let passkeys = view.passkeys.as_ref().map(|view| PasskeySection::new(t, view));
    let has_script = passkeys.as_ref().is_some_and(|section| section.button.is_some());
    let reply = render(
        StatusCode::OK,
        &AccountPage {
            t,
            frame: Frame { wide: true, ..Frame::new(look, t.account.heading) },
            languages: LanguagePicker::new(look, ChosenOn::Account, None),
            view,
            sessions,
            passkeys,
            doors: Doors::new(look, &view.doors),
            others: view.sessions.iter().any(|session| !session.current),
            back: fill(t.account.back, &[("title", &look.brand.title)]),
            preview_link: super::preview::account_link(look),
            notifications: view.has_notifications.then(|| settings_label(look)),
            dashboard: view.has_dashboard.then(|| dashboard_label(look)),
        },
    );
    if has_script { reply.with_own_scripts() } else { reply }
}

/// Who you are, why not, and what next: 403. It only offers ways on, so it can never begin a redirect loop.
#[must_use]
pub fn denied(look: Look<'_>, view: &DeniedView<'_>) -> Reply {
    let t = look.texts();
    let who = match (view.email, view.customer) {
        (Some(email), Some(customer)) => Sentence::new(t.denied.who_for, &[("email", email), ("customer", customer)]),
        (Some(email), None) => Sentence::new(t.denied.who, &[("email", email)]),
        (None, _) => Sentence::new(t.denied.nobody, &[]),
    };
    render(
        StatusCode::FORBIDDEN,
        &DeniedPage {
            t,
            frame: Frame::new(look, t.denied.heading),
            reason: view.reason,
            who,
            known: view.email.is_some(),
            can_switch: view.can_switch,
            request_id: view.request_id,
        },
    )
}

/// The session has ended.
#[must_use]
pub fn logged_out(look: Look<'_>) -> Reply {
    let t = &look.texts().logged_out;
    notice(StatusCode::OK, look, t.heading, vec![t.lead], Some(t.again))
}

/// Sends a browser whose session has ended on to its provider's log-out. A redirect would not do: browsers hold the answer to
/// a form to the page's `form-action` (CSP 3, section 6.4.1), redirects and all.
#[must_use]
pub fn log_out_there(look: Look<'_>, location: &str) -> Reply {
    let t = look.texts();
    let frame = Frame::new(look, t.logged_out.there_heading);
    render(StatusCode::OK, &LogOutTherePage { t, frame, location: safe_location(location) })
}

/// The session has ended, at the provider too, and nobody knows where it began.
#[must_use]
pub fn logged_out_there(language: Language, request_id: &str) -> Reply {
    let t = Texts::of(language);
    let error = ErrorTexts { heading: t.logged_out.heading, happened: t.logged_out.lead, next: "" };
    render(StatusCode::OK, &NeutralPage { t, error, styled: true, request_id })
}

/// The app is switched off: 503.
#[must_use]
pub fn disabled(look: Look<'_>) -> Reply {
    let t = &look.texts().disabled;
    let heading = fill(t.heading, &[("title", &look.brand.title)]);
    notice(StatusCode::SERVICE_UNAVAILABLE, look, &heading, vec![t.lead], None)
}

/// What happened and what to do next, by status; in neutral dress where no brand is known.
#[must_use]
pub fn error(brand: Option<&Brand>, language: Language, view: &ErrorView<'_>) -> Reply {
    error_page(brand, language, view, (Texts::of(language).error)(view.status))
}

/// "Too many tries" (429), and when to try again. On the hub there is no brand.
#[must_use]
pub fn too_many(brand: Option<&Brand>, language: Language, minutes: u32, request_id: &str) -> Reply {
    let view = ErrorView { status: StatusCode::TOO_MANY_REQUESTS, request_id };
    let t = Texts::of(language);
    let happened = (t.login.too_many)(minutes);
    let error = ErrorTexts { happened: &happened, next: t.too_many_next, ..(t.error)(view.status) };
    error_page(brand, language, &view, error).retry_after(minutes)
}

/// The same for a script.
#[must_use]
pub fn too_many_json(language: Language, minutes: u32, request_id: &str) -> Reply {
    let value = serde_json::json!({
        "error": "too_many_tries",
        "message": (Texts::of(language).login.too_many)(minutes),
        "retry_after_seconds": u64::from(minutes.max(1)) * 60,
        "request_id": request_id,
    });
    Reply::json(StatusCode::TOO_MANY_REQUESTS, &value).retry_after(minutes)
}

fn error_page(brand: Option<&Brand>, language: Language, view: &ErrorView<'_>, error: ErrorTexts<'_>) -> Reply {
    let t = Texts::of(language);
    let request_id = view.request_id;
    match brand {
        None => render(view.status, &NeutralPage { t, error, styled: false, request_id }),
        Some(brand) => render(
            view.status,
            &NoticePage {
                t,
                frame: Frame::new(Look { brand, language }, error.heading),
                paragraphs: vec![error.happened, error.next],
                log_in: None,
                request_id: Some(request_id),
            },
        ),
    }
}

pub(super) fn notice(
    status: StatusCode,
    look: Look<'_>,
    heading: &str,
    paragraphs: Vec<&'static str>,
    log_in: Option<&'static str>,
) -> Reply {
    let frame = Frame::new(look, heading);
    render(status, &NoticePage { t: look.texts(), frame, paragraphs, log_in, request_id: None })
}

impl<'a> Frame<'a> {
    pub(super) fn new(look: Look<'a>, heading: &str) -> Self {
        Self { look, heading: heading.to_owned(), problem: false, wide: false, broad: false }
    }

    /// The document's title: the page first, for that is what differs between tabs.
    pub(super) fn title(&self) -> String {
        let heading = if self.problem {
            fill(self.look.texts().problem_title, &[("heading", &self.heading)])
        } else {
            self.heading.clone()
        };
        if heading.contains(&self.look.brand.title) {
            heading
        } else {
            format!("{heading} · {}", self.look.brand.title)
        }
    }

    /// The title's first letter or digit, where there is no logo.
    pub(super) fn initial(&self) -> impl Display {
        let first = self.look.brand.title.chars().find(|character| character.is_alphanumeric()).unwrap_or('·');
        first.to_uppercase()
    }
}

/// Renders a page. A template can only fail by writing, and a string takes all; should it fail all the same, the answer
/// is an error and not half a page.
pub(super) fn render(status: StatusCode, page: &impl Template) -> Reply {
    match page.render() {
        Ok(body) => Reply::html(status, body),
        Err(_) => Reply::text(StatusCode::INTERNAL_SERVER_ERROR, "This page could not be shown.\n"),
    }
}
