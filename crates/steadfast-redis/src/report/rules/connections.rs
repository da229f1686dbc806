//! What connections show: dials, losses, dead sockets.

use super::super::figures::{Figures, ms};
use super::super::finding::Finding;
use super::{Rule, percent, rounded_up};
use crate::health::Severity;

/// Dials below which their times say nothing.
const DIALS_MIN: u64 = 3;
/// A dial that takes longer is slow.
const SLOW_DIAL_US: u64 = 500_000;

pub(super) const RULES: &[Rule] = &[
    Rule { id: "slow_dials", look: slow_dials },
    Rule { id: "failing_dials", look: failing_dials },
    Rule { id: "lost_connections", look: lost_connections },
    Rule { id: "dead_connections", look: dead_connections },
    Rule { id: "waits", look: waits },
];

fn slow_dials(figures: &Figures<'_>) -> Vec<Finding> {
    let (dials, timeout_ms) = (&figures.window.dial_time, figures.config.connection.connect_timeout_ms);
    let (count, p95_us) = (dials.all(), dials.quantile_us(0.95));
    if count < DIALS_MIN || p95_us < SLOW_DIAL_US {
        return Vec::new();
    }
    let what = format!("{count} connections were made, and 95 of 100 took up to {}", ms(p95_us));
    let advice = "check name resolution, TLS and the server's load: a lost connection is missed for as long";
    let finding = Finding::new(Severity::Warning, what, advice)
        .with("dials", count as f64)
        .with("p95_dial_ms", p95_us as f64 / 1_000.0);
    let near = p95_us * 2 > timeout_ms * 1_000;
    let to = (timeout_ms * 2).min(60_000);
    vec![if near { finding.change("connection.connect_timeout_ms", timeout_ms, to) } else { finding }]
}

fn failing_dials(figures: &Figures<'_>) -> Vec<Finding> {
    let (failed, good) = (figures.window.dials_failed, figures.window.dial_time.all());
    let share = crate::metrics::share(failed, failed + good);
    if failed < 5 || share < 0.2 {
        return Vec::new();
    }
    let what = format!("{failed} of {} dials failed ({})", failed + good, percent(share));
    let advice =
        "see Client::nodes for why the last one did: the address, the network, maxclients, the password";
    vec![
        Finding::new(Severity::Warning, what, advice)
            .with("dials_failed", failed as f64)
            .with("dials", (failed + good) as f64),
    ]
}

fn lost_connections(figures: &Figures<'_>) -> Vec<Finding> {
    let (lost, hours) = (figures.window.lost, figures.span_ms as f64 / 3_600_000.0);
    if lost < 5 || lost as f64 / hours.max(1.0 / 60.0) < 10.0 {
        return Vec::new();
    }
    let timeout = figures.servers.iter().find(|(_, finding)| finding.id == "timeout");
    let advice = match timeout {
        Some((node, finding)) => {
            format!("{node} closes idle connections ({}): {}", finding.what, finding.advice)
        }
        None => "look for what closes them: the server's log, a proxy's or load balancer's idle timeout"
            .to_owned(),
    };
    let what = format!("{lost} connections were closed by the other side in {:.0} minutes", hours * 60.0);
    vec![Finding::new(Severity::Warning, what, advice).with("connections_lost", lost as f64)]
}

/// Something between us and the server forgets connections: questions by the kernel keep it from that.
fn dead_connections(figures: &Figures<'_>) -> Vec<Finding> {
    let (dead, idle_ms) = (figures.window.dead, figures.config.tcp.keepalive_idle_ms);
    if dead == 0 {
        return Vec::new();
    }
    let what = format!("{dead} connections were dead while new ones were answered");
    let advice =
        "something on the way forgets connections (NAT, firewall, load balancer): raise its idle timeout";
    let finding = Finding::new(Severity::Warning, what, advice);
    vec![
        finding
            .change("tcp.keepalive_idle_ms", idle_ms, (idle_ms / 2).max(1_000))
            .with("connections_dead", dead as f64),
    ]
}

/// Calls wait for a shared connection only while there is none: with a second one that seldom happens.
fn waits(figures: &Figures<'_>) -> Vec<Finding> {
    let (window, lanes_min) = (&figures.window, u64::from(figures.config.pool.lanes_min));
    let (count, p99_us) = (window.waits.all(), window.waits.quantile_us(0.99));
    if count < 20 || p99_us < 10_000 || window.lost + window.dead == 0 {
        return Vec::new();
    }
    let what = format!(
        "p99 wait {} at {lanes_min} {}: {count} calls waited for a connection to be made again",
        ms(p99_us),
        if lanes_min == 1 { "lane" } else { "lanes" }
    );
    let finding = Finding::new(Severity::Warning, what, "so that the loss of one leaves another");
    vec![
        finding
            .change("pool.lanes_min", lanes_min, rounded_up(lanes_min + 1).min(256))
            .with("p99_wait_ms", p99_us as f64 / 1_000.0)
            .with("waits", count as f64),
    ]
}
