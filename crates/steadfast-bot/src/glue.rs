//! Between decisions and jobs: replies into outbox rows and jobs that send them, stored follow-ups into
//! jobs, and errors of the records into outcomes.

use crate::config::BotConfig;
use crate::payload::{self, ReplyJob};
use crate::reply::split;
use serde::de::DeserializeOwned;
use sha2::{Digest, Sha256};
use steadfast_core::conversation::ConversationId;
use steadfast_core::decision::{Decision, FollowUp, StepKey};
use steadfast_core::message::InboundMessage;
use steadfast_core::outbox::{NewReply, OutboxId};
use steadfast_core::ports::{Records, RecordsError};
use steadfast_core::queues;
use steadfast_queue::handler::Outcome;
use steadfast_queue::policy::Failure;
use steadfast_queue::{GroupKey, Job, JobId, NewJob, Priority};

/// Which line a reply stands in. Within a line replies go out one at a time and in order, so that at most
/// one send per person and line can be in doubt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Lane {
    /// With the conversation.
    Conversation,
    /// Past a conversation that waits, behind other commands.
    Command,
    /// Past everything.
    OptOut,
}

impl Lane {
    const ALL: [Self; 3] = [Self::Conversation, Self::Command, Self::OptOut];

    /// How the steps of its follow-ups begin. Stored in decisions: never change one.
    const fn prefix(self) -> &'static str {
        match self {
            Self::Conversation => "reply-",
            Self::Command => "command-reply-",
            Self::OptOut => "opt-out-reply-",
        }
    }

    fn of(follow_up: &FollowUp) -> Option<Self> {
        Self::ALL.into_iter().find(|lane| follow_up.step.starts_with(lane.prefix()))
    }
}

/// The conversation that `message` belongs to.
pub(crate) fn conversation_of(message: &InboundMessage) -> ConversationId {
    ConversationId::between(&message.account, &message.to, &message.from)
}

/// Adds `texts` to `decision` as replies to `message`: split to what a message may hold, one outbox row and
/// one job per part.
pub(crate) fn add_replies(
    decision: &mut Decision,
    message: &InboundMessage,
    step: &str,
    lane: Lane,
    texts: &[String],
) {
    let conversation = conversation_of(message);
    let parts = texts.iter().flat_map(|text| split::split(text));
    for (index, body) in parts.enumerate() {
        let part = u32::try_from(index).unwrap_or(u32::MAX);
        let id = OutboxId::derived(&conversation, &message.sid, step, part);
        let job = ReplyJob {
            outbox_id: id.clone(),
            received_ms: Some(message.received_ms),
            confirms_opt_out: lane == Lane::OptOut,
        };
        decision.outbox.push(NewReply {
            id,
            conversation: conversation.clone(),
            in_reply_to: message.sid.clone(),
            account: message.account.clone(),
            from: message.to.clone(),
            to: message.from.clone(),
            body,
        });
        decision.follow_ups.push(FollowUp {
            step: format!("{}{step}-{part}", lane.prefix()),
            queue: queues::REPLIES.to_owned(),
            kind: queues::KIND_REPLY.to_owned(),
            payload: json(&job),
            grouped: lane == Lane::Conversation,
            delay_ms: 0,
        });
    }
}

/// `value` as JSON.
pub(crate) fn json<T: serde::Serialize>(value: &T) -> String {
    serde_json::to_string(value).expect("our payloads have string keys and finite numbers only")
}

/// The jobs that a stored decision demands of `parent`. The same decision and parent give the same ids.
pub(crate) fn jobs(decision: &Decision, parent: &Job, config: &BotConfig) -> Vec<NewJob> {
    decision.follow_ups.iter().map(|follow_up| job(follow_up, parent, config)).collect()
}

fn job(follow_up: &FollowUp, parent: &Job, config: &BotConfig) -> NewJob {
    let lane = Lane::of(follow_up);
    let policy = config.policy(&follow_up.queue);
    let group = match lane {
        _ if follow_up.grouped => parent.group,
        Some(Lane::Command) => parent.group.map(command_group),
        _ => None,
    };
    NewJob {
        codec: queues::CODEC_JSON_V1,
        priority: if lane == Some(Lane::OptOut) { Priority::High } else { Priority::Normal },
        delay_ms: follow_up.delay_ms,
        id: Some(JobId::of_follow_up(parent.id, &follow_up.step)),
        group,
        retry: policy.retry,
        timeout_ms: policy.timeout_ms,
        parent: Some(parent.id),
        correlation_id: parent.correlation_id.clone(),
        metadata: parent.metadata.clone(),
        ..NewJob::new(follow_up.queue.clone(), follow_up.kind.clone(), follow_up.payload.clone())
    }
}

/// The group of a person's command replies, beside the group of their conversation.
fn command_group(group: GroupKey) -> GroupKey {
    let digest = Sha256::new().chain_update(b"command replies\0").chain_update(group.0).finalize();
    let mut key = [0; 16];
    key.copy_from_slice(&digest[..16]);
    GroupKey(key)
}

/// Begins `step` of `job`: its payload and the step's key, or what to say at once, because the payload cannot
/// be read, the records are away, or the step was applied before and only its follow-ups are wanted again.
pub(crate) async fn begin<T: DeserializeOwned>(
    records: &dyn Records,
    job: &Job,
    step: &str,
    config: &BotConfig,
) -> Result<(T, StepKey), Outcome> {
    let payload = payload::decode(job).map_err(Outcome::Dead)?;
    let key = StepKey::new(&job.id.to_string(), step);
    match records.applied(&key).await {
        Ok(Some(stored)) => Err(Outcome::Complete(jobs(&stored, job, config))),
        Ok(None) => Ok((payload, key)),
        Err(error) => Err(on_error(&error, config)),
    }
}

/// Applies a decision that depends on no version, and completes the job with the stored one's follow-ups.
pub(crate) async fn apply(
    records: &dyn Records,
    job: &Job,
    step: &StepKey,
    decision: Decision,
    config: &BotConfig,
) -> Outcome {
    match records.apply(step, None, decision).await {
        Ok(applied) => Outcome::Complete(jobs(&applied.decision, job, config)),
        Err(error) => on_error(&error, config),
    }
}

/// What an error of the records means for the job.
pub(crate) fn on_error(error: &RecordsError, config: &BotConfig) -> Outcome {
    match error {
        RecordsError::Unavailable { .. } => {
            tracing::warn!(%error, "the records are unavailable; the job waits");
            Outcome::Snooze(config.dependency_snooze_ms)
        }
        RecordsError::Conflict => Outcome::Retry(Failure::new("conflict", error.to_string()), None),
        _ => {
            tracing::error!(%error, "the records are inconsistent");
            Outcome::Retry(Failure::new("records_inconsistent", error.to_string()), None)
        }
    }
}
