//! English: what everything was written in first.

use http::StatusCode;

use super::*;

/// The texts in English.
pub(super) static ENGLISH: Texts = Texts {
    language: "en",
    problem_title: "Problem: {heading}",
    log_in: "Log in",
    log_in_to: "Log in to {title}",
    log_out: "Log out",
    start_again: "Start again",
    request_id: "Request id:",
    languages: LanguagesTexts {
        heading: "Language",
        lead: "These pages and our mails are written to you in this language.",
    },
    login: LoginTexts {
        lead: "Enter your email address, and we will send you a link and a code to log in with. No password needed.",
        email: "Email address",
        submit: "Send me a mail",
        bad_address: "That does not look like an email address. Please check it for a slip, such as a missing @ or a space.",
        too_many: |minutes| {
            format!("There were too many tries to log in. Please try again in {}.", in_minutes(minutes))
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
        valid: |minutes| format!("The link and the code work once, within {}.", in_minutes(minutes)),
        nothing_came: "Nothing there? Look among the unwanted mail too, and check the address for a slip.",
        wrong: |left| match left {
            0 => "That is not the code. Please start again to get a new one.".to_owned(),
            1 => "That is not the code. Please look at the newest mail; you have one try left.".to_owned(),
            _ => format!("That is not the code. Please look at the newest mail; you have {left} tries left."),
        },
        too_many: |minutes| {
            format!(
                "There were too many tries. Please try again in {}, or use the link in the mail.",
                in_minutes(minutes)
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
        code: "Code:",
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
        valid: |minutes| format!("The link and the code work once, within {}.", in_minutes(minutes)),
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
    error,
    reason,
    too_many_next: "Other ways to log in that this site offers are open meanwhile.",
    team: team::ENGLISH,
    dashboard: dashboard::ENGLISH,
    notifications: notifications::ENGLISH,
    preview: preview::ENGLISH,
};

fn in_minutes(minutes: u32) -> String {
    match minutes {
        0 | 1 => "one minute".to_owned(),
        _ => format!("{minutes} minutes"),
    }
}

fn error(status: StatusCode) -> ErrorTexts<'static> {
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

fn reason(name: &str) -> &'static str {
    match name {
        "no-grant" => "Your address is no longer on the list of people who may use this service.",
        "other-customer" => "This address is reserved for the people of another organisation.",
        "hidden-field" => "Your role does not include sorting or searching by this field.",
        "cannot-filter" => "This page cannot be shown to your role.",
        "cannot-preview" => "This page is in a form that cannot be shown in a preview.",
        _ => "Your role does not include this page.",
    }
}
