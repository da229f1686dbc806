//! The client: one face for every topology.

mod commands;
mod connect;
mod course;
mod decide;
mod look;
mod numbers;
mod observe;
mod pipeline;
mod reload;
mod run;
mod script;
mod subscribe;

pub use look::NodeView;
pub(crate) use numbers::{check, making, sentinel_settings};
pub use pipeline::Pipeline;
pub use script::{Script, ScriptCall};

use crate::command::{Access, Facts, Operation, Replay, keys, spec};
use crate::config::{Checked, ReadPreference};
use crate::error::{Error, ErrorKind, Outcome, Result};
use crate::lane::Answer;
use crate::limiter::Class;
use crate::node::Node;
use crate::resp::Reply;
use crate::retry::Backoff;
use crate::route::{Need, Router, SharedMaking};
use crate::slot::slot;
use crate::vitals::Vitals;
use redis::{Cmd, FromRedisValue, Value};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::Duration;
use subscribe::Links;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// How often a client that is being closed looks whether everything has been answered.
const DRAIN_LOOK: Duration = Duration::from_millis(5);

/// A connection to Redis that looks after itself. Cheap to clone; clones share everything but their [`CallOptions`].
///
/// Dropping the last clone ends its tasks; [`Client::close`] also waits for what is in flight.
#[derive(Debug, Clone)]
pub struct Client {
    inner: Arc<Inner>,
    options: CallOptions,
}

/// What a handle on the client asks of every call made through it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CallOptions {
    /// How long a call without a deadline of its own may take.
    pub timeout: Duration,
    /// Which nodes may answer commands that only read.
    pub read_from: ReadPreference,
    /// How much the calls matter when not all can be let through.
    pub priority: Class,
    /// A command whose second answer differs may be sent twice all the same: the caller does not look at it.
    pub answer_is_ignored: bool,
}

#[derive(Debug)]
pub(crate) struct Inner {
    router: Router,
    manner: RwLock<Manner>,
    links: Links,
    making: SharedMaking,
    config: Mutex<Checked>,
    vitals: Arc<Vitals>,
    tasks: TaskTracker,
    /// Calls that outlive their callers.
    calls: TaskTracker,
    closing: CancellationToken,
    stop: CancellationToken,
}

impl Drop for Inner {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

impl Inner {
    /// How calls are repeated and subscriptions kept, now.
    fn manner(&self) -> Manner {
        *self.manner.read().unwrap_or_else(PoisonError::into_inner)
    }
}

/// How calls are repeated and subscriptions kept: looked at each time, so that a reload acts at once.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Manner {
    /// Between a call's attempts.
    pause: Backoff,
    attempts_max: u32,
    redirects_max: u32,
    /// Time between the heartbeats of a subscribing connection; zero: none.
    heartbeat: Duration,
    /// Messages a subscriber may leave unread.
    buffer_max: usize,
}

/// What a client is made of.
#[derive(Debug)]
pub(crate) struct Parts {
    pub(crate) router: Router,
    pub(crate) manner: Manner,
    pub(crate) making: SharedMaking,
    pub(crate) config: Checked,
    pub(crate) vitals: Arc<Vitals>,
    pub(crate) tasks: TaskTracker,
    pub(crate) stop: CancellationToken,
    pub(crate) options: CallOptions,
}

impl Client {
    pub(crate) fn of(parts: Parts) -> Self {
        let Parts { router, manner, making, config, vitals, tasks, stop, options } = parts;
        let (manner, links, config) = (RwLock::new(manner), Links::default(), Mutex::new(config));
        let (calls, closing) = (TaskTracker::new(), CancellationToken::new());
        let inner = Inner { router, manner, links, making, config, vitals, tasks, calls, closing, stop };
        Self { inner: Arc::new(inner), options }
    }

    /// The same client with these options for its calls.
    #[must_use]
    pub fn with(&self, options: CallOptions) -> Self {
        Self { inner: Arc::clone(&self.inner), options }
    }

    /// The same client with another time for calls without a deadline.
    #[must_use]
    pub fn within(&self, timeout: Duration) -> Self {
        let mut other = self.clone();
        other.options.timeout = timeout;
        other
    }

    /// The same client with another choice of who answers reads.
    #[must_use]
    pub fn read_from(&self, read_from: ReadPreference) -> Self {
        let mut other = self.clone();
        other.options.read_from = read_from;
        other
    }

    /// The same client for calls that matter more, or less: the webhook's before the dashboard's.
    #[must_use]
    pub fn priority(&self, priority: Class) -> Self {
        let mut other = self.clone();
        other.options.priority = priority;
        other
    }

