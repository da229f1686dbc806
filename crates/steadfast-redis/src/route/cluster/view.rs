//! What one node says of the cluster, and what several say together. Pure.

use crate::config::Address;
use crate::slot::SLOTS;
use std::collections::BTreeMap;

/// One node as another one sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Seen {
    id: String,
    address: Option<Address>,
    /// The id of its primary, if it is a replica.
    follows: Option<String>,
    /// It is not reached, has failed, or has no address.
    is_down: bool,
    epoch: u64,
    slots: Vec<(u16, u16)>,
}

/// Reads `CLUSTER NODES`; `host` is where it was asked, for a node that does not know its own address.
pub(super) fn read(text: &str, host: &str) -> Vec<Seen> {
    text.lines().filter_map(|line| read_line(line, host)).collect()
}

/// `id ip:port@bus,hostname flags primary ping pong epoch link slot slot-slot [migrating] …`
fn read_line(line: &str, host: &str) -> Option<Seen> {
    let mut words = line.split_ascii_whitespace();
    let (id, place, flags, follows) = (words.next()?, words.next()?, words.next()?, words.next()?);
    let (_, _, epoch, link) = (words.next()?, words.next()?, words.next()?, words.next()?);
    let address = place.split(['@', ',']).next().unwrap_or_default();
    let flags: Vec<&str> = flags.split(',').collect();
    let has = |flag: &str| flags.contains(&flag);
    let mut slots = Vec::new();
    for range in words.take_while(|word| !word.starts_with('[')) {
        let (first, last) = range.split_once('-').unwrap_or((range, range));
        let (first, last) = (first.parse().ok()?, last.parse().ok()?);
        if first <= last && last < SLOTS {
            slots.push((first, last));
        }
    }
    Some(Seen {
        id: id.to_owned(),
        address: Address::of_node(address, host).filter(|_| !has("noaddr")),
        follows: (has("slave") || has("replica")).then(|| follows.to_owned()),
        is_down: has("fail") || has("handshake") || (link != "connected" && !has("myself")),
        epoch: epoch.parse().ok()?,
        slots,
    })
}

/// A primary, its replicas and its slots.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Shard {
    pub(super) primary: Address,
    pub(super) replicas: Vec<Address>,
    pub(super) slots: Vec<(u16, u16)>,
}

/// What several nodes say, as one. A slot that two claim belongs to the one with the higher epoch, as among the nodes
/// themselves; so a node that was cut off and knows only the old order does not bring it back.
pub(super) fn merge(views: &[Vec<Seen>]) -> Vec<Shard> {
    let mut nodes: BTreeMap<&str, &Seen> = BTreeMap::new();
    for seen in views.iter().flatten() {
        let known = nodes.entry(&seen.id).or_insert(seen);
        // A higher epoch is news; at the same, whoever says that it is well.
        if (seen.epoch, !seen.is_down) > (known.epoch, !known.is_down) {
            *known = seen;
        }
    }
    let mut owners: Vec<Option<&Seen>> = vec![None; usize::from(SLOTS)];
    for seen in nodes.values().filter(|seen| seen.follows.is_none() && seen.address.is_some()) {
        for (first, last) in &seen.slots {
            for owner in &mut owners[usize::from(*first)..=usize::from(*last)] {
                if owner.is_none_or(|owner| seen.epoch > owner.epoch) {
                    *owner = Some(seen);
                }
            }
        }
    }
    let primaries: BTreeMap<&str, &Seen> =
        owners.iter().flatten().map(|seen| (seen.id.as_str(), *seen)).collect();
    let shard = |primary: &Seen| {
        let follows = |seen: &&&Seen| seen.follows.as_deref() == Some(&primary.id) && !seen.is_down;
        Some(Shard {
            primary: primary.address.clone()?,
            replicas: nodes.values().filter(follows).filter_map(|seen| seen.address.clone()).collect(),
            slots: ranges(&owners, &primary.id),
        })
    };
    primaries.into_values().filter_map(shard).collect()
}

fn ranges(owners: &[Option<&Seen>], id: &str) -> Vec<(u16, u16)> {
    let mut ranges: Vec<(u16, u16)> = Vec::new();
    for (slot, owner) in (0..SLOTS).zip(owners) {
        if owner.is_none_or(|owner| owner.id != id) {
            continue;
        }
        match ranges.last_mut() {
            Some((_, last)) if *last + 1 == slot => *last = slot,
            _ => ranges.push((slot, slot)),
        }
    }
    ranges
}

#[cfg(test)]
mod tests {
    use super::*;

    const THREE: &str = "\
aaa 10.0.0.1:7000@17000,one.example myself,master - 0 0 1 connected 0-5460 5462 [5461->-bbb]
bbb 10.0.0.2:7000@17000 master - 0 1 2 connected 5461 5463-16383
ccc 10.0.0.3:7000@17000 slave aaa 0 1 1 connected
ddd 10.0.0.4:7000@17000 slave,fail bbb 0 1 2 disconnected
eee :0@0 master,noaddr - 0 1 0 disconnected
";

    fn at(last: u8) -> Address {
        Address::tcp(format!("10.0.0.{last}"), 7000)
    }

    #[test]
    fn one_view_is_read() {
        let shards = merge(&[read(THREE, "h")]);
        assert_eq!(
            shards,
            [
                Shard { primary: at(1), replicas: vec![at(3)], slots: vec![(0, 5460), (5462, 5462)] },
                Shard { primary: at(2), replicas: Vec::new(), slots: vec![(5461, 5461), (5463, 16383)] },
            ]
        );
    }

    #[test]
    fn the_higher_epoch_owns_a_slot_and_one_that_was_cut_off_does_not_bring_the_old_order_back() {
        let old = read(
            "aaa 10.0.0.1:7000@1 myself,master - 0 0 1 connected 0-16383\nccc 10.0.0.3:7000@1 slave aaa 0 1 1 connected",
            "h",
        );
        let new = read(
            "ccc 10.0.0.3:7000@1 myself,master - 0 0 7 connected 0-16383\naaa 10.0.0.1:7000@1 slave ccc 0 1 7 connected",
            "h",
        );
        for views in [[old.clone(), new.clone()], [new, old]] {
            let shards = merge(&views);
            assert_eq!(shards, [Shard { primary: at(3), replicas: vec![at(1)], slots: vec![(0, 16383)] }]);
        }
    }

    #[test]
    fn a_node_that_does_not_know_its_address_is_where_it_was_asked() {
        let shards = merge(&[read("aaa :7000@17000 myself,master - 0 0 1 connected 0-16383", "here")]);
        assert_eq!(shards[0].primary, Address::tcp("here", 7000));
    }

    #[test]
    fn what_is_no_line_is_left_out() {
        for text in ["", "x", "a b c d e f g h 99999-1", "aaa 1:1@1 master - 0 0 x connected 0"] {
            assert_eq!(merge(&[read(text, "h")]), [], "{text}");
        }
    }
}
