//! What acts again at every SIGHUP: the settings of queues, and the keys that payloads are encrypted with. All other
//! settings act from the next start.

use crate::config::{Config, Encryption, Problem};
use crate::lifecycle::Lifecycle;
use anyhow::Context;
use std::collections::BTreeMap;
use std::sync::Arc;
use steadfast_queue::backend::Control;
use steadfast_queue::backend::local::LocalBackend;
use steadfast_queue::sealed::Sealed;
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

/// The queue of a running node, as far as it takes new settings.
pub(crate) struct Running {
    pub(crate) queue: Arc<LocalBackend>,
    /// If it is encrypted.
    pub(crate) sealed: Option<Arc<Sealed<LocalBackend>>>,
}

impl Running {
    async fn take(&self, config: &Config) -> anyhow::Result<u64> {
        match (&self.sealed, &config.queue.encryption) {
            (Some(sealed), Some(Encryption { ring, .. })) => sealed.rotate(ring.clone()),
            (None, None) => {}
            (sealed, _) => tracing::warn!(
                encrypted = sealed.is_some(),
                "queue.encryption_keys: whether payloads are encrypted at all changes at the next start"
            ),
        }
        apply(&*self.queue, &config.queues).await
    }
}

/// Reads the settings again at every SIGHUP, until the process ends. If anything at all is wrong with the
/// configuration, all of it is logged and the settings stay as they are.
pub(crate) fn watch(lifecycle: &Lifecycle, running: Running, reread: Reread) -> anyhow::Result<()> {
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
                Ok(Ok(config)) => match running.take(&config).await {
                    Ok(changed) => tracing::info!(
                        changed,
                        "configuration read again: the settings of queues and the keys of payloads hold from now on, all else from the next start"
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