    /// The same client for calls whose answers nobody looks at: a `DEL` whose reply was lost is then sent again, though
    /// it would say 0 where it said 1.
    #[must_use]
    pub fn ignoring_answers(&self) -> Self {
        let mut other = self.clone();
        other.options.answer_is_ignored = true;
        other
    }

    /// Sends `cmd` and returns the server's answer, by `deadline`.
    ///
    /// It is sent again where that cannot execute it twice: when no byte of it had been sent, when the server refused it
    /// before executing anything, or when executing it twice is the same as once ([`Facts::of`]).
    ///
    /// # Errors
    /// What happened, with its [`Outcome`]; never later than `deadline`.
    ///
    /// Cancel safe: dropped before it was sent it is not sent; after that it may be executed, and its reply is dropped.
    pub async fn execute(&self, cmd: &Cmd, deadline: Instant) -> Result<Value> {
        let facts = Facts::of(cmd);
        if facts.changes_connection || facts.blocks {
            return Err(misplaced(&facts));
        }
        let call = self.call(cmd, &facts);
        match self.run(&call, || cmd.get_packed_command(), None, deadline).await {
            Ok((answer, node)) => value_in(answer, &facts).map_err(|error| error.on(&node.name)),
            Err(error) => Err(error),
        }
        .map_err(|error| error.of(facts.name))
    }

    /// Sends `cmd` within the handle's time and converts the answer.
    ///
    /// # Errors
    /// As [`Client::execute`]; and if the answer is not of the type that is asked for.
    pub async fn query<T: FromRedisValue>(&self, cmd: &Cmd) -> Result<T> {
        let value = self.execute(cmd, Instant::now() + self.options.timeout).await?;
        converted(value, Facts::of(cmd).name)
    }

    /// Asks the server whether it is there, within the handle's time.
    ///
    /// # Errors
    /// Why it cannot be reached or does not answer.
    pub async fn ping(&self) -> Result<()> {
        self.query::<Value>(&redis::cmd("PING")).await.map(drop)
    }

    /// Takes no more calls, waits until what is in flight has been answered, at most until `deadline`, and ends every
    /// connection and task.
    pub async fn close(&self, deadline: Instant) {
        // Servers that keep calls waiting are asked to stop, and what was popped for nobody is put back, while that can
        // still be sent.
        self.inner.closing.cancel();
        self.inner.calls.close();
        let _ = tokio::time::timeout_at(deadline, self.inner.calls.wait()).await;
        let nodes = self.inner.router.nodes();
        nodes.iter().for_each(|node| node.drain());
        while nodes.iter().any(|node| node.load().in_flight > 0) && Instant::now() < deadline {
            tokio::time::sleep(DRAIN_LOOK).await;
        }
        self.inner.tasks.close();
        self.inner.stop.cancel();
        let _ = tokio::time::timeout_at(deadline, self.inner.tasks.wait()).await;
    }

    fn call(&self, cmd: &Cmd, facts: &Facts) -> Call {
        let spec = spec(crate::command::name(cmd));
        let replay = match facts.replay {
            Replay::AnswerDiffers if self.options.answer_is_ignored => Replay::Safe,
            replay => replay,
        };
        let is_cluster = self.inner.router.is_cluster();
        let slot = if is_cluster { keys(spec, cmd).first().map(|key| slot(key)) } else { None };
        self.call_for(slot, facts.access, replay, spec.operation)
    }

    fn call_for(&self, slot: Option<u16>, access: Access, replay: Replay, operation: Operation) -> Call {
        let writes = access != Access::Read;
        let need = Need { slot, writes, read_from: self.options.read_from };
        Call { need, access, class: self.options.priority, operation, replay }
    }

    /// Sends `cmd` to every primary at the same time (`FLUSHALL`, `SCAN`, `SCRIPT LOAD`, `DBSIZE`): one answer for each, with
    /// where it came from.
    ///
    /// # Errors
    /// Each of its own; of all, if no primary is known by `deadline`.
    pub async fn on_primaries(&self, cmd: &Cmd, deadline: Instant) -> Result<Vec<(String, Result<Value>)>> {
        let facts = Facts::of(cmd);
        if facts.changes_connection || facts.blocks {
            return Err(misplaced(&facts));
        }
        let any = Need { slot: None, writes: true, read_from: ReadPreference::Primary };
        self.inner.router.route(any, None, deadline).await?;
        let facts = &facts;
        let ask = |node: Arc<Node>| async move {
            let answer = node.send(cmd.get_packed_command(), None, true, deadline).await;
            let value =
                answer.and_then(|answer| value_in(answer, facts)).map_err(|error| error.of(facts.name));
            (node.name.to_string(), value)
        };
        Ok(futures::future::join_all(self.inner.router.primaries().into_iter().map(ask)).await)
    }

