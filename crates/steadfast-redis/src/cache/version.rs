//! Versions: which of two writes is the later one, whatever the clocks do.
//!
//! A hybrid logical clock (Kulkarni and others, 2014): wall time where it moves forward, a counter where it does
//! not, the node to tell equals apart.

use std::fmt;
use std::str::FromStr;
use steadfast_clock::Clock;
use thiserror::Error;

const MS_BITS: u32 = 48;
const COUNTER_BITS: u32 = 32;
const NODE_BITS: u32 = 48;
const MS_MAX: u64 = (1 << MS_BITS) - 1;
const NODE_MAX: u64 = (1 << NODE_BITS) - 1;

/// How far ahead of our own time another node's version may be and still be followed: a day.
pub const AHEAD_MAX_MS: u64 = 86_400_000;

/// Who writes: one opened [`Outbox`](super::Outbox), drawn anew at each opening. 48 bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NodeId(u64);

impl NodeId {
    /// The node with this number, of which 48 bits count.
    pub fn new(number: u64) -> Self {
        Self(number & NODE_MAX)
    }

    /// A node that nobody else is, as far as chance goes.
    pub fn random(rng: &mut fastrand::Rng) -> Self {
        Self(rng.u64(1..=NODE_MAX))
    }
}

impl fmt::Display for NodeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:012x}", self.0)
    }
}

/// When something was written, and by whom: 48 bits of milliseconds, 32 of a counter, 48 of the node. Later writes
/// of one node have greater versions, always; those of different nodes as far as their clocks agree.
///
/// Written as 32 hexadecimal digits, which sort as the versions do.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Version(u128);

impl Version {
    /// Before everything.
    pub const ZERO: Self = Self(0);
    /// How many digits it is written with.
    pub const DIGITS: usize = 32;

    /// The version at `ms`, the `counter`th of that millisecond, by `node`.
    pub fn new(ms: u64, counter: u32, node: NodeId) -> Self {
        let ms = u128::from(ms.min(MS_MAX));
        Self(ms << (COUNTER_BITS + NODE_BITS) | u128::from(counter) << NODE_BITS | u128::from(node.0))
    }

    /// Its milliseconds since the Unix epoch: wall time, or ahead of it where wall time stood or went back.
    pub fn ms(self) -> u64 {
        u64::try_from(self.0 >> (COUNTER_BITS + NODE_BITS)).unwrap_or(MS_MAX)
    }

    /// Its place among those of the same millisecond.
    pub fn counter(self) -> u32 {
        u32::try_from(self.0 >> NODE_BITS & u128::from(u32::MAX)).unwrap_or(u32::MAX)
    }

    /// Who wrote.
    pub fn node(self) -> NodeId {
        NodeId::new(u64::try_from(self.0 & u128::from(NODE_MAX)).unwrap_or_default())
    }

    /// The number itself, which sorts as the version does.
    pub fn to_bits(self) -> u128 {
        self.0
    }

    /// The version with this number.
    pub fn from_bits(bits: u128) -> Self {
        Self(bits)
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", self.0)
    }
}

impl fmt::Debug for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}@{}", self.ms(), self.counter(), self.node())
    }
}

/// A text is no version.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("no version: it is not 32 lower-case hexadecimal digits")]
pub struct NoVersion;

impl FromStr for Version {
    type Err = NoVersion;

    fn from_str(text: &str) -> Result<Self, NoVersion> {
        let digit = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
        if text.len() != Self::DIGITS || !text.bytes().all(digit) {
            return Err(NoVersion);
        }
        u128::from_str_radix(text, 16).map(Self).map_err(|_| NoVersion)
    }
}

/// A version is so far ahead that a clock must be broken, so it is not followed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error(
    "version {version:?} is {ahead_ms} ms ahead of our time: a clock is wrong; set the clock of its node"
)]
pub struct FarAhead {
    /// The version.
    pub version: Version,
    /// By how much.
    pub ahead_ms: u64,
}

/// Gives versions. Pure: time is handed in.
#[derive(Clone, Debug)]
pub struct HybridClock {
    node: NodeId,
    last: Version,
}

impl HybridClock {
    /// The clock of `node`, which has given no version later than `last`.
    pub fn resume(node: NodeId, last: Version) -> Self {
        Self { node, last }
    }

    /// Whose versions it gives.
    pub fn node(&self) -> NodeId {
        self.node
    }

    /// The latest version given or followed.
    pub fn last(&self) -> Version {
        self.last
    }

    /// The next version: later than all before, and not before `now_ms`.
    pub fn tick(&mut self, now_ms: u64) -> Version {
        let (last_ms, last_counter) = (self.last.ms(), self.last.counter());
        let (ms, counter) = if now_ms > last_ms {
            (now_ms, 0)
        } else {
            match last_counter.checked_add(1) {
                Some(counter) => (last_ms, counter),
                None => (last_ms + 1, 0),
            }
        };
        self.last = Version::new(ms, counter, self.node);
        self.last
    }

