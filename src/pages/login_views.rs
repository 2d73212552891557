//! The pages of logging in: the choice of ways, what happens on the way to a provider and back, and the step up.

use askama::Template;
use bytes::Bytes;
use http::StatusCode;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};

use super::languages::{ChosenOn, LanguagePicker};
use super::passkeys::PasskeyButton;
use super::reply::safe_location;
use super::texts::{Sentence, Texts, fill};
use super::views::{Frame, NeutralPage, notice, render};
use super::{Look, Reply};
use crate::types::Language;

/// The log-in page's facts.
#[derive(Clone, Copy, Debug)]
pub struct LoginView<'a> {
    /// The address as typed, or nothing yet.
    pub email: &'a str,
    /// Where the person was going.
    pub to: &'a str,
    /// What went wrong, if anything.
    pub problem: Option<LoginProblem<'a>>,
    /// What an address is good for here.
    pub address: AddressField,
    /// The providers to choose from, in order.
    pub providers: &'a [ProviderButton<'a>],
    /// Whether there is a button for passkeys. Its script shows it where the browser knows them.
    pub passkey: bool,
}

/// What an address that somebody types is good for.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum AddressField {
    /// Nothing: there is no field.
    Absent,
    /// A mail goes to it, unless it belongs to a provider.
    Mail,
    /// It tells to which provider its owner goes.
    Home,
}

/// A provider to log in at.
#[derive(Clone, Copy, Debug)]
pub struct ProviderButton<'a> {
    /// Its name in the config.
    pub name: &'a str,
    /// Its name for people.
    pub title: &'a str,
    /// Whether it has a picture.
    pub icon: bool,
    /// Whether it answered when it was asked last.
    pub up: bool,
}

/// Why the log-in page is shown again.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum LoginProblem<'a> {
    /// The text is not an address: 400.
    BadAddress,
    /// A limit was reached: 429.
    TooMany {
        /// When to try again.
        minutes: u32,
    },
    /// Nobody can log in just now: 503.
    Unavailable,
    /// What was begun is too old, or unknown to this browser: 410.
    Expired,
    /// Nobody comes in by an address like this one: 422. It is said of the domain, and so tells nothing of the person.
    NoWay,
    /// Something about a provider.
    AtProvider {
        /// The provider's name for people.
        title: &'a str,
        /// What.
        what: ProviderProblem,
    },
}

/// What went wrong at a provider.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum ProviderProblem {
    /// It does not answer: 503.
    Unreachable,
    /// The person went back, or was not let on there: 403.
    Cancelled,
    /// It could not do what we asked: 502.
    Failed,
    /// What it said is not to be believed: 403.
    NotBelieved,
    /// It does not say that the address is the person's own: 403.
    UnverifiedEmail,
    /// It may not speak for the person's address: 403.
    OtherDomain,
    /// The address is known as somebody else's there: 403.
    Taken,
}

/// The facts of the page that asks for a stronger way.
#[derive(Clone, Copy, Debug)]
pub struct StepUpView<'a> {
    /// Who is logged in.
    pub email: &'a str,
    /// Where the person was going.
    pub to: &'a str,
    /// Whether a mail would be enough.
    pub mail: bool,
    /// The providers that would be enough.
    pub providers: &'a [ProviderButton<'a>],
    /// Whether one of the person's passkeys would be enough.
    pub passkey: bool,
    /// Whether a passkey would be enough, of which the person has none yet.
    pub add_passkey: bool,
}

/// The facts of the page that takes a person over from the hub.
#[derive(Clone, Copy, Debug)]
pub struct TicketView<'a> {
    /// The provider's name for people.
    pub title: &'a str,
    /// The ticket, as posted.
    pub ticket: &'a str,
}

/// The facts of a log-in at a provider that the table does not let in.
#[derive(Clone, Copy, Debug)]
pub struct NoAccessView<'a> {
    /// Who, as the provider has verified.
    pub email: &'a str,
    /// The provider.
    pub provider: ProviderButton<'a>,
    /// Where the person was going.
    pub to: &'a str,
    /// The request's id, by which the log has the rest.
    pub request_id: &'a str,
}

#[derive(Template)]
#[template(path = "login.html")]
struct LoginPage<'a> {
    t: &'static Texts,
    frame: Frame<'a>,
    languages: LanguagePicker<'a>,
    view: &'a LoginView<'a>,
    passkey: Option<PasskeyButton<'a>>,
    lead: &'static str,
    submit: &'static str,
    has_field: bool,
    problem: Option<String>,
    bad_address: bool,
}

