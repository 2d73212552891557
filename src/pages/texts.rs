//! Everything a person reads on our pages and in our mails, in one place.
//!
//! A language is one [`Texts`], grouped as the pages are. Words in braces, such as `{title}`, stand for what the page
//! knows. A sentence with a number in it is a function, for languages differ in how many plural forms they have.
//! Sentences say what happened and what to do next, in plain words, and blame nobody.

use askama::Template;
use askama::filters::HtmlSafe;
use http::StatusCode;

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
    pub(super) reference: &'static str,
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
    pub(super) too_many_next: &'static str,
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

/// The texts in English.
pub static ENGLISH: Texts = Texts {
    language: "en",
    problem_title: "Problem: {heading}",
    log_in: "Log in",
    log_in_to: "Log in to {title}",
    log_out: "Log out",
    start_again: "Start again",
    reference: "Request id",
    login: LoginTexts {
        lead: "Enter your email address, and we will send you a link and a code to log in with. No password needed.",
        email: "Email address",
        submit: "Send me a mail",
        bad_address: "That does not look like an email address. Please check it for a slip, such as a missing @ or a space.",
        too_many: |minutes| {
            format!("There were too many tries to log in. Please try again in {}.", english_minutes(minutes))
        },
        unavailable: "We cannot log anyone in just now. Please try again in a few minutes.",
        expired: "That took a little too long, so we have to begin anew. Please log in again.",
        no_way: "Nobody logs in here with an address like that. Please check it for a slip, or use your address at work.",
        lead_home: "Enter your email address at work, and we will take you to where your organisation logs in.",
        submit_home: "Continue",
        choose: "Choose how you want to log in.",
        or: "or",
        with: "Log in with {provider}",
        not_reachable: "Not reachable just now.",
    },
    provider: ProviderTexts {
        leave_heading: "Log in with {provider}",
        leave: "Your address belongs to {provider}, so you log in there. If nothing happens, press the button.",
        signed_in: "You are signed in at {provider}. If nothing happens, press the button.",
        go_on: "Continue",
        unreachable: "{provider} cannot be reached just now. Please try again in a few minutes.",
        unreachable_others: "{provider} cannot be reached just now. Please try again in a few minutes, or log in another way.",
        cancelled: "You are not logged in: the log-in with {provider} was cancelled or refused there.",
        failed: "{provider} could not log you in. Please try again.",
        not_believed: "The answer of {provider} did not pass our checks, so nobody was logged in. Please try again; if it \
                       happens again, tell the person who gave you access.",
        unverified: "{provider} does not say that your email address has been confirmed as yours. Confirm it there, then \
                     try again.",
        other_domain: "Your account with {provider} has an email address that belongs elsewhere. Please log in with the \
                       account of the organisation whose address it is.",
        taken: "Your email address is known here as that of another account with {provider}. Please tell the person who \
                gave you access.",
        lost_heading: "Please start again",
        lost: "This log-in was not begun in this browser, it took too long, or it was finished before.",
        lost_next: "Nothing is wrong with your account. Begin once more from the log-in page.",
    },
    no_access: NoAccessTexts {
        heading: "You have no access here",
        who: "You are signed in at {provider} as {email}, which has no access here.",
        another: "Use another account",
        ways: "Other ways to log in",
    },
    step_up: StepUpTexts {
        heading: "One more step",
        why: "What you want to open asks for a stronger way to log in. Log in once more in one of these ways, and you go on \
              where you were.",
        none: "What you want to open asks for a stronger way to log in, and none is there for your address. Please ask the \
               person who gave you access.",
        add_passkey: "Add a passkey",
        passkey_needs_script: "Passkeys need JavaScript, which this browser does not run.",
    },
    hub_lost: ErrorTexts {
        heading: "Please start again",
        happened: "This log-in cannot go on: it was not begun in this browser, it took too long, or it was finished before.",
        next: "Go back to the page where you wanted to log in, and begin once more.",
    },
    check: CheckTexts {
        heading: "Check your mail",
        sent_to: "If {address} may enter, a mail is on its way to it.",
        sent: "If the address you entered may enter, a mail is on its way to it.",
        how: "Open the link in it with this browser, or type the code from it here.",
        code: "Six-digit code",
        code_shape: "The six digits from the mail",
        valid: |minutes| format!("The link and the code work once, within {}.", english_minutes(minutes)),
        nothing_came: "Nothing there? Look among the unwanted mail too, and check the address for a slip.",
        wrong: |left| match left {
            0 => "That is not the code. Please start again to get a new one.".to_owned(),
            1 => "That is not the code. Please look at the newest mail; you have one try left.".to_owned(),
            _ => format!("That is not the code. Please look at the newest mail; you have {left} tries left."),
        },
        too_many: |minutes| {
            format!(
                "There were too many tries. Please try again in {}, or use the link in the mail.",
                english_minutes(minutes)
            )
        },
        ended_heading: "This code no longer works",
        ended: "It was used, it is too old, or it was mistyped too often. Ask for a new mail, and use the code from that one.",
    },
    link: LinkTexts {
        confirm: "You are about to log in as {address}.",
        not_you: "If you did not ask for this, close this page and nothing happens.",
        elsewhere_heading: "Type this code where you started",
        elsewhere: "You asked to log in with another browser or device. Go back there and type this code:",
        code: "Code",
        keep_secret: "Tell this code to nobody, whoever asks for it. If you did not ask to log in, close this page.",
        ended_heading: "This link no longer works",
        ended: "It was used, or it is too old. Ask for a new mail to log in.",
        new_mail: "Ask for a new mail",
        wrong_browser_heading: "This is not the browser that asked",
        wrong_browser: "For your safety, the link logs you in only with the browser in which you entered your address.",
        wrong_browser_next: "Open the link there, or type the six-digit code from the mail there. You can also start again here.",
    },
    choose: ChooseTexts {
        heading: "Choose a customer",
        lead: "{email} has access for more than one customer. Which one is it now?",
        current: "Current",
        none: "There is no customer to choose at the moment. Please ask the person who gave you access.",
        someone_else: "Log in as someone else",
    },
    account: AccountTexts {
        heading: "Your account",
        email: "Email",
        name: "Name",
        customer: "Customer",
        role: "Role",
        back: "Go to {title}",
        switch: "Switch customer",
        sessions: "Where you are logged in",
        sessions_lead: "If you do not know one of these, end it.",
        this_session: "This one",
        some_device: "An unknown browser",
        times: "Since {started} · last used {last_used}",
        end: "End",
        end_which: "the session on {device}, since {started}",
        end_others: "End all other sessions",
        everywhere: "Log out everywhere",
        everywhere_heading: "Lost a device?",
        everywhere_lead: "If you lost a device, or somebody else may be using your account, log out of everything at once: here, on \
                          your other devices, and wherever else you are logged in with this address.",
    },
    denied: DeniedTexts {
        heading: "You cannot open this page",
        who: "You are logged in as {email}.",
        who_for: "You are logged in as {email} for {customer}.",
        nobody: "You are not logged in.",
        next: "If you think you should have access, ask the person who gave you access, and tell them the request id below.",
        switch: "Switch customer",
        someone_else: "Log in as someone else",
        account: "Your account",
    },
    logged_out: LoggedOutTexts {
        heading: "You are logged out",
        lead: "You can close this page. On a shared computer, close the browser too.",
        again: "Log in again",
        there_heading: "Logging out",
        there: "You are logged out here. Next you are logged out where you sign in to other things too. If nothing happens, \
                press the button.",
        go_on: "Continue",
    },
    disabled: DisabledTexts {
        heading: "{title} is closed at the moment",
        lead: "It has been switched off for now. Please come back later, or ask the person who gave you access.",
    },
    mail: MailTexts {
        hello: "Hello,",
        by_link: "to log in to {title}, open this link in the browser where you asked for it:",
        open_here: "Press this button in the browser where you asked to log in.",
        by_code: "Or type this code in that browser:",
        valid: |minutes| format!("The link and the code work once, within {}.", english_minutes(minutes)),
        asked_at: "Someone, most likely you, asked for this mail at {host}.",
        ignore: "If it was not you, ignore this mail: without it nobody can log in. Never tell the code to anyone.",
    },
    passkey: PasskeyTexts {
        log_in: "Log in with a passkey",
        add: "Add a passkey",
        offer_heading: "Log in faster next time",
        offer: "With a passkey you log in with your fingerprint, your face or your screen lock. There is no mail to wait for, and no false page can take it from you.",
        required_heading: "Add a passkey to go on",
        required: "What you may do here asks for a passkey, and you have none yet. You make one with your fingerprint, your face or your screen lock, and log in with it from then on.",
        no_script: "This browser cannot add a passkey: that takes JavaScript, and a device or a program that keeps passkeys.",
        not_now: "Not now",
        someone_else: "Log in as someone else",
        heading: "Passkeys",
        lead: "A passkey lets you log in with your fingerprint, your face or your screen lock instead of a mail.",
        none: "You have none yet.",
        add_needs_script: "To add one, you need a browser with JavaScript that knows passkeys.",
        enough: "You have as many as you can have. Delete one that you no longer use to add another.",
        unnamed: "Passkey",
        times: "Added {added} · last used {last_used}",
        never_used: "Added {added} · not used yet",
        change: "Change",
        which: "the passkey {name}, added {added}",
        name: "Name",
        rename: "Save the name",
        delete: "Delete",
        delete_hint: "It will no longer log you in here. Your device may go on showing it until you delete it there too.",
        delete_last: "This is your last passkey, and what you may do here asks for one: without it you have to add a new one the next time you log in.",
        locked: "To change these, log in with one of them first.",
        problem: PasskeyProblemTexts {
            cancelled: "That was cancelled, or it took too long. Nothing has changed; you can try again.",
            refused: "This passkey does not open anything here. Try another one, or log in another way.",
            known: "This device has a passkey for you already.",
            enough: "This passkey is here already, or you have as many as you can have.",
            expired: "That took too long. Please try once more.",
            too_often: "There were too many tries. Please try again later.",
            unavailable: "That does not work just now. Please try again in a few minutes.",
            failed: "That did not work. Please load the page again and try once more.",
        },
        mail: PasskeyMailTexts {
            subject: "A passkey was added to your account at {title}",
            happened: "A passkey was added to your account at {host} with {device}, on {at}.",
            happened_somewhere: "A passkey was added to your account at {host}, on {at}.",
            good: "If it was you, there is nothing to do.",
            not_you: "If it was not you, somebody else can log in as you. Log in, delete the passkey on your account page, and end all other sessions there:",
        },
    },
    error: english_error,
    too_many_next: "Other ways to log in that this site offers are open meanwhile.",
};

