//! Requests under way, by session: what has to end when a session does.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use tokio_util::sync::CancellationToken;

use crate::session::SessionId;

const SHARDS: usize = 64;

/// All requests under way on behalf of a session.
#[derive(Debug)]
pub struct OpenRequests {
    shards: Arc<[Mutex<Shard>]>,
}

type Shard = HashMap<SessionId, Open>;

#[derive(Debug)]
struct Open {
    ended: CancellationToken,
    requests: usize,
}

/// One request under way; dropped at its end.
#[derive(Debug)]
pub struct OpenRequest {
    id: SessionId,
    ended: CancellationToken,
    shards: Arc<[Mutex<Shard>]>,
}

impl Default for OpenRequests {
    fn default() -> Self {
        Self { shards: (0..SHARDS).map(|_| Mutex::default()).collect() }
    }
}

impl OpenRequests {
    /// Notes a request of a session.
    #[must_use]
    pub fn enter(&self, id: SessionId) -> OpenRequest {
        let ended = with(&self.shards, id, |shard| {
            let open = shard.entry(id).or_insert_with(|| Open { ended: CancellationToken::new(), requests: 0 });
            open.requests += 1;
            open.ended.clone()
        });
        OpenRequest { id, ended, shards: Arc::clone(&self.shards) }
    }

    /// Ends all requests of a session.
    pub fn end(&self, id: SessionId) {
        if let Some(open) = with(&self.shards, id, |shard| shard.remove(&id)) {
            open.ended.cancel();
        }
    }

    /// The sessions with a request under way.
    #[must_use]
    pub fn sessions(&self) -> Vec<SessionId> {
        let lock = |shard: &Mutex<Shard>| -> Vec<SessionId> {
            shard.lock().unwrap_or_else(PoisonError::into_inner).keys().copied().collect()
        };
        self.shards.iter().flat_map(lock).collect()
    }
}

impl OpenRequest {
    /// Becomes cancelled when the session ends.
    #[must_use]
    pub fn ended(&self) -> &CancellationToken {
        &self.ended
    }
}

impl Drop for OpenRequest {
    fn drop(&mut self) {
        with(&self.shards, self.id, |shard| {
            // One that `end` has taken out does not count any more; an entry that is there now began later.
            if self.ended.is_cancelled() {
                return;
            }
            if let Some(open) = shard.get_mut(&self.id) {
                open.requests -= 1;
                if open.requests == 0 {
                    shard.remove(&self.id);
                }
            }
        });
    }
}

/// Works on the shard of a session. Nothing waits while it holds the lock.
fn with<T>(shards: &[Mutex<Shard>], id: SessionId, work: impl FnOnce(&mut Shard) -> T) -> T {
    let [first, ..] = id.as_bytes();
    let shard = shards.get(usize::from(*first) % SHARDS).expect("there are SHARDS shards");
    work(&mut shard.lock().unwrap_or_else(PoisonError::into_inner))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::session::Token;

    #[test]
    fn ending_a_session_ends_its_requests_alone() {
        let open = OpenRequests::default();
        let (one, other) = (Token::new([1; 32]).hash(), Token::new([2; 32]).hash());
        let (first, second, third) = (open.enter(one), open.enter(one), open.enter(other));
        open.end(one);
        assert!(first.ended().is_cancelled() && second.ended().is_cancelled());
        assert!(!third.ended().is_cancelled());
        let again = open.enter(one);
        drop((first, second));
        assert!(open.sessions().contains(&one), "requests that ended earlier do not count");
        drop((again, third));
        assert!(open.sessions().is_empty());
    }
}
