//! Runs order messages: reads the conversation, lets the order conversation decide, applies what it decided
//! on the very version it was decided on.

use crate::config::BotConfig;
use crate::glue::{self, Lane};
use crate::limits::{Limits, Work};
use crate::metrics;
use crate::order::conversation::{self, View};
use crate::payload::OrderJob;
use crate::router::unknown_kind;
use async_trait::async_trait;
use std::sync::Arc;
use steadfast_core::SharedClock;
use steadfast_core::decision::{Applied, Decision, StepKey};
use steadfast_core::ports::{Records, RecordsError};
use steadfast_core::queues;
use steadfast_queue::Job;
use steadfast_queue::handler::{Handler, JobContext, Outcome};

/// The step under which an order message is recorded.
const STEP: &str = "order";
/// How often a decision is made anew because the conversation changed meanwhile.
const DECISIONS_MAX: usize = 5;
/// How many of a person's latest orders the conversation sees.
const ORDERS_SEEN: u32 = 10;

/// Runs the jobs of `order-processing`.
#[derive(Debug)]
pub struct OrderHandler {
    records: Arc<dyn Records>,
    limits: Arc<Limits>,
    clock: SharedClock,
    config: Arc<BotConfig>,
}

impl OrderHandler {
    /// A handler over `records`; `limits` are shared with the other handlers of the node.
    pub fn new(
        records: Arc<dyn Records>,
        limits: Arc<Limits>,
        clock: SharedClock,
        config: Arc<BotConfig>,
    ) -> Self {
        Self { records, limits, clock, config }
    }

    async fn order(&self, job: &Job) -> Outcome {
        let (message, step): (OrderJob, _) =
            match glue::begin(self.records.as_ref(), job, STEP, &self.config).await {
                Ok(begun) => begun,
                Err(outcome) => return outcome,
            };
        if let Err(wait_ms) = self.limits.take(&message.from, Work::General, &message.sid) {
            metrics::deferred(queues::ORDERS);
            return Outcome::Snooze(wait_ms);
        }
        let mut result = self.decide(&message, &step).await;
        for _ in 1..DECISIONS_MAX {
            if !matches!(result, Err(RecordsError::Conflict)) {
                break;
            }
            result = self.decide(&message, &step).await;
        }
        match result {
            Ok(applied) => Outcome::Complete(glue::jobs(&applied.decision, job, &self.config)),
            Err(error) => glue::on_error(&error, &self.config),
        }
    }

    async fn decide(&self, message: &OrderJob, step: &StepKey) -> Result<Applied, RecordsError> {
        let id = glue::conversation_of(message);
        let conversation = self.records.conversation(&id).await?;
        let catalogue = self.records.catalogue().await?;
        let orders = self.records.orders(&id, ORDERS_SEEN).await?;
        let version = conversation.version;
        let view = View { conversation: &conversation, catalogue: &catalogue, orders: &orders };
        let plan = conversation::handle(&view, message, self.clock.now_ms(), &self.config.order);
        let mut decision = Decision { changes: plan.changes, ..Decision::default() };
        glue::add_replies(&mut decision, message, STEP, Lane::Conversation, &plan.replies);
        self.records.apply(step, Some((id, version)), decision).await
    }
}

#[async_trait]
impl Handler for OrderHandler {
    async fn run(&self, job: &Job, _context: &JobContext) -> Outcome {
        match job.kind.as_str() {
            queues::KIND_ORDER => self.order(job).await,
            kind => unknown_kind(kind),
        }
    }
}
