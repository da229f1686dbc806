//! Failures on request: by the last digits of the recipient, for one recipient, or for the next creates.

use crate::number;
use serde::{Deserialize, Serialize};
use std::collections::{HashMap, VecDeque};
use std::time::Duration;

/// Scripts kept at once, and numbers whose transient failures are counted.
const SCRIPTS_MAX: usize = 10_000;

/// How one create is treated.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Behaviour {
    /// As Twilio on a good day; also overrules a number's suffix.
    Ok,
    /// 429 with code 20429; nothing is accepted.
    TooManyRequests,
    /// 500 with an HTML page; nothing is accepted, but a client cannot know.
    ServerError,
    /// Accepted, then the connection is closed without an answer.
    LostAnswer,
    /// Accepted, then the answer is held back beyond the client's patience.
    SlowAnswer,
    /// The connection is closed before anything is accepted.
    LostRequest,
    /// 400 with code 21610: the person said STOP.
    OptedOut,
    /// Accepted, then failed with 63016: outside the 24-hour window.
    WindowClosed,
    /// Accepted, then undelivered with 63024: no such WhatsApp user.
    Unreachable,
    /// Accepted, then undelivered with 63014: the person blocked the sender.
    Blocked,
    /// 401 with code 20003, whatever the credentials.
    AuthError,
    /// 400 with code 21611: the sender's queue is full.
    QueueFull,
    /// 429 with code 63038: the account's daily limit.
    DailyLimit,
    /// Accepted, and stays `queued`: no callback ever comes.
    Stuck,
}

/// The scripted numbers: last four digits, behaviour, whether it passes after a few times, and what to say about it.
pub(crate) const SUFFIXES: [(&str, Behaviour, bool, &str); 14] = [
    ("0429", Behaviour::TooManyRequests, true, "429 with code 20429, twice, then accepted"),
    ("0500", Behaviour::ServerError, false, "500 with an HTML page, every time; nothing accepted"),
    ("0503", Behaviour::LostAnswer, false, "accepted, then the connection is closed without an answer"),
    ("0504", Behaviour::SlowAnswer, false, "accepted, then the answer comes too late"),
    ("0505", Behaviour::LostRequest, true, "connection closed before accepting, twice, then accepted"),
    ("0610", Behaviour::OptedOut, false, "400 with code 21610: the person said STOP"),
    ("0611", Behaviour::QueueFull, false, "400 with code 21611: the sender's queue is full"),
    ("0016", Behaviour::WindowClosed, false, "accepted, then failed with 63016: outside the 24-hour window"),
    ("0024", Behaviour::Unreachable, false, "accepted, then undelivered with 63024: not on WhatsApp"),
    ("0014", Behaviour::Blocked, false, "accepted, then undelivered with 63014: blocked by the person"),
    ("0020", Behaviour::AuthError, false, "401 with code 20003: wrong credentials"),
    ("0038", Behaviour::DailyLimit, false, "429 with code 63038: the account's daily limit"),
    ("0099", Behaviour::Stuck, false, "accepted, stays queued for ever"),
    ("0200", Behaviour::Ok, false, "accepted, delivered"),
];

/// One script as set through the API.
#[derive(Debug, Clone, Serialize)]
struct Script {
    behaviour: Behaviour,
    /// How many more creates it covers; `None`: until it is taken back.
    #[serde(skip_serializing_if = "Option::is_none")]
    times_left: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    latency_ms: Option<u64>,
}

/// What a create is to meet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Verdict {
    pub(crate) behaviour: Behaviour,
    pub(crate) latency: Option<Duration>,
}

/// Why a script was not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("there are {SCRIPTS_MAX} scripts already: take some back with DELETE /fake/script")]
pub(crate) struct TooManyScripts;

/// All scripts. First come those for the recipient, then those for the next creates, then the suffix.
#[derive(Debug, Default)]
pub(crate) struct ScriptBook {
    by_recipient: HashMap<String, Script>,
    next: VecDeque<Script>,
    /// How often a transient suffix failed for a number.
    failed: HashMap<String, u32>,
}

impl ScriptBook {
    /// What the next create to `to` meets. Counts it.
    pub(crate) fn decide(&mut self, to: &str, transient_failures: u32) -> Verdict {
        if let Some(script) = self.by_recipient.get_mut(to) {
            let verdict = script.verdict();
            if script.used_up() {
                self.by_recipient.remove(to);
            }
            return verdict;
        }
        if let Some(script) = self.next.front_mut() {
            let verdict = script.verdict();
            if script.used_up() {
                self.next.pop_front();
            }
            return verdict;
        }
        Verdict { behaviour: self.by_number(to, transient_failures), latency: None }
    }

