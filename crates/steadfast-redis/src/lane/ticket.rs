//! What a caller holds while its commands are on their way.

use super::driver::Ended;
use super::queue::Shared;
use crate::resp::Reply;
use std::sync::Arc;
use tokio::sync::oneshot;
use tokio::time::Instant;

/// What came back: one reply, or one for each command of a pipeline.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Answer {
    One(Reply),
    Many(Vec<Reply>),
}

/// Why nothing came back.
#[derive(Debug, Clone)]
pub(crate) enum Lost {
    /// The lane ended before a byte was with the socket.
    NotSent(Ended),
    /// The lane ended after that.
    Sent(Ended),
    /// The deadline passed in the queue; it will not be sent.
    LateNotSent,
    /// The deadline passed after it was sent.
    LateSent,
}

pub(super) type Slot = oneshot::Sender<Result<Answer, Lost>>;

/// A place in a lane. Dropped before it was sent, it is not sent.
#[derive(Debug)]
pub(crate) struct Ticket {
    pub(super) id: u64,
    pub(super) reply: oneshot::Receiver<Result<Answer, Lost>>,
    pub(super) shared: Arc<Shared>,
}

impl Ticket {
    /// The answer, or why there is none by `deadline`.
    ///
    /// Cancel safe in that nothing is corrupted: a command still in the queue is not sent, and the reply to
    /// one that was sent is dropped when it comes.
    pub(crate) async fn wait(mut self, deadline: Instant) -> Result<Answer, Lost> {
        if let Ok(answer) = tokio::time::timeout_at(deadline, &mut self.reply).await {
            return answer.unwrap_or(Err(Lost::Sent(Ended::Dropped)));
        }
        if self.shared.withdraw(self.id) {
            return Err(Lost::LateNotSent);
        }
        // The answer may have come in between.
        self.reply.try_recv().unwrap_or(Err(Lost::LateSent))
    }
}
