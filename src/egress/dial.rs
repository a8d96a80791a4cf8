//! Dialling: a connection to the first judged address that answers, and the TLS over it.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use rustls::pki_types::ServerName;
use rustls::{ClientConfig, RootCertStore};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::guard::Target;
use crate::attempt::Cause;

/// How long one address may take to answer, and one TLS handshake.
const CONNECT_MAX: Duration = Duration::from_secs(5);
const HANDSHAKE_MAX: Duration = Duration::from_secs(5);

/// Why there is no connection.
pub(super) struct NotConnected {
    pub(super) cause: Cause,
    pub(super) detail: String,
}

/// TLS 1.2 and 1.3 with the certificates that browsers trust.
pub(super) fn trusting_browsers() -> TlsConnector {
    let mut roots = RootCertStore::empty();
    roots.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned());
    let tls = ClientConfig::builder().with_root_certificates(roots).with_no_client_auth();
    TlsConnector::from(Arc::new(tls))
}

/// Connects to the first address that answers; all of them have been judged.
pub(super) async fn connect(addresses: &[SocketAddr]) -> Result<TcpStream, NotConnected> {
    let mut last = NotConnected { cause: Cause::Connect, detail: "the name has no address".to_owned() };
    for address in addresses {
        match timeout(CONNECT_MAX, TcpStream::connect(address)).await {
            Ok(Ok(stream)) => {
                // without it small requests wait for the receiver's delayed acknowledgement; a socket that
                // refuses it still works
                let _ = stream.set_nodelay(true);
                return Ok(stream);
            }
            Ok(Err(error)) => last.detail = format!("no connection: {error}"),
            Err(_) => last.detail = format!("no connection within {} s", CONNECT_MAX.as_secs()),
        }
    }
    Err(last)
}

/// Speaks TLS to the host that the URL names.
pub(super) async fn secure(
    tls: &TlsConnector,
    target: &Target,
    stream: TcpStream,
) -> Result<TlsStream<TcpStream>, NotConnected> {
    let failed = |detail: String| NotConnected { cause: Cause::Tls, detail };
    let name = ServerName::try_from(target.host().to_owned())
        .map_err(|_| failed("the host cannot have a certificate".to_owned()))?;
    match timeout(HANDSHAKE_MAX, tls.connect(name, stream)).await {
        Ok(Ok(stream)) => Ok(stream),
        Ok(Err(error)) => Err(failed(format!("no TLS: {error}"))),
        Err(_) => Err(failed(format!("no TLS within {} s", HANDSHAKE_MAX.as_secs()))),
    }
}
