//! How much one person may ask of the bot. Limits act on processing, by deferring: the acknowledgement to
//! Twilio never waits for them, and nothing is dropped. One polite notice, then silence.
//!
//! Counted per node and in memory: a restart forgets, and `n` nodes allow at most `n` times as much.

use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::{Mutex, MutexGuard, PoisonError};
use steadfast_core::message::MessageSid;
use steadfast_core::{Address, SharedClock};

/// At most `count` in any span of `window_ms`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rule {
    /// How many.
    pub count: u32,
    /// In how long, in milliseconds.
    pub window_ms: u64,
}

/// The most entries a rule may count; a rule that says more counts so many.
pub const COUNT_MAX: u32 = 1_000;

/// The limits of one node.
#[derive(Debug, Clone)]
pub struct LimitsConfig {
    /// Off: everything is processed at once.
    pub enabled: bool,
    /// For all processing of one person's messages. Wide enough that an ordinary order chat never meets it.
    pub general: Vec<Rule>,
    /// For reality checks, on top of the general rules: they cost the most.
    pub checks: Vec<Rule>,
    /// At most one notice per person in so long, in milliseconds.
    pub notice_every_ms: u64,
    /// People remembered at a time; beyond it those not seen for longest are forgotten.
    pub people_max: usize,
    /// People whose messages are recorded and not processed.
    pub blocked: Vec<Address>,
}

impl Default for LimitsConfig {
    fn default() -> Self {
        let rule = |count, window_ms| Rule { count, window_ms };
        Self {
            enabled: true,
            general: vec![rule(100, 60_000)],
            checks: vec![rule(3, 10_000), rule(5, 60_000), rule(50, 3_600_000), rule(200, 86_400_000)],
            notice_every_ms: 600_000,
            people_max: 20_000,
            blocked: Vec::new(),
        }
    }
}

/// Counts per person against rules. Pure: time is passed in.
#[derive(Debug)]
pub struct Limiter {
    rules: Vec<Rule>,
    keep: usize,
    recent: Generations<VecDeque<u64>>,
}

impl Limiter {
    /// A limiter that remembers about `people_max` people.
    pub fn new(rules: &[Rule], people_max: usize) -> Self {
        let rules: Vec<Rule> =
            rules.iter().map(|rule| Rule { count: rule.count.min(COUNT_MAX), ..*rule }).collect();
        let keep = rules.iter().map(|rule| rule.count as usize).max().unwrap_or(0);
        Self { rules, keep, recent: Generations::new(people_max) }
    }

    /// How long `who` must wait now, in milliseconds; 0: not at all. Counts nothing.
    pub fn wait_ms(&mut self, who: &str, now_ms: u64) -> u64 {
        let rules = &self.rules;
        let Some(times) = self.recent.get(who) else {
            return rules.iter().filter(|rule| rule.count == 0).map(|rule| rule.window_ms).max().unwrap_or(0);
        };
        rules.iter().map(|rule| wait_for(*rule, times, now_ms)).max().unwrap_or(0)
    }

    /// Counts one for `who` at `now_ms`.
    pub fn count(&mut self, who: &str, now_ms: u64) {
        let keep = self.keep;
        let times = self.recent.get_or_default(who);
        times.push_back(now_ms);
        while times.len() > keep {
            times.pop_front();
        }
    }
}

/// The rule is met when the `count`-th last time lies outside the window.
fn wait_for(rule: Rule, times: &VecDeque<u64>, now_ms: u64) -> u64 {
    let count = rule.count as usize;
    if count == 0 {
        return rule.window_ms;
    }
    let Some(index) = times.len().checked_sub(count) else { return 0 };
    times.get(index).map_or(0, |oldest| (oldest + rule.window_ms).saturating_sub(now_ms))
}

/// A bounded map: two generations of which the older is dropped when the younger is full. What is touched
/// moves to the younger. No scan, ever.
#[derive(Debug)]
struct Generations<T> {
    half: usize,
    young: HashMap<String, T>,
    old: HashMap<String, T>,
}

impl<T: Default> Generations<T> {
    fn new(max: usize) -> Self {
        Self { half: (max / 2).max(1), young: HashMap::new(), old: HashMap::new() }
    }

    fn get(&self, key: &str) -> Option<&T> {
        self.young.get(key).or_else(|| self.old.get(key))
    }

    fn get_or_default(&mut self, key: &str) -> &mut T {
        if !self.young.contains_key(key) {
            let value = self.old.remove(key).unwrap_or_default();
            if self.young.len() >= self.half {
                self.old = std::mem::take(&mut self.young);
            }
            self.young.insert(key.to_owned(), value);
        }
        self.young.entry(key.to_owned()).or_default()
    }

