//! What may become of a reply. Pure: no storage, no clock. This file alone decides how an outbox entry
//! moves; the SQL around it only loads and stores.
//!
//! The one promise: a reply of which a send may have happened is never sent again without evidence that
//! it did not. A doubt can therefore arise from every side, and only evidence removes it.

use steadfast_core::message::{MessageSid, StatusCallback};
use steadfast_core::outbox::{OutboxState, SendRecord};
use steadfast_core::status::DeliveryStatus;

/// The longest hold of a claim, in milliseconds: an hour. A claim is for one send, which has a deadline.
const HOLD_MS_MAX: i64 = 3_600_000;

/// How far an outbox entry has come.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Progress {
    pub(crate) state: OutboxState,
    pub(crate) sid: Option<MessageSid>,
    pub(crate) delivery: Option<DeliveryStatus>,
    pub(crate) error_code: Option<u32>,
    /// Why it failed or was suppressed.
    pub(crate) reason: Option<String>,
    /// The running claim: from, until.
    pub(crate) claim: Option<(i64, i64)>,
    pub(crate) first_try_ms: Option<i64>,
    /// Reads of Twilio's list since the entry became ambiguous that did not show it.
    pub(crate) absent_reads: u32,
    /// Claims that ran out without a word. Each of their holders may still wake up and speak.
    pub(crate) lost_claims: u32,
    pub(crate) created_ms: i64,
}

/// A line for the timeline.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Note {
    pub(crate) stage: String,
    pub(crate) detail: String,
    /// Written once per entry, however often it is said.
    pub(crate) once: bool,
}

/// What a claim yields.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    Granted,
    Ambiguous,
    Held { for_ms: i64 },
    Settled(OutboxState),
}

fn note(stage: &str, detail: impl Into<String>) -> Note {
    Note { stage: stage.to_owned(), detail: detail.into(), once: false }
}

impl Progress {
    /// Takes the entry for sending, for `hold_ms` from `now_ms` on.
    pub(crate) fn take(&mut self, now_ms: i64, hold_ms: i64, notes: &mut Vec<Note>) -> Verdict {
        match self.state {
            OutboxState::Pending => {
                self.state = OutboxState::Sending;
                self.claim = Some((now_ms, now_ms.saturating_add(hold_ms.clamp(1, HOLD_MS_MAX))));
                self.first_try_ms.get_or_insert(now_ms);
                Verdict::Granted
            }
            OutboxState::Sending => self.look_at_claim(now_ms, notes),
            OutboxState::Ambiguous => {
                // A first try that lies ahead was made before the clock was set back. What is waited for since
                // then is waited for from now on, instead of until the clock is there again.
                self.first_try_ms = self.first_try_ms.map(|first_ms| first_ms.min(now_ms));
                Verdict::Ambiguous
            }
            settled => Verdict::Settled(settled),
        }
    }

    fn look_at_claim(&mut self, now_ms: i64, notes: &mut Vec<Note>) -> Verdict {
        match self.claim {
            // Seen before its own beginning: the clock was set back. It gets its full time from now on,
            // instead of holding the entry for as long as the clock went back.
            Some((from, until)) if now_ms < from => {
                let hold_ms = until.saturating_sub(from);
                self.claim = Some((now_ms, now_ms.saturating_add(hold_ms)));
                Verdict::Held { for_ms: hold_ms }
            }
            Some((_, until)) if now_ms < until => Verdict::Held { for_ms: until - now_ms },
            _ => {
                self.lost_claims = self.lost_claims.saturating_add(1);
                self.doubt();
                notes.push(note("ambiguous", "a send was begun and never reported"));
                Verdict::Ambiguous
            }
        }
    }

    fn doubt(&mut self) {
        self.state = OutboxState::Ambiguous;
        self.claim = None;
        self.absent_reads = 0;
        // A send reported after its entry was cleared began at an unknown time, but not before the entry.
        self.first_try_ms.get_or_insert(self.created_ms);
    }

    fn settle(&mut self, state: OutboxState) {
        self.state = state;
        self.claim = None;
    }

    /// Records what a sender or a resolver reports. `Err` says what contradicts the record; the notes
    /// stand all the same.
    pub(crate) fn report(&mut self, outcome: &SendRecord, notes: &mut Vec<Note>) -> Result<(), String> {
        if self.state.is_settled() {
            return self.report_on_settled(outcome, notes);
        }
        match outcome {
            SendRecord::Sent { sid } => {
                self.sid = Some(sid.clone());
                self.settle(OutboxState::Sent);
                notes.push(note("sent", format!("accepted as {sid}")));
            }
            SendRecord::NotSent => self.report_not_sent(notes),
            SendRecord::Ambiguous => {
                if self.state != OutboxState::Ambiguous {
                    self.doubt();
                    notes.push(note("ambiguous", "the send ended without a usable answer"));
                }
            }
            SendRecord::AbsentFromList => {
                if self.state == OutboxState::Ambiguous {
                    self.absent_reads = self.absent_reads.saturating_add(1);
                    notes.push(note("searched", "not in the list of sent messages"));
                }
            }
            SendRecord::Failed { error_code } => {
                self.error_code = error_code.or(self.error_code);
                self.settle(OutboxState::Failed);
                notes.push(note("failed", with_code("it will not be sent", *error_code)));
            }
            SendRecord::Suppressed { reason } => {
                self.reason = Some((*reason).to_owned());
                self.settle(OutboxState::Suppressed);
                notes.push(note("suppressed", *reason));
            }
            SendRecord::Reopened => {}
        }
        Ok(())
    }

