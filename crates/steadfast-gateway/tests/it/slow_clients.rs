//! Connections that are held and not used: whoever fills the table with them keeps nobody out.

use crate::support::{
    FORGED, Served, TWIML, WEBHOOK, head, read_answer, read_to_end, served, status_of, still_serves,
    text_message, wire, within,
};
use std::time::Duration;
use steadfast_gateway::Limits;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

const CONNECTIONS_MAX: usize = 32;

/// So many connections and no more; the timeouts are far away, so that only room is made.
fn few() -> Limits {
    let never = Duration::from_secs(3_600);
    Limits {
        connections_max: CONNECTIONS_MAX,
        connections_per_peer_max: CONNECTIONS_MAX,
        head_timeout: never,
        body_timeout: never,
        idle_timeout: never,
        refused_pause: never,
        ..Limits::default()
    }
}

/// Opens `count` connections and sends `bytes` on each.
async fn held(served: &Served, count: usize, bytes: &[u8]) -> Vec<TcpStream> {
    let mut all = Vec::new();
    for _ in 0..count {
        let mut stream = served.connect().await;
        // A connection that was turned away or closed for another may fail: that is the point.
        let _ = stream.write_all(bytes).await;
        all.push(stream);
    }
    all
}

/// Honest people try again; sooner or later, and long before the timeouts, they are served.
async fn honest_get_in(served: &Served) {
    within(5, async {
        loop {
            let mut stream = served.connect().await;
            let sent = stream.write_all(&wire(WEBHOOK, &text_message(1, "hello"))).await;
            let mut answer = [0; 12];
            if sent.is_ok() && stream.read_exact(&mut answer).await.is_ok() && &answer == b"HTTP/1.1 200" {
                return;
            }
        }
    })
    .await;
}

#[tokio::test]
async fn heads_and_bodies_that_never_end_keep_nobody_out() {
    let unended = [
        String::new(),
        "POST /webhook/twilio HTTP/1.1\r\nX: ".to_owned(),
        head("Content-Length: 1000\r\n\r\nBody="),
        head("Transfer-Encoding: chunked\r\n\r\n5\r\nBody="),
    ];
    for bytes in unended {
        let (served, queue) = served(few()).await;
        let attackers = held(&served, CONNECTIONS_MAX * 2, bytes.as_bytes()).await;
        honest_get_in(&served).await;
        assert_eq!(queue.jobs().await.len(), 1);
        drop(attackers);
    }
}

#[tokio::test]
async fn who_was_believed_keeps_the_connection_while_strangers_come_and_go() {
    let (served, queue) = served(few()).await;
    let mut known = served.connect().await;
    known.write_all(&wire(WEBHOOK, &text_message(1, "first"))).await.expect("sent");
    assert!(read_answer(&mut known).await.ends_with(TWIML));
    // Each stranger is at rest, and later than the known one.
    for _ in 0..10 {
        let mut crowd = Vec::new();
        for _ in 0..CONNECTIONS_MAX {
            let mut stream = served.connect().await;
            stream.write_all(b"GET /livez HTTP/1.1\r\nHost: a\r\n\r\n").await.expect("sent");
            assert!(read_answer(&mut stream).await.contains("alive"));
            crowd.push(stream);
        }
    }
    known.write_all(&wire(WEBHOOK, &text_message(2, "second"))).await.expect("still open");
    assert!(read_answer(&mut known).await.ends_with(TWIML));
    assert_eq!(queue.jobs().await.len(), 2);
}

#[tokio::test]
async fn refusals_without_end_are_held_back_and_hold_no_room() {
    let limits = Limits { refused_burst: 3, ..few() };
    let (served, queue) = served(limits).await;
    let forged = wire(WEBHOOK, &text_message(7, "forged"));
    let forged = String::from_utf8(forged).expect("text");
    let at = forged.find("X-Twilio-Signature: ").expect("signed") + 20;
    let forged = format!("{}{FORGED}{}", &forged[..at], &forged[at + FORGED.len()..]);
    let mut flooder = served.connect().await;
    for _ in 0..3 {
        flooder.write_all(forged.as_bytes()).await.expect("sent");
        assert_eq!(status_of(&read_answer(&mut flooder).await), "403");
    }
    // From here on each of its connections waits, and so do requests for what is not there.
    flooder.write_all(forged.as_bytes()).await.expect("sent");
    let others = held(&served, CONNECTIONS_MAX, b"GET /admin.php HTTP/1.1\r\nHost: a\r\n\r\n").await;
    // Among them, from the same address, the good ones are answered at once.
    honest_get_in(&served).await;
    assert_eq!(queue.jobs().await.len(), 1);
    let flood = flooder.try_read(&mut [0; 64]).map_err(|error| error.kind());
    assert!(matches!(
        flood,
        Ok(0) | Err(std::io::ErrorKind::WouldBlock | std::io::ErrorKind::ConnectionReset)
    ));
    drop(others);
}

#[tokio::test]
async fn large_bodies_on_their_way_have_one_bound_and_the_oldest_gives_way() {
    let limits = Limits { arriving_bytes_max: 40_000, ..Limits::default() };
    let (served, queue) = served(limits).await;
    let half = format!("{}{}", head("Content-Length: 60000\r\n\r\n"), "a".repeat(30_000));
    let mut first = served.connect().await;
    first.write_all(half.as_bytes()).await.expect("sent");
    // The second takes the first one's room as soon as both are there.
    let mut second = served.connect().await;
    second.write_all(half.as_bytes()).await.expect("sent");
    let answer = read_to_end(&mut first).await;
    assert_eq!(status_of(&answer), "503", "{answer}");
    assert!(answer.contains("retry-after: 1") && answer.contains("connection: close"), "{answer}");
    still_serves(&served).await;
    second.write_all("a".repeat(30_000).as_bytes()).await.expect("sent");
    let answer = read_answer(&mut second).await;
    assert!(["503", "403"].contains(&status_of(&answer)), "too large for the room, or through: {answer}");
    assert_eq!(queue.jobs().await.len(), 1);
}

#[tokio::test]
async fn connections_that_come_and_go_leave_nothing_behind() {
    let (served, queue) = served(few()).await;
    for round in 0..20 {
        let crowd = held(&served, 20, if round % 2 == 0 { b"" } else { b"POST /webhook/twilio HT" }).await;
        for stream in crowd {
            // Half of them are reset instead of closed.
            if round % 2 == 1 {
                stream.set_zero_linger().expect("a socket");
            }
        }
    }
    honest_get_in(&served).await;
    assert_eq!(queue.jobs().await.len(), 1);
}
