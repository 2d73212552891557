//! Everything a person reads on our pages and in our mails, in one place.
//!
//! A language is one [`Texts`], grouped as the pages are. Words in braces, such as `{title}`, stand for what the page
//! knows. A sentence with a number in it is a function, for languages differ in how many plural forms they have.
//! Sentences say what happened and what to do next, in plain words, and blame nobody.

mod bulgarian;
mod dashboard;
mod english;
mod french;
mod german;
mod notifications;
mod preview;
mod sentence;
mod spanish;
mod team;
#[cfg(test)]
mod tests;

use http::StatusCode;

use dashboard::DashboardTexts;
use notifications::NotificationTexts;
pub(super) use preview::PreviewTexts;
pub(super) use sentence::{Sentence, fill};
pub(super) use team::{ListTexts, PersonTexts, TeamTexts};

use crate::types::Language;

/// All texts in one language.
#[derive(Debug)]
pub struct Texts {
    /// For the `lang` attribute (BCP 47).
    pub(super) language: &'static str,
    pub(super) problem_title: &'static str,
    pub(super) log_in: &'static str,
    pub(super) log_in_to: &'static str,
    pub(super) log_out: &'static str,
    pub(super) start_again: &'static str,
    pub(super) request_id: &'static str,
    pub(super) languages: LanguagesTexts,
    pub(super) login: LoginTexts,
    pub(super) provider: ProviderTexts,
    pub(super) no_access: NoAccessTexts,
    pub(super) step_up: StepUpTexts,
    pub(super) hub_lost: ErrorTexts<'static>,
    pub(super) check: CheckTexts,
    pub(super) link: LinkTexts,
    pub(super) choose: ChooseTexts,
    pub(super) account: AccountTexts,
    pub(super) denied: DeniedTexts,
    pub(super) logged_out: LoggedOutTexts,
    pub(super) disabled: DisabledTexts,
    pub(super) mail: MailTexts,
    pub(super) passkey: PasskeyTexts,
    pub(super) error: fn(StatusCode) -> ErrorTexts<'static>,
    /// Why a request was refused, by the reason's name.
    reason: fn(&str) -> &'static str,
    pub(super) too_many_next: &'static str,
    pub(super) team: TeamTexts,
    pub(super) dashboard: DashboardTexts,
    pub(super) notifications: NotificationTexts,
    pub(super) preview: PreviewTexts,
}

#[derive(Debug)]
pub(super) struct LanguagesTexts {
    pub(super) heading: &'static str,
    pub(super) lead: &'static str,
}

#[derive(Debug)]
pub(super) struct LoginTexts {
    pub(super) lead: &'static str,
    pub(super) email: &'static str,
    pub(super) submit: &'static str,
    pub(super) bad_address: &'static str,
    pub(super) too_many: fn(u32) -> String,
    pub(super) unavailable: &'static str,
    pub(super) expired: &'static str,
    pub(super) no_way: &'static str,
    pub(super) lead_home: &'static str,
    pub(super) submit_home: &'static str,
    pub(super) choose: &'static str,
    pub(super) or: &'static str,
    pub(super) with: &'static str,
    pub(super) not_reachable: &'static str,
}

#[derive(Debug)]
pub(super) struct ProviderTexts {
    pub(super) leave_heading: &'static str,
    pub(super) leave: &'static str,
    pub(super) signed_in: &'static str,
    pub(super) go_on: &'static str,
    pub(super) unreachable: &'static str,
    pub(super) unreachable_others: &'static str,
    pub(super) cancelled: &'static str,
    pub(super) failed: &'static str,
    pub(super) not_believed: &'static str,
    pub(super) unverified: &'static str,
    pub(super) other_domain: &'static str,
    pub(super) taken: &'static str,
    pub(super) lost_heading: &'static str,
    pub(super) lost: &'static str,
    pub(super) lost_next: &'static str,
}

#[derive(Debug)]
pub(super) struct NoAccessTexts {
    pub(super) heading: &'static str,
    pub(super) who: &'static str,
    pub(super) another: &'static str,
    pub(super) ways: &'static str,
}

#[derive(Debug)]
pub(super) struct StepUpTexts {
    pub(super) heading: &'static str,
    pub(super) why: &'static str,
    pub(super) none: &'static str,
    pub(super) add_passkey: &'static str,
    pub(super) passkey_needs_script: &'static str,
}

#[derive(Debug)]
pub(super) struct CheckTexts {
    pub(super) heading: &'static str,
    pub(super) sent_to: &'static str,
    pub(super) sent: &'static str,
    pub(super) how: &'static str,
    pub(super) code: &'static str,
    pub(super) code_shape: &'static str,
    pub(super) valid: fn(u32) -> String,
    pub(super) nothing_came: &'static str,
    pub(super) wrong: fn(u32) -> String,
    pub(super) too_many: fn(u32) -> String,
    pub(super) ended_heading: &'static str,
    pub(super) ended: &'static str,
}

#[derive(Debug)]
pub(super) struct LinkTexts {
    pub(super) confirm: &'static str,
    pub(super) not_you: &'static str,
    pub(super) elsewhere_heading: &'static str,
    pub(super) elsewhere: &'static str,
    pub(super) code: &'static str,
    pub(super) keep_secret: &'static str,
    pub(super) ended_heading: &'static str,
    pub(super) ended: &'static str,
    pub(super) new_mail: &'static str,
    pub(super) wrong_browser_heading: &'static str,
    pub(super) wrong_browser: &'static str,
    pub(super) wrong_browser_next: &'static str,
}

