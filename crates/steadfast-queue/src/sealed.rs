//! Payloads encrypted at rest.
//!
//! [`Sealed`] wraps any back-end: what goes in is encrypted, what comes out is decrypted, and the store below
//! never sees a payload. AES-256-GCM-SIV (RFC 8452) with a random nonce per payload.
//!
//! ```
//! # use steadfast_queue::sealed::{KeyRing, Sealed};
//! # use steadfast_queue::typed::Queue;
//! # fn example(text: &str) -> Result<Queue, Box<dyn std::error::Error>> {
//! let ring = KeyRing::parse(text)?; // 2027=<64 hex digits>, 2026=<…>: the first encrypts, all decrypt
//! let queue = Queue::open("jobs.db")?.wrapped(|store| Sealed::new(store, ring));
//! # Ok(queue)
//! # }
//! ```
//!
//! # What it is for, and what it is not
//! It keeps payloads from whoever gets hold of the files or a backup of them, and it notices when somebody who
//! can write the files changes a payload or gives one job the payload of another: queue, kind, id and codec are
//! bound to it. (All jobs of a schedule have one payload: it is bound to the schedule's name in place of the id.)
//! It does not keep them from whoever can read the memory of the process, or has the keys. It does not notice a
//! job that was removed, or an old state of the file put back.
//!
//! Not encrypted: queue, kind, times, state, counts, the id (a hash of queue and unique key, or of parent and
//! step), the group key (a hash), metadata, the correlation id, the words and messages of failures, what jobs say
//! of their progress and log, the names and times of schedules. The size of a payload can be seen, and whether a
//! schedule brings the same as before. Put nothing private into those.
//!
//! # Keys that are missing, payloads that are not what they were
//! A job whose key is not in the ring is neither run nor buried: it is put off for a minute, with an error in
//! the log, until the key is back. A job whose payload cannot be authenticated is a dead letter, as
//! `payload_unreadable`. Operators who read a job get its payload decrypted, or, where that cannot be done, as
//! it is stored, with the codec [`CODEC_SEALED`].
//!
//! Jobs enqueued before encryption was turned on are still run ([`Plain::Accept`]). Whoever can write the files
//! can add such jobs, too; once none is left, [`Plain::Refuse`] closes that door.
//!
//! # Limits
//! A payload may have [`SEALABLE_BYTES_MAX`] bytes. A job without a unique key or id of its own gets an id
//! before it is sealed, so the store remembers its id for an hour as if it were unique. The nonces are random:
//! should two ever be equal, that shows no more than whether two payloads of the same job are. (That of a schedule is
//! fixed, so that the same schedule put in place again is the same.) Give a key to no
//! more than 2^32 jobs all the same, which is the bound that NIST SP 800-38D sets for random nonces with GCM.

mod envelope;
mod keys;

pub use envelope::{CODEC_SEALED, OVERHEAD_BYTES_MAX, SEALABLE_BYTES_MAX};
pub use keys::{KEY_BYTES, KEY_ID_BYTES_MAX, KEYS_MAX, KeyError, KeyRing, SealKey};

use crate::backend::{
    Backend, Control, Controlled, DeadGroups, Enqueued, Extend, Extended, Filter, Page, Rejection,
    Reservation, Reserve, Settle, Settled, Stats, Status, Sweep, Swept,
};
use crate::error::QueueError;
use crate::event::{Events, EventsFrom};
use crate::job::{Job, JobId, NewJob, PAYLOAD_BYTES_MAX};
use crate::policy::Failure;
use crate::schedule::{SCHEDULE, Schedule, ScheduleError};
use crate::state::Verdict;
use async_trait::async_trait;
use bytes::Bytes;
use envelope::{Owner, Unopened};
use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

/// How long a job whose key is missing is put off, in milliseconds.
const PUT_OFF_MS: u64 = 60_000;
/// How often a job that cannot be opened is tried to be put off or buried, before its lease is left to run out.
const SETTLE_TRIES: u32 = 3;
/// After so many bytes of cryptography others get a turn.
const YIELD_BYTES: usize = 256 * 1024;

/// What to do with payloads that are not encrypted.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Plain {
    /// They are taken as they are: they are from before encryption was turned on.
    #[default]
    Accept,
    /// They are dead letters, as `payload_unreadable`: nobody but a forger can have put them there.
    Refuse,
}

/// A store whose payloads are encrypted. See the module.
#[derive(Debug)]
pub struct Sealed<B: Backend + ?Sized = dyn Backend> {
    ring: RwLock<Arc<KeyRing>>,
    plain: Plain,
    inner: Arc<B>,
}

impl<B: Backend + ?Sized> Sealed<B> {
    /// Around `inner`, with these keys; accepts plain payloads.
    pub fn new(inner: Arc<B>, ring: impl Into<Arc<KeyRing>>) -> Arc<Self> {
        Self::with(inner, ring, Plain::Accept)
    }

