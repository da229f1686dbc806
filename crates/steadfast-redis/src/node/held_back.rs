//! Why a breaker lets a call through no more, in words: what opened it, when it is looked again, what to do.

use super::Node;
use super::keeper::ASK_EVERY;
use crate::breaker::{Rejected, State};
use crate::command::Access;
use crate::error::{Error, ErrorKind, Outcome};
use std::time::Duration;

impl Node {
    /// The circuit for `access` holds a call back.
    pub(super) fn held_back(&self, access: Access, rejected: &Rejected) -> Error {
        let failed = self.state().borrow().failed.clone();
        let opened = self.guard.breaker(access).snapshot().reason;
        let last = failed.as_ref().map_or(String::new(), |failed| format!("; last: {}", failed.why()));
        let kind = match access {
            Access::Read | Access::Admin => "reads",
            Access::Write => "writes",
            Access::Script => "scripts",
        };
        let (why, advice) = match rejected.state {
            State::ForcedOpen => (
                format!("the circuit for {kind} is held open by an operator"),
                "it lets calls through again when it is reset".to_owned(),
            ),
            State::HalfOpen => (
                format!(
                    "the circuit for {kind} is half-open, and as many trial calls are under way as may be{last}"
                ),
                "calls go on when those are answered; try again in a moment".to_owned(),
            ),
            _ => {
                let todo = failed.as_ref().map_or("check the server's load and log", Error::advice);
                let why = format!("the circuit for {kind} is open: {opened}{last}");
                (why, format!("{}; calls go on by themselves once it is answered; {todo}", self.next_probe()))
            }
        };
        Error::new(ErrorKind::CircuitOpen, "OPEN", Outcome::NotSent, why).advise(advice).on(&self.name)
    }

    /// When the server is asked next, whoever calls.
    fn next_probe(&self) -> String {
        if self.is_connected() {
            return format!("the server is asked every {} ms", ASK_EVERY.as_millis());
        }
        match self.dial_budget.view().wait {
            Duration::ZERO => "a connection is being tried now".to_owned(),
            wait => format!("a connection is tried next in {} ms", wait.as_millis()),
        }
    }
}
