//! Disks that are full, that fail, and that interrupt: all of it while a child works, and in this process, where each
//! answer can be looked at. What is left is held to what was answered.

use super::check::Left;
use super::claims::Claims;
use super::life::{Plan, Trouble};
use super::run::{child, histories, real, scratch, seed, tell};
use steadfast_testkit::disk::{Disk, SAID};

/// Lets children live with `trouble`, one after the other on the same store, and looks at it after each.
async fn lives(trouble: Trouble, drops: bool, own: u64) {
    let (seed, lives) = (seed(), histories(own));
    let (mut claims, mut heard) = (Claims::default(), 0);
    let folder = scratch();
    let disk = Disk { drops, ..Disk::sound(real(folder.path())) };
    for life in 0..lives {
        // A store grows with its lives: begin a new one now and then.
        if life % 6 == 5 {
            std::fs::remove_dir_all(disk.folder.join("store")).expect("removes");
            std::fs::remove_file(disk.folder.join(SAID)).expect("removes");
            (claims, heard) = (Claims::default(), 0);
        }
        tell(&format!("seed {seed} {trouble:?} drops {drops}: life {life}"));
        assert!(child(&disk, Plan { seed, life: life % 6, calls: 12, trouble, openings: 2 }).await);
        let said = std::fs::read_to_string(disk.folder.join(SAID)).expect("said");
        claims.next_life();
        claims.hear_all(&said[heard..]);
        heard = said.len();
        let left = Left::open(&disk.folder, seed, &claims).await;
        left.end(&disk.folder, true).await;
    }
    tell(&format!("{lives} lives, {trouble:?}, from seed {seed}"));
}

/// Nothing is acknowledged that does not fit, and when there is room again the same process goes on.
#[tokio::test]
async fn s35_a_disk_that_is_full_now_and_then_costs_nothing_but_answers() {
    lives(Trouble::Full, false, 2).await;
}

#[tokio::test]
async fn s35_syncs_that_fail_now_and_then_cost_nothing_but_answers() {
    lives(Trouble::Sync, true, 1).await;
    lives(Trouble::Sync, false, 1).await;
}

#[tokio::test]
async fn s35_reads_and_writes_that_fail_now_and_then_cost_nothing_but_answers() {
    lives(Trouble::Transfer, false, 2).await;
}

/// Every call is answered as if nothing had happened: the child sees to that.
#[tokio::test]
async fn s35_short_and_interrupted_writes_are_nobodys_failure() {
    lives(Trouble::Interrupted, false, 2).await;
}
