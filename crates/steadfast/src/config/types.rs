//! The checked configuration.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use steadfast_core::Address;
use steadfast_core::message::AccountSid;
use steadfast_gateway::{Network, PublicUrl};
use steadfast_queue::QueueSettings;
use steadfast_queue::sealed::{KeyRing, Plain};
use url::Url;

/// Everything the process needs to know, checked.
#[derive(Clone)]
pub(crate) struct Config {
    pub(crate) data_dir: PathBuf,
    pub(crate) node_env: NodeEnv,
    pub(crate) roles: Roles,
    pub(crate) gateway: Gateway,
    /// `None`: no account is configured.
    pub(crate) twilio: Option<Twilio>,
    pub(crate) sends_per_second: u32,
    pub(crate) workers: Workers,
    /// By queue.
    pub(crate) queues: BTreeMap<&'static str, QueueSettings>,
    pub(crate) queue: Queue,
    pub(crate) bot: Bot,
    pub(crate) monitor: Monitor,
    pub(crate) metrics_port: Option<u16>,
    pub(crate) log_level: String,
    pub(crate) log_format: LogFormat,
    pub(crate) fake_twilio: Option<FakeTwilio>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum NodeEnv {
    Development,
    Production,
}

/// What the process does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Roles {
    pub(crate) gateway: bool,
    pub(crate) worker: bool,
    pub(crate) monitor: bool,
}

#[derive(Debug, Clone)]
pub(crate) struct Gateway {
    pub(crate) host: IpAddr,
    pub(crate) port: u16,
    pub(crate) public_base_url: Option<PublicBase>,
    pub(crate) trusted_proxies: Vec<Network>,
    pub(crate) enforce: bool,
    pub(crate) request_timeout: Duration,
    pub(crate) rate_limit_per_minute: u32,
}

/// The URL under which Twilio knows the node, letter by letter as configured: it is part of what is signed.
#[derive(Debug, Clone)]
pub(crate) struct PublicBase {
    pub(crate) parsed: PublicUrl,
    pub(super) text: String,
}

impl PublicBase {
    /// The URL of `path` below it.
    pub(crate) fn url_of(&self, path: &str) -> String {
        format!("{}{path}", self.text.trim_end_matches('/'))
    }
}

/// The Twilio account. No `Debug`: it is all secrets.
#[derive(Clone)]
pub(crate) struct Twilio {
    pub(crate) account_sid: AccountSid,
    pub(crate) auth_token: String,
    pub(crate) auth_token_secondary: Option<String>,
    pub(crate) more_account_sids: Vec<AccountSid>,
    pub(crate) shared_keys: Vec<(String, String)>,
    pub(crate) api_key: Option<(String, String)>,
    pub(crate) api_base_url: Url,
}

#[derive(Debug, Clone)]
pub(crate) struct Workers {
    pub(crate) webhooks: usize,
    pub(crate) orders: usize,
    pub(crate) replies: usize,
    pub(crate) checks: usize,
    /// The most jobs at a time if the number adapts; `None`: it does not.
    pub(crate) adaptive_max: Option<usize>,
    pub(crate) drain_timeout: Duration,
}

#[derive(Debug, Clone)]
pub(crate) struct Queue {
    pub(crate) max_size: u64,
    pub(crate) max_bytes: u64,
    pub(crate) lease: Duration,
    pub(crate) dedup_window: Duration,
    pub(crate) retain_completed: usize,
    /// `None`: payloads lie on disk as they are.
    pub(crate) encryption: Option<Encryption>,
}

/// How payloads are encrypted at rest. `Debug` shows no key.
#[derive(Debug, Clone)]
pub(crate) struct Encryption {
    pub(crate) ring: Arc<KeyRing>,
    pub(crate) plain: Plain,
}

#[derive(Debug, Clone)]
pub(crate) struct Bot {
    pub(crate) draft_ttl: Duration,
    pub(crate) ambiguous_grace: Duration,
    pub(crate) tight_limits: bool,
    pub(crate) blocked: Vec<Address>,
    pub(crate) demo_catalogue: bool,
}

#[derive(Clone)]
pub(crate) struct Monitor {
    pub(crate) host: IpAddr,
    pub(crate) port: u16,
    pub(crate) admin_token: Option<String>,
    pub(crate) operator_token: Option<String>,
    pub(crate) viewer_token: Option<String>,
    pub(crate) allowed_hosts: Vec<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum LogFormat {
    Auto,
    Json,
    Text,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct FakeTwilio {
    pub(crate) port: u16,
}
