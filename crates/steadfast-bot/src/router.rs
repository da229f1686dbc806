//! Routes what comes in: records the message, answers what needs no conversation, and hands everything else
//! to the queue that does. Also moves replies by their status callbacks.

pub mod classify;
pub mod job_ads;
pub mod words;

use crate::config::BotConfig;
use crate::glue::{self, Lane};
use crate::limits::{Arrival, Limits, Work};
use crate::payload;
use crate::reply::classify::class_of;
use crate::{metrics, texts};
use async_trait::async_trait;
use classify::{Route, classify};
use std::sync::Arc;
use steadfast_core::decision::{Change, Decision, FollowUp};
use steadfast_core::message::{InboundMessage, StatusCallback};
use steadfast_core::ports::Records;
use steadfast_core::queues;
use steadfast_core::status::DeliveryStatus;
use steadfast_queue::Job;
use steadfast_queue::handler::{Handler, JobContext, Outcome};
use steadfast_queue::policy::Failure;

/// The step under which routing is recorded.
const STEP: &str = "route";

/// Runs the jobs of `whatsapp-webhooks`: inbound messages and status callbacks.
#[derive(Debug)]
pub struct WebhookHandler {
    records: Arc<dyn Records>,
    limits: Arc<Limits>,
    config: Arc<BotConfig>,
}

impl WebhookHandler {
    /// A handler over `records`; `limits` are shared with the other handlers of the node.
    pub fn new(records: Arc<dyn Records>, limits: Arc<Limits>, config: Arc<BotConfig>) -> Self {
        Self { records, limits, config }
    }

    async fn inbound(&self, job: &Job) -> Outcome {
        let (message, step): (InboundMessage, _) =
            match glue::begin(self.records.as_ref(), job, STEP, &self.config).await {
                Ok(begun) => begun,
                Err(outcome) => return outcome,
            };
        let (route, arrival) = self.judge(&message);
        let mut decision = record(&message, job, route, arrival);
        match arrival {
            None => {}
            Some(arrival) => self.decide(&mut decision, &message, route, arrival).await,
        }
        metrics::processed(if arrival.is_some() { route.as_str() } else { "blocked" });
        glue::apply(self.records.as_ref(), job, &step, decision, &self.config).await
    }

    /// The message's route, and how its writer stands to the limits; `None`: blocked.
    fn judge(&self, message: &InboundMessage) -> (Route, Option<Arrival>) {
        let route = classify(message);
        if self.limits.is_blocked(&message.from) {
            return (route, None);
        }
        let arrival = match route {
            Route::OptOut | Route::OptIn | Route::Silent => Arrival::Within,
            Route::Check => self.limits.arrival(&message.from, Work::Check, &message.sid),
            _ => self.limits.arrival(&message.from, Work::General, &message.sid),
        };
        (route, Some(arrival))
    }

    async fn decide(
        &self,
        decision: &mut Decision,
        message: &InboundMessage,
        route: Route,
        arrival: Arrival,
    ) {
        let conversation = glue::conversation_of(message);
        let mut say = |step: &str, lane: Lane, text: String| {
            glue::add_replies(decision, message, step, lane, &[text]);
        };
        // What is answered here is what floods are made of: beyond the limits it is recorded and not answered.
        // What goes to a queue is deferred there.
        let beyond = arrival != Arrival::Within;
        match route {
            Route::Help if !beyond => say("welcome", Lane::Command, self.welcome().await),
            Route::Answer(_, text) if !beyond => say("answer", Lane::Conversation, text.to_owned()),
            Route::OptOut => {
                say("opt-out", Lane::OptOut, texts::OPTED_OUT.to_owned());
                decision.changes.push(Change::SetOptedOut { conversation, opted_out: true });
            }
            Route::OptIn => {
                let text = format!("{}\n\n{}", texts::OPTED_IN, self.welcome().await);
                say("opt-in", Lane::Command, text);
                decision.changes.push(Change::SetOptedOut { conversation, opted_out: false });
            }
            Route::Order => {
                decision.follow_ups.push(forward(message, "order", queues::ORDERS, queues::KIND_ORDER))
            }
            Route::Check => {
                decision.follow_ups.push(forward(
                    message,
                    "check",
                    queues::REALITY_CHECK,
                    queues::KIND_CHECK,
                ));
            }
            Route::Help | Route::Answer(..) | Route::Silent => {}
        }
        if arrival == Arrival::BeyondWithNotice {
            glue::add_replies(decision, message, "slow-down", Lane::Command, &[texts::SLOW_DOWN.to_owned()]);
        }
    }

