//! The server: operations by their scripts, values by plain reads.

use super::trouble::conflict;
use crate::cache::{Answer, BadReply, Key, Op, Version, stored_value};
use crate::client::{Client, Pipeline, Script, converted};
use crate::error::{Error, ErrorKind, Outcome, Result};
use bytes::Bytes;
use std::sync::LazyLock;
use tokio::time::Instant;

static SCRIPTS: LazyLock<Vec<(&'static str, Script)>> = LazyLock::new(|| {
    let of = |script: &crate::cache::Script| (script.name, Script::new(script.source));
    crate::cache::Script::ALL.iter().map(of).collect()
});

/// What the server holds under a key.
#[derive(Clone, Debug)]
pub(super) struct Stored {
    pub(super) value: Bytes,
    pub(super) version: Version,
    /// What is left of its lifetime; none: it has no end.
    pub(super) remaining_ms: Option<u64>,
}

/// Does one operation; also what the script said beside the answer.
pub(super) async fn apply(client: &Client, op: &Op, deadline: Instant) -> Result<(Answer, Option<i64>)> {
    let name = op.script().name;
    let script = SCRIPTS.iter().find(|(known, _)| *known == name).map(|(_, script)| script);
    let script = script.ok_or_else(|| bad_reply(BadReply))?;
    let mut call = script.call();
    for key in op.keys() {
        call = call.key(&key[..]);
    }
    for arg in op.args() {
        call = call.arg(&arg[..]);
    }
    let reply: Vec<Vec<u8>> = converted(client.run_script(&call, deadline).await?, "EVALSHA")?;
    let detail = reply.get(1).and_then(|detail| std::str::from_utf8(detail).ok()?.parse().ok());
    Answer::from_reply(&reply).map(|answer| (answer, detail)).map_err(bad_reply)
}

/// Reads a value, its version and what is left of its lifetime, in one round trip.
pub(super) async fn read(client: &Client, key: &Key, deadline: Instant) -> Result<Option<Stored>> {
    let mut both = Pipeline::new();
    both.cmd("GET").arg(&key[..]).cmd("PTTL").arg(&key[..]);
    let mut answers = client.pipeline(&both, deadline).await?.into_iter();
    let (Some(value), Some(left)) = (answers.next(), answers.next()) else { return Err(bad_reply(BadReply)) };
    let Some(value) = converted::<Option<Vec<u8>>>(value?, "GET")? else { return Ok(None) };
    let left: i64 = converted(left?, "PTTL")?;
    // It ended between the two.
    if left == -2 {
        return Ok(None);
    }
    let (version, value) = stored_value(&Bytes::from(value)).map_err(|error| conflict(&error.to_string()))?;
    Ok(Some(Stored { value, version, remaining_ms: u64::try_from(left).ok() }))
}

fn bad_reply(error: BadReply) -> Error {
    Error::new(ErrorKind::Validation, "TYPE", Outcome::Ambiguous, error.to_string()).because(error)
}
