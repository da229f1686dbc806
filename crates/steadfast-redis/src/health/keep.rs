//! The task that keeps one node's health: it follows its circumstances, asks it, and says what changed.

use super::checks::Check;
use super::events::Events;
use super::probe::{Plan, key_in};
use super::server::{Facts, look, review};
use super::standing::{Passage, Standing, dial_reason};
use crate::breaker::{CircuitBreaker, State, StateChange};
use crate::error::Result;
use crate::node::{Node, NodeState, Running};
use crate::role::Role;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;
use tokio::time::Instant;

/// How often a node is asked while something is wrong.
const TROUBLE_EVERY: Duration = Duration::from_secs(1);
/// How often the server's own settings are looked at.
const SERVER_EVERY: Duration = Duration::from_secs(60);
/// How long what the write probe leaves may stay.
const PROBE_TTL: Duration = Duration::from_secs(1);
/// From when on an answer is late, while too little is known of what is usual.
const LATE_FROM: Duration = Duration::from_millis(100);

struct Keep {
    node: Arc<Node>,
    events: Events,
    seen: NodeState,
    shown: super::capability::Capabilities,
    was_connected: bool,
    eviction: Option<Arc<str>>,
    checking: Running<(Check, Option<Role>)>,
    check_at: Instant,
    looking: Running<Result<Facts>>,
    look_at: Instant,
    key: Option<(u16, Arc<str>)>,
}

/// Keeps `node`'s health until it is closed.
pub(crate) async fn keep(node: Arc<Node>) {
    let stop = node.stopping();
    let mut state = node.state();
    let mut breakers = Breakers::of(&node);
    let now = Instant::now();
    let mut keep = Keep {
        events: Events::new(Arc::clone(&node.name)),
        seen: NodeState::default(),
        shown: node.vitals.health.read().capabilities,
        was_connected: false,
        eviction: None,
        checking: Running::default(),
        check_at: now,
        looking: Running::default(),
        look_at: now,
        key: None,
        node,
    };
    while !stop.is_cancelled() {
        // In a statement of its own: what is borrowed is locked until the statement's end, and what follows looks at all
        // nodes, this one too. A second look while a writer waits for the first to end would be the end of both.
        let now = state.borrow_and_update().clone();
        keep.follow(&now);
        let next = keep.ask();
        let health = Arc::clone(&keep.node);
        tokio::select! {
            () = stop.cancelled() => {}
            _ = state.changed() => {}
            (from, change) = breakers.changed() => {
                keep.events.breaker(from, &change, keep.node.vitals.client.clock.mono_ms());
            }
            () = health.vitals.health.changed.notified() => keep.hasten(),
            (check, role) = keep.checking.done() => keep.checked(&check, role),
            facts = keep.looking.done() => keep.looked(facts),
            () = tokio::time::sleep_until(next) => {}
        }
    }
    keep.node.vitals.client.publish_health();
}

impl Keep {
    /// Takes the circumstances in, and says what changed.
    fn follow(&mut self, state: &NodeState) {
        let (client, now_ms) =
            (Arc::clone(&self.node.vitals.client), self.node.vitals.client.clock.mono_ms());
        self.events.node(&self.seen, state, now_ms);
        let (is_connected, was) = (state.lanes > 0, self.seen.lanes > 0);
        if is_connected != was {
            self.node.counters.connected(is_connected, client.clock.now_ms());
            // Its end counts as a check that fails; and what stands there after it may be another server.
            self.check_at = Instant::now();
            if is_connected {
                self.look_at = Instant::now();
            }
        }
        if state.generation != self.seen.generation {
            (self.check_at, self.look_at) = (Instant::now(), Instant::now());
        }
        let role_changed = (state.role, state.is_demoted) != (self.seen.role, self.seen.is_demoted);
        self.was_connected |= is_connected;
        self.seen = state.clone();
        self.node.vitals.health.stand(Standing {
            lanes: state.lanes,
            was_connected: self.was_connected,
            role: state.role,
            is_loading: state.is_loading,
            is_slow: state.is_slow,
            dial_failed: state.failed.as_ref().map(dial_reason),
            passages: self.node.guard.by_kind().map(|(_, breaker)| passage(breaker)),
            eviction: self.eviction.clone(),
        });
        let shown = self.node.vitals.health.read().capabilities;
        let changed = shown != self.shown;
        if changed {
            self.events.capabilities(&self.shown, &shown, now_ms);
            self.shown = shown;
        }
        if changed || is_connected != was || role_changed {
            client.publish_health();
        }
    }

