//! `steadfast trigger`: really signed webhooks, as Twilio would send them.

use super::http::client;
use crate::cli::{Scenario, Trigger};
use crate::config::Config;
use crate::node::Running;
use crate::webhook::{Signed, Signer, inbound_form};
use anyhow::{Context, bail};
use serde_json::Value;
use std::collections::BTreeMap;
use std::process::ExitCode;
use std::time::Duration;
use tokio::task::JoinSet;
use tokio::time::Instant;
use url::Url;

/// Deliveries under way at a time.
const CONCURRENT_MAX: usize = 64;
/// How long to wait for replies.
const REPLIES_WITHIN: Duration = Duration::from_secs(10);
/// How often to look for them.
const POLL: Duration = Duration::from_millis(100);

/// Sends what was asked for, reports each distinct answer, and shows the replies where a fake Twilio keeps
/// them. Fails if any delivery was not acknowledged.
#[expect(clippy::print_stdout, reason = "the command's result")]
pub(super) async fn run(config: Config, args: Trigger) -> anyhow::Result<ExitCode> {
    let dir = super::data_dir(&config);
    let node = match &args.url {
        Some(_) => dir.running_node().ok(),
        None => Some(dir.running_node()?),
    };
    let url = match (&args.url, &node) {
        (Some(url), _) => url.clone(),
        (None, Some(node)) => node.webhook()?,
        (None, None) => bail!("no webhook URL: start a node or name one with --url"),
    };
    let mut signer = Signer::new(&config, &dir.key()?);
    if args.bad_signature {
        signer.spoil();
    }
    let senders = senders(&args.from, args.burst)?;
    let fake =
        node.filter(|_| !args.no_wait && !args.bad_signature).and_then(|node: Running| node.fake_twilio_url);
    let before = match &fake {
        Some(fake) => reply_counts(fake, &senders).await?,
        None => BTreeMap::new(),
    };
    let deliveries: Vec<Signed> = senders
        .iter()
        .flat_map(|from| {
            let sid = format!("SM{}", uuid::Uuid::new_v4().simple());
            let fields = form(&signer.account_sid, &sid, from, &args.scenario);
            (0..args.duplicate.max(1)).map(|_| signer.sign(&url, &fields)).collect::<Vec<_>>()
        })
        .collect();
    let outcome = deliver(&url, deliveries).await?;
    for (answer, times) in &outcome.answers {
        println!("{times} x {answer}");
    }
    println!("slowest answer {:.1} ms", outcome.slowest.as_secs_f64() * 1_000.0);
    if let Some(fake) = fake {
        show_replies(&fake, &senders, &before).await?;
    }
    Ok(if outcome.all_acknowledged { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// One sender, or for a burst as many as there are messages, counting up from the first.
fn senders(first: &str, count: u32) -> anyhow::Result<Vec<String>> {
    if count <= 1 {
        return Ok(vec![first.to_owned()]);
    }
    let split = first.rfind(|c: char| !c.is_ascii_digit()).map_or(0, |index| index + 1);
    let (prefix, digits) = first.split_at(split);
    let Ok(number) = digits.parse::<u64>() else {
        bail!("--burst needs a --from that ends in a number, such as whatsapp:+9779800000001");
    };
    let width = digits.len();
    Ok((0..u64::from(count)).map(|index| format!("{prefix}{:0width$}", number.wrapping_add(index))).collect())
}

fn form(account: &str, sid: &str, from: &str, scenario: &Scenario) -> Vec<(String, String)> {
    match scenario {
        Scenario::Order { text } | Scenario::JobAd { text } => {
            inbound_form(account, sid, from, &[("Body", text)])
        }
        Scenario::Location { latitude, longitude } => {
            let (latitude, longitude) = (latitude.to_string(), longitude.to_string());
            let more = [
                ("MessageType", "location"),
                ("Latitude", latitude.as_str()),
                ("Longitude", longitude.as_str()),
                ("Address", "Durbar Marg, Kathmandu"),
                ("Label", "Shop"),
            ];
            inbound_form(account, sid, from, &more)
        }
        Scenario::Button { text, payload } => {
            let more =
                [("MessageType", "button"), ("Body", text), ("ButtonText", text), ("ButtonPayload", payload)];
            inbound_form(account, sid, from, &more)
        }
    }
}

struct Outcome {
    answers: BTreeMap<String, u32>,
    slowest: Duration,
    all_acknowledged: bool,
}

async fn deliver(url: &Url, deliveries: Vec<Signed>) -> anyhow::Result<Outcome> {
    let client = client()?;
    let mut outcome = Outcome { answers: BTreeMap::new(), slowest: Duration::ZERO, all_acknowledged: true };
    let mut waiting = deliveries.into_iter();
    let mut running = JoinSet::new();
    loop {
        while running.len() < CONCURRENT_MAX {
            let Some(delivery) = waiting.next() else { break };
            running.spawn(post(client.clone(), url.clone(), delivery));
        }
        let Some(done) = running.join_next().await else { return Ok(outcome) };
        let (answer, acknowledged, took) = done.context("a delivery's task broke")?;
        *outcome.answers.entry(answer).or_default() += 1;
        outcome.slowest = outcome.slowest.max(took);
        outcome.all_acknowledged &= acknowledged;
    }
}

async fn post(client: reqwest::Client, url: Url, delivery: Signed) -> (String, bool, Duration) {
    let begun = Instant::now();
    let request = client
        .post(url)
        .header("content-type", "application/x-www-form-urlencoded")
        .header("user-agent", "TwilioProxy/1.1")
        .header("x-twilio-signature", delivery.signature)
        .body(delivery.body);
    let (answer, acknowledged) = match request.send().await {
        Ok(response) => {
            let status = response.status();
            let text = response.text().await.unwrap_or_else(|error| format!("(broken off: {error})"));
            (format!("{status}  {}", text.trim()), status.is_success())
        }
        Err(error) => (format!("no answer: {error}"), false),
    };
    (answer, acknowledged, begun.elapsed())
}

/// What the fake Twilio was sent for `to`.
async fn replies(client: &reqwest::Client, fake: &Url, to: &str) -> anyhow::Result<Vec<String>> {
    let mut url = fake.join("/fake/messages").context("the fake Twilio's URL is damaged")?;
    url.query_pairs_mut().append_pair("to", to);
    let text = client.get(url).send().await.context("the fake Twilio does not answer")?.text().await?;
    let answer: Value = serde_json::from_str(&text).context("the fake Twilio answered no JSON")?;
    let empty = Vec::new();
    let messages = answer["messages"].as_array().unwrap_or(&empty);
    Ok(messages.iter().filter_map(|message| message["body"].as_str().map(str::to_owned)).collect())
}

async fn reply_counts(fake: &Url, senders: &[String]) -> anyhow::Result<BTreeMap<String, usize>> {
    let client = client()?;
    let mut counts = BTreeMap::new();
    for sender in senders {
        counts.insert(sender.clone(), replies(&client, fake, sender).await?.len());
    }
    Ok(counts)
}

/// Waits until every sender has a reply more than before, and shows the first sender's.
#[expect(clippy::print_stdout, reason = "the command's result")]
async fn show_replies(
    fake: &Url,
    senders: &[String],
    before: &BTreeMap<String, usize>,
) -> anyhow::Result<()> {
    let client = client()?;
    let deadline = Instant::now() + REPLIES_WITHIN;
    let mut answered = 0;
    let mut first = Vec::new();
    for (index, sender) in senders.iter().enumerate() {
        let known = before.get(sender).copied().unwrap_or(0);
        let new = loop {
            let all = replies(&client, fake, sender).await?;
            if all.len() > known || Instant::now() > deadline {
                break all.into_iter().skip(known).collect::<Vec<_>>();
            }
            tokio::time::sleep(POLL).await;
        };
        answered += usize::from(!new.is_empty());
        if index == 0 {
            first = new;
        }
    }
    for reply in &first {
        println!("\nreply:\n{}", indented(reply));
    }
    if senders.len() > 1 {
        println!("\n{answered} of {} senders have their reply", senders.len());
    } else if first.is_empty() {
        println!(
            "\nno reply within {REPLIES_WITHIN:?}; `steadfast queues` and `steadfast dlq list` may say why"
        );
    }
    Ok(())
}

fn indented(text: &str) -> String {
    text.lines().map(|line| format!("  {line}")).collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_has_as_many_senders() {
        let senders = senders("whatsapp:+9779800000008", 3).unwrap_or_default();
        assert_eq!(
            senders,
            ["whatsapp:+9779800000008", "whatsapp:+9779800000009", "whatsapp:+9779800000010"]
        );
        assert!(super::senders("whatsapp:NP.user", 2).is_err());
    }
}
