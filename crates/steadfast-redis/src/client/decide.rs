//! What is done about a failed attempt. Pure.

use crate::command::Replay;
use crate::error::{Error, Outcome};
use crate::fault::{Fault, Redirect};

/// The next step after a failure.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Step {
    /// The caller is told.
    GiveUp,
    /// The same again, when whoever it goes to can take it: nothing was executed, and the node or the route says
    /// when it may be sent.
    WhenReady,
    /// The same again after a pause, if the retry budget allows: nobody will say when.
    AfterPause,
    /// The same to another node, at once.
    Elsewhere {
        /// Which.
        to: Redirect,
        /// Only this command: the slot is on its way there.
        asking: bool,
    },
}

/// What is done about `error`, when executing the command twice would be `replay`.
pub(super) fn step(error: &Error, replay: Replay) -> Step {
    match (error.outcome(), error.fault()) {
        (_, Some(Fault::Moved(to))) => Step::Elsewhere { to: to.clone(), asking: false },
        (_, Some(Fault::Ask(to))) => Step::Elsewhere { to: to.clone(), asking: true },
        (
            Outcome::Rejected,
            Some(Fault::ReadOnly | Fault::Loading | Fault::MasterDown | Fault::ClusterDown),
        ) => Step::WhenReady,
        (Outcome::Rejected, Some(fault)) if fault.passes() => Step::AfterPause,
        (Outcome::NotSent, _) if is_connection(error) => Step::WhenReady,
        (Outcome::Ambiguous, None) if replay == Replay::Safe && is_connection(error) => Step::AfterPause,
        _ => Step::GiveUp,
    }
}

/// The connection ended or was never there; not: the deadline passed, there was no room, the circuit is open.
fn is_connection(error: &Error) -> bool {
    matches!(error.code(), "CLOSED" | "DEAD" | "STALE") && !error.why().contains("client was closed")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::ErrorKind;

    fn lost(outcome: Outcome) -> Error {
        Error::new(ErrorKind::Connection, "CLOSED", outcome, "the server closed the connection")
    }

    #[test]
    fn nothing_that_may_have_happened_happens_again() {
        for replay in [Replay::Unsafe, Replay::AnswerDiffers] {
            assert_eq!(step(&lost(Outcome::Ambiguous), replay), Step::GiveUp);
        }
        assert_eq!(step(&lost(Outcome::Ambiguous), Replay::Safe), Step::AfterPause);
        assert_eq!(step(&lost(Outcome::NotSent), Replay::Unsafe), Step::WhenReady);
    }

    #[test]
    fn a_refusal_is_tried_again_if_it_passes() {
        let of = |text| step(&Error::from_server(text, true), Replay::Unsafe);
        assert_eq!(of("READONLY no"), Step::WhenReady);
        assert_eq!(of("LOADING no"), Step::WhenReady);
        assert_eq!(of("TRYAGAIN no"), Step::AfterPause);
        assert_eq!(of("CLUSTERDOWN no"), Step::WhenReady);
        assert_eq!(of("CLUSTERDOWN Hash slot not served"), Step::AfterPause);
        assert_eq!(of("WRONGTYPE no"), Step::GiveUp);
        assert_eq!(of("OOM no"), Step::GiveUp);
        assert_eq!(of("ERR Error running script: oh"), Step::GiveUp);
        assert!(matches!(of("MOVED 1 a:1"), Step::Elsewhere { asking: false, .. }));
        assert!(matches!(of("ASK 1 a:1"), Step::Elsewhere { asking: true, .. }));
    }

    #[test]
    fn a_deadline_that_passed_is_the_end() {
        let late = Error::new(ErrorKind::Timeout, "DEADLINE", Outcome::NotSent, "no reply within 5 ms");
        assert_eq!(step(&late, Replay::Safe), Step::GiveUp);
    }
}
