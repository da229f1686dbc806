//! The settings of queues, set at the start and again at every SIGHUP. All other settings act from the next start.

use crate::config::{Config, Problem};
use crate::lifecycle::Lifecycle;
use anyhow::Context;
use std::collections::BTreeMap;
use std::sync::Arc;
use steadfast_queue::backend::Control;
use steadfast_queue::{Backend, QueueSettings};
use tokio::signal::unix::{SignalKind, signal};

/// Reads and checks the configuration anew, from where the process was started with.
pub(crate) type Reread = Box<dyn Fn() -> Result<Config, Vec<Problem>> + Send + Sync>;

/// Gives every queue its settings. Returns how many had others before.
pub(crate) async fn apply(
    queue: &dyn Backend,
    settings: &BTreeMap<&'static str, QueueSettings>,
) -> anyhow::Result<u64> {
    let mut changed = 0;
    for (&name, settings) in settings {
        let command = Control::Configure { queue: name.to_owned(), settings: Box::new(settings.clone()) };
        let done = queue.control(command).await;
        changed += done.with_context(|| format!("the settings of queue {name} were not taken"))?.affected;
    }
    Ok(changed)
}

/// Reads the settings again at every SIGHUP, until the process ends. If anything at all is wrong with the
/// configuration, all of it is logged and the settings stay as they are.
pub(crate) fn watch(lifecycle: &Lifecycle, queue: Arc<dyn Backend>, reread: Reread) -> anyhow::Result<()> {
    let mut hangup = signal(SignalKind::hangup()).context("cannot listen for SIGHUP")?;
    let (stop, reread) = (lifecycle.stop.clone(), Arc::new(reread));
    lifecycle.tasks.spawn(async move {
        loop {
            tokio::select! {
                _ = hangup.recv() => {}
                () = stop.cancelled() => return,
            }
            let reread = Arc::clone(&reread);
            // It reads files.
            let read = tokio::task::spawn_blocking(move || reread()).await;
            match read {
                Ok(Ok(config)) => match apply(&*queue, &config.queues).await {
                    Ok(changed) => tracing::info!(
                        changed,
                        "configuration read again: the settings of queues hold from now on, all others from the next start"
                    ),
                    Err(error) => tracing::error!(
                        error = &*error,
                        "configuration read again, but not every queue took its settings; send SIGHUP again"
                    ),
                },
                Ok(Err(problems)) => {
                    for problem in &problems {
                        tracing::error!(%problem, "the configuration cannot be used");
                    }
                    tracing::error!(problems = problems.len(), "nothing was changed: the settings stay as they were");
                }
                Err(error) => tracing::error!(%error, "reading the configuration broke off; nothing was changed"),
            }
        }
    });
    Ok(())
}
