//! The one task that keeps a node's lanes: it dials, watches, replaces and closes.

use super::ask::{Said, authenticate, changed, question, read_state};
use super::lanes::Entry;
use super::names::Names;
use super::running::Running;
use super::{Node, NodeSettings, NodeState};
use crate::breaker::Evidence;
use crate::dial::{Dialed, Greeting, changes, dial};
use crate::error::Result;
use crate::lane::Ended;
use crate::retry::DialPermit;
use crate::role::Role;
use crate::watchdog::{LaneView, Verdict, Watchdog};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;
use tokio::time::Instant;

/// How often lanes with something in flight are looked at.
const WATCH_EVERY: Duration = Duration::from_millis(50);
/// How often lanes are looked at when nothing is in flight.
const IDLE_EVERY: Duration = Duration::from_secs(5);
/// How often a node that refuses is asked whether it still does, on a lane it has.
pub(super) const ASK_EVERY: Duration = Duration::from_millis(100);
/// How often a new connection is tried to a node that refuses writes: the address may lead elsewhere by now.
const REDIAL_EVERY: Duration = Duration::from_millis(200);
/// Writes that wanted a primary this recently keep the search going.
const WANTED_FOR: Duration = Duration::from_secs(2);
/// How long such a question may take.
const ASK_WITHIN: Duration = Duration::from_millis(300);

/// A dial that is over.
pub(super) struct Dial {
    dialed: Result<Dialed>,
    /// None: it was to find out whether the address leads to a primary by now.
    permit: Option<DialPermit>,
    /// Of the settings it was made with.
    renewal: u64,
}

pub(super) struct Keeper {
    pub(super) node: Arc<Node>,
    watchdog: Watchdog,
    pub(super) dialing: Running<Dial>,
    dial_since: Instant,
    /// Not before this, by the dial budget.
    dial_at: Option<Instant>,
    /// With the renewal of the settings it was dialled with.
    probing: Running<(Result<Dialed>, u64)>,
    /// The probe's connection: takes the place of the one it proves dead.
    spare: Option<Dialed>,
    asking: Running<Option<Said>>,
    authenticating: Running<()>,
    ask_at: Instant,
    redial_at: Instant,
    /// When idle and aged connections are looked for next.
    reap_at: Instant,
    /// Of the settings and the state under which they were looked for last.
    reaped: (u64, u64),
    /// An aged lane is left: it waits for the one that takes its place.
    is_replacing: bool,
    pub(super) names: Names,
}

/// Keeps `node`'s lanes until it is closed.
pub(super) async fn run(node: Arc<Node>) {
    let now = Instant::now();
    let mut keeper = Keeper {
        watchdog: Watchdog::new(node.settings().watchdog),
        node,
        dialing: Running::default(),
        dial_since: now,
        dial_at: None,
        probing: Running::default(),
        spare: None,
        asking: Running::default(),
        authenticating: Running::default(),
        ask_at: now,
        redial_at: now,
        reap_at: now,
        reaped: (0, 0),
        is_replacing: false,
        names: Names::new(now),
    };
    let stop = keeper.node.stop.clone();
    let mut login = keeper.node.settings().dial.login.clone();
    let mut rotated = changes(&login);
    while !stop.is_cancelled() {
        let next = keeper.look();
        let current = keeper.node.settings();
        if !login.is_provided_as(&current.dial.login) {
            login = current.dial.login.clone();
            rotated = changes(&login);
        }
        let node = Arc::clone(&keeper.node);
        tokio::select! {
            () = stop.cancelled() => {}
            () = node.wake.notified() => {}
            () = tokio::time::sleep_until(next) => {}
            dial = keeper.dialing.done() => keeper.dialed(dial),
            (probed, renewal) = keeper.probing.done() => keeper.probed(probed, renewal),
            said = keeper.asking.done() => keeper.answered(said),
            () = node.log_in.notified() => keeper.authenticating.start(authenticate(node.clone())),
            () = changed(&mut rotated) => keeper.authenticating.start(authenticate(node.clone())),
            () = keeper.authenticating.done() => {}
            left = keeper.names.resolving.done() => keeper.names.leave(left),
        }
    }
    keeper.node.lanes.kill_all();
    keeper.node.exclusives.close();
    keeper.node.count_lanes();
}

