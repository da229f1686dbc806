//! All messages in the order in which they came, within bounds, and found without a search.
//!
//! The ring holds messages by sequence number. Every index holds sequence numbers in rising order, so the oldest
//! message is also the front of each index it is in: dropping it costs the same however many there are.

use crate::config::WindowRule;
use crate::message::{Direction, Message, Status, WebhookMark};
use crate::sid::Sid;
use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::Arc;

const DAY_MS: i64 = 24 * 60 * 60 * 1_000;

#[derive(Debug)]
pub(crate) struct Store {
    ring: VecDeque<Message>,
    first_seq: u64,
    by_sid: HashMap<Sid, u64>,
    chats: HashMap<Arc<str>, Chat>,
    /// Chats by their newest message.
    recent: BTreeMap<u64, Arc<str>>,
    inbound: VecDeque<u64>,
    outbound: VecDeque<u64>,
    bytes: usize,
    dropped: u64,
    messages_max: usize,
    bytes_max: usize,
}

/// What is known of one person.
#[derive(Debug, Default)]
struct Chat {
    seqs: VecDeque<u64>,
    last_inbound_ms: Option<i64>,
    /// Set by a test or from the chat page: overrules the 24 hours until the person writes again.
    window_closed: bool,
}

/// What to list, newest first.
#[derive(Debug, Default, Clone)]
pub(crate) struct ListQuery {
    pub(crate) to: Option<String>,
    pub(crate) from: Option<String>,
    /// First second listed.
    pub(crate) from_s: Option<i64>,
    /// Last second listed.
    pub(crate) to_s: Option<i64>,
    /// Only messages older than this one.
    pub(crate) older_than: Option<u64>,
    /// Only messages made by then.
    pub(crate) made_by_ms: Option<i64>,
    pub(crate) limit: usize,
}

/// Counts for `/fake/stats`.
#[derive(Debug, Clone, Copy, serde::Serialize)]
pub(crate) struct StoreStats {
    messages: usize,
    message_bytes: usize,
    messages_dropped: u64,
    chats: usize,
}

impl Store {
    pub(crate) fn new(messages_max: usize, bytes_max: usize) -> Self {
        Self {
            ring: VecDeque::new(),
            first_seq: 1,
            by_sid: HashMap::new(),
            chats: HashMap::new(),
            recent: BTreeMap::new(),
            inbound: VecDeque::new(),
            outbound: VecDeque::new(),
            bytes: 0,
            dropped: 0,
            messages_max: messages_max.max(1),
            bytes_max,
        }
    }

    /// The address, shared with the messages that have it already.
    pub(crate) fn intern(&self, address: &str) -> Arc<str> {
        self.chats.get_key_value(address).map_or_else(|| Arc::from(address), |(known, _)| Arc::clone(known))
    }

    /// Adds a message and says which sequence number it got. May drop the oldest.
    pub(crate) fn push(&mut self, mut message: Message) -> u64 {
        let seq = self.first_seq + self.ring.len() as u64;
        message.seq = seq;
        self.by_sid.insert(message.sid, seq);
        let chat = self.chats.entry(Arc::clone(&message.customer)).or_default();
        if let Some(newest) = chat.seqs.back() {
            self.recent.remove(newest);
        }
        chat.seqs.push_back(seq);
        self.recent.insert(seq, Arc::clone(&message.customer));
        if message.direction == Direction::Inbound {
            chat.last_inbound_ms = Some(message.created_ms);
            chat.window_closed = false;
            self.inbound.push_back(seq);
        } else {
            self.outbound.push_back(seq);
        }
        self.bytes += message.text_bytes();
        self.ring.push_back(message);
        while self.ring.len() > self.messages_max || (self.bytes > self.bytes_max && self.ring.len() > 1) {
            self.drop_oldest();
        }
        seq
    }

    fn drop_oldest(&mut self) {
        let Some(message) = self.ring.pop_front() else { return };
        self.first_seq += 1;
        self.dropped += 1;
        self.bytes -= message.text_bytes();
        self.by_sid.remove(&message.sid);
        let of_direction =
            if message.direction == Direction::Inbound { &mut self.inbound } else { &mut self.outbound };
        of_direction.pop_front();
        if let Some(chat) = self.chats.get_mut(&message.customer) {
            chat.seqs.pop_front();
            if chat.seqs.is_empty() {
                self.chats.remove(&message.customer);
                self.recent.remove(&message.seq);
            }
        }
    }

    /// Forgets everything; sequence numbers go on, so that a reader's place stays valid.
    pub(crate) fn clear(&mut self) {
        let next = self.first_seq + self.ring.len() as u64;
        *self = Self { first_seq: next, ..Self::new(self.messages_max, self.bytes_max) };
    }

    pub(crate) fn get(&self, seq: u64) -> Option<&Message> {
        let at = usize::try_from(seq.checked_sub(self.first_seq)?).ok()?;
        self.ring.get(at)
    }

    fn get_mut(&mut self, seq: u64) -> Option<&mut Message> {
        let at = usize::try_from(seq.checked_sub(self.first_seq)?).ok()?;
        self.ring.get_mut(at)
    }

    pub(crate) fn seq_of(&self, sid: Sid) -> Option<u64> {
        self.by_sid.get(&sid).copied()
    }

