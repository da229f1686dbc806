//! Ports for servers that must come up on the same one again.

use anyhow::bail;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};

/// Below what systems hand out to outgoing connections (Linux: from 32,768), so that none of those takes the port of
/// a server that is down for a moment; above what services are known by, 6379 and 26379 among them.
const PORTS: std::ops::Range<u16> = 26_500..32_700;

/// A TCP port on the loopback address that nobody listens on now.
///
/// It is not held: another process may take it before its user does, who must then ask again.
///
/// # Errors
/// If none is found in 200 draws.
pub fn free_port() -> anyhow::Result<u16> {
    for _ in 0..200 {
        let port = fastrand::u16(PORTS);
        if TcpListener::bind(SocketAddr::from((Ipv4Addr::LOCALHOST, port))).is_ok() {
            return Ok(port);
        }
    }
    bail!("no free port on 127.0.0.1 from {} to {}", PORTS.start, PORTS.end - 1)
}
