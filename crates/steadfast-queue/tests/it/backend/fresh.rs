//! What a durable store knows of its newest jobs in memory alone, and sorts into its tables later.

use super::rig::{QUEUE, Rig, START_MS, dead, grouped, ids, job, options, unique};
use rusqlite::Connection;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use steadfast_clock::{ManualClock, SharedClock};
use steadfast_queue::backend::local::{Bounds, LocalBackend, LocalOptions};
use steadfast_queue::backend::rules::Retention;
use steadfast_queue::backend::{Control, Enqueued, Filter};
use steadfast_queue::{Backend as _, JobId, NewJob, State};
use tempfile::TempDir;
use tokio_util::task::TaskTracker;

const HOUR_MS: u64 = 3_600_000;

/// A store that sorts as soon as it has this many new jobs, and keeps one finished job.
struct House {
    folder: TempDir,
    clock: Arc<ManualClock>,
    fresh_max: usize,
}

impl House {
    fn new(fresh_max: usize) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        Self { folder, clock: ManualClock::at(START_MS), fresh_max }
    }

    fn open(&self) -> (Rig, Arc<LocalBackend>) {
        let bounds = Bounds { fresh_max: self.fresh_max, ..Bounds::default() };
        let retention = Retention { completed_max: 1, ..Retention::default() };
        let clock: SharedClock = self.clock.clone();
        let options = LocalOptions { bounds, retention, ..options(&self.folder) };
        let store = LocalBackend::open(options, clock).expect("opens");
        (Rig::around(store.clone(), self.clock.clone()), store)
    }

    fn file(&self) -> Connection {
        Connection::open(options(&self.folder).path).expect("opens")
    }

    /// How many there are in the tables: ids of this window, and members of groups; and on the list.
    fn counts(&self) -> (i64, i64, i64) {
        let conn = self.file();
        let tables: Vec<String> = conn
            .prepare("SELECT name FROM sqlite_schema WHERE type = 'table' AND name LIKE 'id\\_%' ESCAPE '\\'")
            .expect("prepares")
            .query_map([], |row| row.get(0))
            .expect("looks")
            .collect::<Result<_, _>>()
            .expect("reads");
        let count = |table: &str| -> i64 {
            conn.query_row(&format!("SELECT count(*) FROM {table}"), [], |row| row.get(0)).expect("counts")
        };
        (tables.iter().map(|table| count(table)).sum(), count("member"), count("fresh"))
    }
}

/// A job with a key of its own, in one of three groups.
fn numbered(number: usize) -> NewJob {
    let group = u8::try_from(number % 3).expect("small");
    let NewJob { unique, .. } = unique(&format!("key {number}"), HOUR_MS);
    NewJob { unique, ..grouped(group) }
}

async fn is_known(rig: &Rig, number: usize) -> bool {
    matches!(rig.enqueue(numbered(number)).await, Enqueued::Duplicate(_))
}

/// However far sorting has come when the process dies: every key is known, every group goes on in its order.
#[tokio::test]
async fn a_crash_at_any_moment_of_sorting_loses_no_key_and_no_order() {
    let house = House::new(7);
    let (mut rig, mut store) = house.open();
    let (mut waiting, mut seen_half) = (Vec::new(), false);
    for number in 0..60 {
        waiting.push((number % 3, rig.add(numbered(number)).await));
        if number % 4 == 3 {
            let held = rig.next().await;
            waiting.retain(|(_, id)| *id != held.job.id);
            rig.complete(&held).await;
        }
        store.abandon().await.expect("ends");
        let (in_tables, ..) = house.counts();
        seen_half |= in_tables > 0 && usize::try_from(in_tables).expect("few") <= number;
        (rig, store) = house.open();
        for known in 0..=number {
            assert!(is_known(&rig, known).await, "{known} of {number}");
        }
        for (_, id) in &waiting {
            assert_eq!(rig.state(*id).await, Some(State::Available), "{number}");
        }
    }
    assert!(seen_half, "a crash while some were sorted and some were not");
    let drained = rig.drain().await;
    assert_eq!(drained.len(), waiting.len());
    for group in 0..3 {
        let of_group: Vec<JobId> = waiting.iter().filter(|(g, _)| *g == group).map(|(_, id)| *id).collect();
        let order: Vec<JobId> = drained.iter().copied().filter(|id| of_group.contains(id)).collect();
        assert_eq!(order, of_group);
    }
}

