//! Dialling: a connection to the first judged address that answers, and the TLS over it.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use rustix::io::Errno;
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

/// Whether this process has reached any address of version 6: a machine without a route to them has not.
static REACHED_V6: AtomicBool = AtomicBool::new(false);

/// Connects to the first address that answers; all of them have been judged.
pub(super) async fn connect(addresses: &[SocketAddr]) -> Result<TcpStream, NotConnected> {
    let mut last = NotConnected { cause: Cause::Connect, detail: "the name has no address".to_owned() };
    let mut all_local = !addresses.is_empty();
    for address in addresses {
        let connected = timeout(CONNECT_MAX, TcpStream::connect(address)).await;
        all_local &= matches!(&connected, Ok(Err(error)) if is_local(error, address));
        match connected {
            Ok(Ok(stream)) => {
                REACHED_V6.fetch_or(address.is_ipv6(), Ordering::Relaxed);
                // without it small requests wait for the receiver's delayed acknowledgement; a socket that
                // refuses it still works
                let _ = stream.set_nodelay(true);
                return Ok(stream);
            }
            Ok(Err(error)) => last.detail = format!("no connection: {error}"),
            Err(_) => last.detail = format!("no connection within {} s", CONNECT_MAX.as_secs()),
        }
    }
    if all_local {
        last.cause = Cause::Local;
    }
    Err(last)
}

/// Whether a connection never left this machine: it has no route, no descriptor, no memory, no port, or its firewall forbids
/// it. Where nothing of version 6 was ever reached it is the address that cannot be, and not the machine that lost its way.
fn is_local(error: &io::Error, address: &SocketAddr) -> bool {
    match error.raw_os_error().map(Errno::from_raw_os_error) {
        Some(Errno::NETUNREACH | Errno::NETDOWN | Errno::ADDRNOTAVAIL) => {
            address.is_ipv4() || REACHED_V6.load(Ordering::Relaxed)
        }
        Some(Errno::MFILE | Errno::NFILE | Errno::NOBUFS | Errno::NOMEM | Errno::PERM) => true,
        _ => false,
    }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_never_leaves_the_machine_is_told_from_what_does() {
        let v4 = SocketAddr::from(([192, 0, 2, 1], 443));
        let v6 = SocketAddr::from(([0x2001, 0xdb8, 0, 0, 0, 0, 0, 1], 443));
        let local = |errno: Errno, address: &SocketAddr| is_local(&errno.into(), address);
        for errno in [Errno::NETUNREACH, Errno::MFILE, Errno::NFILE, Errno::ADDRNOTAVAIL, Errno::NOBUFS] {
            assert!(local(errno, &v4), "{errno}");
        }
        for errno in [Errno::CONNREFUSED, Errno::CONNRESET, Errno::HOSTUNREACH, Errno::TIMEDOUT] {
            assert!(!local(errno, &v4), "{errno}: somebody said so, or nobody");
        }
        assert!(!local(Errno::NETUNREACH, &v6), "a machine without version 6 has lost nothing");
        assert!(local(Errno::MFILE, &v6));
    }
}
