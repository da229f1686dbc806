//! Promises G1, G2 and G3 on the built binary: killed in the middle, it loses nothing, doubles nothing, and
//! keeps each conversation in order.

use crate::support::{
    SENDER, TOKEN, Webhook, binary, client, fake_twilio, sent, sent_by_recipient, settings_for,
};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use steadfast_testkit::{Node, wait_for};
use tokio::sync::watch;
use tokio::task::JoinSet;
use url::Url;

const SENDERS: u64 = 500;
const MESSAGES_EACH: u64 = 10;
const SENDERS_AT_A_TIME: u64 = 50;

/// Sends the messages of every `SENDERS_AT_A_TIME`-th sender, one after the other, each until acknowledged,
/// as Twilio's retries would: `url` changes when the node comes back on another port.
async fn lane(
    first: u64,
    mut url: watch::Receiver<Option<Url>>,
    acked: Arc<AtomicU64>,
) -> anyhow::Result<()> {
    let client = client()?;
    for sender in (first..SENDERS).step_by(usize::try_from(SENDERS_AT_A_TIME)?) {
        for index in 1..=MESSAGES_EACH {
            let webhook = Webhook {
                sid: format!("SM{sender:016x}{index:016x}"),
                from: format!("whatsapp:+97798{sender:08}"),
                body: "1x1".to_owned(),
            };
            loop {
                let target = url.wait_for(Option::is_some).await?.clone();
                let Some(target) = target else { continue };
                match webhook.post(&client, &target, TOKEN).await {
                    Ok(200) => break,
                    Ok(503) => tokio::task::yield_now().await,
                    Ok(other) => anyhow::bail!("answered {other}"),
                    // Killed under the request: Twilio would deliver again, and so do we, to wherever it is next.
                    Err(_) => drop(tokio::time::timeout(Duration::from_millis(200), url.changed()).await),
                }
            }
            acked.fetch_add(1, Ordering::SeqCst);
        }
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn g1_g2_g3_killed_amid_5000_messages_each_gets_exactly_one_reply_in_order() -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let fake = fake_twilio(folder.path()).await?;
    let mut settings = settings_for(&fake.url);
    // Paced as always, only faster than WhatsApp allows one sender: the test has better things to do than wait.
    settings.push("twilio.sends_per_second=500".to_owned());
    let settings: Vec<&str> = settings.iter().map(String::as_str).collect();
    let data = folder.path().join("data");
    let (url_tx, url_rx) = watch::channel(None);
    let acked = Arc::new(AtomicU64::new(0));
    let mut lanes = JoinSet::new();
    for first in 0..SENDERS_AT_A_TIME {
        lanes.spawn(lane(first, url_rx.clone(), acked.clone()));
    }

    let total = SENDERS * MESSAGES_EACH;
    for kill_at in [total / 5, total / 2, total * 4 / 5] {
        let node = Node::start(binary(), &data, &settings).await?;
        url_tx.send(Some(node.running.webhook_url.clone()))?;
        let reached = wait_for(Duration::from_secs(90), || {
            let reached = acked.load(Ordering::SeqCst) >= kill_at;
            std::future::ready(reached)
        })
        .await;
        assert!(reached, "only {} acknowledged:\n{}", acked.load(Ordering::SeqCst), node.log());
        url_tx.send(None)?;
        node.kill().await?;
    }

    let node = Node::start(binary(), &data, &settings).await?;
    url_tx.send(Some(node.running.webhook_url.clone()))?;
    while let Some(done) = lanes.join_next().await {
        done??;
    }
    assert_eq!(acked.load(Ordering::SeqCst), total);
    let client = client()?;
    let all_there = wait_for(Duration::from_secs(120), || async {
        sent(&client, &fake.url).await.is_ok_and(|sent| sent.len() as u64 >= total)
    })
    .await;
    let replies = sent_by_recipient(&client, &fake.url).await?;
    let count: usize = replies.values().map(Vec::len).sum();
    assert!(all_there, "{count} of {total} replies");
    assert_eq!(count as u64, total, "more replies than messages");
    for (to, bodies) in &replies {
        assert_ne!(to, SENDER);
        // Each message adds one bag of rice to the draft: the replies count up in the order sent.
        for (index, body) in bodies.iter().enumerate() {
            let expected = format!("NPR {}", thousands((index as u64 + 1) * 120));
            assert!(body.contains(&expected), "reply {} to {to} should total {expected}: {body}", index + 1);
        }
    }
    assert!(node.terminate().await?, "the drain failed");
    fake.kill().await
}

fn thousands(amount: u64) -> String {
    if amount < 1_000 { amount.to_string() } else { format!("{},{:03}", amount / 1_000, amount % 1_000) }
}
