//! A plain HTTP client that sends exactly what it is told to.

use serde_json::Value;
use std::net::SocketAddr;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

/// No answer may take longer.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

/// What came back.
#[derive(Debug, Clone)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) head: String,
    pub(crate) body: String,
}

impl Answer {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error} in {self:?}"))
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let lines = self.head.lines().skip(1).filter_map(|line| line.split_once(": "));
        lines.into_iter().find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value)
    }

    /// The parts of an error answer.
    pub(crate) fn error(&self) -> (String, String, String) {
        let error = &self.json()["error"];
        let part =
            |name: &str| error[name].as_str().unwrap_or_else(|| panic!("{name} in {self:?}")).to_owned();
        (part("what"), part("why"), part("todo"))
    }
}

/// Sends `head` (request line and headers, without the last blank line) and `body` as they are.
pub(crate) async fn raw(addr: SocketAddr, head: &str, body: &[u8]) -> Answer {
    timeout(PATIENCE, exchange(addr, head, body)).await.expect("an answer in time")
}

async fn exchange(addr: SocketAddr, head: &str, body: &[u8]) -> Answer {
    let mut stream = TcpStream::connect(addr).await.expect("connect");
    let request = [format!("{head}\r\nConnection: close\r\n\r\n").as_bytes(), body].concat();
    // The server may answer and close before it has read everything (413): what counts is the answer.
    let _ = stream.write_all(&request).await;
    read_answer(&mut stream).await
}

/// Reads an answer up to the end of the connection.
pub(crate) async fn read_answer(stream: &mut TcpStream) -> Answer {
    let mut bytes = Vec::new();
    let mut chunk = [0; 4096];
    while let Ok(read) = stream.read(&mut chunk).await {
        if read == 0 {
            break;
        }
        bytes.extend_from_slice(&chunk[..read]);
    }
    let text = String::from_utf8(bytes).expect("UTF-8");
    let (head, body) = text.split_once("\r\n\r\n").unwrap_or_else(|| panic!("no answer: {text:?}"));
    let status = head.split(' ').nth(1).and_then(|code| code.parse().ok()).expect("a status");
    let chunked = head.to_ascii_lowercase().contains("transfer-encoding: chunked");
    assert!(!chunked, "answers have a length");
    Answer { status, head: head.to_owned(), body: body.to_owned() }
}

/// What `curl http://localhost:9091<path>` sends.
pub(crate) async fn curl(addr: SocketAddr, path: &str) -> Answer {
    raw(
        addr,
        &format!("GET {path} HTTP/1.1\r\nHost: localhost:9091\r\nUser-Agent: curl/8.5.0\r\nAccept: */*"),
        b"",
    )
    .await
}

/// What `curl -X POST http://localhost:9091<path> -d '<data>'` sends.
pub(crate) async fn curl_post(addr: SocketAddr, path: &str, data: &str) -> Answer {
    curl_post_with(addr, path, data, &[]).await
}

/// The same with further headers.
pub(crate) async fn curl_post_with(
    addr: SocketAddr,
    path: &str,
    data: &str,
    headers: &[(&str, &str)],
) -> Answer {
    let mut head = format!(
        "POST {path} HTTP/1.1\r\nHost: localhost:9091\r\nUser-Agent: curl/8.5.0\r\nAccept: */*\r\n\
         Content-Length: {}\r\nContent-Type: application/x-www-form-urlencoded",
        data.len()
    );
    for (name, value) in headers {
        head.push_str(&format!("\r\n{name}: {value}"));
    }
    raw(addr, &head, data.as_bytes()).await
}

/// A GET with further headers; a `Host` among them replaces the usual one.
pub(crate) async fn get_with(addr: SocketAddr, path: &str, headers: &[(&str, &str)]) -> Answer {
    let mut head = format!("GET {path} HTTP/1.1");
    if !headers.iter().any(|(name, _)| *name == "Host") {
        head.push_str("\r\nHost: localhost:9091");
    }
    for (name, value) in headers {
        head.push_str(&format!("\r\n{name}: {value}"));
    }
    raw(addr, &head, b"").await
}