impl Keeper {
    /// Looks at everything once and starts what is due. When to look again.
    fn look(&mut self) -> Instant {
        let now = Instant::now();
        let settings = self.node.settings();
        // It is asked for again below if it is still wanted; kept, it would be due for ever.
        self.dial_at = None;
        let entries = self.node.lanes.look(now);
        self.watch(&entries, &settings, now);
        let state = self.node.state.borrow().clone();
        self.reap(&entries, &state, &settings, now);
        self.heal(&state, &settings, now);
        self.names.hasten(now + settings.resolve_every);
        self.look_up(&entries, &settings, now);
        if self.wants_lane(&entries, &state, &settings) || (self.names.leaves() && !self.dialing.is_running())
        {
            self.start_dial(&settings, now);
        }
        let busy = entries.iter().any(|entry| entry.lane.in_flight() > 0);
        let refuses = state.role == Role::Replica && self.is_write_wanted();
        let troubled = state.refuses_all() || refuses || self.node.guard.is_open();
        // Set before the last look at what is in flight: whoever sends after it sees it.
        self.node.is_idle.store(!busy, Ordering::Relaxed);
        let pause = if busy || self.node.lanes.load().in_flight > 0 {
            WATCH_EVERY
        } else if troubled {
            ASK_EVERY
        } else {
            IDLE_EVERY
        };
        let pause = (now + pause).min(self.names.due()).min(self.reap_at);
        self.dial_at.map_or(pause, |at| at.min(pause))
    }

    fn wants_lane(&self, entries: &[Entry], state: &NodeState, settings: &NodeSettings) -> bool {
        if self.dialing.is_running() || self.node.is_draining.load(Ordering::Relaxed) {
            return false;
        }
        let open = entries.len();
        // Where the last dial failed, another shows when that is over: nothing else would.
        let is_worth_a_dial = || state.failed.is_some() || super::sizing::wants_more(entries);
        open < settings.lanes_min.max(1) || (open < settings.lanes_max && is_worth_a_dial())
    }

    fn start_dial(&mut self, settings: &NodeSettings, now: Instant) {
        match self.node.dial_budget.try_dial() {
            Ok(permit) => {
                self.dial_at = None;
                self.dial(settings, Some(permit), now);
            }
            Err(wait) => self.dial_at = Some(now + wait.wait),
        }
    }

    fn dial(&mut self, settings: &NodeSettings, permit: Option<DialPermit>, now: Instant) {
        self.dial_since = now;
        self.node.counters.dials.fetch_add(1, Ordering::Relaxed);
        let (settings, renewal, address) =
            (settings.dial.clone(), settings.renewal, self.node.address.clone());
        self.dialing.start(async move { Dial { dialed: dial(&settings, &address).await, permit, renewal } });
    }

    fn dialed(&mut self, Dial { dialed, permit, renewal }: Dial) {
        let is_trial = permit.is_none();
        match dialed {
            Ok(dialed) => {
                permit.into_iter().for_each(DialPermit::succeeded);
                self.node.counters.dialled(self.dial_since.elapsed(), true);
                let leads_to_the_same = is_trial && dialed.greeting.role != Role::Primary;
                if self.is_current(renewal) && !(leads_to_the_same && self.node.lanes.count() > 0) {
                    self.adopt(dialed);
                }
            }
            Err(error) => {
                permit.into_iter().for_each(DialPermit::failed);
                self.node.counters.dialled(self.dial_since.elapsed(), false);
                tracing::warn!(node = &*self.node.name, %error, "dial failed");
                self.node.failed_dial(error);
            }
        }
    }

    /// False if the settings it was dialled with are not those of connections any more.
    fn is_current(&self, renewal: u64) -> bool {
        renewal == self.node.settings().renewal
    }

