//! Concurrency that adapts: it finds how many jobs at a time get most done, keeps to what was set by hand, and
//! takes nothing more while memory is short.

use super::rig::{QUEUE, TokioClock, locked, millis, pass};
use async_trait::async_trait;
use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use steadfast_queue::backend::MemoryBackend;
use steadfast_queue::handler::{Handler, JobContext, Outcome};
use steadfast_queue::worker::adaptive::AdaptiveConfig;
use steadfast_queue::worker::{Worker, WorkerConfig, WorkerHandle};
use steadfast_queue::{Backend, Job, NewJob};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

const KNEE: usize = 6;
const WAITING: u64 = 120;

/// Gets no faster beyond [`KNEE`] at a time.
struct Dependency(Semaphore);

#[async_trait]
impl Handler for Dependency {
    async fn run(&self, _job: &Job, _context: &JobContext) -> Outcome {
        let _turn = self.0.acquire().await.expect("never closed");
        pass(millis(100)).await;
        Outcome::done()
    }
}

struct Scene {
    store: Arc<MemoryBackend>,
    handle: WorkerHandle,
    memory: Arc<Mutex<Option<f64>>>,
    stop: CancellationToken,
    tasks: TaskTracker,
}

impl Scene {
    fn begin(concurrency: usize) -> Self {
        let clock = TokioClock::shared();
        let store = MemoryBackend::new(clock.clone());
        let handler: Arc<dyn Handler> = Arc::new(Dependency(Semaphore::new(KNEE)));
        let memory = Arc::new(Mutex::new(None));
        let source = Arc::clone(&memory);
        let config =
            AdaptiveConfig { memory: Arc::new(move || *locked(&source)), ..AdaptiveConfig::between(1, 32) };
        let handlers = HashMap::from([("k".to_owned(), handler)]);
        let worker =
            Worker::new(store.clone(), handlers, WorkerConfig::new(QUEUE).concurrency(concurrency), clock)
                .adaptive(config);
        let (handle, stop, tasks) = (worker.handle(), CancellationToken::new(), TaskTracker::new());
        tasks.spawn(worker.run(stop.clone(), CancellationToken::new()));
        Self { store, handle, memory, stop, tasks }
    }

    /// Keeps jobs waiting for `seconds`; gives the numbers of places seen.
    async fn pass(&self, seconds: usize) -> Vec<usize> {
        let mut seen = Vec::new();
        for _ in 0..seconds {
            let waiting = self
                .store
                .stats()
                .await
                .expect("counts")
                .queues
                .get(QUEUE)
                .map_or(0, |queue| queue.available);
            let missing = usize::try_from(WAITING.saturating_sub(waiting)).expect("few");
            let told =
                self.store.enqueue(vec![NewJob::new(QUEUE, "k", ""); missing]).await.expect("enqueues");
            assert_eq!(told.len(), missing);
            tokio::time::sleep(Duration::from_secs(1)).await;
            seen.push(self.handle.status().concurrency);
        }
        seen
    }

    fn reason(&self) -> String {
        self.handle.status().adaptive.expect("it adapts").reason
    }

    async fn end(self) {
        self.stop.cancel();
        self.tasks.close();
        self.tasks.wait().await;
    }
}

#[tokio::test(start_paused = true)]
async fn it_finds_how_many_get_most_done_from_below_and_above() {
    for start in [1, 32] {
        let scene = Scene::begin(start);
        scene.pass(80).await;
        let mut late = scene.pass(25).await;
        late.sort_unstable();
        let settled = late[late.len() / 2];
        assert!((KNEE - 1..=KNEE + 3).contains(&settled), "from {start}: settled at {settled}, {late:?}");
        scene.end().await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_number_set_by_hand_stays_until_it_is_handed_back() {
    let scene = Scene::begin(2);
    scene.pass(5).await;
    scene.handle.set_concurrency(20);
    let pinned = scene.pass(15).await;
    assert!(pinned.iter().all(|&places| places == 20), "{pinned:?}");
    assert_eq!(scene.reason(), "set by hand");
    assert!(scene.handle.status().adaptive.expect("it adapts").pinned);
    assert!(scene.handle.adapt());
    let freed = scene.pass(60).await;
    assert!(*freed.last().expect("seconds") < 20, "{freed:?}");
    scene.end().await;
}

#[tokio::test(start_paused = true)]
async fn while_memory_is_short_it_takes_one_at_a_time_at_most() {
    let scene = Scene::begin(4);
    scene.pass(20).await;
    *locked(&scene.memory) = Some(0.97);
    scene.pass(10).await;
    let before = scene.store.stats().await.expect("counts").queues[QUEUE].completed_total;
    assert_eq!((scene.handle.status().concurrency, scene.handle.status().running <= 1), (1, true));
    assert!(scene.reason().starts_with("memory is short: 97 %"), "{}", scene.reason());
    scene.pass(20).await;
    let after = scene.store.stats().await.expect("counts").queues[QUEUE].completed_total;
    assert!(after > before, "somebody else's memory must not stop the queue for ever");
    *locked(&scene.memory) = Some(0.5);
    scene.pass(60).await;
    assert!(scene.handle.status().concurrency >= KNEE - 1 && !scene.handle.status().held);
    scene.end().await;
}

#[tokio::test(start_paused = true)]
async fn a_hold_is_not_lifted_and_teaches_nothing() {
    let scene = Scene::begin(4);
    scene.handle.set_held(true);
    scene.pass(10).await;
    assert_eq!(scene.handle.status().concurrency, 4);
    assert!(scene.handle.status().held && scene.reason().contains("depend on is down"));
    scene.end().await;
}
