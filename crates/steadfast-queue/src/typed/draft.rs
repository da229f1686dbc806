//! A typed job on its way to being enqueued.

use crate::job::{GroupKey, JobId, NewJob, Priority, Unique};
use crate::policy::RetryPolicy;
use crate::typed::error::ms;
use crate::typed::job_type::{CodecError, JobType, VERSION_MAX};
use sha2::{Digest, Sha256};
use std::time::Duration;

impl GroupKey {
    /// The key of whatever identifies the group: the first 16 bytes of its SHA-256.
    ///
    /// Of something that can be guessed and must not be (a phone number), hand in a keyed hash: the queue
    /// keeps this key in the clear.
    pub fn of(group: impl AsRef<[u8]>) -> Self {
        let mut hash = Sha256::new();
        hash.update(b"group\0");
        hash.update(group.as_ref());
        let mut key = [0; 16];
        key.copy_from_slice(&hash.finalize()[..16]);
        Self(key)
    }
}

/// A job with its options, not enqueued yet: for several at once
/// ([`Queue::push_all`](crate::typed::Queue::push_all)) and for those that follow another
/// ([`Follow`](crate::typed::Follow)). A single one goes through [`Queue::push`](crate::typed::Queue::push),
/// which has the same options.
#[derive(Clone, Debug)]
#[must_use = "a draft does nothing until it is pushed"]
pub struct Draft {
    new: NewJob,
    step: Option<String>,
    flaw: Option<CodecError>,
}

impl Draft {
    /// `job` with the options that its type gives it.
    pub fn of<J: JobType>(job: &J) -> Self {
        const { assert!(J::VERSION <= VERSION_MAX, "JobType::VERSION is at most VERSION_MAX (127)") };
        let (payload, flaw) = match job.encode() {
            Ok(payload) => (payload, None),
            Err(flaw) => (bytes::Bytes::new(), Some(flaw)),
        };
        let mut new = NewJob::new(J::QUEUE, J::KIND, payload);
        new.codec = J::VERSION;
        new.priority = job.priority();
        new.unique = job.unique();
        new.group = job.group();
        new.timeout_ms = ms(job.timeout());
        new.ttl_ms = job.ttl().map(ms);
        new.retry = job.retry();
        Self { new, step: None, flaw }
    }

    /// Changes what has no word of its own here.
    pub fn with(mut self, change: impl FnOnce(&mut NewJob)) -> Self {
        change(&mut self.new);
        self
    }

    /// Names the step of its parent that makes it, if it is a follow-up. Its id is then made from the parent's
    /// id and this name, so that a parent that runs twice makes it once, also when it makes others beside it
    /// the second time. Without a name its place in the list counts. Does not change a job with a unique key.
    pub fn step(mut self, name: &str) -> Self {
        self.step = Some(name.to_owned());
        self
    }

    /// The job, if it could be encoded.
    ///
    /// # Errors
    /// What [`JobType::encode`] said.
    pub fn build(self) -> Result<NewJob, CodecError> {
        match self.flaw {
            None => Ok(self.new),
            Some(flaw) => Err(flaw),
        }
    }

    /// The job as it follows `parent`.
    pub(crate) fn follow(mut self, parent: JobId) -> Result<NewJob, CodecError> {
        if let (None, None, Some(step)) = (&self.new.unique, self.new.id, &self.step) {
            self.new.id = Some(JobId::of_follow_up(parent, step));
        }
        self.build()
    }

    pub(crate) fn kind(&self) -> &str {
        &self.new.kind
    }
}

impl<J: JobType> From<J> for Draft {
    fn from(job: J) -> Self {
        Self::of(&job)
    }
}