    /// Starts the questions that are due. When to look again.
    fn ask(&mut self) -> Instant {
        let now = Instant::now();
        let config = self.node.vitals.client.config();
        let health = &config.health;
        if self.seen.lanes == 0 {
            self.unasked(now);
            return self.check_at;
        }
        let within = Duration::from_millis(health.timeout_ms);
        let mut next = self.look_at;
        if !self.looking.is_running() && now >= self.look_at {
            self.look_at = now + if self.node.vitals.fitness.is_fit() { SERVER_EVERY } else { TROUBLE_EVERY };
            next = self.look_at;
            let node = Arc::clone(&self.node);
            self.looking.start(async move { look(&node, Instant::now() + within).await });
        }
        if !health.enabled {
            return next;
        }
        if !self.checking.is_running() && now >= self.check_at {
            let every = Duration::from_millis(health.interval_ms);
            self.check_at = now + every;
            let (node, plan) = (Arc::clone(&self.node), self.plan(&health.probe_key, health.probe_writes));
            self.checking.start(async move { check(&node, &plan, within).await });
        }
        next.min(self.check_at)
    }

    /// There is no connection to ask on: the check fails, if there was one before.
    fn unasked(&mut self, now: Instant) {
        if now < self.check_at {
            return;
        }
        self.check_at = now + TROUBLE_EVERY;
        if let Some(error) = &self.seen.failed {
            let at_ms = self.node.vitals.client.clock.now_ms();
            self.node.vitals.health.checked(&Check::failed(error.to_string(), at_ms));
        }
    }

    /// Something is wrong: the next check comes sooner.
    fn hasten(&mut self) {
        if self.node.vitals.health.is_troubled() {
            self.check_at = self.check_at.min(Instant::now() + TROUBLE_EVERY);
        }
    }

    fn plan(&mut self, prefix: &str, probe_writes: bool) -> Plan {
        let late_from = self.node.guard.by_kind()[0].1.snapshot().slow_from.unwrap_or(LATE_FROM);
        let slot = self.node.vitals.health.slot();
        let key: Arc<str> = match (slot, &self.key) {
            (None, _) => prefix.into(),
            (Some(slot), Some((known, key))) if slot == *known => Arc::clone(key),
            (Some(slot), _) => {
                let key: Arc<str> = key_in(prefix, slot).unwrap_or_else(|| prefix.to_owned()).into();
                self.key = Some((slot, Arc::clone(&key)));
                key
            }
        };
        let writes = probe_writes && self.seen.role != Role::Replica;
        Plan { key, writes, ttl: PROBE_TTL, late_from }
    }

    fn checked(&mut self, check: &Check, role: Option<Role>) {
        if let Some(role) = role {
            self.node.said_role(role);
        }
        self.node.vitals.health.checked(check);
        self.hasten();
    }

    fn looked(&mut self, facts: Result<Facts>) {
        let config = self.node.vitals.client.config();
        match facts {
            Ok(facts) => {
                self.eviction =
                    facts.evicts().filter(|_| config.server.eviction != crate::config::Eviction::Accept);
                let review = review(&facts, &config);
                self.node.vitals.fitness.judge(review.refusal.map(|error| error.on(&self.node.name)));
                for finding in self.node.vitals.found(review.findings) {
                    finding.tell(&self.node.name);
                }
            }
            Err(error) => {
                tracing::debug!(node = &*self.node.name, %error, "the server's settings could not be looked at");
                self.look_at = self.look_at.min(Instant::now() + TROUBLE_EVERY);
            }
        }
    }
}

/// Asks once.
async fn check(node: &Node, plan: &Plan, within: Duration) -> (Check, Option<Role>) {
    let (packed, count) = plan.question();
    let since = Instant::now();
    let answer = node.send(packed, Some(count), false, since + within).await;
    plan.read(&answer, since.elapsed(), node.vitals.client.clock.now_ms())
}

fn passage(breaker: &CircuitBreaker) -> Passage {
    match breaker.state() {
        State::Open => Passage::Shut(breaker.subscribe().borrow().reason.to_string().into()),
        State::ForcedOpen => Passage::Shut("an operator decided so".into()),
        State::HalfOpen => Passage::Trial("trial calls are let through".into()),
        State::Closed | State::Disabled | State::MetricsOnly => Passage::Free,
    }
}

/// The changes of a node's breakers.
struct Breakers([(State, watch::Receiver<StateChange>); 3]);

impl Breakers {
    fn of(node: &Node) -> Self {
        Self(node.guard.by_kind().map(|(_, breaker)| (breaker.state(), breaker.subscribe())))
    }

    /// The next change, and the state that was seen before it.
    async fn changed(&mut self) -> (State, StateChange) {
        let [(_, reads), (_, writes), (_, scripts)] = &mut self.0;
        let place = tokio::select! {
            Ok(()) = reads.changed() => 0,
            Ok(()) = writes.changed() => 1,
            Ok(()) = scripts.changed() => 2,
            else => std::future::pending().await,
        };
        let (seen, changes) = &mut self.0[place];
        let change = changes.borrow_and_update().clone();
        (std::mem::replace(seen, change.to), change)
    }
}
