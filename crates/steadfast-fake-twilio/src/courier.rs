//! Carries one signed form to one URL, as patiently and as often as Twilio would.

use crate::config::{FakeTwilioConfig, SharedKey};
use crate::overrides::Overrides;
use serde::{Deserialize, Serialize};
use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;
use steadfast_gateway::Secret;
use steadfast_gateway::signature::{SETTINGS_HEADER, SIGNATURE_HEADER, sign, sign_sha256};
use tokio::time::Instant;
use url::Url;
use uuid::Uuid;

/// What is read of an answer; Twilio takes TwiML of up to 64 KiB.
const ANSWER_BYTES_MAX: usize = 64 * 1024;
/// Clients are kept per pair of timeouts; URLs with odd fragments may not make ever more of them.
const CLIENTS_MAX: usize = 8;

/// Whether a request is signed as it should be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Signing {
    #[default]
    Good,
    /// With another secret: what a forger sends.
    Bad,
    /// Not at all.
    Missing,
}

/// One try.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Attempt {
    /// HTTP status, if an answer came.
    pub(crate) status: Option<u16>,
    pub(crate) ms: u64,
    /// What went wrong: `connect`, `read_timeout`, `read`, `total_timeout`, `url`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) error: Option<&'static str>,
}

/// How a delivery ended.
#[derive(Debug, Clone)]
pub(crate) struct Outcome {
    /// All tries, in order; never empty.
    pub(crate) attempts: Vec<Attempt>,
    pub(crate) content_type: String,
    pub(crate) answer: String,
    pub(crate) ms: u64,
}

impl Outcome {
    /// Status of the last answer, if the last try had one.
    pub(crate) fn status(&self) -> Option<u16> {
        self.attempts.last().and_then(|attempt| attempt.status)
    }

    pub(crate) fn succeeded(&self) -> bool {
        self.status().is_some_and(|status| (200..300).contains(&status))
    }

    /// The code under which Twilio's debugger would list the failure.
    pub(crate) fn error_code(&self) -> Option<u32> {
        let last = self.attempts.last()?;
        match (last.status, last.error) {
            (Some(200..300), _) => None,
            (Some(_), _) => Some(11200),
            (None, Some("url")) => Some(21402),
            (None, _) => Some(11205),
        }
    }
}

#[derive(Debug)]
pub(crate) struct Courier {
    token: Secret,
    shared_key: Option<SharedKey>,
    clients: Mutex<HashMap<(Duration, Duration), reqwest::Client>>,
}

impl Courier {
    pub(crate) fn new(config: &FakeTwilioConfig) -> Self {
        Self {
            token: Secret::new(config.auth_token.clone()),
            shared_key: config.shared_key.clone(),
            clients: Mutex::new(HashMap::new()),
        }
    }

    /// POSTs `params` to `url` until it is answered well or the URL's overrides say stop. Takes at most 15 s.
    ///
    /// # Cancel safety
    /// A dropped delivery may or may not have reached its receiver, as with any request.
    pub(crate) async fn deliver(
        &self,
        url: &str,
        params: &[(String, String)],
        signing: Signing,
        idempotency_token: Uuid,
    ) -> Outcome {
        let started = Instant::now();
        let mut outcome =
            Outcome { attempts: Vec::new(), content_type: String::new(), answer: String::new(), ms: 0 };
        let Ok(parsed) = Url::parse(url) else {
            outcome.attempts.push(Attempt { status: None, ms: 0, error: Some("url") });
            return outcome;
        };
        let overrides = Overrides::of(&parsed);
        let deadline = started + overrides.total_timeout;
        // The URL is signed as it was written down, not as a parser would write it.
        let written = url.split('#').next().unwrap_or(url);
        for retry in 0..=overrides.retries {
            let began = Instant::now();
            let call = self.post(&overrides, written, params, signing, idempotency_token);
            let result = tokio::time::timeout_at(deadline, call).await;
            let ms = millis(began.elapsed());
            let (attempt, again) = match result {
                Ok(Ok(answer)) => {
                    outcome.content_type = answer.content_type;
                    outcome.answer = answer.text;
                    let again = overrides.policy.covers_status(answer.status);
                    (Attempt { status: Some(answer.status), ms, error: None }, again)
                }
                Ok(Err(failure)) => {
                    let again = match failure {
                        "connect" => overrides.policy.connect,
                        "read" | "read_timeout" => overrides.policy.read,
                        _ => false,
                    };
                    (Attempt { status: None, ms, error: Some(failure) }, again)
                }
                Err(_) => (Attempt { status: None, ms, error: Some("total_timeout") }, false),
            };
            outcome.attempts.push(attempt);
            if !again || retry == overrides.retries || Instant::now() >= deadline {
                break;
            }
        }
        outcome.ms = millis(started.elapsed());
        outcome
    }

