//! Which function handles which job, and how the workers of each queue behave.

use crate::handler::Handler;
use crate::job::NAME_BYTES_MAX;
use crate::typed::handler::JobHandler;
use crate::typed::job_type::JobType;
use crate::typed::run::{Patience, Typed, Unknown};
use crate::worker::{JobObserver, WorkerConfig};
use std::collections::BTreeMap;
use std::collections::HashMap;
use std::fmt;
use std::marker::PhantomData;
use std::sync::Arc;
use std::time::Duration;
use steadfast_clock::SharedClock;

/// The handlers of a program.
///
/// ```
/// # use serde::{Deserialize, Serialize};
/// use steadfast_queue::typed::{Context, JobError, JobType, Router, State};
///
/// #[derive(Serialize, Deserialize)]
/// struct SendMail { to: String }
///
/// impl JobType for SendMail {
///     const KIND: &'static str = "send-mail";
///     const QUEUE: &'static str = "mail";
/// }
///
/// #[derive(Clone)]
/// struct Mailer;
///
/// async fn send(mail: SendMail, State(mailer): State<Mailer>, context: Context) -> Result<(), JobError> {
///     Ok(())
/// }
///
/// let router: Router = Router::new().handle(send).concurrency("mail", 8).with_state(Mailer);
/// ```
///
/// What is no handler does not compile, and the compiler says why:
///
/// ```compile_fail
/// # use steadfast_queue::typed::Router;
/// async fn not_a_job(number: u32) {}
/// let router: Router = Router::new().handle(not_a_job);
/// ```
pub struct Router<S = ()> {
    entries: Vec<Entry<S>>,
    queues: BTreeMap<String, Vec<Tune>>,
    patience: Duration,
    observer: Option<Arc<dyn JobObserver>>,
}

type Tune = Box<dyn FnOnce(WorkerConfig) -> WorkerConfig + Send>;
type Bind<S> = Box<dyn FnOnce(S, Patience) -> Arc<dyn Handler> + Send>;

struct Entry<S> {
    queue: &'static str,
    kind: &'static str,
    bind: Bind<S>,
}

impl<S> fmt::Debug for Router<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kinds: Vec<_> = self.entries.iter().map(|entry| (entry.queue, entry.kind)).collect();
        f.debug_struct("Router").field("kinds", &kinds).finish_non_exhaustive()
    }
}

impl<S> Default for Router<S> {
    fn default() -> Self {
        Self {
            entries: Vec::new(),
            queues: BTreeMap::new(),
            patience: Duration::from_hours(1),
            observer: None,
        }
    }
}

impl<S: Clone + Send + Sync + 'static> Router<S> {
    /// No handlers yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Runs jobs of the type that is `handler`'s first argument with it.
    ///
    /// It may be called twice for one job (after a crash, or when a lease was lost): its effects must be
    /// idempotent. A panic is a failed attempt of that job alone.
    #[must_use]
    pub fn handle<H, Args>(mut self, handler: H) -> Self
    where
        H: JobHandler<Args, S>,
        Args: 'static,
    {
        let bind: Bind<S> = Box::new(move |state, patience| {
            Arc::new(Typed { handler, state, patience, args: PhantomData::<fn() -> Args> })
        });
        self.entries.push(Entry { queue: <H::Job as JobType>::QUEUE, kind: <H::Job as JobType>::KIND, bind });
        self
    }

    /// How many jobs of `queue` run at a time: 4 unless said otherwise.
    #[must_use]
    pub fn concurrency(self, queue: &str, jobs: usize) -> Self {
        self.configure(queue, move |config| config.concurrency(jobs))
    }

    /// Changes how the worker of `queue` behaves; applied in the order of the calls.
    #[must_use]
    pub fn configure(
        mut self,
        queue: &str,
        change: impl FnOnce(WorkerConfig) -> WorkerConfig + Send + 'static,
    ) -> Self {
        self.queues.entry(queue.to_owned()).or_default().push(Box::new(change));
        self
    }

    /// For how long jobs of a kind or version that nobody here knows are left to a newer worker, before they
    /// are dead letters: an hour unless said otherwise; zero buries them at once. See [`JobType`].
    #[must_use]
    pub fn patience(self, patience: Duration) -> Self {
        Self { patience, ..self }
    }

    /// Tells `observer` of every finished attempt.
    #[must_use]
    pub fn observer(self, observer: Arc<dyn JobObserver>) -> Self {
        Self { observer: Some(observer), ..self }
    }

    /// Gives the handlers what they take as [`State`](crate::typed::State).
    pub fn with_state<S2>(self, state: S) -> Router<S2> {
        let bound = |entry: Entry<S>| {
            let state = state.clone();
            Entry {
                queue: entry.queue,
                kind: entry.kind,
                bind: Box::new(move |_: S2, patience| (entry.bind)(state, patience)) as Bind<S2>,
            }
        };
        Router {
            entries: self.entries.into_iter().map(bound).collect(),
            queues: self.queues,
            patience: self.patience,
            observer: self.observer,
        }
    }
}

