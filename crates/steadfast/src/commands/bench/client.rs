//! The smallest HTTP client that measures the server and not itself: one keep-alive connection, requests
//! written whole, answers read to their end.

use crate::config::Config;
use crate::node::NodeKey;
use crate::webhook::{Signer, inbound_form};
use anyhow::{Context, bail};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use url::Url;

/// How long one answer may take before the run is given up.
const ANSWER_WITHIN: Duration = Duration::from_secs(20);
/// Senders that the messages come from, in turn.
const SENDERS: u64 = 1_000;

/// Makes unique signed requests.
pub(super) struct Template {
    signer: Signer,
    url: Url,
    run: u64,
    next: AtomicU64,
}

impl Template {
    pub(super) fn new(config: &Config, key: &NodeKey, url: &Url) -> anyhow::Result<Self> {
        let run = u64::from_be_bytes(uuid::Uuid::new_v4().as_bytes()[..8].try_into()?);
        Ok(Self { signer: Signer::new(config, key), url: url.clone(), run, next: AtomicU64::new(0) })
    }

    /// The next request, head and body.
    pub(super) fn request(&self) -> Vec<u8> {
        let index = self.next.fetch_add(1, Ordering::Relaxed);
        let sid = format!("SM{:016x}{index:016x}", self.run);
        let from = format!("whatsapp:+97798{:08}", index % SENDERS);
        let fields = inbound_form(&self.signer.account_sid, &sid, &from, &[("Body", "1x2, 3x1")]);
        let signed = self.signer.sign(&self.url, &fields);
        let host = self.url.host_str().unwrap_or("127.0.0.1");
        let port = self.url.port_or_known_default().unwrap_or(80);
        format!(
            "POST {} HTTP/1.1\r\nHost: {host}:{port}\r\nUser-Agent: TwilioProxy/1.1\r\n\
             Content-Type: application/x-www-form-urlencoded\r\nX-Twilio-Signature: {}\r\n\
             Content-Length: {}\r\n\r\n{}",
            self.url.path(),
            signed.signature,
            signed.body.len(),
            signed.body,
        )
        .into_bytes()
    }
}

/// One keep-alive connection.
pub(super) struct Connection {
    stream: TcpStream,
    buffer: Vec<u8>,
}

impl Connection {
    pub(super) async fn open(template: &Template) -> anyhow::Result<Self> {
        let host = template.url.host_str().context("the webhook's URL has no host")?;
        let port = template.url.port_or_known_default().context("the webhook's URL has no port")?;
        let stream = TcpStream::connect((host, port)).await.context("cannot connect to the gateway")?;
        stream.set_nodelay(true).context("cannot set no-delay")?;
        Ok(Self { stream, buffer: Vec::with_capacity(1_024) })
    }

    /// Sends one request and reads its answer; returns the status.
    pub(super) async fn exchange(&mut self, request: &[u8]) -> anyhow::Result<u16> {
        let exchange = async {
            self.stream.write_all(request).await.context("the gateway closed the connection")?;
            self.buffer.clear();
            loop {
                if let Some((status, length)) = answer(&self.buffer)?
                    && self.buffer.len() >= length
                {
                    return Ok(status);
                }
                if self.stream.read_buf(&mut self.buffer).await.context("the answer broke off")? == 0 {
                    bail!("the gateway closed the connection");
                }
            }
        };
        tokio::time::timeout(ANSWER_WITHIN, exchange).await.context("no answer from the gateway")?
    }
}

/// Status and whole length of the answer in `buffer`, once its head is there.
fn answer(buffer: &[u8]) -> anyhow::Result<Option<(u16, usize)>> {
    let Some(end) = buffer.windows(4).position(|window| window == b"\r\n\r\n") else { return Ok(None) };
    let head = std::str::from_utf8(&buffer[..end]).context("the answer's head is no text")?;
    let status =
        head.split(' ').nth(1).and_then(|word| word.parse().ok()).context("the answer has no status")?;
    let length = head
        .lines()
        .filter_map(|line| line.split_once(':'))
        .find(|(name, _)| name.eq_ignore_ascii_case("content-length"))
        .and_then(|(_, value)| value.trim().parse::<usize>().ok())
        .unwrap_or(0);
    Ok(Some((status, end + 4 + length)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_whole_when_its_body_is_there() {
        assert!(matches!(answer(b"HTTP/1.1 200 OK\r\ncontent-le"), Ok(None)));
        let text = b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabc";
        assert!(matches!(answer(text), Ok(Some((200, length))) if length == text.len()));
    }
}
