//! Which failures mean that the server cannot be used now, and what callers are told.

use crate::cache::{JournalError, Refused};
use crate::error::{Error, ErrorKind, Outcome};
use crate::fault::Fault;

/// What a failure says about the server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Trouble {
    /// It cannot be used: certainly.
    Away,
    /// It takes no writes, and may answer reads.
    NoWrites,
    /// Perhaps: it was slow.
    Slow,
    /// No: there was no room for the call.
    Busy,
}

/// What `error` says about the server; none: it is about the call.
pub(super) fn trouble(error: &Error) -> Option<Trouble> {
    match (error.kind(), error.fault()) {
        (_, Some(Fault::ReadOnly | Fault::OutOfMemory | Fault::MisConf | Fault::NoReplicas)) => {
            Some(Trouble::NoWrites)
        }
        (_, Some(Fault::Loading | Fault::MasterDown | Fault::ClusterDown | Fault::MaxClients)) => {
            Some(Trouble::Away)
        }
        (_, Some(Fault::Credentials)) => Some(Trouble::Away),
        (_, Some(fault)) if fault.passes() => Some(Trouble::Slow),
        (_, Some(_)) => None,
        (ErrorKind::Connection | ErrorKind::CircuitOpen | ErrorKind::Auth, None) => Some(Trouble::Away),
        (ErrorKind::Timeout, None) => Some(Trouble::Slow),
        (ErrorKind::PoolExhausted, None) => Some(Trouble::Busy),
        (ErrorKind::Fallback | ErrorKind::Validation | ErrorKind::Server, None) => None,
    }
}

/// A write was not taken, here either.
pub(super) fn refused(refused: Refused, sent: Outcome) -> Error {
    let code = match &refused {
        Refused::MemoryFull { .. } => "FALLBACK_FULL",
        Refused::Journal(error) if matches!(**error, JournalError::Full { .. }) => "FALLBACK_FULL",
        Refused::Journal(_) => "JOURNAL",
        Refused::TooLarge { .. } | Refused::Key | Refused::Ttl { .. } | Refused::Overflow => {
            let why = refused.to_string();
            return Error::new(ErrorKind::Validation, "WRITE", sent, why).because(refused);
        }
        Refused::NeedsServer | Refused::Waiting | Refused::InDoubt => "FALLBACK",
    };
    Error::new(ErrorKind::Fallback, code, sent, refused.to_string()).because(refused)
}

/// The fallback is off, and the server cannot take the write.
pub(super) fn disabled(cause: Error) -> Error {
    let why = format!("Redis cannot take the write, and the fallback is off: {}", cause.why());
    Error::new(ErrorKind::Fallback, "FALLBACK_OFF", cause.outcome(), why)
        .advise("bring Redis back, or set fallback.enabled")
        .because(cause)
}

/// The cache was closed.
pub(super) fn closed() -> Error {
    Error::new(ErrorKind::Fallback, "CLOSED", Outcome::NotSent, "the cache was closed")
}

/// The server holds something under the key that is none of ours.
pub(super) fn conflict(why: &str) -> Error {
    let why = format!("the key cannot be used: {why}");
    Error::new(ErrorKind::Server, "CONFLICT", Outcome::Rejected, why)
        .advise("give the cache a prefix that nothing else uses")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn failures_of_the_server_are_told_from_those_of_the_call() {
        let of = |text| trouble(&Error::from_server(text, true));
        assert_eq!(of("READONLY no"), Some(Trouble::NoWrites));
        assert_eq!(of("OOM no"), Some(Trouble::NoWrites));
        assert_eq!(of("LOADING no"), Some(Trouble::Away));
        assert_eq!(of("WRONGPASS no"), Some(Trouble::Away));
        assert_eq!(of("TRYAGAIN no"), Some(Trouble::Slow));
        for text in ["WRONGTYPE no", "ERR Error running script: oh", "NOPERM no", "CROSSSLOT no"] {
            assert_eq!(of(text), None, "{text}");
        }
        let own = |kind| trouble(&Error::new(kind, "X", Outcome::Ambiguous, "x"));
        assert_eq!(own(ErrorKind::Connection), Some(Trouble::Away));
        assert_eq!(own(ErrorKind::CircuitOpen), Some(Trouble::Away));
        assert_eq!(own(ErrorKind::Timeout), Some(Trouble::Slow));
        assert_eq!(own(ErrorKind::Validation), None);
    }
}
