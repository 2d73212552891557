//! Session and log-in records, their tokens, cookies and expiry.
//!
//! Values and functions: the time and the keys are arguments, and nothing here touches a store. What a token opens is kept
//! under the token's hash, so that a copy of the store lets nobody in.

mod attempt;
mod cookie;
mod passkey;
mod proof;
mod record;
mod seal;
mod token;

pub use attempt::{Asker, Attempt, AttemptId, AttemptState, Code, MOST_WRONG_CODES};
pub use cookie::{
    CookieName, LANGUAGE_COOKIE, NO_PASSKEY_COOKIE, SealedCookie, chosen_language, clearing, cookie, cookie_parts,
    is_ours, setting, setting_language,
};
pub use passkey::{MOST_PASSKEYS, PasskeyRecord};
pub use proof::{Link, Proof, amr};
pub use record::{Preview, SessionLimits, SessionRecord};
pub use seal::{DoesNotOpen, Seal};
pub use token::{SessionId, Token, TokenHash};
