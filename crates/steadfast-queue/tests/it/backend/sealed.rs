//! Encryption at rest: what is on disk, which keys open it, and what becomes of what cannot be opened. (That a
//! sealed store keeps all other promises, the whole suite shows: it runs over sealed stores too.)

use super::rig::{LEASE_MS, QUEUE, Rig, START_MS, grouped, job, options, unique};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use steadfast_clock::ManualClock;
use steadfast_queue::backend::local::LocalBackend;
use steadfast_queue::backend::{
    Control, Controlled, Enqueued, Filter, MemoryBackend, Rejection, Reserve, Settled, WorkerId,
};
use steadfast_queue::schedule::{Missed, Schedule};
use steadfast_queue::sealed::{CODEC_SEALED, KeyRing, Plain, SEALABLE_BYTES_MAX, SealKey, Sealed};
use steadfast_queue::state::Verdict;
use steadfast_queue::{Backend, Job, NewJob, State};

const SECRET: &[u8] = b"a plaintext that must not lie on any disk";

pub(super) fn ring(ids: &[&str]) -> KeyRing {
    let keys = ids.iter().map(|id| SealKey::new(id, [id.as_bytes()[0]; 32]).expect("a key"));
    KeyRing::new(keys.collect()).expect("a ring")
}

/// A sealed store over a plain one, and the plain one.
struct Pair {
    rig: Rig,
    sealed: Arc<Sealed<MemoryBackend>>,
    below: Arc<MemoryBackend>,
}

fn pair(ids: &[&str], plain: Plain) -> Pair {
    let clock = ManualClock::at(START_MS);
    let below = MemoryBackend::new(clock.clone());
    let sealed = Sealed::with(below.clone(), ring(ids), plain);
    Pair { rig: Rig::around(sealed.clone(), clock), sealed, below }
}

fn secret() -> NewJob {
    NewJob { payload: SECRET.into(), codec: 3, ..job() }
}

impl Pair {
    async fn stored(&self, id: steadfast_queue::JobId) -> Job {
        self.below.get(vec![id]).await.expect("reads").pop().flatten().expect("is there")
    }

    /// Puts jobs into the store as somebody with write access to its file would.
    async fn forge(&self, new: NewJob) -> Enqueued {
        self.below.enqueue(vec![new]).await.expect("enqueues")[0]
    }

    async fn last_error(&self, id: steadfast_queue::JobId) -> (State, String) {
        let job = self.rig.job(id).await;
        (job.state, job.history.last().map_or_else(String::new, |record| record.error.clone()))
    }
}

fn files_hold(folder: &Path, needle: &[u8]) -> bool {
    let files = std::fs::read_dir(folder).expect("a folder").map(|entry| entry.expect("an entry").path());
    let mut seen = 0;
    let found = files.filter(|path| path.is_file()).any(|path| {
        let bytes = std::fs::read(path).expect("reads");
        seen += bytes.len();
        bytes.windows(needle.len()).any(|window| window == needle)
    });
    assert!(found || seen > 0, "there is nothing to look at");
    found
}

#[tokio::test]
async fn no_plaintext_reaches_the_disk() {
    for sealed in [false, true] {
        let (folder, clock) = (tempfile::tempdir().expect("a folder"), ManualClock::at(START_MS));
        let local = LocalBackend::open(options(&folder), clock.clone()).expect("opens");
        let store: Arc<dyn Backend> =
            if sealed { Sealed::new(local.clone(), ring(&["a"])) } else { local.clone() };
        let rig = Rig::around(store, clock);
        for new in [secret(), NewJob { payload: SECRET.into(), ..unique("k", 60_000) }, secret()] {
            rig.add(new).await;
        }
        let held = rig.next().await;
        assert_eq!((&held.job.payload[..], held.job.codec), (SECRET, 3));
        let follow_up = NewJob { id: Some(steadfast_queue::JobId([9; 16])), ..secret() };
        rig.settle_with(&held, Verdict::Complete, vec![follow_up]).await;
        let dead = rig.next().await;
        rig.settle(&dead, super::rig::dead()).await;
        rig.control(put(&nightly("nightly"))).await;
        let files = folder.path().join("store");
        assert_eq!(files_hold(&files, SECRET), !sealed, "while open, in the log too");
        local.close().await.expect("closes");
        assert_eq!(files_hold(&files, SECRET), !sealed, "after closing");
    }
}

