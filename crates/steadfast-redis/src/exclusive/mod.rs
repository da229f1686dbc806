//! Connections that one caller holds alone: for commands that block, and for `WATCH`.
//!
//! A command that keeps its connection waiting would keep everybody else on it waiting too, and state such as `WATCH`
//! would be everybody's. So these have connections of their own, as many as `pool.connections_max` leaves room for; who
//! finds none free waits in line, for `pool.acquire_timeout_ms` and until its deadline at most, and the line is bounded.

mod blocking;
mod orphan;
mod pool;
mod watched;

pub(crate) use pool::Exclusives;
pub use watched::{Exec, Watched};

use crate::dial::{Dialed, dial};
use crate::error::{Error, ErrorKind, Outcome, Result};
use crate::fault::Fault;
use crate::lane::{Answer, Driver, Ended, Lane};
use crate::node::Node;
use pool::Idle;
use std::sync::Arc;
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::Instant;

/// A connection held alone. Dropped while something is in flight it is closed; else the next one may have it.
#[derive(Debug)]
pub(crate) struct Held {
    pub(crate) node: Arc<Node>,
    lane: Lane,
    pub(crate) client_id: Option<i64>,
    generation: u64,
    /// The connection's state is not what a new holder expects.
    is_dirty: bool,
    place: Option<OwnedSemaphorePermit>,
}

impl Held {
    /// Waits in line for a connection of `node`, dialled if there is none.
    ///
    /// # Errors
    /// The line is full, the deadline passed, or the dial failed: nothing was sent.
    pub(crate) async fn of(node: &Arc<Node>, deadline: Instant) -> Result<Self> {
        node.fit(deadline).await?;
        let pool = &node.exclusives;
        let place = match Arc::clone(&pool.room).try_acquire_owned() {
            Ok(place) => place,
            Err(_) => {
                let since = Instant::now();
                let place = wait_in_line(node, deadline).await;
                node.counters.stood_in_line(since.elapsed(), place.is_ok());
                place?
            }
        };
        let place = Place { node, permit: Some(place) };
        let mut last = None;
        let got = tokio::time::timeout_at(deadline, take_or_dial(node, &mut last)).await;
        let Idle { lane, client_id, generation, .. } = got.unwrap_or_else(|_| {
            let why = "no connection of its own came about in time";
            let late = Error::new(ErrorKind::Timeout, "DEADLINE", Outcome::NotSent, why);
            Err(last.unwrap_or(late).on(&node.name))
        })?;
        let (node, place) = (Arc::clone(node), place.keep());
        Ok(Self { node, lane, client_id, generation, is_dirty: false, place })
    }

    /// Sends on it, and waits for the answer until `deadline`; after that the connection is closed.
    pub(crate) async fn send(
        &mut self,
        packed: Vec<u8>,
        pipeline: Option<usize>,
        deadline: Instant,
    ) -> Result<Answer> {
        let since = Instant::now();
        let Ok(ticket) = self.lane.offer(packed, pipeline) else {
            let why = "the connection ended";
            return Err(
                Error::new(ErrorKind::Connection, "CLOSED", Outcome::NotSent, why).on(&self.node.name)
            );
        };
        let answer = ticket.wait(deadline).await;
        answer.map_err(|lost| {
            self.is_dirty = true;
            self.node.explain(lost, since.elapsed())
        })
    }

    /// Whoever holds it next must not find it as it is: it is closed instead.
    pub(crate) const fn set_dirty(&mut self, is_dirty: bool) {
        self.is_dirty = is_dirty;
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        let is_fit = !self.is_dirty && self.lane.in_flight() == 0 && self.lane.is_open();
        if !is_fit {
            self.lane.kill(Ended::Closed);
        }
        let (lane, client_id, generation) = (self.lane.clone(), self.client_id, self.generation);
        let one = Idle { lane, client_id, generation, since: Instant::now() };
        self.node.exclusives.give_back(Some(one).filter(|_| is_fit), self.place.take());
    }
}

/// A place among those that may hold a connection, before there is one.
struct Place<'a> {
    node: &'a Node,
    permit: Option<OwnedSemaphorePermit>,
}

impl Place<'_> {
    fn keep(mut self) -> Option<OwnedSemaphorePermit> {
        self.permit.take()
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        if self.permit.is_some() {
            self.node.exclusives.give_back(None, self.permit.take());
        }
    }
}

async fn wait_in_line(node: &Arc<Node>, deadline: Instant) -> Result<OwnedSemaphorePermit> {
    let pool = &node.exclusives;
    let exhausted = |why: String, advice: &'static str| {
        Error::new(ErrorKind::PoolExhausted, "POOL_EXHAUSTED", Outcome::NotSent, why)
            .advise(advice)
            .on(&node.name)
    };
    let size_max = pool.load().size_max;
    let _in_line = pool.stand().map_err(|waiters| {
        let why = format!("all {size_max} connections are held and {waiters} callers wait already");
        exhausted(why, "raise pool.connections_max, or hold fewer blocking calls and transactions at a time")
    })?;
    let acquire = node.settings().acquire;
    let until = deadline.min(Instant::now() + acquire);
    match tokio::time::timeout_at(until, Arc::clone(&pool.room).acquire_owned()).await {
        Ok(Ok(room)) => Ok(room),
        _ if until < deadline => Err(exhausted(
            format!("all {size_max} connections were held for {} ms", acquire.as_millis()),
            "raise pool.connections_max or pool.acquire_timeout_ms, or hold fewer at a time",
        )),
        _ => Err(exhausted(
            format!("all {size_max} connections were held until the deadline"),
            "raise pool.connections_max, or hold fewer blocking calls and transactions at a time",
        )),
    }
}

/// One that nobody holds, or a new one as soon as the node may be dialled: dials that are under way count until they
/// have succeeded, so a burst of callers waits for the first of them and not for the budget's time. A dial that failed is
/// made again some times; `last` keeps why it did.
async fn take_or_dial(node: &Arc<Node>, last: &mut Option<Error>) -> Result<Idle> {
    let pool = &node.exclusives;
    let mut retries = 0;
    loop {
        // Before the look, so that what changes after it is noticed.
        let changed = pool.changed.notified();
        // Before the settings: a connection that was dialled under older ones is known by it.
        let generation = node.state().borrow().generation;
        if let Some(idle) = pool.take(generation) {
            return Ok(idle);
        }
        let permit = match node.dial_budget.try_dial() {
            Ok(permit) => permit,
            Err(wait) => {
                tokio::select! {
                    () = tokio::time::sleep(wait.wait) => {}
                    () = changed => {}
                }
                continue;
            }
        };
        let settings = node.settings();
        match dial(&settings.dial, &node.address).await {
            Ok(Dialed { io, greeting, .. }) => {
                permit.succeeded();
                pool.changed.notify_waiters();
                let (lane, driver) = Driver::new(io, settings.queue_bytes_max, settings.dial.reply_bytes_max);
                node.run_lane(driver);
                let client_id = greeting.client_id;
                return Ok(Idle { lane, client_id, generation, since: Instant::now() });
            }
            Err(error) => {
                permit.failed();
                // Who is refused or wrongly configured is so the next moment too.
                let may_pass = matches!(error.kind(), ErrorKind::Connection | ErrorKind::Timeout)
                    || error.fault().is_some_and(|fault| fault.passes() || *fault == Fault::MaxClients);
                if !may_pass || retries >= settings.create_retries {
                    return Err(error);
                }
                *last = Some(error);
                retries += 1;
                tokio::time::sleep(settings.create_pause).await;
            }
        }
    }
}
