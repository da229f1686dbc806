//! What is said when it cannot work: each message names what, why and what to do, and nothing hangs.

use crate::soon;
use crate::support::in_ms;
use std::net::SocketAddr;
use std::time::Duration;
use steadfast_redis::config::Config;
use steadfast_redis::{Client, Error, cmd};
use steadfast_testkit::lab::sim::{Action, Dial, End, Fault, Sim};
use steadfast_testkit::redis::{Certificates, Server};
use steadfast_testkit::wait_for;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::time::Instant;
use tokio_util::task::TaskTracker;

/// Given in every case that takes one: no message may hold it.
const SECRET: &str = "hunter2secret";

/// Answers every connection with `first` at once, and every read with `then`; says nothing more.
async fn answers(first: &'static [u8], then: &'static [u8]) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let addr = listener.local_addr().unwrap();
    let tasks = TaskTracker::new();
    tasks.clone().spawn(async move {
        while let Ok((mut socket, _)) = listener.accept().await {
            tasks.spawn(async move {
                let mut read = [0; 4096];
                let _ = socket.write_all(first).await;
                while socket.read(&mut read).await.is_ok_and(|count| count > 0) {
                    let _ = socket.write_all(then).await;
                }
            });
        }
    });
    addr
}

/// The message of a client that cannot reach what it is for.
async fn said(url: &str) -> String {
    let since = Instant::now();
    let error = match Client::open(url) {
        Ok(client) => client.execute(&cmd("GET").arg("a").to_owned(), in_ms(1_500)).await.unwrap_err(),
        Err(error) => error,
    };
    assert!(since.elapsed() < Duration::from_millis(2_500), "{:?} for {url}", since.elapsed());
    told(&error)
}

fn told(error: &Error) -> String {
    let mut chain = format!("{error} {error:?}");
    let mut cause = std::error::Error::source(error);
    while let Some(inner) = cause {
        chain.push_str(&format!(" {inner} {inner:?}"));
        cause = inner.source();
    }
    assert!(!chain.contains(SECRET), "{chain}");
    error.to_string()
}

/// `words` must all be in the message.
fn holds(text: &str, words: &[&str]) {
    for word in words {
        assert!(text.contains(word), "{word:?} is not in: {text}");
    }
}

#[tokio::test]
async fn settings_that_cannot_be() {
    for (url, words) in [
        ("localhost:6379", &["url", "redis://"][..]),
        ("http://user:hunter2secret@a", &["http", "redis://"]),
        ("redis://", &["host"]),
        ("redis://a:99999", &["port"]),
        ("redis://:hunter2secret@a:x", &["port"]),
        ("redis://:hunter2secret@a?pool.lane_max=4", &["pool.lane_max", "pool.lanes_max"]),
        ("redis://a?pool.lanes_max=many", &["pool.lanes_max", "whole number"]),
        ("redis://a?pool.lanes_min=9&pool.lanes_max=3", &["pool.lanes_min", "pool.lanes_max"]),
        ("redis://a?tls.ca_file=/x", &["tls", "rediss://"]),
        ("redis-cluster://a/3", &["database"]),
        ("redis://:hunter2secret@a?password_file=/x", &["password"]),
    ] {
        holds(&said(url).await, words);
    }
    let all = Config::from_url("redis://a?pool.lanes_min=9&pool.lanes_max=3&dial.budget=1&tls.ca_file=/x");
    let all = all.unwrap().validate().unwrap_err().to_string();
    holds(&all, &["pool.lanes_min", "dial.budget_window_ms", "tls"]);
}

#[tokio::test]
async fn files_that_are_not_there() {
    let server = Server::start().await.unwrap();
    let at = |more: &str| format!("rediss://localhost:{}?{more}", server.port());
    holds(&said(&at("tls.ca_file=/nowhere/ca.pem")).await, &["/nowhere/ca.pem", "check that the file"]);
    let pair = "tls.ca_file=/etc/ssl/certs/ca-certificates.crt&tls.certificate_file=/nowhere/c.pem&tls.key_file=/nowhere/k.pem";
    holds(&said(&at(pair)).await, &["/nowhere/k.pem", "check that the file"]);
    let url = format!("redis://localhost:{}?password_file=/nowhere/pw", server.port());
    holds(&said(&url).await, &["/nowhere/pw", "check that the file"]);
}

#[tokio::test]
async fn who_may_not_come_in() {
    let server = Server::builder().password("right").start().await.unwrap();
    let at = |login: &str| format!("redis://{login}{}", server.addr());
    holds(&said(&at(":hunter2secret@")).await, &["WRONGPASS", "password"]);
    holds(&said(&at("somebody:hunter2secret@")).await, &["WRONGPASS", "password"]);
    holds(&said(&at("")).await, &["NOAUTH", "password"]);
}

