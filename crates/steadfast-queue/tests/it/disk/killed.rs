//! Killed without warning: before any call that the process makes on its files, or when half of a write is done. At the
//! start, amid a checkpoint, while a queue is entered.

use super::check::{Left, integrity};
use super::claims::Claims;
use super::life::{Plan, Trouble};
use super::run::{child, histories, real, scratch, seed, tell};
use steadfast_testkit::Dice;
use steadfast_testkit::disk::{Disk, Effect, Operation, Rule, SAID};

/// Lives of one store, before the next one begins.
const LIVES: u64 = 8;

#[tokio::test]
async fn s35_killed_before_any_call_or_amid_a_write() {
    let (first, all) = (seed(), histories(16));
    let mut kills = 0;
    for store in 0..all.div_ceil(LIVES) {
        let seed = first.wrapping_add(store);
        kills += one_store(seed, LIVES.min(all - store * LIVES)).await;
    }
    tell(&format!("{kills} kills in {all} lives from seed {first}"));
    assert!(kills >= all / 2, "{kills} of {all}");
}

/// How often the child was killed.
async fn one_store(seed: u64, lives: u64) -> u64 {
    let mut dice = Dice::seeded(seed);
    let folder = scratch();
    let mut disk = Disk::sound(real(folder.path()));
    let (mut claims, mut heard, mut kills) = (Claims::default(), 0, 0);
    for life in 0..lives {
        let rule = Rule {
            operation: dice.one_of(&[Operation::Any, Operation::Write, Operation::Write, Operation::Sync]),
            suffix: dice.one_of(&["*", "*", "-wal", "queue.db"]),
            effect: dice.one_of(&[Effect::Kill, Effect::Tear]),
            // Early ones fall into the start, late ones anywhere.
            skip: u32::try_from(dice.below(dice.clone().one_of(&[20, 150, 600]))).unwrap_or(0),
            times: None,
        };
        tell(&format!("seed {seed}: life {life} ends with {rule}"));
        disk.rules = vec![rule];
        let plan = Plan { seed, life, calls: 12, trouble: Trouble::Untouched, openings: 2 };
        kills += u64::from(!child(&disk, plan).await);
        let said = std::fs::read_to_string(disk.folder.join(SAID)).expect("said");
        // What the kill cut off was not said.
        let whole = said.rfind('\n').map_or(0, |end| end + 1);
        claims.next_life();
        claims.hear_all(&said[heard.min(whole)..whole]);
        heard = whole;
        if disk.folder.join("store/queue.db").exists() {
            integrity(&disk.folder, seed);
        }
        let left = Left::open(&disk.folder, seed, &claims).await;
        if life + 1 == lives {
            left.work_off(&claims).await;
        }
        left.end(&disk.folder, dice.percent(50)).await;
    }
    kills
}
