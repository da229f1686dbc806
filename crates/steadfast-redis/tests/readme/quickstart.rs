use std::error::Error;
use std::time::Duration;
use steadfast_redis::{Client, Outcome};

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let url = std::env::var("REDIS_URL").unwrap_or("redis://127.0.0.1:6379".into());
    // Returns at once: connections are made, and made again, in the background.
    // No call through this handle takes longer than half a second.
    let redis = Client::open(&url)?.within(Duration::from_millis(500));

    redis.set("greeting", "hello").await?;
    let greeting: String = redis.get("greeting").await?;
    println!("{greeting}");

    // A failure says what became of the command.
    match redis.incr("orders", 1).await {
        Ok(orders) => println!("order {orders}"),
        Err(error) => match error.outcome() {
            // Nothing was executed: it may be tried again later.
            Outcome::NotSent | Outcome::Rejected => println!("not counted: {error}"),
            // It may have been executed. It was not sent twice.
            Outcome::Ambiguous => println!("perhaps counted: {error}"),
        },
    }
    Ok(())
}
