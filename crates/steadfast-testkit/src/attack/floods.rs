//! Attacks by many requests.

use super::kind::Count;
use super::socket::{Pace, connect_from};
use crate::sign::{Id, signed};
use futures::future::join_all;
use std::net::SocketAddr;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout};
use url::Url;

/// An attacker does not wait for an answer longer than this.
const PATIENCE: Duration = Duration::from_millis(200);
const GET: &str = "GET /livez HTTP/1.1\r\nHost: a\r\n\r\n";
const GET_NOTHING: &str = "GET /nothing HTTP/1.1\r\nHost: a\r\n\r\n";

/// Sends each of `wires` in turn, `per_second` times, each on a connection of its own.
async fn each_alone(to: SocketAddr, until: Instant, count: &Count, per_second: f64, wires: &[Vec<u8>]) {
    const LANES: u32 = 8;
    let lane = |lane: u32| async move {
        let mut pace = Pace::new(per_second / f64::from(LANES), until);
        let mut n = lane;
        while pace.turn().await {
            n = n.wrapping_add(LANES);
            count.offered();
            let Some(wire) = wires.get(n as usize % wires.len()) else { return };
            let exchange = async {
                let mut stream = connect_from(n, to).await?;
                stream.write_all(wire).await?;
                anyhow::Ok(stream.read(&mut [0; 512]).await?)
            };
            // Whatever came of it, it is no webhook.
            let _ = timeout(PATIENCE, exchange).await;
            count.refused();
        }
    };
    join_all((0..LANES).map(lane)).await;
}

pub(super) async fn headers(to: SocketAddr, until: Instant, count: &Count) {
    let begin = "POST /webhook/twilio HTTP/1.1\r\nHost: a\r\n";
    let long = format!("{begin}X: {}\r\n\r\n", "a".repeat(64 * 1024)).into_bytes();
    let many: String = (0..500).map(|n| format!("X-Header-{n}: {n}\r\n")).collect();
    let many = format!("{begin}{many}\r\n").into_bytes();
    each_alone(to, until, count, 300.0, &[long, many]).await;
}

pub(super) async fn malformed(to: SocketAddr, until: Instant, count: &Count) {
    let wires = [
        "\u{16}\u{3}\u{1}\u{2}\0\u{1}\0\u{1}hello",
        "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        "GET / HTTP/9.9\r\n\r\n",
        "POST /webhook/twilio HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\na",
        "POST /webhook/twilio HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        "POST /webhook/twilio HTTP/1.1\r\nX: a\0b\r\n\r\n",
        "\r\n\r\n\r\nrubbish\r\n\r\n",
    ];
    each_alone(to, until, count, 500.0, &wires.map(|text| text.as_bytes().to_vec())).await;
}

/// The wire form of a webhook with this signature.
fn wire(url: &Url, body: &str, signature: &str) -> Vec<u8> {
    format!(
        "POST /webhook/twilio HTTP/1.1\r\nHost: {}\r\nContent-Type: application/x-www-form-urlencoded\r\n\
         X-Twilio-Signature: {signature}\r\nContent-Length: {}\r\n\r\n{body}",
        url.authority(),
        body.len()
    )
    .into_bytes()
}

/// Requests on `lanes` kept connections, each left for one from another address after `uses` of them.
async fn kept(
    to: SocketAddr,
    until: Instant,
    count: &Count,
    (lanes, uses, per_second): (u32, u32, f64),
    wire: &[u8],
) {
    let lane = |lane: u32| async move {
        let mut pace = Pace::new(per_second / f64::from(lanes), until);
        let mut stream: Option<TcpStream> = None;
        let (mut address, mut used) = (lane, 0);
        while pace.turn().await {
            count.offered();
            if used >= uses {
                (stream, used, address) = (None, 0, address.wrapping_add(lanes));
            }
            used += 1;
            let answer = timeout(PATIENCE, exchange(&mut stream, address, to, wire)).await;
            if !matches!(answer, Ok(Ok(true))) {
                count.refused();
            }
            if !matches!(answer, Ok(Ok(_))) {
                stream = None;
            }
        }
    };
    join_all((0..lanes).map(lane)).await;
}

/// Whether the answer was 200.
async fn exchange(
    stream: &mut Option<TcpStream>,
    address: u32,
    to: SocketAddr,
    wire: &[u8],
) -> anyhow::Result<bool> {
    if stream.is_none() {
        *stream = Some(connect_from(address, to).await?);
    }
    let Some(stream) = stream else { return Ok(false) };
    stream.write_all(wire).await?;
    let mut bytes = [0; 1_024];
    let read = stream.read(&mut bytes).await?;
    anyhow::ensure!(read > 0, "closed");
    Ok(bytes[..read].starts_with(b"HTTP/1.1 200"))
}

pub(super) async fn bad_signatures(to: SocketAddr, url: &Url, until: Instant, count: &Count) {
    let (body, _) = signed(Id { sender: 0, seq: 1 }, 0, url.as_str());
    let forged = wire(url, &body, "AAAAAAAAAAAAAAAAAAAAAAAAAAA=");
    kept(to, until, count, (100, 25, 3_000.0), &forged).await;
}

pub(super) async fn replay(to: SocketAddr, url: &Url, until: Instant, count: &Count) {
    let (body, signature) = signed(Id { sender: 0, seq: 1 }, 0, url.as_str());
    kept(to, until, count, (50, u32::MAX, 1_000.0), &wire(url, &body, &signature)).await;
}

pub(super) async fn pipelining(to: SocketAddr, until: Instant, count: &Count) {
    const AT_ONCE: usize = 100;
    let wire: Vec<u8> =
        [GET, GET, GET, GET_NOTHING].iter().cycle().take(AT_ONCE).flat_map(|text| text.bytes()).collect();
    let wire = wire.as_slice();
    let lane = |lane: u32| async move {
        let mut pace = Pace::new(2.0, until);
        let mut stream: Option<TcpStream> = None;
        while pace.turn().await {
            for _ in 0..AT_ONCE {
                count.offered();
            }
            if timeout(PATIENCE, exchange(&mut stream, lane, to, wire)).await.is_err() {
                count.refused();
                stream = None;
            }
            // What else was answered is taken, so that answers keep flowing.
            let mut sink = [0; 16 * 1_024];
            while let Some(Ok(1..)) = stream.as_ref().map(|stream| stream.try_read(&mut sink)) {}
        }
    };
    join_all((0..20).map(lane)).await;
}
