//! What a service manager and a log reader see.

use crate::support::{ACCOUNT, TOKEN, Webhook, binary, client, fake_twilio, sent, settings_for};
use anyhow::Context;
use serde_json::Value;
use std::collections::BTreeSet;
use std::os::unix::net::UnixDatagram;
use std::time::Duration;
use steadfast_testkit::process::signal;
use steadfast_testkit::{Node, wait_for};

const WITHIN: Duration = Duration::from_secs(20);

/// Reads notices until `wanted` comes.
fn hear(socket: &UnixDatagram, wanted: &str) -> anyhow::Result<()> {
    let mut buffer = [0; 1_024];
    loop {
        let length = socket.recv(&mut buffer).with_context(|| format!("{wanted} was never said"))?;
        if String::from_utf8_lossy(&buffer[..length]).lines().any(|line| line == wanted) {
            return Ok(());
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_service_manager_hears_ready_watchdog_and_stopping() -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let path = folder.path().join("notify.sock");
    let socket = UnixDatagram::bind(&path)?;
    socket.set_read_timeout(Some(WITHIN))?;
    // The watchdog's variable names the process it is meant for: the shell that becomes the node.
    let prelude = format!("export NOTIFY_SOCKET='{}' WATCHDOG_USEC=500000 WATCHDOG_PID=$$", path.display());
    let node = Node::start_under(&prelude, binary(), &folder.path().join("data"), &[]).await?;
    let heard = tokio::task::spawn_blocking(move || {
        hear(&socket, "READY=1")?;
        hear(&socket, "WATCHDOG=1")?;
        hear(&socket, "WATCHDOG=1")?;
        anyhow::Ok(socket)
    });
    let socket = heard.await??;
    assert!(node.terminate().await?);
    tokio::task::spawn_blocking(move || hear(&socket, "STOPPING=1")).await?
}

/// The correlation id of a log line: its own field, or its span's.
fn correlation(line: &Value) -> Option<&str> {
    line["correlation.id"].as_str().or_else(|| line["span"]["correlation.id"].as_str())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_correlation_id_from_the_webhook_to_the_last_status_callback() -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let fake = fake_twilio(folder.path()).await?;
    // On a fixed URL of its own the node can be told where callbacks come back to.
    let mut settings = settings_for(&fake.url);
    settings.extend(["log.level=debug", "fake_twilio.enabled=true"].map(str::to_owned));
    let settings: Vec<&str> = settings.iter().map(String::as_str).collect();
    let node = Node::start(binary(), &folder.path().join("data"), &settings).await?;
    let client = client()?;
    let webhook = Webhook {
        sid: "SM000000000000000000000000000000c0".to_owned(),
        from: "whatsapp:+9779800000077".to_owned(),
        body: "5 sugar".to_owned(),
    };
    assert_eq!(webhook.post(&client, &node.running.webhook_url, TOKEN).await?, 200);
    assert!(
        wait_for(WITHIN, || async { sent(&client, &fake.url).await.is_ok_and(|sent| sent.len() == 1) }).await
    );

    let lines = |log: String| -> Vec<Value> {
        log.lines().filter_map(|line| serde_json::from_str(line).ok()).collect()
    };
    let taken =
        |line: &&Value| line["message"] == "webhook taken" && line["message.sid"] == webhook.sid.as_str();
    let log = lines(node.log());
    let id =
        log.iter().find(taken).and_then(correlation).context("the webhook is not in the log")?.to_owned();
    let seen = || {
        let log = lines(node.log());
        let own = log.iter().filter(|line| correlation(line) == Some(id.as_str()));
        let mut seen = BTreeSet::new();
        for line in own {
            let queue = line["queue.name"].as_str().or_else(|| line["span"]["queue.name"].as_str());
            seen.extend(queue.map(str::to_owned));
            if line["message"] == "reply sent" {
                seen.insert("reply sent".to_owned());
            }
            if line["webhook.kind"] == "status" {
                seen.insert("status callback".to_owned());
            }
        }
        seen
    };
    let wanted =
        ["order-processing", "reply sent", "status callback", "whatsapp-replies", "whatsapp-webhooks"];
    let complete =
        wait_for(WITHIN, || std::future::ready(wanted.iter().all(|part| seen().contains(*part)))).await;
    assert!(complete, "{id} was seen in {:?} only", seen());
    // Off a terminal every line of the log is one JSON object; what the program tells a person is not log.
    let odd = node
        .log()
        .lines()
        .filter(|line| line.starts_with('{') && serde_json::from_str::<Value>(line).is_err())
        .count();
    assert_eq!(odd, 0);
    assert!(!node.log().contains(ACCOUNT), "the account is nobody's business");
    assert!(node.terminate().await?);
    fake.kill().await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn settings_of_queues_are_read_again_at_a_signal() -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let file = folder.path().join("steadfast.toml");
    std::fs::write(&file, "[queues.whatsapp-replies]\nretry = \"1s\"\n")?;
    let prelude = format!("cd '{}'", folder.path().display());
    let node = Node::start_under(&prelude, binary(), &folder.path().join("data"), &[]).await?;
    let client = client()?;
    let monitor = node.running.monitor_url.clone();
    let settings = async || -> anyhow::Result<Value> {
        let url = monitor.join("queues/whatsapp-replies")?;
        let body: Value = serde_json::from_str(&client.get(url).send().await?.text().await?)?;
        Ok(body["settings"].clone())
    };
    assert_eq!(settings().await?["retry"]["delays_ms"], serde_json::json!([1_000]));
    // A mistake anywhere changes nothing, and all of them are said.
    std::fs::write(
        &file,
        "[queues.whatsapp-replies]\nretry = \"2s\"\nrate = \"often\"\n[queue]\nlease = \"1s\"\n",
    )?;
    signal(node.running.pid, "HUP").await?;
    let said = |words: &'static str| {
        let log = || node.log();
        wait_for(WITHIN, move || {
            let log = log();
            async move { log.contains(words) }
        })
    };
    assert!(said("nothing was changed").await, "{}", node.log());
    for key in ["queues.whatsapp-replies.rate", "queue.lease"] {
        assert!(node.log().contains(key), "{}", node.log());
    }
    assert_eq!(settings().await?["retry"]["delays_ms"], serde_json::json!([1_000]));
    std::fs::write(&file, "[queues.whatsapp-replies]\nretry = \"2s,3s\"\nrate = \"80/1s\"\n")?;
    signal(node.running.pid, "HUP").await?;
    assert!(said("configuration read again").await, "{}", node.log());
    let now = settings().await?;
    assert_eq!(now["retry"]["delays_ms"], serde_json::json!([2_000, 3_000]));
    assert_eq!(
        (&now["rate"]["jobs"], &now["rate"]["per_ms"]),
        (&serde_json::json!(80), &serde_json::json!(1_000))
    );
    assert!(node.terminate().await?);
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_keys_of_payloads_are_read_again_at_a_signal() -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let (file, data) = (folder.path().join("keys"), folder.path().join("data"));
    let key = |id: &str, digit: &str| format!("{id}={}\n", digit.repeat(64));
    let (old, new) = (key("key-of-2026", "a"), key("key-of-2027", "b"));
    std::fs::write(&file, &old)?;
    // Nobody works: nothing is sent to this Twilio.
    let mut settings = settings_for(&"http://127.0.0.1:9/".parse()?);
    settings.extend([
        "node.roles=gateway,monitor".into(),
        format!("queue.encryption_keys_file={}", file.display()),
    ]);
    let settings: Vec<&str> = settings.iter().map(String::as_str).collect();
    let node = Node::start(binary(), &data, &settings).await?;
    let (client, url) = (client()?, node.running.webhook_url.clone());
    let post = async |number: u8| {
        let sid = format!("SM0000000000000000000000000000f0{number:02}");
        let webhook = Webhook { sid, from: "whatsapp:+9779800000078".into(), body: "5 sugar".into() };
        webhook.post(&client, &url, TOKEN).await
    };
    // The id of its key lies beside each payload.
    let sealed_with = |id: &str| -> anyhow::Result<bool> {
        let bytes =
            [std::fs::read(data.join("queue.db"))?, std::fs::read(data.join("queue.db-wal"))?].concat();
        Ok(bytes.windows(id.len()).any(|window| window == id.as_bytes()))
    };
    assert_eq!(post(1).await?, 200);
    assert!(sealed_with("key-of-2026")? && !sealed_with("key-of-2027")?);
    std::fs::write(&file, new + &old)?;
    signal(node.running.pid, "HUP").await?;
    let told = || std::future::ready(node.log().contains("configuration read again"));
    assert!(wait_for(WITHIN, told).await, "{}", node.log());
    assert_eq!(post(2).await?, 200);
    assert!(sealed_with("key-of-2027")?);
    // Both are still there for the operator to read.
    let jobs = node.running.monitor_url.join("jobs?queue=whatsapp-webhooks&payload=1")?;
    let shown = client.get(jobs).send().await?.text().await?;
    assert_eq!(shown.matches("5 sugar").count(), 2, "{shown}");
    assert!(node.terminate().await?);
    Ok(())
}
