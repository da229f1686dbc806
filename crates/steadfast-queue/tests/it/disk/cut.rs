//! Power cuts. One life of a child is recorded; then its disk is cut at many moments, each time in another way, and
//! each time everything that had been acknowledged by then must be there.

use super::check::Left;
use super::claims::Claims;
use super::life::{Plan, Trouble};
use super::run::{child, histories, real, scratch, seed, tell};
use std::path::Path;
use steadfast_testkit::Dice;
use steadfast_testkit::disk::Disk;
use steadfast_testkit::disk::platter::{Image, Platter};
use steadfast_testkit::disk::trace::{Event, Trace};

/// Cuts per recorded life.
const CUTS: u64 = 20;

async fn record(seed: u64, trouble: Trouble, drops: bool) -> Trace {
    let folder = scratch();
    let (disk, log) = (real(folder.path()).join("disk"), real(folder.path()).join("log"));
    std::fs::create_dir(&disk).expect("a folder");
    let disk = Disk { log: Some(log.clone()), sync_us: Some(150), drops, ..Disk::sound(disk) };
    let plan = Plan { seed, life: 0, calls: 12, trouble, openings: 2 };
    assert!(child(&disk, plan).await);
    Trace::read(&log).expect("a log")
}

/// Cuts the disk of one life `cuts` times.
async fn cut(seed: u64, trouble: Trouble, drops: bool, cuts: u64) {
    let trace = record(seed, trouble, drops).await;
    let mut dice = Dice::seeded(seed ^ 0xc07);
    let mut places: Vec<usize> = (0..cuts).map(|_| dice.place(trace.events.len() + 1)).collect();
    places.sort_unstable();
    let (mut platter, mut claims, mut done) = (Platter::default(), Claims::default(), 0);
    for (nth, place) in places.into_iter().enumerate() {
        for at in done..place {
            let event = &trace.events[at];
            if let Event::Said(text) = event {
                claims.hear_all(text);
            }
            platter.apply(at, event, &mut dice);
        }
        done = place;
        let image = platter.cut(place, &mut dice);
        tell(&format!("seed {seed} {trouble:?} drops {drops}: cut {nth} at {place}, {}", image.fate));
        look(&image, seed, &claims, nth % 3 == 0).await;
    }
}

async fn look(image: &Image, seed: u64, claims: &Claims, clean: bool) {
    let folder = scratch();
    image.write_to(folder.path()).expect("writes");
    if !image.holds(Path::new("store/queue.db")) {
        // Cut before there was anything: then nothing may have been promised.
        let promised = claims.jobs.values().find(|claim| !claim.may_be.contains(&super::spec::Class::Absent));
        assert!(promised.is_none(), "the store is gone, and with it {promised:?}");
    }
    let left = Left::open(folder.path(), seed, claims).await;
    left.work_off(claims).await;
    left.end(folder.path(), clean).await;
}

async fn many(trouble: Trouble, drops: bool, own: u64) {
    let first = seed();
    let histories = histories(own);
    for life in 0..histories.div_ceil(CUTS) {
        let cuts = CUTS.min(histories - life * CUTS);
        cut(first.wrapping_add(life), trouble, drops, cuts).await;
    }
    tell(&format!("{histories} power cuts, {trouble:?}, from seed {first}"));
}

#[tokio::test]
async fn s35_a_power_cut_at_any_moment_loses_nothing_acknowledged() {
    many(Trouble::Nothing, false, 60).await;
}

/// What a failed sync has lost can still be read, so only a cut tells.
#[tokio::test]
async fn s35_a_power_cut_after_failed_syncs_loses_nothing_acknowledged() {
    many(Trouble::Sync, false, 120).await;
}

/// What a failed sync has lost can no longer be read.
#[tokio::test]
async fn s35_a_power_cut_after_syncs_that_dropped_their_pages_loses_nothing_acknowledged() {
    many(Trouble::Sync, true, 40).await;
}

#[tokio::test]
async fn s35_a_power_cut_amid_a_full_and_failing_disk_loses_nothing_acknowledged() {
    many(Trouble::Full, false, 20).await;
    many(Trouble::Transfer, false, 20).await;
}