#[tokio::test]
async fn what_is_listed_is_readable_with_the_key_and_marked_without() {
    let pair = pair(&["a"], Plain::Accept);
    let id = pair.rig.add(secret()).await;
    assert_eq!((&pair.rig.job(id).await.payload[..], pair.rig.job(id).await.codec), (SECRET, 3));
    assert_eq!(&pair.rig.all(Filter::default()).await[0].payload[..], SECRET);
    pair.sealed.rotate(ring(&["b"]));
    for shown in [pair.rig.job(id).await, pair.rig.all(Filter::default()).await.remove(0)] {
        assert_eq!(shown.codec, CODEC_SEALED);
        assert_eq!(shown.payload, pair.stored(id).await.payload);
    }
}

#[tokio::test]
async fn rotation_seals_with_the_new_key_and_reads_what_the_old_one_sealed() {
    let pair = pair(&["a"], Plain::Refuse);
    pair.rig.add(secret()).await;
    pair.sealed.rotate(ring(&["b", "a"]));
    let second = pair.rig.add(secret()).await;
    assert_eq!(pair.rig.drain().await.len(), 2);
    let third = pair.rig.add(secret()).await;
    pair.sealed.rotate(ring(&["b"]));
    let held = pair.rig.next().await;
    assert_eq!((held.job.id, &held.job.payload[..]), (third, SECRET));
    assert_ne!(second, third);
}

#[tokio::test]
async fn without_its_key_a_job_is_neither_run_nor_buried_until_the_key_is_back() {
    let pair = pair(&["a"], Plain::Accept);
    let id = pair.rig.add(secret()).await;
    pair.sealed.rotate(ring(&["b"]));
    for _ in 0..5 {
        pair.rig.nothing_is_ready().await;
        let job = pair.rig.job(id).await;
        assert_eq!((job.state, job.attempt, job.crash_count), (State::Scheduled, 0, 0));
        pair.rig.pass(60_000);
    }
    let other = pair.rig.add(secret()).await;
    let held = pair.rig.take(8).await;
    assert_eq!(super::rig::ids(&held), [other], "others are not held up");
    pair.sealed.rotate(ring(&["b", "a"]));
    pair.rig.pass(60_000);
    let held = pair.rig.next().await;
    assert_eq!((held.job.id, &held.job.payload[..]), (id, SECRET));
}

#[tokio::test]
async fn a_changed_or_swapped_payload_is_a_dead_letter_and_its_neighbours_run() {
    let pair = pair(&["a"], Plain::Accept);
    let (first, second) = (pair.rig.add(secret()).await, pair.rig.add(secret()).await);
    let stored = pair.stored(first).await;
    let mut flipped = stored.payload.to_vec();
    *flipped.last_mut().expect("bytes") ^= 1;
    let forged = NewJob { codec: CODEC_SEALED, ..job() };
    // Changed; another job's; another queue's name for it is no other case: the id differs as well.
    for payload in [flipped, stored.payload.to_vec(), Vec::new(), b"\x01\x00".to_vec()] {
        pair.forge(NewJob { payload: payload.into(), ..forged.clone() }).await;
    }
    let ran = pair.rig.drain().await;
    assert_eq!(ran, [first, second]);
    let dead = pair.rig.all(Filter { states: vec![State::Dead], ..Filter::default() }).await;
    assert_eq!(dead.len(), 4);
    for job in dead {
        assert_eq!(pair.last_error(job.id).await, (State::Dead, "payload_unreadable".to_owned()));
    }
}

#[tokio::test]
async fn plain_payloads_are_taken_or_refused_as_told() {
    for (plain, ran) in [(Plain::Accept, 1), (Plain::Refuse, 0)] {
        let pair = pair(&["a"], plain);
        let Enqueued::New(id) = pair.forge(job()).await else { panic!("not new") };
        assert_eq!(pair.rig.drain().await.len(), ran);
        let expected = if ran == 1 { State::Completed } else { State::Dead };
        assert_eq!(pair.rig.state(id).await, Some(expected));
    }
}

fn nightly(name: &str) -> Schedule {
    Schedule { codec: 3, missed: Missed::Coalesce, ..Schedule::new(name, "0 3 * * *", QUEUE, "kind", SECRET) }
}

fn put(schedule: &Schedule) -> Control {
    Control::PutSchedule(Box::new(schedule.clone()))
}

