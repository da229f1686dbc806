//! Real sockets and the clients one would rather not have.

use crate::support::{
    Fault, Queue, TWIML, WEBHOOK, head, read_answer, read_to_end, served, status_of, still_serves,
    text_message, wire, within,
};
use std::time::Duration;
use steadfast_gateway::Limits;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

const SHORT: Duration = Duration::from_millis(150);

#[tokio::test]
async fn a_connection_carries_many_requests_pipelined_or_not() {
    let (served, queue) = served(Limits::default()).await;
    let mut stream = served.connect().await;
    for n in 0..3 {
        stream.write_all(&wire(WEBHOOK, &text_message(n, "one by one"))).await.expect("sent");
        assert!(read_answer(&mut stream).await.ends_with(TWIML));
    }
    let all: Vec<u8> = (3..13).flat_map(|n| wire(WEBHOOK, &text_message(n, "at once"))).collect();
    stream.write_all(&all).await.expect("sent");
    for _ in 3..13 {
        assert!(read_answer(&mut stream).await.ends_with(TWIML));
    }
    assert_eq!(queue.jobs().await.len(), 13);
}

#[tokio::test]
async fn a_body_in_pieces_or_chunks_is_put_together() {
    let (served, queue) = served(Limits::default()).await;
    let bytes = wire(WEBHOOK, &text_message(1, "in pieces"));
    let mut stream = served.connect().await;
    stream.set_nodelay(true).expect("no delay");
    for piece in bytes.chunks(7) {
        stream.write_all(piece).await.expect("sent");
        tokio::task::yield_now().await;
    }
    assert!(read_answer(&mut stream).await.ends_with(TWIML));

    let text = String::from_utf8(wire(WEBHOOK, &text_message(2, "in chunks"))).expect("text");
    let (head, form) = text.split_once("\r\n\r\n").expect("a body");
    let head: Vec<&str> = head.lines().filter(|line| !line.starts_with("Content-Length")).collect();
    let mut chunked = format!("{}\r\nTransfer-Encoding: chunked\r\n\r\n", head.join("\r\n"));
    for piece in form.as_bytes().chunks(10) {
        chunked.push_str(&format!("{:x}\r\n{}\r\n", piece.len(), String::from_utf8_lossy(piece)));
    }
    stream.write_all((chunked + "0\r\n\r\n").as_bytes()).await.expect("sent");
    assert!(read_answer(&mut stream).await.ends_with(TWIML));
    assert_eq!(queue.jobs().await.len(), 2);
}

#[tokio::test]
async fn a_head_that_never_ends_is_cut_off() {
    let limits = Limits { head_timeout: SHORT, ..Limits::default() };
    let (served, _) = served(limits).await;
    let mut stream = served.connect().await;
    let began = Instant::now();
    // A byte of header now and then, for as long as the server takes them.
    let drip = async {
        stream.write_all(head("X: ").as_bytes()).await.expect("sent");
        let (mut reader, mut writer) = stream.split();
        let mut sink = [0; 512];
        let mut drops = tokio::time::interval(Duration::from_millis(20));
        loop {
            tokio::select! {
                read = reader.read(&mut sink) => match read { Ok(0) | Err(_) => break, Ok(_) => {} },
                _ = drops.tick() => drop(writer.write_all(b"a").await),
            }
        }
    };
    within(5, drip).await;
    assert!(began.elapsed() >= SHORT);
    still_serves(&served).await;
}

#[tokio::test]
async fn a_silent_connection_is_closed_after_the_idle_time() {
    let limits = Limits { idle_timeout: SHORT, head_timeout: SHORT, ..Limits::default() };
    let (served, _) = served(limits).await;
    let mut fresh = served.connect().await;
    assert_eq!(read_to_end(&mut fresh).await, "");
    let mut used = served.connect().await;
    used.write_all(&wire(WEBHOOK, &text_message(1, "hi"))).await.expect("sent");
    assert!(read_answer(&mut used).await.ends_with(TWIML));
    assert_eq!(read_to_end(&mut used).await, "");
}

#[tokio::test]
async fn a_slow_body_is_answered_408() {
    let limits = Limits { body_timeout: SHORT, ..Limits::default() };
    let (served, queue) = served(limits).await;
    for framing in ["Content-Length: 100\r\n\r\nBody=", "Transfer-Encoding: chunked\r\n\r\n5\r\nBody="] {
        let began = Instant::now();
        let answer = served.exchange(head(framing).as_bytes()).await;
        assert_eq!(status_of(&answer), "408", "{answer}");
        assert!(answer.contains("connection: close"), "{answer}");
        assert!(began.elapsed() >= SHORT);
    }
    assert!(queue.jobs().await.is_empty());
}

