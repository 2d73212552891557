//! A few connections to one database, made when they are needed and kept for the next question.
//!
//! sqlx's own pool tries again and again to reach a server that refuses, until the time for it is over, and takes back
//! connections whose question was given up, to ask them whether they are well. A source must say at once why it cannot be
//! reached, and a connection that did not answer in time is not worth keeping: so this one connects once, and takes back only
//! what is returned to it after a whole answer.

use std::ops::{Deref, DerefMut};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use futures_util::future::BoxFuture;
use sqlx::{ConnectOptions, Connection};
use tokio::sync::{Semaphore, SemaphorePermit};

/// Connections to one database.
const MOST_CONNECTIONS: usize = 4;
/// A connection that rested for so long is asked whether it is still there before it is asked something else.
const TRUSTED_FOR: Duration = Duration::from_millis(500);
/// A connection that nobody needed for so long is closed.
const MOST_REST: Duration = Duration::from_secs(300);

/// Makes a connection.
type Connect<C> = Box<dyn Fn() -> BoxFuture<'static, Result<C, sqlx::Error>> + Send + Sync>;

/// The connections to one database.
pub(super) struct Pool<C> {
    connect: Connect<C>,
    seats: Semaphore,
    /// Connections that rest, the last used at the end.
    resting: Mutex<Vec<(Instant, C)>>,
}

/// A connection that is lent. Unless it is given back it is closed, also when its question is given up half-way.
pub(super) struct Lent<'a, C: Connection> {
    pool: &'a Pool<C>,
    connection: C,
    _seat: SemaphorePermit<'a>,
}

impl<C: Connection> Pool<C> {
    /// Connections with these options.
    pub(super) fn new(options: C::Options) -> Self {
        Self::by(move || {
            let options = options.clone();
            async move { options.connect().await }
        })
    }

    /// Connections that are made so.
    pub(super) fn by<F: Future<Output = Result<C, sqlx::Error>> + Send + 'static>(
        connect: impl Fn() -> F + Send + Sync + 'static,
    ) -> Self {
        let connect: Connect<C> = Box::new(move || Box::pin(connect()));
        Self { connect, seats: Semaphore::new(MOST_CONNECTIONS), resting: Mutex::default() }
    }

    /// A connection for one question. How long that may take is for the asker to say.
    pub(super) async fn lend(&self) -> Result<Lent<'_, C>, sqlx::Error> {
        let seat = self.seats.acquire().await.map_err(|_| sqlx::Error::PoolClosed)?;
        let connection = match self.rested().await {
            Some(connection) => connection,
            None => (self.connect)().await?,
        };
        Ok(Lent { pool: self, connection, _seat: seat })
    }

    async fn rested(&self) -> Option<C> {
        let (since, mut connection) = {
            let mut resting = self.resting.lock().unwrap_or_else(PoisonError::into_inner);
            resting.retain(|(since, _)| since.elapsed() < MOST_REST);
            resting.pop()?
        };
        if since.elapsed() > TRUSTED_FOR && connection.ping().await.is_err() {
            // A server that ended one has ended all.
            self.resting.lock().unwrap_or_else(PoisonError::into_inner).clear();
            return None;
        }
        Some(connection)
    }
}

impl<C: Connection> Lent<'_, C> {
    /// Takes it back into the pool: to be called when its answer was read to the end.
    pub(super) fn give_back(self) {
        let mut resting = self.pool.resting.lock().unwrap_or_else(PoisonError::into_inner);
        resting.push((Instant::now(), self.connection));
    }
}

impl<C: Connection> Deref for Lent<'_, C> {
    type Target = C;

    fn deref(&self) -> &C {
        &self.connection
    }
}

impl<C: Connection> DerefMut for Lent<'_, C> {
    fn deref_mut(&mut self) -> &mut C {
        &mut self.connection
    }
}
