//! When a connection has to end.
//!
//! A head that drips in, a connection on which nothing moves, a client that reads nothing, a session that ended: each has
//! a moment after which waiting stops. The stream asks only when it would have to wait anyway, so that a connection with
//! bytes to move pays nothing; and the one timer of a connection is set again only when it must fire sooner.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::time::{Instant, Sleep, sleep_until};
use tokio_util::sync::{CancellationToken, WaitForCancellationFutureOwned};

use super::connection::{Closing, Connection, Protocol};

/// From the end of a session to the end of its connections: time for the answer of a log-out to leave.
pub(super) const LAST_WORDS: Duration = Duration::from_millis(300);

/// How long a connection that has not sent its first request may still send one while we stop.
pub(super) const FIRST_WORDS: Duration = Duration::from_secs(2);

/// How long a connection may still send its next request when somebody else takes the new ones. Its answer says that it is the
/// last. To close at once would lose the requests that are on their way to us just then.
pub(super) const NEXT_WORDS: Duration = Duration::from_secs(5);

/// How many ties without a guard are kept for the next request: most likely it belongs to the same session again.
const SPARE_TIES: usize = 2;

/// Why a connection ends.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum End {
    /// Nothing moved for too long.
    Idle,
    /// The head of a request took too long.
    SlowHead,
    /// Its session ended.
    Session,
    /// It sent more frames that do nothing than may be.
    Flood,
    /// We are stopping, and no request is under way, or the time for it is over.
    Stopping,
}

/// What a connection waits for, and until when.
#[derive(Debug)]
pub(super) struct Deadlines {
    connection: Arc<Connection>,
    header_read: Duration,
    idle: Duration,
    /// The request whose head is awaited, and whether its first byte is here.
    request: u32,
    head_begun: bool,
    head_until: Option<Instant>,
    write_until: Option<Instant>,
    ties: Vec<Tie>,
    ties_seen: Option<u64>,
    sleep: Option<Pin<Box<Sleep>>>,
}

/// One session's end, awaited.
struct Tie {
    token: CancellationToken,
    ended: Pin<Box<WaitForCancellationFutureOwned>>,
    has_ended: bool,
    /// Whether a guard still ties the connection to it.
    holds: bool,
    cut_at: Option<Instant>,
}

impl Deadlines {
    pub(super) fn new(connection: Arc<Connection>, header_read: Duration, idle: Duration) -> Self {
        let request = connection.turns.latest();
        Self {
            connection,
            header_read,
            idle,
            request,
            head_begun: false,
            head_until: None,
            write_until: None,
            ties: Vec::new(),
            ties_seen: None,
            sleep: None,
        }
    }

    /// Bytes of the client came.
    pub(super) fn read_some(&mut self) {
        if self.awaits_head() && !self.head_begun {
            self.head_begun = true;
            if self.connection.protocol == Protocol::Http1 {
                // From the first byte on the head has its own time, and no later byte gives it more.
                self.head_until = None;
            }
        }
    }

    /// Bytes to the client went out, or found room.
    pub(super) fn wrote_some(&mut self) {
        self.write_until = None;
    }

    /// Call when a read has to wait: registers for all that may end the connection, and says when it has to end now.
    pub(super) fn poll_read(&mut self, context: &mut Context<'_>) -> Poll<End> {
        // Registered before looking, so that whoever changes something after the look wakes this task.
        self.connection.turns.reader.register(context.waker());
        if self.connection.turns.closing() == Closing::Now {
            return Poll::Ready(End::Stopping);
        }
        let head = self.head_deadline();
        self.poll_until(context, head)
    }

    /// Call when a write has to wait.
    pub(super) fn poll_write(&mut self, context: &mut Context<'_>) -> Poll<End> {
        // The task that writes is the one that reads.
        self.connection.turns.reader.register(context.waker());
        if self.connection.turns.closing() == Closing::Now {
            return Poll::Ready(End::Stopping);
        }
        let idle = self.idle;
        let until = *self.write_until.get_or_insert_with(|| Instant::now() + idle);
        self.poll_until(context, Some((until, End::Idle)))
    }

