//! Requests on the wire that two readers might cut differently, and everything else HTTP allows.

use crate::support::{
    FORGED, Queue, TWIML, WEBHOOK, head, read_answer, read_to_end, served, status_of, still_serves,
    text_message, wire,
};
use std::sync::Arc;
use steadfast_gateway::Limits;
use tokio::io::AsyncWriteExt;

/// What a smuggler hides behind a request: if it is read as one, its answer says `alive`.
const HIDDEN: &str = "GET /livez HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";

#[tokio::test]
async fn nothing_behind_a_request_of_doubtful_length_is_read_as_another() {
    let (served, queue) = served(Limits::default()).await;
    for framing in [
        "Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        "Transfer-Encoding: chunked\r\nContent-Length: 4\r\n\r\n0\r\n\r\n",
        "Transfer-Encoding: chunked\r\nContent-Length: 4\r\nTransfer-Encoding: identity\r\n\r\n0\r\n\r\n",
        "Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n",
        "Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n",
        "Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n",
        "Transfer-Encoding:\r\n chunked\r\n\r\n0\r\n\r\n",
        "Transfer-Encoding: \u{b}chunked\r\n\r\n0\r\n\r\n",
        "Content-Length: 0\r\nContent-Length: 5\r\n\r\n",
        "Content-Length: 5\r\nContent-Length: 0\r\n\r\n",
        "Content-Length: 0, 5\r\n\r\n",
        "Content-Length: +0\r\n\r\n",
        "Content-Length: 0x0\r\n\r\n",
        "Content-Length: 0 0\r\n\r\n",
        "Content-Length:\r\n 0\r\n\r\n",
        "Content-Length : 0\r\n\r\n",
        "Transfer-Encoding: chunked\r\n\r\n0;\n\r\n\r\n",
        "Transfer-Encoding: chunked\r\n\r\n0\n\r\n",
        "Transfer-Encoding: chunked\r\n\r\n 0\r\n\r\n",
        "Transfer-Encoding: chunked\r\n\r\n-0\r\n\r\n",
        "Transfer-Encoding: chunked\r\n\r\n1\r\na0\r\n\r\n",
    ] {
        let answer = served.exchange(format!("{}{HIDDEN}", head(framing)).as_bytes()).await;
        assert!(!answer.contains("alive"), "{framing:?}: {answer}");
        assert!(answer.matches("HTTP/1.1 ").count() <= 1, "{framing:?}: {answer}");
    }
    // The same behind HTTP/1.0, where chunks do not exist.
    let old = head("Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n").replacen("HTTP/1.1", "HTTP/1.0", 1);
    assert!(!served.exchange(format!("{old}{HIDDEN}").as_bytes()).await.contains("alive"));
    assert!(queue.jobs().await.is_empty());
    still_serves(&served).await;
}

#[tokio::test]
async fn heads_with_what_does_not_belong_there_are_refused() {
    let (served, queue) = served(Limits::default()).await;
    for wrong in [
        head("X: a\0b\r\nContent-Length: 1\r\n\r\na"),
        head("X\0: a\r\nContent-Length: 1\r\n\r\na"),
        head("X: a\r\n folded\r\nContent-Length: 1\r\n\r\na"),
        head("X: a\rY: b\r\nContent-Length: 1\r\n\r\na"),
        head("X Y: a\r\nContent-Length: 1\r\n\r\na"),
        head(": nameless\r\nContent-Length: 1\r\n\r\na"),
        format!("POST {WEBHOOK}\0 HTTP/1.1\r\nHost: a\r\n\r\n"),
        format!("POST {WEBHOOK} b HTTP/1.1\r\nHost: a\r\n\r\n"),
        format!("POST {WEBHOOK} HTTP/1.7\r\nHost: a\r\n\r\n"),
        format!("POST\t{WEBHOOK}\tHTTP/1.1\r\nHost: a\r\n\r\n"),
        "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\u{4}\0\0\0\0\0".to_owned(),
        "\r\n\r\n\r\n\r\nnothing\r\n\r\n".to_owned(),
    ] {
        let answer = served.exchange(wrong.as_bytes()).await;
        assert!(answer.is_empty() || ["400", "505"].contains(&status_of(&answer)), "{wrong:?}: {answer}");
    }
    assert!(queue.jobs().await.is_empty());
    still_serves(&served).await;
}

