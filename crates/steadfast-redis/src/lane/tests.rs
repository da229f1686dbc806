//! A lane over an in-memory connection, with a peer that the test plays.

use super::driver::{Driver, Ended};
use super::queue::{Lane, Refused};
use super::ticket::{Answer, Lost};
use crate::resp::Reply;
use redis::Value;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, DuplexStream, ReadBuf};
use tokio::task::JoinHandle;
use tokio::time::Instant;
use tokio_util::task::TaskTracker;

struct Peer {
    io: DuplexStream,
    ended: JoinHandle<Ended>,
}

fn lane(buffer: usize) -> (Lane, Peer) {
    let (ours, theirs) = tokio::io::duplex(buffer);
    let (lane, driver) = Driver::new(ours, 1000, 1 << 20);
    (lane, Peer { io: theirs, ended: TaskTracker::new().spawn(driver) })
}

impl Peer {
    async fn read(&mut self, count: usize) -> Vec<u8> {
        let mut bytes = vec![0; count];
        self.io.read_exact(&mut bytes).await.unwrap();
        bytes
    }
}

fn soon() -> Instant {
    Instant::now() + Duration::from_secs(5)
}

fn int(number: i64) -> Reply {
    Reply::Value(Value::Int(number))
}

#[tokio::test]
async fn replies_come_in_order_and_pipelines_whole() {
    let (lane, mut peer) = lane(4096);
    let first = lane.offer(b"A".to_vec(), None).unwrap();
    let pipe = lane.offer(b"BB".to_vec(), Some(2)).unwrap();
    let last = lane.offer(b"C".to_vec(), None).unwrap();
    assert_eq!(peer.read(4).await, b"ABBC");
    assert_eq!(lane.load().in_flight, 3);
    peer.io.write_all(b":1\r\n:2\r\n-ERR no\r\n:3\r\n").await.unwrap();
    assert_eq!(first.wait(soon()).await.unwrap(), Answer::One(int(1)));
    assert_eq!(
        pipe.wait(soon()).await.unwrap(),
        Answer::Many(vec![int(2), Reply::Error("ERR no".to_owned())])
    );
    assert_eq!(last.wait(soon()).await.unwrap(), Answer::One(int(3)));
    assert_eq!((lane.load().in_flight, lane.answered()), (0, 3));
}

/// What no byte of was with the socket was not sent: exactly that, and nothing else.
#[tokio::test]
async fn what_was_sent_and_what_was_not_is_told_apart() {
    let (lane, mut peer) = lane(4);
    let whole = lane.offer(b"AAA".to_vec(), None).unwrap();
    let part = lane.offer(b"BBB".to_vec(), None).unwrap();
    let none = lane.offer(b"CCC".to_vec(), None).unwrap();
    // The pipe holds four bytes: three of the first, one of the second.
    assert_eq!(peer.read(1).await, b"A");
    tokio::task::yield_now().await;
    drop(peer.io);
    assert!(matches!(whole.wait(soon()).await, Err(Lost::Sent(_))));
    assert!(matches!(part.wait(soon()).await, Err(Lost::Sent(_))));
    assert!(matches!(none.wait(soon()).await, Err(Lost::NotSent(_))));
    assert!(matches!(peer.ended.await.unwrap(), Ended::Eof | Ended::Io(_)));
    assert!(matches!(lane.offer(b"D".to_vec(), None), Err(Refused::Closed(_))));
}

#[tokio::test(start_paused = true)]
async fn what_its_caller_gave_up_before_it_was_sent_is_never_sent() {
    let (lane, mut peer) = lane(1);
    let wave = vec![b'A'; super::WAVE_BYTES + 100];
    let first = lane.offer(wave.clone(), None).unwrap();
    assert_eq!(peer.read(1).await, b"A");
    let late = lane.offer(b"B".to_vec(), None).unwrap();
    let dropped = lane.offer(b"C".to_vec(), None).unwrap();
    let kept = lane.offer(b"D".to_vec(), None).unwrap();
    assert!(matches!(late.wait(Instant::now() + Duration::from_millis(5)).await, Err(Lost::LateNotSent)));
    drop(dropped);
    let soon_gone = first.wait(Instant::now() + Duration::from_millis(5)).await;
    assert!(matches!(soon_gone, Err(Lost::LateSent)), "its bytes are on their way");
    assert_eq!(peer.read(wave.len()).await.last(), Some(&b'D'));
    peer.io.write_all(b":1\r\n:2\r\n").await.unwrap();
    assert_eq!(kept.wait(soon()).await.unwrap(), Answer::One(int(2)), "each still gets its own");
    assert_eq!(lane.load().in_flight, 0);
}

#[tokio::test]
async fn the_queue_is_bounded_by_bytes() {
    let (lane, _peer) = lane(1);
    let _first = lane.offer(vec![b'A'; super::WAVE_BYTES], None).unwrap();
    while lane.0.waiting() > 0 {
        tokio::task::yield_now().await;
    }
    let _second = lane.offer(vec![b'B'; 900], None).unwrap();
    assert!(matches!(lane.offer(vec![b'C'; 101], None), Err(Refused::Full)));
    let _third = lane.offer(vec![b'D'; 100], None).unwrap();
}

#[tokio::test]
async fn a_lane_that_retires_answers_what_it_has() {
    let (lane, mut peer) = lane(4096);
    let last = lane.offer(b"A".to_vec(), None).unwrap();
    lane.retire();
    assert!(!lane.is_open());
    assert!(matches!(lane.offer(b"B".to_vec(), None), Err(Refused::Closed(_))));
    assert_eq!(peer.read(1).await, b"A");
    peer.io.write_all(b":1\r\n").await.unwrap();
    assert_eq!(last.wait(soon()).await.unwrap(), Answer::One(int(1)));
    assert!(matches!(peer.ended.await.unwrap(), Ended::Closed));
}

