//! From SQLite's errors to the port's.

use rusqlite::ErrorCode;
use steadfast_core::ports::RecordsError;

/// Why a piece of work on a connection did not succeed.
#[derive(Debug)]
pub(crate) enum Failure {
    /// SQLite said no.
    Sql(rusqlite::Error),
    /// The records themselves said no.
    Refused(RecordsError),
}

impl From<rusqlite::Error> for Failure {
    fn from(error: rusqlite::Error) -> Self {
        Self::Sql(error)
    }
}

impl From<RecordsError> for Failure {
    fn from(error: RecordsError) -> Self {
        Self::Refused(error)
    }
}

/// Something is stored, or asked for, that must not be.
pub(crate) fn inconsistent(what: impl Into<String>) -> Failure {
    Failure::Refused(RecordsError::Inconsistent { what: what.into(), source: None })
}

/// A stored value cannot be read back.
pub(crate) fn unreadable(what: &str, source: impl std::error::Error + Send + Sync + 'static) -> Failure {
    let what = format!("a stored {what} cannot be read back");
    Failure::Refused(RecordsError::Inconsistent { what, source: Some(Box::new(source)) })
}

/// What is wrong with a JSON text, without a piece of it: it may hold what a person wrote.
#[derive(Debug, thiserror::Error)]
#[error("not the JSON expected ({category:?} error at line {line}, column {column})")]
struct JsonFault {
    category: serde_json::error::Category,
    line: usize,
    column: usize,
}

/// A value cannot be turned into the JSON it is stored as, or back.
pub(crate) fn bad_json(what: &str, error: &serde_json::Error) -> Failure {
    let fault = JsonFault { category: error.classify(), line: error.line(), column: error.column() };
    unreadable(what, fault)
}

/// A stored count or version, which is never negative.
pub(crate) fn count(stored: i64) -> Result<u64, Failure> {
    u64::try_from(stored).map_err(|error| unreadable("count", error))
}

/// The store cannot do it now.
pub(crate) fn unavailable(what: impl Into<String>) -> RecordsError {
    RecordsError::Unavailable { what: what.into(), source: None }
}

impl Failure {
    /// The port's error for this failure of `doing`.
    pub(crate) fn into_error(self, doing: &str) -> RecordsError {
        match self {
            Self::Refused(error) => error,
            Self::Sql(error) if is_passing(&error) => {
                RecordsError::Unavailable { what: doing.to_owned(), source: Some(Box::new(error)) }
            }
            Self::Sql(error) => {
                RecordsError::Inconsistent { what: format!("{doing} failed"), source: Some(Box::new(error)) }
            }
        }
    }

    /// Whether there was no room for it, or something else that lies outside and may pass.
    pub(crate) fn is_passing(&self) -> bool {
        matches!(self, Self::Sql(error) if is_passing(error))
    }

    /// Whether the connection may no longer be trusted.
    pub(crate) fn spoils_connection(&self) -> bool {
        matches!(self, Self::Sql(error) if spoils_connection(error))
    }
}

/// Whether the cause lies outside (disk, memory, locks) and may pass.
fn is_passing(error: &rusqlite::Error) -> bool {
    matches!(
        error.sqlite_error_code(),
        Some(
            ErrorCode::DiskFull
                | ErrorCode::SystemIoFailure
                | ErrorCode::CannotOpen
                | ErrorCode::DatabaseBusy
                | ErrorCode::DatabaseLocked
                | ErrorCode::FileLockingProtocolFailed
                | ErrorCode::OutOfMemory
                | ErrorCode::ReadOnly
                | ErrorCode::PermissionDenied
                | ErrorCode::OperationInterrupted
        )
    )
}

/// Whether a connection must be replaced after `error`: after a failed read or write SQLite's picture of
/// the file may differ from the file.
pub(crate) fn spoils_connection(error: &rusqlite::Error) -> bool {
    matches!(
        error.sqlite_error_code(),
        Some(
            ErrorCode::SystemIoFailure
                | ErrorCode::CannotOpen
                | ErrorCode::DatabaseCorrupt
                | ErrorCode::NotADatabase
                | ErrorCode::ReadOnly
                | ErrorCode::ApiMisuse
        )
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sql(code: std::ffi::c_int) -> Failure {
        Failure::Sql(rusqlite::Error::SqliteFailure(rusqlite::ffi::Error::new(code), None))
    }

    #[test]
    fn what_is_wrong_with_a_json_text_is_told_without_it() {
        let error = serde_json::from_str::<u32>(r#""my secret""#).expect_err("no number");
        assert!(error.to_string().contains("my secret"));
        let told = format!("{:?}", bad_json("decision", &error).into_error("reading"));
        assert!(told.contains("decision") && !told.contains("secret"), "{told}");
    }

    #[test]
    fn a_full_disk_passes_and_a_damaged_file_does_not() {
        let full = sql(rusqlite::ffi::SQLITE_FULL).into_error("storing");
        assert!(matches!(full, RecordsError::Unavailable { .. }));
        let corrupt = sql(rusqlite::ffi::SQLITE_CORRUPT).into_error("storing");
        assert!(matches!(corrupt, RecordsError::Inconsistent { .. }));
        let fsync = sql(rusqlite::ffi::SQLITE_IOERR_FSYNC);
        assert!(fsync.spoils_connection());
        assert!(matches!(fsync.into_error("storing"), RecordsError::Unavailable { .. }));
        assert!(!sql(rusqlite::ffi::SQLITE_FULL).spoils_connection());
    }
}
