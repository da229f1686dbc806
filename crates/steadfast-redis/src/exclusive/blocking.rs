//! Commands that the server may keep waiting.
//!
//! A blocking pop takes its element out when it answers. If the caller is gone by then, the element would be gone too.
//! So such a command belongs to a task that outlives its caller: when the caller goes away, or its time is over, the task
//! asks the server to stop waiting, and what was popped all the same is put back where it was.

use super::Held;
use super::orphan::{put_back, server_wait_s};
use crate::client::{Client, value_in};
use crate::command::{Access, Facts};
use crate::error::{Error, ErrorKind, Outcome, Result};
use crate::fault::Fault;
use crate::lane::{Answer, Lost};
use redis::{Cmd, Value};
use std::time::Duration;
use tokio::sync::oneshot;
use tokio::time::Instant;
use tokio_util::sync::{CancellationToken, DropGuard};

/// What the way to the server and back, and its timers, may add to its own wait.
const ROUND_TRIP: Duration = Duration::from_secs(1);
/// The pause after a refusal that passes.
const AGAIN_AFTER: Duration = Duration::from_millis(20);
/// How long a server that was asked to stop waiting has for it.
const UNBLOCK_WITHIN: Duration = Duration::from_millis(500);
/// How long it is tried to put back what was popped for nobody.
const PUT_BACK_WITHIN: Duration = Duration::from_secs(60);

/// An answer that is put back unless it is taken.
struct Parcel {
    value: Option<Value>,
    cmd: Cmd,
    client: Client,
}

impl Parcel {
    fn take(mut self) -> Value {
        self.value.take().unwrap_or_default()
    }
}

impl Drop for Parcel {
    fn drop(&mut self) {
        let Some(back) = self.value.as_ref().and_then(|value| put_back(&self.cmd, value)) else { return };
        let client = self.client.clone();
        self.client.spawn_call(async move { client.restore(&back).await });
    }
}

impl Client {
    /// Sends a command that may keep its connection waiting (`BLPOP`, `BZPOPMIN`, `XREAD BLOCK`, `WAIT`), on a connection of
    /// its own, until the server answers or `deadline`.
    ///
    /// If the deadline comes first, the server is asked to stop waiting, so that nothing is popped later; what it had
    /// popped already is put back where it was. A connection that says nothing a second after the command's own time is
    /// over is closed.
    ///
    /// # Errors
    /// As [`Client::execute`]. After an ambiguous one an element may have been popped and lost with the connection: use
    /// `BLMOVE` or a consumer group where that must not be.
    ///
    /// Cancel safe: dropped, it is the same as a deadline that has come. So is [`Client::close`].
    pub async fn blocking(&self, cmd: &Cmd, deadline: Instant) -> Result<Value> {
        let facts = Facts::of(cmd);
        if facts.changes_connection {
            let why = "it changes the state of its connection";
            return Err(Error::new(ErrorKind::Validation, "SHARED", Outcome::NotSent, why).of(facts.name));
        }
        let cancel = self.closing().child_token();
        if cancel.is_cancelled() {
            return Err(closed(Outcome::NotSent).of(facts.name));
        }
        let _guard: DropGuard = cancel.clone().drop_guard();
        let (told, answer) = oneshot::channel();
        let (client, owned) = (self.clone(), cmd.clone());
        self.spawn_call(async move {
            let result = client.hold(&owned, deadline, &cancel).await;
            // If nobody listens any more, the parcel comes back and is dropped here.
            let _ = told.send(result.map(|value| Parcel { value: Some(value), cmd: owned, client }));
        });
        match answer.await {
            Ok(result) => result.map(Parcel::take).map_err(|error| error.of(facts.name)),
            Err(_) => Err(closed(Outcome::Ambiguous).of(facts.name)),
        }
    }