#[tokio::test]
async fn what_comes_by_the_clock_is_sealed_and_a_new_key_misses_no_time() {
    let pair = pair(&["a"], Plain::Refuse);
    let (one, two) = (nightly("one"), nightly("two"));
    for schedule in [&one, &two] {
        assert_eq!(pair.rig.control(put(schedule)).await.affected, 1);
        assert_eq!(pair.rig.control(put(schedule)).await, Controlled::default(), "as at every start");
        let counted = pair.rig.control(Control::Count(Box::new(put(schedule)))).await;
        assert_eq!(counted, Controlled::default());
    }
    pair.rig.pass(24 * 3_600_000);
    pair.sealed.rotate(ring(&["b", "a"]));
    assert_eq!(pair.rig.control(put(&one)).await.affected, 1, "sealed with the new key");
    let held = pair.rig.take(9).await;
    let expected = [("one", SECRET, 3), ("two", SECRET, 3)];
    let came =
        held.iter().map(|held| (&*held.job.metadata["schedule"], &held.job.payload[..], held.job.codec));
    assert_eq!(came.collect::<std::collections::BTreeSet<_>>(), expected.into());
    // What belongs to one schedule is not taken for another's.
    let (mine, theirs) = (pair.stored(held[0].job.id).await, pair.stored(held[1].job.id).await);
    let swapped = NewJob { codec: CODEC_SEALED, payload: theirs.payload, metadata: mine.metadata, ..job() };
    let Enqueued::New(id) = pair.forge(swapped).await else { panic!("not new") };
    pair.rig.nothing_is_ready().await;
    assert_eq!(pair.last_error(id).await, (State::Dead, "payload_unreadable".to_owned()));
}

#[tokio::test]
async fn a_missing_key_holds_its_group_and_no_other() {
    let pair = pair(&["a"], Plain::Accept);
    let first = pair.rig.add(grouped(1)).await;
    pair.sealed.rotate(ring(&["b"]));
    let second = pair.rig.add(grouped(1)).await;
    let other = pair.rig.add(grouped(2)).await;
    assert_eq!(pair.rig.drain().await, [other]);
    pair.sealed.rotate(ring(&["b", "a"]));
    pair.rig.pass(60_000);
    assert_eq!(pair.rig.drain().await, [first, second]);
}

#[tokio::test]
async fn bounds_are_those_of_the_payload_not_of_its_envelope() {
    let pair = pair(&["a"], Plain::Accept);
    let sized = |bytes: usize| NewJob { payload: vec![7; bytes].into(), ..job() };
    assert!(matches!(pair.rig.enqueue(sized(SEALABLE_BYTES_MAX)).await, Enqueued::New(_)));
    for bytes in [(1 << 20) - 10, 1 << 20, (1 << 20) + 1] {
        let told = pair.rig.enqueue(sized(bytes)).await;
        let Enqueued::Rejected(Rejection::TooLarge { bytes: told, max }) = told else { panic!("{told:?}") };
        assert!(max == SEALABLE_BYTES_MAX && told > max, "{told}");
    }
    let big = Schedule { payload: vec![7; SEALABLE_BYTES_MAX + 1].into(), ..nightly("big") };
    let told = pair.sealed.control(put(&big)).await.expect_err("too large");
    assert!(format!("{:?}", told).contains(&format!("max: {SEALABLE_BYTES_MAX}")), "{told:?}");
    let held = pair.rig.next().await;
    let follow_up = NewJob { id: Some(steadfast_queue::JobId([9; 16])), ..sized(1 << 20) };
    let told = pair.rig.settle_with(&held, Verdict::Complete, vec![follow_up]).await;
    assert!(matches!(told, Settled::FollowUpRejected(Rejection::TooLarge { .. })), "{told:?}");
}

#[tokio::test]
async fn a_waiting_worker_gets_a_sealed_job_at_once() {
    let pair = pair(&["a"], Plain::Accept);
    let wait = Duration::from_secs(20);
    let request = Reserve {
        queue: QUEUE.into(),
        max: 1,
        lease_ms: LEASE_MS,
        worker: WorkerId::fresh(),
        wait,
        no_suspects: false,
    };
    let (taken, _) = tokio::join!(pair.rig.store.reserve(request), pair.rig.enqueue(secret()));
    assert_eq!(&taken.expect("reserves")[0].job.payload[..], SECRET);
}