fn english_minutes(minutes: u32) -> String {
    match minutes {
        0 | 1 => "one minute".to_owned(),
        _ => format!("{minutes} minutes"),
    }
}

fn english_error(status: StatusCode) -> ErrorTexts<'static> {
    let (heading, happened, next) = match status.as_u16() {
        400 => (
            "We could not read that request",
            "Something in the address, or in what the browser sent, is not in a form that we can take.",
            "Check the address for a slip, or go back and try again.",
        ),
        403 => (
            "That is not allowed",
            "The request was refused. A form counts only when it is sent from a page of this site.",
            "Go back, load the page again, and try once more.",
        ),
        404 => (
            "There is no such page",
            "The page may have moved, or the address has a slip in it.",
            "Check the address, or go back to where you came from.",
        ),
        405 => (
            "That does not work here",
            "This address exists, but it does not take that kind of request.",
            "Go back and use the links and buttons of the page.",
        ),
        408 => (
            "That took too long",
            "The request did not arrive in full before we stopped waiting.",
            "Check your connection and try again.",
        ),
        413 => (
            "That is too large",
            "What you sent is larger than this site takes.",
            "Send a smaller file, or send it in parts.",
        ),
        421 => (
            "Nothing is here under this name",
            "The address leads to this server, but no site of that name lives here.",
            "Check the address for a slip. If somebody gave it to you, ask them.",
        ),
        429 => (
            "That was a little too fast",
            "More requests came from your network than this site takes at once.",
            "Wait a minute, then try again.",
        ),
        431 => (
            "The request was too long",
            "The browser sent more along with the request than this site takes, most often too many cookies.",
            "Delete the cookies of this site, then try again.",
        ),
        502 => (
            "The application does not answer",
            "You reached us, but the application behind this page could not be reached.",
            "Nothing is wrong with your device. Please try again in a few minutes.",
        ),
        503 => (
            "Not available just now",
            "We cannot serve this page at the moment.",
            "Nothing is wrong with your device. Please try again in a few minutes.",
        ),
        504 => (
            "The application took too long",
            "You reached us, but the application behind this page did not answer in time.",
            "Please try again. What you were doing may have been done all the same, so have a look first.",
        ),
        500..=599 => (
            "Something went wrong",
            "That is a mistake on our side, and it has been written down.",
            "Please try again in a few minutes.",
        ),
        _ => ("That did not work", "The request could not be answered.", "Go back and try again."),
    };
    ErrorTexts { heading, happened, next }
}

