//! What became of a send whose answer was lost: asked of Twilio's list, never assumed.

use super::{CONFIG_SNOOZE_MS, ReplyHandler};
use crate::glue::on_error;
use crate::metrics;
use std::time::Duration;
use steadfast_core::message::MessageSid;
use steadfast_core::outbox::{Claim, OutboxEntry, SendRecord};
use steadfast_core::ports::{ListedMessage, RecordsError, Refusal, RefusalClass};
use steadfast_queue::handler::Outcome;

/// When the list is first read after a send came into doubt, in milliseconds: a callback is often faster.
pub(super) const FIRST_LOOK_MS: u64 = 2_000;
/// Reads of the list, all without the message, that "not sent" takes at least.
const ABSENT_READS_MIN: u32 = 2;
/// Time between reads at least, in milliseconds.
const LOOK_AGAIN_MS: u64 = 5_000;
/// How long a list that cannot be read is left alone, in milliseconds.
const UNREADABLE_MS: u64 = 15_000;

/// How long reading the list may take, in milliseconds.
const LIST_MS_MAX: u64 = 25_000;

/// What follows from looking.
pub(super) enum Resolution {
    /// For the job.
    Outcome(Outcome),
    /// It is proven that nothing went out: claim and send again.
    SendAgain,
}

impl ReplyHandler {
    /// Looks the entry up. `fallback_ms` stands in for the first try's time where the records have none.
    pub(super) async fn resolve(&self, entry: &OutboxEntry, fallback_ms: i64) -> Resolution {
        let tried_ms = entry.first_try_ms.unwrap_or(fallback_ms);
        // Many slow pages must not outlast the job: running out of time is no fault of the reply's.
        let listing = self.messenger.list_sent(&entry.reply, tried_ms);
        let listed = match tokio::time::timeout(Duration::from_millis(LIST_MS_MAX), listing).await {
            Ok(Ok(listed)) => listed,
            Ok(Err(refusal)) => return Resolution::Outcome(unreadable(entry, &refusal)),
            Err(_) => {
                tracing::warn!(outbox_id = ?entry.reply.id, "a reply in doubt stays held: the list took too long");
                return Resolution::Outcome(Outcome::Snooze(UNREADABLE_MS));
            }
        };
        match self.find(entry, listed).await {
            Ok(Some(sid)) => Resolution::Outcome(self.found(entry, sid).await),
            Ok(None) => self.absent(entry, tried_ms).await,
            Err(error) => Resolution::Outcome(on_error(&error, &self.config)),
        }
    }

    /// The listed message with the entry's text that belongs to no other entry.
    async fn find(
        &self,
        entry: &OutboxEntry,
        listed: Vec<ListedMessage>,
    ) -> Result<Option<MessageSid>, RecordsError> {
        let same = |message: &ListedMessage| same_text(&message.body, &entry.reply.body);
        let sids: Vec<MessageSid> = listed.into_iter().filter(same).map(|message| message.sid).collect();
        if sids.is_empty() {
            return Ok(None);
        }
        let known = self.records.known_sids(&sids).await?;
        Ok(sids.into_iter().find(|sid| !known.contains(sid)))
    }

    async fn found(&self, entry: &OutboxEntry, sid: MessageSid) -> Outcome {
        match self.record(&entry.reply.id, SendRecord::Sent { sid }).await {
            Ok(()) => {
                metrics::ambiguous_resolved("list");
                metrics::reply("sent");
                Outcome::done()
            }
            // Another entry got hold of that message in between: look again.
            Err(RecordsError::Inconsistent { .. }) => Outcome::Snooze(LOOK_AGAIN_MS),
            Err(error) => on_error(&error, &self.config),
        }
    }

    async fn absent(&self, entry: &OutboxEntry, tried_ms: i64) -> Resolution {
        let id = &entry.reply.id;
        if let Err(error) = self.record(id, SendRecord::AbsentFromList).await {
            return Resolution::Outcome(on_error(&error, &self.config));
        }
        let reads = entry.absent_reads.saturating_add(1);
        let grace_ms = self.config.ambiguous_grace_ms;
        // Never more than the grace itself: after a step of the clock the try may lie in the future.
        let grace_left_ms = (tried_ms.saturating_add(grace_ms) - self.clock.now_ms()).min(grace_ms);
        if reads < ABSENT_READS_MIN || grace_left_ms > 0 {
            let wait_ms = u64::try_from(grace_left_ms).unwrap_or(0).max(LOOK_AGAIN_MS);
            return Resolution::Outcome(Outcome::Snooze(wait_ms));
        }
        // While the list was read a callback may have settled it, or another node cleared and claimed it.
        match self.records.claim(id, self.config.claim_hold_ms).await {
            Ok(Claim::Ambiguous(_)) => {}
            Ok(_) => return Resolution::Outcome(Outcome::Snooze(LOOK_AGAIN_MS)),
            Err(error) => return Resolution::Outcome(on_error(&error, &self.config)),
        }
        match self.record(id, SendRecord::NotSent).await {
            Ok(()) => {
                metrics::ambiguous_resolved("absent");
                tracing::info!(outbox_id = ?id, reads, "a send in doubt is proven not to have happened; it is sent again");
                Resolution::SendAgain
            }
            Err(error) => Resolution::Outcome(on_error(&error, &self.config)),
        }
    }
}

/// The list cannot be read: the reply stays held, which the timeline and the job's age show.
fn unreadable(entry: &OutboxEntry, refusal: &Refusal) -> Outcome {
    tracing::warn!(outbox_id = ?entry.reply.id, "a reply in doubt stays held: {}", refusal.message);
    match refusal.class {
        RefusalClass::Config => Outcome::Snooze(CONFIG_SNOOZE_MS),
        _ => Outcome::Snooze(refusal.retry_after_ms.unwrap_or(0).max(UNREADABLE_MS)),
    }
}

/// Whether two texts are one message: white space at the ends and line ends may change on the way.
fn same_text(listed: &str, ours: &str) -> bool {
    listed.trim().lines().eq(ours.trim().lines())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn line_ends_do_not_make_another_text() {
        assert!(same_text("a\r\nb ", " a\nb"));
        assert!(!same_text("a b", "a\nb"));
        assert!(!same_text("", "a"));
    }
}