    /// Whether the request in turn has sent only a part of its head, or nothing.
    pub(super) fn awaits_head(&mut self) -> bool {
        let turns = &self.connection.turns;
        if !turns.awaits_head() {
            return false;
        }
        let latest = turns.latest();
        if self.request != latest {
            self.request = latest;
            self.head_begun = false;
            self.head_until = None;
        }
        true
    }

    fn head_deadline(&mut self) -> Option<(Instant, End)> {
        if !self.awaits_head() {
            return None;
        }
        if self.connection.protocol == Protocol::Http1 && !self.head_begun {
            let until = self.head_until.get_or_insert_with(|| Instant::now() + self.idle);
            let turns = &self.connection.turns;
            let patience = match turns.closing() {
                Closing::Not => return Some((*until, End::Idle)),
                Closing::Patiently => NEXT_WORDS,
                // A client that has had its answers sends the next request elsewhere; a new one may just be about to send.
                _ if turns.served_any() => Duration::ZERO,
                _ => FIRST_WORDS,
            };
            *until = (*until).min(Instant::now() + patience);
            return Some((*until, End::Stopping));
        }
        // HTTP/2: from the handshake to the first request. Later ones share the connection with others, and Pingora closes
        // it when none is under way.
        Some((*self.head_until.get_or_insert_with(|| Instant::now() + self.header_read), End::SlowHead))
    }

    fn poll_until(&mut self, context: &mut Context<'_>, deadline: Option<(Instant, End)>) -> Poll<End> {
        let cut = self.poll_ties(context).map(|at| (at, End::Session));
        let Some((at, end)) = [deadline, cut].into_iter().flatten().min_by_key(|(at, _)| *at) else {
            return Poll::Pending;
        };
        match self.poll_sleep(context, at) {
            Poll::Ready(()) => Poll::Ready(end),
            Poll::Pending => Poll::Pending,
        }
    }

    /// Looks whether a session has ended that the connection is tied to. Gives the moment to cut the connection.
    fn poll_ties(&mut self, context: &mut Context<'_>) -> Option<Instant> {
        let changes = self.connection.ties.changes();
        if self.ties_seen != Some(changes) {
            self.ties_seen = Some(changes);
            self.read_ties();
        }
        let mut first = None;
        for tie in self.ties.iter_mut().filter(|tie| tie.holds) {
            tie.has_ended = tie.has_ended || tie.ended.as_mut().poll(context).is_ready();
            if tie.has_ended {
                let at = *tie.cut_at.get_or_insert_with(|| Instant::now() + LAST_WORDS);
                first = Some(first.map_or(at, |first: Instant| first.min(at)));
            }
        }
        first
    }

    fn read_ties(&mut self) {
        let tokens = self.connection.ties.tokens();
        for tie in &mut self.ties {
            tie.holds = tokens.iter().any(|(_, token)| *token == tie.token);
            if !tie.holds {
                tie.cut_at = None;
            }
        }
        for (_, token) in tokens.iter() {
            if !self.ties.iter().any(|tie| tie.token == *token) {
                self.ties.push(Tie {
                    token: token.clone(),
                    ended: Box::pin(token.clone().cancelled_owned()),
                    has_ended: false,
                    holds: true,
                    cut_at: None,
                });
            }
        }
        let mut spare = 0;
        self.ties.retain(|tie| {
            spare += usize::from(!tie.holds);
            tie.holds || (!tie.has_ended && spare <= SPARE_TIES)
        });
    }

    /// Ready once the moment has passed. The clock decides, for the timer may be an old one that fires too soon.
    fn poll_sleep(&mut self, context: &mut Context<'_>, at: Instant) -> Poll<()> {
        if Instant::now() >= at {
            return Poll::Ready(());
        }
        let sleep = self.sleep.get_or_insert_with(|| Box::pin(sleep_until(at)));
        if sleep.is_elapsed() || sleep.deadline() > at {
            sleep.as_mut().reset(at);
        }
        while sleep.as_mut().poll(context).is_ready() {
            if sleep.deadline() >= at {
                return Poll::Ready(());
            }
            sleep.as_mut().reset(at);
        }
        Poll::Pending
    }
}

impl std::fmt::Debug for Tie {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Tie").field("has_ended", &self.has_ended).field("holds", &self.holds).finish()
    }
}

#[cfg(test)]
#[path = "deadlines_tests.rs"]
mod tests;
