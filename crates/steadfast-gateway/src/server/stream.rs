//! A socket that does not wait for ever.

use super::activity::Activity;
use crate::config::Limits;
use std::io::{Error, ErrorKind, Result};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep};

/// How long a closed connection's unread rest is taken.
const LINGER: Duration = Duration::from_secs(1);
/// … and how much of it.
const LINGER_BYTES_MAX: usize = 1024 * 1024;

/// Reads and writes of one connection, each with a deadline: for the first byte of a request, for its
/// head, and for the peer to take an answer. The body's deadline is the handler's.
#[derive(Debug)]
pub(super) struct TimedStream<S> {
    stream: S,
    activity: Arc<Activity>,
    limits: Limits,
    read_timer: Timer,
    write_timer: Timer,
    /// Since when the peer has not taken what is to be written.
    stalled: Option<Instant>,
    /// The writing side is closed.
    shut: bool,
    linger_until: Option<Instant>,
    linger_bytes: usize,
}

/// A timer kept from one use to the next.
#[derive(Debug, Default)]
struct Timer(Option<Pin<Box<Sleep>>>);

impl Timer {
    fn poll(&mut self, deadline: Instant, context: &mut Context<'_>) -> Poll<()> {
        let sleep = self.0.get_or_insert_with(|| Box::pin(tokio::time::sleep_until(deadline)));
        if sleep.deadline() != deadline {
            sleep.as_mut().reset(deadline);
        }
        sleep.as_mut().poll(context)
    }
}

impl<S> TimedStream<S> {
    pub(super) fn new(stream: S, activity: Arc<Activity>, limits: &Limits) -> Self {
        let limits = limits.clone();
        let (read_timer, write_timer) = (Timer::default(), Timer::default());
        Self {
            stream,
            activity,
            limits,
            read_timer,
            write_timer,
            stalled: None,
            shut: false,
            linger_until: None,
            linger_bytes: LINGER_BYTES_MAX,
        }
    }

