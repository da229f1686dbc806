//! Locks that end by themselves, with fences.
//!
//! A lock is held for a time, no longer: whoever is stopped for longer than that has lost it without knowing. So each
//! acquisition has a *fence*, a number greater than those before; hand it to whatever the lock protects, and let that
//! refuse a smaller one than it has seen. Without that, a lock saves work, and guards nothing.
//!
//! There is no lock without Redis: when it is away, or its answer was lost, the lock is refused. With one primary and
//! replicas that lag, a failover may lose a lock that was given; the fence then still tells the holders apart, as long
//! as the servers' clocks agree to within the outage.
//!
//! # What holds
//!
//! | what | test |
//! |---|---|
//! | one holds a lock; fences grow, even when the server has lost its data; a lost lock cannot be extended; a stranger's release takes nothing away | `one_holds_a_lock_and_fences_grow_even_when_the_server_forgets` |
//! | without Redis there is none; a lock whose answer was lost counts as not taken, and is given up | `there_is_no_lock_without_redis_and_none_when_the_answer_was_lost` |
//! | a lock that has ended is lost, whether or not somebody has taken it since | `a_lease_that_has_ended_cannot_be_extended_or_released` |
//! | an extension whose answer was lost never makes the holder believe in more than there is | `an_extension_whose_answer_was_lost_promises_no_more_than_there_is` |
//! | who has waited until the deadline is told that it was held, though the last look was not answered | `a_deadline_amid_a_look_tells_that_the_lock_was_held` |
//! | names that are not used any more leave nothing behind | `a_fence_ends_long_after_its_lock` |

use crate::client::{Client, Script, converted};
use crate::error::{Error, ErrorKind, Outcome, Result};
use std::sync::LazyLock;
use std::time::Duration;
use tokio::time::Instant;

static ACQUIRE: LazyLock<Script> = LazyLock::new(|| Script::new(include_str!("acquire.lua")));
static EXTEND: LazyLock<Script> = LazyLock::new(|| Script::new(include_str!("extend.lua")));
static RELEASE: LazyLock<Script> = LazyLock::new(|| Script::new(include_str!("release.lua")));

/// Between two looks whether a lock is free; drawn from half of it to all of it.
const LOOK_EVERY: Duration = Duration::from_millis(50);
/// How long it is tried to give up what may have been taken.
const CLEAN_WITHIN: Duration = Duration::from_secs(1);
/// A holder's clock may run slower than the server's by this share, and this much.
const DRIFT: f64 = 0.01;
const DRIFT_MIN: Duration = Duration::from_millis(2);
/// Longer times are taken for this one, ten years: neither the clock nor the server takes any.
const TTL_MAX: Duration = Duration::from_secs(10 * 366 * 86_400);

/// Takes locks. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Locks {
    client: Client,
    prefix: String,
}

/// A lock that is held, until [`Lease::until`] at the latest. Dropping it leaves it to end by itself:
/// [`Lease::release`] it. Its `Debug` does not show the token.
pub struct Lease {
    client: Client,
    key: String,
    token: String,
    fence: u64,
    until: Instant,
}

impl std::fmt::Debug for Lease {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Lease")
            .field("fence", &self.fence)
            .field("until", &self.until)
            .finish_non_exhaustive()
    }
}

impl Locks {
    /// Locks whose keys begin with `prefix`, which has no braces: those choose a cluster's slot.
    pub fn new(client: &Client, prefix: impl Into<String>) -> Self {
        Self { client: client.clone(), prefix: prefix.into() }
    }

    /// Takes the lock `name` for `ttl` (at least a millisecond), by `deadline`; none if somebody else holds it.
    ///
    /// # Errors
    /// Of kind [`ErrorKind::Fallback`] if Redis is away, or does not say whether the lock was taken. It counts as not
    /// taken then, and it is tried to give it up; if that fails too, it ends by itself.
    ///
    /// Cancel safety: dropped, the lock may be taken, and then ends by itself.
    pub async fn try_acquire(&self, name: &str, ttl: Duration, deadline: Instant) -> Result<Option<Lease>> {
        self.take(name, ttl, deadline).await.map_err(no_lock)
    }

    /// The same, with the failure as it was.
    async fn take(&self, name: &str, ttl: Duration, deadline: Instant) -> Result<Option<Lease>> {
        let (key, fence_key) = keys(&self.prefix, name);
        let token = format!("{:016x}{:016x}", fastrand::u64(..), fastrand::u64(..));
        let since = Instant::now();
        let call = ACQUIRE.call().key(&key).key(&fence_key).arg(&token).arg(ms(ttl));
        let lease = |fence| Lease {
            client: self.client.clone(),
            key: key.clone(),
            token: token.clone(),
            fence,
            until: held_until(since, ttl),
        };
        let answer = self.client.run_script(&call, deadline).await;
        let fence = match answer.and_then(|answer| converted::<Option<u64>>(answer, "EVALSHA")) {
            Ok(fence) => fence,
            Err(error) => {
                if error.outcome() == Outcome::Ambiguous {
                    let taken = lease(0);
                    self.client.spawn(async move {
                        // If it cannot be reached now either, the lock ends by itself.
                        let _ = taken.release(Instant::now() + CLEAN_WITHIN).await;
                    });
                }
                return Err(error);
            }
        };
        Ok(fence.map(lease).filter(Lease::is_held))
    }

