//! What reached the fake Twilio, read on and on into the ledger.

use super::ledger::Reply;
use super::load::Load;
use crate::sign::sender_of;
use anyhow::Context;
use serde_json::Value;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;
use url::Url;

/// Replies read at a time.
const PAGE: usize = 5_000;
/// Between two looks.
const EVERY: Duration = Duration::from_millis(500);

/// Reads until told that it is over, then once more to the end.
pub(super) async fn follow(
    client: reqwest::Client,
    fake: Url,
    load: Arc<Load>,
    mut over: watch::Receiver<bool>,
) -> anyhow::Result<()> {
    let mut after = 0;
    loop {
        let last = *over.borrow();
        while read(&client, &fake, &load, &mut after).await? == PAGE {}
        if last {
            return Ok(());
        }
        // Over or not, or its sender gone: the next look says.
        let _changed = tokio::time::timeout(EVERY, over.changed()).await;
    }
}

/// Reads one page and says how many replies it held.
async fn read(client: &reqwest::Client, fake: &Url, load: &Load, after: &mut u64) -> anyhow::Result<usize> {
    let mut url = fake.join("/fake/messages").context("no URL of the replies")?;
    url.query_pairs_mut().append_pair("after", &after.to_string()).append_pair("limit", &PAGE.to_string());
    let text = client.get(url).send().await.context("the fake Twilio is gone")?.text().await?;
    let page: Value = serde_json::from_str(&text).context("the fake Twilio answered no JSON")?;
    let messages = page["messages"].as_array().context("the fake Twilio shows no messages")?;
    let mut ledger = load.ledger();
    for message in messages {
        let reply = message["body"].as_str().and_then(Reply::parse);
        ledger.replied(message["to"].as_str().and_then(sender_of), reply);
    }
    *after = page["next_after"].as_u64().context("the fake Twilio names no next page")?;
    Ok(messages.len())
}
