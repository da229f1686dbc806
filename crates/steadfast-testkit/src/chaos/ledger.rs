//! What was sent, what was acknowledged, what came of it. Pure.

use crate::sign::Id;
use std::collections::BTreeMap;

/// What each message adds to its sender's order.
const PRICE: u64 = 120;

/// A reply as the fake Twilio got it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Reply {
    /// Which message it answers.
    pub(super) seq: u32,
    /// The order's sum after it.
    pub(super) total: u64,
}

impl Reply {
    /// Reads the two numbers from a reply's text.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let after = |mark: &str, end: char| {
            let (_, rest) = text.split_once(mark)?;
            Some(rest.split(end).next().unwrap_or(rest))
        };
        let seq = after("Deliver to: Gate ", '\n')?.trim().parse().ok()?;
        let total = after("*Total: NPR ", '*')?.replace(',', "").parse().ok()?;
        Some(Self { seq, total })
    }
}

#[derive(Debug, Default, Clone)]
struct Sender {
    sent: u32,
    acknowledged: u32,
    replies: Vec<Reply>,
    /// Replies that answer nothing we know.
    strange: u32,
}

/// All senders' messages. Each sends its next message only when the one before was acknowledged.
#[derive(Debug, Default)]
pub(super) struct Ledger {
    senders: BTreeMap<u32, Sender>,
    unknown_recipients: u64,
    acknowledged: u64,
    replied: u64,
}

/// The ledger's sums.
#[derive(Debug, Default, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Tally {
    /// Different messages posted at least once.
    pub sent: u64,
    /// Of these, answered 200.
    pub acknowledged: u64,
    /// Of the acknowledged, those with exactly one reply.
    pub handled_once: u64,
    /// Messages with more than one reply.
    pub handled_more_than_once: u64,
    /// Acknowledged and without a reply.
    pub without_reply: u64,
    /// Replies that came, or had their effect, after those of a later message of their sender.
    pub out_of_order: u64,
    /// Sums of orders that are missing or there twice: a message had no effect, or more than one.
    pub wrong_effects: u64,
    /// Replies to nobody we know, or that cannot be read.
    pub strange: u64,
}

/// Something that must not be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Offence {
    pub(super) id: Id,
    pub(super) what: &'static str,
}

impl Ledger {
    pub(super) fn sent(&mut self, id: Id) {
        let sender = self.senders.entry(id.sender).or_default();
        sender.sent = sender.sent.max(id.seq);
    }

    pub(super) fn acknowledged(&mut self, id: Id) {
        let sender = self.senders.entry(id.sender).or_default();
        sender.acknowledged = sender.acknowledged.max(id.seq);
        self.acknowledged += 1;
    }

    /// About how many acknowledged messages have no reply yet; exact while nothing goes wrong.
    pub(super) fn unanswered(&self) -> u64 {
        self.acknowledged.saturating_sub(self.replied)
    }

    /// Notes a reply; `None` for a text that is none of ours.
    pub(super) fn replied(&mut self, sender: Option<u32>, reply: Option<Reply>) {
        let Some(sender) = sender.and_then(|sender| self.senders.get_mut(&sender)) else {
            self.unknown_recipients += 1;
            return;
        };
        self.replied += 1;
        match reply {
            Some(reply) => sender.replies.push(reply),
            None => sender.strange += 1,
        }
    }

    /// Whether every acknowledged message has a reply.
    pub(super) fn all_answered(&self) -> bool {
        self.senders.values().all(|sender| sender.replies.len() >= sender.acknowledged as usize)
            && self.tally().0.without_reply == 0
    }

    /// The sums, and everything that must not be. An acknowledged message without a reply is among the offences:
    /// whether it is lost or undecided is for the node to say.
    pub(super) fn tally(&self) -> (Tally, Vec<Offence>) {
        let mut tally = Tally { strange: self.unknown_recipients, ..Tally::default() };
        let mut offences = Vec::new();
        for (&number, sender) in &self.senders {
            sender.add_to(number, &mut tally, &mut offences);
        }
        (tally, offences)
    }
}

