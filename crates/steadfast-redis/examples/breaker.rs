//! A circuit breaker around an HTTP call. It knows nothing of Redis, and needs none.
//!
//! `cargo run -p steadfast-redis --example breaker`
#![expect(clippy::print_stdout, reason = "an example shows what it does")]

use std::error::Error;
use std::io;
use std::net::SocketAddr;
use std::time::Duration;
use steadfast_clock::SystemClock;
use steadfast_redis::breaker::{BreakerConfig, CircuitBreaker, ExecuteError, Verdict};
use steadfast_redis::retry::SystemJitter;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::{sleep, timeout};

/// Asks a server for its rates of exchange: the status of its answer.
async fn rates(address: SocketAddr) -> io::Result<u16> {
    let asked = async {
        let mut stream = TcpStream::connect(address).await?;
        stream.write_all(b"GET /rates HTTP/1.1\r\nHost: rates\r\nConnection: close\r\n\r\n").await?;
        let mut answer = String::new();
        stream.take(4_096).read_to_string(&mut answer).await?;
        let status = answer.split(' ').nth(1).and_then(|status| status.parse().ok());
        status.ok_or_else(|| io::Error::other("no HTTP answer"))
    };
    // The breaker brings no deadline: the call has one of its own.
    timeout(Duration::from_millis(500), asked).await?
}

/// What the answer says of the server. A 404 is the caller's business, and says nothing of its health.
fn judge(answer: &io::Result<u16>) -> Verdict {
    match answer {
        Ok(200..300) => Verdict::Success,
        Ok(400..500) => Verdict::Ignore,
        Ok(_) | Err(_) => Verdict::Failure,
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    let numbers = BreakerConfig { minimum_calls: 5, half_open_full: 4, ..BreakerConfig::default() };
    let breaker = CircuitBreaker::new("rates", numbers, SystemClock::shared(), SystemJitter::shared())?;
    let _told = breaker.on_state_change(|change| {
        println!("    {change}");
    });
    tokio::select! {
        () = serve(listener) => {}
        () = ask(&breaker, address) => {}
    }
    Ok(())
}

async fn ask(breaker: &CircuitBreaker, address: SocketAddr) {
    for call in 1..=25 {
        match breaker.execute(|| rates(address), judge).await {
            Ok(status) => println!("call {call:>2} was answered {status}"),
            Err(ExecuteError::Rejected(rejected)) => println!("call {call:>2} was not made: {rejected}"),
            Err(ExecuteError::Failed(error)) => println!("call {call:>2} failed: {error}"),
        }
        sleep(Duration::from_millis(50)).await;
    }
}

/// Well for five requests, ill for the next five, then well again.
async fn serve(listener: TcpListener) {
    for request in 1_u32.. {
        let Ok((mut stream, _)) = listener.accept().await else { return };
        let mut asked = [0; 512];
        let _ = stream.read(&mut asked).await;
        let status = if (6..=10).contains(&request) { "503 Service Unavailable" } else { "200 OK" };
        let answer = format!("HTTP/1.1 {status}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
        let _ = stream.write_all(answer.as_bytes()).await;
    }
}
