//! Counts since the start or the last reset.

use crate::twilio::FakeTwilio;
use serde::Serialize;
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// What happened so often.
#[derive(Debug, Default, Clone, Serialize)]
pub(crate) struct Counters {
    /// Creates that became a message, answered or not.
    pub(crate) accepted: u64,
    /// Creates that became none, by Twilio's code; `html` and `hangup` for those without one.
    pub(crate) refused: BTreeMap<String, u64>,
    /// Answers of accepted creates that were kept back or cut off.
    pub(crate) answers_lost: u64,
    pub(crate) lists: u64,
    pub(crate) fetches: u64,
    pub(crate) callbacks_delivered: u64,
    pub(crate) callbacks_failed: u64,
    pub(crate) callback_attempts: u64,
    /// No room in the line of waiting callbacks.
    pub(crate) callbacks_dropped: u64,
    /// Inbound messages made.
    pub(crate) inbound: u64,
    pub(crate) inbound_delivered: u64,
    pub(crate) inbound_failed: u64,
    pub(crate) inbound_attempts: u64,
    /// Media requests that carried credentials to the storage host, where they must not go.
    pub(crate) credentials_leaked: u64,
}

impl Counters {
    pub(crate) fn refuse(&mut self, why: impl Into<String>) {
        *self.refused.entry(why.into()).or_default() += 1;
    }
}

impl FakeTwilio {
    /// What `/fake/stats` shows.
    pub(crate) fn stats(&self) -> Value {
        let state = self.state();
        json!({
            "store": state.store.stats(),
            "counters": state.counters,
            "schedule": { "waiting": state.schedule.waiting(), "refused": state.schedule.refused() },
            "webhooks_dropped": state.webhooks.dropped(),
            "media_dropped": state.media.dropped(),
            "listeners": self.events.listeners(),
            "webhook_url": state.webhook_url.as_deref(),
            "latency_ms": u64::try_from(state.latency.as_millis()).unwrap_or(u64::MAX),
        })
    }

    /// Forgets all messages, scripts, deliveries and counts; the seed's sequence and the webhook URL stay.
    pub(crate) fn reset(&self) {
        let mut state = self.state();
        state.store.clear();
        state.schedule.clear();
        state.scripts.clear(None);
        state.webhooks.clear();
        state.media.clear();
        state.counters = Counters::default();
        state.latency = self.config.latency;
        self.events.reset();
    }
}
