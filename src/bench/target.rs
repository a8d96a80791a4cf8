//! Finding the server that a URL names, and setting up an application or a source with its endpoints there.

use std::net::{SocketAddr, ToSocketAddrs};
use std::time::Duration;

use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::json;

use super::BenchError;
use super::door::{self, Door};
use super::generator::Connection;
use super::request::{Target, call};
use crate::secret::Secret;

/// Setting up is not measured, but it does not hang either.
const CALL_SECS_MAX: u64 = 30;

/// An application made for a run, or a source, which owns one.
#[derive(Debug)]
pub struct Application {
    /// Where the API has it.
    pub path: String,
    /// Where events come in, when it is a source.
    pub door: Option<Door>,
    /// The secrets of its endpoints, in the order of their numbers.
    pub secrets: Vec<Secret>,
}

#[derive(Deserialize)]
struct Created {
    id: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct CreatedSource {
    id: String,
    ingest_url: String,
}

#[derive(Deserialize)]
struct Shown {
    key: String,
}

/// Finds the address of `http://HOST[:PORT]`.
///
/// # Errors
/// When it is another kind of URL, or the name has no address.
pub fn resolve(url: &str, key: &str) -> Result<Target, BenchError> {
    let wrong = |why: &str| BenchError::new(format!("{url:?} {why}; give http://HOST:PORT"));
    let host = url.strip_prefix("http://").ok_or_else(|| wrong("is no plain HTTP"))?.trim_end_matches('/');
    if host.is_empty() || host.contains(['/', '?', '#', '@']) || host.contains(char::is_whitespace) {
        return Err(wrong("has more or less than a host and a port"));
    }
    let bare = !host.ends_with(']') && host.contains(':');
    let with_port = if bare { host.to_owned() } else { format!("{host}:80") };
    let mut addresses = with_port.to_socket_addrs().map_err(|error| wrong(&format!("has no address ({error})")))?;
    Ok(Target {
        address: addresses.next().ok_or_else(|| wrong("has no address"))?,
        host: host.to_owned(),
        key: key.to_owned(),
    })
}

/// Creates an application with `endpoints` endpoints at the sink.
///
/// # Errors
/// When a call is refused: the key must be an admin's, and the server must be allowed to call 127.0.0.1.
pub async fn set_up(target: &Target, endpoints: usize, sink: SocketAddr) -> Result<Application, BenchError> {
    set_up_as(target, endpoints, sink, "").await
}

/// The same, of endpoints whose deliveries wait for those of their key.
///
/// # Errors
/// As without an order.
pub async fn set_up_ordered(target: &Target, endpoints: usize, sink: SocketAddr) -> Result<Application, BenchError> {
    set_up_as(target, endpoints, sink, r#","ordering":"key","orderingKey":"/key""#).await
}

async fn set_up_as(
    target: &Target,
    endpoints: usize,
    sink: SocketAddr,
    handling: &str,
) -> Result<Application, BenchError> {
    let mut calls = Calls::open(target).await?;
    let created: Created = calls.post("/api/v1/app", r#"{"name":"bench"}"#).await?;
    let path = format!("/api/v1/app/{}", created.id);
    let secrets = calls.endpoints(&path, endpoints, sink, handling).await?;
    Ok(Application { path, door: None, secrets })
}

/// Creates a source with `endpoints` endpoints at the sink.
///
/// # Errors
/// As for an application.
pub async fn set_up_source(target: &Target, endpoints: usize, sink: SocketAddr) -> Result<Application, BenchError> {
    let secret = door::secret();
    let config = json!({ "secrets": [secret.text()], "toleranceSeconds": door::TOLERANCE_SECS });
    let source = json!({ "name": "bench", "type": door::PROVIDER.name(), "config": config });
    let mut calls = Calls::open(target).await?;
    let created: CreatedSource = calls.post("/ingest/api/v1/source", &source.to_string()).await?;
    let token = created.ingest_url.rsplit('/').next().unwrap_or_default();
    let door = Door { path: format!("/in/{token}"), secret };
    let path = format!("/ingest/api/v1/source/{}", created.id);
    let secrets = calls.endpoints(&path, endpoints, sink, "").await?;
    Ok(Application { path, door: Some(door), secrets })
}

/// Deletes the application or the source, so that nothing goes on at a server that does.
///
/// # Errors
/// When the call is refused.
pub async fn tear_down(target: &Target, application: &Application) -> Result<(), BenchError> {
    Calls::open(target).await?.call("DELETE", &application.path, "").await.map(drop)
}

/// A connection for calls whose time does not count.
pub struct Calls<'a> {
    target: &'a Target,
    connection: Connection,
}

impl<'a> Calls<'a> {
    /// Connects. Error: nobody listens there.
    pub async fn open(target: &'a Target) -> Result<Self, BenchError> {
        let connection = Connection::open(target.address).await?;
        Ok(Self { target, connection })
    }

    /// Creates something. Error: any answer but 2xx, with its text.
    pub async fn post<T: DeserializeOwned>(&mut self, path: &str, body: &str) -> Result<T, BenchError> {
        let answer = self.call("POST", path, body).await?;
        parse(path, answer)
    }

    /// Changes something. Error: any answer but 2xx, with its text.
    pub async fn patch(&mut self, path: &str, body: &str) -> Result<(), BenchError> {
        self.call("PATCH", path, body).await.map(drop)
    }

    /// Reads something. Error: any answer but 2xx, with its text.
    pub async fn get<T: DeserializeOwned>(&mut self, path: &str) -> Result<T, BenchError> {
        let answer = self.call("GET", path, "").await?;
        parse(path, answer)
    }

    /// Makes endpoints at the sink below that path; gives their secrets.
    async fn endpoints(
        &mut self,
        path: &str,
        count: usize,
        sink: SocketAddr,
        handling: &str,
    ) -> Result<Vec<Secret>, BenchError> {
        let mut secrets = Vec::with_capacity(count);
        for number in 0..count {
            let endpoint = format!(r#"{{"url":"http://{sink}/hook/{number}"{handling}}}"#);
            let endpoint: Created = self.post(&format!("{path}/endpoint"), &endpoint).await?;
            let secret: Shown = self.get(&format!("{path}/endpoint/{}/secret", endpoint.id)).await?;
            let secret = Secret::parse(&secret.key)
                .map_err(|_| BenchError::new("the server showed an endpoint's secret that is none"))?;
            secrets.push(secret);
        }
        Ok(secrets)
    }

    async fn call(&mut self, method: &str, path: &str, body: &str) -> Result<&[u8], BenchError> {
        let request = call(method, path, self.target, body.as_bytes());
        let exchange = self.connection.exchange(&request);
        let status = tokio::time::timeout(Duration::from_secs(CALL_SECS_MAX), exchange)
            .await
            .map_err(|_| BenchError::new(format!("{method} {path} had no answer in {CALL_SECS_MAX} s")))??;
        let answer = self.connection.body();
        if (200..300).contains(&status) {
            return Ok(answer);
        }
        let answer = String::from_utf8_lossy(answer);
        Err(BenchError::new(format!("{method} {path} was answered with {status}: {answer}")))
    }
}

fn parse<T: DeserializeOwned>(path: &str, answer: &[u8]) -> Result<T, BenchError> {
    serde_json::from_slice(answer)
        .map_err(|error| BenchError::new(format!("{path} was answered in another shape: {error}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_host_and_a_port_are_taken() {
        let check = |url| resolve(url, "k").map(|target| (target.address.to_string(), target.host));
        let found = |address: &str, host: &str| Some((address.to_owned(), host.to_owned()));
        assert_eq!(check("http://127.0.0.1:8071/").ok(), found("127.0.0.1:8071", "127.0.0.1:8071"));
        assert_eq!(check("http://127.0.0.1").ok(), found("127.0.0.1:80", "127.0.0.1"));
        assert_eq!(check("http://[::1]").ok(), found("[::1]:80", "[::1]"));
        assert_eq!(check("http://[::1]:5").ok(), found("[::1]:5", "[::1]:5"));
        for url in ["https://127.0.0.1", "127.0.0.1:80", "http://", "http://127.0.0.1/api", "http://a b"] {
            assert!(check(url).unwrap_err().to_string().contains("http://HOST:PORT"), "{url}");
        }
    }
}
