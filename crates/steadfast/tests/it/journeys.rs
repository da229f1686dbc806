//! What a person sees: started with nothing, ordered, answered, drained.

use crate::support::{binary, client, sent_by_recipient};
use anyhow::Context;
use serde_json::Value;
use std::path::Path;
use std::time::Duration;
use steadfast_testkit::{Node, wait_for, wait_for_some};
use tokio::process::Command;
use url::Url;

const CUSTOMER: &str = "whatsapp:+9779812345678";

struct Said {
    code: i32,
    out: String,
}

async fn steadfast(data: &Path, args: &[&str]) -> anyhow::Result<Said> {
    let output = Command::new(binary()).arg("--data-dir").arg(data).args(args).output().await?;
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let out = text(&output.stdout) + &text(&output.stderr);
    Ok(Said { code: output.status.code().unwrap_or(-1), out })
}

async fn json(url: Url) -> anyhow::Result<Value> {
    let text = client()?.get(url).send().await?.text().await?;
    serde_json::from_str(&text).with_context(|| text.clone())
}

async fn trigger(data: &Path, args: &[&str]) -> anyhow::Result<Said> {
    steadfast(data, &[&["trigger"], args, &["--from", CUSTOMER]].concat()).await
}

/// The replies to the customer once there are `count`, and proof that none follows: the queues are empty.
async fn replies(node: &Node, count: usize) -> anyhow::Result<Vec<String>> {
    let client = client()?;
    let fake = node.running.fake_twilio_url.clone().context("no fake Twilio")?;
    let idle = || async {
        let queues = json(node.running.monitor_url.join("/queues").ok()?).await.ok()?;
        let busy: u64 = queues["queues"]
            .as_array()?
            .iter()
            .map(|queue| {
                ["available", "running", "scheduled", "retryable"]
                    .iter()
                    .map(|state| queue["counts"][state].as_u64().unwrap_or(0))
                    .sum::<u64>()
            })
            .sum();
        let sent = sent_by_recipient(&client, &fake).await.ok()?;
        let replies = sent.get(CUSTOMER).cloned().unwrap_or_default();
        (busy == 0 && replies.len() >= count).then_some(replies)
    };
    wait_for_some(Duration::from_secs(20), idle)
        .await
        .with_context(|| format!("no {count} replies:\n{}", node.log()))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_order_from_first_text_to_placed_and_nothing_private_in_the_log() -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let data = folder.path().join("data");
    let node = Node::start(binary(), &data, &["log.level=debug"]).await?;

    let said = trigger(&data, &["order", "2 kg onion and 1 oil"]).await?;
    assert_eq!(said.code, 0, "{}", said.out);
    assert!(said.out.contains("NPR 320"), "the draft is shown: {}", said.out);
    let said = trigger(&data, &["order", "yes"]).await?;
    assert!(said.out.contains("placed"), "{}", said.out);
    let replies = replies(&node, 2).await?;
    assert_eq!(replies.len(), 2, "{replies:#?}");

    let log = node.log();
    let number = CUSTOMER.trim_start_matches("whatsapp:+");
    assert!(!log.contains(number), "defect 16: a whole number in the log");
    assert!(!log.contains("onion"), "defect 16: a message's text in the log");
    assert!(!log.contains(&replies[0]), "defect 16: a reply's text in the log");
    for word in ["webhook", "reply"] {
        assert!(log.contains(word), "the log tells of the {word}");
    }
    assert!(node.terminate().await?, "the drain failed");
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn defect_14_five_deliveries_are_one_order_and_one_reply() -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let data = folder.path().join("data");
    let node = Node::start(binary(), &data, &[]).await?;
    let said = trigger(&data, &["order", "1x2, 3x1", "--duplicate", "5"]).await?;
    assert!(said.out.contains("5 x 200"), "{}", said.out);
    assert_eq!(replies(&node, 1).await?.len(), 1);
    let said = trigger(&data, &["order", "yes", "--duplicate", "5"]).await?;
    assert!(said.out.contains("5 x 200"), "{}", said.out);
    let all = replies(&node, 2).await?;
    assert_eq!(all.len(), 2, "{all:#?}");
    assert!(node.terminate().await?);
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_bad_signature_gets_403_and_the_log_says_why() -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let data = folder.path().join("data");
    let node = Node::start(binary(), &data, &[]).await?;
    let said = trigger(&data, &["order", "1x2", "--bad-signature"]).await?;
    assert_ne!(said.code, 0);
    assert!(said.out.contains("403"), "{}", said.out);
    assert!(node.log().contains("signature"), "{}", node.log());
    let queues = json(node.running.monitor_url.join("/queues")?).await?;
    assert!(!queues.to_string().contains("\"available\":1"), "nothing was stored: {queues}");
    assert!(node.terminate().await?);
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_drained_node_starts_again_where_it_was() -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let data = folder.path().join("data");
    let node = Node::start(binary(), &data, &[]).await?;
    trigger(&data, &["order", "5 sugar"]).await?;
    replies(&node, 1).await?;
    assert!(node.terminate().await?);
    let node = Node::start(binary(), &data, &[]).await?;
    // The fake Twilio inside the node starts empty; the draft does not.
    let said = trigger(&data, &["order", "yes"]).await?;
    assert!(said.out.contains("placed"), "{}", said.out);
    assert!(node.terminate().await?);
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_second_node_on_the_same_folder_is_refused_in_words() -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let data = folder.path().join("data");
    let node = Node::start(binary(), &data, &[]).await?;
    let free = ["gateway.port=0", "monitor.port=0", "metrics.port=0", "fake_twilio.port=0"];
    let mut args = vec!["serve"];
    args.extend(free.iter().flat_map(|setting| ["--set", setting]));
    let said = steadfast(&data, &args).await?;
    assert_ne!(said.code, 0);
    assert!(said.out.contains("already") || said.out.contains("in use"), "{}", said.out);
    assert!(node.terminate().await?);
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_commands_read_and_act_on_the_running_node() -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let data = folder.path().join("data");
    let said = steadfast(&data, &["queues"]).await?;
    assert!(said.code != 0 && said.out.contains("steadfast serve"), "{}", said.out);
    let node = Node::start(binary(), &data, &[]).await?;
    assert!(
        wait_for(Duration::from_secs(5), || async {
            steadfast(&data, &["queues"]).await.is_ok_and(|said| said.out.contains("whatsapp-webhooks"))
        })
        .await
    );
    assert!(steadfast(&data, &["dlq", "list"]).await?.out.contains("No dead letters"));
    assert!(steadfast(&data, &["dlq", "errors"]).await?.out.contains("No dead letters"));
    assert!(
        steadfast(&data, &["dlq", "retry", "--all", "--error", "x"]).await?.out.contains("No dead letters")
    );
    assert!(steadfast(&data, &["schedules"]).await?.out.contains("No schedules"));
    let put =
        ["schedules", "put", "yearly", "--cron", "0 3 1 1 *", "--queue", "a", "--kind", "b", "--missed"];
    assert_eq!(steadfast(&data, &[&put[..], &["catch-up=2"]].concat()).await?.code, 0);
    assert!(steadfast(&data, &["schedules"]).await?.out.contains("0 3 1 1 *"));
    assert_eq!(steadfast(&data, &[&put[..], &["never"]].concat()).await?.code, 2);
    assert_eq!(steadfast(&data, &["schedules", "remove", "yearly"]).await?.code, 0);
    let said = steadfast(&data, &["queues", "drain", "order-processing"]).await?;
    assert!(
        said.code == 0 && said.out.contains("0 jobs wait") && said.out.contains("draining"),
        "{}",
        said.out
    );
    assert!(steadfast(&data, &["queues"]).await?.out.contains("draining"));
    assert_eq!(steadfast(&data, &["queues", "resume", "order-processing"]).await?.code, 0);
    let said = steadfast(&data, &["events", "--queue", "order-processing"]).await?;
    assert!(said.out.contains("drained") && said.out.contains("resumed"), "{}", said.out);
    assert_eq!(steadfast(&data, &["jobs", "list", "--state", "dead"]).await?.out.trim(), "None.");
    let said = steadfast(&data, &["doctor"]).await?;
    assert_eq!(said.code, 0, "{}", said.out);
    let said =
        steadfast(&data, &["config", "check", "--set", "gateway.port=x", "--set", "queue.lease=1s"]).await?;
    assert_eq!(said.code, 2);
    assert!(said.out.contains("gateway.port") && said.out.contains("queue.lease"), "{}", said.out);
    assert!(node.terminate().await?);
    Ok(())
}
