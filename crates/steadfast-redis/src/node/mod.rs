//! A node: one server, and the connections to it.
//!
//! Callers share its lanes ([`Node::send`]); one task, the [`keeper`], dials, watches, replaces and closes them. What
//! is known of the server is published as [`NodeState`]; who cannot go on waits for it to change, until its deadline.

mod ask;
mod guard;
mod held_back;
mod keeper;
mod lanes;
mod lost;
mod names;
mod open;
mod running;
mod sizing;
#[cfg(test)]
mod tests;
mod vitals;

pub(crate) use guard::{Guard, GuardConfig, Patience};
pub(crate) use lanes::NodeLoad;
pub(crate) use running::Running;

use crate::config::Address;
use crate::dial::DialSettings;
use crate::error::{Error, ErrorKind, Outcome, Result};
use crate::exclusive::Exclusives;
use crate::lane::{Answer, Refused};
use crate::metrics::NodeMeter;
use crate::retry::{DialBudget, InvalidConfig};
use crate::role::Role;
use crate::route::Making;
use crate::vitals::NodeVitals;
use crate::watchdog::WatchdogTimes;
use lanes::Lanes;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;
use tokio::sync::{Notify, watch};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// How one node's connections are kept.
#[derive(Debug, Clone)]
pub(crate) struct NodeSettings {
    pub(crate) dial: DialSettings,
    pub(crate) watchdog: WatchdogTimes,
    pub(crate) lanes_min: usize,
    pub(crate) lanes_max: usize,
    /// The longest that a caller stands in line for a connection of its own.
    pub(crate) acquire: Duration,
    /// How often a dial for such a caller is made again, and the pause before.
    pub(crate) create_retries: u32,
    pub(crate) create_pause: Duration,
    /// How often idle and aged connections are looked for.
    pub(crate) reap_every: Duration,
    /// A lane above the minimum that has not been used for this long is closed.
    pub(crate) idle: Duration,
    /// How often the node's name is resolved while it has connections.
    pub(crate) resolve_every: Duration,
    /// Each lane is replaced after about this long. Zero: never.
    pub(crate) lifetime: Duration,
    /// By which share lifetimes differ, up or down.
    pub(crate) lifetime_jitter: f64,
    /// The most connections that are held by one caller each.
    pub(crate) exclusives_max: usize,
    /// The most callers that wait for one.
    pub(crate) waiters_max: usize,
    /// Bytes that may wait to be sent, for each lane.
    pub(crate) queue_bytes_max: usize,
    /// There is nowhere else to look for a primary: if this node refuses writes, callers wait for it to change.
    pub(crate) is_only_choice: bool,
    /// It is no sentinel.
    pub(crate) serves_data: bool,
    /// Counts the times that connections had to be others for the settings' sake: a dial that began before is for
    /// nothing. Kept by the node.
    pub(crate) renewal: u64,
}

/// What becomes of connections when settings change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Renewal {
    /// They stay as they are.
    Nothing,
    /// They log in anew, in place.
    Login,
    /// They are replaced, one by one.
    Connections,
}

/// What is known of a node.
#[derive(Debug, Clone, Default)]
pub(crate) struct NodeState {
    /// Lanes that take commands.
    pub(crate) lanes: usize,
    pub(crate) role: Role,
    pub(crate) is_loading: bool,
    /// A replica that lost its primary and may not answer from what it has.
    pub(crate) is_cut_off: bool,
    /// It says that its cluster serves nothing now.
    pub(crate) is_cluster_down: bool,
    /// A probe is answered late or not at all.
    pub(crate) is_slow: bool,
    /// It is no primary any more as far as the route is concerned: what needs one is sent back at once.
    pub(crate) is_demoted: bool,
    /// Counts the times that all connections were to be replaced: the server behind the address became another, or the
    /// settings did.
    pub(crate) generation: u64,
    /// Why the last dial failed; none since one succeeded.
    pub(crate) failed: Option<Error>,
    /// Why the last connection ended that was not to end; what has come after it is told by `failed` and `lanes`.
    pub(crate) ended: Option<Error>,
    /// Its name and version, as it says.
    pub(crate) server: Arc<str>,
}

