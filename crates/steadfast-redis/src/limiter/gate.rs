//! The limiter as callers see it.

use super::class::Class;
use super::config::LimiterConfig;
use super::core::{Core, Outcome, Turn};
use super::overloaded::{Overloaded, Shed};
use super::ticket::Ticket;
use super::waiting::Waiting;
use crate::retry::InvalidConfig;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use steadfast_clock::SharedClock;
use tokio::sync::oneshot;
use tokio::time::Instant;

/// A limit on calls under way. Cheap to clone; clones share it. See the [module](super) for how it decides.
///
/// A call that need not wait costs two short locks and allocates nothing.
#[derive(Clone)]
pub struct Limiter {
    pub(super) shared: Arc<Shared>,
}

/// How a waiter gets its slot.
pub(super) type Tell = oneshot::Sender<Ticket>;

pub(super) struct Shared {
    core: Mutex<Core<Tell>>,
    clock: SharedClock,
}

impl Limiter {
    /// A limiter at its initial limit with nothing under way.
    ///
    /// # Errors
    /// Every field of `config` that is out of its range or does not fit the others.
    pub fn new(config: LimiterConfig, clock: SharedClock) -> Result<Self, InvalidConfig> {
        config.validate()?;
        Ok(Self { shared: Arc::new(Shared { core: Mutex::new(Core::new(config)), clock }) })
    }

    /// A slot now or not at all.
    ///
    /// # Errors
    /// [`Shed::NoSlot`] if none is free, or others of the class wait for the next.
    pub fn try_acquire(&self, class: Class) -> Result<Ticket, Overloaded> {
        let mut core = self.shared.core();
        let now_ms = self.shared.now_ms_for(&core);
        if core.enter(class, now_ms) {
            return Ok(self.ticket(class));
        }
        core.note_shed(class);
        let refused = refusal(&mut core, class, Shed::NoSlot, now_ms);
        Shared::turn(&self.shared, core, now_ms);
        Err(refused)
    }

    /// A slot, waited for until `deadline` if need be. One that is free is given whatever the deadline.
    ///
    /// Cancel safe: a future that is dropped leaves the line; a slot it was just given goes to the next.
    ///
    /// # Errors
    /// [`Shed::LineFull`] if too many wait already, [`Shed::DeadlinePassed`] if the wait was too long.
    pub async fn acquire(&self, class: Class, deadline: Instant) -> Result<Ticket, Overloaded> {
        self.acquire_within(class, deadline, Duration::MAX).await
    }

    /// The same, waiting no longer than `longest` either.
    pub(crate) async fn acquire_within(
        &self,
        class: Class,
        deadline: Instant,
        longest: Duration,
    ) -> Result<Ticket, Overloaded> {
        match self.enter_or_wait(class, deadline, longest)? {
            Entry::In(ticket) => Ok(ticket),
            Entry::Waits(waiting, until) => waiting.wait(until).await,
        }
    }

    fn enter_or_wait(
        &self,
        class: Class,
        deadline: Instant,
        longest: Duration,
    ) -> Result<Entry<'_>, Overloaded> {
        let mut core = self.shared.core();
        let now_ms = self.shared.now_ms_for(&core);
        if core.enter(class, now_ms) {
            return Ok(Entry::In(self.ticket(class)));
        }
        let now = Instant::now();
        let until = now.checked_add(longest).map_or(deadline, |longest| longest.min(deadline));
        match core.stand_in_line(class, until, now, oneshot::channel) {
            Ok((id, told)) => {
                let waiting = Waiting::new(&self.shared, class, id, told);
                Shared::turn(&self.shared, core, now_ms);
                Ok(Entry::Waits(waiting, until))
            }
            Err(reason) => Err(refusal(&mut core, class, reason, now_ms)),
        }
    }

    /// The dependency has recovered: lets 1, 2, 4, ... calls through, a step at a time, until the limit of now is
    /// reached. Calls under way stay.
    pub fn slow_start(&self) {
        let now_ms = self.shared.clock.mono_ms();
        self.shared.core().slow_start(now_ms);
    }

    /// The limit now, a slow start included.
    pub fn limit(&self) -> u32 {
        let now_ms = self.shared.clock.mono_ms();
        self.shared.core().limit(now_ms)
    }

    /// The numbers in force.
    pub fn config(&self) -> LimiterConfig {
        self.shared.core().config()
    }

    /// Goes on under other numbers, with the limit it has found, brought within the new bounds. Who waits in a line that
    /// is now too long stays.
    ///
    /// # Errors
    /// Every field of `config` that is out of its range or does not fit the others; the numbers stay.
    pub fn reconfigure(&self, config: LimiterConfig) -> Result<(), InvalidConfig> {
        config.validate()?;
        self.shared.core().reconfigure(config);
        Shared::next_turn(&self.shared);
        Ok(())
    }

    fn ticket(&self, class: Class) -> Ticket {
        Ticket::new(Arc::clone(&self.shared), class)
    }
}

