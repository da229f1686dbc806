//! Twilio's REST API, as far as replies need it.
//!
//! What matters here is what a failure *means*: a connection that never came about sent nothing; a request
//! that went out and got no usable answer may have been obeyed.

mod list;

use super::classify::{Answer, classify_send, word};
use crate::metrics;
use async_trait::async_trait;
use reqwest::{Client, Response, redirect, retry};
use std::fmt;
use std::time::Duration;
use steadfast_core::message::AccountSid;
use steadfast_core::outbox::NewReply;
use steadfast_core::ports::{ListedMessage, Messenger, Refusal, RefusalClass, SendOutcome};
use steadfast_core::{CorrelationId, SharedClock};
use url::{Host, Url, form_urlencoded};

/// The longest answer read from a send, in bytes.
const SEND_BYTES_MAX: usize = 256 * 1024;

/// How to reach Twilio.
#[derive(Clone)]
pub struct TwilioConfig {
    /// `https://api.twilio.com`, a regional host, or a fake one. Plain `http` only to this machine, unless
    /// `plain_http` allows it.
    pub base_url: Url,
    /// The account whose messages are created.
    pub account: AccountSid,
    /// The user of basic authentication: the account id, or an API key's.
    pub user: String,
    /// Its secret: the auth token, or the API key's secret.
    pub secret: String,
    /// Where Twilio reports what becomes of a message; `None`: nowhere. The outbox id is added as `o`, the correlation id as `c`.
    pub status_callback: Option<Url>,
    /// How long connecting may take.
    pub connect_timeout: Duration,
    /// How long a whole call may take, connecting included.
    pub total_timeout: Duration,
    /// Credentials may travel unencrypted to other machines.
    pub plain_http: bool,
}

impl TwilioConfig {
    /// Twilio proper, with the account's own token; connecting takes at most 3 s, a call at most 10 s.
    pub fn new(base_url: Url, account: AccountSid, secret: impl Into<String>) -> Self {
        Self {
            base_url,
            user: account.as_str().to_owned(),
            account,
            secret: secret.into(),
            status_callback: None,
            connect_timeout: Duration::from_secs(3),
            total_timeout: Duration::from_secs(10),
            plain_http: false,
        }
    }
}

impl fmt::Debug for TwilioConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TwilioConfig")
            .field("base_url", &self.base_url.as_str())
            .field("account", &self.account)
            .field("secret", &"***")
            .field("status_callback", &self.status_callback.as_ref().map(Url::as_str))
            .field("connect_timeout", &self.connect_timeout)
            .field("total_timeout", &self.total_timeout)
            .finish_non_exhaustive()
    }
}

/// Why no client could be made.
#[derive(Debug, thiserror::Error)]
pub enum TwilioError {
    /// The base URL is of no use.
    #[error("the Twilio base URL {url:?} cannot be used: {why}")]
    BaseUrl {
        /// As configured.
        url: String,
        /// What is wrong with it and what to do.
        why: &'static str,
    },
    /// The TLS side could not be set up.
    #[error("no HTTPS client could be made; check the system's root certificates")]
    Client(#[source] reqwest::Error),
}

/// A client of Twilio's Messages API.
pub struct TwilioClient {
    config: TwilioConfig,
    messages: Url,
    http: Client,
    clock: SharedClock,
}

impl fmt::Debug for TwilioClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TwilioClient").field("config", &self.config).finish_non_exhaustive()
    }
}

impl TwilioClient {
    /// A client; connects to nothing yet.
    pub fn new(config: TwilioConfig, clock: SharedClock) -> Result<Self, TwilioError> {
        let refuse = |why| TwilioError::BaseUrl { url: config.base_url.to_string(), why };
        let local = is_local(&config.base_url);
        match config.base_url.scheme() {
            "https" => {}
            "http" if local || config.plain_http => {}
            "http" => return Err(refuse("it would send the credentials unencrypted; use https")),
            _ => return Err(refuse("it must begin with https://")),
        }
        let path = format!("2010-04-01/Accounts/{}/Messages.json", config.account);
        let mut base = config.base_url.clone();
        if !base.path().ends_with('/') {
            base.set_path(&format!("{}/", base.path()));
        }
        let messages = base.join(&path).map_err(|_| refuse("it cannot carry a path"))?;
        let mut builder = Client::builder()
            .connect_timeout(config.connect_timeout)
            .timeout(config.total_timeout)
            // A redirect would carry the credentials elsewhere, and a repeated POST is a second message.
            .redirect(redirect::Policy::none())
            .retry(retry::never())
            .pool_idle_timeout(Duration::from_secs(30))
            .user_agent(concat!("steadfast/", env!("CARGO_PKG_VERSION")));
        if local {
            builder = builder.no_proxy();
        }
        let http = builder.build().map_err(TwilioError::Client)?;
        Ok(Self { config, messages, http, clock })
    }

