//! Plain requests of the commands to a node on this machine.

use anyhow::{Context, bail};
use serde_json::Value;
use std::time::Duration;
use url::Url;

/// How long a node on this machine may take to answer an operator.
const ANSWER_WITHIN: Duration = Duration::from_secs(30);
/// How long connecting to it may take.
const CONNECT_WITHIN: Duration = Duration::from_secs(3);

/// A client with deadlines.
pub(in crate::commands) fn client() -> anyhow::Result<reqwest::Client> {
    let builder = reqwest::Client::builder()
        .connect_timeout(CONNECT_WITHIN)
        .timeout(ANSWER_WITHIN)
        .redirect(reqwest::redirect::Policy::none())
        .no_proxy();
    builder.build().context("cannot set up HTTP")
}

/// `path` with these parameters.
pub(super) fn path(path: &str, pairs: &[(&'static str, String)]) -> String {
    let mut query = url::form_urlencoded::Serializer::new(String::new());
    query.extend_pairs(pairs);
    format!("{path}?{}", query.finish())
}

/// `text` as one segment of a path.
pub(super) fn segment(text: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
    let write = |byte| if plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") };
    text.bytes().map(write).collect()
}

/// The private API of a node.
#[derive(Debug)]
pub(super) struct Api {
    client: reqwest::Client,
    base: Url,
    token: Option<String>,
}

impl Api {
    /// The API at `base`, with the admin token if one is configured.
    pub(super) fn new(base: Url, token: Option<String>) -> anyhow::Result<Self> {
        Ok(Self { client: client()?, base, token })
    }

    /// GETs `path` (with its query).
    pub(super) async fn get(&self, path: &str) -> anyhow::Result<Value> {
        let url = self.base.join(path).with_context(|| format!("{path:?} is no path"))?;
        self.answer(self.client.get(url)).await
    }

    /// POSTs `body` as JSON to `path`.
    pub(super) async fn post(&self, path: &str, body: &Value) -> anyhow::Result<Value> {
        let url = self.base.join(path).with_context(|| format!("{path:?} is no path"))?;
        let request = self.client.post(url).header("content-type", "application/json").body(body.to_string());
        self.answer(request).await
    }

    async fn answer(&self, mut request: reqwest::RequestBuilder) -> anyhow::Result<Value> {
        if let Some(token) = &self.token {
            request = request.bearer_auth(token);
        }
        let response = request.send().await.with_context(|| {
            format!("the node at {} does not answer; is it running? (`steadfast serve`)", self.base)
        })?;
        let status = response.status();
        let text = response.text().await.context("the answer broke off")?;
        let value: Value = serde_json::from_str(&text)
            .with_context(|| format!("the node answered {status} with something that is no JSON"))?;
        if status.is_success() {
            return Ok(value);
        }
        let part = |name: &str| value["error"][name].as_str().unwrap_or_default().to_owned();
        bail!("the node answered {status}: {} {} {}", part("what"), part("why"), part("todo"));
    }
}
