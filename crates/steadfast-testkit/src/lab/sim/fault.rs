//! The script of faults: which command meets what.

use super::observed::Seen;
use crate::redis::Reply;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// What becomes of a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// It goes on.
    Open,
    /// It stays open and is read, but nothing on it is executed or answered any more: half-open.
    Stall,
    /// It stays open, commands on it are executed, and nothing is answered any more.
    Mute,
    /// It is closed in good order (FIN).
    Close,
    /// It is torn down (RST; over an in-memory stream the same as a close).
    Reset,
}

/// What becomes of a command.
#[derive(Debug, Clone, PartialEq)]
pub enum Action {
    /// As if there were no fault. Put before others, it spares commands from them.
    Execute,
    /// Refused with this error, which starts with its code; not executed. See [`super::errors`].
    Error(String),
    /// Answered so, not executed.
    Reply(Reply),
    /// Answered with these bytes as they are, not executed, and then this: garbage, a bulk length beyond all
    /// bounds, a line without an end.
    Raw(Vec<u8>, End),
    /// Executed, its reply lost, and then this. With [`End::Open`] later replies are taken for it.
    Lose(End),
    /// Not executed, not answered, and then this. With [`End::Open`] as if it had never come.
    Drop(End),
    /// Executed, only the first bytes of its reply sent, and then this.
    Partial(usize, End),
    /// Executed after this time; what follows on the connection waits.
    DelayBefore(Duration),
    /// Executed at once, answered after this time; what follows on the connection waits.
    DelayReply(Duration),
}

impl Action {
    /// Executes, then drops the socket before the reply.
    pub fn lose_reply() -> Self {
        Self::Lose(End::Close)
    }

    /// Executes and never answers, nor executes anything that follows on the connection.
    pub fn execute_then_stall() -> Self {
        Self::Lose(End::Stall)
    }

    /// Neither executes nor answers, now and ever on this connection.
    pub fn stall() -> Self {
        Self::Drop(End::Stall)
    }

    /// Closes without executing.
    pub fn close() -> Self {
        Self::Drop(End::Close)
    }

    /// Refuses with one of [`super::errors`].
    pub fn error(text: impl Into<String>) -> Self {
        Self::Error(text.into())
    }
}

type Condition = Arc<dyn Fn(&Seen) -> bool + Send + Sync>;

/// Which commands meet an action. All that is named must hold.
#[derive(Clone, Default)]
pub struct Fault {
    name: Option<String>,
    key: Option<Vec<u8>>,
    connection: Option<u64>,
    condition: Option<Condition>,
    skip: u64,
    times: Option<u64>,
    action: Option<Action>,
}

impl fmt::Debug for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut out = f.debug_struct("Fault");
        out.field("name", &self.name).field("key", &self.key).field("connection", &self.connection);
        out.field("skip", &self.skip).field("times", &self.times).field("action", &self.action);
        out.finish_non_exhaustive()
    }
}

impl Fault {
    /// On this command: `INCR`, `CLIENT`, `CLIENT|SETNAME`. Inside a transaction the command is met when it is queued;
    /// `EXEC` is a command of its own. What a script calls is not met.
    pub fn on(name: &str) -> Self {
        Self { name: Some(name.to_owned()), ..Self::default() }
    }

    /// On any command.
    pub fn on_any() -> Self {
        Self::default()
    }

    /// With this among its keys.
    #[must_use]
    pub fn key(mut self, key: impl AsRef<[u8]>) -> Self {
        self.key = Some(key.as_ref().to_vec());
        self
    }

    /// On this connection: the first is 1.
    #[must_use]
    pub fn connection(mut self, connection: u64) -> Self {
        self.connection = Some(connection);
        self
    }

    /// For which this holds.
    #[must_use]
    pub fn when(mut self, condition: impl Fn(&Seen) -> bool + Send + Sync + 'static) -> Self {
        self.condition = Some(Arc::new(condition));
        self
    }

    /// Only the `nth` time that the rest holds, counted from 1.
    #[must_use]
    pub fn nth(self, nth: u64) -> Self {
        self.after(nth.saturating_sub(1)).times(1)
    }

    /// Not the first so many times that the rest holds.
    #[must_use]
    pub fn after(mut self, skip: u64) -> Self {
        self.skip = skip;
        self
    }