#[tokio::test]
async fn what_answers_is_no_redis() {
    let http = answers(b"", b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n").await;
    let ssh = answers(b"SSH-2.0-OpenSSH_9.6\r\n", b"").await;
    let silent = answers(b"", b"").await;
    let smtp = answers(b"220 mail.example ESMTP\r\n", b"500 what?\r\n").await;
    let mysql = answers(b"J\0\0\0\x0a8.0.36\0", b"").await;
    let garbage = answers(b"", b"$abc\r\n").await;
    let echo = answers(b"", b"*7\r\n$5\r\nHELLO\r\n$1\r\n3\r\n$4\r\nAUTH\r\n$7\r\ndefault\r\n$13\r\nhunter2secret\r\n$7\r\nSETNAME\r\n$1\r\na\r\n").await;
    for (addr, words) in [
        (http, &["is not Redis", "HTTP", "check the port"][..]),
        (ssh, &["is not Redis", "SSH"]),
        (silent, &["does not answer", "check that it is Redis"]),
        (smtp, &["is not Redis", "check host and port"]),
        (mysql, &["is not Redis", "check host and port"]),
        (garbage, &["is not Redis", "check host and port"]),
        (echo, &["is not Redis", "check host and port"]),
    ] {
        holds(&said(&format!("redis://:{SECRET}@{addr}?connect_timeout_ms=1000")).await, words);
    }
}

#[tokio::test]
async fn tls_where_none_is_and_none_where_it_is() {
    let certificates = Certificates::generate().unwrap();
    let secure = Server::builder().tls(&certificates.server()).start().await.unwrap();
    let plain = Server::start().await.unwrap();
    holds(&said(&format!("redis://localhost:{}", secure.port())).await, &["rediss://"]);
    let ca = certificates.ca().display().to_string();
    let text =
        said(&format!("rediss://localhost:{}?tls.ca_file={ca}&connect_timeout_ms=1000", plain.port())).await;
    holds(&text, &["no connection within 1000 ms: the TLS handshake was not answered", "redis://"]);
    let silent = answers(b"", b"").await;
    let text = said(&format!("rediss://{silent}?tls.ca_file={ca}&connect_timeout_ms=1000")).await;
    holds(&text, &["no connection within 1000 ms", "use redis://"]);
}

#[tokio::test]
async fn a_reply_that_is_too_large_or_none() {
    let server = Server::start().await.unwrap();
    let client = Client::open(&format!("{}?connection.reply_bytes_max=65536", server.url())).unwrap();
    client.set("large", "x".repeat(100_000)).await.unwrap();
    let error = client.execute(cmd("GET").arg("large"), soon()).await.unwrap_err();
    holds(&told(&error), &["GET", "it was executed", "connection.reply_bytes_max", "ask for less"]);
    client.ping().await.unwrap();
    assert_eq!(client.nodes()[0].dials, 1, "the connection goes on");
}

#[tokio::test]
async fn nobody_there() {
    let free = steadfast_testkit::redis::free_port().unwrap();
    holds(
        &said(&format!("redis://:{SECRET}@127.0.0.1:{free}")).await,
        &["refused", "check that the server runs"],
    );
    holds(&said("redis://no-such-host.invalid").await, &["no-such-host.invalid", "check the name"]);
    holds(
        &said("redis+unix:///nowhere/redis.sock").await,
        &["/nowhere/redis.sock", "check that the server runs"],
    );
}

/// It greets as Redis does, and then says something else, on every connection.
#[tokio::test]
async fn what_talks_redis_no_more() {
    let sim = Sim::start().await.unwrap();
    sim.fault(Fault::on("GET").then(Action::Raw(b"what?\r\n".to_vec(), End::Open)));
    let client = Client::open(&format!("{}?breaker.enabled=false&retry.budget_burst=1", sim.url())).unwrap();
    let get = cmd("GET").arg("a").to_owned();
    let text = told(&client.execute(&get, in_ms(1_500)).await.unwrap_err());
    holds(&text, &["what came was no reply", "what?", "whether it was executed is not known", "check"]);
    sim.clear_faults();
    // Accepted, greeted and hung up: who waits for a connection is told why there is none.
    let client = Client::open(&format!("{}?breaker.enabled=false", sim.url())).unwrap();
    client.ping().await.unwrap();
    sim.dial(Dial::Hang).await;
    sim.all_connections(End::Close);
    assert!(wait_for(Duration::from_secs(5), || async { client.nodes()[0].connections == 0 }).await);
    let text = told(&client.execute(&get, in_ms(300)).await.unwrap_err());
    holds(&text, &["the dial is not over", "the server closed the connection"]);
}

/// A call that has less time than a dial is told that the dial goes on.
#[tokio::test]
async fn a_dial_that_takes_longer_than_the_call() {
    let silent = answers(b"", b"").await;
    holds(
        &said(&format!("redis://{silent}")).await,
        &["the dial is not over", "scheme", "connect_timeout_ms"],
    );
}
