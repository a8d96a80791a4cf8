//! Probes: single requests as their bytes, whole or broken on purpose, for rehearsals.

use std::time::Duration;

use bytes::Bytes;
use http::header::HOST;
use http::{HeaderName, HeaderValue};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::time::timeout;
use tokio_rustls::TlsConnector;

use super::dial;
use super::guard::{Guard, Target};
use super::resolve::{Dns, ResolveError, Resolver};
use crate::network::Network;

/// How long a receiver may take to answer.
const ANSWER_MAX: Duration = Duration::from_secs(30);
/// How much of an answer is read: its head and what it says, in bytes.
const ANSWER_BYTES_MAX: usize = 1_024 * 1_024;
/// How many headers an answer may have.
const HEADERS_MAX: usize = 100;

/// How a request is put on the wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Manner {
    /// As it should be.
    Whole,
    /// The length says more than is sent.
    Truncated,
    /// The connection is closed before the answer is read.
    HangUp,
}

/// A POST to be put on the wire.
#[derive(Clone, Debug)]
pub struct Request<'a> {
    /// Where to.
    pub url: &'a str,
    /// Its headers beside `Host`, `Content-Length` and `Connection`.
    pub headers: &'a [(String, String)],
    /// Its body.
    pub body: &'a [u8],
    /// How it is sent.
    pub manner: Manner,
}

/// What came back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// The status; `None` when the connection ended without an answer.
    pub status: Option<u16>,
    /// What it said.
    pub body: Vec<u8>,
}

/// Why a request could not be sent at all, in words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unreachable(pub String);

/// Sends probes wherever a person at the keyboard says; the guard's own rules are for what others may choose.
pub struct Prober {
    resolver: Resolver<Dns>,
    tls: TlsConnector,
}

/// What a stream must be able to do.
trait Stream: AsyncRead + AsyncWrite + Unpin + Send {}
impl<S: AsyncRead + AsyncWrite + Unpin + Send> Stream for S {}

impl Prober {
    /// One that goes wherever it is told. Error: this machine has no name servers.
    pub fn new() -> Result<Self, Unreachable> {
        let everywhere = ["0.0.0.0/0", "::/0"].map(|text| text.parse::<Network>().expect("a network"));
        Self::guarded(Guard::new(everywhere.into(), Vec::new()))
    }

    /// One that goes where the guard lets it. Error: this machine has no name servers.
    pub fn guarded(guard: Guard) -> Result<Self, Unreachable> {
        let lookup = Dns::system().map_err(|error| Unreachable(error.to_string()))?;
        Ok(Self { resolver: Resolver::new(guard, lookup), tls: dial::trusting_browsers() })
    }

    /// Sends one request on a connection of its own. Error: no connection.
    pub async fn send(&self, request: &Request<'_>) -> Result<Answer, Unreachable> {
        let target = self.resolver.guard().target(request.url).map_err(|refused| Unreachable(refused.to_string()))?;
        let mut stream = self.connect(&target).await?;
        let exchange = timeout(ANSWER_MAX, exchange(&mut *stream, &target, request));
        Ok(exchange.await.unwrap_or(Answer { status: None, body: Vec::new() }))
    }

    /// Asks for something. Error: no connection, or no answer.
    pub async fn get(&self, url: &str, headers: &[(HeaderName, HeaderValue)]) -> Result<Answer, Unreachable> {
        let mut request = hyper::Request::new(Full::default());
        request.headers_mut().extend(headers.iter().cloned());
        self.ask(url, request, (ANSWER_BYTES_MAX, ANSWER_MAX)).await
    }

