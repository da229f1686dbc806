//! Each rule with the least that makes it speak, and with a little less.

use super::super::figures::{Figures, Operation, Tripped};
use super::super::trend::{Direction, Trend};
use super::*;
use crate::config::Config;
use crate::error::ErrorKind;
use crate::health::{Capabilities, CapabilityState, Cause, PoolStatus, ServerFinding, Severity};
use crate::histogram::{Counts, Histogram, Latencies};
use crate::metrics::Totals;
use proptest::prelude::*;
use std::time::Duration;

/// A histogram of `count` durations of `ms`.
fn times(count: usize, ms: u64) -> Counts {
    let histogram = Histogram::default();
    (0..count).for_each(|_| histogram.record(Duration::from_millis(ms)));
    histogram.counts()
}

const STEADY: Trend = Trend { direction: Direction::Steady, from: 0.0, to: 0.0 };

/// A client that does well: little is to be said of it.
fn well(config: &Config) -> Figures<'_> {
    let pool = PoolStatus {
        size: 1,
        lanes_max: 20,
        connections_max: 50,
        utilisation: 0.02,
        ..PoolStatus::default()
    };
    Figures {
        config,
        window: Totals { calls: 1_000, elapsed: times(1_000, 1), ..Totals::default() },
        span_ms: 3_600_000,
        pool,
        nodes: 1,
        limit: Some(128),
        capabilities: Capabilities::each(|_| CapabilityState::Up),
        tripped: Vec::new(),
        operations: Vec::new(),
        servers: Vec::new(),
        p99_trend: STEADY,
        error_trend: STEADY,
        utilisation_trend: STEADY,
    }
}

/// What is found when one thing is different.
fn found(change: impl FnOnce(&mut Figures<'_>)) -> Vec<Finding> {
    let config = Config::default();
    let mut figures = well(&config);
    change(&mut figures);
    findings(&figures)
}

fn ids(found: &[Finding]) -> Vec<&'static str> {
    found.iter().map(|finding| finding.id).collect()
}

/// The only finding, of this rule, and its change of a setting.
fn one(id: &str, found: &[Finding]) -> Option<(&'static str, u64, u64)> {
    assert_eq!(ids(found), [id]);
    let finding = &found[0];
    assert!(!finding.evidence.is_empty() && !finding.what.is_empty(), "{finding}");
    finding.change.as_ref().map(|change| (change.setting, change.from, change.to))
}

#[test]
fn nothing_is_said_of_a_client_that_does_well_nor_of_one_that_does_nothing() {
    assert_eq!(found(|_| {}), []);
    assert_eq!(found(|figures| figures.window = Totals::default()), []);
}

#[test]
fn errors() {
    let failing = |count| found(|figures| figures.window.set_failed(ErrorKind::Auth, count));
    assert_eq!(one("errors", &failing(10)), None);
    assert!(failing(10)[0].to_string().contains("10 of 1000 calls failed (1 %)"), "{}", failing(10)[0]);
    assert!(failing(10)[0].advice.contains("password"));
    assert_eq!(failing(9), []);
}

#[test]
fn a_timeout_too_tight() {
    let late = |ms, count| {
        found(|figures| {
            figures.window.elapsed = times(1_000, ms);
            figures.window.set_failed(ErrorKind::Timeout, count);
        })
    };
    let change = one("timeout_too_tight", &late(1_200, 5));
    assert_eq!(change, Some(("connection.command_timeout_ms", 2_000, 5_000)));
    assert_eq!(late(1_200, 4), []);
    // Others are answered at once: the server, not the timeout, is what is wrong.
    assert_eq!(late(5, 9), []);
}

#[test]
fn a_timeout_too_loose() {
    let calls = |count, ms| found(|figures| figures.window.elapsed = times(count, ms));
    let change = one("timeout_too_loose", &calls(10_000, 1));
    assert_eq!(change, Some(("connection.command_timeout_ms", 2_000, 250)));
    assert_eq!(calls(9_999, 1), []);
    assert_eq!(calls(10_000, 30), []);
}

#[test]
fn the_retry_budget() {
    let refused = |count| found(|figures| figures.window.retries_refused = count);
    assert_eq!(one("retry_budget", &refused(1)), Some(("retry.budget_burst", 10, 20)));
    assert_eq!(one("retry_budget", &refused(100)), None, "then more retries make it worse");
    assert_eq!(refused(0), []);
}

#[test]
fn redirections_and_slower_calls() {
    assert_eq!(one("redirects", &found(|figures| figures.window.redirects = 50)), None);
    assert_eq!(found(|figures| figures.window.redirects = 49), []);
    let rising = Trend { direction: Direction::Rising, from: 1_000.0, to: 9_000.0 };
    let said = found(|figures| figures.p99_trend = rising);
    assert_eq!(one("slower_and_slower", &said), None);
    assert!(said[0].what.contains("1.0 ms") && said[0].what.contains("9.0 ms"), "{}", said[0]);
}

