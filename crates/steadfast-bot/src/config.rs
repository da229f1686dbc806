//! What an operator may set about the bot.

use crate::limits::LimitsConfig;
use crate::reply::pacing::PacingConfig;
use steadfast_core::queues;
use steadfast_queue::RetryPolicy;

/// How the jobs of one queue are run.
#[derive(Debug, Clone, PartialEq)]
pub struct JobPolicy {
    /// How long one attempt may take, in milliseconds.
    pub timeout_ms: u64,
    /// When it is tried again; `None`: as its queue says.
    pub retry: Option<RetryPolicy>,
}

impl Default for JobPolicy {
    fn default() -> Self {
        Self { timeout_ms: 30_000, retry: None }
    }
}

/// The bot's settings. [`BotConfig::default`] is fit for production.
#[derive(Debug, Clone)]
pub struct BotConfig {
    /// How `order-processing` jobs are run.
    pub orders: JobPolicy,
    /// How `reality-check` jobs are run: 30 s, three retries.
    pub checks: JobPolicy,
    /// How `whatsapp-replies` jobs are run. The timeout must exceed `claim_hold_ms`.
    pub replies: JobPolicy,
    /// How much one person may ask of the bot.
    pub limits: LimitsConfig,
    /// How fast replies go out.
    pub pacing: PacingConfig,
    /// The order conversation's rules.
    pub order: crate::order::conversation::Policy,
    /// How long a claim on a reply holds, in milliseconds; longer than a send may take with its waits.
    pub claim_hold_ms: i64,
    /// How long after its first try a reply whose send is in doubt may at the earliest be sent again, in
    /// milliseconds: Twilio's list must have had time to show it.
    pub ambiguous_grace_ms: i64,
    /// How long a job waits when the records, Twilio's list or Twilio's settings are at fault, in milliseconds.
    pub dependency_snooze_ms: u64,
}

impl Default for BotConfig {
    fn default() -> Self {
        let three_retries = RetryPolicy { delays_ms: vec![2_000, 4_000, 8_000].into(), jitter: 0.1 };
        Self {
            orders: JobPolicy::default(),
            checks: JobPolicy { timeout_ms: 30_000, retry: Some(three_retries) },
            replies: JobPolicy { timeout_ms: 45_000, ..JobPolicy::default() },
            limits: LimitsConfig::default(),
            pacing: PacingConfig::default(),
            order: crate::order::conversation::Policy::default(),
            claim_hold_ms: 30_000,
            ambiguous_grace_ms: 60_000,
            dependency_snooze_ms: 2_000,
        }
    }
}

impl BotConfig {
    /// The policy for jobs of `queue`.
    pub(crate) fn policy(&self, queue: &str) -> JobPolicy {
        match queue {
            queues::ORDERS => self.orders.clone(),
            queues::REALITY_CHECK => self.checks.clone(),
            queues::REPLIES => self.replies.clone(),
            _ => JobPolicy::default(),
        }
    }
}