impl Sender {
    fn add_to(&self, number: u32, tally: &mut Tally, offences: &mut Vec<Offence>) {
        let mut note = |count: &mut u64, seq, what| {
            *count += 1;
            offences.push(Offence { id: Id { sender: number, seq }, what });
        };
        tally.sent += u64::from(self.sent);
        tally.acknowledged += u64::from(self.acknowledged);
        for _ in 0..self.strange {
            note(&mut tally.strange, 0, "strange");
        }
        let mut counts = vec![0_u32; self.sent as usize + 1];
        let mut highest = Reply { seq: 0, total: 0 };
        for reply in &self.replies {
            let Some(count) = counts.get_mut(reply.seq as usize).filter(|_| reply.seq > 0) else {
                note(&mut tally.strange, reply.seq, "never sent");
                continue;
            };
            *count += 1;
            if reply.seq < highest.seq || reply.total < highest.total {
                note(&mut tally.out_of_order, reply.seq, "out of order");
            }
            highest = Reply { seq: highest.seq.max(reply.seq), total: highest.total.max(reply.total) };
        }
        // Each message adds the same to its sender's order: so many messages, so many different sums. Where a reply
        // is missing its sum is too, and that is counted below.
        let whole = counts.iter().skip(1).all(|count| *count > 0);
        let mut replies = self.replies.clone();
        replies.sort_unstable_by_key(|reply| reply.total);
        replies.dedup_by_key(|reply| reply.seq);
        for (reply, count) in replies.iter().zip(1..).filter(|_| whole) {
            if reply.total != count * PRICE {
                note(&mut tally.wrong_effects, reply.seq, "wrong effect");
            }
        }
        for seq in 1..=self.sent {
            match counts[seq as usize] {
                0 if seq <= self.acknowledged => note(&mut tally.without_reply, seq, "no reply"),
                0 => {}
                1 => tally.handled_once += 1,
                _ => note(&mut tally.handled_more_than_once, seq, "more than one reply"),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ledger(acknowledged: u32, replies: &[(u32, u64)]) -> Ledger {
        let mut ledger = Ledger::default();
        for seq in 1..=acknowledged {
            ledger.sent(Id { sender: 3, seq });
            ledger.acknowledged(Id { sender: 3, seq });
        }
        for &(seq, total) in replies {
            ledger.replied(Some(3), Some(Reply { seq, total }));
        }
        ledger
    }

    #[test]
    fn a_good_run_has_no_offences() {
        let ledger = ledger(3, &[(1, 120), (2, 240), (3, 360)]);
        let (tally, offences) = ledger.tally();
        assert_eq!(tally, Tally { sent: 3, acknowledged: 3, handled_once: 3, ..Tally::default() });
        assert!(offences.is_empty() && ledger.all_answered());
    }

    #[test]
    fn each_breach_is_counted_and_named() {
        let lost = ledger(3, &[(1, 120), (3, 360)]);
        assert!(!lost.all_answered());
        assert_eq!(lost.tally().1, [Offence { id: Id { sender: 3, seq: 2 }, what: "no reply" }]);
        // Doubled, and not hidden by another one that is lost.
        let doubled = ledger(3, &[(1, 120), (2, 240), (2, 240)]);
        let (tally, _) = doubled.tally();
        assert_eq!((tally.handled_more_than_once, tally.without_reply, tally.handled_once), (1, 1, 1));
        assert!(!doubled.all_answered());
        assert_eq!(ledger(2, &[(2, 240), (1, 120)]).tally().0.out_of_order, 1);
        assert_eq!(ledger(2, &[(2, 120), (1, 240)]).tally().0.out_of_order, 1);
        assert_eq!(ledger(2, &[(1, 120), (2, 360)]).tally().0.wrong_effects, 1);
        assert_eq!(ledger(2, &[(1, 120), (2, 120)]).tally().0.wrong_effects, 1);
        // A dead letter that an operator brought back comes late, and everything adds up.
        let late = ledger(3, &[(1, 120), (3, 240), (2, 360)]).tally().0;
        assert_eq!((late.wrong_effects, late.handled_once), (0, 3));
        assert_eq!(ledger(1, &[(1, 120), (9, 1_080)]).tally().0.strange, 1);
    }

    #[test]
    fn a_reply_is_read() {
        let text = "📍 Address noted.\n\n*Your order* (version 2)\n12 x Rice (1kg) – NPR 1,440\n\
                    *Total: NPR 1,440*\nDeliver to: Gate 12\n\nReply *yes* to place the order";
        assert_eq!(Reply::parse(text), Some(Reply { seq: 12, total: 1_440 }));
        assert_eq!(Reply::parse("Hello!"), None);
    }
}
