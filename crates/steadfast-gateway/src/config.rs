//! What the gateway is told at its start.

use crate::network::Network;
use crate::public_url::PublicUrl;
use crate::secret::Secret;
use crate::signature::Secrets;
use std::time::Duration;
use steadfast_core::message::AccountSid;
use steadfast_queue::RetryPolicy;
use steadfast_queue::job::UNIQUE_WINDOW_MS;

/// What happens to a request whose signature does not verify.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Mode {
    /// It is refused with 403.
    #[default]
    Enforce,
    /// It is processed all the same, and the log says that it would have been refused and why. For
    /// finding out whether a set-up is right before enforcing it; anybody can send messages meanwhile.
    Observe,
}

/// The gateway's configuration.
#[derive(Debug, Clone)]
pub struct GatewayConfig {
    /// The URL under which Twilio knows us. Without it the URL is made of the `Host` header, which is for
    /// development: behind a proxy it is seldom the one that Twilio signed.
    pub public_base_url: Option<PublicUrl>,
    /// What happens to requests that do not verify.
    pub mode: Mode,
    /// What requests are verified with.
    pub secrets: Secrets,
    /// The key of the group keys; the same on all nodes. Without it group keys are guessable hashes of
    /// phone numbers.
    pub group_secret: Secret,
    /// The only accounts to take webhooks from; empty takes any that verifies.
    pub account_sids: Vec<AccountSid>,
    /// Networks of the proxies whose `X-Forwarded-*` headers are believed.
    pub trusted_proxies: Vec<Network>,
    /// How long a second delivery of the same webhook is recognised by the queue, in milliseconds.
    pub unique_window_ms: u64,
    /// The retry schedule of the jobs made here; `None`: their queue's.
    pub retry: Option<RetryPolicy>,
    /// How long one attempt at such a job may take, in milliseconds.
    pub job_timeout_ms: u64,
    /// Bounds.
    pub limits: Limits,
}

impl Default for GatewayConfig {
    fn default() -> Self {
        Self {
            public_base_url: None,
            mode: Mode::Enforce,
            secrets: Secrets::default(),
            group_secret: Secret::default(),
            account_sids: Vec::new(),
            trusted_proxies: Vec::new(),
            unique_window_ms: UNIQUE_WINDOW_MS,
            retry: None,
            job_timeout_ms: 30_000,
            limits: Limits::default(),
        }
    }
}

/// Every bound of the gateway. What happens at each is said beside it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of a form; beyond: 413.
    pub form_bytes_max: usize,
    /// Bytes of a JSON body; beyond: 413.
    pub json_bytes_max: usize,
    /// Bytes of bodies of more than 8 KiB that are arriving, in all; beyond, the one that has been arriving
    /// longest is told 503 and closed.
    pub arriving_bytes_max: usize,
    /// Fields of a form; beyond: 400.
    pub fields_max: usize,
    /// Bytes of request line and headers; beyond: 431.
    pub head_bytes_max: usize,
    /// Header lines; beyond: 431.
    pub headers_max: usize,
    /// From the opening of a connection, or from the first byte of a later request, to the end of the
    /// headers; beyond: closed.
    pub head_timeout: Duration,
    /// For the whole body; beyond: 408.
    pub body_timeout: Duration,
    /// Between requests of one connection; beyond: closed.
    pub idle_timeout: Duration,
    /// For the peer to take an answer; beyond: closed.
    pub write_timeout: Duration,
    /// From the end of the body to the answer; beyond: 503.
    pub request_timeout: Duration,
    /// From the end of the body to the end of the durable enqueue; beyond: 503.
    pub enqueue_timeout: Duration,
    /// For requests in flight at shutdown; beyond: closed.
    pub drain_timeout: Duration,
    /// Open connections. Beyond, a few are closed for new ones: those idle, or in the middle of a request that
    /// does not end, longest, and of these first those that never carried a believed request. Where all are
    /// at work, the new one is told 503 and closed.
    pub connections_max: usize,
    /// The same for one peer address (one /64 of IPv6), trusted proxies excepted.
    pub connections_per_peer_max: usize,
    /// Refused requests (bad signature, unusable form, no such path) that one address may send at once;
    /// beyond, those answers are held back, and those to bad signatures are 429. What is rightly signed is
    /// never among them.
    pub refused_burst: u32,
    /// … and per second from then on.
    pub refused_per_second: u32,
    /// How long such an answer is held back; its connection may be closed for another meanwhile.
    pub refused_pause: Duration,
    /// Addresses counted apart for that; beyond, all further ones share one count.
    pub refused_peers_max: usize,
    /// Log lines about refused requests and explanations of bad signatures, per second; beyond, counted
    /// and told with the next.
    pub refusal_logs_per_second: u32,
    /// Verdicts the inspector remembers, of accepted and of refused webhooks each; the oldest go.
    pub inspector_entries_max: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            form_bytes_max: 64 * 1024,
            json_bytes_max: 256 * 1024,
            arriving_bytes_max: 16 * 1024 * 1024,
            fields_max: 1_000,
            head_bytes_max: 16 * 1024,
            headers_max: 64,
            head_timeout: Duration::from_secs(5),
            body_timeout: Duration::from_secs(5),
            idle_timeout: Duration::from_secs(30),
            write_timeout: Duration::from_secs(5),
            request_timeout: Duration::from_secs(2),
            enqueue_timeout: Duration::from_millis(500),
            drain_timeout: Duration::from_secs(10),
            connections_max: 4_096,
            connections_per_peer_max: 2_048,
            refused_burst: 30,
            refused_per_second: 1,
            refused_pause: Duration::from_secs(1),
            refused_peers_max: 10_000,
            refusal_logs_per_second: 10,
            inspector_entries_max: 200,
        }
    }
}
