//! Reloads of the config, as those see them who ask for one or want to know how the last one went.

use std::sync::{Mutex, PoisonError};

use jiff::Timestamp;
use tokio::sync::{mpsc, oneshot};

/// How a reload ended.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Outcome {
    /// The config is in force; here is what changed, a line each. None when nothing did.
    Done(Vec<String>),
    /// Nothing changed; here is everything that is wrong, as `check` tells it.
    Refused(Vec<String>),
}

/// Who asks for a reload.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Cause {
    /// SIGHUP.
    Signal,
    /// The admin listener.
    Api,
    /// A file changed.
    Watch,
}

impl Cause {
    /// The name in logs.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Signal => "signal",
            Self::Api => "api",
            Self::Watch => "file",
        }
    }
}

/// Somebody who asks for a reload, and waits for how it ends.
pub type Asker = oneshot::Sender<Outcome>;

/// The config in force, and what became of the reloads so far.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Standing {
    /// The digest of the config's text, in hexadecimal.
    pub digest: String,
    /// Since when it is in force.
    pub since: Timestamp,
    /// When a reload last ended well, be it that nothing had changed. The start counts as one.
    pub confirmed: Timestamp,
    /// Since when reloads fail, and what is wrong.
    pub failed: Option<(Timestamp, Vec<String>)>,
    /// How many ended well, and how many were refused.
    pub done: u64,
    /// How many were refused.
    pub refused: u64,
}

/// Where reloads are asked for and told.
#[derive(Debug)]
pub struct Reloads {
    asked: mpsc::Sender<Asker>,
    standing: Mutex<Standing>,
}

impl Reloads {
    /// Nothing was reloaded yet. The other end hears who asks.
    #[must_use]
    pub fn new(digest: String, now: Timestamp) -> (Self, mpsc::Receiver<Asker>) {
        // A few may wait; who comes when all of these do is told to come later.
        const MOST_WAITING: usize = 16;
        let (asked, heard) = mpsc::channel(MOST_WAITING);
        let standing = Standing { digest, since: now, confirmed: now, failed: None, done: 0, refused: 0 };
        (Self { asked, standing: Mutex::new(standing) }, heard)
    }

    /// Asks for a reload, and waits for how it ends. `None` when nobody can reload now: too many ask, or the gateway is stopping.
    pub async fn ask(&self) -> Option<Outcome> {
        let (asker, answer) = oneshot::channel();
        self.asked.try_send(asker).ok()?;
        answer.await.ok()
    }

    /// How it stands.
    #[must_use]
    pub fn standing(&self) -> Standing {
        self.standing.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Notes how a reload ended, and the digest of the text that is in force.
    pub fn note(&self, outcome: &Outcome, digest: &str, now: Timestamp) {
        let mut standing = self.standing.lock().unwrap_or_else(PoisonError::into_inner);
        match outcome {
            Outcome::Done(_) => {
                standing.done += 1;
                standing.failed = None;
                standing.confirmed = now;
                if standing.digest != digest {
                    digest.clone_into(&mut standing.digest);
                    standing.since = now;
                }
            }
            Outcome::Refused(problems) => {
                standing.refused += 1;
                let since = standing.failed.take().map_or(now, |(since, _)| since);
                standing.failed = Some((since, problems.clone()));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).expect("a time")
    }

    #[test]
    fn what_failed_is_told_since_it_first_did_until_one_succeeds() {
        let (reloads, _heard) = Reloads::new("a".to_owned(), at(1));
        let refused = |what: &str| Outcome::Refused(vec![what.to_owned()]);
        reloads.note(&refused("one"), "a", at(2));
        reloads.note(&refused("two"), "a", at(3));
        let standing = reloads.standing();
        assert_eq!(standing.failed, Some((at(2), vec!["two".to_owned()])));
        assert_eq!((standing.refused, standing.since, standing.confirmed), (2, at(1), at(1)));
        reloads.note(&Outcome::Done(Vec::new()), "a", at(4));
        let standing = reloads.standing();
        assert_eq!((standing.failed, standing.since, standing.confirmed), (None, at(1), at(4)));
        reloads.note(&Outcome::Done(Vec::new()), "b", at(5));
        assert_eq!((reloads.standing().digest.as_str(), reloads.standing().since), ("b", at(5)));
    }

    #[tokio::test]
    async fn whoever_asks_gets_an_answer_or_is_told_that_there_is_none() {
        let (reloads, mut heard) = Reloads::new(String::new(), at(1));
        let answered = async {
            let asker = heard.recv().await.expect("somebody");
            asker.send(Outcome::Done(Vec::new())).expect("they wait");
        };
        let (outcome, ()) = tokio::join!(reloads.ask(), answered);
        assert_eq!(outcome, Some(Outcome::Done(Vec::new())));
        drop(heard);
        assert_eq!(reloads.ask().await, None, "nobody hears");
    }
}