    /// "Nothing was sent" is the one report that allows another send, so it must come from somebody who
    /// knows. The holder of the only claim does. Once a claim was lost there may be two senders, and
    /// neither speaks for the other: then only a search that did not find the message is evidence.
    fn report_not_sent(&mut self, notes: &mut Vec<Note>) {
        if self.lost_claims > 0 && self.absent_reads == 0 {
            if self.state == OutboxState::Sending {
                self.doubt();
                notes.push(note("ambiguous", "not sent by one of two senders"));
            }
            return;
        }
        self.state = OutboxState::Pending;
        self.claim = None;
        self.first_try_ms = None;
        self.absent_reads = 0;
        notes.push(note("not_sent", "nothing went out; it will be tried again"));
    }

    /// A failed entry was refused, so nothing of it went out; unless a claim was lost before, whose holder
    /// may have sent it: then it is looked up first, like every send in doubt.
    fn reopen(&mut self, notes: &mut Vec<Note>) {
        notes.push(note("reopened", "an operator wants it tried again"));
        self.error_code = None;
        self.reason = None;
        if self.lost_claims > 0 {
            self.doubt();
        } else {
            self.state = OutboxState::Pending;
            self.first_try_ms = None;
        }
    }

    fn report_on_settled(&mut self, outcome: &SendRecord, notes: &mut Vec<Note>) -> Result<(), String> {
        if *outcome == SendRecord::Reopened && self.state == OutboxState::Failed && self.sid.is_none() {
            self.reopen(notes);
        }
        let SendRecord::Sent { sid } = outcome else {
            return Ok(());
        };
        match &self.sid {
            Some(known) if known == sid => Ok(()),
            Some(known) => {
                notes.push(note("sent_twice", format!("sent as {known}, and again as {sid}")));
                Err(format!("a reply that went out as {known} also went out as {sid}"))
            }
            None => {
                self.sid = Some(sid.clone());
                let state = self.state.as_str();
                notes.push(note("sent_late", format!("accepted as {sid} after it was {state}")));
                Ok(())
            }
        }
    }

    /// Follows a status callback that belongs to this entry. Says whether anything moved.
    pub(crate) fn observe(&mut self, callback: &StatusCallback, notes: &mut Vec<Note>) -> bool {
        let mut moved = false;
        match &self.sid {
            Some(known) if *known != callback.sid => {
                let detail = format!("sent as {known}, and again as {}", callback.sid);
                notes.push(Note { stage: "sent_twice".to_owned(), detail, once: true });
                return false;
            }
            Some(_) => {}
            None => {
                let stage = if self.state.is_settled() { "sent_late" } else { "sent" };
                notes.push(note(stage, format!("a status callback proves it went out as {}", callback.sid)));
                self.sid = Some(callback.sid.clone());
                if !self.state.is_settled() {
                    self.settle(OutboxState::Sent);
                }
                moved = true;
            }
        }
        self.follow(&callback.status, callback.error_code, notes) || moved
    }

    /// Moves the delivery status by Twilio's word for it, never backwards.
    pub(crate) fn follow(&mut self, word: &str, error_code: Option<u32>, notes: &mut Vec<Note>) -> bool {
        let Some(next) = DeliveryStatus::parse(word) else {
            let detail = "a status this version does not know".to_owned();
            notes.push(Note { stage: plain_word(word), detail, once: true });
            return false;
        };
        let Some(moved) = DeliveryStatus::advance(self.delivery, next) else {
            if self.delivery == Some(next) && self.error_code.is_none() {
                self.error_code = error_code;
            }
            return false;
        };
        self.delivery = Some(moved);
        self.error_code = error_code.or(self.error_code);
        notes.push(note(moved.as_str(), with_code("status callback", error_code)));
        true
    }
}

fn with_code(text: &str, code: Option<u32>) -> String {
    code.map_or_else(|| text.to_owned(), |code| format!("{text}, error {code}"))
}

/// A word from outside, fit to be a stage.
fn plain_word(word: &str) -> String {
    let mut plain: String =
        word.chars().filter(|letter| letter.is_ascii_alphanumeric() || *letter == '_').take(40).collect();
    if plain.is_empty() {
        plain.push_str("unknown_status");
    }
    plain
}

#[cfg(test)]
#[path = "progress_tests.rs"]
mod tests;
