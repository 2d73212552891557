//! A program that speaks HTTP/2 through a client library, and carries a person's cookie: gRPC clients are such programs.

use bytes::Bytes;
use h2::client::SendRequest;
use h2::{RecvStream, SendStream};
use http::{HeaderMap, Request, Response};

use crate::browser::Browser;
use crate::house::House;
use crate::wire::{PATIENCE, tls};

/// A program with a client library, and a person's cookie.
pub(crate) struct Program {
    client: SendRequest<Bytes>,
    authority: String,
    cookie: String,
}

impl Program {
    pub(crate) async fn of(house: &House, person: &Browser) -> Self {
        let stream = tls(house.door.https(), "orders.test", house.door.ca(), &[b"h2"]).await.expect("TLS");
        let (client, connection) = h2::client::Builder::new()
            .initial_window_size(1 << 20)
            .initial_connection_window_size(1 << 24)
            .handshake::<_, Bytes>(stream)
            .await
            .expect("HTTP/2");
        tokio::spawn(async move {
            let _end = connection.await;
        });
        Self { client, authority: house.host("orders.test"), cookie: person.cookie_header() }
    }

    /// Begins a request; its body is for the caller to send.
    pub(crate) async fn begin(
        &self,
        method: &str,
        path: &str,
        fields: &[(&str, &str)],
        is_whole: bool,
    ) -> (h2::client::ResponseFuture, SendStream<Bytes>) {
        let mut request = Request::builder().method(method).uri(format!("https://{}{path}", self.authority));
        for (name, value) in fields.iter().chain(&[("cookie", self.cookie.as_str())]) {
            request = request.header(*name, *value);
        }
        let mut client = self.client.clone().ready().await.expect("room for a stream");
        client.send_request(request.body(()).expect("a request"), is_whole).expect("it is sent")
    }

    pub(crate) async fn call(&self, path: &str, pieces: &[&'static [u8]]) -> Call {
        let fields = [("content-type", "application/grpc"), ("te", "trailers"), ("grpc-timeout", "5S")];
        let (response, mut body) = self.begin("POST", path, &fields, false).await;
        for piece in pieces {
            body.send_data(Bytes::from_static(piece), false).expect("there is room");
        }
        body.send_data(Bytes::new(), true).expect("there is room");
        Call::read(response).await
    }

    pub(crate) async fn get(&self, path: &str) -> Call {
        Call::read(self.begin("GET", path, &[("accept", "application/json")], true).await.0).await
    }
}

/// What came of a request.
#[derive(Debug)]
pub(crate) struct Call {
    pub(crate) head: Response<()>,
    pub(crate) body: Vec<u8>,
    pub(crate) trailers: Option<HeaderMap>,
    /// It came to its proper end.
    pub(crate) is_whole: bool,
}

impl Call {
    pub(crate) async fn read(response: h2::client::ResponseFuture) -> Self {
        let Ok(answer) = in_time(response).await else {
            // The library forgets a head that a reset has followed.
            return Self { head: Response::new(()), body: Vec::new(), trailers: None, is_whole: false };
        };
        let (head, mut stream) = answer.into_parts();
        let mut call = Self { head: Response::from_parts(head, ()), body: Vec::new(), trailers: None, is_whole: false };
        while let Some(piece) = next(&mut stream).await {
            let Ok(piece) = piece else { return call };
            call.body.extend_from_slice(&piece);
        }
        if let Ok(trailers) = in_time(stream.trailers()).await {
            (call.trailers, call.is_whole) = (trailers, true);
        }
        call
    }

    pub(crate) fn status(&self) -> u16 {
        self.head.status().as_u16()
    }

    pub(crate) fn grpc_status(&self) -> Option<&str> {
        self.trailers.as_ref()?.get("grpc-status").map(|value| value.to_str().expect("text"))
    }
}

pub(crate) async fn in_time<T>(future: impl Future<Output = T>) -> T {
    tokio::time::timeout(PATIENCE, future).await.expect("it comes in time")
}

pub(crate) async fn next(stream: &mut RecvStream) -> Option<Result<Bytes, h2::Error>> {
    let piece = in_time(stream.data()).await?;
    if let Ok(piece) = &piece {
        stream.flow_control().release_capacity(piece.len()).expect("it was taken");
    }
    Some(piece)
}
