//! What a refusal says of each capability. Pure.

use super::capability::{Capability, Cause};
use crate::command::Access;
use crate::fault::Fault;

/// How much a refusal takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Severity {
    /// It works in part.
    Degraded,
    /// It does not work.
    Down,
}

impl Fault {
    /// The cause, if it is one that concerns the server and not only the command.
    pub(super) const fn health_cause(&self) -> Option<Cause> {
        Some(match self {
            Self::ReadOnly => Cause::ReadOnly,
            Self::Loading => Cause::Loading,
            Self::MisConf => Cause::MisConf,
            Self::OutOfMemory => Cause::OutOfMemory,
            Self::NoReplicas => Cause::NoReplicas,
            Self::MasterDown => Cause::MasterDown,
            Self::ClusterDown => Cause::ClusterDown,
            Self::Busy => Cause::Busy,
            Self::MaxClients => Cause::MaxClients,
            Self::Credentials => Cause::Credentials,
            _ => return None,
        })
    }
}

/// What `cause`, said by the server, does to `capability`.
pub(super) const fn effect(cause: Cause, capability: Capability) -> Option<Severity> {
    use Capability::{Blocking, PubSub, Reads, Scripts, Writes};
    use Severity::{Degraded, Down};
    match (cause, capability) {
        // Scripts that only read go on.
        (Cause::ReadOnly | Cause::MisConf | Cause::NoReplicas | Cause::OutOfMemory, Scripts) => {
            Some(Degraded)
        }
        (Cause::ReadOnly | Cause::MisConf | Cause::NoReplicas, Writes | Blocking) => Some(Down),
        // What takes away needs no memory.
        (Cause::OutOfMemory, Writes) => Some(Down),
        // Messages pass while the data is loaded, or its primary away.
        (Cause::Loading | Cause::MasterDown | Cause::ClusterDown, Reads | Writes | Scripts | Blocking) => {
            Some(Down)
        }
        (Cause::Busy | Cause::Credentials, _) => Some(Down),
        // Connections of their own cannot be made.
        (Cause::MaxClients, Blocking | PubSub) => Some(Degraded),
        _ => None,
    }
}

/// The capability that a command's own success or silence tells of.
pub(super) const fn told_by(access: Access) -> Option<Capability> {
    match access {
        Access::Read => Some(Capability::Reads),
        Access::Write => Some(Capability::Writes),
        Access::Script => Some(Capability::Scripts),
        Access::Admin => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hit(text: &str) -> Vec<(Capability, Severity)> {
        let Some(cause) = Fault::classify(text).health_cause() else { return Vec::new() };
        let effects = Capability::ALL.into_iter();
        effects.filter_map(|capability| Some((capability, effect(cause, capability)?))).collect()
    }

    #[test]
    fn each_refusal_takes_what_the_server_refuses_then() {
        use Capability::{Blocking, PubSub, Reads, Scripts, Writes};
        use Severity::{Degraded, Down};
        let writes = vec![(Writes, Down), (Scripts, Degraded), (Blocking, Down)];
        for text in ["READONLY no", "MISCONF no", "NOREPLICAS no"] {
            assert_eq!(hit(text), writes, "{text}");
        }
        assert_eq!(hit("OOM no"), [(Writes, Down), (Scripts, Degraded)]);
        let data = vec![(Reads, Down), (Writes, Down), (Scripts, Down), (Blocking, Down)];
        for text in ["LOADING no", "MASTERDOWN no", "CLUSTERDOWN no"] {
            assert_eq!(hit(text), data, "{text}");
        }
        assert_eq!(hit("BUSY no").len(), 5);
        assert_eq!(hit("NOAUTH no").len(), 5);
        assert_eq!(hit("ERR max number of clients reached"), [(Blocking, Degraded), (PubSub, Degraded)]);
    }

    #[test]
    fn what_concerns_the_command_alone_takes_nothing() {
        for text in [
            "WRONGTYPE no",
            "NOPERM no",
            "NOSCRIPT no",
            "CROSSSLOT no",
            "MOVED 1 a:1",
            "ERR no",
            "EXECABORT no",
        ] {
            assert_eq!(hit(text), [], "{text}");
        }
    }
}
