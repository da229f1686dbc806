//! What load shows: lanes, exclusive connections, the limiter, the breakers.

use super::super::figures::{Figures, ms};
use super::super::finding::Finding;
use super::super::trend::Direction;
use super::{Rule, percent, rounded_up};
use crate::health::Severity;

pub(super) const RULES: &[Rule] = &[
    Rule { id: "utilisation", look: utilisation },
    Rule { id: "filling_up", look: filling_up },
    Rule { id: "line", look: line },
    Rule { id: "shed", look: shed },
    Rule { id: "breaker", look: breaker },
];

fn utilisation(figures: &Figures<'_>) -> Vec<Finding> {
    let (pool, config) = (&figures.pool, &figures.config.pool);
    if pool.utilisation * 100.0 < f64::from(config.utilisation_warn_percent) {
        return Vec::new();
    }
    let open = pool.size + pool.exclusive_held + pool.exclusive_idle;
    let what = format!(
        "{} of the room is in use: {} commands in flight on {} lanes, {open} connections over {} nodes",
        percent(pool.utilisation),
        pool.in_flight,
        pool.size,
        figures.nodes
    );
    let finding = Finding::new(Severity::Warning, what, "")
        .with("utilisation", pool.utilisation)
        .with("in_flight", pool.in_flight as f64)
        .with("connections", open as f64);
    // By which of the two it is full.
    let by_connections = open as f64 / (pool.connections_max.max(1) * figures.nodes.max(1)) as f64;
    let (setting, from, most) = match by_connections >= pool.utilisation * 0.9 {
        true => ("pool.connections_max", u64::from(config.connections_max), 10_000),
        false => ("pool.lanes_max", u64::from(config.lanes_max), 256),
    };
    vec![finding.change(setting, from, (from + from.div_ceil(2)).min(most))]
}

fn filling_up(figures: &Figures<'_>) -> Vec<Finding> {
    let (trend, warn) = (figures.utilisation_trend, f64::from(figures.config.pool.utilisation_warn_percent));
    let is_near = trend.to * 100.0 >= warn / 2.0 && trend.to * 100.0 < warn;
    if trend.direction != Direction::Rising || !is_near {
        return Vec::new();
    }
    let what = format!("the room in use rises: from {} to {}", percent(trend.from), percent(trend.to));
    let advice =
        "find out what sends more, or make room before it is needed (pool.lanes_max, pool.connections_max)";
    vec![
        Finding::new(Severity::Note, what, advice)
            .with("utilisation_before", trend.from)
            .with("utilisation_now", trend.to),
    ]
}

fn line(figures: &Figures<'_>) -> Vec<Finding> {
    let (window, most) = (&figures.window, u64::from(figures.config.pool.connections_max));
    let (count, p99_us) = (window.line.all(), window.line.quantile_us(0.99));
    let is_long = count >= 20 && p99_us >= 10_000;
    if !is_long && window.line_timed_out == 0 {
        return Vec::new();
    }
    let what = format!(
        "p99 wait {} at {most} connections: {count} blocking calls and transactions stood in line for a connection of \
         their own, {} of them until their deadlines",
        ms(p99_us),
        window.line_timed_out
    );
    let finding = Finding::new(Severity::Warning, what, "or hold fewer of them at a time");
    vec![
        finding
            .change("pool.connections_max", most, rounded_up(most + most.div_ceil(2)).min(10_000))
            .with("p99_wait_ms", p99_us as f64 / 1_000.0)
            .with("waits", count as f64)
            .with("timed_out", window.line_timed_out as f64),
    ]
}

fn shed(figures: &Figures<'_>) -> Vec<Finding> {
    let (window, most) = (&figures.window, figures.config.limiter.in_flight_max);
    let Some(limit) = figures.limit.filter(|_| window.shed > 0) else { return Vec::new() };
    let what = format!("the limiter refused {} calls; it lets {limit} be in flight now", window.shed);
    let finding = Finding::new(Severity::Warning, what, "")
        .with("calls_shed", window.shed as f64)
        .with("limit", f64::from(limit));
    if limit >= most {
        let to = u64::from(most).saturating_mul(2).min(100_000);
        return vec![finding.change("limiter.in_flight_max", u64::from(most), to)];
    }
    let advice =
        "leave the limit to itself: beyond it answers come later, not faster; send less, or add servers";
    vec![Finding { advice: advice.into(), ..finding }]
}

fn breaker(figures: &Figures<'_>) -> Vec<Finding> {
    let (trips, tripped) = (figures.window.trips, &figures.tripped);
    if trips == 0 {
        return Vec::new();
    }
    let places: Vec<String> = tripped
        .iter()
        .map(|one| format!("{} of {} ({})", one.kind, one.node, one.cause.unwrap_or("unknown cause")))
        .collect();
    let what = format!("circuits opened {trips} times: {}", places.join(", "));
    let finding = Finding::new(Severity::Warning, what, "").with("trips", trips as f64);
    // Answers came, late: whether that is an illness is a matter of what is usual here.
    let only_slow = !tripped.is_empty()
        && tripped.iter().all(|one| matches!(one.cause, Some("slow_rate" | "trial_slow")));
    let (floor_ms, p99_us) = (figures.config.breaker.slow_floor_ms, figures.window.elapsed.quantile_us(0.99));
    if only_slow && p99_us > floor_ms * 1_000 {
        let to = rounded_up((p99_us * 2).div_ceil(1_000)).min(60_000);
        let finding = finding.with("p99_ms", p99_us as f64 / 1_000.0);
        let advice =
            "if such times are usual here; else see why the server is slow (SLOWLOG, LATENCY DOCTOR)";
        return vec![Finding {
            advice: advice.into(),
            ..finding.change("breaker.slow_floor_ms", floor_ms, to)
        }];
    }
    let advice =
        "calls were held back while the server did not answer as it should: see its log at that time";
    vec![Finding { advice: advice.into(), ..finding }]
}
