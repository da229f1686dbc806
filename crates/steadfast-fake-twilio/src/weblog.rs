//! The last webhook deliveries, for tests and for the chat page.

use crate::courier::{Attempt, Outcome};
use serde::Serialize;
use std::collections::VecDeque;

/// Characters of an answer that are kept.
const ANSWER_CHARS_MAX: usize = 2_000;

/// One delivery, all its tries.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Record {
    pub(crate) id: u64,
    /// `inbound`, `fallback` or `status`.
    pub(crate) kind: &'static str,
    pub(crate) sid: String,
    /// The status a callback told, or `received`.
    pub(crate) message_status: &'static str,
    pub(crate) at_ms: i64,
    /// As configured, without the fragment.
    pub(crate) url: String,
    /// Status of the last answer.
    pub(crate) status: Option<u16>,
    /// All tries together.
    pub(crate) ms: u64,
    pub(crate) attempts: Vec<Attempt>,
    pub(crate) content_type: String,
    pub(crate) answer: String,
    /// What Twilio's debugger would say.
    pub(crate) error_code: Option<u32>,
}

impl Record {
    pub(crate) fn new(
        kind: &'static str,
        sid: String,
        message_status: &'static str,
        at_ms: i64,
        url: &str,
        outcome: &Outcome,
    ) -> Self {
        Self {
            id: 0,
            kind,
            sid,
            message_status,
            at_ms,
            url: url.split('#').next().unwrap_or(url).to_owned(),
            status: outcome.status(),
            ms: outcome.ms,
            attempts: outcome.attempts.clone(),
            content_type: outcome.content_type.clone(),
            answer: outcome.answer.chars().take(ANSWER_CHARS_MAX).collect(),
            error_code: outcome.error_code(),
        }
    }
}

/// Which deliveries to show.
#[derive(Debug, Default, Clone, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct WebhookQuery {
    /// Only those after this id.
    #[serde(default)]
    pub(crate) after: u64,
    /// `inbound`, `fallback` or `status`.
    pub(crate) kind: Option<String>,
    /// Of one message.
    pub(crate) sid: Option<String>,
    /// At most so many; 100 unless told, 10,000 at most.
    pub(crate) limit: Option<usize>,
    /// Newest first instead of oldest first.
    #[serde(default)]
    pub(crate) newest: bool,
}

/// A ring of deliveries.
#[derive(Debug)]
pub(crate) struct WebhookLog {
    ring: VecDeque<Record>,
    next_id: u64,
    max: usize,
    dropped: u64,
}

impl WebhookLog {
    pub(crate) fn new(max: usize) -> Self {
        Self { ring: VecDeque::new(), next_id: 1, max: max.max(1), dropped: 0 }
    }

    pub(crate) fn push(&mut self, mut record: Record) -> &Record {
        record.id = self.next_id;
        self.next_id += 1;
        if self.ring.len() >= self.max {
            self.ring.pop_front();
            self.dropped += 1;
        }
        self.ring.push_back(record);
        &self.ring[self.ring.len() - 1]
    }

    pub(crate) fn query(&self, query: &WebhookQuery) -> Vec<&Record> {
        let start = self.ring.partition_point(|record| record.id <= query.after);
        let fits = |record: &&Record| {
            query.kind.as_deref().is_none_or(|kind| record.kind == kind)
                && query.sid.as_deref().is_none_or(|sid| record.sid == sid)
        };
        let limit = query.limit.unwrap_or(100).min(10_000);
        let records = self.ring.range(start..);
        if query.newest {
            records.rev().filter(fits).take(limit).collect()
        } else {
            records.filter(fits).take(limit).collect()
        }
    }

    pub(crate) fn dropped(&self) -> u64 {
        self.dropped
    }

    pub(crate) fn clear(&mut self) {
        self.ring.clear();
        self.dropped = 0;
    }
}