    /// What a write that did not go through comes to: waiting, or giving the peer up.
    fn wait_for_peer<T>(&mut self, context: &mut Context<'_>) -> Poll<Result<T>> {
        let since = *self.stalled.get_or_insert_with(Instant::now);
        ready!(self.write_timer.poll(since + self.limits.write_timeout, context));
        Poll::Ready(Err(Error::new(ErrorKind::TimedOut, "the peer does not take the answer")))
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for TimedStream<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<Result<()>> {
        let this = &mut *self;
        let filled = buffer.filled().len();
        if let Poll::Ready(result) = Pin::new(&mut this.stream).poll_read(context, buffer) {
            result?;
            if buffer.filled().len() > filled && !this.activity.bytes_came() {
                return Poll::Ready(Err(Error::new(ErrorKind::ConnectionAborted, "closed to make room")));
            }
            return Poll::Ready(Ok(()));
        }
        let Some(deadline) = this.activity.read_deadline(&this.limits) else {
            return Poll::Pending;
        };
        ready!(this.read_timer.poll(deadline, context));
        Poll::Ready(Err(Error::new(ErrorKind::TimedOut, "the request did not come in time")))
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncWrite for TimedStream<S> {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<Result<usize>> {
        match Pin::new(&mut self.stream).poll_write(context, bytes) {
            Poll::Ready(result) => Poll::Ready(result),
            Poll::Pending => self.wait_for_peer(context),
        }
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[std::io::IoSlice<'_>],
    ) -> Poll<Result<usize>> {
        match Pin::new(&mut self.stream).poll_write_vectored(context, slices) {
            Poll::Ready(result) => Poll::Ready(result),
            Poll::Pending => self.wait_for_peer(context),
        }
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    /// Only a whole answer taken ends the stall: a peer that takes a byte now and then does not.
    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Result<()>> {
        match Pin::new(&mut self.stream).poll_flush(context) {
            Poll::Ready(result) => {
                self.stalled = None;
                Poll::Ready(result)
            }
            Poll::Pending => self.wait_for_peer(context),
        }
    }

    /// Closing a socket that holds unread bytes resets it, and a reset can destroy the answer before the
    /// peer has read it. So where some of a request was left unread, the rest is taken and thrown away
    /// for a moment.
    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Result<()>> {
        let this = &mut *self;
        if !this.shut {
            match Pin::new(&mut this.stream).poll_shutdown(context) {
                Poll::Ready(result) => result?,
                Poll::Pending => return this.wait_for_peer(context),
            }
            this.shut = true;
        }
        if !this.activity.left_unread() {
            return Poll::Ready(Ok(()));
        }
        this.poll_linger(context).map(Ok)
    }
}

impl<S: AsyncRead + Unpin> TimedStream<S> {
    fn poll_linger(&mut self, context: &mut Context<'_>) -> Poll<()> {
        let until = *self.linger_until.get_or_insert_with(|| Instant::now() + LINGER);
        let mut scratch = [0; 4_096];
        while self.linger_bytes > 0 {
            let mut buffer = ReadBuf::new(&mut scratch);
            match Pin::new(&mut self.stream).poll_read(context, &mut buffer) {
                Poll::Ready(Ok(())) if !buffer.filled().is_empty() => {
                    self.linger_bytes = self.linger_bytes.saturating_sub(buffer.filled().len());
                }
                Poll::Ready(_) => return Poll::Ready(()),
                Poll::Pending => return self.read_timer.poll(until, context),
            }
        }
        Poll::Ready(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    fn timed(buffer_bytes: usize) -> (TimedStream<tokio::io::DuplexStream>, tokio::io::DuplexStream) {
        let (ours, theirs) = tokio::io::duplex(buffer_bytes);
        (TimedStream::new(ours, Arc::new(Activity::new(Instant::now())), &Limits::default()), theirs)
    }

    #[tokio::test(start_paused = true)]
    async fn a_silent_peer_is_given_up_soon_when_new_and_later_when_known() {
        for (known, seconds) in [(false, 5), (true, 30)] {
            let (mut ours, _theirs) = timed(64);
            if known {
                ours.activity.end();
            }
            let began = Instant::now();
            let error = ours.read_u8().await.expect_err("nothing came");
            assert_eq!((error.kind(), began.elapsed()), (ErrorKind::TimedOut, Duration::from_secs(seconds)));
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_drip_of_header_bytes_does_not_stretch_the_head_time() {
        let (mut ours, mut theirs) = timed(64);
        let began = Instant::now();
        let drip = async {
            while theirs.write_u8(b'a').await.is_ok() {
                tokio::time::sleep(Duration::from_secs(1)).await;
            }
        };
        let read = async {
            loop {
                if let Err(error) = ours.read_u8().await {
                    return (error.kind(), began.elapsed());
                }
            }
        };
        let (kind, after) =
            tokio::select! { end = read => end, () = drip => unreachable!("the drip goes on") };
        assert_eq!(kind, ErrorKind::TimedOut);
        assert_eq!(after, Duration::from_secs(5));
    }

    #[tokio::test(start_paused = true)]
    async fn a_peer_that_takes_nothing_is_given_up() {
        let (mut ours, mut theirs) = timed(8);
        let began = Instant::now();
        let sip = async {
            loop {
                tokio::time::sleep(Duration::from_secs(2)).await;
                let _ = theirs.read_u8().await;
            }
        };
        let error = tokio::select! {
            result = ours.write_all(&[0; 4_096]) => result.expect_err("it stalls"),
            () = sip => unreachable!("the sips go on"),
        };
        assert_eq!((error.kind(), began.elapsed()), (ErrorKind::TimedOut, Duration::from_secs(5)));
    }

    #[tokio::test(start_paused = true)]
    async fn a_peer_that_takes_each_answer_late_but_wholly_is_kept() {
        let (mut ours, mut theirs) = timed(8);
        for _ in 0..3 {
            let late = async {
                tokio::time::sleep(Duration::from_secs(4)).await;
                theirs.read_exact(&mut [0; 16]).await
            };
            let write = async {
                ours.write_all(&[0; 16]).await.expect("in time");
                ours.flush().await.expect("in time");
            };
            let ((), read) = tokio::join!(write, late);
            read.expect("all of it");
        }
    }
}
