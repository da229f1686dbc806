//! Standing in line.

use super::class::Class;
use super::gate::Shared;
use super::overloaded::{Overloaded, Shed};
use super::ticket::Ticket;
use std::sync::Arc;
use tokio::sync::oneshot::Receiver;
use tokio::time::{Instant, timeout_at};

/// A place in line. Dropped, it is left; a ticket that has been sent meanwhile is dropped with it and frees its slot.
pub(super) struct Waiting<'a> {
    shared: &'a Arc<Shared>,
    class: Class,
    id: u64,
    // Dropped after the place is left: see `Drop`, which runs first.
    told: Receiver<Ticket>,
}

impl<'a> Waiting<'a> {
    pub(super) const fn new(shared: &'a Arc<Shared>, class: Class, id: u64, told: Receiver<Ticket>) -> Self {
        Self { shared, class, id, told }
    }

    pub(super) async fn wait(mut self, deadline: Instant) -> Result<Ticket, Overloaded> {
        loop {
            // In a slow start room comes by time alone, without anybody leaving.
            let step = self.shared.next_step().map(|step| Instant::now() + step);
            let until = step.map_or(deadline, |step| step.min(deadline));
            match timeout_at(until, &mut self.told).await {
                Ok(Ok(ticket)) => return Ok(ticket),
                // Passed over because the deadline had passed: counted there.
                Ok(Err(_)) => return Err(self.shared.refusal(self.class, Shed::DeadlinePassed)),
                Err(_) if until < deadline => Shared::next_turn(self.shared),
                Err(_) => return Err(self.give_up()),
            }
        }
    }

    /// The deadline has passed. A ticket that comes in this very moment goes to the next.
    fn give_up(self) -> Overloaded {
        if self.leave() {
            self.shared.core().note_shed(self.class);
        }
        self.shared.refusal(self.class, Shed::DeadlinePassed)
    }

    /// Whether it was still in line. What the line held is dropped after its lock is free.
    fn leave(&self) -> bool {
        let tell = self.shared.core().leave_line(self.class, self.id);
        tell.is_some()
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.leave();
    }
}
