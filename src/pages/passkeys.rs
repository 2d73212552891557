//! What pages show of passkeys: the button that uses one, the offer to add one, and the account page's list.
//!
//! All of it is of use only with `passkey.js`, so buttons are hidden until that shows them; lists and forms work without.

use askama::Template;
use askama::filters::HtmlSafe;
use bytes::Bytes;
use http::StatusCode;

use super::texts::{Texts, fill};
use super::views::{Frame, render};
use super::{Look, Reply};

/// How long a browser may keep the script: short, so that it fits the pages soon after an upgrade.
const MAX_AGE_SECONDS: u32 = 300;

/// The facts of the page that offers to add a passkey.
#[derive(Clone, Copy, Debug)]
pub struct PasskeyOfferView<'a> {
    /// Where the person was going.
    pub to: &'a str,
    /// Whether the person's role asks for one, so that there is no going on without.
    pub is_required: bool,
}

/// The account page's part on passkeys.
#[derive(Clone, Debug)]
pub struct PasskeysView {
    /// What the person has.
    pub passkeys: Vec<PasskeyView>,
    /// Whether another can be added.
    pub can_add: bool,
    /// Whether the person may change them now, or has to come by a stronger way first.
    pub can_change: bool,
    /// Whether the person's role asks for one.
    pub is_required: bool,
}

/// One of a person's passkeys.
#[derive(Clone, Debug)]
pub struct PasskeyView {
    /// The id, as posted.
    pub id: String,
    /// What the person calls it; may be empty.
    pub name: String,
    /// When it was added, ready to read.
    pub added: String,
    /// When it was last used, ready to read.
    pub last_used: Option<String>,
}

/// The script of the pages where a passkey can be used.
#[must_use]
pub fn passkey_script() -> Reply {
    const SCRIPT: &[u8] = include_bytes!("passkey.js");
    Reply::asset("text/javascript; charset=utf-8", Bytes::from_static(SCRIPT), MAX_AGE_SECONDS)
}

/// Offers to add a passkey, and a way on.
#[must_use]
pub fn passkey_offer(look: Look<'_>, view: &PasskeyOfferView<'_>) -> Reply {
    let t = look.texts();
    let heading = if view.is_required { t.passkey.required_heading } else { t.passkey.offer_heading };
    let button =
        PasskeyButton { onward: (!view.is_required).then_some(view.to), ..PasskeyButton::add(t, view.to, false) };
    let page = OfferPage { t, frame: Frame::new(look, heading), view, button };
    render(StatusCode::OK, &page).with_own_scripts()
}

#[derive(Template)]
#[template(path = "passkey_offer.html")]
struct OfferPage<'a> {
    t: &'static Texts,
    frame: Frame<'a>,
    view: &'a PasskeyOfferView<'a>,
    button: PasskeyButton<'a>,
}

/// The one button of a page that `passkey.js` takes up, with the sentences it may have to say.
#[derive(Template)]
#[template(path = "passkey_button.html")]
pub(super) struct PasskeyButton<'a> {
    t: &'static Texts,
    does: &'static str,
    label: &'static str,
    /// Where to go on to.
    to: &'a str,
    /// Where a browser that knows no passkeys goes at once.
    onward: Option<&'a str>,
    is_quiet: bool,
}

/// True because its own template escapes every part.
impl HtmlSafe for PasskeyButton<'_> {}

impl<'a> PasskeyButton<'a> {
    /// Logs in.
    #[must_use]
    pub(super) fn log_in(t: &'static Texts, to: &'a str, is_quiet: bool) -> Self {
        Self { t, does: "log-in", label: t.passkey.log_in, to, onward: None, is_quiet }
    }

    /// Adds one.
    fn add(t: &'static Texts, to: &'a str, is_quiet: bool) -> Self {
        Self { t, does: "add", label: t.passkey.add, to, onward: None, is_quiet }
    }
}

/// The account page's section.
#[derive(Template)]
#[template(path = "passkeys.html")]
pub(super) struct PasskeySection<'a> {
    t: &'static Texts,
    view: &'a PasskeysView,
    rows: Vec<PasskeyRow<'a>>,
    /// What adds another one, where that can be.
    pub(super) button: Option<PasskeyButton<'static>>,
}

/// True because its own template escapes every part.
impl HtmlSafe for PasskeySection<'_> {}

struct PasskeyRow<'a> {
    view: &'a PasskeyView,
    name: &'a str,
    times: String,
    which: String,
    delete_hint: &'static str,
}

impl<'a> PasskeySection<'a> {
    pub(super) fn new(t: &'static Texts, view: &'a PasskeysView) -> Self {
        let is_last = view.passkeys.len() == 1;
        let rows = view.passkeys.iter().map(|passkey| {
            let name = if passkey.name.is_empty() { t.passkey.unnamed } else { passkey.name.as_str() };
            let last_used = passkey.last_used.as_deref();
            let values =
                [("name", name), ("added", passkey.added.as_str()), ("last_used", last_used.unwrap_or_default())];
            let times = if last_used.is_some() { t.passkey.times } else { t.passkey.never_used };
            PasskeyRow {
                view: passkey,
                name,
                times: fill(times, &values),
                which: fill(t.passkey.which, &values),
                delete_hint: if is_last && view.is_required { t.passkey.delete_last } else { t.passkey.delete_hint },
            }
        });
        let button = view.can_add.then(|| PasskeyButton::add(t, "/.access/account", true));
        Self { t, view, rows: rows.collect(), button }
    }
}