    /// Only so many times, then never again.
    #[must_use]
    pub fn times(mut self, times: u64) -> Self {
        self.times = Some(times);
        self
    }

    /// What happens then.
    #[must_use]
    pub fn then(mut self, action: Action) -> Self {
        self.action = Some(action);
        self
    }

    fn concerns(&self, seen: &Seen) -> bool {
        self.name.as_ref().is_none_or(|name| seen.is(name))
            && self.key.as_ref().is_none_or(|key| seen.keys.contains(key))
            && self.connection.is_none_or(|connection| connection == seen.connection)
            && self.condition.as_ref().is_none_or(|condition| condition(seen))
    }
}

/// Names a fault that was set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FaultId(u64);

#[derive(Debug)]
struct Armed {
    id: FaultId,
    fault: Fault,
    met: u64,
    hits: u64,
}

#[derive(Debug, Default)]
struct List {
    armed: Vec<Armed>,
    last: u64,
}

/// The faults of a server. The first that holds, in the order they were set, decides.
#[derive(Debug, Default)]
pub(super) struct Faults(Mutex<List>);

impl Faults {
    fn lock(&self) -> MutexGuard<'_, List> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn set(&self, fault: Fault) -> FaultId {
        let mut list = self.lock();
        list.last += 1;
        let id = FaultId(list.last);
        list.armed.push(Armed { id, fault, met: 0, hits: 0 });
        id
    }

    pub(super) fn remove(&self, id: FaultId) {
        self.lock().armed.retain(|armed| armed.id != id);
    }

    pub(super) fn clear(&self) {
        self.lock().armed.clear();
    }

    pub(super) fn hits(&self, id: FaultId) -> u64 {
        self.lock().armed.iter().find(|armed| armed.id == id).map_or(0, |armed| armed.hits)
    }

    /// What is to become of a command.
    pub(super) fn meet(&self, seen: &Seen) -> Action {
        let mut decided = None;
        for armed in &mut self.lock().armed {
            if !armed.fault.concerns(seen) {
                continue;
            }
            armed.met += 1;
            let late = armed.fault.times.is_some_and(|times| armed.hits >= times);
            if decided.is_none() && armed.met > armed.fault.skip && !late {
                armed.hits += 1;
                decided = Some(armed.fault.action.clone().unwrap_or(Action::Execute));
            }
        }
        decided.unwrap_or(Action::Execute)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::time::Instant;

    fn seen(name: &str, key: &str, connection: u64) -> Seen {
        let args = Arc::new(vec![name.as_bytes().to_vec(), key.as_bytes().to_vec()]);
        let keys = vec![key.as_bytes().to_vec()];
        Seen { at: Instant::now(), connection, name: name.to_owned(), keys, args }
    }

    #[tokio::test]
    async fn only_what_was_named_is_met_and_only_so_often() {
        let faults = Faults::default();
        let id = faults.set(Fault::on("incr").key("a").after(1).times(2).then(Action::stall()));
        let met = |name, key| faults.meet(&seen(name, key, 1)) != Action::Execute;
        assert!(!met("GET", "a"));
        assert!(!met("INCR", "b"));
        assert!(!met("INCR", "a"), "the first is spared");
        assert!(met("INCR", "a"));
        assert!(met("INCR", "a"));
        assert!(!met("INCR", "a"), "twice is enough");
        assert_eq!(faults.hits(id), 2);
    }

    #[tokio::test]
    async fn the_first_that_holds_decides_and_the_others_count_on() {
        let faults = Faults::default();
        faults.set(Fault::on("GET").connection(2).then(Action::Execute));
        faults.set(Fault::on_any().nth(2).then(Action::error("ERR second")));
        faults.set(Fault::on("CLIENT").when(|seen| seen.arg(1) == Some("x")).then(Action::close()));
        assert_eq!(faults.meet(&seen("GET", "a", 2)), Action::Execute);
        assert_eq!(faults.meet(&seen("GET", "a", 1)), Action::error("ERR second"));
        assert_eq!(faults.meet(&seen("CLIENT|ID", "x", 1)), Action::close());
        faults.clear();
        assert_eq!(faults.meet(&seen("CLIENT|ID", "x", 1)), Action::Execute);
    }
}