    /// Moves a message on; `None` if it is gone or already past that.
    pub(crate) fn advance(
        &mut self,
        seq: u64,
        to: Status,
        error: Option<u32>,
        now_ms: i64,
    ) -> Option<&Message> {
        let message = self.get_mut(seq)?;
        if !to.follows(message.status) {
            return None;
        }
        message.status = to;
        message.error = error;
        message.updated_ms = now_ms;
        if message.sent_ms.is_none() {
            message.sent_ms = Some(now_ms);
        }
        Some(message)
    }

    /// Notes how an inbound message's webhook went.
    pub(crate) fn mark_webhook(&mut self, seq: u64, mark: WebhookMark) -> Option<&Message> {
        let message = self.get_mut(seq)?;
        message.webhook = Some(mark);
        Some(message)
    }

    /// Whether free text may go to this person now.
    pub(crate) fn window_open(&self, customer: &str, rule: WindowRule, now_ms: i64) -> bool {
        let chat = self.chats.get(customer);
        if chat.is_some_and(|chat| chat.window_closed) {
            return false;
        }
        match (rule, chat.and_then(|chat| chat.last_inbound_ms)) {
            (WindowRule::Off, _) | (WindowRule::Known, None) => true,
            (WindowRule::Strict, None) => false,
            (_, Some(last_ms)) => now_ms.saturating_sub(last_ms) < DAY_MS,
        }
    }

    /// Shuts or opens a person's window by hand; false if nobody ever heard of them.
    pub(crate) fn set_window_closed(&mut self, customer: &str, closed: bool) -> bool {
        let Some(chat) = self.chats.get_mut(customer) else { return false };
        chat.window_closed = closed;
        true
    }

    /// The newest messages that fit, and whether older ones would too.
    pub(crate) fn list(&self, query: &ListQuery, ours: &str) -> (Vec<Message>, bool) {
        let mut fitting = self
            .candidates(query, ours)
            .filter_map(|seq| self.get(seq))
            .filter(|message| query.fits(message));
        let page: Vec<Message> = fitting.by_ref().take(query.limit).cloned().collect();
        let more = fitting.next().is_some();
        (page, more)
    }

    /// The narrowest index that holds all that fits, newest first.
    fn candidates<'a>(&'a self, query: &'a ListQuery, ours: &str) -> Box<dyn Iterator<Item = u64> + 'a> {
        let named = [query.to.as_deref(), query.from.as_deref()];
        let below = query.older_than.unwrap_or(u64::MAX);
        let index = if let Some(customer) = named.into_iter().flatten().find(|address| *address != ours) {
            match self.chats.get(customer) {
                Some(chat) => &chat.seqs,
                None => return Box::new(std::iter::empty()),
            }
        } else if query.to.is_some() {
            &self.inbound
        } else if query.from.is_some() {
            &self.outbound
        } else {
            let end = below.min(self.first_seq + self.ring.len() as u64);
            return Box::new((self.first_seq..end.max(self.first_seq)).rev());
        };
        let end = index.partition_point(|seq| *seq < below);
        Box::new(index.range(..end).rev().copied())
    }

    /// Outbound messages after `after`, oldest first, at most `limit`; to one person or to all.
    pub(crate) fn outbound_after(&self, to: Option<&str>, after: u64, limit: usize) -> Vec<&Message> {
        let seqs = match to {
            Some(customer) => match self.chats.get(customer) {
                Some(chat) => &chat.seqs,
                None => return Vec::new(),
            },
            None => &self.outbound,
        };
        let start = seqs.partition_point(|seq| *seq <= after);
        seqs.range(start..)
            .filter_map(|seq| self.get(*seq))
            .filter(|message| message.direction != Direction::Inbound)
            .take(limit)
            .collect()
    }

    /// The last `limit` messages of one chat, oldest first.
    pub(crate) fn chat(&self, customer: &str, limit: usize) -> Vec<&Message> {
        let Some(chat) = self.chats.get(customer) else { return Vec::new() };
        let start = chat.seqs.len().saturating_sub(limit);
        chat.seqs.range(start..).filter_map(|seq| self.get(*seq)).collect()
    }

    /// The newest message of each of the `limit` liveliest chats, newest first.
    pub(crate) fn recent(&self, limit: usize) -> Vec<&Message> {
        self.recent.keys().rev().take(limit).filter_map(|seq| self.get(*seq)).collect()
    }

    /// Delivered messages of one chat that were not read, oldest first. Looks at the last 200.
    pub(crate) fn unread(&self, customer: &str) -> Vec<u64> {
        let delivered = |message: &&Message| message.status == Status::Delivered;
        self.chat(customer, 200).into_iter().filter(delivered).map(|message| message.seq).collect()
    }

    pub(crate) fn stats(&self) -> StoreStats {
        StoreStats {
            messages: self.ring.len(),
            message_bytes: self.bytes,
            messages_dropped: self.dropped,
            chats: self.chats.len(),
        }
    }
}

impl ListQuery {
    fn fits(&self, message: &Message) -> bool {
        let second = message.listed_s();
        self.to.as_deref().is_none_or(|to| message.to() == to)
            && self.from.as_deref().is_none_or(|from| message.from() == from)
            && self.from_s.is_none_or(|from_s| second >= from_s)
            && self.to_s.is_none_or(|to_s| second <= to_s)
            && self.made_by_ms.is_none_or(|by_ms| message.created_ms <= by_ms)
    }
}

#[cfg(test)]
#[path = "store_tests.rs"]
mod tests;
