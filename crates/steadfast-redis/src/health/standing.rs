//! What is known of a node without asking it: connections, role, breakers. Pure.

use super::capability::{Capability, CapabilityState, Cause, Reason};
use crate::error::{Error, ErrorKind};
use crate::fault::Fault;
use crate::role::Role;
use std::sync::Arc;

/// What a breaker lets through.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) enum Passage {
    /// Everything.
    #[default]
    Free,
    /// Trial calls; why it had opened.
    Trial(Arc<str>),
    /// Nothing, and why.
    Shut(Arc<str>),
}

/// A node's circumstances.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Standing {
    pub(crate) lanes: usize,
    /// There was a connection before.
    pub(crate) was_connected: bool,
    pub(crate) role: Role,
    pub(crate) is_loading: bool,
    /// A new connection is not answered in time either.
    pub(crate) is_slow: bool,
    /// Why the last dial failed, if none has succeeded since.
    pub(crate) dial_failed: Option<Reason>,
    /// For reads, writes and scripts.
    pub(crate) passages: [Passage; 3],
    /// Its `maxmemory-policy`, if that deletes data and should not.
    pub(crate) eviction: Option<Arc<str>>,
}

/// What a failed dial says.
pub(crate) fn dial_reason(error: &Error) -> Reason {
    let cause = match error.fault() {
        Some(Fault::MaxClients) => Cause::MaxClients,
        Some(Fault::Credentials) => Cause::Credentials,
        Some(Fault::Loading) => Cause::Loading,
        _ if error.kind() == ErrorKind::Auth => Cause::Credentials,
        _ => Cause::NoConnection,
    };
    Reason::new(cause, error.why())
}

impl Standing {
    /// The worst that the circumstances say of `capability`.
    pub(crate) fn state(&self, capability: Capability) -> CapabilityState {
        if self.lanes == 0 {
            return self.unconnected();
        }
        let said = [
            self.loading(capability),
            self.role(capability),
            self.passage(capability),
            self.rest(capability),
        ];
        said.into_iter().fold(CapabilityState::Up, CapabilityState::or_worse)
    }

    /// The moment between a lost connection and the next is not an outage yet.
    fn unconnected(&self) -> CapabilityState {
        match &self.dial_failed {
            Some(reason) => CapabilityState::Down(reason.clone()),
            None if self.was_connected => {
                CapabilityState::Degraded(Reason::new(Cause::NoConnection, "it is being connected to again"))
            }
            None => CapabilityState::Down(Cause::Connecting.into()),
        }
    }

    fn loading(&self, capability: Capability) -> CapabilityState {
        if self.is_loading && capability != Capability::PubSub {
            CapabilityState::Down(Cause::Loading.into())
        } else {
            CapabilityState::Up
        }
    }

    fn role(&self, capability: Capability) -> CapabilityState {
        match (self.role, capability) {
            (Role::Replica, Capability::Writes | Capability::Blocking) => {
                CapabilityState::Down(Cause::ReadOnly.into())
            }
            (Role::Replica, Capability::Scripts) => CapabilityState::Degraded(Cause::ReadOnly.into()),
            _ => CapabilityState::Up,
        }
    }

    fn passage(&self, capability: Capability) -> CapabilityState {
        let [reads, writes, scripts] = &self.passages;
        let passage = match capability {
            Capability::Reads | Capability::PubSub => reads,
            Capability::Writes | Capability::Blocking => writes,
            Capability::Scripts => scripts,
        };
        match passage {
            Passage::Free => CapabilityState::Up,
            Passage::Trial(why) => {
                CapabilityState::Degraded(Reason::new(Cause::CircuitOpen, Arc::clone(why)))
            }
            Passage::Shut(why) => CapabilityState::Down(Reason::new(Cause::CircuitOpen, Arc::clone(why))),
        }
    }

    fn rest(&self, capability: Capability) -> CapabilityState {
        let needs_connection = matches!(capability, Capability::Blocking | Capability::PubSub);
        match (&self.dial_failed, &self.eviction) {
            _ if self.is_slow => CapabilityState::Degraded(Cause::Slow.into()),
            // What is open goes on; connections of their own cannot be made.
            (Some(reason), _) if needs_connection => CapabilityState::Degraded(reason.clone()),
            (_, Some(policy)) if capability == Capability::Writes => {
                CapabilityState::Degraded(Reason::new(Cause::Eviction, Arc::clone(policy)))
            }
            _ => CapabilityState::Up,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn well() -> Standing {
        Standing { lanes: 1, was_connected: true, role: Role::Primary, ..Standing::default() }
    }

    fn states(standing: &Standing) -> [&'static str; 5] {
        Capability::ALL.map(|capability| standing.state(capability).as_str())
    }

    #[test]
    fn a_primary_with_a_connection_can_do_everything() {
        assert_eq!(states(&well()), ["up"; 5]);
    }

    #[test]
    fn a_connection_that_is_made_again_is_no_outage_until_a_dial_fails() {
        let never = Standing::default();
        assert_eq!(states(&never), ["down"; 5]);
        let lost = Standing { lanes: 0, ..well() };
        assert_eq!(states(&lost), ["degraded"; 5]);
        let failed = Standing { dial_failed: Some(Cause::MaxClients.into()), ..lost };
        assert_eq!(states(&failed), ["down"; 5]);
        assert_eq!(failed.state(Capability::Reads).reason(), Some(&Cause::MaxClients.into()));
    }

    #[test]
    fn a_replica_reads() {
        let replica = Standing { role: Role::Replica, ..well() };
        assert_eq!(states(&replica), ["up", "down", "degraded", "down", "up"]);
    }

    #[test]
    fn a_server_that_loads_passes_messages_on() {
        let loading = Standing { is_loading: true, ..well() };
        assert_eq!(states(&loading), ["down", "down", "down", "down", "up"]);
    }

    #[test]
    fn each_breaker_concerns_its_own() {
        let shut = |place: usize| {
            let mut standing = well();
            standing.passages[place] = Passage::Shut("5 of 5 calls failed".into());
            standing
        };
        assert_eq!(states(&shut(0)), ["down", "up", "up", "up", "down"]);
        assert_eq!(states(&shut(1)), ["up", "down", "up", "down", "up"]);
        assert_eq!(states(&shut(2)), ["up", "up", "down", "up", "up"]);
        let text = shut(1).state(Capability::Writes).to_string();
        assert_eq!(text, "down: our circuit breaker holds calls back: 5 of 5 calls failed");
    }

    #[test]
    fn without_new_connections_what_is_open_goes_on() {
        let full = Standing { dial_failed: Some(Cause::MaxClients.into()), ..well() };
        assert_eq!(states(&full), ["up", "up", "up", "degraded", "degraded"]);
        let slow = Standing { is_slow: true, ..well() };
        assert_eq!(states(&slow), ["degraded"; 5]);
        let evicting = Standing { eviction: Some("allkeys-lru".into()), ..well() };
        assert_eq!(states(&evicting), ["up", "degraded", "up", "up", "up"]);
    }

    #[test]
    fn a_dial_that_fails_says_why() {
        let of = |text| dial_reason(&Error::from_server(text, false)).cause;
        assert_eq!(of("WRONGPASS no"), Cause::Credentials);
        assert_eq!(of("NOPERM no"), Cause::Credentials);
        assert_eq!(of("ERR max number of clients reached"), Cause::MaxClients);
        assert_eq!(of("ERR no"), Cause::NoConnection);
    }
}
