//! One connection to a simulated server.

use super::clients::Unblock;
use super::dispatch::{self, Answer};
use super::errors;
use super::fault::{Action, End};
use super::node::Node;
use super::session::Session;
use crate::redis::{Reply, Request, Stream, decode_request, encode_reply};
use socket2::SockRef;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};
use tokio::net::TcpStream;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::{Instant, sleep, sleep_until, timeout};

/// How much a client may send ahead of what is executed; then nothing more is read.
const AHEAD_MAX: usize = 16 * 1024 * 1024;
/// How long a client may take to read what it was sent before it is disconnected.
const WRITE_WITHIN: Duration = Duration::from_secs(30);
/// Farther than any test runs.
const FAR: Duration = Duration::from_secs(365 * 24 * 3_600);

/// What a connection runs over.
pub(super) trait Wire: Stream {
    /// Has the drop tear it down instead of closing it.
    fn reset_on_drop(&self);
}

impl Wire for TcpStream {
    fn reset_on_drop(&self) {
        // If the socket is gone already there is nothing to tear down.
        let _ = SockRef::from(self).set_linger(Some(Duration::ZERO));
    }
}

impl Wire for DuplexStream {
    fn reset_on_drop(&self) {}
}

/// Err is the end of the connection, and which.
type Flow<T = ()> = Result<T, End>;

#[derive(Debug)]
pub(super) struct Link<W> {
    pub(super) node: Arc<Node>,
    pub(super) wire: W,
    pub(super) session: Session,
    pub(super) control: watch::Receiver<End>,
    pub(super) pushes: mpsc::Receiver<Reply>,
    pub(super) input: Vec<u8>,
    pub(super) output: Vec<u8>,
}

impl<W: Wire> Link<W> {
    /// Serves the connection to its end.
    pub(super) async fn serve(mut self) {
        let end = loop {
            if let Err(end) = self.turn().await {
                break end;
            }
        };
        self.node.clients.lock().remove(&self.session.id);
        if end == End::Reset {
            self.wire.reset_on_drop();
        } else {
            let _ = timeout(WRITE_WITHIN, self.wire.shutdown()).await;
        }
        drop(self.wire);
        self.node.observed.notify();
    }

    /// Answers the next command, or waits for something to happen.
    async fn turn(&mut self) -> Flow {
        self.while_stalled().await?;
        match decode_request(&self.input) {
            Ok(Some((request, taken))) => {
                self.input.drain(..taken);
                if request.is_empty() { Ok(()) } else { self.answer(request).await }
            }
            Ok(None) => {
                self.flush().await?;
                self.idle().await
            }
            Err(refusal) => {
                self.put(&Reply::Error(format!("ERR Protocol error: {refusal}")));
                self.flush().await?;
                Err(End::Close)
            }
        }
    }

    /// Waits for bytes, a message to a subscriber, or a change from outside.
    async fn idle(&mut self) -> Flow {
        tokio::select! {
            biased;
            changed = self.control.changed() => changed.map_err(|_| End::Close),
            Some(message) = self.pushes.recv() => {
                self.put(&message);
                Ok(())
            }
            read = self.wire.read_buf(&mut self.input) => ended(&read),
        }
    }

    /// Returns when the connection is not stalled, or at its end.
    async fn while_stalled(&mut self) -> Flow {
        loop {
            let mode = *self.control.borrow_and_update();
            match mode {
                End::Open | End::Mute => return Ok(()),
                End::Close | End::Reset => return Err(mode),
                End::Stall => {}
            }
            let room = self.input.len() < AHEAD_MAX;
            tokio::select! {
                changed = self.control.changed() => changed.map_err(|_| End::Close)?,
                // What comes is acknowledged and kept, should the connection go on.
                read = self.wire.read_buf(&mut self.input), if room => ended(&read)?,
            }
        }
    }

    async fn answer(&mut self, request: Request) -> Flow {
        let seen = dispatch::seen(self.session.id, request);
        self.node.observed.received(&seen);
        match self.node.faults.meet(&seen) {
            Action::Execute => {
                let reply = self.execute(&seen.args).await?;
                self.output.extend_from_slice(&reply);
                Ok(())
            }
            Action::Error(text) => {
                if let Some(multi) = &mut self.session.multi {
                    multi.broken = true;
                }
                self.put(&Reply::Error(text));
                Ok(())
            }
            Action::Reply(reply) => {
                self.put(&reply);
                Ok(())
            }
            Action::Raw(bytes, end) => self.send_and(&bytes, end).await,
            Action::Drop(end) => self.send_and(&[], end).await,
            Action::Lose(end) => {
                self.execute(&seen.args).await?;
                self.send_and(&[], end).await
            }
            Action::Partial(length, end) => {
                let reply = self.execute(&seen.args).await?;
                self.send_and(&reply[..length.min(reply.len())], end).await
            }
            Action::DelayBefore(delay) => {
                self.pause(delay).await?;
                let reply = self.execute(&seen.args).await?;
                self.send_and(&reply, End::Open).await
            }
            Action::DelayReply(delay) => {
                let reply = self.execute(&seen.args).await?;
                self.pause(delay).await?;
                self.send_and(&reply, End::Open).await
            }
        }
    }

