//! Sockets: all addresses of a name, several at a time if the first is slow, and what the kernel is asked to watch.

use super::resolve::Resolve;
use super::stream::Stream;
use crate::config::Address;
use crate::error::{Error, ErrorKind, Outcome, Result};
use futures::StreamExt;
use futures::stream::FuturesUnordered;
use socket2::{SockRef, TcpKeepalive};
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpStream;

/// What the kernel watches on a connection. The second net below the watchdog: it works without traffic of ours.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct TcpSettings {
    /// Small packets go at once.
    pub(crate) no_delay: bool,
    /// How long one address has before the next is tried beside it (RFC 8305, section 5, proposes 250 ms).
    pub(crate) stagger: Duration,
    /// Idle time before the first probe.
    pub(crate) keepalive_idle: Duration,
    /// Time between probes.
    pub(crate) keepalive_interval: Duration,
    /// Probes without an answer until the connection is dead.
    pub(crate) keepalive_count: u32,
    /// How long sent data may stay unacknowledged (`TCP_USER_TIMEOUT`, on Linux). Zero leaves it to the kernel.
    pub(crate) user_timeout: Duration,
}

/// A socket to `address`, and where it leads.
pub(super) async fn open(
    resolver: &dyn Resolve,
    settings: &TcpSettings,
    address: &Address,
) -> Result<(Stream, Arc<str>)> {
    match address {
        Address::Tcp { host, port } => {
            let found = resolver.resolve(host, *port).await.map_err(|error| unresolved(host, error))?;
            let addresses = interleaved(found);
            if addresses.is_empty() {
                return Err(unresolved(host, io::ErrorKind::NotFound.into()));
            }
            let (tcp, peer) = first_of(&addresses, settings.stagger)
                .await
                .map_err(|error| unreachable(&addresses, error))?;
            watch(&tcp, settings).map_err(|error| unreachable(&[peer], error))?;
            Ok((Stream::Tcp(tcp), peer.to_string().into()))
        }
        #[cfg(unix)]
        Address::Unix { path } => {
            let socket = tokio::net::UnixStream::connect(path).await;
            let socket = socket.map_err(|error| {
                let why = format!("cannot connect to {}: {error}", path.display());
                Error::new(ErrorKind::Connection, code(&error), Outcome::NotSent, why)
                    .advise(
                        "check that the server runs and that this user may use its socket (unixsocketperm)",
                    )
                    .because(error)
            })?;
            Ok((Stream::Unix(socket), address.shown()))
        }
        #[cfg(not(unix))]
        Address::Unix { .. } => Err(Error::new(
            ErrorKind::Validation,
            "UNIX",
            Outcome::NotSent,
            "sockets in the file system do not exist on this system",
        )),
    }
}

/// Both families in turns, the resolver's first one first (RFC 8305, section 4).
fn interleaved(addresses: Vec<SocketAddr>) -> Vec<SocketAddr> {
    let first_is_v6 = addresses.first().is_some_and(SocketAddr::is_ipv6);
    let (first, second): (Vec<_>, Vec<_>) = addresses.into_iter().partition(|a| a.is_ipv6() == first_is_v6);
    let (mut first, mut second) = (first.into_iter(), second.into_iter());
    let mut mixed = Vec::new();
    loop {
        let pair = [first.next(), second.next()];
        if pair == [None, None] {
            return mixed;
        }
        mixed.extend(pair.into_iter().flatten());
    }
}

/// The first connection that succeeds. The next address is tried when the last one failed, or is slow.
async fn first_of(addresses: &[SocketAddr], stagger: Duration) -> io::Result<(TcpStream, SocketAddr)> {
    let mut waiting = addresses.iter().copied();
    let mut dials = FuturesUnordered::new();
    let mut last = io::Error::from(io::ErrorKind::NotFound);
    loop {
        let next = waiting.next();
        if let Some(address) = next {
            dials.push(async move { TcpStream::connect(address).await.map(|tcp| (tcp, address)) });
        }
        let patience = if waiting.len() > 0 { stagger } else { Duration::MAX };
        match tokio::time::timeout(patience, dials.next()).await {
            Ok(Some(Ok(connected))) => return Ok(connected),
            Ok(Some(Err(error))) => last = error,
            Ok(None) if next.is_none() => return Err(last),
            Ok(None) | Err(_) => {}
        }
    }
}

fn watch(tcp: &TcpStream, settings: &TcpSettings) -> io::Result<()> {
    tcp.set_nodelay(settings.no_delay)?;
    let socket = SockRef::from(tcp);
    let keepalive =
        TcpKeepalive::new().with_time(settings.keepalive_idle).with_interval(settings.keepalive_interval);
    socket.set_tcp_keepalive(&keepalive.with_retries(settings.keepalive_count))?;
    #[cfg(target_os = "linux")]
    if !settings.user_timeout.is_zero() {
        socket.set_tcp_user_timeout(Some(settings.user_timeout))?;
    }
    Ok(())
}

fn unresolved(host: &str, error: io::Error) -> Error {
    let why = format!("the name {host} leads to no address: {error}");
    Error::new(ErrorKind::Connection, "DNS", Outcome::NotSent, why)
        .advise("check the name and the resolver")
        .because(error)
}

fn unreachable(addresses: &[SocketAddr], error: io::Error) -> Error {
    let tried = addresses.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
    let why = format!("cannot connect to {tried}: {error}");
    Error::new(ErrorKind::Connection, code(&error), Outcome::NotSent, why)
        .advise("check that the server runs there and that no firewall is between")
        .because(error)
}

/// The code of a failure of a socket.
pub(super) fn code(error: &io::Error) -> &'static str {
    match error.kind() {
        io::ErrorKind::ConnectionRefused => "REFUSED",
        io::ErrorKind::TimedOut => "UNREACHABLE",
        io::ErrorKind::UnexpectedEof | io::ErrorKind::ConnectionReset | io::ErrorKind::ConnectionAborted => {
            "CLOSED"
        }
        _ => "IO",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> SocketAddr {
        text.parse().unwrap()
    }

    #[test]
    fn families_take_turns() {
        let (a, b, c) = (at("1.1.1.1:1"), at("1.1.1.2:1"), at("1.1.1.3:1"));
        let (x, y) = (at("[::1]:1"), at("[::2]:1"));
        assert_eq!(interleaved(vec![a, b, c, x]), [a, x, b, c]);
        assert_eq!(interleaved(vec![x, a, y]), [x, a, y]);
        assert_eq!(interleaved(Vec::new()), []);
    }

    #[tokio::test]
    async fn an_address_that_refuses_is_passed_over() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let good = listener.local_addr().unwrap();
        let closed = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let refusing = closed.local_addr().unwrap();
        drop(closed);
        let (_, peer) = first_of(&[refusing, good], Duration::from_secs(5)).await.unwrap();
        assert_eq!(peer, good);
        let error = first_of(&[refusing], Duration::from_secs(5)).await.unwrap_err();
        assert_eq!(code(&error), "REFUSED");
    }
}
