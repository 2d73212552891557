//! Deadlines in a time that stands still until a test moves it.

use std::future::poll_fn;

use tokio::time::{advance, timeout};

use super::*;
use crate::proxy::connection::{Closing, EndGuard, Scheme, Speaking, Ties, Turns};

const HEAD: Duration = Duration::from_secs(10);
const IDLE: Duration = Duration::from_secs(60);

fn deadlines(protocol: Protocol) -> (Deadlines, Arc<Connection>) {
    let address = ([127, 0, 0, 1], 1).into();
    let connection = Arc::new(Connection {
        id: 1,
        peer: address,
        via: None,
        local: address,
        scheme: Scheme::Http,
        protocol,
        server_name: None,
        certificate: None,
        tls: None,
        turns: Turns::default(),
        ties: Ties::default(),
        speaking: Speaking::default(),
    });
    (Deadlines::new(Arc::clone(&connection), HEAD, IDLE), connection)
}

/// Why a waiting read ends, and after how many milliseconds; `waits` when not within an hour.
async fn read(deadlines: &mut Deadlines) -> String {
    let began = Instant::now();
    let end = timeout(Duration::from_secs(3600), poll_fn(|context| deadlines.poll_read(context))).await;
    end.map_or("waits".to_owned(), |end| format!("{end:?} {}", began.elapsed().as_millis()))
}

#[tokio::test(start_paused = true)]
async fn before_the_first_byte_the_idle_limit_holds_and_then_that_of_the_head() {
    let (mut deadlines, connection) = deadlines(Protocol::Http1);
    assert_eq!(read(&mut deadlines).await, "Idle 60000");
    let (mut fresh, _) = super::tests::deadlines(Protocol::Http1);
    fresh.read_some();
    assert_eq!(read(&mut fresh).await, "SlowHead 10000");
    // A timer that was set for the longer limit has to fire sooner.
    let (mut both, _) = super::tests::deadlines(Protocol::Http1);
    let waiting = timeout(Duration::from_secs(5), poll_fn(|context| both.poll_read(context)));
    waiting.await.expect_err("nothing yet");
    both.read_some();
    assert_eq!(read(&mut both).await, "SlowHead 10000");
    connection.head_arrived();
    assert_eq!(read(&mut deadlines).await, "waits");
}

#[tokio::test(start_paused = true)]
async fn no_later_byte_gives_a_head_more_time() {
    let (mut deadlines, _) = deadlines(Protocol::Http1);
    for _ in 0..9 {
        deadlines.read_some();
        timeout(Duration::from_secs(1), poll_fn(|context| deadlines.poll_read(context))).await.expect_err("not yet");
    }
    deadlines.read_some();
    assert_eq!(read(&mut deadlines).await, "SlowHead 1000");
}

#[tokio::test(start_paused = true)]
async fn each_request_has_its_own_time() {
    let (mut deadlines, connection) = deadlines(Protocol::Http1);
    for _ in 0..3 {
        connection.turns.begin();
        timeout(Duration::from_secs(50), poll_fn(|context| deadlines.poll_read(context))).await.expect_err("not yet");
        deadlines.read_some();
        timeout(Duration::from_secs(9), poll_fn(|context| deadlines.poll_read(context))).await.expect_err("not yet");
        connection.head_arrived();
        assert_eq!(read(&mut deadlines).await, "waits");
    }
}

#[tokio::test(start_paused = true)]
async fn http2_has_one_deadline_to_its_first_request() {
    let (mut deadlines, connection) = deadlines(Protocol::Http2);
    timeout(Duration::from_secs(4), poll_fn(|context| deadlines.poll_read(context))).await.expect_err("not yet");
    deadlines.read_some();
    assert_eq!(read(&mut deadlines).await, "SlowHead 6000");
    connection.head_arrived();
    deadlines.read_some();
    assert_eq!(read(&mut deadlines).await, "waits");
}

/// A connection whose request is under way, tied to some sessions.
fn tied(tokens: &[&CancellationToken]) -> (Deadlines, Vec<EndGuard>) {
    let (deadlines, connection) = deadlines(Protocol::Http2);
    connection.head_arrived();
    let guards = tokens.iter().map(|token| connection.end_with((*token).clone())).collect();
    (deadlines, guards)
}

#[tokio::test(start_paused = true)]
async fn the_end_of_any_of_its_sessions_ends_a_connection_a_moment_later() {
    let (one, two) = (CancellationToken::new(), CancellationToken::new());
    let (mut deadlines, _guards) = tied(&[&one, &two, &two]);
    timeout(IDLE, poll_fn(|context| deadlines.poll_read(context))).await.expect_err("not yet");
    two.cancel();
    assert_eq!(read(&mut deadlines).await, "Session 300");
    let blocked = poll_fn(|context| deadlines.poll_write(context)).await;
    assert_eq!(blocked, End::Session);
}