#[tokio::test]
async fn a_lane_that_is_killed_ends_at_once() {
    let (lane, mut peer) = lane(4096);
    let lost = lane.offer(b"A".to_vec(), None).unwrap();
    assert_eq!(peer.read(1).await, b"A");
    lane.kill(Ended::Dead);
    assert!(matches!(lost.wait(soon()).await, Err(Lost::Sent(Ended::Dead))));
    assert!(matches!(peer.ended.await.unwrap(), Ended::Dead));
}

#[tokio::test]
async fn a_driver_that_is_dropped_tells_its_callers() {
    let (ours, _theirs) = tokio::io::duplex(64);
    let (lane, driver) = Driver::new(ours, 1000, 1000);
    let lost = lane.offer(b"A".to_vec(), None).unwrap();
    drop(driver);
    assert!(matches!(lost.wait(soon()).await, Err(Lost::NotSent(Ended::Dropped))));
}

#[tokio::test]
async fn a_reply_to_nothing_ends_the_lane() {
    let (_lane, mut peer) = lane(64);
    peer.io.write_all(b"HTTP/1.1 400\r\n").await.unwrap();
    assert!(matches!(peer.ended.await.unwrap(), Ended::Protocol(_)));
    let (_other, mut peer) = lane(64);
    peer.io.write_all(b":1\r\n").await.unwrap();
    assert!(matches!(peer.ended.await.unwrap(), Ended::Protocol(_)), "nobody asked for it");
}

#[tokio::test(start_paused = true)]
async fn silence_counts_from_the_send_or_the_last_byte() {
    let (lane, mut peer) = lane(4096);
    tokio::time::advance(Duration::from_secs(60)).await;
    assert_eq!(lane.load().silent, Duration::ZERO, "idle is not silent");
    let reply = lane.offer(b"A".to_vec(), None).unwrap();
    let _other = lane.offer(b"B".to_vec(), None).unwrap();
    assert_eq!(peer.read(2).await, b"AB");
    tokio::time::advance(Duration::from_millis(500)).await;
    assert_eq!(lane.load().silent, Duration::from_millis(500));
    peer.io.write_all(b":1\r\n").await.unwrap();
    assert!(reply.wait(soon()).await.is_ok());
    tokio::time::advance(Duration::from_millis(300)).await;
    assert_eq!(lane.load().silent, Duration::from_millis(300), "a byte came");
    let long = lane.offer(b"C".to_vec(), None).unwrap();
    assert_eq!(peer.read(1).await, b"C");
    peer.io.write_all(b":2\r\n").await.unwrap();
    tokio::task::yield_now().await;
    tokio::time::advance(Duration::from_millis(300)).await;
    peer.io.write_all(b"$7\r\nhal").await.unwrap();
    tokio::task::yield_now().await;
    tokio::time::advance(Duration::from_millis(200)).await;
    assert_eq!(lane.load().silent, Duration::from_millis(200), "a part of a reply is progress");
    peer.io.write_all(b"fway\r\n").await.unwrap();
    assert!(long.wait(soon()).await.is_ok());
}

/// More replies at once than are handed out in one turn, and nothing after them.
#[tokio::test]
async fn all_replies_are_handed_out_though_the_server_is_gone() {
    let (lane, mut peer) = lane(4096);
    let count = 3 * super::WAVE_CALLERS + 1;
    let tickets: Vec<_> = (0..count).map(|_| lane.offer(b"A".to_vec(), None).unwrap()).collect();
    peer.read(count).await;
    peer.io.write_all(&b":1\r\n".repeat(count)).await.unwrap();
    drop(peer.io);
    for ticket in tickets {
        assert_eq!(ticket.wait(soon()).await.unwrap(), Answer::One(int(1)));
    }
    assert!(matches!(peer.ended.await.unwrap(), Ended::Eof));
}

/// A stream that counts its writes.
struct Counted(DuplexStream, Arc<AtomicUsize>);

impl AsyncRead for Counted {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_read(cx, buf)
    }
}

impl AsyncWrite for Counted {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.1.fetch_add(1, Ordering::Relaxed);
        Pin::new(&mut self.0).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(cx)
    }
}

/// Callers that are answered together offer together: one write for all of them, also where a scheduler runs what was
/// woken last first.
#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn what_is_offered_together_is_written_together() {
    const CALLERS: usize = 50;
    const TURNS: usize = 20;
    let (ours, mut theirs) = tokio::io::duplex(4096);
    let writes = Arc::new(AtomicUsize::new(0));
    let (lane, driver) = Driver::new(Counted(ours, Arc::clone(&writes)), 1000, 1000);
    let tasks = TaskTracker::new();
    tasks.spawn(driver);
    for _ in 0..CALLERS {
        let lane = lane.clone();
        tasks.spawn(async move {
            for _ in 0..TURNS {
                let ticket = lane.offer(b"A".to_vec(), None).unwrap();
                assert_eq!(ticket.wait(soon()).await.unwrap(), Answer::One(int(1)));
            }
        });
    }
    // Beside the worker, as a server is.
    let mut answered = 0;
    while answered < CALLERS * TURNS {
        let mut bytes = [0; 4096];
        let count = theirs.read(&mut bytes).await.unwrap();
        theirs.write_all(&b":1\r\n".repeat(count)).await.unwrap();
        answered += count;
    }
    let writes = writes.load(Ordering::Relaxed);
    assert!(writes <= CALLERS * TURNS / 4, "{writes} writes for {TURNS} turns of {CALLERS} callers");
}