/// Why a router cannot be run.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RouterError {
    /// Nothing to do.
    #[error("the router has no handlers: add at least one with Router::handle")]
    Empty,
    /// Which of them would run?
    #[error("queue {queue:?} has two handlers for kind {kind:?}: keep one, or give one type another KIND")]
    Twice {
        /// The queue.
        queue: String,
        /// The kind.
        kind: String,
    },
    /// A queue or kind with an impossible name.
    #[error("{name:?} cannot name a queue or a kind: use 1 to {NAME_BYTES_MAX} bytes")]
    BadName {
        /// The name.
        name: String,
    },
    /// Most likely a typing error.
    #[error("queue {queue:?} is configured but no job goes there: check its name, or add a handler")]
    Idle {
        /// The queue.
        queue: String,
    },
}

/// What one worker needs.
pub(crate) struct Lane {
    pub(crate) config: WorkerConfig,
    pub(crate) handlers: HashMap<String, Arc<dyn Handler>>,
    pub(crate) fallback: Arc<dyn Handler>,
}

/// What all of them need.
pub(crate) struct Plan {
    pub(crate) lanes: Vec<Lane>,
    pub(crate) observer: Option<Arc<dyn JobObserver>>,
}

impl Router {
    /// One lane per queue, in order of their names.
    pub(crate) fn plan(self, clock: &SharedClock) -> Result<Plan, RouterError> {
        if self.entries.is_empty() {
            return Err(RouterError::Empty);
        }
        let patience = || Patience::new(self.patience, clock.clone());
        let mut handlers: BTreeMap<&'static str, HashMap<String, Arc<dyn Handler>>> = BTreeMap::new();
        for Entry { queue, kind, bind } in self.entries {
            for name in [queue, kind] {
                if !crate::backend::rules::is_name(name) {
                    return Err(RouterError::BadName { name: name.to_owned() });
                }
            }
            let own = handlers.entry(queue).or_default();
            if own.insert(kind.to_owned(), bind((), patience())).is_some() {
                return Err(RouterError::Twice { queue: queue.to_owned(), kind: kind.to_owned() });
            }
        }
        let mut tunes = self.queues;
        if let Some(queue) = tunes.keys().find(|queue| !handlers.contains_key(queue.as_str())) {
            return Err(RouterError::Idle { queue: queue.clone() });
        }
        let lanes = handlers.into_iter().map(|(queue, handlers)| {
            let changes = tunes.remove(queue).unwrap_or_default();
            let config = changes.into_iter().fold(WorkerConfig::new(queue), |config, change| change(config));
            // Whatever was changed: the handlers are those of this queue.
            let config = WorkerConfig { queue: queue.to_owned(), ..config };
            Lane { config, handlers, fallback: Arc::new(Unknown(patience())) }
        });
        Ok(Plan { lanes: lanes.collect(), observer: self.observer })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde::{Deserialize, Serialize};
    use steadfast_clock::SystemClock;

    #[derive(Serialize, Deserialize)]
    struct Ping;

    impl JobType for Ping {
        const KIND: &'static str = "ping";
    }

    async fn ping(_: Ping) {}

    fn refused(router: Router) -> RouterError {
        router.plan(&SystemClock::shared()).map(|_| ()).expect_err("refused")
    }

    #[test]
    fn what_cannot_be_run_is_refused_with_the_reason() {
        assert_eq!(refused(Router::new()), RouterError::Empty);
        assert!(matches!(refused(Router::new().handle(ping).handle(ping)), RouterError::Twice { .. }));
        let misspelt = Router::new().handle(ping).concurrency("defualt", 2);
        assert_eq!(refused(misspelt), RouterError::Idle { queue: "defualt".to_owned() });
    }

    #[test]
    fn a_queue_is_configured_in_order_and_keeps_its_name() {
        let router = Router::new().handle(ping).concurrency("default", 2).configure("default", |config| {
            WorkerConfig {
                queue: "elsewhere".to_owned(),
                ..config.clone().concurrency(config.concurrency * 3)
            }
        });
        let plan = router.plan(&SystemClock::shared()).expect("sound");
        assert_eq!((plan.lanes[0].config.queue.as_str(), plan.lanes[0].config.concurrency), ("default", 6));
    }
}