    /// Makes a lane of a new connection. If it shows that the address leads to a primary now, where the others lead to
    /// a replica, those are retired.
    fn adopt(&mut self, dialed: Dialed) {
        let found = dialed.greeting.role;
        let (before, before_lanes) = (self.node.state.borrow().role, self.node.lanes.count());
        let turned = before == Role::Replica && found == Role::Primary;
        let left = self.names.take(&dialed.peer);
        let old = if turned { self.node.lanes.take() } else { Vec::new() };
        let Greeting { is_loading, is_cut_off, is_ill, .. } = dialed.greeting;
        let server: Arc<str> =
            format!("{} {}", dialed.greeting.server, dialed.greeting.version).trim().into();
        // After an outage, not after a connection that was replaced at once.
        let is_return = before_lanes == 0 && self.node.guard.is_open();
        if let Some(limiter) = self.node.guard.limiter().filter(|_| is_return) {
            limiter.slow_start();
        }
        self.node.open_lane(dialed);
        // First: who waits for the state asks the breaker next.
        if !is_ill {
            self.node.guard.probe_passed();
        }
        self.node.state.send_modify(|state| {
            // Counted here, as in `count_lanes`: it may be gone again.
            state.lanes = self.node.lanes.count();
            (state.role, state.is_loading, state.failed) = (found, is_loading, None);
            state.generation += u64::from(turned || !left.is_empty());
            (state.server, state.is_cut_off) = (server, is_cut_off);
        });
        old.into_iter().for_each(|entry| self.node.lanes.retire(entry));
        left.into_iter().for_each(|id| self.node.retire(id));
    }

    fn watch(&mut self, entries: &[Entry], settings: &NodeSettings, now: Instant) {
        self.watchdog.set_times(settings.watchdog);
        let views: Vec<LaneView> =
            entries.iter().map(|entry| LaneView { id: entry.id, silent: entry.lane.load().silent }).collect();
        let since = now.duration_since(self.node.started);
        // Three times what the slowest of a thousand answers take is no silence yet.
        let usual = Duration::from_micros(self.node.counters.latency.quantile_us(0.999)).saturating_mul(3);
        match self.watchdog.tick(since, usual.min(Duration::from_secs(5)), &views) {
            Verdict::Well => {}
            Verdict::Probe => {
                self.node.counters.probes.fetch_add(1, Ordering::Relaxed);
                let (settings, renewal, address) =
                    (settings.dial.clone(), settings.renewal, self.node.address.clone());
                self.probing.start(async move { (dial(&settings, &address).await, renewal) });
            }
            Verdict::Dead(ids) => self.bury(&ids),
        }
        let is_slow = self.watchdog.is_slow(since);
        if self.node.state.borrow().is_slow != is_slow {
            self.node.state.send_modify(|state| state.is_slow = is_slow);
            if is_slow {
                self.node.trouble.notify_one();
                self.node.guard.trip(Evidence::Other("a new connection is not answered either"));
            }
        }
    }

    fn probed(&mut self, probed: Result<Dialed>, renewal: u64) {
        let since = self.node.started.elapsed();
        match probed {
            Ok(dialed) => {
                self.watchdog.answered(since, dialed.greeting.round_trip);
                if !dialed.greeting.is_ill {
                    self.node.guard.probe_passed();
                }
                self.spare = Some(dialed).filter(|_| self.is_current(renewal));
            }
            Err(error) => {
                tracing::warn!(node = &*self.node.name, %error, "a silent connection could not be told from a slow server");
                self.watchdog.unreachable(since);
            }
        }
    }

    /// Closes connections that were proved dead; the probe's takes their place.
    fn bury(&mut self, ids: &[u64]) {
        for id in ids {
            if let Some(entry) = self.node.lanes.remove(*id) {
                tracing::warn!(
                    node = &*self.node.name,
                    peer = &*entry.peer,
                    "connection closed: it was dead, a new one was answered"
                );
                self.node.counters.dead.fetch_add(1, Ordering::Relaxed);
                entry.lane.kill(Ended::Dead);
            }
        }
        match self.spare.take() {
            Some(dialed) => self.adopt(dialed),
            None => self.node.count_lanes(),
        }
    }

