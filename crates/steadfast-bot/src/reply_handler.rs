//! Sends replies: once each, within the rules, and never in silence.
//!
//! A send cannot be made idempotent at Twilio. So each is guarded by a claim in the records; when its answer
//! is lost the entry is *ambiguous*, and only evidence moves it: a status callback, Twilio's list, or the
//! list's silence after a grace. Equal texts in doubt at once would be hard to tell apart: that one person
//! has at most one reply in doubt per line follows from the jobs' group, whose head holds the others back.

mod resolve;

use crate::config::BotConfig;
use crate::glue::on_error;
use crate::metrics;
use crate::payload::{self, ReplyJob};
use crate::reply::classify::word;
use crate::reply::pacing::Pacer;
use crate::reply::window;
use crate::router::unknown_kind;
use async_trait::async_trait;
use resolve::Resolution;
use std::sync::Arc;
use std::time::Duration;
use steadfast_core::SharedClock;
use steadfast_core::outbox::{Claim, OutboxEntry, OutboxId, OutboxState, SendRecord};
use steadfast_core::ports::{Messenger, Records, RecordsError, Refusal, RefusalClass, SendOutcome};
use steadfast_core::queues;
use steadfast_queue::Job;
use steadfast_queue::handler::{Handler, JobContext, Outcome};
use steadfast_queue::policy::Failure;

/// How long a reply waits while Twilio's settings are wrong, in milliseconds.
const CONFIG_SNOOZE_MS: u64 = 30_000;
/// A sender that was told to slow down rests at least so long, in milliseconds.
const SLOW_DOWN_MS: u64 = 1_000;
/// Twilio's code for "outside the 24-hour window", recorded as if Twilio had said it.
const CODE_WINDOW_CLOSED: u32 = 63_016;
/// The result of a send is worth a few more tries of writing it down: waits between them, in milliseconds.
const RECORD_AGAIN_MS: [u64; 2] = [100, 400];

/// Runs the jobs of `whatsapp-replies`.
#[derive(Debug)]
pub struct ReplyHandler {
    records: Arc<dyn Records>,
    messenger: Arc<dyn Messenger>,
    pacer: Arc<Pacer>,
    clock: SharedClock,
    config: Arc<BotConfig>,
}

impl ReplyHandler {
    /// A handler that sends through `messenger` at `pacer`'s pace.
    pub fn new(
        records: Arc<dyn Records>,
        messenger: Arc<dyn Messenger>,
        pacer: Arc<Pacer>,
        clock: SharedClock,
        config: Arc<BotConfig>,
    ) -> Self {
        Self { records, messenger, pacer, clock, config }
    }

    async fn reply(&self, job: &Job, context: &JobContext) -> Outcome {
        let reply: ReplyJob = match payload::decode(job) {
            Ok(reply) => reply,
            Err(failure) => return Outcome::Dead(failure),
        };
        // Attempts are counted anew, though some failed before: an operator took the job out of the dead letters.
        let mut by_hand = job.attempt <= 1 && !job.history.is_empty();
        // Thrice at most: to open what had failed, to find it in doubt, and once more when the doubt is gone.
        for _ in 0..3 {
            let claim = match self.records.claim(&reply.outbox_id, self.config.claim_hold_ms).await {
                Ok(claim) => claim,
                Err(error) => return on_error(&error, &self.config),
            };
            match claim {
                Claim::Granted(entry) => return self.granted(&reply, &entry, context).await,
                Claim::Ambiguous(entry) => match self.resolve(&entry, job.enqueued_ms).await {
                    Resolution::Outcome(outcome) => return outcome,
                    Resolution::SendAgain => {}
                },
                Claim::Held { for_ms } => return Outcome::Snooze(u64::try_from(for_ms).unwrap_or(0).max(50)),
                Claim::Settled(OutboxState::Failed) if by_hand => {
                    by_hand = false;
                    if let Err(error) = self.record(&reply.outbox_id, SendRecord::Reopened).await {
                        return on_error(&error, &self.config);
                    }
                }
                Claim::Settled(state) => return settled(state),
                Claim::Unknown => {
                    let message =
                        "the outbox has no such entry; were the records restored from an older backup?";
                    return Outcome::Retry(Failure::new("unknown_outbox_entry", message), None);
                }
            }
        }
        Outcome::Snooze(self.config.dependency_snooze_ms)
    }

