//! Apps that speak HTTP/2 and fail, hang, say good-bye, or do not speak it after all; and sessions that end while a stream runs.

use std::sync::Arc;

use bytes::Bytes;
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use crate::house::{House, OPEN};
use crate::http2_upstreams::open;
use crate::program::{Call, Program, in_time, next};

#[tokio::test]
async fn an_http2_app_that_fails_gives_the_right_status_and_harms_nobody() {
    let (house, bob, upstream) = open().await;
    let program = Arc::new(Program::of(&house, &bob).await);
    for round in 0..3 {
        assert_eq!(program.get("/reset").await.status(), 502, "{round}");
        for path in ["/reset-body", "/short", "/long"] {
            let call = program.get(path).await;
            assert!(call.status() == 502 || !call.is_whole, "{path}: {call:?}");
        }
        let (response, _up) = program.begin("POST", "/early", &[], false).await;
        assert_eq!(Call::read(response).await.status(), 422);
        let mut asked = tokio::task::JoinSet::new();
        for n in 0..50 {
            let program = program.clone();
            asked.spawn(async move {
                let id = format!("{round}-{n}");
                let (response, _) = program.begin("GET", "/id", &[("x-id", &id)], true).await;
                let call = Call::read(response).await;
                let told: Value = serde_json::from_slice(&call.body).expect("JSON");
                assert_eq!(told["id"], id.as_str(), "an answer that is somebody else's");
            });
        }
        while let Some(end) = asked.join_next().await {
            end.expect("all well");
        }
    }
    let connections = upstream.seen().iter().map(|seen| seen.connection).max().expect("some");
    // Requests that come before the first connection of a round stands begin one each; of more than 150, most find one.
    assert!(connections < 75, "{connections} connections: they are not shared");
}

/// A server that is restarted with care lets what runs finish, and takes nothing new on old connections.
#[tokio::test]
async fn a_good_bye_of_the_app_loses_no_request() {
    let (house, bob, upstream) = open().await;
    let program = Arc::new(Program::of(&house, &bob).await);
    for round in 0..5 {
        let mut asked = tokio::task::JoinSet::new();
        for n in 0..20 {
            let program = program.clone();
            asked.spawn(async move {
                let path = if n == 7 { "/last" } else { "/id" };
                let id = format!("{round}-{n}");
                let (response, _) = program.begin("GET", path, &[("x-id", &id)], true).await;
                let call = Call::read(response).await;
                assert_eq!(call.status(), 200, "{id}");
                let told: Value = serde_json::from_slice(&call.body).expect("JSON");
                assert_eq!(told["id"], id.as_str());
            });
        }
        while let Some(end) = asked.join_next().await {
            end.expect("all well");
        }
    }
    assert!(upstream.seen().iter().any(|seen| seen.connection >= 4), "each good-bye is heeded");
}

#[tokio::test]
async fn attack_21_a_stream_ends_with_its_session() {
    let (house, bob, upstream) = open().await;
    let program = Program::of(&house, &bob).await;
    let (response, mut up) = program.begin("POST", "/echo.Echo/Each", &[("te", "trailers")], false).await;
    let mut down = in_time(response).await.expect("a head").into_body();
    up.send_data(Bytes::from_static(b"one"), false).expect("there is room");
    assert_eq!(next(&mut down).await.expect("an echo").expect("no reset"), "one");
    bob.log_out().await;
    let end = next(&mut down).await;
    assert!(!matches!(end, Some(Ok(_))), "{end:?}");
    assert!(end.is_some() || in_time(down.trailers()).await.is_err(), "it does not look as if it were whole");
    crate::house::eventually("the app hears of it", async || {
        // Its stream is reset, so the request never came to its end.
        (!upstream.seen()[0].complete && upstream.open() == 0).then_some(())
    })
    .await;
}

#[tokio::test]
async fn an_app_that_does_not_speak_http2_after_all_gives_502_and_a_silent_one_504() {
    for (says, status) in [("HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\n\r\n", 502), ("", 504)] {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("loopback has a free port");
        let address = listener.local_addr().expect("it is bound");
        let app = tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                tokio::spawn(async move {
                    let mut preface = [0; 24];
                    let _end = stream.read_exact(&mut preface).await;
                    let _end = stream.write_all(says.as_bytes()).await;
                    let mut rest = Vec::new();
                    let _end = stream.read_to_end(&mut rest).await;
                });
            }
        });
        let table = format!("upstream = {{ servers = [\"http://{address}\"], protocol = \"h2c\" }}");
        let apps = OPEN.replace("upstream = \"{{upstream}}\"", &table);
        let house = House::start(&format!("{apps}\n[app.orders.timeouts]\nresponse = \"1s\"\n")).await;
        let bob = house.browser("orders.test");
        bob.log_in("bob@example.com").await;
        for _ in 0..3 {
            assert_eq!(bob.fetch("/").await.status, status, "{says:?}");
        }
        app.abort();
    }
}
