//! The jobs that these tests speak of.

use serde::{Deserialize, Serialize};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use steadfast_queue::testing::TestQueue;
use steadfast_queue::typed::{JobType, Router};
use steadfast_queue::{Priority, RetryPolicy};

/// What handlers have done, in order.
#[derive(Clone, Debug, Default)]
pub(super) struct Log(Arc<Mutex<Vec<String>>>);

impl Log {
    pub(super) fn note(&self, line: impl Into<String>) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(line.into());
    }

    pub(super) fn lines(&self) -> Vec<String> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Mail {
    pub(super) to: String,
}

impl JobType for Mail {
    const KIND: &'static str = "send-mail";
    const QUEUE: &'static str = "mail";

    fn retry(&self) -> Option<RetryPolicy> {
        Some(RetryPolicy::new([1_000, 2_000], 0.0).expect("valid"))
    }

    fn timeout(&self) -> Duration {
        Duration::from_secs(5)
    }
}

pub(super) fn mail(to: &str) -> Mail {
    Mail { to: to.to_owned() }
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Order {
    pub(super) id: u64,
}

impl JobType for Order {
    const KIND: &'static str = "order";
    const QUEUE: &'static str = "orders";

    fn priority(&self) -> Priority {
        Priority::High
    }
}

pub(super) fn test(router: Router) -> TestQueue {
    TestQueue::new(router).expect("a sound router")
}
