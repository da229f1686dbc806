//! The way back: probes that tell whether the server can be used again, and sending back what waits.

use super::{Inner, server};
use crate::cache::{
    Answer, Key, Kind, Limits, NoAnswer, Op, OutboxSettings, Remote, Report, Settled, Version,
};
use crate::client::Client;
use crate::error::{Error, ErrorKind, Outcome, Result};
use crate::limiter::Class;
use futures::StreamExt;
use std::collections::HashMap;
use std::sync::{Arc, PoisonError};
use std::time::Duration;
use tokio::time::Instant;

/// Bytes of one batch, about.
const BATCH_BYTES: usize = 1 << 20;
/// Operations of a batch that are on their way at once.
const AT_ONCE: usize = 16;
/// How long the value of a probe lives.
const PROBE_MS: u64 = 60_000;

/// Probes and sends back until the cache is closed.
pub(super) async fn run(inner: Arc<Inner>) {
    loop {
        let every = inner.take_settings().await;
        if inner.client.measures() {
            inner.meter.waiting(inner.store.waiting());
        }
        let pause = if inner.is_fallback() { every / inner.options.probes_to_leave.max(1) } else { every };
        tokio::select! {
            () = inner.stop.cancelled() => return,
            () = inner.nudge.notified() => {}
            () = tokio::time::sleep(pause) => {}
        }
        let work = async {
            inner.probe().await;
            if inner.store.waiting() > 0
                && !inner.writes_are_away()
                && let Err(error) = inner.drain(true).await
            {
                tracing::debug!(%error, "not everything was sent back");
            }
        };
        tokio::select! {
            () = inner.stop.cancelled() => return,
            () = work => {}
        }
    }
}

/// The server, asked behind live traffic.
struct Behind<'a> {
    inner: &'a Inner,
    client: Client,
}

impl Remote for Behind<'_> {
    async fn apply(&self, ops: &[Op]) -> Vec<Result<Answer, NoAnswer>> {
        let one = |op: Op| async move {
            match server::apply(&self.client, &op, self.inner.deadline()).await {
                Ok((answer, _)) => Ok(answer),
                Err(error) => {
                    self.inner.note(&error, true);
                    Err(NoAnswer::because(error))
                }
            }
        };
        futures::stream::iter(ops.to_vec()).map(one).buffered(AT_ONCE).collect().await
    }
}

impl Inner {
    /// Takes the settings that may have changed; how often it is looked whether something can be sent back.
    async fn take_settings(&self) -> Duration {
        let new = self.client.fallback();
        let changed = {
            let mut now = self.fallback();
            let changed = *now != new;
            *now = new.clone();
            changed
        };
        if changed {
            let settings = OutboxSettings::from(&new);
            // Closed: nothing to be set any more.
            let _ = self.store.with(move |outbox, _| outbox.set_settings(settings)).await;
        }
        Duration::from_millis(new.sync_interval_ms)
    }

    /// Sends back soon what waits, if the server is there.
    pub(super) fn nudge_if_back(&self) {
        if !self.writes_are_away() {
            self.nudge.notify_one();
        }
    }

    /// Probes until the server counts as back, or does not answer.
    pub(super) async fn probe_until_back(&self) {
        for _ in 0..self.options.probes_to_leave {
            if !self.is_fallback() || !self.probe().await {
                return;
            }
        }
    }

    /// Asks once for what is away; whether it was answered.
    async fn probe(&self) -> bool {
        let client = self.client.priority(Class::Background);
        let key = format!("{}probe", self.options.prefix);
        let mut answered = true;
        if self.writes.is_away() {
            let set = redis::cmd("SET").arg(&key).arg(1).arg("PX").arg(PROBE_MS).to_owned();
            answered &= self.probe_with(&client, &set, true).await;
        }
        if self.reads.is_away() {
            answered &= self.probe_with(&client, &redis::cmd("GET").arg(&key).to_owned(), false).await;
        }
        answered
    }

    async fn probe_with(&self, client: &Client, cmd: &redis::Cmd, is_write: bool) -> bool {
        let mode = if is_write { &self.writes } else { &self.reads };
        if let Err(error) = client.execute(cmd, self.deadline()).await {
            tracing::debug!(%error, is_write, "the cache's probe was not answered");
            mode.failed(false, self.time.now_ms());
            return false;
        }
        if mode.probe_answered() {
            let away_ms = self.time.now_ms().saturating_sub(mode.since_ms());
            // What others wrote meanwhile was not heard of.
            self.near.age_all();
            tracing::info!(is_write, away_ms, waiting = self.store.waiting(), "the cache uses Redis again");
            if self.client.measures() {
                self.meter.away(is_write, false);
            }
        }
        true
    }

