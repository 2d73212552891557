//! Requests under way, by session: what has to end when a session does.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use tokio_util::sync::CancellationToken;

use crate::policy::Grant;
use crate::session::SessionId;

const SHARDS: usize = 64;

/// All requests under way on behalf of a session.
#[derive(Debug)]
pub struct OpenRequests {
    shards: Arc<[Mutex<Shard>]>,
}

/// The requests of a session, by the grant they were let in with: most often there is one.
type Shard = HashMap<SessionId, Vec<Open>>;

#[derive(Debug)]
struct Open {
    grant: Option<Arc<Grant>>,
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
    /// Notes a request of a session, and the grant it was let in with.
    #[must_use]
    pub fn enter(&self, id: SessionId, grant: Option<&Arc<Grant>>) -> OpenRequest {
        let ended = with(&self.shards, id, |shard| {
            let all = shard.entry(id).or_default();
            if let Some(open) = all.iter_mut().find(|open| is_as_good(open.grant.as_ref(), grant)) {
                open.requests += 1;
                return open.ended.clone();
            }
            let ended = CancellationToken::new();
            all.push(Open { grant: grant.cloned(), ended: ended.clone(), requests: 1 });
            ended
        });
        OpenRequest { id, ended, shards: Arc::clone(&self.shards) }
    }

    /// Ends all requests of a session.
    pub fn end(&self, id: SessionId) {
        for open in with(&self.shards, id, |shard| shard.remove(&id)).unwrap_or_default() {
            open.ended.cancel();
        }
    }

    /// Ends those requests of a session that were let in with another grant than it has now, whenever that was: one that was
    /// decided on just before a change may enter just after it.
    pub fn keep(&self, id: SessionId, grant: Option<&Arc<Grant>>) {
        let others = with(&self.shards, id, |shard| {
            let Some(all) = shard.get_mut(&id) else { return Vec::new() };
            let others: Vec<Open> = all.extract_if(.., |open| !is_as_good(open.grant.as_ref(), grant)).collect();
            if all.is_empty() {
                shard.remove(&id);
            }
            others
        });
        for open in others {
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
            let Some(all) = shard.get_mut(&self.id) else { return };
            // One that was taken out to end does not count any more; another entry of its session began later.
            if let Some(open) = all.iter_mut().find(|open| open.ended == self.ended) {
                open.requests = open.requests.saturating_sub(1);
            }
            all.retain(|open| open.requests > 0);
            if all.is_empty() {
                shard.remove(&self.id);
            }
        });
    }
}

/// Whether a request that was let in with one grant may go on under another: the same role, customer and days.
fn is_as_good(one: Option<&Arc<Grant>>, other: Option<&Arc<Grant>>) -> bool {
    match (one, other) {
        (Some(one), Some(other)) => {
            Arc::ptr_eq(one, other)
                || (one.role == other.role
                    && one.customer_id() == other.customer_id()
                    && one.days_back == other.days_back)
        }
        (None, None) => true,
        _ => false,
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
        let (first, second, third) = (open.enter(one, None), open.enter(one, None), open.enter(other, None));
        open.end(one);
        assert!(first.ended().is_cancelled() && second.ended().is_cancelled());
        assert!(!third.ended().is_cancelled());
        let again = open.enter(one, None);
        drop((first, second));
        assert!(open.sessions().contains(&one), "requests that ended earlier do not count");
        drop((again, third));
        assert!(open.sessions().is_empty());
    }

    #[test]
    fn attack_21_what_was_let_in_with_another_grant_ends_however_late_it_entered() {
        let open = OpenRequests::default();
        let id = Token::new([1; 32]).hash();
        let grant = |role: &str, name: &str| {
            Arc::new(Grant {
                app: crate::types::AppName::parse("orders").expect("valid"),
                email: crate::types::Email::parse("ann@example.com").expect("valid"),
                name: crate::types::DisplayName::new(name),
                customer: None,
                role: crate::types::RoleName::parse(role).expect("valid"),
                days_back: None,
                language: None,
                notes: None,
                attributes: std::collections::BTreeMap::new(),
                origin: crate::policy::Origin::Workspace,
                row: Arc::default(),
            })
        };
        let (old, new) = (grant("manager", "Ann"), grant("reader", "Ann"));
        let first = open.enter(id, Some(&new));
        // Decided on before the change, entered after it, and nobody was there to compare.
        let late = open.enter(id, Some(&old));
        open.keep(id, Some(&grant("reader", "Ann Lee")));
        assert!(late.ended().is_cancelled() && !first.ended().is_cancelled());
        drop(late);
        assert_eq!(open.sessions(), [id]);
        open.keep(id, None);
        assert!(first.ended().is_cancelled() && open.sessions().is_empty());
    }
}