/// The options, for everything that has a draft inside.
macro_rules! options {
    ($owner:ty, $field:ident) => {
        impl $owner {
            /// Within [`UNIQUE_WINDOW_MS`](crate::job::UNIQUE_WINDOW_MS) (an hour), a second job of the queue with
            /// this key is the first one, also after that has completed.
            pub fn unique(self, key: impl AsRef<[u8]>) -> Self {
                self.change(|new| new.unique = Some(Unique::new(key.as_ref())))
            }

            /// The same, for `window`, at most 31 days.
            pub fn unique_for(self, key: impl AsRef<[u8]>, window: Duration) -> Self {
                let unique = Unique { key: key.as_ref().to_vec(), window_ms: ms(window) };
                self.change(|new| new.unique = Some(unique))
            }

            /// Jobs of one group run one at a time, in the order in which they were enqueued.
            /// See [`GroupKey::of`].
            pub fn group(self, group: impl AsRef<[u8]>) -> Self {
                self.change(|new| new.group = Some(GroupKey::of(group)))
            }

            /// Not before `delay` has passed.
            pub fn delay(self, delay: Duration) -> Self {
                self.change(|new| new.delay_ms = ms(delay))
            }

            /// How urgent it is.
            pub fn priority(self, priority: Priority) -> Self {
                self.change(|new| new.priority = priority)
            }

            /// How long it may wait before its first attempt; then it is a dead letter, as `expired`.
            pub fn ttl(self, ttl: Duration) -> Self {
                self.change(|new| new.ttl_ms = Some(ms(ttl)))
            }

            /// How long one attempt may take.
            pub fn timeout(self, timeout: Duration) -> Self {
                self.change(|new| new.timeout_ms = ms(timeout))
            }

            /// When a failed attempt is tried again.
            pub fn retry(self, retry: RetryPolicy) -> Self {
                self.change(|new| new.retry = Some(retry))
            }

            /// The id that follows the work through all its jobs and logs.
            pub fn correlation(self, id: impl Into<String>) -> Self {
                self.change(|new| new.correlation_id = id.into())
            }

            /// Keeps a small fact with the job; never encrypted, shown to operators.
            pub fn metadata(self, name: impl Into<String>, value: impl Into<String>) -> Self {
                self.change(|new| {
                    new.metadata.insert(name.into(), value.into());
                })
            }

            fn change(mut self, change: impl FnOnce(&mut NewJob)) -> Self {
                change(options!(@draft self, $field));
                self
            }
        }
    };
    (@draft $self:ident, new) => { &mut $self.new };
    (@draft $self:ident, draft) => { $self.draft.inner() };
}
pub(crate) use options;

options!(Draft, new);

impl Draft {
    pub(crate) fn inner(&mut self) -> &mut NewJob {
        &mut self.new
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde::{Deserialize, Serialize};
    use std::collections::BTreeMap;

    #[derive(Serialize, Deserialize)]
    struct Ship {
        order: u64,
    }

    impl JobType for Ship {
        const KIND: &'static str = "ship";
        const QUEUE: &'static str = "orders";
        const VERSION: u8 = 3;

        fn unique(&self) -> Option<Unique> {
            Some(Unique::new(self.order.to_be_bytes()))
        }

        fn priority(&self) -> Priority {
            if self.order == 0 { Priority::High } else { Priority::Normal }
        }
    }

    #[test]
    fn a_type_gives_defaults_and_an_enqueue_overrides_them() {
        let plain = Draft::of(&Ship { order: 0 }).build().expect("encodes");
        assert_eq!((plain.queue.as_str(), plain.kind.as_str(), plain.codec), ("orders", "ship", 3));
        assert_eq!(plain.unique, Some(Unique::new(0_u64.to_be_bytes())));
        assert_eq!(plain.priority, Priority::High);
        let draft = Draft::of(&Ship { order: 0 })
            .unique_for("k", Duration::from_secs(60))
            .priority(Priority::Low)
            .delay(Duration::from_micros(1))
            .group("customer-7")
            .ttl(Duration::from_secs(9))
            .metadata("source", "import")
            .correlation("c");
        let new = draft.build().expect("encodes");
        assert_eq!(new.unique, Some(Unique { key: b"k".to_vec(), window_ms: 60_000 }));
        assert_eq!((new.priority, new.delay_ms, new.ttl_ms), (Priority::Low, 1, Some(9_000)));
        assert_eq!(new.group, Some(GroupKey::of("customer-7")));
        assert_ne!(new.group, Some(GroupKey::of("customer-8")));
        assert_eq!((new.metadata["source"].as_str(), new.correlation_id.as_str()), ("import", "c"));
    }

    #[derive(Serialize, Deserialize)]
    struct NoText(BTreeMap<Vec<u8>, u8>);

    impl JobType for NoText {
        const KIND: &'static str = "no-text";
    }

    #[test]
    fn what_cannot_be_encoded_is_said_when_it_is_built() {
        assert!(Draft::of(&NoText(BTreeMap::from([(vec![1], 1)]))).build().is_err());
    }

    #[test]
    fn a_named_step_makes_the_id_and_a_unique_key_outweighs_it() {
        let parent = JobId([7; 16]);
        let named = Draft::of(&NoText(BTreeMap::new())).step("mail").follow(parent).expect("encodes");
        assert_eq!(named.id, Some(JobId::of_follow_up(parent, "mail")));
        let unique = Draft::of(&Ship { order: 1 }).step("ship").follow(parent).expect("encodes");
        assert_eq!(unique.id, None);
    }
}
