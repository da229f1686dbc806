//! Several commands in one round trip.

use super::{Call, Client, converted};
use crate::command::{Access, Facts, Operation, Replay, keys, spec};
use crate::error::{Error, ErrorKind, Outcome, Result};
use crate::lane::Answer;
use crate::resp::Reply;
use crate::slot::slot;
use redis::{Cmd, FromRedisValue, ToRedisArgs, Value};
use tokio::time::Instant;

/// Commands that travel together.
///
/// Not atomic unless [`Pipeline::atomic`] says so: others' commands may be executed in between.
#[derive(Debug, Clone, Default)]
pub struct Pipeline {
    commands: Vec<(Cmd, bool)>,
    is_atomic: bool,
}

impl Pipeline {
    /// No commands yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Executes all of them with nothing in between (`MULTI`, `EXEC`). In a cluster all keys must lie in one slot.
    pub const fn atomic(&mut self) -> &mut Self {
        self.is_atomic = true;
        self
    }

    /// Adds a command.
    pub fn add(&mut self, cmd: Cmd) -> &mut Self {
        self.commands.push((cmd, true));
        self
    }

    /// Starts another command.
    pub fn cmd(&mut self, name: &str) -> &mut Self {
        self.add(redis::cmd(name))
    }

    /// Adds an argument to the last command; nothing if there is none.
    pub fn arg(&mut self, arg: impl ToRedisArgs) -> &mut Self {
        if let Some((cmd, _)) = self.commands.last_mut() {
            cmd.arg(arg);
        }
        self
    }

    /// Leaves the last command's answer out of the result.
    pub fn ignore(&mut self) -> &mut Self {
        if let Some((_, keep)) = self.commands.last_mut() {
            *keep = false;
        }
        self
    }

    /// The number of commands.
    pub const fn len(&self) -> usize {
        self.commands.len()
    }

    /// True without commands.
    pub const fn is_empty(&self) -> bool {
        self.commands.is_empty()
    }

    pub(super) fn commands(&self) -> impl Iterator<Item = &Cmd> {
        self.commands.iter().map(|(cmd, _)| cmd)
    }

    pub(crate) fn packed_atomic(&self) -> Vec<u8> {
        let mut packed = redis::cmd("MULTI").get_packed_command();
        self.commands().for_each(|cmd| packed.extend(cmd.get_packed_command()));
        packed.extend(redis::cmd("EXEC").get_packed_command());
        packed
    }

    fn packed(&self) -> Vec<u8> {
        self.commands().flat_map(Cmd::get_packed_command).collect()
    }

    /// The values of a transaction's answer; none if a watched key had changed.
    pub(crate) fn read_atomic(&self, answer: Answer) -> Result<Option<Vec<Value>>> {
        let Answer::Many(mut replies) = answer else { return Err(odd()) };
        match replies.pop() {
            Some(Reply::Value(Value::Array(values))) => Ok(Some(values)),
            Some(Reply::Value(Value::Nil)) => Ok(None),
            // What was refused when it was queued says why; the last one only says that it was.
            Some(Reply::Error(text)) => {
                let refused = replies.into_iter().find_map(|reply| match reply {
                    Reply::Error(text) => Some(text),
                    _ => None,
                });
                Err(Error::from_server(&refused.unwrap_or(text), false))
            }
            Some(Reply::Oversized { bytes }) => Err(Error::new(
                ErrorKind::Validation,
                "OVERSIZED",
                Outcome::Ambiguous,
                format!("it was executed, and its answer has {bytes} bytes or more, beyond the bound"),
            )),
            _ => Err(odd()),
        }
    }

    /// The values that are not ignored, as one.
    pub(crate) fn converted<T: FromRedisValue>(&self, values: Vec<Value>) -> Result<T> {
        for (value, (cmd, _)) in values.iter().zip(&self.commands) {
            if let Value::ServerError(error) = value {
                let text = format!("{} {}", error.code(), error.details().unwrap_or_default());
                let error = Error::from_server(&text, false).with_outcome(Outcome::Ambiguous);
                return Err(error.of(Facts::of(cmd).name));
            }
        }
        let kept = values.into_iter().zip(&self.commands).filter(|(_, (_, keep))| *keep);
        converted(Value::Array(kept.map(|(value, _)| value).collect()), "pipeline")
    }