    /// Around `inner`, with these keys, and with what is to be done with plain payloads.
    pub fn with(inner: Arc<B>, ring: impl Into<Arc<KeyRing>>, plain: Plain) -> Arc<Self> {
        Arc::new(Self { ring: RwLock::new(ring.into()), plain, inner })
    }

    /// Takes other keys from now on. What is sealed at this moment still gets the old first key.
    pub fn rotate(&self, ring: impl Into<Arc<KeyRing>>) {
        *self.ring.write().unwrap_or_else(PoisonError::into_inner) = ring.into();
    }

    /// The store below.
    pub const fn inner(&self) -> &Arc<B> {
        &self.inner
    }

    fn ring(&self) -> Arc<KeyRing> {
        Arc::clone(&self.ring.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Seals each payload for its job. Those too large are left alone: the store turns them away.
    async fn seal_all(&self, jobs: &mut [NewJob]) -> Result<(), QueueError> {
        let ring = self.ring();
        let mut bytes = 0;
        for new in jobs {
            if new.unique.is_none() {
                new.id = Some(new.resolve_id());
            }
            if new.payload.len() > PAYLOAD_BYTES_MAX {
                continue;
            }
            let owner = Owner::job(&new.queue, &new.kind, new.resolve_id());
            new.payload = seal(&ring, owner, new.codec, &new.payload)?;
            new.codec = CODEC_SEALED;
            breathe(&mut bytes, new.payload.len()).await;
        }
        Ok(())
    }

    /// Opens `job` in place. On failure it stays sealed.
    fn open(&self, ring: &KeyRing, job: &mut Job) -> Result<(), Unopened> {
        if job.codec != CODEC_SEALED {
            return if self.plain == Plain::Accept { Ok(()) } else { Err(Unopened::Tampered) };
        }
        let own = envelope::open(ring, Owner::job(&job.queue, &job.kind, job.id), &job.payload);
        (job.codec, job.payload) = match (own, job.metadata.get(SCHEDULE)) {
            (Err(Unopened::Tampered), Some(name)) => {
                envelope::open(ring, Owner::schedule(&job.queue, &job.kind, name), &job.payload)?
            }
            (own, _) => own?,
        };
        Ok(())
    }

    fn seal_schedule(&self, schedule: &mut Schedule) -> Result<(), QueueError> {
        let bytes = schedule.payload.len();
        if bytes > SEALABLE_BYTES_MAX {
            return Err(ScheduleError::Job(Rejection::TooLarge { bytes, max: SEALABLE_BYTES_MAX }).into());
        }
        let owner = Owner::schedule(&schedule.queue, &schedule.kind, &schedule.name);
        schedule.payload = seal(&self.ring(), owner, schedule.codec, &schedule.payload)?;
        schedule.codec = CODEC_SEALED;
        Ok(())
    }

    fn seal_command(&self, command: &mut Control) -> Result<(), QueueError> {
        match command {
            Control::PutSchedule(schedule) => self.seal_schedule(schedule),
            Control::Count(command) => self.seal_command(command),
            _ => Ok(()),
        }
    }

    /// Says what becomes of jobs that cannot be run. If the store does not take it, their leases run out.
    async fn turn_away(&self, settlements: Vec<Settle>) {
        if settlements.is_empty() {
            return;
        }
        for _ in 0..SETTLE_TRIES {
            match self.inner.settle(settlements.clone()).await {
                Ok(_) => return,
                Err(error) => tracing::warn!(%error, "jobs that cannot be decrypted could not be settled"),
            }
        }
    }
}

fn seal(ring: &KeyRing, owner: Owner<'_>, codec: u8, payload: &[u8]) -> Result<Bytes, QueueError> {
    let what = "a payload cannot be encrypted: the system's random numbers are not to be had";
    let sealed = envelope::seal(ring, owner, codec, payload);
    sealed.ok_or_else(|| QueueError::Unavailable { what: what.to_owned(), source: None })
}

/// Lets others have a turn when much was done.
async fn breathe(done_bytes: &mut usize, bytes: usize) {
    *done_bytes += bytes;
    if *done_bytes >= YIELD_BYTES {
        *done_bytes = 0;
        tokio::task::yield_now().await;
    }
}

fn verdict(why: &Unopened) -> Verdict {
    match why {
        Unopened::NoKey(_) | Unopened::NewerFormat(_) => Verdict::PutOff { after_ms: PUT_OFF_MS },
        Unopened::Tampered => Verdict::Dead {
            failure: Failure::new(
                "payload_unreadable",
                "the payload cannot be authenticated: it was changed, belongs to another job, or is not encrypted",
            ),
        },
    }
}

/// One line for each reason, not for each job.
fn report(queue: &str, unopened: &BTreeMap<String, Vec<JobId>>) {
    for (why, ids) in unopened {
        tracing::error!(queue.name = queue, jobs = ids.len(), job.id = %ids[0], "{why}");
    }
}

fn reason(why: &Unopened) -> String {
    match why {
        Unopened::NoKey(key) => format!(
            "jobs are sealed with key {key:?}, which is not in the key ring: put it back; they are tried again every minute"
        ),
        Unopened::NewerFormat(format) => format!(
            "jobs are sealed in format {format}, which this version does not know: run the version that wrote them; they are tried again every minute"
        ),
        Unopened::Tampered => "payloads cannot be authenticated; their jobs are dead letters".to_owned(),
    }
}

/// What the store says about a sealed payload, said about the payload.
fn unsealed(answer: Enqueued) -> Enqueued {
    match answer {
        Enqueued::Rejected(Rejection::TooLarge { bytes, max: PAYLOAD_BYTES_MAX }) => {
            let bytes = bytes.saturating_sub(OVERHEAD_BYTES_MAX).max(SEALABLE_BYTES_MAX + 1);
            Enqueued::Rejected(Rejection::TooLarge { bytes, max: SEALABLE_BYTES_MAX })
        }
        other => other,
    }
}

#[async_trait]
impl<B: Backend + ?Sized> Backend for Sealed<B> {
    async fn enqueue(&self, mut jobs: Vec<NewJob>) -> Result<Vec<Enqueued>, QueueError> {
        self.seal_all(&mut jobs).await?;
        Ok(self.inner.enqueue(jobs).await?.into_iter().map(unsealed).collect())
    }

    async fn reserve(&self, request: Reserve) -> Result<Vec<Reservation>, QueueError> {
        let queue = request.queue.clone();
        let taken = self.inner.reserve(request).await?;
        let (ring, mut bytes) = (self.ring(), 0);
        let (mut readable, mut settlements, mut told) =
            (Vec::with_capacity(taken.len()), Vec::new(), BTreeMap::new());
        for mut held in taken {
            breathe(&mut bytes, held.job.payload.len()).await;
            match self.open(&ring, &mut held.job) {
                Ok(()) => readable.push(held),
                Err(why) => {
                    told.entry(reason(&why)).or_insert_with(Vec::new).push(held.job.id);
                    settlements.push(Settle {
                        lease: held.lease,
                        verdict: verdict(&why),
                        follow_ups: Vec::new(),
                        note: None,
                    });
                }
            }
        }
        report(&queue, &told);
        self.turn_away(settlements).await;
        Ok(readable)
    }

    async fn extend(&self, leases: Vec<Extend>, lease_ms: u64) -> Result<Vec<Extended>, QueueError> {
        self.inner.extend(leases, lease_ms).await
    }

    async fn settle(&self, mut settlements: Vec<Settle>) -> Result<Vec<Settled>, QueueError> {
        for settle in &mut settlements {
            self.seal_all(&mut settle.follow_ups).await?;
        }
        self.inner.settle(settlements).await
    }

    async fn sweep(&self, sweep: Sweep, limit: usize) -> Result<Swept, QueueError> {
        self.inner.sweep(sweep, limit).await
    }

    async fn get(&self, ids: Vec<JobId>) -> Result<Vec<Option<Job>>, QueueError> {
        let mut jobs = self.inner.get(ids).await?;
        let (ring, mut bytes) = (self.ring(), 0);
        for job in jobs.iter_mut().flatten() {
            // What cannot be opened is shown as it is stored.
            let _ = self.open(&ring, job);
            breathe(&mut bytes, job.payload.len()).await;
        }
        Ok(jobs)
    }

    async fn status(&self, ids: Vec<JobId>) -> Result<Vec<Status>, QueueError> {
        self.inner.status(ids).await
    }

    async fn list(&self, filter: Filter, cursor: Option<String>, limit: usize) -> Result<Page, QueueError> {
        let mut page = self.inner.list(filter, cursor, limit).await?;
        let (ring, mut bytes) = (self.ring(), 0);
        for job in &mut page.jobs {
            let _ = self.open(&ring, job);
            breathe(&mut bytes, job.payload.len()).await;
        }
        Ok(page)
    }

    async fn control(&self, mut command: Control) -> Result<Controlled, QueueError> {
        self.seal_command(&mut command)?;
        self.inner.control(command).await
    }

    async fn stats(&self) -> Result<Stats, QueueError> {
        self.inner.stats().await
    }

    async fn dead_groups(&self, queue: Option<String>, max: usize) -> Result<DeadGroups, QueueError> {
        self.inner.dead_groups(queue, max).await
    }

    async fn events(&self, from: EventsFrom, limit: usize, wait: Duration) -> Result<Events, QueueError> {
        self.inner.events(from, limit, wait).await
    }
}