/// A rightly signed webhook as chunks, by `chunk`, with `end` behind them.
fn chunked(n: u64, chunk: impl Fn(&str) -> String, end: &str) -> String {
    let text = String::from_utf8(wire(WEBHOOK, &text_message(n, "in chunks"))).expect("text");
    let (head, form) = text.split_once("\r\n\r\n").expect("a body");
    let head: Vec<&str> = head.lines().filter(|line| !line.starts_with("Content-Length")).collect();
    format!("{}\r\nTransfer-Encoding: chunked\r\n\r\n{}{end}", head.join("\r\n"), chunk(form))
}

#[tokio::test]
async fn chunks_are_bounded_in_size_extensions_and_trailers() {
    let (served, queue) = served(Limits::default()).await;
    let whole = |form: &str| format!("{:x};why=not\r\n{form}\r\n", form.len());
    let mut stream = served.connect().await;
    stream.write_all(chunked(1, whole, "0\r\nX-Trailer: a\r\n\r\n").as_bytes()).await.expect("sent");
    assert!(read_answer(&mut stream).await.ends_with(TWIML), "an extension and a trailer are no harm");
    let bytewise = |form: &str| form.chars().map(|c| format!("1\r\n{c}\r\n")).collect();
    stream.write_all(chunked(2, bytewise, "0\r\n\r\n").as_bytes()).await.expect("sent");
    assert!(read_answer(&mut stream).await.ends_with(TWIML), "nor are many small ones");

    let long = "e".repeat(64 * 1024);
    let many_trailers: String = (0..200).map(|n| format!("X-{n}: a\r\n")).collect();
    for (what, wire) in [
        (
            "a long extension",
            chunked(3, |form| format!("{:x};{long}\r\n{form}\r\n", form.len()), "0\r\n\r\n"),
        ),
        ("a long trailer", chunked(3, whole, &format!("0\r\nX: {long}\r\n\r\n"))),
        ("many trailers", chunked(3, whole, &format!("0\r\n{many_trailers}\r\n"))),
        ("a size beyond numbers", chunked(3, |form| format!("fffffffffffffffff\r\n{form}\r\n"), "")),
        ("no size", chunked(3, |form| format!("\r\n{form}\r\n"), "")),
        ("a broken end", chunked(3, |form| format!("{:x}\r\n{form}XX", form.len()), "0\r\n\r\n")),
    ] {
        let answer = served.exchange(wire.as_bytes()).await;
        assert!(answer.is_empty() || status_of(&answer) == "400", "{what}: {answer}");
    }
    let huge = head(&format!("Transfer-Encoding: chunked\r\n\r\nffffffff\r\n{}", "a".repeat(70_000)));
    assert_eq!(status_of(&served.exchange(huge.as_bytes()).await), "413");
    assert_eq!(queue.jobs().await.len(), 2);
    still_serves(&served).await;
}

#[tokio::test]
async fn every_form_of_target_and_method_has_its_answer() {
    let (served, queue) = served(Limits::default()).await;
    let absolute = String::from_utf8(wire(WEBHOOK, &text_message(1, "hi"))).expect("text").replacen(
        WEBHOOK,
        &format!("http://elsewhere:99{WEBHOOK}"),
        1,
    );
    let mut stream = served.connect().await;
    stream.write_all(absolute.as_bytes()).await.expect("sent");
    assert!(read_answer(&mut stream).await.ends_with(TWIML), "a proxy's absolute form");
    let rest = "HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";
    for (line, status) in [
        ("CONNECT bot.example.com:443", "404"),
        ("OPTIONS *", "404"),
        ("TRACE /webhook/twilio", "405"),
        ("PUT /webhook/twilio", "405"),
        ("FROBNICATE /webhook/twilio", "405"),
        ("HEAD /webhook/twilio", "405"),
        ("DELETE /livez", "405"),
        ("POST /webhook/%74wilio", "404"),
        ("POST /webhook/./twilio", "404"),
        ("POST /x/../webhook/twilio", "404"),
        ("POST //webhook/twilio", "404"),
        ("POST /webhook/twilio%00", "404"),
        ("POST /webhook/twilio;a=b", "404"),
        ("POST /WEBHOOK/twilio", "404"),
        ("POST /webhook\\twilio", "404"),
        ("POST /webhook/twilio?%00%zz", "415"),
    ] {
        let answer = served.exchange(format!("{line} {rest}").as_bytes()).await;
        assert_eq!(status_of(&answer), status, "{line}: {answer}");
        assert!(!line.starts_with("HEAD") || answer.ends_with("\r\n\r\n"), "no body: {answer}");
    }
    assert_eq!(queue.jobs().await.len(), 1);
}

