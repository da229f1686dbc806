//! What open chat pages hear of.

use crate::message::Message;
use crate::weblog::Record;
use serde_json::json;
use std::sync::Arc;
use tokio::sync::broadcast;

/// Events kept for a slow listener; one that falls further behind is told to look again from the start.
const EVENTS_MAX: usize = 1_024;

/// One event of the stream: its name and its JSON.
#[derive(Debug, Clone)]
pub(crate) struct Event {
    pub(crate) name: &'static str,
    pub(crate) data: Arc<str>,
}

#[derive(Debug)]
pub(crate) struct Events(broadcast::Sender<Event>);

impl Events {
    pub(crate) fn new() -> Self {
        Self(broadcast::Sender::new(EVENTS_MAX))
    }

    pub(crate) fn subscribe(&self) -> broadcast::Receiver<Event> {
        self.0.subscribe()
    }

    pub(crate) fn listeners(&self) -> usize {
        self.0.receiver_count()
    }

    /// A message is new or changed.
    pub(crate) fn message(&self, message: &Message) {
        self.send("message", || message.to_fake().to_string());
    }

    /// A webhook was delivered, or was not.
    pub(crate) fn webhook(&self, record: &Record) {
        self.send("webhook", || json!(record).to_string());
    }

    /// Something about one customer that no message shows.
    pub(crate) fn note(&self, number: &str, text: &str) {
        self.send("note", || json!({ "number": number, "text": text }).to_string());
    }

    /// Everything was forgotten.
    pub(crate) fn reset(&self) {
        self.send("reset", || "{}".to_owned());
    }

    fn send(&self, name: &'static str, data: impl FnOnce() -> String) {
        // Under load nobody looks on, and nothing is composed for nobody.
        if self.0.receiver_count() > 0 {
            // An error means that the last listener left just now.
            let _ = self.0.send(Event { name, data: data().into() });
        }
    }
}