#[test]
fn more_and_more_errors() {
    let of = |direction| found(|figures| figures.error_trend = Trend { direction, from: 0.001, to: 0.2 });
    assert_eq!(one("more_and_more_errors", &of(Direction::Rising)), None);
    assert_eq!((of(Direction::Falling), of(Direction::Unknown)), (vec![], vec![]));
}

#[test]
fn operations_that_go_through_everything() {
    let slow = |name, p99_us, count| {
        let latency = Latencies { count, p99_us, ..Latencies::default() };
        found(|figures| figures.operations = vec![Operation { name, latency }])
    };
    assert_eq!(one("slow_operation", &slow("KEYS", 50_000, 10)), None);
    assert_eq!(slow("KEYS", 9_000, 10), []);
    assert_eq!(slow("KEYS", 50_000, 9), []);
    assert_eq!(slow("GET", 50_000, 10), []);
}

#[test]
fn dials() {
    let slow = |ms, count| found(|figures| figures.window.dial_time = times(count, ms));
    assert_eq!(one("slow_dials", &slow(600, 3)), None);
    assert_eq!(one("slow_dials", &slow(3_000, 3)), Some(("connection.connect_timeout_ms", 5_000, 10_000)));
    assert_eq!((slow(400, 3), slow(600, 2)), (vec![], vec![]));
    let failing = |failed, good| {
        found(|figures| {
            figures.window.dials_failed = failed;
            figures.window.dial_time = times(good, 1);
        })
    };
    assert_eq!(one("failing_dials", &failing(5, 20)), None);
    assert_eq!((failing(4, 0), failing(5, 21)), (vec![], vec![]));
}

#[test]
fn connections_that_are_lost_or_dead() {
    assert_eq!(one("lost_connections", &found(|figures| figures.window.lost = 10)), None);
    assert_eq!(found(|figures| figures.window.lost = 9), []);
    let closes = ServerFinding {
        id: "timeout",
        severity: Severity::Note,
        what: "timeout is 60 s".into(),
        why: "it closes".into(),
        advice: "set timeout 0".into(),
    };
    let said = found(|figures| {
        figures.window.lost = 10;
        figures.servers = vec![("a:1".into(), closes)];
    });
    assert!(
        said[0].advice.contains("timeout is 60 s") && said[0].advice.contains("set timeout 0"),
        "{}",
        said[0]
    );
    let dead = found(|figures| figures.window.dead = 1);
    assert_eq!(one("dead_connections", &dead), Some(("tcp.keepalive_idle_ms", 10_000, 5_000)));
}

#[test]
fn waits_for_a_connection_that_was_lost() {
    let waited = |count, ms, lost| {
        found(|figures| (figures.window.waits, figures.window.lost) = (times(count, ms), lost))
    };
    let said = waited(20, 12, 1);
    assert_eq!(one("waits", &said), Some(("pool.lanes_min", 1, 2)));
    let text = said[0].to_string();
    assert!(
        text.starts_with("warning: p99 wait 12.") && text.contains("raise pool.lanes_min 1 -> 2"),
        "{text}"
    );
    assert_eq!((waited(19, 12, 1), waited(20, 9, 1), waited(20, 12, 0)), (vec![], vec![], vec![]));
}

#[test]
fn the_line_for_connections_of_ones_own() {
    let stood = |count, ms, timed_out| {
        found(|figures| (figures.window.line, figures.window.line_timed_out) = (times(count, ms), timed_out))
    };
    assert_eq!(one("line", &stood(20, 12, 0)), Some(("pool.connections_max", 50, 100)));
    assert_eq!(one("line", &stood(1, 1, 1)), Some(("pool.connections_max", 50, 100)));
    assert_eq!((stood(19, 12, 0), stood(20, 9, 0)), (vec![], vec![]));
}

#[test]
fn room_in_use() {
    let full = |utilisation, size| {
        found(|figures| (figures.pool.utilisation, figures.pool.size) = (utilisation, size))
    };
    assert_eq!(one("utilisation", &full(0.8, 20)), Some(("pool.lanes_max", 20, 30)));
    assert_eq!(one("utilisation", &full(0.8, 40)), Some(("pool.connections_max", 50, 75)));
    assert_eq!(full(0.79, 20), []);
    let rising = |to| {
        found(|figures| {
            figures.utilisation_trend = Trend { direction: Direction::Rising, from: 0.1, to };
        })
    };
    assert_eq!(one("filling_up", &rising(0.5)), None);
    assert_eq!((rising(0.3), rising(0.9)), (vec![], vec![]));
}

#[test]
fn refusals_of_the_limiter() {
    let shed = |limit| found(|figures| (figures.window.shed, figures.limit) = (3, limit));
    assert_eq!(one("shed", &shed(Some(128))), None, "it knows better");
    assert_eq!(one("shed", &shed(Some(4_096))), Some(("limiter.in_flight_max", 4_096, 8_192)));
    assert_eq!(found(|figures| figures.window.shed = 0), []);
}