    fn form(&self, reply: &NewReply) -> String {
        let mut form = form_urlencoded::Serializer::new(String::new());
        form.append_pair("To", reply.to.as_str());
        form.append_pair("From", reply.from.as_str());
        form.append_pair("Body", &reply.body);
        if let Some(url) = &self.config.status_callback {
            let mut url = url.clone();
            let correlation = CorrelationId::of_message(&reply.account, &reply.in_reply_to);
            url.query_pairs_mut().append_pair("o", reply.id.as_str()).append_pair("c", correlation.as_str());
            form.append_pair("StatusCallback", url.as_str());
        }
        form.finish()
    }

    async fn post(&self, reply: &NewReply) -> SendOutcome {
        if reply.account != self.config.account {
            return SendOutcome::Refused(wrong_account());
        }
        let request = self
            .http
            .post(self.messages.clone())
            .basic_auth(&self.config.user, Some(&self.config.secret))
            .header("content-type", "application/x-www-form-urlencoded")
            .body(self.form(reply));
        match request.send().await {
            Ok(response) => {
                let read = read(response, SEND_BYTES_MAX).await;
                classify_send(read.answer(self.clock.now_ms()))
            }
            Err(error) if sent_nothing(&error) => SendOutcome::Refused(unreachable(&error)),
            Err(error) => SendOutcome::Ambiguous { why: describe(&error).to_owned() },
        }
    }
}

#[async_trait]
impl Messenger for TwilioClient {
    async fn send(&self, reply: &NewReply) -> SendOutcome {
        let began_ms = self.clock.mono_ms();
        let outcome = self.post(reply).await;
        let took = Duration::from_millis(self.clock.mono_ms().saturating_sub(began_ms));
        let label = match &outcome {
            SendOutcome::Accepted { .. } => "accepted",
            SendOutcome::Refused(refusal) => word(refusal.class),
            SendOutcome::Ambiguous { .. } => "ambiguous",
        };
        metrics::twilio_call("send", label, took);
        outcome
    }

    async fn list_sent(&self, reply: &NewReply, since_ms: i64) -> Result<Vec<ListedMessage>, Refusal> {
        let began_ms = self.clock.mono_ms();
        let listed = self.list(reply, since_ms).await;
        let took = Duration::from_millis(self.clock.mono_ms().saturating_sub(began_ms));
        metrics::twilio_call(
            "list",
            listed.as_ref().map_or_else(|refusal| word(refusal.class), |_| "read"),
            took,
        );
        listed
    }
}

/// Whether the URL names this machine.
fn is_local(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(name)) => name == "localhost",
        Some(Host::Ipv4(ip)) => ip.is_loopback(),
        Some(Host::Ipv6(ip)) => ip.is_loopback(),
        None => false,
    }
}

/// An answer read under a bound.
struct Read {
    http_status: u16,
    retry_after: Option<String>,
    body: Option<Vec<u8>>,
}

impl Read {
    fn answer(&self, now_ms: i64) -> Answer<'_> {
        Answer {
            http_status: self.http_status,
            retry_after: self.retry_after.as_deref(),
            body: self.body.as_deref(),
            now_ms,
        }
    }
}

/// Reads an answer's body, at most `bytes_max` of it: a longer one, or one that breaks off, is none.
async fn read(mut response: Response, bytes_max: usize) -> Read {
    let http_status = response.status().as_u16();
    let header = response.headers().get("retry-after").and_then(|value| value.to_str().ok());
    let retry_after = header.map(str::to_owned);
    let mut bytes = Vec::new();
    let body = loop {
        match response.chunk().await {
            Ok(Some(chunk)) if bytes.len() + chunk.len() <= bytes_max => bytes.extend_from_slice(&chunk),
            Ok(None) => break Some(bytes),
            Ok(Some(_)) | Err(_) => break None,
        }
    };
    Read { http_status, retry_after, body }
}

/// Whether the request cannot have reached anybody: no connection came about, or it could not be built.
fn sent_nothing(error: &reqwest::Error) -> bool {
    error.is_connect() || error.is_builder()
}

fn unreachable(error: &reqwest::Error) -> Refusal {
    let class = if error.is_builder() { RefusalClass::Permanent } else { RefusalClass::Retry };
    let message = format!("Twilio was not reached, so nothing was sent: {}", describe(error));
    Refusal { http_status: None, code: None, class, retry_after_ms: None, message }
}

fn wrong_account() -> Refusal {
    let message = "the reply belongs to another Twilio account than the configured one".to_owned();
    Refusal { http_status: None, code: None, class: RefusalClass::Config, retry_after_ms: None, message }
}

/// What happened, in words of ours: the library's may hold URLs with addresses in them.
fn describe(error: &reqwest::Error) -> &'static str {
    match () {
        () if error.is_connect() && error.is_timeout() => "connecting took too long",
        () if error.is_dns() => "its name could not be resolved",
        () if error.is_connect() => "no connection could be made",
        () if error.is_timeout() => "no answer came in time",
        () if error.is_builder() => "the request could not be built",
        () => "the connection broke before the answer was complete",
    }
}
