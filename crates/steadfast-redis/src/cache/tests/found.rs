//! Histories that once went wrong, each kept under the name of what it showed.

use super::histories::{NODES, Step, What, finish, roomy};
use super::world::{Way, World};
use crate::cache::OutboxSettings;

/// The one that was refused does not come to life in the place of the one that was taken after it, in the same
/// millisecond: each has a version of its own. (The reference once counted one version too many as the refused one's.)
#[test]
fn a_refused_write_is_not_taken_for_the_next_one() {
    let settings = OutboxSettings { journal_segment_bytes: 100, ..roomy() };
    let without_ttl = What::Set(1, 0, 1_000);
    let steps = [
        Step::FailSync(0),
        Step::Write(0, without_ttl, Way::RequestLost),
        Step::Write(0, What::Set(1, 1, 1_000), Way::RequestLost),
        Step::Crash(0, 0, false, None),
        Step::Write(0, What::Set(0, 0, 1_000), Way::Good),
        Step::Send(0, 1, vec![Way::Good], true),
    ];
    finish(World::new(93_660_429_249_415, NODES, settings), &steps);
}

/// A group of which one needed no version does not make the next write's version its own either.
#[test]
fn a_refused_group_is_not_taken_for_the_next_write() {
    let seen = || What::Remember(0, 1_000_000);
    let steps = [
        Step::Online(0, false),
        Step::Write(0, seen(), Way::Good),
        Step::FailSync(0),
        Step::WriteMany(0, vec![seen(), What::Set(1, 0, 1_000)]),
        Step::Online(0, true),
        Step::Write(0, What::Set(1, 1, 1_000), Way::RequestLost),
        Step::Stop(0, false),
    ];
    finish(World::new(1, NODES, roomy()), &steps);
}

/// A write that was refused because the disk failed, and that a crash brings to life again, does not undo what was
/// written at the server since: that left no token there for operations on fields.
#[test]
fn a_refused_put_does_not_undo_a_later_removal_at_the_server() {
    let steps = [
        Step::Online(2, true),
        Step::FailSync(2),
        Step::WriteMany(2, vec![What::Put(0, 0, 0), What::Set(0, 0, 1_000)]),
        Step::Write(2, What::Remove(0, 0), Way::Good),
        Step::Stop(2, false),
        Step::Send(2, 1, vec![Way::Good], true),
    ];
    finish(World::new(0, NODES, roomy()), &steps);
}

/// What a process sent before it crashed may come after what the next one sent in its place: it is void then.
#[test]
fn a_put_of_a_process_that_is_gone_does_not_come_back() {
    let steps = [
        Step::Write(0, What::Put(1, 1, 0), Way::Late),
        Step::Stop(0, false),
        Step::Write(0, What::Put(1, 1, 0), Way::Good),
        Step::Send(0, 1, vec![Way::Good], true),
    ];
    finish(World::new(0, NODES, roomy()), &steps);
}

/// A put may replace what an earlier start of its own node had put, whether or not that was written down as answered:
/// the reference allows it that, and nothing of others'.
#[test]
fn what_an_earlier_start_had_put_may_be_replaced() {
    let steps = [
        Step::Online(1, false),
        Step::Write(1, What::Put(1, 1, 0), Way::Good),
        Step::Online(1, true),
        Step::Stop(1, false),
        Step::FailNames(1, 0),
        Step::Send(1, 1, vec![Way::Good], true),
        Step::Online(1, false),
        Step::Write(1, What::Put(1, 1, 0), Way::Good),
        Step::Close(1),
    ];
    finish(World::new(0, NODES, roomy()), &steps);
}

/// What was refused and came to life after a crash may come too late: after something that was written since. It was
/// refused, so that is no loss; nothing that was acknowledged is.
#[test]
fn a_refused_put_that_comes_to_life_may_come_too_late() {
    let settings = OutboxSettings { journal_segment_bytes: 100, ..roomy() };
    let steps = [
        Step::Online(2, true),
        Step::FailSync(2),
        Step::Crash(2, 4, false, None),
        Step::WriteMany(2, vec![What::Put(1, 1, 0), What::Set(0, 0, 1_000)]),
        Step::Write(2, What::Put(1, 0, 0), Way::Late),
        Step::Write(0, What::Set(0, 0, 1_000), Way::Good),
    ];
    finish(World::new(0, NODES, settings), &steps);
}
