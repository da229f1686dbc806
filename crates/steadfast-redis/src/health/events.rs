//! What is written to the log of changes: once for each, and bounded in a storm.

use super::capability::{Capabilities, Capability, CapabilityState};
use crate::breaker::{State, StateChange};
use crate::node::NodeState;
use crate::throttle::Throttle;
use std::time::Duration;

/// Lines about one node's changes, in a second.
const LINES: u32 = 20;

/// One node's events.
#[derive(Debug)]
pub(super) struct Events {
    node: std::sync::Arc<str>,
    throttle: Throttle,
}

impl Events {
    pub(super) fn new(node: std::sync::Arc<str>) -> Self {
        Self { node, throttle: Throttle::new(LINES, Duration::from_secs(1)) }
    }

    /// What works has changed.
    pub(super) fn capabilities(&self, from: &Capabilities, to: &Capabilities, now_ms: u64) {
        for capability in Capability::ALL {
            let (from, to) = (from.get(capability), to.get(capability));
            if from != to {
                self.capability(capability, from, to, now_ms);
            }
        }
    }

    fn capability(&self, capability: Capability, from: &CapabilityState, to: &CapabilityState, now_ms: u64) {
        let Some(suppressed) = self.throttle.pass(now_ms) else { return };
        let reason = to.reason().or(from.reason()).map(ToString::to_string).unwrap_or_default();
        let (node, capability, from) = (&*self.node, capability.as_str(), from.as_str());
        match to {
            CapabilityState::Up => {
                tracing::info!(node, capability, from, to = "up", was = reason, suppressed, "health changed");
            }
            _ => {
                tracing::warn!(
                    node,
                    capability,
                    from,
                    to = to.as_str(),
                    reason,
                    suppressed,
                    "health changed"
                );
            }
        }
    }

    /// A breaker has changed.
    pub(super) fn breaker(&self, from: State, change: &StateChange, now_ms: u64) {
        let Some(suppressed) = self.throttle.pass(now_ms) else { return };
        let (node, breaker) = (&*self.node, &*change.breaker);
        let (from, to, reason) = (from.label(), change.to.label(), change.reason.to_string());
        if change.to == State::Open {
            tracing::warn!(
                node,
                breaker,
                from,
                to,
                reason,
                episode = change.episode,
                suppressed,
                "circuit changed"
            );
        } else {
            tracing::info!(
                node,
                breaker,
                from,
                to,
                reason,
                episode = change.episode,
                suppressed,
                "circuit changed"
            );
        }
    }

    /// The node has changed.
    pub(super) fn node(&self, from: &NodeState, to: &NodeState, now_ms: u64) {
        let node = &*self.node;
        if from.role != to.role
            && let Some(suppressed) = self.throttle.pass(now_ms)
        {
            let (from, to) = (from.role.as_str(), to.role.as_str());
            tracing::info!(node, from, to, reason = "the server said so", suppressed, "role changed");
        }
        if (from.lanes == 0) != (to.lanes == 0)
            && let Some(suppressed) = self.throttle.pass(now_ms)
        {
            let reason = to.failed.as_ref().map(|error| error.why().to_owned()).unwrap_or_default();
            match to.lanes {
                0 => tracing::warn!(
                    node,
                    from = "connected",
                    to = "disconnected",
                    reason,
                    suppressed,
                    "connection changed"
                ),
                _ => tracing::info!(
                    node,
                    from = "disconnected",
                    to = "connected",
                    reason = &*to.server,
                    suppressed,
                    "connection changed"
                ),
            }
        }
        if from.is_slow != to.is_slow
            && let Some(suppressed) = self.throttle.pass(now_ms)
        {
            let word = |is_slow| if is_slow { "slow" } else { "punctual" };
            let reason = "whether a new connection is answered in time";
            tracing::warn!(
                node,
                from = word(from.is_slow),
                to = word(to.is_slow),
                reason,
                suppressed,
                "pace changed"
            );
        }
    }
}
