//! A disk that takes no more: acknowledgements stop with 503, nothing acknowledged is lost, and the same
//! process goes on when there is room again.

use crate::support::{TOKEN, Webhook, binary, client, fake_twilio, sent_by_recipient, settings_for};
use std::collections::BTreeSet;
use std::time::Duration;
use steadfast_testkit::{Node, wait_for};
use tokio::process::Command;

/// Files may grow to 2 MiB; beyond, writes fail as on a disk that is full or broken.
const LIMIT: &str = "trap '' XFSZ; ulimit -S -f 4096";
/// Far more than fit.
const MESSAGES_MAX: u32 = 5_000;
/// So many refusals are no accident.
const REFUSALS: u32 = 20;

fn webhook(index: u32) -> Webhook {
    Webhook {
        sid: format!("SM{index:032x}"),
        from: format!("whatsapp:+97798{index:08}"),
        // Long texts fill the files sooner.
        body: format!("1x1 {}", "please ".repeat(100)),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_disk_stops_acknowledgements_and_loses_nothing() -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let fake = fake_twilio(folder.path()).await?;
    let mut settings = settings_for(&fake.url);
    settings.extend(["log.level=error", "twilio.sends_per_second=500"].map(str::to_owned));
    let settings: Vec<&str> = settings.iter().map(String::as_str).collect();
    let node = Node::start_under(LIMIT, binary(), &folder.path().join("data"), &settings).await?;
    let client = client()?;

    let mut acknowledged = BTreeSet::new();
    let mut refused = 0;
    for index in 0..MESSAGES_MAX {
        let webhook = webhook(index);
        match webhook.post(&client, &node.running.webhook_url, TOKEN).await? {
            200 => drop(acknowledged.insert(webhook.from)),
            503 => refused += 1,
            other => anyhow::bail!("answered {other}"),
        }
        if refused >= REFUSALS {
            break;
        }
    }
    assert!(refused >= REFUSALS, "the disk never filled: {} acknowledged", acknowledged.len());
    assert!(!acknowledged.is_empty());

    let pid = node.running.pid.to_string();
    let lifted = Command::new("prlimit").args(["--pid", &pid, "--fsize=unlimited:"]).status().await?;
    assert!(lifted.success());
    let again = webhook(MESSAGES_MAX + 1);
    let taken = wait_for(Duration::from_secs(60), || async {
        matches!(again.post(&client, &node.running.webhook_url, TOKEN).await, Ok(200))
    })
    .await;
    assert!(taken, "the node did not go on by itself:\n{}", node.log());
    acknowledged.insert(again.from.clone());

    let answered = wait_for(Duration::from_secs(90), || async {
        let Ok(sent) = sent_by_recipient(&client, &fake.url).await else { return false };
        acknowledged.iter().all(|from| sent.contains_key(from))
    })
    .await;
    let sent = sent_by_recipient(&client, &fake.url).await?;
    let missing = acknowledged.iter().filter(|from| !sent.contains_key(*from)).count();
    assert!(
        answered,
        "{missing} of {} acknowledged messages have no reply:\n{}",
        acknowledged.len(),
        node.log()
    );
    for (to, replies) in &sent {
        assert_eq!(replies.len(), 1, "{to}");
    }
    assert!(node.terminate().await?);
    fake.kill().await
}