impl NodeState {
    /// It answers, and takes no command of ours: it is asked when it will.
    const fn refuses_all(&self) -> bool {
        self.is_loading || self.is_cut_off || self.is_cluster_down
    }

    /// Why a command cannot be sent now, if it cannot.
    fn obstacle(&self, needs_primary: bool, is_only_choice: bool) -> Option<&'static str> {
        if needs_primary && self.is_demoted {
            Some("DEMOTED")
        } else if self.lanes == 0 {
            Some("CONNECTING")
        } else if self.is_loading {
            Some("LOADING")
        } else if self.is_cut_off {
            Some("MASTERDOWN")
        } else if needs_primary && is_only_choice && self.role == Role::Replica {
            Some("READONLY")
        } else {
            None
        }
    }
}

/// One server, and the connections to it.
#[derive(Debug)]
pub(crate) struct Node {
    pub(crate) address: Address,
    pub(crate) name: Arc<str>,
    settings: RwLock<Arc<NodeSettings>>,
    /// As in the settings; it does not change.
    is_only_choice: bool,
    lanes: Lanes,
    state: watch::Sender<NodeState>,
    pub(crate) counters: Arc<NodeMeter>,
    pub(crate) vitals: NodeVitals,
    /// Wakes the keeper.
    wake: Notify,
    /// Asks it to tell connections the credentials.
    log_in: Notify,
    /// The keeper sleeps long: whoever sends wakes it, so that it watches.
    is_idle: AtomicBool,
    /// The client is being closed.
    is_draining: AtomicBool,
    started: Instant,
    /// When a write last wanted a primary and this was none, in ms since `started`, plus one.
    write_wanted: AtomicU64,
    pub(crate) dial_budget: DialBudget,
    pub(crate) guard: Guard,
    pub(crate) exclusives: Exclusives,
    /// Told when the node cannot be used as it was: the route may have to change.
    trouble: Arc<Notify>,
    tasks: TaskTracker,
    /// Ends this node.
    stop: CancellationToken,
    /// Ends the client.
    client_stop: CancellationToken,
}

impl Node {
    /// A node, and its keeper at work. `tasks` runs what belongs to it; `stop` ends that; `trouble` is told when it
    /// cannot be used as it was.
    pub(crate) fn start(
        address: Address,
        settings: NodeSettings,
        (dial_budget, guard): (DialBudget, Guard),
        (vitals, counters): (NodeVitals, Arc<NodeMeter>),
        trouble: Arc<Notify>,
        tasks: &TaskTracker,
        stop: &CancellationToken,
    ) -> Arc<Self> {
        let node = Arc::new(Self {
            name: address.shown(),
            address,
            lanes: Lanes::default(),
            state: watch::Sender::default(),
            counters,
            vitals,
            wake: Notify::new(),
            log_in: Notify::new(),
            is_idle: AtomicBool::new(false),
            is_draining: AtomicBool::new(false),
            started: Instant::now(),
            write_wanted: AtomicU64::new(0),
            dial_budget,
            guard,
            exclusives: Exclusives::new(settings.exclusives_max, settings.waiters_max),
            is_only_choice: settings.is_only_choice,
            settings: RwLock::new(Arc::new(settings)),
            trouble,
            tasks: tasks.clone(),
            stop: stop.child_token(),
            client_stop: stop.clone(),
        });
        node.counters.attach(&node);
        tasks.spawn(keeper::run(Arc::clone(&node)));
        if node.vitals.serves_data {
            tasks.spawn(crate::health::keep(Arc::clone(&node)));
        }
        node
    }