    /// Sends a request whose place and host are the URL's; reads an answer of so many bytes at most, within so long.
    /// Error: no connection, or no such answer.
    pub(super) async fn ask(
        &self,
        url: &str,
        mut request: hyper::Request<Full<Bytes>>,
        (bytes_max, within): (usize, Duration),
    ) -> Result<Answer, Unreachable> {
        let unreachable = |error: &dyn std::fmt::Display| Unreachable(error.to_string());
        let asked = async {
            let target = self.resolver.guard().target(url).map_err(|refused| unreachable(&refused))?;
            *request.uri_mut() = target.path_and_query().parse().map_err(|error| unreachable(&error))?;
            let host = HeaderValue::try_from(target.authority()).map_err(|error| unreachable(&error))?;
            request.headers_mut().insert(HOST, host);
            let stream = TokioIo::new(self.connect(&target).await?);
            let (mut requests, driver) = http1::handshake(stream).await.map_err(|error| unreachable(&error))?;
            tokio::spawn(driver); // how it ended is told to the request
            let (head, body) = requests.send_request(request).await.map_err(|error| unreachable(&error))?.into_parts();
            let body = Limited::new(body, bytes_max).collect().await.map_err(|error| unreachable(&error))?;
            Ok(Answer { status: Some(head.status.as_u16()), body: body.to_bytes().into() })
        };
        timeout(within, asked).await.map_err(|_| Unreachable(format!("no answer in {} s", within.as_secs())))?
    }

    async fn connect(&self, target: &Target) -> Result<Box<dyn Stream>, Unreachable> {
        let addresses = self.resolver.resolve(target).await.map_err(|error| match error {
            ResolveError::Refused(refused) => Unreachable(refused.to_string()),
            ResolveError::Unresolved(detail) | ResolveError::Unreachable(detail) => Unreachable(detail),
        })?;
        let stream = dial::connect(&addresses).await.map_err(|failed| Unreachable(failed.detail))?;
        if !target.https() {
            return Ok(Box::new(stream));
        }
        let stream = dial::secure(&self.tls, target, stream).await.map_err(|failed| Unreachable(failed.detail))?;
        Ok(Box::new(stream))
    }
}

async fn exchange(stream: &mut dyn Stream, target: &Target, request: &Request<'_>) -> Answer {
    let written = stream.write_all(&bytes(target, request)).await;
    match request.manner {
        Manner::HangUp => {
            let _ = stream.flush().await; // whether it arrived is what is being tried
            return Answer { status: None, body: Vec::new() };
        }
        Manner::Truncated => {
            let _ = stream.shutdown().await; // nothing more will come; the answer still may
        }
        // who refuses a large body may answer, and close, before all of it is sent
        Manner::Whole => drop(written),
    }
    let mut answer = Vec::with_capacity(4_096);
    // an answer that breaks off counts as far as it goes; who keeps the connection open has said how long it is
    loop {
        let ended = answer.len() >= ANSWER_BYTES_MAX || !matches!(stream.read_buf(&mut answer).await, Ok(1..));
        if let Some(whole) = read(&answer, ended) {
            return whole;
        }
    }
}

fn bytes(target: &Target, request: &Request<'_>) -> Vec<u8> {
    let Request { headers, body, manner, .. } = request;
    let length = if *manner == Manner::Truncated { body.len() + 1 + body.len() / 2 } else { body.len() };
    let mut head = format!(
        "POST {} HTTP/1.1\r\nHost: {}\r\nContent-Length: {length}\r\nConnection: close\r\n",
        target.path_and_query(),
        target.authority()
    );
    for (name, value) in *headers {
        head.push_str(&[name, ": ", value, "\r\n"].concat());
    }
    [head.as_bytes(), b"\r\n", body].concat()
}

/// Reads what came; `None` while more is to come, never once it has ended.
fn read(answer: &[u8], ended: bool) -> Option<Answer> {
    let mut headers = [httparse::EMPTY_HEADER; HEADERS_MAX];
    let mut response = httparse::Response::new(&mut headers);
    let Ok(httparse::Status::Complete(head)) = response.parse(answer) else {
        return ended.then_some(Answer { status: None, body: Vec::new() });
    };
    let length = response.headers.iter().find(|header| header.name.eq_ignore_ascii_case("content-length"));
    let length = length.and_then(|header| std::str::from_utf8(header.value).ok()?.trim().parse::<usize>().ok());
    let whole = response.code == Some(204) || length.is_some_and(|length| answer.len() - head >= length);
    (whole || ended).then(|| Answer { status: response.code, body: answer[head..].to_vec() })
}
