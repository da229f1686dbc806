//! Optimistic locking: what was read is still so when it is written.

use super::Held;
use crate::client::{Client, Pipeline, value_in};
use crate::command::Facts;
use crate::error::{Error, ErrorKind, Outcome, Result};
use crate::lane::Answer;
use crate::resp::Reply;
use futures::future::BoxFuture;
use redis::{Cmd, FromRedisValue, Value};
use tokio::time::Instant;

/// What became of a transaction.
#[derive(Debug, Clone, PartialEq)]
pub enum Exec<T> {
    /// It was executed.
    Done(T),
    /// A watched key had changed: nothing was executed.
    Conflict,
}

/// Keys that are watched, on a connection held alone until this is dropped.
#[derive(Debug)]
pub struct Watched {
    client: Client,
    held: Held,
    deadline: Instant,
}

impl Client {
    /// Watches `keys`: what is executed by [`Watched::exec`] is executed only if none of them has changed since. In a cluster
    /// all keys must lie in one slot.
    ///
    /// # Errors
    /// No connection could be had by `deadline`, or the server refused.
    pub async fn watch(&self, keys: &[&str], deadline: Instant) -> Result<Watched> {
        let watch = redis::cmd("WATCH").arg(keys).to_owned();
        loop {
            let node = self.route_for(&watch, deadline).await?;
            // Known to take writes: what is watched is to be written.
            node.ready(true, deadline).await?;
            let mut held = Held::of(&node, deadline).await?;
            held.set_dirty(true);
            let answer = held.send(watch.get_packed_command(), None, deadline).await;
            match answer.and_then(|answer| value_in(answer, &Facts::of(&watch))) {
                Ok(_) => return Ok(Watched { client: self.clone(), held, deadline }),
                // Nothing is executed by watching: again, wherever the primary is now.
                Err(error) if Instant::now() < deadline && self.may_watch_again(&node, &error) => {}
                Err(error) => return Err(error.with_outcome(Outcome::NotSent).of("WATCH")),
            }
        }
    }

    /// Watches `keys`, lets `body` read and say what to execute, executes it, and starts over if a key had changed meanwhile.
    ///
    /// # Errors
    /// The body's; as [`Watched::exec`]; and if keys kept changing until `deadline`.
    pub async fn transaction<T, F>(&self, keys: &[&str], deadline: Instant, mut body: F) -> Result<T>
    where
        T: FromRedisValue,
        F: for<'a> FnMut(&'a mut Watched) -> BoxFuture<'a, Result<Pipeline>>,
    {
        loop {
            let mut watched = self.watch(keys, deadline).await?;
            let pipeline = body(&mut watched).await?;
            match watched.exec(&pipeline).await {
                Ok(Exec::Done(done)) => return Ok(done),
                Ok(Exec::Conflict) if Instant::now() < deadline => {}
                Ok(Exec::Conflict) => {
                    let why = "the keys kept changing until the deadline";
                    return Err(Error::new(ErrorKind::Timeout, "CONFLICT", Outcome::Rejected, why).of("EXEC"));
                }
                // The connection was lost before anything was sent, or the primary is elsewhere now.
                Err(error)
                    if error.outcome() != Outcome::Ambiguous
                        && Instant::now() < deadline
                        && is_elsewhere(&error) => {}
                Err(error) => return Err(error),
            }
        }
    }
}

impl Watched {
    /// Reads while the keys are watched.
    ///
    /// # Errors
    /// As [`Client::execute`]; nothing is sent twice here, because a new connection would watch nothing.
    pub async fn query<T: FromRedisValue>(&mut self, cmd: &Cmd) -> Result<T> {
        let facts = Facts::of(cmd);
        if facts.changes_connection || facts.blocks {
            let why = "it does not belong into a transaction";
            return Err(Error::new(ErrorKind::Validation, "SHARED", Outcome::NotSent, why).of(facts.name));
        }
        let answer = self.held.send(cmd.get_packed_command(), None, self.deadline).await?;
        let value = value_in(answer, &facts)?;
        crate::client::converted(value, facts.name)
    }

    /// Executes all commands of `pipeline`, or none if a watched key has changed.
    ///
    /// # Errors
    /// With the outcome: ambiguous if the connection was lost after it was sent. If a command failed on its own (a wrong
    /// type), the others were executed all the same: Redis undoes nothing.
    pub async fn exec<T: FromRedisValue>(mut self, pipeline: &Pipeline) -> Result<Exec<T>> {
        if pipeline.is_empty() {
            let answer =
                self.held.send(redis::cmd("UNWATCH").get_packed_command(), None, self.deadline).await?;
            self.held.set_dirty(!matches!(answer, Answer::One(Reply::Value(_))));
            return crate::client::converted(Value::Array(Vec::new()), "EXEC").map(Exec::Done);
        }
        let since = Instant::now();
        let answer = self.held.send(pipeline.packed_atomic(), Some(pipeline.len() + 2), self.deadline).await;
        let values = answer.and_then(|answer| pipeline.read_atomic(answer));
        let operation = Facts::of(&redis::cmd("EXEC")).operation;
        self.client.count(&self.held.node, operation, Some(since), values.as_ref().err());
        let values = values.map_err(|error| error.on(&self.held.node.name).of("EXEC"))?;
        // Answered, executed or not: nothing is watched any more.
        self.held.set_dirty(false);
        match values {
            None => Ok(Exec::Conflict),
            Some(values) => pipeline.converted(values).map(Exec::Done),
        }
    }
}

fn is_elsewhere(error: &Error) -> bool {
    matches!(error.code(), "READONLY" | "CLOSED" | "DEAD" | "STALE" | "MOVED")
}