    /// Sends back until nothing waits or an answer is missing; with pauses as long as the work if `paced`. Says what came
    /// of it.
    pub(super) async fn drain(&self, paced: bool) -> Result<()> {
        let _alone = self.draining.lock().await;
        let before = self.count_synced().await?;
        let sent = self.send_back(paced).await;
        let came = self.count_synced().await?.since(&before);
        let Report { applied, superseded, expired, merged, conflicted, unanswered, .. } = came;
        let waiting = self.store.waiting();
        if conflicted > 0 {
            tracing::warn!(
                applied,
                superseded,
                expired,
                merged,
                conflicted,
                unanswered,
                waiting,
                "sent back what was written without Redis; what conflicted is given up: Cache::report names examples"
            );
        } else if came.answered() > 0 {
            tracing::info!(
                applied,
                superseded,
                expired,
                merged,
                unanswered,
                waiting,
                "sent back what was written without Redis"
            );
        }
        sent
    }

    /// What came of sending back so far; what is new in it goes to the metrics. For whoever drains: one at a time.
    async fn count_synced(&self) -> Result<Report> {
        let report = self.store.with(|outbox, _| outbox.report().clone()).await?;
        let mut counted = self.counted.lock().unwrap_or_else(PoisonError::into_inner);
        if self.client.measures() {
            self.meter.synced(&report.since(&counted));
        }
        counted.clone_from(&report);
        Ok(report)
    }

    async fn send_back(&self, paced: bool) -> Result<()> {
        let remote = Behind { inner: self, client: self.client.priority(Class::Background) };
        let entries_max = self.fallback().sync_entries_max as usize;
        let away_ms = self.time.now_ms().saturating_sub(self.writes.since_ms());
        let outage_ms = if self.writes.entered() > 0 { away_ms } else { 0 };
        let limits = Limits::new(entries_max, BATCH_BYTES).after_outage(outage_ms);
        let mut idle = 0;
        while self.store.waiting() > 0 && idle < 2 {
            let began = Instant::now();
            let planned = self.store.with_disk(move |outbox, now_ms| outbox.plan(limits, now_ms)).await?;
            let batch = planned.map_err(|error| {
                let why = format!("what waits cannot be sent back: {error}");
                Error::new(ErrorKind::Fallback, "JOURNAL", Outcome::NotSent, why).because(error)
            })?;
            idle = if batch.is_empty() { idle + 1 } else { 0 };
            let versions: HashMap<Key, (Version, bool)> = batch
                .ops()
                .iter()
                .map(|op| (op.key().clone(), (op.upto(), matches!(op, Op::Delete { .. }))))
                .collect();
            let answers = remote.apply(batch.ops()).await;
            let missing = answers.iter().find_map(|answer| answer.as_ref().err().map(ToString::to_string));
            let settle =
                move |outbox: &mut crate::cache::Outbox, now_ms| outbox.settle(batch, answers, now_ms);
            let settled = self.store.with_disk(settle).await?;
            self.count_synced().await?;
            self.tell_settled(&settled, &versions);
            if let Some(why) = missing {
                let why = format!("{} keys were not sent back: {why}", settled.unanswered);
                return Err(Error::new(ErrorKind::Fallback, "SYNC", Outcome::Ambiguous, why));
            }
            if paced {
                tokio::time::sleep(began.elapsed()).await;
            }
        }
        Ok(())
    }

    /// Tells everybody whose knowledge is outdated by what was sent back.
    fn tell_settled(&self, settled: &Settled, versions: &HashMap<Key, (Version, bool)>) {
        for outcome in settled.outcomes.iter().filter(|outcome| outcome.kind == Kind::Value) {
            let Some((version, is_deleted)) = versions.get(&outcome.key) else { continue };
            match &outcome.answer {
                Answer::Superseded { by } => self.near.invalidate(&outcome.key, *by, false),
                Answer::Conflicted { .. } => {
                    self.near.invalidate(&outcome.key, Version::from_bits(u128::MAX), true);
                }
                _ => self.teller.tell(&outcome.key, *version, *is_deleted),
            }
        }
        if let Some(error) = &settled.journal {
            tracing::warn!(%error, "the cache's journal does not know of answers; they will be asked for again");
        }
        if let Some(error) = &settled.far_ahead {
            tracing::warn!(%error, "a value in Redis has a version from the future");
        }
    }
}