enum Entry<'a> {
    In(Ticket),
    Waits(Waiting<'a>, Instant),
}

impl Shared {
    pub(super) fn core(&self) -> MutexGuard<'_, Core<Tell>> {
        self.core.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn now_ms(&self) -> u64 {
        self.clock.mono_ms()
    }

    /// The time for those who enter. Outside a slow start nothing they meet depends on it: reading the clock would be
    /// half of what entering costs.
    fn now_ms_for(&self, core: &Core<Tell>) -> u64 {
        if core.is_slow_starting() { self.now_ms() } else { 0 }
    }

    pub(super) fn refusal(&self, class: Class, reason: Shed) -> Overloaded {
        let now_ms = self.now_ms();
        refusal(&mut self.core(), class, reason, now_ms)
    }

    /// How long until a slow start's next step, if one is under way.
    pub(super) fn next_step(&self) -> Option<Duration> {
        let now_ms = self.now_ms();
        let at_ms = self.core().next_step_ms(now_ms)?;
        Some(Duration::from_millis(at_ms.saturating_sub(now_ms)))
    }

    /// A call is over.
    pub(super) fn leave(this: &Arc<Self>, class: Class, outcome: Outcome) {
        let now_ms = this.now_ms();
        let mut core = this.core();
        core.leave(class, outcome, now_ms);
        Self::turn(this, core, now_ms);
    }

    /// There may be more room than before.
    pub(super) fn next_turn(this: &Arc<Self>) {
        let now_ms = this.now_ms();
        Self::turn(this, this.core(), now_ms);
    }

    /// Gives what is free to those who wait, and the lock back.
    fn turn(this: &Arc<Self>, mut core: MutexGuard<'_, Core<Tell>>, now_ms: u64) {
        if core.is_anyone_waiting() {
            let turn = core.turn(now_ms, Instant::now());
            drop(core);
            Self::hand_out(this, turn);
        }
    }

    /// Tells those whose turn it is, without the lock: telling wakes tasks, and drops tickets of those who have gone.
    fn hand_out(this: &Arc<Self>, mut turn: Turn<Tell>) {
        while !turn.granted.is_empty() {
            // All tickets first: should telling panic, the rest give their slots back.
            let granted = std::mem::take(&mut turn.granted);
            let tickets: Vec<_> = granted
                .into_iter()
                .map(|(class, tell)| (tell, Ticket::new(Arc::clone(this), class)))
                .collect();
            let unwanted: Vec<Class> = tickets
                .into_iter()
                .filter_map(|(tell, ticket)| Some(tell.send(ticket).err()?.undone()))
                .collect();
            if unwanted.is_empty() {
                return;
            }
            // In a loop rather than by dropping them, which would come back here ever deeper.
            let now_ms = this.now_ms();
            let mut core = this.core();
            for class in unwanted {
                core.leave(class, Outcome::Ignored, now_ms);
            }
            let next = core.turn(now_ms, Instant::now());
            drop(core);
            turn = next;
        }
    }
}

fn refusal(core: &mut Core<Tell>, class: Class, reason: Shed, now_ms: u64) -> Overloaded {
    let (in_flight, limit, waiting) = (core.in_flight(), core.limit(now_ms), core.waiting(class));
    Overloaded { class, reason, in_flight, limit, waiting }
}

impl fmt::Debug for Limiter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Limiter").field(&self.snapshot()).finish()
    }
}
