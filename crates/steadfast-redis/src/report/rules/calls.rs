//! What calls themselves show: failures, time, retries.

use super::super::figures::{Figures, ms};
use super::super::finding::Finding;
use super::super::trend::Direction;
use super::{Rule, percent, rounded_up};
use crate::error::ErrorKind;
use crate::health::Severity;

/// Calls below which shares say nothing.
const CALLS_MIN: u64 = 100;
/// Failures over all from which on it is worth a word, and from which on it is grave.
const ERROR_RATE: f64 = 0.01;
/// Calls below which a longest time says nothing of the usual one.
const USUAL_MIN: u64 = 10_000;
/// A timeout beyond this many times what 999 of 1,000 calls take only delays the news.
const LOOSE: u64 = 100;
/// Commands that go through everything there is.
const GOES_THROUGH_ALL: [&str; 8] =
    ["KEYS", "SMEMBERS", "HGETALL", "HKEYS", "HVALS", "FLUSHALL", "FLUSHDB", "SORT"];

pub(super) const RULES: &[Rule] = &[
    Rule { id: "errors", look: errors },
    Rule { id: "timeout_too_tight", look: timeout_too_tight },
    Rule { id: "timeout_too_loose", look: timeout_too_loose },
    Rule { id: "retry_budget", look: retry_budget },
    Rule { id: "redirects", look: redirects },
    Rule { id: "slower_and_slower", look: slower_and_slower },
    Rule { id: "more_and_more_errors", look: more_and_more_errors },
    Rule { id: "slow_operation", look: slow_operation },
];

fn errors(figures: &Figures<'_>) -> Vec<Finding> {
    let (rate, window) = (figures.error_rate(), &figures.window);
    if window.calls < CALLS_MIN || rate < ERROR_RATE {
        return Vec::new();
    }
    let most = ErrorKind::ALL.into_iter().max_by_key(|kind| window.failed(*kind));
    let Some(kind) = most else { return Vec::new() };
    let advice = match kind {
        ErrorKind::Connection => "check the network and the server's log",
        ErrorKind::Timeout => "check the server's load (SLOWLOG, LATENCY DOCTOR)",
        ErrorKind::Auth => "check user, password and permissions (ACL GETUSER)",
        ErrorKind::PoolExhausted => {
            "send less at a time, or give it more room (limiter.in_flight_max, pool.connections_max)"
        }
        ErrorKind::CircuitOpen => "see what opened the circuit: calls go on when the server answers",
        ErrorKind::Fallback => "it cannot be done while the server is away",
        ErrorKind::Validation => "see the last error: the call itself is wrong",
        ErrorKind::Server => "see the last error: the server refuses the commands",
    };
    let what = format!(
        "{} of {} calls failed ({}), most of them as {} ({})",
        window.failures(),
        window.calls,
        percent(rate),
        kind.as_str(),
        window.failed(kind)
    );
    vec![
        Finding::new(Severity::Warning, what, advice)
            .with("error_rate", rate)
            .with("failed_calls", window.failures() as f64),
    ]
}

/// The timeout that is as far from what calls usually take as one in a thousand needs, and three times that.
fn fitting_ms(figures: &Figures<'_>) -> u64 {
    rounded_up((figures.p999_us() * 3).div_ceil(1_000))
}

fn timeout_too_tight(figures: &Figures<'_>) -> Vec<Finding> {
    let (window, timeout_ms) = (&figures.window, figures.config.connection.command_timeout_ms);
    let (late, p99_us) = (window.failed(ErrorKind::Timeout), window.elapsed.quantile_us(0.99));
    let share = crate::metrics::share(late, window.calls);
    // Those that come in time come late: a server that hangs would answer others at once.
    let is_near = p99_us * 2 >= timeout_ms * 1_000;
    if late < 5 || share < 0.001 || !is_near {
        return Vec::new();
    }
    let to = fitting_ms(figures).max(timeout_ms * 2).min(600_000);
    let what = format!(
        "{late} of {} calls had no answer in time, and 99 of 100 take up to {} of {timeout_ms} ms",
        window.calls,
        ms(p99_us)
    );
    let finding =
        Finding::new(Severity::Warning, what, "or make the calls cheaper (SLOWLOG shows which take long)");
    vec![
        finding
            .change("connection.command_timeout_ms", timeout_ms, to)
            .with("timeouts", late as f64)
            .with("p99_ms", p99_us as f64 / 1_000.0),
    ]
}

