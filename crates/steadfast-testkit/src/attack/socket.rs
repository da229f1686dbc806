//! Raw connections from addresses of one's choice, and a pace.

use anyhow::Context;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;
use tokio::net::{TcpSocket, TcpStream};
use tokio::time::{Instant, MissedTickBehavior};
use url::Url;

const CONNECT_WITHIN: Duration = Duration::from_secs(5);

/// Host and port of `url`, which must name an address.
pub(super) fn address_of(url: &Url) -> anyhow::Result<SocketAddr> {
    let port = url.port_or_known_default().context("the URL has no port")?;
    let host = url.host_str().context("the URL has no host")?;
    Ok(SocketAddr::new(host.parse().context("the URL's host is no address")?, port))
}

/// Connects from the `n`-th address of the loopback network: each is a stranger of its own.
pub(super) async fn connect_from(n: u32, to: SocketAddr) -> anyhow::Result<TcpStream> {
    let [_, a, b, c] = (n % 0x00ff_fffd + 2).to_be_bytes();
    let socket = TcpSocket::new_v4().context("no socket")?;
    socket.bind(SocketAddr::new(IpAddr::V4(Ipv4Addr::new(127, a, b, c)), 0)).context("cannot bind")?;
    let stream = tokio::time::timeout(CONNECT_WITHIN, socket.connect(to)).await.context("no connection")?;
    let stream = stream.context("cannot connect")?;
    stream.set_nodelay(true).context("cannot set no-delay")?;
    Ok(stream)
}

/// So many turns per second, some at once so that a high rate costs few timers.
pub(super) struct Pace {
    beat: tokio::time::Interval,
    per_beat: f64,
    owed: f64,
    until: Instant,
}

impl Pace {
    const BEAT: Duration = Duration::from_millis(10);

    pub(super) fn new(per_second: f64, until: Instant) -> Self {
        let mut beat = tokio::time::interval(Self::BEAT);
        beat.set_missed_tick_behavior(MissedTickBehavior::Skip);
        Self { beat, per_beat: per_second * Self::BEAT.as_secs_f64(), owed: 0.0, until }
    }

    /// Waits for the next turn; false when the time is over.
    pub(super) async fn turn(&mut self) -> bool {
        while self.owed < 1.0 {
            let now = self.beat.tick().await;
            if now >= self.until {
                return false;
            }
            self.owed += self.per_beat;
        }
        self.owed -= 1.0;
        Instant::now() < self.until
    }
}
