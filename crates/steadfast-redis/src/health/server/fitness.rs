//! Whether commands may be sent to a node at all, as far as its settings go.

use crate::error::Error;
use std::sync::atomic::{AtomicBool, Ordering};
use tokio::sync::watch;
use tokio::time::Instant;

/// What is known.
#[derive(Debug, Clone)]
enum Word {
    Unchecked,
    Fit,
    Unfit(Error),
}

/// A gate before a node that must be looked at first. Open, it costs one relaxed load.
#[derive(Debug)]
pub(crate) struct Fitness {
    is_fit: AtomicBool,
    word: watch::Sender<Word>,
}

impl Fitness {
    /// A gate; closed until it is judged, if it `must_be_checked`.
    pub(crate) fn new(must_be_checked: bool) -> Self {
        let word = if must_be_checked { Word::Unchecked } else { Word::Fit };
        Self { is_fit: AtomicBool::new(!must_be_checked), word: watch::Sender::new(word) }
    }

    /// True if commands may be sent.
    pub(crate) fn is_fit(&self) -> bool {
        self.is_fit.load(Ordering::Relaxed)
    }

    /// The server was looked at. One that was fit stays so: a running system is warned, not stopped.
    pub(crate) fn judge(&self, refusal: Option<Error>) {
        if self.is_fit() {
            return;
        }
        match refusal {
            Some(error) => drop(self.word.send_replace(Word::Unfit(error))),
            None => {
                self.word.send_replace(Word::Fit);
                self.is_fit.store(true, Ordering::Relaxed);
            }
        }
    }

    /// Returns when commands may be sent; `false` if that is not known by `deadline`.
    ///
    /// # Errors
    /// They may not.
    pub(crate) async fn wait(&self, deadline: Instant) -> Result<bool, Error> {
        let mut word = self.word.subscribe();
        loop {
            match &*word.borrow_and_update() {
                Word::Fit => return Ok(true),
                Word::Unfit(error) => return Err(error.clone()),
                Word::Unchecked => {}
            }
            if tokio::time::timeout_at(deadline, word.changed()).await.is_err() {
                return Ok(false);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::{ErrorKind, Outcome};
    use std::time::Duration;

    fn refusal() -> Error {
        Error::new(ErrorKind::Validation, "EVICTION", Outcome::NotSent, "it deletes data")
    }

    #[tokio::test(start_paused = true)]
    async fn a_gate_waits_for_the_first_look_refuses_and_opens_for_good() {
        let soon = || Instant::now() + Duration::from_millis(10);
        assert!(Fitness::new(false).is_fit());
        let gate = Fitness::new(true);
        assert!(matches!(gate.wait(soon()).await, Ok(false)));
        gate.judge(Some(refusal()));
        assert_eq!(gate.wait(soon()).await.expect_err("refused").code(), "EVICTION");
        gate.judge(None);
        assert!(gate.is_fit() && matches!(gate.wait(soon()).await, Ok(true)));
        gate.judge(Some(refusal()));
        assert!(gate.is_fit(), "a running system is not stopped");
    }
}
