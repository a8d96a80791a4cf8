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
    let mut local = Some(Cause::NoRoute).filter(|_| !addresses.is_empty());
    for address in addresses {
        let connected = timeout(CONNECT_MAX, TcpStream::connect(address)).await;
        let this = connected.as_ref().ok().and_then(|tried| is_local(tried.as_ref().err()?, address));
        // one that lacks more than a route says more
        local = local.and_then(|cause| this.map(|this| if cause == Cause::NoRoute { this } else { cause }));
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
    last.cause = local.unwrap_or(last.cause);
    Err(last)
}

/// Why a connection never left this machine, if it did not: it has no route, no descriptor, no memory, no port, or its firewall forbids
/// it. Where nothing of version 6 was ever reached it is the address that cannot be, and not the machine that lost its way.
fn is_local(error: &io::Error, address: &SocketAddr) -> Option<Cause> {
    match Errno::from_raw_os_error(error.raw_os_error()?) {
        Errno::NETUNREACH | Errno::NETDOWN | Errno::ADDRNOTAVAIL | Errno::PERM => {
            (address.is_ipv4() || REACHED_V6.load(Ordering::Relaxed)).then_some(Cause::NoRoute)
        }
        Errno::MFILE | Errno::NFILE | Errno::NOBUFS | Errno::NOMEM => Some(Cause::Local),
        _ => None,
    }
}

/// Speaks TLS to the host that the URL names.
pub(super) async fn secure(
    tls: &TlsConnector,
    target: &Target,
    stream: TcpStream,
) -> Result<TlsStream<TcpStream>, NotConnected> {
    let failed = |cause: Cause, detail: String| NotConnected { cause, detail };
    let name = ServerName::try_from(target.host().to_owned())
        .map_err(|_| failed(Cause::Tls, "the host cannot have a certificate".to_owned()))?;
    match timeout(HANDSHAKE_MAX, tls.connect(name, stream)).await {
        Ok(Ok(stream)) => Ok(stream),
        // what TLS itself finds fault with came from somebody; a connection that breaks or says nothing is as one that was
        // never made
        Ok(Err(error)) => {
            let found_fault = error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>()).is_some();
            let cause = if found_fault { Cause::Tls } else { Cause::Connect };
            Err(failed(cause, format!("no TLS: {error}")))
        }
        Err(_) => Err(failed(Cause::Timeout, format!("no TLS within {} s", HANDSHAKE_MAX.as_secs()))),
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
            assert!(local(errno, &v4).is_some(), "{errno}");
        }
        for errno in [Errno::CONNREFUSED, Errno::CONNRESET, Errno::HOSTUNREACH, Errno::TIMEDOUT] {
            assert!(local(errno, &v4).is_none(), "{errno}: somebody said so, or nobody");
        }
        assert!(local(Errno::NETUNREACH, &v6).is_none(), "a machine without version 6 has lost nothing");
        assert_eq!(
            (local(Errno::MFILE, &v6), local(Errno::NETUNREACH, &v4)),
            (Some(Cause::Local), Some(Cause::NoRoute))
        );
    }
}