    async fn post(
        &self,
        overrides: &Overrides,
        url: &str,
        params: &[(String, String)],
        signing: Signing,
        idempotency_token: Uuid,
    ) -> Result<Answer, &'static str> {
        let client = self.client(overrides).ok_or("client")?;
        let form = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(params).finish();
        let mut request = client
            .post(url)
            .header("content-type", "application/x-www-form-urlencoded; charset=UTF-8")
            .header("user-agent", "TwilioProxy/1.1")
            .header("accept", "*/*")
            .header("x-home-region", "us1")
            .header("i-twilio-idempotency-token", idempotency_token.to_string())
            .body(form);
        match (signing, &self.shared_key) {
            (Signing::Missing, _) => {}
            (Signing::Bad, _) => {
                request = request.header(SIGNATURE_HEADER, sign(&Secret::new("not the token"), url, params));
            }
            (Signing::Good, Some(shared)) => {
                let key = Secret::new(shared.key.clone());
                request = request
                    .header(SETTINGS_HEADER, format!("key={},algorithm=HMAC_SHA256", shared.id))
                    .header(SIGNATURE_HEADER, sign_sha256(&key, url, params));
            }
            (Signing::Good, None) => {
                request = request.header(SIGNATURE_HEADER, sign(&self.token, url, params));
            }
        }
        let mut response = request.send().await.map_err(|error| kind_of(&error))?;
        let status = response.status().as_u16();
        let content_type = response.headers().get("content-type").and_then(|value| value.to_str().ok());
        let content_type = content_type.unwrap_or_default().to_owned();
        let mut bytes = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(|error| kind_of(&error))? {
            let room = ANSWER_BYTES_MAX - bytes.len();
            bytes.extend_from_slice(&chunk[..chunk.len().min(room)]);
            if bytes.len() == ANSWER_BYTES_MAX {
                break;
            }
        }
        Ok(Answer { status, content_type, text: String::from_utf8_lossy(&bytes).into_owned() })
    }

    /// The client for these timeouts: reqwest sets them per client, not per request.
    fn client(&self, overrides: &Overrides) -> Option<reqwest::Client> {
        let key = (overrides.connect_timeout, overrides.read_timeout);
        let mut clients = self.clients.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(client) = clients.get(&key) {
            return Some(client.clone());
        }
        let builder = || {
            reqwest::Client::builder()
                .connect_timeout(overrides.connect_timeout)
                .read_timeout(overrides.read_timeout)
                .timeout(overrides.total_timeout)
                .redirect(reqwest::redirect::Policy::none())
                .no_proxy()
        };
        // A machine without root certificates still has webhooks on plain http.
        let client = builder().build().or_else(|_| builder().tls_certs_only([]).build()).ok()?;
        if clients.len() >= CLIENTS_MAX {
            clients.clear();
        }
        clients.insert(key, client.clone());
        Some(client)
    }
}

struct Answer {
    status: u16,
    content_type: String,
    text: String,
}

fn kind_of(error: &reqwest::Error) -> &'static str {
    if error.is_builder() {
        "url"
    } else if error.is_connect() {
        "connect"
    } else if error.is_timeout() {
        "read_timeout"
    } else {
        "read"
    }
}

fn millis(span: Duration) -> u64 {
    u64::try_from(span.as_millis()).unwrap_or(u64::MAX)
}
