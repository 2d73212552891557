//! How many requests of an app may be under way at a time, and who waits for a turn.
//!
//! The first who came is the first who goes. A place is given back when its guard is dropped, however the request ends; whoever
//! stops waiting leaves the queue in the same way.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::config::RequestLimit;

/// The places of an app. It outlives reloads, so that those under way count on.
#[derive(Debug)]
pub(super) struct Gate {
    places: Arc<Semaphore>,
    most: AtomicUsize,
    /// Places that are to go as soon as they are given back: there are fewer than there were.
    owed: AtomicUsize,
    waiting: AtomicUsize,
}

/// A request's place.
#[derive(Debug)]
pub(in crate::proxy) struct Place {
    gate: Arc<Gate>,
    permit: Option<OwnedSemaphorePermit>,
}

/// There is no place.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(in crate::proxy) enum NoPlace {
    /// Too many wait already.
    QueueFull,
    /// None came free in time.
    TimedOut,
}

impl NoPlace {
    /// The name in logs.
    pub(in crate::proxy) const fn name(self) -> &'static str {
        match self {
            Self::QueueFull => "queue-full",
            Self::TimedOut => "queue-timeout",
        }
    }
}

impl Gate {
    /// So many places.
    pub(super) fn new(most: usize) -> Self {
        let most = most.min(Semaphore::MAX_PERMITS);
        Self {
            places: Arc::new(Semaphore::new(most)),
            most: AtomicUsize::new(most),
            owed: AtomicUsize::new(0),
            waiting: AtomicUsize::new(0),
        }
    }

    /// There are so many places from now on. Whoever has one keeps it. For one caller at a time.
    pub(super) fn set_most(&self, most: usize) {
        let most = most.min(Semaphore::MAX_PERMITS);
        let before = self.most.swap(most, Ordering::AcqRel);
        if let Some(fewer) = before.checked_sub(most) {
            let gone = self.places.forget_permits(fewer);
            self.owed.fetch_add(fewer - gone, Ordering::AcqRel);
        } else {
            let mut more = most - before;
            while more > 0 && self.pay() {
                more -= 1;
            }
            self.places.add_permits(more);
        }
    }

    /// A place, at once or after waiting within the limit.
    pub(super) async fn enter(self: &Arc<Self>, limit: RequestLimit) -> Result<Place, NoPlace> {
        // Who waits is served before who comes: the semaphore hands a freed place over without letting it lie.
        if let Ok(permit) = Arc::clone(&self.places).try_acquire_owned() {
            return Ok(self.place(permit));
        }
        let one_more = |waiting: usize| (waiting < limit.queue).then_some(waiting + 1);
        self.waiting.fetch_update(Ordering::AcqRel, Ordering::Acquire, one_more).map_err(|_| NoPlace::QueueFull)?;
        let _waits = Waits(&self.waiting);
        match tokio::time::timeout(limit.queue_timeout, Arc::clone(&self.places).acquire_owned()).await {
            Ok(Ok(permit)) => Ok(self.place(permit)),
            // It is never closed.
            Ok(Err(_)) | Err(_) => Err(NoPlace::TimedOut),
        }
    }

    /// How many wait.
    pub(super) fn waiting(&self) -> usize {
        self.waiting.load(Ordering::Relaxed)
    }

    fn place(self: &Arc<Self>, permit: OwnedSemaphorePermit) -> Place {
        Place { gate: Arc::clone(self), permit: Some(permit) }
    }

    /// Takes one off what is owed.
    fn pay(&self) -> bool {
        self.owed.fetch_update(Ordering::AcqRel, Ordering::Acquire, |owed| owed.checked_sub(1)).is_ok()
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        if let Some(permit) = self.permit.take()
            && self.gate.pay()
        {
            permit.forget();
        }
    }
}

/// Counts one who waits for as long as it lives.
struct Waits<'a>(&'a AtomicUsize);

impl Drop for Waits<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::AcqRel);
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn limit(queue: usize) -> RequestLimit {
        RequestLimit { requests: 1, queue, queue_timeout: Duration::from_secs(5) }
    }

    #[tokio::test(start_paused = true)]
    async fn the_first_who_came_is_the_first_who_goes() {
        let gate = Arc::new(Gate::new(1));
        let first = gate.enter(limit(9)).await.expect("it is free");
        let order = Arc::new(std::sync::Mutex::new(Vec::new()));
        let mut tasks = Vec::new();
        for number in 0..5 {
            let (gate, order) = (Arc::clone(&gate), Arc::clone(&order));
            tasks.push(tokio::spawn({
                let gate = Arc::clone(&gate);
                async move {
                    let _place = gate.enter(limit(9)).await.expect("in time");
                    order.lock().expect("unpoisoned").push(number);
                }
            }));
            while gate.waiting() <= number {
                tokio::task::yield_now().await;
            }
        }
        drop(first);
        for task in tasks {
            task.await.expect("it ends");
        }
        assert_eq!(*order.lock().expect("unpoisoned"), [0, 1, 2, 3, 4]);
        assert_eq!(gate.waiting(), 0);
    }

    #[tokio::test(start_paused = true)]
    async fn who_cannot_wait_or_waits_in_vain_is_told() {
        let gate = Arc::new(Gate::new(1));
        let place = gate.enter(limit(1)).await.expect("it is free");
        assert_eq!(gate.enter(limit(0)).await.err(), Some(NoPlace::QueueFull));
        assert_eq!(gate.enter(limit(1)).await.err(), Some(NoPlace::TimedOut));
        assert_eq!(gate.waiting(), 0);
        drop(place);
        assert!(gate.enter(limit(0)).await.is_ok());
    }

    #[tokio::test(start_paused = true)]
    async fn who_stops_waiting_leaves_the_queue() {
        let gate = Arc::new(Gate::new(1));
        let place = gate.enter(limit(1)).await.expect("it is free");
        let gone = tokio::time::timeout(Duration::from_millis(10), gate.enter(limit(1))).await;
        assert!(gone.is_err());
        assert_eq!(gate.waiting(), 0);
        drop(place);
        assert!(gate.enter(limit(0)).await.is_ok(), "nobody took the place with them");
    }

    #[tokio::test(start_paused = true)]
    async fn places_that_are_taken_away_go_as_they_are_given_back() {
        let gate = Arc::new(Gate::new(3));
        let mut places = Vec::new();
        for _ in 0..3 {
            places.push(gate.enter(limit(0)).await.expect("it is free"));
        }
        gate.set_most(1);
        places.truncate(1);
        assert!(gate.enter(limit(0)).await.is_err(), "one is out, and one there is");
        gate.set_most(2);
        let second = gate.enter(limit(0)).await.expect("there are two now");
        assert!(gate.enter(limit(0)).await.is_err());
        drop((places, second));
        let _one = gate.enter(limit(0)).await.expect("both are back");
        let _two = gate.enter(limit(0)).await.expect("both are back");
        assert!(gate.enter(limit(0)).await.is_err());
    }
}
