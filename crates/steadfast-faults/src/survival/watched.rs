//! A process that is watched through what it prints.

use super::line::Line;
use anyhow::{Context, ensure};
use std::path::Path;
use std::process::Stdio;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use steadfast_testkit::process::signal;
use steadfast_testkit::{wait_for, wait_for_some};
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, ChildStdout, Command};
use tokio::time::Instant;
use tokio_util::task::TaskTracker;

/// The program tells of itself once a second; this long without a word is silence.
const SILENCE_MAX: Duration = Duration::from_millis(2_500);
/// Its calls have 500 ms; what a busy machine may add.
const CALL_MAX_MS: u64 = 750;
/// How long it may take until all is well again.
const WELL_WITHIN: Duration = Duration::from_secs(30);

/// The program under test.
#[derive(Debug)]
pub struct Watched {
    child: Child,
    seen: Arc<Mutex<Vec<(Instant, Line)>>>,
    tasks: TaskTracker,
}

/// What was seen of one scene.
#[derive(Debug, Clone)]
pub struct Verdict {
    /// What was played.
    pub scene: &'static str,
    /// In words and figures.
    pub seen: String,
    /// Whether the program survived it.
    pub holds: bool,
}

impl Watched {
    /// Starts `program` on the Redis at `url`. Each line that it prints is handed to `told`.
    pub fn start(
        program: &Path,
        url: &str,
        told: impl Fn(&str) + Send + Sync + 'static,
    ) -> anyhow::Result<Self> {
        let mut command = Command::new(program);
        command.env("REDIS_URL", url).stdin(Stdio::null()).stdout(Stdio::piped()).kill_on_drop(true);
        let named =
            || "cannot start the quickstart; build it: cargo build -p steadfast-redis --example quickstart";
        let mut child = command.spawn().with_context(named)?;
        let out = child.stdout.take().context("the program has no output")?;
        let (seen, tasks) = (Arc::default(), TaskTracker::new());
        tasks.spawn(read(out, Arc::clone(&seen), told));
        Ok(Self { child, seen, tasks })
    }

    fn seen(&self) -> MutexGuard<'_, Vec<(Instant, Line)>> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits for a second in which all was well that was told after `since`; how long after.
    async fn well(&self, since: Instant) -> Option<Duration> {
        // A line tells of the second before it: the first one after `since` may tell of the fault.
        wait_for_some(WELL_WITHIN, || async {
            let seen = self.seen();
            let well = seen.iter().find(|(at, line)| *at > since && line.is_well());
            well.map(|(at, _)| *at - since)
        })
        .await
    }

    /// Waits until it has begun its work.
    ///
    /// # Errors
    /// It does not.
    pub async fn warm(&self) -> anyhow::Result<()> {
        let well = self.well(Instant::now()).await;
        ensure!(well.is_some(), "the program does not come to work within {WELL_WITHIN:?}");
        Ok(())
    }

    /// Judges what was seen since `began` of a fault that ended at `ended`.
    pub async fn judge(&mut self, scene: &'static str, began: Instant, ended: Instant) -> Verdict {
        let well = self.well(ended).await;
        let is_alive = matches!(self.child.try_wait(), Ok(None));
        let seen = self.seen();
        let lines: Vec<_> = seen.iter().filter(|(at, _)| *at >= began).copied().collect();
        drop(seen);
        let moments = std::iter::once(began).chain(lines.iter().map(|(at, _)| *at)).chain([Instant::now()]);
        let moments: Vec<_> = moments.collect();
        let silence = moments.windows(2).map(|pair| pair[1] - pair[0]).max().unwrap_or_default();
        let slowest_ms = lines.iter().map(|(_, line)| line.slowest_ms).max().unwrap_or_default();
        let good: u64 = lines.iter().map(|(_, line)| line.good).sum();
        let failed: u64 = lines.iter().map(|(_, line)| line.failed).sum();
        let life = if is_alive { "alive" } else { "DEAD" };
        let again = well.map_or_else(
            || format!("not well within {} s", WELL_WITHIN.as_secs()),
            |after| {
                format!(
                    "the first second without a failure was over {:.1} s after its end",
                    after.as_secs_f64()
                )
            },
        );
        Verdict {
            scene,
            seen: format!(
                "{life}; {good} calls good, {failed} failed, the slowest {slowest_ms} ms; never silent for longer than \
                 {:.1} s; {again}",
                silence.as_secs_f64()
            ),
            holds: is_alive && well.is_some() && silence <= SILENCE_MAX && slowest_ms <= CALL_MAX_MS,
        }
    }

    /// Stops it as Ctrl-C does.
    ///
    /// # Errors
    /// It does not end, or not well.
    pub async fn stop(mut self) -> anyhow::Result<()> {
        let pid = self.child.id().context("the program has ended by itself")?;
        signal(pid, "INT").await?;
        let ended = tokio::time::timeout(Duration::from_secs(5), self.child.wait()).await;
        let ended = ended.context("the program does not stop within 5 s")??;
        ensure!(ended.success(), "the program ended with {ended}");
        self.tasks.close();
        let read = wait_for(Duration::from_secs(5), || async { self.tasks.is_empty() }).await;
        ensure!(read, "the program's output does not end");
        Ok(())
    }
}

async fn read(out: ChildStdout, seen: Arc<Mutex<Vec<(Instant, Line)>>>, told: impl Fn(&str) + Send + Sync) {
    let mut lines = BufReader::new(out).lines();
    while let Ok(Some(text)) = lines.next_line().await {
        told(&format!("    {text}"));
        if let Some(line) = Line::parse(&text) {
            seen.lock().unwrap_or_else(PoisonError::into_inner).push((Instant::now(), line));
        }
    }
}