/// Some groups were sorted before the crash, and are known in memory too after it, since their generation was not whole.
#[tokio::test]
async fn a_group_that_was_half_sorted_at_a_crash_goes_on() {
    let house = House::new(100);
    let (rig, store) = house.open();
    let first: Vec<NewJob> = (0..100).map(numbered).collect();
    rig.store.enqueue(first).await.expect("enqueues");
    for number in 100..130 {
        rig.add(numbered(number)).await;
    }
    store.abandon().await.expect("ends");
    let (_, members, _) = house.counts();
    assert!((1..130).contains(&members), "{members}");
    let (rig, store) = house.open();
    let drained = rig.drain().await;
    assert_eq!(drained.len(), 130);
    for group in 0..3 {
        let of_group: Vec<JobId> =
            (0..130).filter(|n| n % 3 == group).map(|n| numbered(n).resolve_id()).collect();
        let order: Vec<JobId> = drained.iter().copied().filter(|id| of_group.contains(id)).collect();
        assert_eq!(order, of_group);
    }
    store.close().await.expect("closes");
    assert_eq!(house.counts().1, 0, "nobody is left in a group");
}

/// A key that was given free, or an id that was discarded, stays so, wherever it was known when that was asked.
#[tokio::test]
async fn what_is_forgotten_stays_forgotten_whatever_was_sorted() {
    let house = House::new(5);
    for round in 0..40 {
        let (rig, store) = house.open();
        let numbers = round * 3..round * 3 + 3;
        let mut added = Vec::new();
        for number in numbers.clone() {
            added.push(rig.add(numbered(number)).await);
        }
        for held in rig.take(9).await {
            rig.complete(&held).await;
        }
        let released = rig.control(Control::ReleaseKeys(vec![added[0]])).await.affected;
        assert_eq!(released, 1);
        // Another one, which may have been sorted since, in a generation that is not whole in the tables yet.
        let old = numbers.start.checked_sub(11);
        if let Some(old) = old {
            let released = Control::ReleaseKeys(vec![numbered(old).resolve_id()]);
            assert_eq!(rig.control(released).await.affected, 1, "{round}");
        }
        store.abandon().await.expect("ends");
        let (rig, store) = house.open();
        assert!(!is_known(&rig, numbers.start).await, "{round}: released");
        assert!(is_known(&rig, numbers.start + 1).await, "{round}: not released");
        if let Some(old) = old {
            assert!(!is_known(&rig, old).await, "{round}: released later");
        }
        for held in rig.take(9).await {
            rig.complete(&held).await;
        }
        store.abandon().await.expect("ends");
    }
}

/// Keys that are given free when they are in the tables already, while their generation is not whole there.
#[tokio::test]
async fn a_key_given_free_amid_sorting_is_free_after_a_crash() {
    let house = House::new(100);
    let (rig, store) = house.open();
    let mut known = Vec::new();
    for number in 0..99 {
        known.push(rig.add(unique(&format!("key {number}"), HOUR_MS)).await);
    }
    assert_eq!(rig.drain().await.len(), 99);
    // One more is a generation; the first of its ids are sorted at once.
    rig.add(job()).await;
    known.sort_unstable();
    let released = Control::ReleaseKeys(known[..20].to_vec());
    assert_eq!(rig.control(released).await.affected, 20);
    store.abandon().await.expect("ends");
    let (in_tables, _, listed) = house.counts();
    assert!((20..99).contains(&in_tables) && listed > 0, "{in_tables} {listed}");
    let (rig, _store) = house.open();
    let mut free = 0;
    for number in 0..99 {
        let again = rig.enqueue(unique(&format!("key {number}"), HOUR_MS)).await;
        free += usize::from(matches!(again, Enqueued::New(_)));
    }
    assert_eq!(free, 20);
}

/// Dead letters that are retried get another row: their ids lead there, before and after a crash.
#[tokio::test]
async fn a_retried_job_is_found_wherever_its_id_was() {
    let house = House::new(6);
    let (mut rig, mut store) = house.open();
    let mut died = Vec::new();
    for round in 0..40_usize {
        let id = rig.add(job()).await;
        let held = rig.next().await;
        assert_eq!(held.job.id, id);
        rig.settle(&held, dead()).await;
        died.push(id);
        let again = died[round / 2];
        assert_eq!(rig.control(Control::Retry(vec![again])).await.affected, 1, "{round}");
        assert_eq!(rig.state(again).await, Some(State::Available));
        if round % 3 == 0 {
            store.abandon().await.expect("ends");
            (rig, store) = house.open();
        }
        assert_eq!(rig.state(again).await, Some(State::Available), "{round}");
        let held = rig.next().await;
        assert_eq!(held.job.id, again);
        rig.settle(&held, dead()).await;
        assert_eq!(rig.control(Control::Discard(vec![again])).await.affected, 1);
        assert_eq!(rig.state(again).await, None, "{round}");
        died[round / 2] = rig.add(job()).await;
        let held = rig.next().await;
        rig.settle(&held, dead()).await;
    }
}

