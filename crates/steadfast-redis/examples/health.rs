//! A health endpoint: what the client knows of its nodes as JSON, and a status that a load balancer understands.
//!
//! `cargo run -p steadfast-redis --example health`, then `curl -i http://127.0.0.1:8080/`. Another address as its argument.
#![expect(clippy::print_stdout, reason = "an example shows what it does")]

use serde_json::json;
use std::error::Error;
use std::time::Duration;
use steadfast_redis::Client;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;

/// The status, and what is known.
async fn health(redis: &Client) -> (&'static str, String) {
    let answered = redis.within(Duration::from_millis(300)).ping().await;
    let nodes: Vec<_> = redis
        .nodes()
        .into_iter()
        .map(|node| {
            json!({
                "address": node.address,
                "server": node.server,
                "role": format!("{:?}", node.role),
                "connections": node.connections,
                "in_flight": node.in_flight,
                "dials": node.dials,
                "dead_connections_replaced": node.connections_dead,
                "p99_us": node.latency.p99_us,
                "problem": node.dial_error,
            })
        })
        .collect();
    let status = if answered.is_ok() { "200 OK" } else { "503 Service Unavailable" };
    let why = answered.err().map(|error| error.to_string());
    (status, format!("{:#}\n", json!({ "healthy": why.is_none(), "why_not": why, "nodes": nodes })))
}

async fn answer(mut stream: TcpStream, redis: &Client) -> std::io::Result<()> {
    let mut asked = [0; 1_024];
    let _ = stream.read(&mut asked).await?;
    let (status, body) = health(redis).await;
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