#[derive(Template)]
#[template(path = "step_up.html")]
struct StepUpPage<'a> {
    t: &'static Texts,
    frame: Frame<'a>,
    view: &'a StepUpView<'a>,
    passkey: Option<PasskeyButton<'a>>,
    who: Sentence<'a>,
    why: &'static str,
    offer: String,
}

#[derive(Template)]
#[template(path = "ticket.html")]
struct TicketPage<'a> {
    t: &'static Texts,
    frame: Frame<'a>,
    lead: Sentence<'a>,
    ticket: &'a str,
}

#[derive(Template)]
#[template(path = "leave_for.html")]
struct LeavePage<'a> {
    t: &'static Texts,
    frame: Frame<'a>,
    lead: Sentence<'a>,
    location: String,
}

#[derive(Template)]
#[template(path = "no_access.html")]
struct NoAccessPage<'a> {
    t: &'static Texts,
    frame: Frame<'a>,
    who: Sentence<'a>,
    another: String,
    ways: String,
    request_id: &'a str,
}

/// Offers the ways in.
#[must_use]
pub fn login(look: Look<'_>, view: &LoginView<'_>) -> Reply {
    let t = look.texts();
    let (status, problem) = match view.problem {
        None => (StatusCode::OK, None),
        Some(problem) => {
            let (status, text) = explain(t, problem, view);
            (status, Some(text))
        }
    };
    let (lead, submit) = match view.address {
        AddressField::Absent => (t.login.choose, t.login.submit),
        AddressField::Mail => (t.login.lead, t.login.submit),
        AddressField::Home => (t.login.lead_home, t.login.submit_home),
    };
    let reply = render(
        status,
        &LoginPage {
            t,
            frame: Frame { problem: problem.is_some(), ..Frame::new(look, t.log_in) },
            languages: LanguagePicker::new(look, ChosenOn::LogIn, Some(view.to)),
            view,
            passkey: view.passkey.then(|| PasskeyButton::log_in(t, view.to, true)),
            lead,
            submit,
            has_field: view.address != AddressField::Absent,
            problem,
            bad_address: view.problem == Some(LoginProblem::BadAddress),
        },
    );
    let reply = if view.passkey { reply.with_own_scripts() } else { reply };
    match view.problem {
        Some(LoginProblem::TooMany { minutes }) => reply.retry_after(minutes),
        Some(LoginProblem::Unavailable | LoginProblem::AtProvider { what: ProviderProblem::Unreachable, .. }) => {
            reply.retry_after(1)
        }
        _ => reply,
    }
}

fn explain(t: &Texts, problem: LoginProblem<'_>, view: &LoginView<'_>) -> (StatusCode, String) {
    let (t, at) = (&t.login, &t.provider);
    match problem {
        LoginProblem::BadAddress => (StatusCode::BAD_REQUEST, t.bad_address.to_owned()),
        LoginProblem::TooMany { minutes } => (StatusCode::TOO_MANY_REQUESTS, (t.too_many)(minutes)),
        LoginProblem::Unavailable => (StatusCode::SERVICE_UNAVAILABLE, t.unavailable.to_owned()),
        LoginProblem::Expired => (StatusCode::GONE, t.expired.to_owned()),
        LoginProblem::NoWay => (StatusCode::UNPROCESSABLE_ENTITY, t.no_way.to_owned()),
        LoginProblem::AtProvider { title, what } => {
            let has_other = view.address != AddressField::Absent || view.passkey || view.providers.len() > 1;
            let (status, text) = match what {
                ProviderProblem::Unreachable if has_other => (StatusCode::SERVICE_UNAVAILABLE, at.unreachable_others),
                ProviderProblem::Unreachable => (StatusCode::SERVICE_UNAVAILABLE, at.unreachable),
                ProviderProblem::Cancelled => (StatusCode::FORBIDDEN, at.cancelled),
                ProviderProblem::Failed => (StatusCode::BAD_GATEWAY, at.failed),
                ProviderProblem::NotBelieved => (StatusCode::FORBIDDEN, at.not_believed),
                ProviderProblem::UnverifiedEmail => (StatusCode::FORBIDDEN, at.unverified),
                ProviderProblem::OtherDomain => (StatusCode::FORBIDDEN, at.other_domain),
                ProviderProblem::Taken => (StatusCode::FORBIDDEN, at.taken),
            };
            (status, fill(text, &[("provider", title)]))
        }
    }
}