    /// Closes what is idle or aged, if it is time to look for that; and the probe's connection, if it was for nothing.
    fn reap(&mut self, entries: &[Entry], state: &NodeState, settings: &NodeSettings, now: Instant) {
        if entries.iter().all(|entry| entry.lane.load().silent < settings.watchdog.progress) {
            self.spare = None;
        }
        let reaped = (settings.renewal, state.generation);
        self.reap_at = self.reap_at.min(now + settings.reap_every);
        if now < self.reap_at && !self.is_replacing && reaped == self.reaped {
            return;
        }
        (self.reap_at, self.reaped) = (now + settings.reap_every, reaped);
        self.node.exclusives.reap(settings.idle, state.generation);
        let spare = entries.len().saturating_sub(settings.lanes_min.max(1));
        self.is_replacing = entries.iter().any(|entry| entry.is_old(now));
        if self.is_replacing {
            self.replace_one(entries, spare, settings, now);
        } else {
            let idle = entries.iter().filter(|entry| now.duration_since(entry.used) >= settings.idle);
            for entry in idle.take(spare) {
                self.node.counters.closed.idle.fetch_add(1, Ordering::Relaxed);
                self.node.retire(entry.id);
            }
        }
    }

    /// Retires one aged lane, if another has taken its place; else that is dialled first. So a server that lets nobody in
    /// any more costs no connection that it had let in.
    fn replace_one(&mut self, entries: &[Entry], spare: usize, settings: &NodeSettings, now: Instant) {
        let is_replaced = spare > 0 && entries.iter().any(|entry| !entry.is_old(now));
        match entries.iter().find(|entry| entry.is_old(now)) {
            Some(old) if is_replaced => {
                self.node.counters.closed.aged.fetch_add(1, Ordering::Relaxed);
                self.node.retire(old.id);
            }
            _ if !self.dialing.is_running() => self.start_dial(settings, now),
            _ => {}
        }
    }

    /// What is done for a node that refuses commands: it is asked whether it still does, and a new connection is tried
    /// in case that its address leads elsewhere.
    fn heal(&mut self, state: &NodeState, settings: &NodeSettings, now: Instant) {
        let is_refusing = state.role == Role::Replica && settings.is_only_choice && self.is_write_wanted();
        if !(state.refuses_all() || is_refusing || self.node.guard.is_open()) || state.lanes == 0 {
            return;
        }
        if !self.asking.is_running() && now >= self.ask_at {
            self.ask_at = now + ASK_EVERY;
            if let Some(lane) = self.node.lanes.least_loaded() {
                let (packed, replies) = question(settings.dial.cluster_reads);
                let ticket = lane.offer(packed, Some(replies)).ok();
                self.asking.start(async move { read_state(ticket?.wait(now + ASK_WITHIN).await.ok()?) });
            }
        }
        if is_refusing && !self.dialing.is_running() && now >= self.redial_at {
            self.redial_at = now + REDIAL_EVERY;
            self.dial(settings, None, now);
        }
    }

    fn answered(&mut self, said: Option<Said>) {
        let Some(said) = said else {
            self.node.guard.probe_failed();
            return;
        };
        if said.is_ill {
            self.node.guard.probe_failed();
        } else {
            self.node.guard.probe_passed();
        }
        self.node.state.send_if_modified(|state| {
            let role = said.role.unwrap_or(state.role);
            let now = (role, said.is_loading, said.is_cut_off, said.is_cluster_down);
            let known =
                (&mut state.role, &mut state.is_loading, &mut state.is_cut_off, &mut state.is_cluster_down);
            let changed = (*known.0, *known.1, *known.2, *known.3) != now;
            (*known.0, *known.1, *known.2, *known.3) = now;
            changed
        });
    }

    fn is_write_wanted(&self) -> bool {
        let wanted = self.node.write_wanted.load(Ordering::Relaxed);
        wanted > 0 && self.node.now_ms() + 1 - wanted <= WANTED_FOR.as_millis() as u64
    }
}