/// What was new is in the tables in the end, and off the list.
#[tokio::test]
async fn a_generation_goes_into_the_tables_and_off_the_list() {
    let house = House::new(10);
    let (rig, store) = house.open();
    for number in 0..200 {
        rig.add(numbered(number)).await;
        if number % 2 == 0 {
            let held = rig.next().await;
            rig.complete(&held).await;
        }
    }
    store.close().await.expect("closes");
    let (in_tables, members, listed) = house.counts();
    assert!(in_tables >= 170, "{in_tables}");
    assert!((50..=100).contains(&members), "{members}");
    assert!(listed <= 40, "{listed}");
}

/// The same store as the first layout had it.
const AS_LAYOUT_1: &str = "
    DROP TABLE member;
    CREATE INDEX job_group ON job(queue, grp) WHERE grp IS NOT NULL;
    ALTER TABLE pulse DROP COLUMN sorted;
    PRAGMA user_version = 1;";

#[tokio::test]
async fn a_store_of_the_first_layout_is_brought_up() {
    let house = House::new(65_536);
    let (rig, store) = house.open();
    let mut added = Vec::new();
    for number in 0..30 {
        added.push(rig.add(numbered(number)).await);
    }
    for _ in 0..5 {
        let held = rig.next().await;
        rig.complete(&held).await;
        added.retain(|id| *id != held.job.id);
    }
    store.close().await.expect("closes");
    let conn = house.file();
    let slots: Vec<i64> = conn
        .prepare("SELECT DISTINCT slot FROM (SELECT slot FROM job UNION ALL SELECT slot FROM fresh)")
        .expect("prepares")
        .query_map([], |row| row.get(0))
        .expect("looks")
        .collect::<Result<_, _>>()
        .expect("reads");
    for slot in slots {
        for table in ["job", "done", "fresh"] {
            let sql = format!("INSERT INTO id_{slot} SELECT id, seq, until FROM {table} WHERE slot = {slot}");
            conn.execute_batch(&sql).expect("sorted");
        }
    }
    conn.execute_batch(&format!("DROP TABLE fresh; {AS_LAYOUT_1}")).expect("as it was");
    drop(conn);
    let (rig, store) = house.open();
    for number in 0..30 {
        assert!(is_known(&rig, number).await, "{number}");
    }
    let first = rig.take(9).await;
    assert_eq!(first.len(), 3, "one of each group");
    assert_eq!(ids(&first), added[..3], "in their order");
    assert_eq!(rig.stats_of(QUEUE).await.available, 22);
    store.close().await.expect("closes");
    assert_eq!(house.counts().1, 25);
}

/// Where a job is, is looked up in memory; its row is read after that, and may have moved in between.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_job_that_moves_is_found_at_every_moment() {
    for fresh_max in [1, 1_000] {
        let house = House::new(fresh_max);
        let (rig, store) = house.open();
        let group = grouped(1).group;
        let id = rig.add(NewJob { group, ..unique("k", HOUR_MS) }).await;
        let moving = Arc::new(AtomicBool::new(true));
        let (reader, still) = (store.clone(), Arc::clone(&moving));
        let looking = TaskTracker::new().spawn(async move {
            let (mut looks, mut missed) = (0, [0; 4]);
            while still.load(Ordering::SeqCst) {
                let listed = Filter { ids: vec![id], ..Filter::default() };
                missed[0] += usize::from(reader.get(vec![id]).await.expect("reads")[0].is_none());
                missed[1] += usize::from(reader.status(vec![id]).await.expect("reads")[0].state.is_none());
                missed[2] += usize::from(reader.list(listed, None, 1).await.expect("reads").jobs.is_empty());
                // Dead letters are in no group's list; once it is dead, it is in that.
                let unfinished = Filter { group, ..Filter::default() };
                missed[3] +=
                    usize::from(reader.list(unfinished, None, 1).await.expect("reads").jobs.is_empty());
                looks += 4;
            }
            (looks, missed)
        });
        for _ in 0..100 {
            let held = rig.next().await;
            rig.settle(&held, dead()).await;
            rig.control(Control::Retry(vec![id])).await;
        }
        moving.store(false, Ordering::SeqCst);
        let (looks, missed) = looking.await.expect("looks");
        assert!(looks > 0 && missed == [0; 4], "{missed:?} of {looks}");
        store.close().await.expect("closes");
    }
}