#[test]
fn circuits_that_opened() {
    let opened = |cause, ms| {
        found(|figures| {
            figures.window.trips = 2;
            figures.window.elapsed = times(1_000, ms);
            figures.tripped = vec![Tripped { node: "a:1".into(), kind: "read", cause: Some(cause) }];
        })
    };
    assert_eq!(one("breaker", &opened("slow_rate", 150)), Some(("breaker.slow_floor_ms", 100, 500)));
    assert_eq!(one("breaker", &opened("slow_rate", 50)), None);
    let said = opened("failure_rate", 150);
    assert_eq!(one("breaker", &said), None);
    assert!(said[0].what.contains("2 times: read of a:1 (failure_rate)"), "{}", said[0]);
}

#[test]
fn what_does_not_work_is_said_once_for_each_cause() {
    let said = found(|figures| {
        figures.capabilities.writes = CapabilityState::Down(Cause::OutOfMemory.into());
        figures.capabilities.scripts = CapabilityState::Degraded(Cause::OutOfMemory.into());
    });
    assert_eq!(one("health", &said), None);
    assert!(
        said[0].to_string().starts_with("warning: writes, scripts down: its memory is full (OOM): "),
        "{}",
        said[0]
    );
    assert!(said[0].advice.contains("maxmemory"));
}

#[test]
fn a_policy_that_deletes_jobs_is_said_once() {
    let evicts = |severity| ServerFinding {
        id: "eviction",
        severity,
        what: "maxmemory-policy is allkeys-lru".into(),
        why: "it deletes data on its own, such as queued jobs".into(),
        advice: "set maxmemory-policy noeviction".into(),
    };
    let said = |severity| {
        found(|figures| {
            figures.capabilities.writes = CapabilityState::Degraded(Cause::Eviction.into());
            figures.servers = vec![("a:1".into(), evicts(severity))];
        })
    };
    let warned = said(Severity::Warning);
    assert_eq!(ids(&warned), ["server"]);
    let text = warned[0].to_string();
    assert!(
        text.contains("allkeys-lru") && text.contains("queued jobs") && text.contains("noeviction"),
        "{text}"
    );
    assert_eq!(ids(&said(Severity::Note)), [""; 0]);
}

#[test]
fn the_gravest_comes_first_and_names_are_unique() {
    let said = found(|figures| {
        figures.window.elapsed = times(10_000, 1);
        figures.window.dead = 1;
    });
    assert_eq!(ids(&said), ["dead_connections", "timeout_too_loose"]);
    let names: std::collections::BTreeSet<_> = RULES.into_iter().flatten().map(|rule| rule.id).collect();
    assert_eq!(names.len(), RULES.into_iter().flatten().count());
}

#[test]
fn numbers_are_rounded_up_to_what_reads_well() {
    let rounded = [0, 1, 2, 3, 6, 10, 11, 250, 999].map(rounded_up);
    assert_eq!(rounded, [1, 1, 2, 5, 10, 10, 20, 500, 1_000]);
}

proptest! {
    /// Whatever is counted: a setting that is to be changed exists, is what it was said to be, and may be what is advised.
    #[test]
    fn advice_can_be_followed(
        failed in proptest::collection::vec(0_u64..5_000, 8),
        counts in proptest::collection::vec(0_u64..500, 8),
        ms in 0_u64..5_000,
        waits_ms in 0_u64..5_000,
        utilisation in 0.0_f64..1.0,
        size in 0_usize..60,
        limit in 1_u32..5_000,
        lanes_min in 1_u32..20,
    ) {
        let mut config = Config::default();
        config.pool.lanes_min = lanes_min;
        let mut figures = well(&config);
        figures.window.calls = 20_000;
        figures.window.elapsed = times(12_000, ms);
        figures.window.waits = times(30, waits_ms);
        figures.window.line = times(30, waits_ms);
        figures.window.dial_time = times(5, ms);
        for (kind, count) in ErrorKind::ALL.into_iter().zip(&failed) {
            figures.window.set_failed(kind, *count);
        }
        (figures.window.lost, figures.window.dead, figures.window.trips) = (counts[0], counts[1], counts[2]);
        (figures.window.shed, figures.window.retries_refused) = (counts[3], counts[4]);
        (figures.window.redirects, figures.window.dials_failed) = (counts[5], counts[6]);
        (figures.pool.utilisation, figures.pool.size, figures.limit) = (utilisation, size, Some(limit));
        for finding in findings(&figures) {
            prop_assert!(!finding.evidence.is_empty(), "{}", finding);
            prop_assert!(finding.change.is_some() || !finding.advice.is_empty(), "{}", finding);
            let Some(change) = &finding.change else { continue };
            let setting = crate::config::settings().find(|setting| setting.path == change.setting);
            let setting = setting.expect("a setting of that name");
            prop_assert_eq!(setting.shown(&config), change.from.to_string());
            let (least, most) = setting.range.expect("a number");
            prop_assert!((least..=most).contains(&change.to), "{}", finding);
        }
    }
}