    async fn granted(&self, reply: &ReplyJob, entry: &OutboxEntry, context: &JobContext) -> Outcome {
        if entry.opted_out && !reply.confirms_opt_out {
            return self.suppressed(&entry.reply.id).await;
        }
        if !window::is_open(entry.last_inbound_ms, self.clock.now_ms()) {
            return self.window_closed(&entry.reply.id).await;
        }
        let sender = &entry.reply.from;
        let turn = tokio::select! {
            biased;
            () = context.cancel.cancelled() => Err(SLOW_DOWN_MS),
            turn = self.pacer.turn(sender) => turn,
        };
        let permit = match turn {
            Ok(permit) => permit,
            Err(wait_ms) => return self.not_sent(&entry.reply.id, Outcome::Snooze(wait_ms)).await,
        };
        // A messenger keeps its own deadline; this one only keeps a broken one from holding the claim.
        let limit = Duration::from_millis(u64::try_from(self.config.claim_hold_ms).unwrap_or(0));
        let sent = tokio::time::timeout(limit, self.messenger.send(&entry.reply)).await;
        drop(permit);
        let outcome =
            sent.unwrap_or_else(|_| SendOutcome::Ambiguous { why: "the send did not end".to_owned() });
        self.conclude(reply, entry, outcome).await
    }

    async fn conclude(&self, reply: &ReplyJob, entry: &OutboxEntry, outcome: SendOutcome) -> Outcome {
        let id = &entry.reply.id;
        match outcome {
            SendOutcome::Accepted { sid } => {
                metrics::reply("sent");
                tracing::info!(message.sid = %sid, outbox.id = ?id, "reply sent");
                if let Some(received_ms) = reply.received_ms {
                    metrics::response_time(received_ms, self.clock.now_ms());
                }
                match self.record(id, SendRecord::Sent { sid: sid.clone() }).await {
                    Ok(()) => Outcome::done(),
                    Err(error) => {
                        // The claim runs out, the entry becomes ambiguous, and a callback or the list tells.
                        tracing::error!(outbox_id = ?id, %sid, %error, "a sent reply could not be recorded as sent");
                        Outcome::Snooze(u64::try_from(self.config.claim_hold_ms).unwrap_or(0))
                    }
                }
            }
            SendOutcome::Refused(refusal) => self.refused(entry, &refusal).await,
            SendOutcome::Ambiguous { why } => {
                metrics::reply("ambiguous");
                tracing::warn!(outbox_id = ?id, why, "a send is in doubt; it is looked up before anything else");
                match self.record(id, SendRecord::Ambiguous).await {
                    Ok(()) => Outcome::Snooze(resolve::FIRST_LOOK_MS),
                    Err(error) => on_error(&error, &self.config),
                }
            }
        }
    }

