//! One line for every call that changes something: who did what to how much, and how it ended.

use crate::guard::Caller;
use axum::response::Response;
use std::borrow::Cow;
use tracing::info;

/// What a handler tells the audit log about its call, as an extension of its answer.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Affected {
    /// Jobs named in the call; 0 where it named none.
    pub(crate) asked: usize,
    /// Jobs (or queues) changed.
    pub(crate) changed: u64,
}

/// An open entry. It is written when it is dropped, whatever happens to the call: a caller who hangs up
/// half-way may have changed something.
#[derive(Debug)]
pub(crate) struct Entry {
    caller: Caller,
    action: &'static str,
    target: String,
    affected: Affected,
    outcome: Cow<'static, str>,
}

impl Entry {
    /// Opens an entry. `target` is the path: it names a queue or a job, never a person.
    pub(crate) fn open(caller: Caller, action: &'static str, target: String) -> Self {
        let outcome = Cow::Borrowed("abandoned by the caller; it may have happened");
        Self { caller, action, target, affected: Affected::default(), outcome }
    }

    /// Closes it with the answer given.
    pub(crate) fn close(mut self, response: &Response) {
        if let Some(affected) = response.extensions().get::<Affected>() {
            self.affected = *affected;
        }
        self.outcome = Cow::Owned(response.status().as_u16().to_string());
    }
}

impl Drop for Entry {
    fn drop(&mut self) {
        info!(
            target: "audit",
            role = self.caller.role.as_str(),
            caller = %self.caller.name,
            action = self.action,
            // Debug escapes what a caller may have put into the path.
            on = ?self.target,
            ids = self.affected.asked,
            changed = self.affected.changed,
            outcome = %self.outcome,
            "operator call"
        );
    }
}
