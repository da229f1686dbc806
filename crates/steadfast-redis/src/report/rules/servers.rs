//! What the servers show: what does not work, and how they are set.

use super::super::figures::Figures;
use super::super::finding::Finding;
use super::Rule;
use crate::health::{Cause, Severity};

pub(super) const RULES: &[Rule] = &[Rule { id: "health", look: health }, Rule { id: "server", look: server }];

/// One finding for each cause, with all that it concerns.
fn health(figures: &Figures<'_>) -> Vec<Finding> {
    let mut causes: Vec<(Cause, String, Vec<&'static str>, bool)> = Vec::new();
    for (capability, state) in figures.capabilities.iter() {
        let Some(reason) = state.reason() else { continue };
        match causes.iter_mut().find(|(cause, ..)| *cause == reason.cause) {
            Some((_, _, concerned, is_down)) => {
                concerned.push(capability.as_str());
                *is_down |= state.is_down();
            }
            None => {
                causes.push((reason.cause, reason.to_string(), vec![capability.as_str()], state.is_down()))
            }
        }
    }
    // The settings say more of that one.
    let causes = causes.into_iter().filter(|(cause, ..)| *cause != Cause::Eviction);
    causes
        .map(|(cause, reason, concerned, is_down)| {
            let word = if is_down { "down" } else { "degraded" };
            let what = format!("{} {word}: {reason}", concerned.join(", "));
            Finding::new(Severity::Warning, what, advice(cause)).with("capabilities", concerned.len() as f64)
        })
        .collect()
}

fn advice(cause: Cause) -> &'static str {
    use crate::fault::Fault;
    match cause {
        Cause::ReadOnly => Fault::ReadOnly.advice(),
        Cause::Loading => Fault::Loading.advice(),
        Cause::MisConf => Fault::MisConf.advice(),
        Cause::OutOfMemory => Fault::OutOfMemory.advice(),
        Cause::NoReplicas => Fault::NoReplicas.advice(),
        Cause::MasterDown => Fault::MasterDown.advice(),
        Cause::ClusterDown => Fault::ClusterDown.advice(),
        Cause::Busy => Fault::Busy.advice(),
        Cause::MaxClients => Fault::MaxClients.advice(),
        Cause::Credentials => Fault::Credentials.advice(),
        Cause::Connecting | Cause::NoConnection => "check that the server runs and can be reached from here",
        Cause::CircuitOpen => "it is asked again and again; calls go on when it answers",
        Cause::NoAnswer | Cause::Slow => "check the server's load (SLOWLOG, LATENCY DOCTOR) and the network",
        Cause::Eviction => "set maxmemory-policy noeviction",
        Cause::NoPrimary => "check that a server is primary, and that the sentinels can be reached and agree",
    }
}

/// What was said of the servers' settings; notes are left to the check itself.
fn server(figures: &Figures<'_>) -> Vec<Finding> {
    let grave = figures.servers.iter().filter(|(_, finding)| finding.severity > Severity::Note);
    grave
        .map(|(node, finding)| {
            let what = format!("{node}: {}: {}", finding.what, finding.why);
            Finding::new(finding.severity, what, finding.advice.clone())
        })
        .collect()
}
