//! What honest people noticed.

use super::kind::{Kind, Offered};
use serde::Serialize;
use std::fmt;

/// Honest traffic, quiet or under attack.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct Figures {
    /// Messages acknowledged.
    pub acknowledged: u64,
    /// Tries that failed and were repeated.
    pub again: u64,
    /// Messages given up after 15 s.
    pub lost: u64,
    /// Half were acknowledged within this, counted from when they were due.
    pub p50_ms: f64,
    /// 99 of 100.
    pub p99_ms: f64,
    /// 999 of 1,000.
    pub p999_ms: f64,
}

/// One round of one attack.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct Row {
    /// Which.
    pub attack: Kind,
    /// What the attacker did.
    pub offered: Offered,
    /// Honest traffic right before.
    pub quiet: Figures,
    /// Honest traffic meanwhile.
    pub attacked: Figures,
    /// The node's resident memory at the end, in MiB.
    pub resident_mib: f64,
}

impl Row {
    /// How many times the quiet p99 the p99 under attack is.
    pub fn ratio(&self) -> f64 {
        self.attacked.p99_ms / self.quiet.p99_ms.max(0.001)
    }
}

/// All rounds of all attacks.
#[derive(Debug, Clone, Serialize)]
pub struct Report {
    /// Honest messages per second.
    pub per_second: u32,
    /// Cores of the machine, attacker and generator included.
    pub cores: usize,
    /// Every round.
    pub rows: Vec<Row>,
}

impl Report {
    /// The rounds of one attack, by ratio; the middle one stands for it.
    fn middle(&self, kind: Kind) -> Option<&Row> {
        let mut rows: Vec<&Row> = self.rows.iter().filter(|row| row.attack == kind).collect();
        rows.sort_by(|a, b| a.ratio().total_cmp(&b.ratio()));
        rows.get(rows.len() / 2).copied()
    }

    /// The attacks under which an honest message was lost or the median p99 was more than `ratio_max` times
    /// the quiet one.
    pub fn breaches(&self, ratio_max: f64) -> Vec<Kind> {
        let mut kinds: Vec<Kind> = self.rows.iter().map(|row| row.attack).collect();
        kinds.dedup();
        kinds.retain(|&kind| {
            let lost = self.rows.iter().any(|row| row.attack == kind && row.attacked.lost > 0);
            lost || self.middle(kind).is_some_and(|row| row.ratio() > ratio_max)
        });
        kinds
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "{} honest messages/s, {} cores with generator and attacker on them; the round with the median ratio of each attack",
            self.per_second, self.cores
        )?;
        writeln!(
            f,
            "{:<15} {:>8} {:>8} | {:>6} {:>5} {:>4} | {:>8} {:>8} {:>8} | {:>8} {:>8} | {:>6} {:>5}",
            "attack",
            "offered",
            "refused",
            "acked",
            "again",
            "lost",
            "p50 ms",
            "p99 ms",
            "p999 ms",
            "quiet50",
            "quiet99",
            "ratio",
            "MiB"
        )?;
        let mut kinds: Vec<Kind> = self.rows.iter().map(|row| row.attack).collect();
        kinds.dedup();
        for row in kinds.into_iter().filter_map(|kind| self.middle(kind)) {
            let Row { attack, offered, quiet, attacked, resident_mib } = row;
            writeln!(
                f,
                "{:<15} {:>8} {:>8} | {:>6} {:>5} {:>4} | {:>8.2} {:>8.2} {:>8.2} | {:>8.2} {:>8.2} | {:>6.2} {:>5.0}",
                format!("{attack:?}"),
                offered.offered,
                offered.refused,
                attacked.acknowledged,
                attacked.again,
                attacked.lost,
                attacked.p50_ms,
                attacked.p99_ms,
                attacked.p999_ms,
                quiet.p50_ms,
                quiet.p99_ms,
                row.ratio(),
                resident_mib,
            )?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(p99_ms: f64, lost: u64) -> Row {
        let quiet = Figures { acknowledged: 1, again: 0, lost: 0, p50_ms: 1.0, p99_ms: 2.0, p999_ms: 3.0 };
        let attacked = Figures { p99_ms, lost, ..quiet };
        Row { attack: Kind::Idle, offered: Offered::default(), quiet, attacked, resident_mib: 9.0 }
    }

    fn report(rows: Vec<Row>) -> Report {
        Report { per_second: 500, cores: 2, rows }
    }

    #[test]
    fn the_middle_round_decides_and_a_lost_message_always() {
        assert!(report(vec![row(99.0, 0), row(3.0, 0), row(4.0, 0)]).breaches(2.0).is_empty());
        assert_eq!(report(vec![row(99.0, 0), row(5.0, 0), row(3.0, 0)]).breaches(2.0), [Kind::Idle]);
        assert_eq!(report(vec![row(2.0, 1)]).breaches(2.0), [Kind::Idle]);
        assert!(report(vec![row(2.5, 0)]).to_string().contains("1.25"));
    }
}