    pub(crate) fn settings(&self) -> Arc<NodeSettings> {
        Arc::clone(&self.settings.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Goes on as `making` says.
    pub(crate) fn take(&self, making: &Making, renewal: Renewal) -> std::result::Result<(), InvalidConfig> {
        self.guard.reconfigure(&making.guard)?;
        self.dial_budget.reconfigure(&making.dials)?;
        self.reconfigure(making.settings.clone(), renewal);
        Ok(())
    }

    /// Takes other settings: at once for what is looked at each time, and by `renewal` for connections that are there.
    fn reconfigure(&self, mut settings: NodeSettings, renewal: Renewal) {
        self.exclusives.reconfigure(settings.exclusives_max, settings.waiters_max);
        {
            let mut current = self.settings.write().unwrap_or_else(PoisonError::into_inner);
            settings.renewal = current.renewal + u64::from(renewal == Renewal::Connections);
            *current = Arc::new(settings);
        }
        match renewal {
            Renewal::Nothing => {}
            Renewal::Login => self.log_in.notify_one(),
            Renewal::Connections => {
                self.lanes.expire(Instant::now());
                // Those that one caller holds each, and those that listen, go by this.
                self.state.send_modify(|state| state.generation += 1);
            }
        }
        self.wake.notify_one();
    }

    /// What is known of it, and how it changes.
    pub(crate) fn state(&self) -> watch::Receiver<NodeState> {
        self.state.subscribe()
    }

    /// Sends encoded commands; `pipeline` is the number of their replies if they are several. With `needs_primary` it
    /// waits while the node is known to be a replica and there is no other to ask.
    ///
    /// # Errors
    /// With the outcome: nothing was sent if no connection came about by `deadline` or no room was left.
    ///
    /// Cancel safe: what was not sent is not sent later.
    pub(crate) async fn send(
        &self,
        packed: Vec<u8>,
        pipeline: Option<usize>,
        needs_primary: bool,
        deadline: Instant,
    ) -> Result<Answer> {
        self.send_noting(packed, pipeline, needs_primary, deadline, &mut None).await
    }

    /// The same, and notes when a connection took it. What came before was no time of the server's: how well that does
    /// must not be judged by it.
    pub(crate) async fn send_noting(
        &self,
        mut packed: Vec<u8>,
        pipeline: Option<usize>,
        needs_primary: bool,
        deadline: Instant,
        taken: &mut Option<Instant>,
    ) -> Result<Answer> {
        loop {
            self.ready(needs_primary, deadline).await?;
            let Some(lane) = self.lanes.least_loaded() else {
                self.in_a_moment(deadline).await?;
                continue;
            };
            match lane.offer(packed, pipeline) {
                Ok(ticket) => {
                    self.watch_over();
                    let sent = *taken.insert(Instant::now());
                    let answer = ticket.wait(deadline).await;
                    return match answer {
                        Ok(answer) => {
                            self.counters.latency.record(sent.elapsed());
                            Ok(answer)
                        }
                        Err(lost) => Err(self.explain(lost, sent.elapsed())),
                    };
                }
                Err(Refused::Full) => return Err(self.full()),
                Err(Refused::Closed(back)) => {
                    packed = back;
                    self.in_a_moment(deadline).await?;
                }
            }
        }
    }

    /// A lane has ended that is still counted: whoever runs it, or took it out of the list, is about to say so.
    async fn in_a_moment(&self, deadline: Instant) -> Result<()> {
        if Instant::now() >= deadline {
            return Err(self.obstructed("CONNECTING", &self.state.borrow()));
        }
        tokio::task::yield_now().await;
        Ok(())
    }

    /// Returns when a command could be sent.
    pub(crate) async fn ready(&self, needs_primary: bool, deadline: Instant) -> Result<()> {
        if self.is_draining.load(Ordering::Relaxed) {
            return Err(self.closed());
        }
        let is_only_choice = self.is_only_choice;
        if self.state.borrow().obstacle(needs_primary, is_only_choice).is_none() {
            return Ok(());
        }
        let since = Instant::now();
        let waited = self.wait_until_ready(needs_primary, is_only_choice, deadline).await;
        self.counters.waited(since.elapsed(), waited.is_ok());
        waited
    }

    async fn wait_until_ready(
        &self,
        needs_primary: bool,
        is_only_choice: bool,
        deadline: Instant,
    ) -> Result<()> {
        let mut state = self.state.subscribe();
        loop {
            let Some(obstacle) = state.borrow_and_update().obstacle(needs_primary, is_only_choice) else {
                return Ok(());
            };
            if self.stop.is_cancelled() {
                return Err(self.closed());
            }
            if obstacle == "DEMOTED" {
                return Err(self.demoted());
            }
            if obstacle == "READONLY" {
                self.write_wanted.store(self.now_ms() + 1, Ordering::Relaxed);
            }
            self.wake.notify_one();
            tokio::select! {
                _ = state.changed() => {}
                () = self.stop.cancelled() => return Err(self.closed()),
                () = tokio::time::sleep_until(deadline) => return Err(self.obstructed(obstacle, &state.borrow())),
            }
        }
    }

    /// The server refused a write because it is a replica.
    pub(crate) fn is_read_only(&self) {
        self.write_wanted.store(self.now_ms() + 1, Ordering::Relaxed);
        let is_demoted = !self.is_only_choice;
        self.state.send_if_modified(|state| {
            let changed = state.role != Role::Replica || state.is_demoted != is_demoted;
            (state.role, state.is_demoted) = (Role::Replica, is_demoted);
            changed
        });
        self.wake.notify_one();
        self.trouble.notify_one();
    }

    /// Whether commands that need a primary may still be sent to it.
    pub(crate) fn set_demoted(&self, is_demoted: bool) {
        self.state
            .send_if_modified(|state| std::mem::replace(&mut state.is_demoted, is_demoted) != is_demoted);
    }

    /// It was found to be the primary, for the route too.
    pub(crate) fn set_primary(&self) {
        self.state.send_if_modified(|state| {
            let changed = state.role != Role::Primary || state.is_demoted;
            (state.role, state.is_demoted) = (Role::Primary, false);
            changed
        });
    }

    /// True if it is no primary as far as the route is concerned.
    pub(crate) fn is_demoted(&self) -> bool {
        self.state.borrow().is_demoted
    }

    /// True if commands can be sent to it now.
    pub(crate) fn is_up(&self) -> bool {
        let state = self.state.borrow();
        state.lanes > 0 && !state.is_loading && !state.is_cut_off
    }

    /// True if it is up and answers in time.
    pub(crate) fn is_well(&self) -> bool {
        self.is_up() && !self.state.borrow().is_slow
    }

    /// True if it has a connection, whatever it answers.
    pub(crate) fn is_connected(&self) -> bool {
        self.state.borrow().lanes > 0
    }

    /// The server said that it reads its data from disk.
    pub(crate) fn is_loading(&self) {
        self.state.send_if_modified(|state| !std::mem::replace(&mut state.is_loading, true));
        self.wake.notify_one();
    }

    /// The server said that its cluster serves nothing.
    pub(crate) fn cluster_is_down(&self) {
        self.state.send_if_modified(|state| !std::mem::replace(&mut state.is_cluster_down, true));
        self.wake.notify_one();
    }

    /// The server said that it lost its primary and may not answer.
    pub(crate) fn is_cut_off(&self) {
        self.state.send_if_modified(|state| !std::mem::replace(&mut state.is_cut_off, true));
        self.wake.notify_one();
    }

    /// How busy it is.
    pub(crate) fn load(&self) -> NodeLoad {
        self.lanes.load()
    }

    /// Takes nothing more; what is in flight is still answered.
    pub(crate) fn drain(&self) {
        self.is_draining.store(true, Ordering::Relaxed);
        self.lanes.retire_all();
        self.wake.notify_one();
    }

    /// Whether it is the client that takes nothing more, and not this node alone.
    fn is_client_closed(&self) -> bool {
        self.is_draining.load(Ordering::Relaxed) || self.client_stop.is_cancelled()
    }

    /// Closes everything; the keeper and the lanes end.
    pub(crate) fn close(&self) {
        self.stop.cancel();
        self.wake.notify_one();
    }

    fn watch_over(&self) {
        if self.is_idle.load(Ordering::Relaxed) && self.is_idle.swap(false, Ordering::Relaxed) {
            self.wake.notify_one();
        }
    }

    fn now_ms(&self) -> u64 {
        u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    fn full(&self) -> Error {
        let why = format!("more than {} bytes wait to be sent", self.settings().queue_bytes_max);
        Error::new(ErrorKind::PoolExhausted, "OVERLOADED", Outcome::NotSent, why)
            .advise("send less at a time, or wait until something is answered")
            .on(&self.name)
    }
}
