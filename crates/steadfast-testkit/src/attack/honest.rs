//! Honest traffic: what Twilio sends, at a steady rate, whatever else happens.

use super::report::Figures;
use super::socket::{address_of, connect_from};
use crate::sign::{Id, signed};
use anyhow::{Context, bail};
use hdrhistogram::Histogram;
use std::net::SocketAddr;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout_at};
use url::Url;

/// Connections that messages come over: enough that none is busy when its next message is due.
const LANES: u32 = 64;
/// A connection is left for a new one after so many messages: whoever is new must get in too.
const USES: u32 = 10;
/// Twilio's own patience, from the moment that a message is due.
const PATIENCE: Duration = Duration::from_secs(15);
const SENDERS: u32 = 1_000;

/// Sends `per_second` messages for `length`, numbered within `round`.
pub(super) async fn traffic(
    url: &Url,
    round: u32,
    per_second: u32,
    length: Duration,
) -> anyhow::Result<Figures> {
    let to = address_of(url)?;
    let begun = Instant::now() + Duration::from_millis(100);
    let total = (length.as_secs_f64() * f64::from(per_second)) as u32;
    let mut lanes = JoinSet::new();
    for lane in 0..LANES {
        let url = url.clone();
        lanes.spawn(async move {
            let mut seen = Seen::new()?;
            let mut stream: Option<TcpStream> = None;
            for (used, index) in (0_u32..).zip((lane..total).step_by(LANES as usize)) {
                let due = begun + Duration::from_secs_f64(f64::from(index) / f64::from(per_second.max(1)));
                let wire = wire(&url, Id { sender: index % SENDERS, seq: round * 100_000 + index / SENDERS });
                if used.is_multiple_of(USES) {
                    stream = None;
                }
                tokio::time::sleep_until(due).await;
                seen.deliver(&mut stream, lane, to, &wire, due).await;
            }
            anyhow::Ok(seen)
        });
    }
    let mut all = Seen::new()?;
    while let Some(joined) = lanes.join_next().await {
        let seen = joined.context("a lane broke")??;
        all.latency_us.add(&seen.latency_us).context("histograms differ")?;
        all.acknowledged += seen.acknowledged;
        all.again += seen.again;
        all.lost += seen.lost;
    }
    Ok(all.figures())
}

struct Seen {
    latency_us: Histogram<u64>,
    acknowledged: u64,
    again: u64,
    lost: u64,
}

impl Seen {
    fn new() -> anyhow::Result<Self> {
        let latency_us = Histogram::new_with_bounds(1, 60_000_000, 3).context("no histogram")?;
        Ok(Self { latency_us, acknowledged: 0, again: 0, lost: 0 })
    }

    /// Tries until it is acknowledged or patience ends. Its latency counts from when it was due, tries that
    /// failed included.
    async fn deliver(
        &mut self,
        stream: &mut Option<TcpStream>,
        lane: u32,
        to: SocketAddr,
        wire: &[u8],
        due: Instant,
    ) {
        let mut tries = 0_u64;
        loop {
            tries += 1;
            match timeout_at(due + PATIENCE, exchange(stream, lane, to, wire)).await {
                Ok(Ok(())) => break,
                Ok(Err(_)) if due.elapsed() < PATIENCE => *stream = None,
                _ => {
                    *stream = None;
                    self.lost += 1;
                    return;
                }
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        self.again += tries - 1;
        self.acknowledged += 1;
        let micros = u64::try_from(due.elapsed().as_micros()).unwrap_or(u64::MAX);
        self.latency_us.saturating_record(micros.clamp(1, 60_000_000));
    }

    fn figures(&self) -> Figures {
        let quantile_ms = |q: f64| self.latency_us.value_at_quantile(q) as f64 / 1_000.0;
        Figures {
            acknowledged: self.acknowledged,
            again: self.again,
            lost: self.lost,
            p50_ms: quantile_ms(0.5),
            p99_ms: quantile_ms(0.99),
            p999_ms: quantile_ms(0.999),
        }
    }
}

fn wire(url: &Url, id: Id) -> Vec<u8> {
    let (body, signature) = signed(id, 1, url.as_str());
    format!(
        "POST {} HTTP/1.1\r\nHost: {}\r\nContent-Type: application/x-www-form-urlencoded\r\n\
         X-Twilio-Signature: {signature}\r\nContent-Length: {}\r\n\r\n{body}",
        url.path(),
        url.authority(),
        body.len(),
    )
    .into_bytes()
}

/// Sends and waits for 200. Anything else is an error, and the connection is not to be used again.
async fn exchange(
    stream: &mut Option<TcpStream>,
    lane: u32,
    to: SocketAddr,
    wire: &[u8],
) -> anyhow::Result<()> {
    if stream.is_none() {
        // Twilio's addresses are many, and none of the attackers'.
        *stream = Some(connect_from(0x00f0_0000 + lane, to).await?);
    }
    let stream = stream.as_mut().context("no connection")?;
    stream.write_all(wire).await.context("not sent")?;
    let mut answer = Vec::with_capacity(512);
    // The answer to a message is always the same and ends so.
    while !answer.ends_with(b"<Response/>") {
        if stream.read_buf(&mut answer).await.context("no answer")? == 0 || answer.len() > 4_096 {
            bail!("no acknowledgement");
        }
        if answer.len() > 12 && !answer.starts_with(b"HTTP/1.1 200") {
            bail!("refused");
        }
    }
    Ok(())
}
