//! The app's cookies in a preview: a jar of its own.
//!
//! Many apps look at who comes by our headers once, and then remember them by a cookie. Were that cookie the same in a preview as before
//! and after, the app would show a member of staff their own things under the customer's name; and go on taking them for the customer when
//! the preview is over, read-only no longer. So what an app sets in a preview gets another name in the browser, which leads upstream in that
//! preview alone, under its own; and what the browser has of the app otherwise stays here meanwhile.

use http::header;
use pingora::http::ResponseHeader;

use crate::state::sessions::Live;

/// What the name of every such cookie begins with.
pub(super) const FAMILY: &str = "access-preview-";

/// What the names of a preview's cookies begin with; `None` for a session that is none. It goes with the session's id, and so with each start
/// and switch.
pub(super) fn of(live: &Live) -> Option<String> {
    live.is_preview.then(|| format!("{FAMILY}{}-", live.id.public()))
}

/// Puts the cookies of an answer into the preview's jar.
pub(super) fn keep(response: &mut ResponseHeader, live: &Live) -> pingora::Result<()> {
    let Some(jar) = of(live) else { return Ok(()) };
    let values: Vec<_> = response.headers.get_all(header::SET_COOKIE).iter().cloned().collect();
    if values.is_empty() {
        return Ok(());
    }
    response.remove_header(&header::SET_COOKIE);
    for value in values {
        let value = [jar.as_bytes(), value.as_bytes().trim_ascii_start()].concat();
        response.append_header(header::SET_COOKIE, value)?;
    }
    Ok(())
}
