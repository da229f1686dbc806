//! Twilio's side: many people write, each message is posted until it is acknowledged, and some come again.

use super::ledger::Ledger;
use super::options::Options;
use super::random::Random;
use crate::sign::{Id, signed};
use anyhow::Context;
use hdrhistogram::Histogram;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{Instant, MissedTickBehavior};
use url::Url;

/// People who write at the same moment, at most.
const LANES: u32 = 64;
/// Of 100 acknowledged messages, so many come again at once, and so many with an older one of their sender.
const DOUBLES_PERCENT: u64 = 4;
const REPLAYS_PERCENT: u64 = 2;

/// How soon it is looked again whether somebody may write.
const CROWDED: Duration = Duration::from_millis(50);

/// What the posts met.
#[derive(Debug)]
pub(super) struct Posts {
    pub(super) posted: u64,
    pub(super) answers: BTreeMap<u16, u64>,
    pub(super) no_answer: u64,
    pub(super) delivered_again: u64,
    /// Of the posts answered 200, in microseconds.
    pub(super) latency_us: Histogram<u64>,
}

/// What the lanes share.
#[derive(Debug)]
pub(super) struct Load {
    client: reqwest::Client,
    url: Url,
    seed: u64,
    senders: u32,
    unanswered_max: u64,
    every: Duration,
    stop: watch::Receiver<bool>,
    ledger: Mutex<Ledger>,
    posts: Mutex<Posts>,
}

impl Load {
    pub(super) fn new(
        options: &Options,
        client: reqwest::Client,
        url: Url,
        stop: watch::Receiver<bool>,
    ) -> anyhow::Result<Arc<Self>> {
        let latency_us = Histogram::new_with_bounds(1, 60_000_000, 3).context("no histogram")?;
        Ok(Arc::new(Self {
            client,
            url,
            seed: options.seed,
            senders: options.senders.max(1),
            unanswered_max: options.unanswered_max.max(1),
            every: Duration::from_secs_f64(f64::from(LANES) / f64::from(options.per_second.max(1))),
            stop,
            ledger: Mutex::default(),
            posts: Mutex::new(Posts {
                posted: 0,
                answers: BTreeMap::new(),
                no_answer: 0,
                delivered_again: 0,
                latency_us,
            }),
        }))
    }

    /// Held briefly, never across an await.
    pub(super) fn ledger(&self) -> MutexGuard<'_, Ledger> {
        self.ledger.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Held briefly, never across an await.
    pub(super) fn posts(&self) -> MutexGuard<'_, Posts> {
        self.posts.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Begins. The lanes end by themselves at the stop, each when its message is acknowledged.
    pub(super) fn start(self: &Arc<Self>) -> JoinSet<()> {
        let mut lanes = JoinSet::new();
        for lane in 0..LANES.min(self.senders) {
            let load = Arc::clone(self);
            lanes.spawn(async move { load.lane(lane).await });
        }
        lanes
    }

    async fn lane(&self, lane: u32) {
        let mut random = Random::new(self.seed, 100 + u64::from(lane));
        let mut beat = tokio::time::interval(self.every);
        // After an outage everybody goes on at their pace; a flood of what was missed is not the point here.
        beat.set_missed_tick_behavior(MissedTickBehavior::Delay);
        for seq in 1.. {
            for sender in (lane..self.senders).step_by(LANES as usize) {
                beat.tick().await;
                // Else a machine that is busy with other things would work for hours after the last fault.
                while self.ledger().unanswered() >= self.unanswered_max && !*self.stop.borrow() {
                    tokio::time::sleep(CROWDED).await;
                }
                if *self.stop.borrow() {
                    return;
                }
                let id = Id { sender, seq };
                self.deliver(id, &mut random).await;
                if random.percent(DOUBLES_PERCENT) {
                    self.again(id).await;
                }
                if random.percent(REPLAYS_PERCENT) {
                    let old = u32::try_from(random.between(1, u64::from(seq))).unwrap_or(1);
                    self.again(Id { sender, seq: old }).await;
                }
            }
        }
    }

    /// Posts until acknowledged, as Twilio does when it was told to repeat.
    async fn deliver(&self, id: Id, random: &mut Random) {
        self.ledger().sent(id);
        while self.post(id).await != Some(200) {
            tokio::time::sleep(Duration::from_millis(random.between(50, 500))).await;
        }
        self.ledger().acknowledged(id);
    }

    /// Delivers what was acknowledged once more. Whatever is answered, nothing may come of it.
    async fn again(&self, id: Id) {
        self.posts().delivered_again += 1;
        self.post(id).await;
    }

    async fn post(&self, id: Id) -> Option<u16> {
        let (body, signature) = signed(id, self.seed, self.url.as_str());
        let request = self
            .client
            .post(self.url.clone())
            .header("content-type", "application/x-www-form-urlencoded")
            .header("x-twilio-signature", signature)
            .body(body);
        let begun = Instant::now();
        let answer = async { anyhow::Ok(request.send().await?.status().as_u16()) }.await;
        let took_us = u64::try_from(begun.elapsed().as_micros()).unwrap_or(u64::MAX);
        let mut posts = self.posts();
        posts.posted += 1;
        match answer {
            Ok(status) => {
                *posts.answers.entry(status).or_default() += 1;
                if status == 200 {
                    posts.latency_us.saturating_record(took_us.clamp(1, 60_000_000));
                }
                Some(status)
            }
            Err(_) => {
                posts.no_answer += 1;
                None
            }
        }
    }
}