    /// Sees to it that versions given from now on are later than `seen`.
    ///
    /// # Errors
    ///
    /// [`FarAhead`] if it is more than [`AHEAD_MAX_MS`] ahead; the clock is then as it was.
    pub fn observe(&mut self, seen: Version, now_ms: u64) -> Result<(), FarAhead> {
        let ahead_ms = seen.ms().saturating_sub(now_ms);
        if ahead_ms > AHEAD_MAX_MS {
            return Err(FarAhead { version: seen, ahead_ms });
        }
        self.last = self.last.max(seen);
        Ok(())
    }
}

/// Wall time that runs evenly: the wall's reading at the start, moved on by the monotonic one. Steps of the wall
/// clock while the process runs do not show, so that what is left of a lifetime stays right.
#[derive(Clone, Copy, Debug)]
pub struct EvenTime {
    wall_ms: u64,
    mono_ms: u64,
}

impl EvenTime {
    /// Starts at the wall's present reading.
    pub fn start(clock: &dyn Clock) -> Self {
        Self { wall_ms: u64::try_from(clock.now_ms()).unwrap_or(0), mono_ms: clock.mono_ms() }
    }

    /// Milliseconds since the Unix epoch, evenly counted.
    pub fn now_ms(&self, clock: &dyn Clock) -> u64 {
        self.wall_ms.saturating_add(clock.mono_ms().saturating_sub(self.mono_ms))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::time::Duration;
    use steadfast_clock::ManualClock;

    #[test]
    fn parts_are_kept_and_texts_read() {
        let version = Version::new(1_800_000_000_000, 7, NodeId::new(0xabc));
        assert_eq!(
            (version.ms(), version.counter(), version.node()),
            (1_800_000_000_000, 7, NodeId::new(0xabc))
        );
        assert_eq!(version.to_string(), "01a3185c500000000007000000000abc");
        assert_eq!(version.to_string().parse(), Ok(version));
        for text in ["", "1", "01A3185C500000000007000000000ABC", "+1a3185c500000000007000000000abc"] {
            assert_eq!(text.parse::<Version>(), Err(NoVersion));
        }
    }

    #[test]
    fn a_full_counter_moves_the_time_on() {
        let node = NodeId::new(1);
        let mut clock = HybridClock::resume(node, Version::new(5, u32::MAX, node));
        assert_eq!(clock.tick(3), Version::new(6, 0, node));
    }

    #[test]
    fn a_broken_clock_is_not_followed() {
        let node = NodeId::new(1);
        let mut clock = HybridClock::resume(node, Version::ZERO);
        let far = Version::new(AHEAD_MAX_MS + 11, 0, NodeId::new(2));
        assert!(clock.observe(far, 10).is_err());
        assert_eq!(clock.last(), Version::ZERO);
        clock.observe(far, 11).unwrap();
        assert!(clock.tick(11) > far);
    }

    #[test]
    fn even_time_ignores_steps() {
        let clock = ManualClock::at(1_000_000);
        let time = EvenTime::start(&*clock);
        clock.step_wall(-500_000);
        clock.advance(Duration::from_secs(2));
        assert_eq!(time.now_ms(&*clock), 1_002_000);
    }

    proptest! {
        /// Whatever the wall clock says and whoever is heard of.
        #[test]
        fn versions_only_grow(
            nows in prop::collection::vec((0..1_u64 << 47, prop::option::of((0..1_u64 << 47, any::<u32>()))), 1..60),
        ) {
            let mut clock = HybridClock::resume(NodeId::new(9), Version::ZERO);
            let mut last = Version::ZERO;
            for (now_ms, seen) in nows {
                if let Some((ms, counter)) = seen {
                    let seen = Version::new(ms, counter, NodeId::new(8));
                    if clock.observe(seen, now_ms).is_ok() {
                        last = last.max(seen);
                    }
                }
                let version = clock.tick(now_ms);
                prop_assert!(version > last && version.ms() >= now_ms);
                prop_assert_eq!(version.node(), NodeId::new(9));
                last = version;
            }
        }

        #[test]
        fn texts_sort_as_versions_do(a in any::<u128>(), b in any::<u128>()) {
            let (a, b) = (Version::from_bits(a), Version::from_bits(b));
            prop_assert_eq!(a.cmp(&b), a.to_string().cmp(&b.to_string()));
            prop_assert_eq!(a.cmp(&b), (a.ms(), a.counter(), a.node()).cmp(&(b.ms(), b.counter(), b.node())));
            prop_assert_eq!(a.to_string().parse(), Ok(a));
        }
    }
}
