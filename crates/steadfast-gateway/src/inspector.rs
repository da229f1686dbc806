//! The last webhooks and what became of them, for an operator's eyes: no bodies, no addresses of people.

use serde::Serialize;
use std::collections::VecDeque;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};

/// What became of one webhook.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct WebhookVerdict {
    /// When it was answered, in milliseconds since the Unix epoch.
    pub at_ms: i64,
    /// `inbound`, `status`, or `unknown` where it never came to be read.
    pub kind: &'static str,
    /// `new`, `duplicate`, `refused` or `unavailable`.
    pub outcome: &'static str,
    /// The HTTP status of the answer.
    pub status: u16,
    /// The reason of a refusal, a short word.
    pub reason: Option<&'static str>,
    /// What a log line would say about it; for bad signatures, what would have matched.
    pub explanation: Option<String>,
    /// The message, if it could be read.
    pub message_sid: Option<String>,
    /// The id that follows it.
    pub correlation_id: String,
    /// Who sent the request: a peer of ours, or who stands behind a trusted proxy.
    pub client: IpAddr,
    /// The secret it was signed with.
    pub secret: Option<String>,
    /// The spelling of the URL that was signed.
    pub spelling: Option<&'static str>,
    /// From the head of the request to the answer, in microseconds.
    pub duration_us: u64,
}

/// Remembers the last verdicts. Clones share one memory. Accepted and refused ones are kept apart, so that
/// a flood of bad requests does not wash the good ones away; in each, the oldest go first.
#[derive(Debug, Clone)]
pub struct Inspector {
    entries_max: usize,
    rings: Arc<Mutex<Rings>>,
}

#[derive(Debug, Default)]
struct Rings {
    /// Numbers the verdicts: many fall into one millisecond, and the clock may be set back.
    next: u64,
    accepted: VecDeque<(u64, WebhookVerdict)>,
    refused: VecDeque<(u64, WebhookVerdict)>,
}

impl Inspector {
    pub(crate) fn new(entries_max: usize) -> Self {
        Self { entries_max, rings: Arc::default() }
    }

    pub(crate) fn push(&self, verdict: WebhookVerdict) {
        if self.entries_max == 0 {
            return;
        }
        let mut rings = self.rings.lock().unwrap_or_else(PoisonError::into_inner);
        let number = rings.next;
        rings.next += 1;
        let ring = if verdict.reason.is_none() { &mut rings.accepted } else { &mut rings.refused };
        if ring.len() >= self.entries_max {
            ring.pop_front();
        }
        ring.push_back((number, verdict));
    }

    /// The last `limit` verdicts of both kinds, newest first.
    pub fn recent(&self, limit: usize) -> Vec<WebhookVerdict> {
        let rings = self.rings.lock().unwrap_or_else(PoisonError::into_inner);
        let mut all: Vec<&(u64, WebhookVerdict)> = rings.accepted.iter().chain(&rings.refused).collect();
        all.sort_unstable_by_key(|(number, _)| std::cmp::Reverse(*number));
        all.into_iter().take(limit).map(|(_, verdict)| verdict.clone()).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn verdict(at_ms: i64, reason: Option<&'static str>) -> WebhookVerdict {
        WebhookVerdict {
            at_ms,
            kind: "inbound",
            outcome: "new",
            status: 200,
            reason,
            explanation: None,
            message_sid: None,
            correlation_id: String::new(),
            client: IpAddr::from([127, 0, 0, 1]),
            secret: None,
            spelling: None,
            duration_us: 1,
        }
    }

    #[test]
    fn a_flood_of_refusals_washes_nothing_good_away() {
        let inspector = Inspector::new(3);
        inspector.push(verdict(1, None));
        for at_ms in 2..50 {
            inspector.push(verdict(at_ms, Some("mismatch")));
        }
        let seen: Vec<i64> = inspector.recent(10).iter().map(|verdict| verdict.at_ms).collect();
        assert_eq!(seen, [49, 48, 47, 1]);
        assert_eq!(inspector.recent(2).len(), 2);
    }
}
