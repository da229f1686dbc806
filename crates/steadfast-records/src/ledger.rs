//! The step ledger: which step of which job was applied, and what it had decided.

use crate::failure::{Failure, bad_json, inconsistent};
use rusqlite::{Connection, OptionalExtension, params};
use steadfast_core::decision::{Decision, StepKey};

/// The decision applied under `step`. Once its texts were due to go it is not known any more: the step still
/// counts as done, but what followed from it cannot be repeated, and who asks is told.
pub(crate) fn find(conn: &Connection, step: &StepKey) -> Result<Option<Decision>, Failure> {
    let stored: Option<Option<String>> = conn
        .prepare_cached("SELECT decision FROM step_ledger WHERE step_key = ?1")?
        .query_row([step.as_str()], |row| row.get(0))
        .optional()?;
    match stored {
        None => Ok(None),
        Some(None) => Err(inconsistent(
            "this step was applied long ago and its decision has been forgotten; what followed from it cannot be repeated",
        )),
        Some(Some(json)) => {
            serde_json::from_str(&json).map(Some).map_err(|error| bad_json("decision", &error))
        }
    }
}

/// Marks `step` as applied. The decision is kept verbatim: the texts in it are needed to repeat its
/// follow-ups exactly.
pub(crate) fn store(tx: &Connection, step: &StepKey, json: &str, now_ms: i64) -> Result<(), Failure> {
    tx.prepare_cached("INSERT INTO step_ledger (step_key, decision, applied_ms) VALUES (?1, ?2, ?3)")?
        .execute(params![step.as_str(), json, now_ms])?;
    Ok(())
}