#[tokio::test]
async fn who_asks_before_sending_a_body_is_told_at_once() {
    let (served, queue) = served(Limits::default()).await;
    let good = String::from_utf8(wire(WEBHOOK, &text_message(1, "hi"))).expect("text");
    let (good_head, form) = good.split_once("\r\n\r\n").expect("a body");
    let mut stream = served.connect().await;
    stream.write_all(format!("{good_head}\r\nExpect: 100-continue\r\n\r\n").as_bytes()).await.expect("sent");
    assert_eq!(read_answer(&mut stream).await, "HTTP/1.1 100 Continue\r\n\r\n");
    stream.write_all(form.as_bytes()).await.expect("sent");
    assert!(read_answer(&mut stream).await.ends_with(TWIML));
    // Refused by its head: the body is not asked for.
    let too_large = head("Expect: 100-continue\r\nContent-Length: 70000\r\n\r\n");
    assert_eq!(status_of(&served.exchange(too_large.as_bytes()).await), "413");
    let unsigned = head("Expect: 100-continue\r\nContent-Length: 9\r\n\r\n").replace(FORGED, "nonsense");
    assert_eq!(status_of(&served.exchange(unsigned.as_bytes()).await), "403");
    assert_eq!(queue.jobs().await.len(), 1);
}

#[tokio::test]
async fn what_no_body_could_make_valid_is_refused_before_any_comes() {
    let (served, queue) = served(Limits::default()).await;
    let framed = "Content-Length: 1000\r\n\r\n";
    let signed = format!("X-Twilio-Signature: {FORGED}\r\n");
    for wrong in [
        head(framed).replace(&signed, ""),
        head(framed).replace(FORGED, "AAAA"),
        head(&format!("{signed}{framed}")),
        head(&format!("X-Twilio-Webhooks-Signature-Settings: key=a,algorithm=HMAC_SHA256\r\n{framed}")),
    ] {
        // Not a byte of the body is sent: only the head can be answered.
        let mut stream = served.connect().await;
        stream.write_all(wrong.as_bytes()).await.expect("sent");
        let answer = read_to_end(&mut stream).await;
        assert_eq!(status_of(&answer), "403", "{answer}");
        assert!(answer.contains("connection: close"), "{answer}");
    }
    assert!(queue.jobs().await.is_empty());
}

#[tokio::test]
async fn pipelined_requests_are_answered_in_their_order_whoever_reads_or_not() {
    let limits = Limits { write_timeout: std::time::Duration::from_millis(150), ..Limits::default() };
    let (served, queue): (_, Arc<Queue>) = served(limits).await;
    let mut stream = served.connect().await;
    let all: Vec<u8> = (0..300)
        .flat_map(|n| match n % 3 {
            0 => wire(WEBHOOK, &text_message(n, "in a row")),
            1 => b"GET /livez HTTP/1.1\r\nHost: a\r\n\r\n".to_vec(),
            _ => b"HEAD /readyz HTTP/1.1\r\nHost: a\r\n\r\n".to_vec(),
        })
        .collect();
    let (mut reader, mut writer) = stream.split();
    let send = async {
        writer.write_all(&all).await.expect("sent");
        writer.shutdown().await.expect("half closed");
    };
    let mut bytes = Vec::new();
    let (read, ()) = tokio::join!(tokio::io::AsyncReadExt::read_to_end(&mut reader, &mut bytes), send);
    read.expect("all answers");
    let kinds: Vec<&str> = std::str::from_utf8(&bytes)
        .expect("text")
        .split("HTTP/1.1 200 OK\r\n")
        .skip(1)
        .map(|answer| match answer.split_once("\r\n\r\n").expect("a head").1 {
            TWIML => "twiml",
            "" => "nothing",
            _ => "json",
        })
        .collect();
    assert_eq!(kinds.len(), 300);
    assert!(kinds.chunks(3).all(|three| three == ["twiml", "json", "nothing"]), "{kinds:?}");
    assert_eq!(queue.jobs().await.len(), 100);

    // Who never reads is not read from for ever: the answers fill what the sockets hold, and then it is closed.
    let mut deaf = served.connect().await;
    let pipeline = b"GET /health HTTP/1.1\r\nHost: a\r\n\r\n".repeat(1_000);
    let flood = async { while deaf.write_all(&pipeline).await.is_ok() {} };
    crate::support::within(20, flood).await;
    still_serves(&served).await;
}
