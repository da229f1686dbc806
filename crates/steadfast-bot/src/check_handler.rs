//! Runs reality checks: judges the ad by the rules, records the verdict, replies.

use crate::config::BotConfig;
use crate::glue::{self, Lane};
use crate::limits::{Limits, Work};
use crate::payload::CheckJob;
use crate::reality::{self, Judgement};
use crate::router::{job_ads, unknown_kind};
use crate::{metrics, texts};
use async_trait::async_trait;
use std::sync::Arc;
use steadfast_core::decision::{Change, Decision};
use steadfast_core::ports::Records;
use steadfast_core::queues;
use steadfast_queue::Job;
use steadfast_queue::handler::{Handler, JobContext, Outcome};

/// The step under which a check is recorded.
const STEP: &str = "check";

/// Runs the jobs of `reality-check`.
#[derive(Debug)]
pub struct CheckHandler {
    records: Arc<dyn Records>,
    limits: Arc<Limits>,
    config: Arc<BotConfig>,
}

impl CheckHandler {
    /// A handler over `records`; `limits` are shared with the other handlers of the node.
    pub fn new(records: Arc<dyn Records>, limits: Arc<Limits>, config: Arc<BotConfig>) -> Self {
        Self { records, limits, config }
    }

    async fn check(&self, job: &Job) -> Outcome {
        let (message, step): (CheckJob, _) =
            match glue::begin(self.records.as_ref(), job, STEP, &self.config).await {
                Ok(begun) => begun,
                Err(outcome) => return outcome,
            };
        if let Err(wait_ms) = self.limits.take(&message.from, Work::Check, &message.sid) {
            metrics::deferred(queues::REALITY_CHECK);
            return Outcome::Snooze(wait_ms);
        }
        glue::apply(self.records.as_ref(), job, &step, decide(&message), &self.config).await
    }
}

fn decide(message: &CheckJob) -> Decision {
    let mut decision = Decision::default();
    let text = match reality::judge(job_ads::subject(&message.body)) {
        Judgement::TooShort => texts::TOO_SHORT.to_owned(),
        Judgement::NotAnAd => texts::NOT_AN_AD.to_owned(),
        Judgement::Judged(verdict) => {
            metrics::checked(verdict.class.as_str());
            decision.changes.push(Change::RecordCheck {
                sid: message.sid.clone(),
                score: verdict.score,
                class: verdict.class.as_str().to_owned(),
                confidence_pct: verdict.confidence_pct,
                reasons: verdict.reasons.iter().map(|reason| reason.text.clone()).collect(),
            });
            reality::verdict::render(&verdict)
        }
    };
    decision.changes.push(Change::Event {
        sid: message.sid.clone(),
        stage: "handled".to_owned(),
        detail: "reality check".to_owned(),
    });
    glue::add_replies(&mut decision, message, STEP, Lane::Conversation, &[text]);
    decision
}

#[async_trait]
impl Handler for CheckHandler {
    async fn run(&self, job: &Job, _context: &JobContext) -> Outcome {
        match job.kind.as_str() {
            queues::KIND_CHECK => self.check(job).await,
            kind => unknown_kind(kind),
        }
    }
}