#[tokio::test(start_paused = true)]
async fn a_session_that_ends_while_the_read_sleeps_wakes_it() {
    let one = CancellationToken::new();
    let (mut deadlines, _guards) = tied(&[&one]);
    let ending = async {
        tokio::time::sleep(Duration::from_secs(7)).await;
        one.cancel();
    };
    let (said, ()) = tokio::join!(read(&mut deadlines), ending);
    assert_eq!(said, "Session 7300");
}

#[tokio::test(start_paused = true)]
async fn a_guard_dropped_in_that_moment_sets_the_connection_free() {
    let one = CancellationToken::new();
    let (mut deadlines, guards) = tied(&[&one]);
    let connection = Arc::clone(&deadlines.connection);
    one.cancel();
    let waiting = timeout(Duration::from_millis(200), poll_fn(|context| deadlines.poll_read(context)));
    waiting.await.expect_err("not yet");
    drop(guards);
    assert_eq!(read(&mut deadlines).await, "waits");
    // A request that comes with the ended session all the same has its own moment, and no more.
    let _guard = connection.end_with(one);
    assert_eq!(read(&mut deadlines).await, "Session 300");
}

#[tokio::test(start_paused = true)]
async fn a_tie_made_while_the_read_sleeps_is_seen() {
    let one = CancellationToken::new();
    let (mut deadlines, _) = tied(&[]);
    let connection = Arc::clone(&deadlines.connection);
    let tying = async {
        tokio::time::sleep(Duration::from_secs(1)).await;
        let _guard = connection.end_with(one.clone());
        tokio::time::sleep(Duration::from_secs(1)).await;
        one.cancel();
        std::future::pending::<()>().await;
    };
    // In this task and looked at first, as each request of an HTTP/2 connection is.
    let said = tokio::select! {
        biased;
        () = tying => String::new(),
        said = read(&mut deadlines) => said,
    };
    assert_eq!(said, "Session 2300");
}

#[tokio::test(start_paused = true)]
async fn ties_of_earlier_requests_do_not_heap_up() {
    let (mut deadlines, connection) = deadlines(Protocol::Http1);
    connection.head_arrived();
    for _ in 0..100 {
        let guard = connection.end_with(CancellationToken::new());
        timeout(Duration::ZERO, poll_fn(|context| deadlines.poll_read(context))).await.expect_err("not yet");
        drop(guard);
    }
    assert!(deadlines.ties.len() <= SPARE_TIES + 1, "{}", deadlines.ties.len());
}

#[tokio::test(start_paused = true)]
async fn a_stop_ends_an_idle_connection_at_once_and_a_fresh_one_soon() {
    let (mut deadlines, connection) = deadlines(Protocol::Http1);
    let stopping = async {
        tokio::time::sleep(Duration::from_secs(5)).await;
        connection.turns.close(Closing::Soon);
    };
    let (said, ()) = tokio::join!(read(&mut deadlines), stopping);
    assert_eq!(said, "Stopping 7000");
    connection.head_arrived();
    assert_eq!(read(&mut deadlines).await, "waits");
    connection.turns.begin();
    assert_eq!(read(&mut deadlines).await, "Stopping 0");
}

#[tokio::test(start_paused = true)]
async fn where_others_take_the_new_connections_an_idle_one_may_send_its_next_request() {
    let (mut deadlines, connection) = deadlines(Protocol::Http1);
    connection.head_arrived();
    connection.turns.begin();
    connection.turns.close(Closing::Patiently);
    assert_eq!(read(&mut deadlines).await, "Stopping 5000");
    // One that has sent half of its head has the time of the head.
    let (mut deadlines, connection) = super::tests::deadlines(Protocol::Http1);
    connection.turns.close(Closing::Patiently);
    deadlines.read_some();
    assert_eq!(read(&mut deadlines).await, "SlowHead 10000");
}

#[tokio::test(start_paused = true)]
async fn when_the_time_is_over_whatever_is_under_way_ends() {
    for protocol in [Protocol::Http1, Protocol::Http2] {
        let (mut deadlines, connection) = deadlines(protocol);
        connection.head_arrived();
        let over = async {
            tokio::time::sleep(Duration::from_secs(5)).await;
            connection.turns.close(Closing::Now);
            // What was told before counts no more.
            connection.turns.close(Closing::Soon);
        };
        let (said, ()) = tokio::join!(read(&mut deadlines), over);
        assert_eq!(said, "Stopping 5000");
        assert_eq!(poll_fn(|context| deadlines.poll_write(context)).await, End::Stopping);
    }
}

#[tokio::test(start_paused = true)]
async fn a_write_that_makes_no_way_ends_at_the_idle_limit() {
    let (mut deadlines, _) = deadlines(Protocol::Http2);
    let waiting = timeout(Duration::from_secs(59), poll_fn(|context| deadlines.poll_write(context)));
    waiting.await.expect_err("not yet");
    deadlines.wrote_some();
    advance(Duration::from_secs(30)).await;
    let began = Instant::now();
    assert_eq!(poll_fn(|context| deadlines.poll_write(context)).await, End::Idle);
    assert_eq!(began.elapsed(), IDLE);
}