#[tokio::test]
async fn a_body_that_is_too_large_is_refused_before_or_while_it_is_read() {
    let (served, _) = served(Limits::default()).await;
    let began = Instant::now();
    let answer = served.exchange(head("Content-Length: 65537\r\n\r\n").as_bytes()).await;
    assert_eq!(status_of(&answer), "413", "{answer}");
    // The answer arrives although the client goes on sending.
    let large = head("Content-Length: 200000\r\n\r\n") + &"a".repeat(200_000);
    assert_eq!(status_of(&served.exchange(large.as_bytes()).await), "413");
    // Chunks without an end, each small.
    let mut stream = served.connect().await;
    stream.write_all(head("Transfer-Encoding: chunked\r\n\r\n").as_bytes()).await.expect("sent");
    let (mut reader, mut writer) = stream.split();
    let chunk = format!("400\r\n{}\r\n", "a".repeat(1_024));
    let endless = async { while writer.write_all(chunk.as_bytes()).await.is_ok() {} };
    let mut answer = [0; 12];
    within(5, async {
        tokio::select! {
            () = endless => panic!("closed without an answer"),
            read = reader.read_exact(&mut answer) => drop(read.expect("an answer")),
        }
    })
    .await;
    assert_eq!(&answer, b"HTTP/1.1 413");
    assert!(began.elapsed() < Duration::from_secs(5), "no timeout was waited for");
    still_serves(&served).await;
}

#[tokio::test]
async fn heads_that_are_too_large_or_malformed_are_refused() {
    let (served, queue) = served(Limits::default()).await;
    let long = head(&format!("X: {}\r\nContent-Length: 1\r\n\r\na", "a".repeat(17 * 1024)));
    assert_eq!(status_of(&served.exchange(long.as_bytes()).await), "431");
    let many: String = (0..70).map(|n| format!("X-{n}: a\r\n")).collect();
    let many = head(&format!("{many}Content-Length: 1\r\n\r\na"));
    assert_eq!(status_of(&served.exchange(many.as_bytes()).await), "431");
    for wrong in [
        head("Content-Length: 5\r\nContent-Length: 6\r\n\r\nBody="),
        head("Content-Length: -1\r\n\r\n"),
        head("Content-Length: 5, 6\r\n\r\nBody="),
        head("Content-Length: 99999999999999999999999\r\n\r\n"),
        head("Transfer-Encoding: gzip\r\n\r\n"),
        head("Transfer-Encoding: chunked\r\n\r\nzz\r\n"),
        head("No colon here\r\n\r\n"),
        "\u{1}\u{2}\u{3} / HTTP/1.1\r\n\r\n".to_owned(),
        "POST /webhook/twilio\r\n\r\n".to_owned(),
        "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_owned(),
        "\u{16}\u{3}\u{1}\u{2}TLS to a plain port".to_owned(),
    ] {
        let answer = served.exchange(wrong.as_bytes()).await;
        assert!(answer.is_empty() || ["400", "505"].contains(&status_of(&answer)), "{wrong}: {answer}");
    }
    assert_eq!(status_of(&served.exchange(head("Connection: close\r\n\r\n").as_bytes()).await), "411");
    assert!(queue.jobs().await.is_empty());
    still_serves(&served).await;
}

#[tokio::test]
async fn both_lengths_at_once_end_the_connection() {
    let (served, _) = served(Limits::default()).await;
    // Whatever a proxy in front took for the end of this request, nothing behind it is read as a second one.
    let smuggled = head(
        "Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nGET /livez HTTP/1.1\r\nHost: a\r\n\r\n",
    );
    let answer = served.exchange(smuggled.as_bytes()).await;
    assert_eq!(answer.matches("HTTP/1.1").count(), 1, "{answer}");
}

