//! A Twilio of the tests: sends signed webhooks in order, again and again until acknowledged, and reads
//! what the fake Twilio was sent.

use anyhow::Context;
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;
use steadfast_gateway::Secret;
use steadfast_gateway::signature::sign;
use steadfast_testkit::process::Service;
use tokio::process::Command;
use url::Url;

pub(crate) const ACCOUNT: &str = "AC00000000000000000000000000000000";
pub(crate) const TOKEN: &str = "a-token-of-the-tests-0123456789";
pub(crate) const SENDER: &str = "whatsapp:+14155238886";

pub(crate) fn binary() -> &'static Path {
    Path::new(env!("CARGO_BIN_EXE_steadfast"))
}

/// The settings of a node that talks to the fake Twilio at `fake`.
pub(crate) fn settings_for(fake: &Url) -> Vec<String> {
    vec![
        format!("twilio.account_sid={ACCOUNT}"),
        format!("twilio.auth_token={TOKEN}"),
        format!("twilio.api_base_url={fake}"),
        "bot.ambiguous_grace=1s".to_owned(),
    ]
}

/// Starts the fake Twilio as a process of its own, so that it outlives the node under test.
pub(crate) async fn fake_twilio(folder: &Path) -> anyhow::Result<Service> {
    let mut command = Command::new(binary());
    command.args(["fake-twilio", "--port", "0", "--webhook-url", "http://127.0.0.1:9/webhook/twilio"]);
    command.arg("--data-dir").arg(folder.join("fake"));
    for setting in [format!("twilio.account_sid={ACCOUNT}"), format!("twilio.auth_token={TOKEN}")] {
        command.args(["--set", &setting]);
    }
    Service::start(command, &folder.join("fake.log")).await
}

pub(crate) fn client() -> anyhow::Result<reqwest::Client> {
    let builder = reqwest::Client::builder().timeout(Duration::from_secs(20)).no_proxy();
    builder.connect_timeout(Duration::from_secs(5)).build().context("no client")
}

/// One message as Twilio posts it.
#[derive(Debug, Clone)]
pub(crate) struct Webhook {
    pub(crate) sid: String,
    pub(crate) from: String,
    pub(crate) body: String,
}

impl Webhook {
    /// Posts it to `url`, signed with `token`; returns the status.
    pub(crate) async fn post(&self, client: &reqwest::Client, url: &Url, token: &str) -> anyhow::Result<u16> {
        let fields: Vec<(String, String)> = [
            ("MessageSid", self.sid.as_str()),
            ("AccountSid", ACCOUNT),
            ("From", &self.from),
            ("To", SENDER),
            ("Body", &self.body),
            ("NumMedia", "0"),
            ("MessageType", "text"),
        ]
        .iter()
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
        .collect();
        let signature = sign(&Secret::new(token), url.as_str(), &fields);
        let body = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(&fields).finish();
        let request = client
            .post(url.clone())
            .header("content-type", "application/x-www-form-urlencoded")
            .header("x-twilio-signature", signature)
            .body(body);
        Ok(request.send().await?.status().as_u16())
    }
}

/// Everything the fake Twilio accepted, as (to, body) in order of arrival.
pub(crate) async fn sent(client: &reqwest::Client, fake: &Url) -> anyhow::Result<Vec<(String, String)>> {
    let answer: Value = serde_json::from_str(
        &client.get(fake.join("/fake/messages?limit=1000000")?).send().await?.text().await?,
    )?;
    let messages = answer["messages"].as_array().context("no messages in the answer")?;
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    Ok(messages.iter().map(|message| (text(&message["to"]), text(&message["body"]))).collect())
}

/// The same by recipient.
pub(crate) async fn sent_by_recipient(
    client: &reqwest::Client,
    fake: &Url,
) -> anyhow::Result<BTreeMap<String, Vec<String>>> {
    let mut by_recipient: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for (to, body) in sent(client, fake).await? {
        by_recipient.entry(to).or_default().push(body);
    }
    Ok(by_recipient)
}
