//! The active check: commands that do nothing to the user's data, and what their answers say. Pure.

use super::capability::{Capability, Cause, Reason};
use super::checks::Check;
use super::machine::Probe;
use super::track::{Evidence, Witness};
use crate::error::{Error, Result};
use crate::fault::Fault;
use crate::lane::Answer;
use crate::resp::Reply;
use crate::role::Role;
use crate::slot::slot;
use redis::{Cmd, cmd};
use std::sync::Arc;
use std::time::Duration;

/// Names that are tried to find one in a slot. One in 16,384 fits.
const NAMES_TRIED: u32 = 400_000;

/// What is asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Plan {
    /// The key that is read, and written if `writes`.
    pub(super) key: Arc<str>,
    pub(super) writes: bool,
    /// How long what is written stays.
    pub(super) ttl: Duration,
    /// An answer after this is late.
    pub(super) late_from: Duration,
}

/// A key below `prefix` that lies in the slot, if one can be found.
pub(super) fn key_in(prefix: &str, wanted: u16) -> Option<String> {
    (0..NAMES_TRIED).map(|number| format!("{prefix}:{number}")).find(|key| slot(key.as_bytes()) == wanted)
}

impl Plan {
    fn commands(&self) -> Vec<(Option<Capability>, Cmd)> {
        let of = |name: &str, args: &[&str]| {
            let mut command = cmd(name);
            command.arg(args);
            command
        };
        let ttl_ms = self.ttl.as_millis().max(1).to_string();
        let mut commands = vec![
            (None, of("PING", &[])),
            (None, of("ROLE", &[])),
            (Some(Capability::Reads), of("GET", &[&self.key])),
            (Some(Capability::Scripts), of("EVAL", &["return 1", "0"])),
            (Some(Capability::PubSub), of("PUBLISH", &[&self.key, ""])),
        ];
        if self.writes {
            commands.push((Some(Capability::Writes), of("SET", &[&self.key, "1", "PX", &ttl_ms])));
        }
        commands
    }

    /// The commands as they are sent, and their number.
    pub(super) fn question(&self) -> (Vec<u8>, usize) {
        let commands = self.commands();
        (commands.iter().flat_map(|(_, command)| command.get_packed_command()).collect(), commands.len())
    }

    /// What the answers say.
    pub(super) fn read(
        &self,
        answer: &Result<Answer>,
        response: Duration,
        at_ms: i64,
    ) -> (Check, Option<Role>) {
        let response = Some(response);
        let mut check = Check { response, at_ms, probes: [Probe::Off; 5], evidence: Vec::new(), error: None };
        let replies = match answer {
            Ok(Answer::Many(replies)) => replies.as_slice(),
            Ok(Answer::One(reply)) => std::slice::from_ref(reply),
            Err(error) => {
                self.unanswered(&mut check, error);
                return (check, None);
            }
        };
        let mut role = None;
        for ((capability, command), reply) in self.commands().iter().zip(replies) {
            let name = command.args_iter().next();
            let is_role = matches!(name, Some(redis::Arg::Simple(b"ROLE")));
            match (capability, reply) {
                (Some(capability), reply) => self.probed(&mut check, *capability, reply),
                (None, Reply::Value(value)) if is_role => role = Role::of(value),
                (None, Reply::Error(text)) => refused(&mut check, text),
                (None, _) => {}
            }
        }
        if check.error.is_none() {
            check.evidence.push(Evidence::Answers);
        }
        (check, role)
    }

    fn unanswered(&self, check: &mut Check, error: &Error) {
        let reason = Reason::new(Cause::NoAnswer, error.why());
        check.error = Some(error.to_string().into());
        for capability in Capability::ALL {
            check.evidence.push(Evidence::Failed(capability, reason.clone()));
        }
        for (capability, _) in self.commands() {
            if let Some(capability) = capability {
                check.probes[capability as usize] = Probe::Failed;
            }
        }
    }

    fn probed(&self, check: &mut Check, capability: Capability, reply: &Reply) {
        let probe = match reply {
            Reply::Error(text) => match Fault::classify(text) {
                Fault::NoPermission | Fault::Unknown => Probe::Forbidden,
                fault if fault.health_cause().is_some() => {
                    refused(check, text);
                    Probe::Failed
                }
                // The key's slot has moved; a proxy has its own words. Neither is an illness.
                _ => Probe::Off,
            },
            _ => {
                check.evidence.push(self.good(capability, check.response.unwrap_or_default()));
                Probe::Passed
            }
        };
        check.probes[capability as usize] = probe;
    }

    fn good(&self, capability: Capability, response: Duration) -> Evidence {
        if response < self.late_from {
            return Evidence::Good(capability, Witness::Probe);
        }
        let detail =
            format!("{} ms; usual are less than {} ms", response.as_millis(), self.late_from.as_millis());
        Evidence::Late(capability, Reason::new(Cause::Slow, detail))
    }
}

fn refused(check: &mut Check, text: &str) {
    if let Some(cause) = Fault::classify(text).health_cause() {
        check.error.get_or_insert_with(|| text.into());
        check.evidence.push(Evidence::Refused(Reason::new(cause, text)));
    }
}