#[tokio::test]
async fn a_get_of_the_webhook_and_the_health_pages_work_on_the_wire() {
    let (served, _) = served(Limits::default()).await;
    let get = |path: &str| format!("GET {path} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
    let answer = served.exchange(get(WEBHOOK).as_bytes()).await;
    assert_eq!(status_of(&answer), "405");
    assert!(answer.contains("allow: POST"), "{answer}");
    assert!(served.exchange(get("/livez").as_bytes()).await.ends_with(r#"{"status":"alive"}"#));
    let http10 = "GET /livez HTTP/1.0\r\n\r\n";
    assert_eq!(status_of(&served.exchange(http10.as_bytes()).await), "200");
}

#[tokio::test]
async fn a_client_that_closes_its_side_early_is_still_answered() {
    let (served, queue) = served(Limits::default()).await;
    let released = CancellationToken::new();
    queue.fail_next(Fault::Held(released.clone()));
    let mut stream = served.connect().await;
    stream.write_all(&wire(WEBHOOK, &text_message(1, "hi"))).await.expect("sent");
    stream.shutdown().await.expect("half closed");
    released.cancel();
    assert!(read_to_end(&mut stream).await.ends_with(TWIML));
}

#[tokio::test]
async fn what_came_whole_is_stored_though_the_client_is_gone() {
    let (served, queue) = served(Limits::default()).await;
    let released = CancellationToken::new();
    queue.fail_next(Fault::Held(released.clone()));
    let mut stream = served.connect().await;
    stream.write_all(&wire(WEBHOOK, &text_message(1, "hi"))).await.expect("sent");
    drop(stream);
    // Whoever serves another has heard that this one is gone.
    assert!(
        served.exchange("GET /livez HTTP/1.0\r\n\r\n".as_bytes()).await.ends_with(r#"{"status":"alive"}"#)
    );
    released.cancel();
    within(5, async {
        while queue.jobs().await.is_empty() {
            tokio::task::yield_now().await;
        }
    })
    .await;
}

#[tokio::test]
async fn idle_connections_make_room_for_new_ones() {
    let limits = Limits { connections_max: 16, connections_per_peer_max: 16, ..Limits::default() };
    let (served, queue) = served(limits).await;
    let mut idle = Vec::new();
    for n in 0..100 {
        let mut stream = served.connect().await;
        stream.write_all(&wire(WEBHOOK, &text_message(n, "hi"))).await.expect("sent");
        assert!(read_answer(&mut stream).await.ends_with(TWIML), "connection {n}");
        idle.push(stream);
    }
    assert_eq!(queue.jobs().await.len(), 100);
    assert_eq!(read_to_end(&mut idle[0]).await, "", "the oldest was closed");
    let newest = idle.last_mut().expect("one");
    newest.write_all(&wire(WEBHOOK, &text_message(200, "hi"))).await.expect("sent");
    assert!(read_answer(newest).await.ends_with(TWIML), "the newest was kept");
}

/// Waits until every fault has been taken up, that is until so many requests are in flight.
async fn in_flight(queue: &Queue) {
    within(5, async {
        while queue.faults_left() > 0 {
            tokio::task::yield_now().await;
        }
    })
    .await;
}

#[tokio::test]
async fn where_all_are_busy_a_new_connection_hears_503() {
    let limits = Limits {
        connections_max: 2,
        enqueue_timeout: Duration::from_secs(2),
        head_timeout: SHORT,
        ..Limits::default()
    };
    let (served, queue) = served(limits).await;
    let mut busy: Vec<TcpStream> = Vec::new();
    for n in 0..2 {
        queue.fail_next(Fault::Hang);
        let mut stream = served.connect().await;
        stream.write_all(&wire(WEBHOOK, &text_message(n, "hi"))).await.expect("sent");
        in_flight(&queue).await;
        busy.push(stream);
    }
    let answer = served.exchange(b"").await;
    assert_eq!(status_of(&answer), "503", "{answer}");
    for stream in &mut busy {
        assert_eq!(status_of(&read_answer(stream).await), "503", "the budget of those in flight ran out");
    }
    still_serves(&served).await;
}

#[tokio::test]
async fn a_stop_finishes_what_is_in_flight_and_closes_the_rest() {
    let (served, queue) = served(Limits { enqueue_timeout: SHORT, ..Limits::default() }).await;
    let mut idle = served.connect().await;
    idle.write_all(&wire(WEBHOOK, &text_message(1, "hi"))).await.expect("sent");
    assert!(read_answer(&mut idle).await.ends_with(TWIML));
    queue.fail_next(Fault::Hang);
    let mut busy = served.connect().await;
    busy.write_all(&wire(WEBHOOK, &text_message(2, "hi"))).await.expect("sent");
    in_flight(&queue).await;
    served.stop.cancel();
    let answer = read_to_end(&mut busy).await;
    assert_eq!(status_of(&answer), "503", "the request in flight is answered: {answer}");
    assert!(answer.contains("connection: close"), "{answer}");
    assert_eq!(read_to_end(&mut idle).await, "");
    served.ended().await;
    assert!(TcpStream::connect(served.address).await.is_err(), "nobody listens any more");
}

#[tokio::test]
async fn a_stop_does_not_wait_for_ever() {
    let limits = Limits {
        drain_timeout: SHORT,
        enqueue_timeout: Duration::from_secs(60),
        request_timeout: Duration::from_secs(60),
        ..Limits::default()
    };
    let (served, queue) = served(limits).await;
    queue.fail_next(Fault::Hang);
    let mut busy = served.connect().await;
    busy.write_all(&wire(WEBHOOK, &text_message(2, "hi"))).await.expect("sent");
    in_flight(&queue).await;
    served.stop.cancel();
    within(5, served.ended()).await;
    assert_eq!(read_to_end(&mut busy).await, "");
}
