//! A small client for tests: one command at a time, each with a deadline.

use super::{Reply, command_bytes, decode_reply};
use anyhow::{Context, bail};
use futures::FutureExt;
use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpStream, UnixStream};
use tokio::time::timeout;

/// How long a reply may take, unless told otherwise.
const DEADLINE: Duration = Duration::from_secs(5);

/// Anything bytes go both ways through.
pub trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}
impl<S: AsyncRead + AsyncWrite + Send + Unpin> Stream for S {}

/// A connection to a Redis server, or to what poses as one.
///
/// It reconnects nowhere and retries nothing. After an error the order of replies is lost: throw it away. The
/// same holds for a call that is dropped before it ends.
pub struct Connection {
    stream: Box<dyn Stream>,
    buffer: Vec<u8>,
    deadline: Duration,
}

impl std::fmt::Debug for Connection {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Connection").field("deadline", &self.deadline).finish_non_exhaustive()
    }
}

impl Connection {
    /// Opens a TCP connection.
    pub async fn open(addr: SocketAddr) -> anyhow::Result<Self> {
        let stream = timeout(DEADLINE, TcpStream::connect(addr)).await;
        let stream = stream.with_context(|| format!("no connection to {addr} within {DEADLINE:?}"))?;
        let stream = stream.with_context(|| format!("cannot connect to {addr}"))?;
        stream.set_nodelay(true).context("cannot set TCP_NODELAY")?;
        Ok(Self::over(stream))
    }

    /// Opens a Unix socket.
    pub async fn open_unix(path: &Path) -> anyhow::Result<Self> {
        let stream = timeout(DEADLINE, UnixStream::connect(path)).await;
        let stream =
            stream.with_context(|| format!("no connection to {} within {DEADLINE:?}", path.display()))?;
        Ok(Self::over(stream.with_context(|| format!("cannot connect to {}", path.display()))?))
    }

    /// Speaks over a stream that is open already.
    pub fn over(stream: impl Stream + 'static) -> Self {
        Self { stream: Box::new(stream), buffer: Vec::new(), deadline: DEADLINE }
    }

    /// The same, with another deadline for each call.
    pub fn with_deadline(mut self, deadline: Duration) -> Self {
        self.deadline = deadline;
        self
    }

    /// Sends a command and returns the next reply, whatever it is.
    ///
    /// # Errors
    /// If the connection fails or ends, nothing comes within the deadline, or what comes is not RESP. An error
    /// that the server replies with is a [`Reply`].
    pub async fn command(&mut self, args: &[&str]) -> anyhow::Result<Reply> {
        self.send(args).await?;
        self.receive().await.with_context(|| format!("no reply to {}", args.first().unwrap_or(&"nothing")))
    }

    /// The same with arguments that are not text.
    pub async fn command_bytes(&mut self, args: &[&[u8]]) -> anyhow::Result<Reply> {
        self.send_raw(&command_bytes(args)).await?;
        self.receive().await
    }

    /// Sends commands in one write and returns a reply for each, in order.
    pub async fn pipeline(&mut self, commands: &[&[&str]]) -> anyhow::Result<Vec<Reply>> {
        let bytes: Vec<u8> = commands.iter().flat_map(|args| command_bytes(*args)).collect();
        self.send_raw(&bytes).await?;
        let mut replies = Vec::with_capacity(commands.len());
        for _ in commands {
            replies.push(self.receive().await?);
        }
        Ok(replies)
    }

    /// Sends a command and waits for no reply.
    pub async fn send(&mut self, args: &[&str]) -> anyhow::Result<()> {
        self.send_raw(&command_bytes(args)).await
    }

    /// Sends bytes as they are.
    pub async fn send_raw(&mut self, bytes: &[u8]) -> anyhow::Result<()> {
        let sent = timeout(self.deadline, self.stream.write_all(bytes)).await;
        sent.with_context(|| format!("not sent within {:?}", self.deadline))?.context("cannot send")
    }

    /// The next reply or push.
    pub async fn receive(&mut self) -> anyhow::Result<Reply> {
        let received = timeout(self.deadline, next(&mut *self.stream, &mut self.buffer)).await;
        received.with_context(|| format!("nothing came within {:?}", self.deadline))?
    }

    /// Whether the end of the connection has not been seen yet. Bytes that have come are kept.
    pub fn is_open(&mut self) -> bool {
        let read = self.stream.read_buf(&mut self.buffer).now_or_never();
        !matches!(read, Some(Ok(0) | Err(_)))
    }

    /// Waits until the peer has ended the connection and returns the bytes that came before.
    ///
    /// # Errors
    /// If it does not end within the deadline. An end by a reset counts as an end.
    pub async fn ended(&mut self) -> anyhow::Result<Vec<u8>> {
        let mut rest = std::mem::take(&mut self.buffer);
        match timeout(self.deadline, self.stream.read_to_end(&mut rest)).await {
            Ok(_) => Ok(rest),
            Err(_) => bail!("still open after {:?}; {} bytes came", self.deadline, rest.len()),
        }
    }
}

async fn next(stream: &mut dyn Stream, buffer: &mut Vec<u8>) -> anyhow::Result<Reply> {
    loop {
        if let Some((reply, taken)) = decode_reply(buffer)? {
            buffer.drain(..taken);
            return Ok(reply);
        }
        if stream.read_buf(buffer).await.context("cannot read")? == 0 {
            bail!("the connection ended, with {} bytes of a reply", buffer.len());
        }
    }
}