#[cfg(test)]
mod tests {
    use super::super::capability::CapabilityState;
    use super::super::machine::Machine;
    use super::super::standing::Standing;
    use super::super::track::Thresholds;
    use super::*;
    use crate::error::{ErrorKind, Outcome};
    use redis::Value;

    fn plan(writes: bool) -> Plan {
        let (ttl, late_from) = (Duration::from_secs(1), Duration::from_millis(100));
        Plan { key: "steadfast:health".into(), writes, ttl, late_from }
    }

    fn ok() -> Reply {
        Reply::Value(Value::Okay)
    }

    fn error(text: &str) -> Reply {
        Reply::Error(text.into())
    }

    fn role() -> Reply {
        Reply::Value(Value::Array(vec![Value::BulkString(b"master".to_vec())]))
    }

    /// The answers to a healthy check, with those from `place` on replaced.
    fn answers(changed: &[(usize, &str)]) -> Result<Answer> {
        let mut replies = vec![ok(), role(), ok(), ok(), ok(), ok()];
        changed.iter().for_each(|(place, text)| replies[*place] = error(text));
        Ok(Answer::Many(replies))
    }

    fn machine() -> Machine {
        let mut machine = Machine::new(Thresholds { failures: 2, successes: 2 });
        machine.standing = Standing { lanes: 1, role: Role::Primary, ..Standing::default() };
        machine
    }

    fn after(answer: &Result<Answer>, times: usize) -> Machine {
        let mut machine = machine();
        for _ in 0..times {
            let (check, _) = plan(true).read(answer, Duration::from_millis(1), 1);
            machine.checked(&check, 0);
        }
        machine
    }

    #[test]
    fn the_question_has_as_many_commands_as_it_says() {
        for writes in [false, true] {
            let (packed, count) = plan(writes).question();
            assert_eq!(packed.iter().filter(|byte| **byte == b'*').count(), count);
        }
    }

    #[test]
    fn a_healthy_server_passes_all_and_says_what_it_is() {
        let (check, role) = plan(true).read(&answers(&[]), Duration::from_millis(1), 7);
        assert_eq!(role, Some(Role::Primary));
        assert_eq!((check.error.clone(), check.at_ms), (None, 7));
        let passed = Probe::Passed;
        assert_eq!(check.probes, [passed, passed, passed, Probe::Off, passed]);
        assert!(after(&answers(&[]), 1).capabilities().is_healthy());
    }

    #[test]
    fn a_full_memory_is_seen_although_ping_is_answered() {
        let seen = after(&answers(&[(5, "OOM command not allowed")]), 1).capabilities();
        assert_eq!(seen.writes, CapabilityState::Down(Cause::OutOfMemory.into()));
        assert_eq!(seen.scripts, CapabilityState::Degraded(Cause::OutOfMemory.into()));
        assert_eq!(seen.reads, CapabilityState::Up);
    }

    #[test]
    fn what_our_user_may_not_do_is_not_known_and_not_ill() {
        let forbidden = "NOPERM this user has no permissions to run the 'set' command";
        let machine = after(&answers(&[(1, forbidden), (4, forbidden), (5, forbidden)]), 5);
        assert!(machine.capabilities().iter().all(|(_, state)| *state == CapabilityState::Up));
        let [.., writes, _, _, pub_sub] =
            [Probe::Off].into_iter().chain(machine.probes()).collect::<Vec<_>>()[..]
        else {
            panic!("six");
        };
        assert_eq!((writes, pub_sub), (Probe::Forbidden, Probe::Forbidden));
        assert_eq!(machine.checks.failures_in_a_row, 0);
    }

    #[test]
    fn silence_needs_its_threshold_and_an_answer_ends_it() {
        let late =
            Err(Error::new(ErrorKind::Timeout, "DEADLINE", Outcome::Ambiguous, "no reply within 1000 ms"));
        assert!(after(&late, 1).capabilities().is_healthy());
        let mut machine = after(&late, 2);
        assert!(machine.capabilities().iter().all(|(_, state)| state.is_down()));
        assert_eq!(machine.checks.failures_in_a_row, 2);
        for _ in 0..2 {
            let (check, _) = plan(false).read(&answers(&[]), Duration::from_millis(1), 1);
            machine.checked(&check, 0);
        }
        // Blocking has no probe of its own, and writes were not tried: that it answers is enough.
        assert!(machine.capabilities().is_healthy());
    }

    #[test]
    fn late_answers_are_degraded_by_the_usual() {
        let mut machine = machine();
        for _ in 0..2 {
            let (check, _) = plan(true).read(&answers(&[]), Duration::from_millis(150), 1);
            machine.checked(&check, 0);
        }
        let reason = machine.state(Capability::Reads);
        assert_eq!(reason.to_string(), "degraded: it answers late: 150 ms; usual are less than 100 ms");
    }

    #[test]
    fn a_key_is_found_in_any_slot() {
        for wanted in [0, 1, 8_000, 16_383] {
            let key = key_in("steadfast:health", wanted).expect("one in 16,384 fits");
            assert_eq!(slot(key.as_bytes()), wanted);
        }
        assert_eq!(key_in("{tag}", slot(b"tag") ^ 1), None, "the prefix decides");
    }
}