    /// The primaries that are known by `deadline`: one of each shard.
    pub(crate) async fn primaries(&self, deadline: Instant) -> Result<Vec<Arc<Node>>> {
        let any = Need { slot: None, writes: true, read_from: ReadPreference::Primary };
        self.inner.router.route(any, None, deadline).await?;
        Ok(self.inner.router.primaries())
    }

    /// Sends `cmd` to one node, once.
    pub(crate) async fn on_node(&self, node: &Node, cmd: &Cmd, deadline: Instant) -> Result<Value> {
        let answer = node.send(cmd.get_packed_command(), None, true, deadline).await;
        let facts = Facts::of(cmd);
        answer.and_then(|answer| value_in(answer, &facts)).map_err(|error| error.of(facts.name))
    }

    /// Whether anything is measured.
    pub(crate) fn measures(&self) -> bool {
        self.inner.vitals.metrics.is_enabled()
    }

    /// How the fallback is configured now.
    pub(crate) fn fallback(&self) -> crate::config::Fallback {
        self.inner.config.lock().unwrap_or_else(std::sync::PoisonError::into_inner).fallback.clone()
    }

    /// The node that `cmd` belongs to, for a connection of its own.
    pub(crate) async fn route_for(&self, cmd: &Cmd, deadline: Instant) -> Result<Arc<Node>> {
        let call = self.call(cmd, &Facts::of(cmd));
        self.inner.router.route(call.need, None, deadline).await
    }

    /// Runs a call that outlives its caller; it ends before the client does, or with it.
    pub(crate) fn spawn_call(&self, work: impl Future<Output = ()> + Send + 'static) {
        let stop = self.inner.stop.clone();
        self.inner.calls.spawn(async move {
            tokio::select! {
                biased;
                () = work => {}
                () = stop.cancelled() => {}
            }
        });
    }

    /// Cancelled when the client takes no more calls.
    pub(crate) fn closing(&self) -> CancellationToken {
        self.inner.closing.clone()
    }

    /// Runs work that outlives its caller; it ends with the client.
    pub(crate) fn spawn(&self, work: impl Future<Output = ()> + Send + 'static) {
        self.inner.tasks.spawn(work);
    }
}

/// One call as the loop over its attempts sees it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Call {
    need: Need,
    access: Access,
    class: Class,
    operation: Operation,
    replay: Replay,
}

fn misplaced(facts: &Facts) -> Error {
    let (why, advice) = if facts.blocks {
        ("it may keep its connection waiting, and others share this one", "use Client::blocking")
    } else {
        (
            "it changes the state of its connection, which others share",
            "use Client::transaction, Client::subscribe, or the configuration (database, user)",
        )
    };
    Error::new(ErrorKind::Validation, "SHARED", Outcome::NotSent, why).advise(advice).of(facts.name)
}

/// The value of the answer to one command.
pub(crate) fn value_in(answer: Answer, facts: &Facts) -> Result<Value> {
    match answer {
        Answer::One(reply) => value_of(reply, facts),
        Answer::Many(_) => {
            let why = "several replies to one command";
            Err(Error::new(ErrorKind::Connection, "PROTOCOL", Outcome::Ambiguous, why))
        }
    }
}

fn value_of(reply: Reply, facts: &Facts) -> Result<Value> {
    match reply {
        Reply::Value(value) => Ok(value),
        Reply::Push(data) => Ok(Value::Array(data)),
        Reply::Error(text) => Err(Error::from_server(&text, facts.access == Access::Script)),
        Reply::Oversized { bytes } => {
            let why = format!(
                "it was executed, and its reply of {bytes} bytes or more is beyond connection.reply_bytes_max"
            );
            Err(Error::new(ErrorKind::Validation, "OVERSIZED", Outcome::Ambiguous, why)
                .advise("ask for less at a time (ranges, SCAN), or raise connection.reply_bytes_max"))
        }
    }
}

pub(crate) fn converted<T: FromRedisValue>(value: Value, name: &'static str) -> Result<T> {
    T::from_redis_value(value).map_err(|error| {
        let why = format!("it was executed, and its answer is not of the type asked for: {error}");
        Error::new(ErrorKind::Validation, "TYPE", Outcome::Ambiguous, why).of(name)
    })
}
