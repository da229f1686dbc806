//! What the nodes' health is for the client: who serves what decides. Pure.

use super::capability::{Capabilities, Capability, CapabilityState, Cause, Reason};
use crate::config::{Kind, ReadPreference};

/// What is known of one node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Member {
    pub(super) name: String,
    /// It takes the writes of its group, or its slots.
    pub(super) is_primary: bool,
    pub(super) capabilities: Capabilities,
}

/// The capabilities of all nodes together.
pub(super) fn overall(kind: Kind, read_from: ReadPreference, members: &[Member]) -> Capabilities {
    Capabilities::each(|capability| match kind {
        Kind::Standalone => match members.first() {
            Some(only) => only.capabilities.get(capability).clone(),
            None => CapabilityState::Down(Cause::Connecting.into()),
        },
        Kind::Replicas | Kind::Sentinel => group(capability, read_from, members),
        Kind::Cluster => cluster(capability, members),
    })
}

fn group(capability: Capability, read_from: ReadPreference, members: &[Member]) -> CapabilityState {
    let of = |member: &Member| member.capabilities.get(capability).clone();
    let primary =
        || members.iter().filter(|member| member.is_primary).map(of).reduce(CapabilityState::or_better);
    let replica =
        || members.iter().filter(|member| !member.is_primary).map(of).reduce(CapabilityState::or_better);
    let found = match (capability, read_from) {
        (Capability::Reads, ReadPreference::Replica) => replica(),
        (Capability::Reads, ReadPreference::PreferReplica | ReadPreference::Nearest) => {
            replica().into_iter().chain(primary()).reduce(CapabilityState::or_better)
        }
        _ => primary(),
    };
    found.unwrap_or_else(|| CapabilityState::Down(Cause::NoPrimary.into()))
}

/// Each primary serves a part: one that is down takes its part, and not all.
fn cluster(capability: Capability, members: &[Member]) -> CapabilityState {
    let primaries: Vec<&Member> = members.iter().filter(|member| member.is_primary).collect();
    let states: Vec<&CapabilityState> =
        primaries.iter().map(|member| member.capabilities.get(capability)).collect();
    let Some(worst) = states.iter().copied().cloned().reduce(CapabilityState::or_worse) else {
        return CapabilityState::Down(Cause::Connecting.into());
    };
    let down = states.iter().filter(|state| state.is_down()).count();
    if down == states.len() {
        return worst;
    }
    let Some(reason) = worst.reason() else { return worst };
    let ill = primaries.iter().find(|member| *member.capabilities.get(capability) == worst);
    let name = ill.map_or("", |member| member.name.as_str());
    let not_up = states.iter().filter(|state| ***state != CapabilityState::Up).count();
    let detail = format!("{not_up} of {} primaries; {name}: {}", states.len(), reason.detail);
    CapabilityState::Degraded(Reason::new(reason.cause, detail))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn member(name: &str, is_primary: bool, down: &[Capability]) -> Member {
        let capabilities = Capabilities::each(|capability| match down.contains(&capability) {
            true => CapabilityState::Down(Cause::OutOfMemory.into()),
            false => CapabilityState::Up,
        });
        Member { name: name.to_owned(), is_primary, capabilities }
    }

    const ALL: [Capability; 5] = Capability::ALL;

    #[test]
    fn without_a_node_nothing_works() {
        for kind in [Kind::Standalone, Kind::Replicas, Kind::Sentinel, Kind::Cluster] {
            let seen = overall(kind, ReadPreference::Primary, &[]);
            assert!(seen.iter().all(|(_, state)| state.is_down()));
        }
    }

    #[test]
    fn of_a_group_the_primary_counts_and_replicas_only_for_reads_that_they_may_answer() {
        let members =
            [member("a", true, &ALL), member("b", false, &[Capability::Writes]), member("c", false, &ALL)];
        let reads = |read_from| overall(Kind::Sentinel, read_from, &members).reads;
        assert!(reads(ReadPreference::Primary).is_down());
        for read_from in [ReadPreference::Replica, ReadPreference::PreferReplica, ReadPreference::Nearest] {
            assert_eq!(reads(read_from), CapabilityState::Up);
        }
        assert!(overall(Kind::Sentinel, ReadPreference::Replica, &members).writes.is_down());
        let orphans = overall(Kind::Sentinel, ReadPreference::Primary, &members[1..]);
        assert_eq!(orphans.writes, CapabilityState::Down(Cause::NoPrimary.into()));
    }

    #[test]
    fn of_a_cluster_one_that_is_down_takes_its_part() {
        let well = |name| member(name, true, &[]);
        let ill = |name| member(name, true, &[Capability::Writes]);
        let replica = member("r", false, &ALL);
        let writes = |members: &[Member]| overall(Kind::Cluster, ReadPreference::Primary, members).writes;
        assert_eq!(writes(&[well("a"), well("b"), replica.clone()]), CapabilityState::Up);
        let one = writes(&[well("a"), ill("b"), replica]);
        assert_eq!(one, CapabilityState::Degraded(Cause::OutOfMemory.into()));
        assert!(one.to_string().contains("1 of 2 primaries; b"), "{one}");
        assert!(writes(&[ill("a"), ill("b")]).is_down());
    }
}
