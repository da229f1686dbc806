//! The connection's end of a lane.

use super::queue::{Lane, Request, Shared};
use super::ticket::{Answer, Lost, Slot};
use super::{WAVE_BYTES, WAVE_CALLERS};
use crate::resp::{Decoder, ProtocolError, Reply};
use bytes::{Buf, Bytes, BytesMut};
use std::collections::VecDeque;
use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use tokio::io::{AsyncRead, AsyncWrite};

/// What is read at a time, at least.
const READ_BYTES: usize = 16 * 1024;
/// A read buffer that grew beyond this for one reply is given back.
const BUFFER_KEPT: usize = 256 * 1024;

/// Why a lane ended.
#[derive(Debug, Clone)]
pub(crate) enum Ended {
    /// It was asked to.
    Closed,
    /// The server closed the connection.
    Eof,
    /// Reading or writing failed.
    Io(Arc<io::Error>),
    /// What came was no reply.
    Protocol(ProtocolError),
    /// Nothing came while a fresh connection was answered: the socket was dead.
    Dead,
    /// The program dropped the connection's task.
    Dropped,
}

struct InFlight {
    /// Where its first byte is in all that was ever to be written.
    start: u64,
    slot: Slot,
    pipeline: Option<(usize, Vec<Reply>)>,
}

/// Writes what callers offer and hands out the replies, until the lane ends. A future: it must be polled by a
/// task of its own. Dropped, it ends the lane and tells every caller what became of its command.
pub(crate) struct Driver<S> {
    io: S,
    shared: Arc<Shared>,
    decoder: Decoder,
    input: BytesMut,
    output: BytesMut,
    /// Bytes with the socket, since the beginning.
    written: u64,
    /// Bytes taken out of the queue, since the beginning.
    taken: u64,
    in_flight: VecDeque<InFlight>,
    flushed: bool,
    /// Callers have had their turn: what they offered is written now.
    gathered: bool,
    ended: Option<Ended>,
}