    /// What sending all of it twice does.
    fn facts(&self) -> (Access, Replay) {
        let (mut access, mut replay) = (Access::Read, Replay::Safe);
        for cmd in self.commands() {
            let facts = Facts::of(cmd);
            replay = match (replay, facts.replay) {
                (Replay::Unsafe, _) | (_, Replay::Unsafe) => Replay::Unsafe,
                (Replay::Safe, Replay::Safe) => Replay::Safe,
                _ => Replay::AnswerDiffers,
            };
            access = match (access, facts.access) {
                (Access::Script, _) | (_, Access::Script) => Access::Script,
                (Access::Write, _) | (_, Access::Write) => Access::Write,
                (Access::Admin, _) | (_, Access::Admin) => Access::Admin,
                _ => Access::Read,
            };
        }
        (access, replay)
    }

    /// The slot of all its keys; none if it has no keys.
    fn slot(&self) -> Result<Option<u16>> {
        let mut found = None;
        for cmd in self.commands() {
            for key in keys(spec(crate::command::name(cmd)), cmd) {
                match (found, slot(key)) {
                    (None, slot) => found = Some(slot),
                    (Some(first), slot) if first == slot => {}
                    _ => {
                        let why = "its keys lie in different slots of the cluster";
                        return Err(Error::new(ErrorKind::Validation, "CROSSSLOT", Outcome::NotSent, why)
                            .advise(crate::fault::Fault::CrossSlot.advice()));
                    }
                }
            }
        }
        Ok(found)
    }
}

impl Client {
    /// Sends all commands of `pipeline` in one round trip and returns their answers, in order; errors of single commands in
    /// their place. In a cluster the commands go to their nodes at the same time.
    ///
    /// # Errors
    /// Of all of it: it is sent again as a whole only if no command was executed, or if executing each twice is the same as
    /// once. An atomic one that was refused is one error.
    pub async fn pipeline(&self, pipeline: &Pipeline, deadline: Instant) -> Result<Vec<Result<Value>>> {
        if pipeline.is_empty() {
            return Ok(Vec::new());
        }
        if let Some(odd) =
            pipeline.commands().map(Facts::of).find(|facts| facts.blocks || facts.changes_connection)
        {
            return Err(super::misplaced(&odd));
        }
        if self.inner.router.is_cluster() && !pipeline.is_atomic {
            let each = pipeline.commands().map(|cmd| self.execute(cmd, deadline));
            return Ok(futures::future::join_all(each).await);
        }
        let call = self.call_of(pipeline)?;
        let count = pipeline.len() + if pipeline.is_atomic { 2 } else { 0 };
        let packed = || if pipeline.is_atomic { pipeline.packed_atomic() } else { pipeline.packed() };
        let (answer, node) =
            self.run(&call, packed, Some(count), deadline).await.map_err(|error| error.of("pipeline"))?;
        if pipeline.is_atomic {
            let values = pipeline.read_atomic(answer).map_err(|error| error.of("EXEC").on(&node.name))?;
            return Ok(values.unwrap_or_default().into_iter().map(Ok).collect());
        }
        let Answer::Many(replies) = answer else { return Err(odd()) };
        let read = |(reply, cmd): (Reply, &Cmd)| {
            let facts = Facts::of(cmd);
            super::value_of(reply, &facts).map_err(|error| error.of(facts.name).on(&node.name))
        };
        Ok(replies.into_iter().zip(pipeline.commands()).map(read).collect())
    }

    /// Sends `pipeline` within the handle's time and converts the answers that are not ignored, as a tuple or a list.
    ///
    /// # Errors
    /// As [`Client::pipeline`]; the first error of a command; and if an answer is not of the type that is asked for.
    pub async fn query_pipeline<T: FromRedisValue>(&self, pipeline: &Pipeline) -> Result<T> {
        let answers = self.pipeline(pipeline, Instant::now() + self.options.timeout).await?;
        pipeline.converted(answers.into_iter().collect::<Result<_>>()?)
    }

    fn call_of(&self, pipeline: &Pipeline) -> Result<Call> {
        let (access, replay) = pipeline.facts();
        let slot = if self.inner.router.is_cluster() { pipeline.slot()? } else { None };
        let replay = match replay {
            Replay::AnswerDiffers if self.options.answer_is_ignored => Replay::Safe,
            replay => replay,
        };
        Ok(self.call_for(slot, access, replay, Operation::PIPELINE))
    }
}

fn odd() -> Error {
    Error::new(ErrorKind::Connection, "PROTOCOL", Outcome::Ambiguous, "the answer is none to a pipeline")
}