    /// Sends this after what is due, and has the connection go on so.
    async fn send_and(&mut self, bytes: &[u8], end: End) -> Flow {
        self.output.extend_from_slice(bytes);
        match end {
            End::Open => Ok(()),
            End::Close | End::Reset => {
                self.flush().await?;
                Err(end)
            }
            End::Stall | End::Mute => {
                self.flush().await?;
                if let Some(client) = self.node.clients.lock().get(&self.session.id) {
                    client.control.send_replace(end);
                }
                self.node.observed.notify();
                Ok(())
            }
        }
    }

    /// Runs a command and returns the bytes of its reply.
    async fn execute(&mut self, args: &[Vec<u8>]) -> Flow<Vec<u8>> {
        let answer = dispatch::dispatch(&self.node, &mut self.session, args);
        self.show(args);
        let mut bytes = Vec::new();
        match answer {
            Answer::Replies(replies) => {
                for reply in &replies {
                    encode_reply(reply, self.session.protocol, &mut bytes);
                }
            }
            Answer::Close(reply) => {
                self.put(&reply);
                self.flush().await?;
                return Err(End::Close);
            }
            Answer::Wait { served, timeout, nothing } => {
                let reply = self.wait(served, timeout, nothing).await?;
                encode_reply(&reply, self.session.protocol, &mut bytes);
            }
        }
        Ok(bytes)
    }

    /// Lets the others see what the connection is about.
    fn show(&self, args: &[Vec<u8>]) {
        let mut clients = self.node.clients.lock();
        let Some(client) = clients.get_mut(&self.session.id) else { return };
        let session = &self.session;
        session.name.clone_into(&mut client.name);
        client.user = session.user.clone().unwrap_or_default();
        client.db = session.db;
        client.protocol = session.protocol;
        client.multi = session.multi.as_ref().map(|multi| multi.queue.len());
        client.last_command = String::from_utf8_lossy(&args[0]).into_owned();
    }

    /// Waits until served, timed out or unblocked.
    async fn wait(
        &mut self,
        mut served: oneshot::Receiver<Reply>,
        timeout: Option<Duration>,
        nothing: Reply,
    ) -> Flow<Reply> {
        self.flush().await?;
        let (sender, mut unblocked) = oneshot::channel();
        if let Some(client) = self.node.clients.lock().get_mut(&self.session.id) {
            client.unblock = Some(sender);
        }
        self.node.observed.notify();
        let deadline = Instant::now() + timeout.unwrap_or(FAR);
        let otherwise = loop {
            let room = self.input.len() < AHEAD_MAX;
            tokio::select! {
                biased;
                reply = &mut served => break reply.unwrap_or_else(|_| nothing.clone()),
                how = &mut unblocked => break unblock_reply(how.ok(), &nothing),
                changed = self.control.changed() => self.ended_by(changed)?,
                read = self.wire.read_buf(&mut self.input), if room => ended(&read)?,
                () = sleep_until(deadline) => break nothing.clone(),
            }
        };
        if let Some(client) = self.node.clients.lock().get_mut(&self.session.id) {
            client.unblock = None;
        }
        // It may have been served in this very moment: then nothing else counts.
        served.close();
        Ok(served.try_recv().unwrap_or(otherwise))
    }

    /// Lets time pass, unless the connection is ended meanwhile.
    async fn pause(&mut self, delay: Duration) -> Flow {
        self.flush().await?;
        let deadline = sleep(delay);
        tokio::pin!(deadline);
        loop {
            tokio::select! {
                () = &mut deadline => return Ok(()),
                changed = self.control.changed() => self.ended_by(changed)?,
            }
        }
    }

    fn ended_by(&mut self, changed: Result<(), watch::error::RecvError>) -> Flow {
        changed.map_err(|_| End::Close)?;
        match *self.control.borrow() {
            end @ (End::Close | End::Reset) => Err(end),
            End::Open | End::Stall | End::Mute => Ok(()),
        }
    }

    fn put(&mut self, reply: &Reply) {
        encode_reply(reply, self.session.protocol, &mut self.output);
    }

    /// Sends what is due; when stalled, not before it goes on; when mute, never.
    async fn flush(&mut self) -> Flow {
        if self.output.is_empty() {
            return Ok(());
        }
        self.while_stalled().await?;
        let output = std::mem::take(&mut self.output);
        if *self.control.borrow() == End::Mute {
            return Ok(());
        }
        let written = timeout(WRITE_WITHIN, self.wire.write_all(&output)).await;
        if matches!(written, Ok(Ok(()))) { Ok(()) } else { Err(End::Close) }
    }
}

fn ended(read: &std::io::Result<usize>) -> Flow {
    match read {
        Ok(0) | Err(_) => Err(End::Close),
        Ok(_) => Ok(()),
    }
}

fn unblock_reply(how: Option<Unblock>, nothing: &Reply) -> Reply {
    match how {
        None | Some(Unblock::Timeout) => nothing.clone(),
        Some(Unblock::Error) => Reply::error(errors::UNBLOCKED),
        Some(Unblock::Demoted) => Reply::error(errors::DEMOTED),
    }
}