    async fn hold(&self, cmd: &Cmd, deadline: Instant, cancel: &CancellationToken) -> Result<Value> {
        loop {
            let (node, held) = tokio::select! {
                found = async {
                    let node = self.route_for(cmd, deadline).await?;
                    node.ready(Facts::of(cmd).access != Access::Read, deadline).await?;
                    let held = Held::of(&node, deadline).await?;
                    Ok::<_, Error>((node, held))
                } => found?,
                () = cancel.cancelled() => return Err(self.gone()),
            };
            match self.wait_on(held, cmd, deadline, cancel).await {
                // Somebody asked the server to stop waiting, or the node is the primary no more: nothing was popped.
                Err(error)
                    if self.may_block_again(&node, &error)
                        && Instant::now() < deadline
                        && !cancel.is_cancelled() =>
                {
                    if !matches!(error.fault(), Some(Fault::Moved(_) | Fault::Unblocked)) {
                        // Nobody says when it passes: a slot on its way, a script that runs.
                        let again = (Instant::now() + AGAIN_AFTER).min(deadline);
                        let _ = tokio::time::timeout_at(again, cancel.cancelled()).await;
                    }
                }
                result => {
                    self.count(&node, Facts::of(cmd).operation, None, result.as_ref().err());
                    return result;
                }
            }
        }
    }

    async fn wait_on(
        &self,
        mut held: Held,
        cmd: &Cmd,
        deadline: Instant,
        cancel: &CancellationToken,
    ) -> Result<Value> {
        let server_wait = server_wait_s(cmd).filter(|wait| *wait > 0.0);
        let patience =
            server_wait.map(|wait| Instant::now() + Duration::from_secs_f64(wait.min(1e9)) + ROUND_TRIP);
        let hung = patience.unwrap_or(deadline).max(Instant::now());
        let until = deadline.min(hung);
        let since = Instant::now();
        let Ok(ticket) = held.lane.offer(cmd.get_packed_command(), None) else {
            let why = "the connection ended";
            return Err(
                Error::new(ErrorKind::Connection, "CLOSED", Outcome::NotSent, why).on(&held.node.name)
            );
        };
        held.set_dirty(true);
        let mut waiting = Box::pin(ticket.wait(hung.max(deadline) + UNBLOCK_WITHIN));
        let answer = tokio::select! {
            answer = &mut waiting => answer,
            () = tokio::time::sleep_until(until) => self.unblocked(&held, &mut waiting).await,
            () = cancel.cancelled() => self.unblocked(&held, &mut waiting).await,
        };
        drop(waiting);
        match answer {
            Ok(answer) => {
                held.set_dirty(false);
                value_in(answer, &Facts::of(cmd))
            }
            Err(lost) => Err(held.node.explain(lost, since.elapsed())),
        }
    }

    /// Asks the server to stop waiting, and takes what comes then.
    async fn unblocked(
        &self,
        held: &Held,
        waiting: &mut (impl Future<Output = Result<Answer, Lost>> + Unpin),
    ) -> Result<Answer, Lost> {
        let until = Instant::now() + UNBLOCK_WITHIN;
        if let Some(id) = held.client_id {
            let unblock = redis::cmd("CLIENT").arg("UNBLOCK").arg(id).arg("TIMEOUT").get_packed_command();
            let _ = held.node.send(unblock, None, false, until).await;
        }
        tokio::time::timeout_at(until, waiting).await.unwrap_or(Err(Lost::LateSent))
    }

    /// Why a call that had not begun is not made.
    fn gone(&self) -> Error {
        if self.closing().is_cancelled() {
            return closed(Outcome::NotSent);
        }
        Error::new(ErrorKind::Timeout, "DEADLINE", Outcome::NotSent, "its caller is gone")
    }

    /// Puts back what was popped for nobody.
    async fn restore(&self, back: &Cmd) {
        let deadline = Instant::now() + PUT_BACK_WITHIN;
        loop {
            let Err(error) = self.execute(back, deadline).await else { return };
            if error.outcome() == Outcome::Ambiguous || Instant::now() >= deadline {
                tracing::error!(%error, "what was popped for a caller that was gone could not be put back");
                return;
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }
}

fn closed(outcome: Outcome) -> Error {
    Error::new(ErrorKind::Connection, "CLOSED", outcome, "the client was closed")
}