fn timeout_too_loose(figures: &Figures<'_>) -> Vec<Finding> {
    let (window, timeout_ms) = (&figures.window, figures.config.connection.command_timeout_ms);
    let (late, p999_us) = (window.failed(ErrorKind::Timeout), figures.p999_us());
    let is_far = timeout_ms * 1_000 > p999_us.max(1).saturating_mul(LOOSE);
    let to = fitting_ms(figures).max(rounded_up(p999_us * LOOSE / 10 / 1_000)).max(250);
    if window.elapsed.all() < USUAL_MIN || late > 0 || !is_far || to >= timeout_ms {
        return Vec::new();
    }
    let what = format!(
        "999 of 1,000 calls take up to {}, and the time allowed is {timeout_ms} ms: a server that hangs is noticed late",
        ms(p999_us)
    );
    let finding = Finding::new(Severity::Note, what, "unless callers bring deadlines of their own");
    vec![
        finding
            .change("connection.command_timeout_ms", timeout_ms, to)
            .with("p999_ms", p999_us as f64 / 1_000.0)
            .with("calls", window.calls as f64),
    ]
}

fn retry_budget(figures: &Figures<'_>) -> Vec<Finding> {
    let (window, retry) = (&figures.window, &figures.config.retry);
    if window.retries_refused == 0 {
        return Vec::new();
    }
    let what = format!(
        "the retry budget was spent: {} retries were not made, {} were, for {} calls",
        window.retries_refused, window.retries, window.calls
    );
    let finding = Finding::new(Severity::Warning, what, "")
        .with("retries_refused", window.retries_refused as f64)
        .with("retries", window.retries as f64);
    // More retries help where few calls fail; where many do, they are what the budget is there to prevent.
    let refused = crate::metrics::share(window.retries_refused, window.calls);
    if refused < 0.05 {
        let from = u64::from(retry.budget_burst);
        return vec![finding.change("retry.budget_burst", from, rounded_up(from.max(1) * 2).min(10_000))];
    }
    let advice =
        "leave the budget as it is: it keeps retries from making an outage worse; find out why calls fail";
    vec![Finding { advice: advice.into(), ..finding }]
}

fn redirects(figures: &Figures<'_>) -> Vec<Finding> {
    let window = &figures.window;
    let share = crate::metrics::share(window.redirects, window.calls);
    if window.calls < CALLS_MIN || share < 0.05 {
        return Vec::new();
    }
    let what =
        format!("{} of calls were sent elsewhere by the cluster ({})", percent(share), window.redirects);
    let advice = "slots are on the move, or nodes disagree: look at CLUSTER NODES";
    vec![Finding::new(Severity::Warning, what, advice).with("redirects", window.redirects as f64)]
}

fn slower_and_slower(figures: &Figures<'_>) -> Vec<Finding> {
    let trend = figures.p99_trend;
    if trend.direction != Direction::Rising {
        return Vec::new();
    }
    let what = format!(
        "99 of 100 calls took up to {} and take up to {} now",
        ms(trend.from as u64),
        ms(trend.to as u64)
    );
    let advice = "look at what has grown: keys, values, load (SLOWLOG, INFO commandstats)";
    vec![
        Finding::new(Severity::Warning, what, advice)
            .with("p99_ms_before", trend.from / 1_000.0)
            .with("p99_ms_now", trend.to / 1_000.0),
    ]
}

fn more_and_more_errors(figures: &Figures<'_>) -> Vec<Finding> {
    let trend = figures.error_trend;
    if trend.direction != Direction::Rising {
        return Vec::new();
    }
    let what = format!("failures rise: from {} of calls to {}", percent(trend.from), percent(trend.to));
    let advice = "see the last error, and what changed since";
    vec![
        Finding::new(Severity::Warning, what, advice)
            .with("error_rate_before", trend.from)
            .with("error_rate_now", trend.to),
    ]
}

fn slow_operation(figures: &Figures<'_>) -> Vec<Finding> {
    let usual_us = figures.window.elapsed.quantile_us(0.5).max(1);
    let is_slow = |operation: &&super::super::figures::Operation| {
        let latency = operation.latency;
        GOES_THROUGH_ALL.contains(&operation.name)
            && latency.count >= 10
            && latency.p99_us >= 10_000
            && latency.p99_us >= usual_us * 10
    };
    let found = |operation: &super::super::figures::Operation| {
        let latency = operation.latency;
        let what = format!(
            "{} was called {} times and took up to {} (99 of 100), where half of all calls take {}: meanwhile the \
             server answers nobody",
            operation.name,
            latency.count,
            ms(latency.p99_us),
            ms(usual_us)
        );
        let advice = "go through it in steps: SCAN, SSCAN, HSCAN, UNLINK; FLUSHALL ASYNC";
        Finding::new(Severity::Warning, what, advice)
            .with("calls", latency.count as f64)
            .with("p99_ms", latency.p99_us as f64 / 1_000.0)
    };
    figures.operations.iter().filter(is_slow).map(found).collect()
}