    fn by_number(&mut self, to: &str, transient_failures: u32) -> Behaviour {
        let Some(digits) = number::script_digits(to) else { return Behaviour::Ok };
        let Some((_, behaviour, transient, _)) = SUFFIXES.iter().find(|(known, ..)| *known == digits) else {
            return Behaviour::Ok;
        };
        if !transient {
            return *behaviour;
        }
        if self.failed.len() >= SCRIPTS_MAX && !self.failed.contains_key(to) {
            // Which numbers failed how often is only kept for so many: start over rather than grow.
            self.failed.clear();
        }
        let failed = self.failed.entry(to.to_owned()).or_default();
        if *failed >= transient_failures {
            return Behaviour::Ok;
        }
        *failed += 1;
        *behaviour
    }

    /// Sets the script for one recipient, for `times` creates or until taken back.
    pub(crate) fn set_for(
        &mut self,
        to: &str,
        behaviour: Behaviour,
        times: Option<u32>,
        latency_ms: Option<u64>,
    ) -> Result<(), TooManyScripts> {
        if times == Some(0) {
            self.by_recipient.remove(to);
            return Ok(());
        }
        if self.by_recipient.len() >= SCRIPTS_MAX && !self.by_recipient.contains_key(to) {
            return Err(TooManyScripts);
        }
        self.by_recipient.insert(to.to_owned(), Script { behaviour, times_left: times, latency_ms });
        Ok(())
    }

    /// Adds a script for the next `times` creates that no recipient's script covers.
    pub(crate) fn add_next(
        &mut self,
        behaviour: Behaviour,
        times: Option<u32>,
        latency_ms: Option<u64>,
    ) -> Result<(), TooManyScripts> {
        if times == Some(0) {
            return Ok(());
        }
        if self.next.len() >= SCRIPTS_MAX {
            return Err(TooManyScripts);
        }
        self.next.push_back(Script { behaviour, times_left: times, latency_ms });
        Ok(())
    }

    /// Takes back the scripts of one recipient, or all there are; suffixes start counting afresh.
    pub(crate) fn clear(&mut self, to: Option<&str>) {
        match to {
            Some(to) => {
                self.by_recipient.remove(to);
                self.failed.remove(to);
            }
            None => *self = Self::default(),
        }
    }

    /// What is set, for `GET /fake/script`.
    pub(crate) fn to_json(&self) -> serde_json::Value {
        serde_json::json!({ "by_recipient": &self.by_recipient, "next": &self.next })
    }

    /// The behaviour set for one recipient, for the chat page.
    pub(crate) fn set_behaviour(&self, to: &str) -> Option<Behaviour> {
        self.by_recipient.get(to).map(|script| script.behaviour)
    }
}

impl Script {
    fn verdict(&self) -> Verdict {
        Verdict { behaviour: self.behaviour, latency: self.latency_ms.map(Duration::from_millis) }
    }

    /// Counts one use; true when it was the last.
    fn used_up(&mut self) -> bool {
        match &mut self.times_left {
            Some(left) => {
                *left = left.saturating_sub(1);
                *left == 0
            }
            None => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLAIN: &str = "whatsapp:+9779800000001";

    #[test]
    fn a_transient_suffix_passes_and_a_lasting_one_does_not() {
        let mut book = ScriptBook::default();
        let mut met = |to: &str| book.decide(to, 2).behaviour;
        let first: Vec<Behaviour> = (0..3).map(|_| met("whatsapp:+15005550429")).collect();
        assert_eq!(first, [Behaviour::TooManyRequests, Behaviour::TooManyRequests, Behaviour::Ok]);
        let second: Vec<Behaviour> = (0..3).map(|_| met("whatsapp:+15005550503")).collect();
        assert_eq!(second, [Behaviour::LostAnswer; 3]);
        assert_eq!(met(PLAIN), Behaviour::Ok);
        assert_eq!(met("whatsapp:+9779800000503"), Behaviour::Ok);
    }

    #[test]
    fn recipient_before_next_before_suffix() {
        let mut book = ScriptBook::default();
        book.add_next(Behaviour::LostAnswer, Some(2), Some(5)).expect("room");
        book.set_for("whatsapp:+15005550610", Behaviour::Ok, Some(1), None).expect("room");
        assert_eq!(book.decide("whatsapp:+15005550610", 2).behaviour, Behaviour::Ok);
        let second = book.decide("whatsapp:+15005550610", 2);
        assert_eq!(second.behaviour, Behaviour::LostAnswer);
        assert_eq!(second.latency, Some(Duration::from_millis(5)));
        assert_eq!(book.decide(PLAIN, 2).behaviour, Behaviour::LostAnswer);
        assert_eq!(book.decide("whatsapp:+15005550610", 2).behaviour, Behaviour::OptedOut);
    }

    #[test]
    fn scripts_are_bounded() {
        let mut book = ScriptBook::default();
        for at in 0..SCRIPTS_MAX {
            book.set_for(&format!("whatsapp:+{at}"), Behaviour::Ok, None, None).expect("room");
        }
        assert_eq!(book.set_for(PLAIN, Behaviour::Ok, None, None), Err(TooManyScripts));
        book.clear(None);
        assert_eq!(book.set_for(PLAIN, Behaviour::Ok, None, None), Ok(()));
    }
}