    #[cfg(test)]
    fn len(&self) -> usize {
        self.young.len() + self.old.len()
    }
}

/// How an arriving message stands to the limits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Arrival {
    /// Within them.
    Within,
    /// Beyond them, and due a notice.
    BeyondWithNotice,
    /// Beyond them, and told already.
    Beyond,
}

/// What kind of work is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Work {
    /// Anything.
    General,
    /// A reality check.
    Check,
}

#[derive(Debug)]
struct State {
    arrived: Limiter,
    arrived_checks: Limiter,
    worked: Limiter,
    worked_checks: Limiter,
    noticed: Generations<Option<u64>>,
    /// What was said of a message's arrival, and whether its work was counted: a message is counted once,
    /// however often its job runs.
    judged: Generations<Option<Arrival>>,
    counted: Generations<bool>,
    blocked: HashSet<Address>,
}

/// The limits shared by a node's handlers.
#[derive(Debug)]
pub struct Limits {
    enabled: bool,
    notice_every_ms: u64,
    clock: SharedClock,
    state: Mutex<State>,
}

impl Limits {
    /// Limits by `config`, in `clock`'s monotonic time.
    pub fn new(config: &LimitsConfig, clock: SharedClock) -> Self {
        let limiter = |rules: &[Rule]| Limiter::new(rules, config.people_max);
        let state = State {
            arrived: limiter(&config.general),
            arrived_checks: limiter(&config.checks),
            worked: limiter(&config.general),
            worked_checks: limiter(&config.checks),
            noticed: Generations::new(config.people_max),
            judged: Generations::new(config.people_max),
            counted: Generations::new(config.people_max),
            blocked: config.blocked.iter().cloned().collect(),
        };
        let state = Mutex::new(state);
        Self { enabled: config.enabled, notice_every_ms: config.notice_every_ms, clock, state }
    }

    /// Counts a message that arrived, and says whether its writer is beyond the limits. Asked again about the
    /// same message, it says the same and counts nothing.
    pub fn arrival(&self, from: &Address, work: Work, about: &MessageSid) -> Arrival {
        if !self.enabled {
            return Arrival::Within;
        }
        let mut state = self.state();
        if let Some(Some(before)) = state.judged.get(about.as_str()) {
            return *before;
        }
        let arrival = self.judge(&mut state, from.as_str(), work);
        *state.judged.get_or_default(about.as_str()) = Some(arrival);
        arrival
    }

    fn judge(&self, state: &mut State, who: &str, work: Work) -> Arrival {
        let now_ms = self.clock.mono_ms();
        let mut wait = state.arrived.wait_ms(who, now_ms);
        if work == Work::Check {
            wait = wait.max(state.arrived_checks.wait_ms(who, now_ms));
        }
        if wait == 0 {
            state.arrived.count(who, now_ms);
            if work == Work::Check {
                state.arrived_checks.count(who, now_ms);
            }
            return Arrival::Within;
        }
        let noticed = state.noticed.get_or_default(who);
        if noticed.is_some_and(|at| now_ms < at + self.notice_every_ms) {
            return Arrival::Beyond;
        }
        *noticed = Some(now_ms);
        Arrival::BeyondWithNotice
    }

    /// Takes one from what `from` may have processed now, or says how many milliseconds to wait. For the same
    /// message it takes one only once.
    pub fn take(&self, from: &Address, work: Work, about: &MessageSid) -> Result<(), u64> {
        if !self.enabled {
            return Ok(());
        }
        let (who, now_ms) = (from.as_str(), self.clock.mono_ms());
        let mut state = self.state();
        if state.counted.get(about.as_str()) == Some(&true) {
            return Ok(());
        }
        let mut wait = state.worked.wait_ms(who, now_ms);
        if work == Work::Check {
            wait = wait.max(state.worked_checks.wait_ms(who, now_ms));
        }
        if wait > 0 {
            return Err(wait);
        }
        state.worked.count(who, now_ms);
        if work == Work::Check {
            state.worked_checks.count(who, now_ms);
        }
        *state.counted.get_or_default(about.as_str()) = true;
        Ok(())
    }

    /// Stops processing this person's messages.
    pub fn block(&self, who: Address) {
        self.state().blocked.insert(who);
    }

    /// Processes this person's messages again; says whether they were blocked.
    pub fn unblock(&self, who: &Address) -> bool {
        self.state().blocked.remove(who)
    }

    /// Whether this person is blocked.
    pub fn is_blocked(&self, who: &Address) -> bool {
        self.state().blocked.contains(who)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // The state is consistent between any two of its calls, so a panic elsewhere spoils nothing.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
#[path = "limits_tests.rs"]
mod tests;