    /// Takes the lock `name` for `ttl`, waiting for it by `deadline`. Those who wait have no order.
    ///
    /// # Errors
    /// As [`Locks::try_acquire`]; of kind [`ErrorKind::Timeout`] if somebody else has held it all the time.
    ///
    /// Cancel safety: as [`Locks::try_acquire`].
    pub async fn acquire(&self, name: &str, ttl: Duration, deadline: Instant) -> Result<Lease> {
        let mut was_held = false;
        loop {
            match self.take(name, ttl, deadline).await {
                Ok(Some(lease)) => return Ok(lease),
                Ok(None) => was_held = true,
                // The deadline came amid a look, after others that found it held.
                Err(error) if was_held && error.kind() == ErrorKind::Timeout => {
                    return Err(locked(error.outcome()).because(error));
                }
                Err(error) => return Err(no_lock(error)),
            }
            let again = Instant::now() + LOOK_EVERY.mul_f64(0.5 + 0.5 * fastrand::f64());
            if again >= deadline {
                return Err(locked(Outcome::Rejected));
            }
            tokio::time::sleep_until(again).await;
        }
    }
}

impl Lease {
    /// The fence: greater than that of every earlier holder. Show it to what the lock protects.
    pub fn fence(&self) -> u64 {
        self.fence
    }

    /// Until when it is certainly held, unless the server loses its data: reckoned from before it was asked for, less
    /// what clocks may drift.
    pub fn until(&self) -> Instant {
        self.until
    }

    /// Whether it is held now, by our clock.
    pub fn is_held(&self) -> bool {
        Instant::now() < self.until
    }

    /// Holds it for `ttl` from now on, by `deadline`.
    ///
    /// # Errors
    /// Of kind [`ErrorKind::Fallback`]: with code `LOST` if it is not held any more: stop what it protects; with another
    /// if Redis is away: it is held until [`Lease::until`], as before, or for `ttl` if that is shorter and Redis may have
    /// been asked.
    ///
    /// Cancel safety: dropped, it may or may not be extended; [`Lease::until`] says the earlier end.
    pub async fn extend(&mut self, ttl: Duration, deadline: Instant) -> Result<()> {
        let (since, before) = (Instant::now(), self.until);
        // From here on the server may have made it shorter, whether or not it is heard of.
        self.until = before.min(held_until(since, ttl));
        let fence_key = fence_key(&self.key);
        let call = EXTEND.call().key(&self.key).key(&fence_key).arg(&self.token).arg(ms(ttl));
        let answer = self.client.run_script(&call, deadline).await;
        let extended = answer.and_then(|answer| converted::<i64>(answer, "EVALSHA")).map_err(|error| {
            if error.outcome() != Outcome::Ambiguous {
                self.until = before;
            }
            no_lock(error)
        })?;
        if extended == 0 {
            self.until = since;
            let why = "the lock is not held any more: it has ended, and somebody else may hold it";
            return Err(Error::new(ErrorKind::Fallback, "LOST", Outcome::Rejected, why)
                .advise("stop what it protects, or take it for longer"));
        }
        self.until = held_until(since, ttl);
        Ok(())
    }

    /// Gives it up by `deadline`; whether it was still held.
    ///
    /// # Errors
    /// Of kind [`ErrorKind::Fallback`] if Redis is away: it ends by itself then.
    pub async fn release(self, deadline: Instant) -> Result<bool> {
        let call = RELEASE.call().key(&self.key).arg(&self.token);
        let answer = self.client.run_script(&call, deadline).await.map_err(no_lock)?;
        converted::<i64>(answer, "EVALSHA").map(|released| released == 1).map_err(no_lock)
    }
}

/// The keys of a lock and of its fence, in one slot of a cluster.
fn keys(prefix: &str, name: &str) -> (String, String) {
    // Empty braces would choose no slot.
    let guard = if name.is_empty() || name.starts_with(['}', '_']) { "_" } else { "" };
    let key = format!("{prefix}{{{guard}{name}}}");
    let fence = fence_key(&key);
    (key, fence)
}

fn fence_key(key: &str) -> String {
    format!("{key}:fence")
}

fn locked(outcome: Outcome) -> Error {
    let why = "somebody else has held the lock until the deadline";
    Error::new(ErrorKind::Timeout, "LOCKED", outcome, why).advise("try again later, or allow more time")
}

fn no_lock(cause: Error) -> Error {
    let why = format!("no lock without Redis: {}", cause.why());
    Error::new(ErrorKind::Fallback, "NO_LOCK", cause.outcome(), why)
        .advise("go on without what the lock protects, or try again")
        .because(cause)
}

/// Until when a lock that was asked for at `since` is held by our clock.
fn held_until(since: Instant, ttl: Duration) -> Instant {
    // More would not fit the clock.
    let ttl = ttl.min(TTL_MAX);
    since + ttl.saturating_sub(ttl.mul_f64(DRIFT) + DRIFT_MIN)
}

fn ms(ttl: Duration) -> u64 {
    u64::try_from(ttl.min(TTL_MAX).as_millis()).unwrap_or(u64::MAX).max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lock_and_its_fence_share_a_slot_and_no_other_name_has_them() {
        let names = ["", "a", "}", "_", "_}", "a}b", "{", "{}", ":fence", "a}:fence", "_a"];
        let mut all = std::collections::HashSet::new();
        for name in names {
            let (key, fence) = keys("lock:", name);
            assert_eq!(crate::slot::slot(key.as_bytes()), crate::slot::slot(fence.as_bytes()), "{name}");
            assert!(all.insert(key) && all.insert(fence), "{name}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_lock_counts_as_ended_before_it_is() {
        let now = Instant::now();
        assert_eq!(held_until(now, Duration::from_secs(10)) - now, Duration::from_millis(9_898));
        assert_eq!(held_until(now, Duration::from_millis(1)), now);
        assert!(held_until(now, Duration::MAX) > now);
    }
}
