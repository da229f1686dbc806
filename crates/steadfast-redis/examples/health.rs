//! A health endpoint: what works and what does not as JSON, with reasons, and a status that a load balancer understands.
//!
//! `cargo run -p steadfast-redis --example health`, then `curl -i http://127.0.0.1:8080/`. Another address as its argument.
#![expect(clippy::print_stdout, reason = "an example shows what it does")]

use std::error::Error;
use std::time::Duration;
use steadfast_redis::Client;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;

/// The status, and what is known. Nobody is asked for it: the client looks by itself, and when calls meet something.
fn health(redis: &Client) -> (&'static str, String) {
    let status = if redis.is_available() { "200 OK" } else { "503 Service Unavailable" };
    let known = serde_json::to_string_pretty(&redis.health().now());
    (status, known.unwrap_or_else(|error| error.to_string()))
}

async fn answer(mut stream: TcpStream, redis: &Client) -> std::io::Result<()> {
    let mut asked = [0; 1_024];
    let _ = stream.read(&mut asked).await?;
    let (status, body) = health(redis);
    println!("asked, and answered {status}");
    let head = format!(
        "HTTP/1.1 {status}\r\nContent-Type: application/json\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
        body.len()
    );
    stream.write_all(format!("{head}{body}").as_bytes()).await
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let url = std::env::var("REDIS_URL").unwrap_or_else(|_| "redis://127.0.0.1:6379".to_owned());
    let redis = Client::open(&url)?;
    let address = std::env::args().nth(1).unwrap_or_else(|| "127.0.0.1:8080".to_owned());
    let listener = TcpListener::bind(&address).await?;
    println!("http://{}/ tells how Redis is; Ctrl-C ends it", listener.local_addr()?);
    loop {
        tokio::select! {
            _ = tokio::signal::ctrl_c() => return Ok(()),
            accepted = listener.accept() => {
                // One after the other, each within a second: it is a tiny endpoint.
                let (stream, _) = accepted?;
                let _ = timeout(Duration::from_secs(1), answer(stream, &redis)).await;
            }
        }
    }
}