impl<S> std::fmt::Debug for Driver<S> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Driver").field("in_flight", &self.in_flight.len()).finish_non_exhaustive()
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> Driver<S> {
    /// A lane over `io`, which has been greeted. `queue_bytes_max` bounds what waits to be sent, `reply_bytes_max` a
    /// reply.
    pub(crate) fn new(io: S, queue_bytes_max: usize, reply_bytes_max: u64) -> (Lane, Self) {
        let lane = Lane::new(queue_bytes_max);
        let driver = Self {
            io,
            shared: Arc::clone(&lane.0),
            decoder: Decoder::new(reply_bytes_max),
            input: BytesMut::with_capacity(READ_BYTES),
            output: BytesMut::with_capacity(READ_BYTES),
            written: 0,
            taken: 0,
            in_flight: VecDeque::new(),
            flushed: true,
            gathered: false,
            ended: None,
        };
        (lane, driver)
    }

    /// Reads until nothing is there, or a wave of callers has been answered. How many were; an error is the lane's end.
    fn read(&mut self, cx: &mut Context<'_>) -> Result<usize, Ended> {
        let (mut answered, mut heard) = (0, false);
        loop {
            let before = answered;
            self.hand_out(&mut answered).map_err(Ended::Protocol)?;
            if heard || answered > before {
                let waits = (!self.in_flight.is_empty()).then(|| self.shared.now_ms());
                self.shared.set_silent(waits);
            }
            if answered >= WAVE_CALLERS {
                // The rest of the buffer comes after what these will offer.
                cx.waker().wake_by_ref();
                return Ok(answered);
            }
            if self.input.is_empty() && self.input.capacity() > BUFFER_KEPT {
                self.input = BytesMut::new();
            }
            self.input.reserve(READ_BYTES);
            match tokio_util::io::poll_read_buf(Pin::new(&mut self.io), cx, &mut self.input) {
                Poll::Pending => return Ok(answered),
                Poll::Ready(Ok(0)) => return Err(Ended::Eof),
                Poll::Ready(Ok(count)) => {
                    self.shared.count_read(count);
                    heard = true;
                }
                Poll::Ready(Err(error)) => return Err(Ended::Io(Arc::new(error))),
            }
        }
    }

    /// Gives replies to those who wait for them, until the buffer holds no whole one or a wave was answered.
    fn hand_out(&mut self, answered: &mut usize) -> Result<(), ProtocolError> {
        while *answered < WAVE_CALLERS
            && let Some(reply) = self.decoder.decode(&mut self.input)?
        {
            // Out of turn, and nobody on this lane has asked for any.
            if matches!(reply, Reply::Push(_)) {
                continue;
            }
            let Some(front) = self.in_flight.front_mut() else {
                let text = format!("{reply:?}").chars().take(60).collect();
                return Err(ProtocolError::Unasked(text));
            };
            let answer = match &mut front.pipeline {
                Some((missing, replies)) => {
                    replies.push(reply);
                    *missing -= 1;
                    if *missing > 0 {
                        continue;
                    }
                    Answer::Many(std::mem::take(replies))
                }
                None => Answer::One(reply),
            };
            if let Some(done) = self.in_flight.pop_front() {
                *answered += 1;
                self.shared.count_answer();
                // Whoever does not listen any more has been told by its deadline.
                let _ = done.slot.send(Ok(answer));
            }
        }
        Ok(())
    }

    /// True if the callers should run before anything is written: one write for all that they are about to offer costs
    /// less, here and at the server, than one for each. They need no more than one turn for that.
    fn wants_to_gather(&self, answered: usize) -> bool {
        let waiting = self.shared.waiting();
        let more_to_come = answered > 1 || (waiting > 0 && !self.in_flight.is_empty());
        more_to_come && waiting < WAVE_CALLERS && self.output.is_empty()
    }

    /// Writes until nothing is left or the socket is full. Ready is the lane's end.
    fn poll_write(&mut self, cx: &mut Context<'_>) -> Poll<Ended> {
        loop {
            self.fill();
            if self.output.is_empty() {
                if !self.flushed {
                    match ready!(Pin::new(&mut self.io).poll_flush(cx)) {
                        Ok(()) => self.flushed = true,
                        Err(error) => return Poll::Ready(Ended::Io(Arc::new(error))),
                    }
                }
                return Poll::Pending;
            }
            match ready!(Pin::new(&mut self.io).poll_write(cx, &self.output)) {
                Ok(0) => return Poll::Ready(Ended::Io(Arc::new(io::ErrorKind::WriteZero.into()))),
                Ok(count) => {
                    self.output.advance(count);
                    self.written += count as u64;
                    self.shared.count_written(count);
                    self.flushed = false;
                }
                Err(error) => return Poll::Ready(Ended::Io(Arc::new(error))),
            }
        }
    }

    fn fill(&mut self) {
        while self.output.len() < WAVE_BYTES
            && let Some(Request { packed, pipeline, slot }) = self.shared.take()
        {
            if self.in_flight.is_empty() {
                self.shared.set_silent(Some(self.shared.now_ms()));
            }
            let pipeline = pipeline.map(|count| (count, Vec::with_capacity(count)));
            self.in_flight.push_back(InFlight { start: self.taken, slot, pipeline });
            self.taken += packed.len() as u64;
            if self.output.is_empty() && packed.len() >= READ_BYTES {
                // A large one is taken as it is.
                self.output = BytesMut::from(Bytes::from(packed));
            } else {
                self.output.extend_from_slice(&packed);
            }
        }
    }

    fn poll_end(&mut self, cx: &mut Context<'_>) -> Poll<Ended> {
        // First, so that whatever is offered from here on wakes us.
        self.shared.driver.register(cx.waker());
        let closing = self.shared.closing();
        if let Some(Some(why)) = closing {
            return Poll::Ready(why);
        }
        // Before anything is written: a server that answered and went away must not cost an answer.
        let answered = match self.read(cx) {
            Ok(answered) => answered,
            Err(why) => return Poll::Ready(why),
        };
        if !std::mem::take(&mut self.gathered) && self.wants_to_gather(answered) {
            self.gathered = true;
            // To the end of the line: those who were just woken stand before us.
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        if let Poll::Ready(why) = self.poll_write(cx) {
            return Poll::Ready(why);
        }
        // After a full wave we stand in line already.
        self.gathered = answered >= WAVE_CALLERS;
        if closing.is_some() && self.in_flight.is_empty() && self.shared.waiting() == 0 {
            return Poll::Ready(Ended::Closed);
        }
        Poll::Pending
    }
}

impl<S> Driver<S> {
    /// Tells everybody what became of their commands.
    fn settle(&mut self, why: &Ended) {
        let waiting = self.shared.end(why);
        for lost in self.in_flight.drain(..) {
            let sent = lost.start < self.written;
            let lost_how = if sent { Lost::Sent(why.clone()) } else { Lost::NotSent(why.clone()) };
            let _ = lost.slot.send(Err(lost_how));
        }
        for request in waiting {
            let _ = request.slot.send(Err(Lost::NotSent(why.clone())));
        }
        self.shared.nothing_in_flight();
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> Future for Driver<S> {
    type Output = Ended;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Ended> {
        let this = &mut *self;
        let why = ready!(this.poll_end(cx));
        this.settle(&why);
        this.ended = Some(why.clone());
        Poll::Ready(why)
    }
}

impl<S> Drop for Driver<S> {
    fn drop(&mut self) {
        if self.ended.is_none() {
            self.settle(&Ended::Dropped);
        }
    }
}
