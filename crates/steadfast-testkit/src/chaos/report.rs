//! What a run says at its end.

use super::faults::Done;
use super::ledger::Tally;
use super::load::Posts;
use serde::Serialize;
use std::collections::BTreeMap;
use std::fmt;

/// The whole result.
#[derive(Debug, Clone, Serialize)]
pub struct Report {
    /// The seed that was used.
    pub seed: u64,
    /// How the disk was filled.
    pub disk: &'static str,
    /// Faults done.
    pub done: Done,
    /// The ledger.
    pub tally: Tally,
    /// Of the messages without a reply: sends in doubt that the node holds and shows.
    pub undecided: u64,
    /// Dead letters when all was quiet: jobs whose process was killed three times in a row while running them.
    pub dead_letters: u64,
    /// Of these, those that an operator's retry did not bring back.
    pub dead_in_the_end: u64,
    /// Whether all came to rest in time.
    pub quiet: bool,
    /// How long that took, in seconds.
    pub quiet_after_s: f64,
    /// Whether the last drain ended well.
    pub drained: bool,
    /// Posts of webhooks.
    pub posts: PostsReport,
    /// Starts until ready.
    pub starts: Starts,
}

/// Posts of webhooks.
#[derive(Debug, Clone, Serialize)]
pub struct PostsReport {
    /// All of them.
    pub posted: u64,
    /// By status.
    pub answers: BTreeMap<u16, u64>,
    /// Ended without an answer.
    pub no_answer: u64,
    /// Of all, those that delivered an acknowledged message once more.
    pub delivered_again: u64,
    /// Of those answered 200.
    pub p50_ms: f64,
    /// …
    pub p99_ms: f64,
    /// …
    pub max_ms: f64,
}

/// From the start of a process to its readiness.
#[derive(Debug, Clone, Serialize)]
pub struct Starts {
    /// That became ready.
    pub count: usize,
    /// That ended by themselves.
    pub failed: u32,
    /// Median.
    pub p50_ms: u64,
    /// The slowest of 100.
    pub p99_ms: u64,
    /// The slowest.
    pub max_ms: u64,
}

impl From<&Posts> for PostsReport {
    fn from(posts: &Posts) -> Self {
        let ms = |us: u64| us as f64 / 1_000.0;
        Self {
            posted: posts.posted,
            answers: posts.answers.clone(),
            no_answer: posts.no_answer,
            delivered_again: posts.delivered_again,
            p50_ms: ms(posts.latency_us.value_at_quantile(0.5)),
            p99_ms: ms(posts.latency_us.value_at_quantile(0.99)),
            max_ms: ms(posts.latency_us.max()),
        }
    }
}

impl Starts {
    pub(super) fn of(mut starts_ms: Vec<u64>, failed: u32) -> Self {
        starts_ms.sort_unstable();
        let at = |percent: usize| {
            starts_ms.get((starts_ms.len() * percent / 100).min(starts_ms.len().saturating_sub(1)))
        };
        let at = |percent| at(percent).copied().unwrap_or(0);
        Self { count: starts_ms.len(), failed, p50_ms: at(50), p99_ms: at(99), max_ms: at(100) }
    }
}

impl Report {
    /// Acknowledged messages without a reply that nobody holds.
    pub fn lost(&self) -> u64 {
        self.tally.without_reply.saturating_sub(self.undecided)
    }

    /// Everything that must not be, in words; empty if the promises held.
    pub fn breaches(&self) -> Vec<String> {
        let refused_for_good = self.posts.answers.iter().filter(|(status, _)| (400..500).contains(*status));
        let counts = [
            (self.lost(), "acknowledged messages were lost"),
            (self.undecided, "replies are held undecided"),
            (self.tally.handled_more_than_once, "messages were answered more than once"),
            (self.tally.out_of_order, "replies were out of order"),
            (self.tally.wrong_effects, "orders do not add up"),
            (self.tally.strange, "replies answer nothing that was sent"),
            (self.dead_in_the_end, "jobs are dead for good"),
            (self.tally.sent - self.tally.acknowledged, "messages were never acknowledged"),
            (refused_for_good.map(|(_, count)| count).sum(), "webhooks were refused for good"),
            (u64::from(!self.quiet), "time: it never became quiet"),
        ];
        let wrong = counts.into_iter().filter(|(count, _)| *count > 0);
        wrong.map(|(count, what)| format!("{count} {what}")).collect()
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (done, tally, posts, starts) = (&self.done, &self.tally, &self.posts, &self.starts);
        writeln!(f, "faults (seed {})", self.seed)?;
        writeln!(
            f,
            "  kill -9                {:>8}  ({} in a start, {} in a drain, {} while stopped, {} on a full disk)",
            done.kills,
            done.kills_in_start,
            done.kills_in_stop,
            done.kills_in_freeze,
            done.kills_on_full_disk
        )?;
        writeln!(
            f,
            "  SIGTERM and start      {:>8}  ({} drains ended badly)",
            done.restarts, done.bad_drains
        )?;
        writeln!(
            f,
            "  SIGSTOP                {:>8}  ({} longer than a lease)",
            done.freezes, done.freezes_beyond_lease
        )?;
        writeln!(
            f,
            "  disk full              {:>8}  ({:.1} s in all, {} webhooks refused meanwhile; {})",
            done.disk_full,
            done.disk_full_ms as f64 / 1_000.0,
            done.refused_on_full_disk,
            self.disk
        )?;
        writeln!(
            f,
            "  clock steps            {:>8}  (between {:+} s and {:+} s off)",
            done.clock_steps, done.clock_off_s.0, done.clock_off_s.1
        )?;
        writeln!(f, "starts until ready")?;
        writeln!(
            f,
            "  {:>29}  p50 {} ms, p99 {} ms, max {} ms; {} ended by themselves (no room)",
            starts.count, starts.p50_ms, starts.p99_ms, starts.max_ms, starts.failed
        )?;
        writeln!(f, "posts of webhooks")?;
        writeln!(
            f,
            "  {:>29}  by status {:?}, {} without an answer, {} of acknowledged messages once more",
            posts.posted, posts.answers, posts.no_answer, posts.delivered_again
        )?;
        writeln!(
            f,
            "  answered 200                     p50 {:.1} ms, p99 {:.1} ms, max {:.1} ms",
            posts.p50_ms, posts.p99_ms, posts.max_ms
        )?;
        writeln!(f, "ledger")?;
        for (name, count) in [
            ("sent", tally.sent),
            ("acknowledged", tally.acknowledged),
            ("handled once", tally.handled_once),
            ("handled more than once", tally.handled_more_than_once),
            ("lost", self.lost()),
            ("held undecided", self.undecided),
            ("out of order", tally.out_of_order),
            ("wrong effects", tally.wrong_effects),
            ("strange replies", tally.strange),
            ("dead letters, retried", self.dead_letters),
            ("dead in the end", self.dead_in_the_end),
        ] {
            writeln!(f, "  {name:<22} {count:>8}")?;
        }
        writeln!(
            f,
            "quiet {:.1} s after the last fault; the last drain ended {}",
            self.quiet_after_s,
            if self.drained { "well" } else { "badly" }
        )?;
        match self.breaches() {
            none if none.is_empty() => write!(f, "every promise held"),
            some => write!(f, "BROKEN: {}", some.join("; ")),
        }
    }
}
