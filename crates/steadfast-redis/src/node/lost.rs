//! Why no answer came, in words.

use super::{Node, NodeState};
use crate::error::{Error, ErrorKind, Outcome};
use crate::fault::Fault;
use crate::lane::{Ended, Lost};
use std::time::Duration;

impl Node {
    /// What became of a command whose lane gave no answer.
    pub(crate) fn explain(&self, lost: Lost, waited: Duration) -> Error {
        let (ended, outcome) = match lost {
            Lost::LateNotSent => return self.late(waited, Outcome::NotSent),
            Lost::LateSent => return self.late(waited, Outcome::Ambiguous),
            Lost::NotSent(ended) => (ended, Outcome::NotSent),
            Lost::Sent(ended) => (ended, Outcome::Ambiguous),
        };
        let (code, why): (_, String) = match &ended {
            Ended::Closed | Ended::Dropped if self.is_client_closed() => {
                ("CLOSED", "the client was closed".to_owned())
            }
            Ended::Closed | Ended::Dropped => ("CLOSED", "the connection was given up".to_owned()),
            Ended::Eof => ("CLOSED", "the server closed the connection".to_owned()),
            Ended::Io(error) => ("CLOSED", format!("the connection broke: {error}")),
            Ended::Protocol(error) => ("PROTOCOL", format!("what came was no reply: {error}")),
            Ended::Dead => ("DEAD", "the connection was dead, while a new one was answered".to_owned()),
        };
        let error = Error::new(ErrorKind::Connection, code, outcome, why).on(&self.name);
        match ended {
            Ended::Io(cause) => error.because(cause),
            Ended::Protocol(cause) => error.because(cause).advise(
                "check that it is Redis, and what is between: a proxy that changes replies is none to be used",
            ),
            _ => error,
        }
    }

    fn late(&self, waited: Duration, outcome: Outcome) -> Error {
        let why = format!("no reply within {} ms", waited.as_millis());
        let advice = match outcome {
            Outcome::Ambiguous => "check the server's load (SLOWLOG, LATENCY DOCTOR), or give it more time",
            _ => "the connection did not take it in time: check the network and the server's load",
        };
        Error::new(ErrorKind::Timeout, "DEADLINE", outcome, why).advise(advice).on(&self.name)
    }

    /// The deadline passed before the command could be sent.
    pub(super) fn obstructed(&self, obstacle: &'static str, state: &NodeState) -> Error {
        let error = match obstacle {
            "READONLY" => {
                let why = "it refuses writes (it is a replica), and no primary was found in time";
                Error::new(ErrorKind::Server, "READONLY", Outcome::NotSent, why)
                    .advise(Fault::ReadOnly.advice())
            }
            "LOADING" => {
                let why = "it still reads its data from disk";
                Error::new(ErrorKind::Server, "LOADING", Outcome::NotSent, why)
                    .advise(Fault::Loading.advice())
            }
            "MASTERDOWN" => {
                let why = "it is a replica that lost its primary, and may not answer from what it has";
                Error::new(ErrorKind::Server, "MASTERDOWN", Outcome::NotSent, why)
                    .advise(Fault::MasterDown.advice())
            }
            _ => {
                let Some(failed) = &state.failed else {
                    let before = state
                        .ended
                        .as_ref()
                        .map_or(String::new(), |ended| format!("; before: {}", ended.why()));
                    let why = format!("no connection came about in time: the dial is not over{before}");
                    return Error::new(ErrorKind::Timeout, "DEADLINE", Outcome::NotSent, why)
                        .advise("check host, port and scheme (rediss:// is for TLS), and that the server answers; or give the call as long as connection.connect_timeout_ms")
                        .on(&self.name);
                };
                let error = Error::new(
                    failed.kind(),
                    failed.code().to_owned(),
                    Outcome::NotSent,
                    failed.why().to_owned(),
                );
                error.advise(failed.advice().to_owned()).because(failed.clone())
            }
        };
        error.on(&self.name)
    }

    /// Its settings must be looked at before anything is sent, and were not in time.
    pub(super) fn unchecked(&self) -> Error {
        let why = "whether it deletes data when its memory is full could not be looked at in time";
        Error::new(ErrorKind::Timeout, "UNCHECKED", Outcome::NotSent, why)
            .advise("`server.eviction` is `refuse`, so that is looked at first: give the call more time")
            .on(&self.name)
    }

    pub(super) fn demoted(&self) -> Error {
        Error::new(ErrorKind::Connection, "STALE", Outcome::NotSent, "another node is the primary now")
            .on(&self.name)
    }

    /// Nothing is sent here any more: the client was closed, or this node is none of its nodes now.
    pub(super) fn closed(&self) -> Error {
        if !self.is_client_closed() {
            let why = "it is none of the servers in use any more";
            return Error::new(ErrorKind::Connection, "STALE", Outcome::NotSent, why).on(&self.name);
        }
        Error::new(ErrorKind::Connection, "CLOSED", Outcome::NotSent, "the client was closed").on(&self.name)
    }
}
