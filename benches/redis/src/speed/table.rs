//! Samples of all rounds, and their medians.

use super::Sizes;
use super::load::{Sample, Work};
use crate::clients::Kind;
use crate::figures::{Figures, median, quantile};
use serde_json::json;

/// All samples at one number of tasks, in the order of the rounds.
#[derive(Debug)]
pub(super) struct Table {
    tasks: usize,
    rows: Vec<Row>,
}

/// One client at one kind of work.
#[derive(Debug)]
struct Row {
    kind: Kind,
    work: Work,
    rounds: Vec<Round>,
}

#[derive(Debug, Clone, Copy)]
struct Round {
    per_second: f64,
    cpu_us: f64,
    p50_us: f64,
    p99_us: f64,
    p999_us: f64,
    /// Calls that the server got with one read.
    wave: f64,
}

impl Round {
    fn of(sample: &Sample, reads: u64) -> Self {
        let us = |share| f64::from(quantile(&sample.latency_ns, share)) / 1e3;
        let calls = sample.calls.max(1) as f64;
        Self {
            per_second: calls / sample.took.as_secs_f64(),
            cpu_us: sample.cpu.as_secs_f64() * 1e6 / calls,
            p50_us: us(0.5),
            p99_us: us(0.99),
            p999_us: us(0.999),
            wave: calls / reads.max(1) as f64,
        }
    }
}

impl Row {
    fn median(&self, of: impl Fn(&Round) -> f64) -> f64 {
        median(self.rounds.iter().map(of))
    }

    /// The median over the rounds of what this one has, by what `to` has in the same round.
    fn ratio(&self, to: &Self, of: impl Fn(&Round) -> f64) -> f64 {
        median(self.rounds.iter().zip(&to.rounds).map(|(mine, theirs)| of(mine) / of(theirs)))
    }
}

impl Table {
    pub(super) const fn new(tasks: usize) -> Self {
        Self { tasks, rows: Vec::new() }
    }

    pub(super) fn add(&mut self, kind: Kind, work: Work, sample: &Sample, reads: u64) {
        let round = Round::of(sample, reads);
        match self.rows.iter_mut().find(|row| (row.kind, row.work) == (kind, work)) {
            Some(row) => row.rounds.push(round),
            None => self.rows.push(Row { kind, work, rounds: vec![round] }),
        }
    }

    pub(super) fn print(&self, sizes: &Sizes, figures: &Figures) -> anyhow::Result<()> {
        for work in Work::ALL {
            println!("\n  {}; medians of {} rounds of {} ms:", work.name(), sizes.rounds, sizes.millis);
            println!(
                "  {:<28} {:>10} {:>8} {:>9} {:>9} {:>9} {:>8} {:>12} {:>8} {:>11}",
                "",
                "calls/s",
                "to bare",
                "p50 us",
                "p99 us",
                "p99.9 us",
                "p99/bare",
                "CPU us/call",
                "to bare",
                "calls/read"
            );
            let rows = || self.rows.iter().filter(move |row| row.work == work);
            // The table is as good without it: a part of the clients may be asked for.
            let bare = rows().find(|row| row.kind == Kind::Bare).or_else(|| rows().next());
            for (row, bare) in
                sizes.kinds().iter().filter_map(|kind| Some((rows().find(|row| row.kind == *kind)?, bare?)))
            {
                self.line(row, bare, figures)?;
            }
        }
        Ok(())
    }

    fn line(&self, row: &Row, bare: &Row, figures: &Figures) -> anyhow::Result<()> {
        let per_second = row.median(|round| round.per_second);
        let [p50_us, p99_us, p999_us] =
            [row.median(|round| round.p50_us), row.median(|round| round.p99_us), row.median(|r| r.p999_us)];
        let cpu_us = row.median(|round| round.cpu_us);
        let wave = row.median(|round| round.wave);
        let to_bare = row.ratio(bare, |round| round.per_second);
        let p99_to_bare = row.ratio(bare, |round| round.p99_us);
        let cpu_to_bare = row.ratio(bare, |round| round.cpu_us);
        println!(
            "  {:<28} {per_second:>10.0} {to_bare:>8.3} {p50_us:>9.1} {p99_us:>9.1} {p999_us:>9.1} {p99_to_bare:>8.3} \
             {cpu_us:>12.2} {cpu_to_bare:>8.3} {wave:>11.1}",
            row.kind.name()
        );
        let rates: Vec<f64> = row.rounds.iter().map(|round| round.per_second.round()).collect();
        figures.keep(&json!({
            "what": "rate", "client": row.kind.name(), "version": row.kind.version()?, "work": row.work.name(),
            "tasks": self.tasks, "per_second": per_second, "per_second_to_bare": to_bare, "p50_us": p50_us,
            "p99_us": p99_us, "p999_us": p999_us, "p99_to_bare": p99_to_bare, "cpu_us_per_call": cpu_us,
            "cpu_to_bare": cpu_to_bare, "calls_per_server_read": wave, "per_second_by_round": rates,
        }))
    }
}