/// A sentence with its words in braces filled in, as plain text.
pub(super) fn fill(sentence: &str, values: &[(&str, &str)]) -> String {
    Sentence::new(sentence, values)
        .parts
        .iter()
        .map(|part| match part {
            Part::Said(text) | Part::Given(text) => *text,
        })
        .collect()
}

/// A sentence for a page: what is filled in is escaped, stands out, and keeps its own writing direction to itself.
#[derive(Template)]
#[template(
    ext = "html",
    source = "{% for part in parts %}{% match part %}{% when Part::Said(text) %}{{ text }}\
              {% when Part::Given(text) %}<strong dir=\"auto\">{{ text }}</strong>{% endmatch %}{% endfor %}"
)]
pub(super) struct Sentence<'a> {
    parts: Vec<Part<'a>>,
}

/// True because its own template, just above, escapes every part.
impl HtmlSafe for Sentence<'_> {}

enum Part<'a> {
    Said(&'a str),
    Given(&'a str),
}

impl<'a> Sentence<'a> {
    /// Fills in each value once, left to right: braces inside a value mean nothing.
    pub(super) fn new(sentence: &'a str, values: &[(&str, &'a str)]) -> Self {
        let mut parts = Vec::new();
        let mut rest = sentence;
        while let Some((before, name, after)) = split_at_name(rest) {
            parts.push(Part::Said(before));
            if let Some((_, value)) = values.iter().find(|(known, _)| *known == name) {
                parts.push(Part::Given(value));
            }
            rest = after;
        }
        parts.push(Part::Said(rest));
        Self { parts }
    }
}