    async fn refused(&self, entry: &OutboxEntry, refusal: &Refusal) -> Outcome {
        let (id, sender) = (&entry.reply.id, &entry.reply.from);
        metrics::reply(word(refusal.class));
        tracing::info!(outbox_id = ?id, class = word(refusal.class), code = refusal.code, "{}", refusal.message);
        match refusal.class {
            RefusalClass::Retry => {
                let rest_ms = refusal.retry_after_ms.unwrap_or(SLOW_DOWN_MS);
                if refusal.http_status.is_none() {
                    // Nobody answers: that is not this reply's fault, and costs it no attempt.
                    let rest_ms = rest_ms.max(self.config.dependency_snooze_ms);
                    self.pacer.pause(sender, rest_ms);
                    return self.not_sent(id, Outcome::Snooze(rest_ms)).await;
                }
                if refusal.http_status == Some(429) {
                    // Too many at once is not this reply's fault either; the 24-hour window ends the waiting.
                    self.pacer.pause(sender, rest_ms);
                    return self.not_sent(id, Outcome::Snooze(rest_ms)).await;
                }
                let outcome = Outcome::Retry(failure(refusal), refusal.retry_after_ms);
                self.not_sent(id, outcome).await
            }
            RefusalClass::PauseSender { for_ms } => {
                let rest_ms = for_ms.max(refusal.retry_after_ms.unwrap_or(0));
                tracing::warn!(sender = sender.redacted(), rest_ms, "Twilio wants this sender to rest");
                self.pacer.pause(sender, rest_ms);
                self.not_sent(id, Outcome::Snooze(rest_ms)).await
            }
            RefusalClass::Config => {
                tracing::error!(
                    sender = sender.redacted(),
                    "replies are held until the Twilio settings are mended: {}",
                    refusal.message
                );
                self.pacer.pause(sender, CONFIG_SNOOZE_MS);
                self.not_sent(id, Outcome::Snooze(CONFIG_SNOOZE_MS)).await
            }
            RefusalClass::Permanent => {
                let outcome = Outcome::Dead(failure(refusal));
                self.settle(id, SendRecord::Failed { error_code: refusal.code }, outcome).await
            }
            RefusalClass::OptedOut => self.suppressed(id).await,
            RefusalClass::WindowClosed => self.window_closed(id).await,
        }
    }

    async fn suppressed(&self, id: &OutboxId) -> Outcome {
        metrics::reply("suppressed");
        self.settle(id, SendRecord::Suppressed { reason: "opted_out" }, Outcome::done()).await
    }

    async fn window_closed(&self, id: &OutboxId) -> Outcome {
        metrics::reply("window_closed");
        let message =
            "more than 24 hours have passed since the person last wrote; free text may no longer be sent";
        let outcome = Outcome::Dead(Failure::new("window_closed", message));
        self.settle(id, SendRecord::Failed { error_code: Some(CODE_WINDOW_CLOSED) }, outcome).await
    }

    async fn not_sent(&self, id: &OutboxId, outcome: Outcome) -> Outcome {
        self.settle(id, SendRecord::NotSent, outcome).await
    }

    /// Records `record`, then says `outcome`; what could not be recorded is not said.
    async fn settle(&self, id: &OutboxId, record: SendRecord, outcome: Outcome) -> Outcome {
        match self.record(id, record).await {
            Ok(()) => outcome,
            Err(error) => on_error(&error, &self.config),
        }
    }

    async fn record(&self, id: &OutboxId, record: SendRecord) -> Result<(), RecordsError> {
        for wait_ms in RECORD_AGAIN_MS {
            match self.records.record_send(id, record.clone()).await {
                Err(RecordsError::Unavailable { .. }) => {
                    tokio::time::sleep(Duration::from_millis(wait_ms)).await
                }
                other => return other,
            }
        }
        self.records.record_send(id, record).await
    }
}

fn failure(refusal: &Refusal) -> Failure {
    let error = match (refusal.code, refusal.http_status) {
        (Some(code), _) => format!("twilio_{code}"),
        (None, Some(status)) => format!("twilio_http_{status}"),
        (None, None) => "twilio_unreachable".to_owned(),
    };
    Failure::new(error, refusal.message.clone())
}

/// What an entry that is done with means for its job: a failed one stays in the dead letters.
fn settled(state: OutboxState) -> Outcome {
    match state {
        OutboxState::Failed => Outcome::Dead(Failure::new(
            "reply_failed",
            "the reply failed for good before; see its timeline for the code",
        )),
        _ => Outcome::done(),
    }
}

#[async_trait]
impl Handler for ReplyHandler {
    async fn run(&self, job: &Job, context: &JobContext) -> Outcome {
        match job.kind.as_str() {
            queues::KIND_REPLY => self.reply(job, context).await,
            kind => unknown_kind(kind),
        }
    }
}
