//! When schedules fire: what an operator writes, in the time zones of the world and their odd days.

use crate::input::{lossy, text_line};
use std::sync::Arc;
use std::time::Duration;
use steadfast_clock::ManualClock;
use steadfast_queue::backend::memory::MemoryBackend;
use steadfast_queue::backend::{Control, Filter, Sweep};
use steadfast_queue::schedule::ScheduleStats;
use steadfast_queue::{Backend, QueueError, Schedule};

const NAME: &str = "tick";
/// Times looked at, one after the other.
const TIMES: usize = 4;

/// Lines: the expression; the time zone; and a moment, in milliseconds since the Unix epoch. It is refused in words, or
/// each time is a whole second after the one before, is the next one however long before it one asks, and fires once:
/// at that very moment, not before it.
pub fn cron(data: &[u8]) {
    let (cron, rest) = text_line(data);
    let (zone, at) = text_line(rest);
    let at_ms: i64 = lossy(at).trim().parse().unwrap_or(1_790_000_000_000);
    let schedule = Schedule { zone: zone.to_owned(), ..Schedule::new(NAME, cron, "q", "kind", "") };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build();
    runtime.expect("a runtime without I/O").block_on(async {
        match put(&schedule, at_ms).await {
            Ok(store) => times(&schedule, at_ms, store).await,
            Err(error) => {
                assert!(!error.to_string().is_empty(), "refused without a reason");
                assert!(put(&schedule, 0).await.is_err(), "refused at one time and taken at another");
            }
        }
    });
}

/// A store whose clock shows `at_ms`, with the schedule in it.
struct Store {
    clock: Arc<ManualClock>,
    backend: Arc<MemoryBackend>,
}

async fn put(schedule: &Schedule, at_ms: i64) -> Result<Store, QueueError> {
    let clock = ManualClock::at(at_ms);
    let backend = MemoryBackend::new(clock.clone());
    let done = backend.control(Control::PutSchedule(Box::new(schedule.clone()))).await?;
    assert_eq!((done.affected, done.skipped), (1, 0), "neither refused nor taken");
    Ok(Store { clock, backend })
}

impl Store {
    async fn shown(&self) -> ScheduleStats {
        let mut stats = self.backend.stats().await.expect("the model answers");
        stats.schedules.remove(NAME).expect("the schedule is there")
    }

    /// How many jobs there are once the clock has gone on by `ms`.
    async fn jobs_after(&self, ms: u64) -> usize {
        self.clock.advance(Duration::from_millis(ms));
        self.backend.sweep(Sweep::Promote, 10).await.expect("the model answers");
        self.backend.list(Filter::default(), None, 10).await.expect("the model answers").jobs.len()
    }
}

async fn next(schedule: &Schedule, at_ms: i64) -> Option<i64> {
    put(schedule, at_ms).await.expect("taken before").shown().await.next_ms
}

async fn times(schedule: &Schedule, at_ms: i64, mut store: Store) {
    let mut at_ms = at_ms;
    for _ in 0..TIMES {
        let Some(next_ms) = store.shown().await.next_ms else { return };
        assert!(next_ms > at_ms && next_ms % 1_000 == 0, "{next_ms} after {at_ms}");
        for from_ms in [at_ms + (next_ms - at_ms) / 2, next_ms - 1] {
            assert_eq!(next(schedule, from_ms).await, Some(next_ms), "after {from_ms}, and after {at_ms}");
        }
        fires(&store, (next_ms - at_ms).unsigned_abs(), next_ms).await;
        at_ms = next_ms;
        store = put(schedule, at_ms).await.expect("taken before");
    }
}

/// Its time comes in `wait_ms`.
async fn fires(store: &Store, wait_ms: u64, next_ms: i64) {
    assert_eq!(store.jobs_after(wait_ms - 1).await, 0, "before its time");
    assert_eq!(store.jobs_after(1).await, 1, "at its time");
    assert_eq!(store.jobs_after(0).await, 1, "twice");
    let shown = store.shown().await;
    assert_eq!(shown.last_ms, Some(next_ms));
    assert!(shown.next_ms.is_none_or(|after_ms| after_ms > next_ms), "{next_ms} comes again");
}