#[derive(Debug)]
pub(super) struct ChooseTexts {
    pub(super) heading: &'static str,
    pub(super) lead: &'static str,
    pub(super) current: &'static str,
    pub(super) none: &'static str,
    pub(super) someone_else: &'static str,
}

#[derive(Debug)]
pub(super) struct AccountTexts {
    pub(super) heading: &'static str,
    pub(super) email: &'static str,
    pub(super) name: &'static str,
    pub(super) customer: &'static str,
    pub(super) role: &'static str,
    pub(super) back: &'static str,
    pub(super) switch: &'static str,
    pub(super) sessions: &'static str,
    pub(super) sessions_lead: &'static str,
    pub(super) this_session: &'static str,
    pub(super) some_device: &'static str,
    pub(super) times: &'static str,
    pub(super) end: &'static str,
    pub(super) end_which: &'static str,
    pub(super) end_others: &'static str,
    pub(super) everywhere: &'static str,
    pub(super) everywhere_heading: &'static str,
    pub(super) everywhere_lead: &'static str,
}

#[derive(Debug)]
pub(super) struct DeniedTexts {
    pub(super) heading: &'static str,
    pub(super) who: &'static str,
    pub(super) who_for: &'static str,
    pub(super) nobody: &'static str,
    pub(super) next: &'static str,
    pub(super) switch: &'static str,
    pub(super) someone_else: &'static str,
    pub(super) account: &'static str,
}

#[derive(Debug)]
pub(super) struct LoggedOutTexts {
    pub(super) heading: &'static str,
    pub(super) lead: &'static str,
    pub(super) again: &'static str,
    pub(super) there_heading: &'static str,
    pub(super) there: &'static str,
    pub(super) go_on: &'static str,
}

#[derive(Debug)]
pub(super) struct DisabledTexts {
    pub(super) heading: &'static str,
    pub(super) lead: &'static str,
}

#[derive(Debug)]
pub(super) struct MailTexts {
    pub(super) hello: &'static str,
    pub(super) by_link: &'static str,
    pub(super) open_here: &'static str,
    pub(super) by_code: &'static str,
    pub(super) valid: fn(u32) -> String,
    pub(super) asked_at: &'static str,
    pub(super) ignore: &'static str,
}

#[derive(Debug)]
pub(super) struct PasskeyTexts {
    pub(super) log_in: &'static str,
    pub(super) add: &'static str,
    pub(super) offer_heading: &'static str,
    pub(super) offer: &'static str,
    pub(super) required_heading: &'static str,
    pub(super) required: &'static str,
    pub(super) no_script: &'static str,
    pub(super) not_now: &'static str,
    pub(super) someone_else: &'static str,
    pub(super) heading: &'static str,
    pub(super) lead: &'static str,
    pub(super) none: &'static str,
    pub(super) add_needs_script: &'static str,
    pub(super) enough: &'static str,
    pub(super) unnamed: &'static str,
    pub(super) times: &'static str,
    pub(super) never_used: &'static str,
    pub(super) change: &'static str,
    pub(super) which: &'static str,
    pub(super) name: &'static str,
    pub(super) rename: &'static str,
    pub(super) delete: &'static str,
    pub(super) delete_hint: &'static str,
    pub(super) delete_last: &'static str,
    pub(super) locked: &'static str,
    pub(super) problem: PasskeyProblemTexts,
    pub(super) mail: PasskeyMailTexts,
}

/// What `passkey.js` says when something does not work; each page that carries it holds them in the button's attributes.
#[derive(Debug)]
pub(super) struct PasskeyProblemTexts {
    pub(super) cancelled: &'static str,
    pub(super) refused: &'static str,
    pub(super) known: &'static str,
    pub(super) enough: &'static str,
    pub(super) expired: &'static str,
    pub(super) too_often: &'static str,
    pub(super) unavailable: &'static str,
    pub(super) failed: &'static str,
}

#[derive(Debug)]
pub(super) struct PasskeyMailTexts {
    pub(super) subject: &'static str,
    pub(super) happened: &'static str,
    pub(super) happened_somewhere: &'static str,
    pub(super) good: &'static str,
    pub(super) not_you: &'static str,
}

/// An error page's words.
#[derive(Clone, Copy, Debug)]
pub(super) struct ErrorTexts<'a> {
    pub(super) heading: &'static str,
    pub(super) happened: &'a str,
    pub(super) next: &'static str,
}

impl Texts {
    /// The texts in a language.
    #[must_use]
    pub const fn of(language: Language) -> &'static Self {
        match language {
            Language::English => &english::ENGLISH,
            Language::German => &german::GERMAN,
            Language::French => &french::FRENCH,
            Language::Spanish => &spanish::SPANISH,
            Language::Bulgarian => &bulgarian::BULGARIAN,
        }
    }

    /// Why a request was refused, by the reason's name, in plain words.
    #[must_use]
    pub fn reason(&self, name: &str) -> &'static str {
        (self.reason)(name)
    }
}