fn split_at_name(text: &str) -> Option<(&str, &str, &str)> {
    let (before, rest) = text.split_once('{')?;
    let (name, after) = rest.split_once('}')?;
    Some((before, name, after))
}

/// Why a request was refused, by the reason's name, in plain words.
#[must_use]
pub fn reason(name: &str) -> &'static str {
    match name {
        "no-grant" => "Your address is no longer on the list of people who may use this service.",
        "other-customer" => "This address is reserved for the people of another organisation.",
        "hidden-field" => "Your role does not include sorting or searching by this field.",
        "cannot-filter" => "This page cannot be shown to your role.",
        _ => "Your role does not include this page.",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_filled_in_once_and_in_place() {
        let values = [("a", "{b}"), ("b", "<two>")];
        assert_eq!(fill("One {a}, {b}.", &values), "One {b}, <two>.");
        assert_eq!(fill("None.", &values), "None.");
        assert_eq!(fill("", &values), "");
    }

    #[test]
    fn values_on_a_page_are_escaped_and_stand_out() {
        let page = Sentence::new("As <{a}>.", &[("a", "<i>")]).to_string();
        assert_eq!(page, "As &#60;<strong dir=\"auto\">&#60;i&#62;</strong>&#62;.");
    }

    #[test]
    fn every_error_says_what_happened_and_what_to_do() {
        for status in 400..600 {
            let texts = english_error(StatusCode::from_u16(status).expect("a status"));
            for text in [texts.happened, texts.next] {
                assert!(text.ends_with('.'), "{status}: {text}");
            }
            assert!(!texts.heading.is_empty());
        }
    }
}
