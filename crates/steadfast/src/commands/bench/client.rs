//! The smallest HTTP client that measures the server and not itself: one keep-alive connection, requests
//! written whole, answers read to their end.

use anyhow::{Context, bail};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use url::Url;

/// How long one answer may take before the run is given up.
const ANSWER_WITHIN: Duration = Duration::from_secs(20);
/// One keep-alive connection.
pub(super) struct Connection {
    stream: TcpStream,
    buffer: Vec<u8>,
}

impl Connection {
    pub(super) async fn open(url: &Url) -> anyhow::Result<Self> {
        let host = url.host_str().context("the webhook's URL has no host")?;
        let port = url.port_or_known_default().context("the webhook's URL has no port")?;
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