/// Asks somebody who is logged in for a stronger way, and offers those that would be enough.
#[must_use]
pub fn step_up(look: Look<'_>, view: &StepUpView<'_>) -> Reply {
    let t = look.texts();
    let offers_any = view.mail || view.passkey || view.add_passkey || !view.providers.is_empty();
    let reply = render(
        StatusCode::OK,
        &StepUpPage {
            t,
            frame: Frame::new(look, t.step_up.heading),
            view,
            passkey: view.passkey.then(|| PasskeyButton::log_in(t, view.to, false)),
            who: Sentence::new(t.denied.who, &[("email", view.email)]),
            why: if offers_any { t.step_up.why } else { t.step_up.none },
            offer: format!("/.access/passkey/offer?to={}", encode(view.to)),
        },
    );
    if view.passkey { reply.with_own_scripts() } else { reply }
}

/// Takes a person over from the hub: a button, and a script that presses it. Nothing happens by looking.
#[must_use]
pub fn ticket(look: Look<'_>, view: &TicketView<'_>) -> Reply {
    let t = look.texts();
    let heading = fill(t.log_in_to, &[("title", &look.brand.title)]);
    let lead = Sentence::new(t.provider.signed_in, &[("provider", view.title)]);
    let page = TicketPage { t, frame: Frame::new(look, &heading), lead, ticket: view.ticket };
    render(StatusCode::OK, &page).with_own_scripts()
}

/// The script that presses the button of [`ticket`].
#[must_use]
pub fn continue_script() -> Reply {
    const KEEP_SECONDS: u32 = 300;
    const SCRIPT: &[u8] = b"document.getElementById(\"continue\")?.requestSubmit();\n";
    Reply::asset("text/javascript; charset=utf-8", Bytes::from_static(SCRIPT), KEEP_SECONDS)
}

/// Sends a browser on to a provider after a form. A redirect would not do: browsers hold the answer to a form to the page's
/// `form-action` (CSP 3, section 6.4.1), redirects and all.
#[must_use]
pub fn leave_for(look: Look<'_>, title: &str, location: &str) -> Reply {
    let t = look.texts();
    let heading = fill(t.provider.leave_heading, &[("provider", title)]);
    let lead = Sentence::new(t.provider.leave, &[("provider", title)]);
    let location = safe_location(location);
    render(StatusCode::OK, &LeavePage { t, frame: Frame::new(look, &heading), lead, location })
}

/// The provider vouches for the person, and the table does not have them: 403. They have proven the address, so it tells
/// nothing that they may not know.
#[must_use]
pub fn no_access(look: Look<'_>, view: &NoAccessView<'_>) -> Reply {
    let t = look.texts();
    let who = Sentence::new(t.no_access.who, &[("provider", view.provider.title), ("email", view.email)]);
    render(
        StatusCode::FORBIDDEN,
        &NoAccessPage {
            t,
            frame: Frame::new(look, t.no_access.heading),
            who,
            another: format!("{}&another=1", view.provider.href(view.to)),
            ways: format!("/.access/login?stay=1&to={}", encode(view.to)),
            request_id: view.request_id,
        },
    )
}

/// What came back from a provider belongs to nothing that this browser began, or not any more: 410.
#[must_use]
pub fn start_again(look: Look<'_>) -> Reply {
    let t = &look.texts().provider;
    let paragraphs = vec![t.lost, t.lost_next];
    notice(StatusCode::GONE, look, t.lost_heading, paragraphs, Some(look.texts().start_again))
}

/// The same on the hub, which does not know where the person began: 410.
#[must_use]
pub fn hub_lost(language: Language, request_id: &str) -> Reply {
    let t = Texts::of(language);
    render(StatusCode::GONE, &NeutralPage { t, error: t.hub_lost, styled: true, request_id })
}

impl ProviderButton<'_> {
    /// Where the log-in there begins.
    pub(super) fn href(&self, to: &str) -> String {
        format!("/.access/oidc/start?provider={}&to={}", encode(self.name), encode(to))
    }

    pub(super) fn label(&self, t: &Texts) -> String {
        fill(t.login.with, &[("provider", self.title)])
    }
}

fn encode(text: &str) -> String {
    utf8_percent_encode(text, NON_ALPHANUMERIC).to_string()
}