    /// The welcome, with what is on offer if the catalogue can be read just now.
    async fn welcome(&self) -> String {
        match self.records.catalogue().await {
            Ok(catalogue) => texts::welcome(Some(&catalogue)),
            Err(error) => {
                tracing::warn!(%error, "the welcome goes out without the catalogue");
                texts::welcome(None)
            }
        }
    }

    async fn status(&self, job: &Job) -> Outcome {
        let callback: StatusCallback = match payload::decode(job) {
            Ok(callback) => callback,
            Err(failure) => return Outcome::Dead(failure),
        };
        match self.records.record_status(&callback).await {
            Ok(moved) => {
                tell(&callback, moved);
                Outcome::done()
            }
            Err(error) => glue::on_error(&error, &self.config),
        }
    }
}

/// The part of the decision that every message gets: it is recorded, with its route.
fn record(message: &InboundMessage, job: &Job, route: Route, arrival: Option<Arrival>) -> Decision {
    let detail = match arrival {
        None => "blocked: recorded, not processed".to_owned(),
        Some(Arrival::Within) => route.as_str().to_owned(),
        Some(_) => format!("{}, beyond this person's limits", route.as_str()),
    };
    let recorded = Change::RecordInbound {
        message: Box::new(message.clone()),
        conversation: glue::conversation_of(message),
        correlation_id: job.correlation_id.clone(),
    };
    let routed = Change::Event { sid: message.sid.clone(), stage: "routed".to_owned(), detail };
    Decision { changes: vec![recorded, routed], ..Decision::default() }
}

fn forward(message: &InboundMessage, step: &str, queue: &str, kind: &str) -> FollowUp {
    FollowUp {
        step: step.to_owned(),
        queue: queue.to_owned(),
        kind: kind.to_owned(),
        payload: glue::json(message),
        grouped: true,
        delay_ms: 0,
    }
}

/// Counts a callback, and says in the log when a reply did not reach its reader.
fn tell(callback: &StatusCallback, moved: bool) {
    let status = DeliveryStatus::parse(&callback.status);
    metrics::status_callback(status.map_or("other", DeliveryStatus::as_str));
    let failed = matches!(status, Some(DeliveryStatus::Failed | DeliveryStatus::Undelivered));
    if failed && moved {
        let class = callback.error_code.and_then(class_of);
        metrics::delivery_failure(class.map_or("unknown", crate::reply::classify::word));
        tracing::warn!(
            sid = %callback.sid,
            code = callback.error_code,
            status = callback.status,
            "a reply was not delivered; Twilio's page on the code says why"
        );
    }
}

#[async_trait]
impl Handler for WebhookHandler {
    async fn run(&self, job: &Job, _context: &JobContext) -> Outcome {
        match job.kind.as_str() {
            queues::KIND_INBOUND => self.inbound(job).await,
            queues::KIND_STATUS => self.status(job).await,
            kind => unknown_kind(kind),
        }
    }
}

/// A kind that this version does not know: kept for an operator, never dropped.
pub(crate) fn unknown_kind(kind: &str) -> Outcome {
    Outcome::Dead(Failure::new(
        "unknown_kind",
        format!("no handler of this version runs jobs of kind {kind:?}"),
    ))
}
