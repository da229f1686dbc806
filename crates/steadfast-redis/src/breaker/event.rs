//! What a breaker says about itself.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

/// What a breaker does with calls.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum State {
    /// Lets all through and watches.
    Closed,
    /// Rejects all, for a time.
    Open,
    /// Lets a few through to see.
    HalfOpen,
    /// Rejects all until an operator says otherwise.
    ForcedOpen,
    /// Lets all through and looks away: nothing is counted.
    Disabled,
    /// Lets all through and counts, but never opens.
    MetricsOnly,
}

impl State {
    /// A name for metrics and logs.
    pub const fn label(self) -> &'static str {
        match self {
            Self::Closed => "closed",
            Self::Open => "open",
            Self::HalfOpen => "half_open",
            Self::ForcedOpen => "forced_open",
            Self::Disabled => "disabled",
            Self::MetricsOnly => "metrics_only",
        }
    }
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.label())
    }
}

/// Proof that a dependency is gone, given by someone who saw it: no rate need be waited for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Evidence {
    /// Nobody listens at its address.
    ConnectRefused,
    /// A connection to it was proved dead.
    DeadSocket,
    /// Something else, in a few words.
    Other(&'static str),
}

impl fmt::Display for Evidence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::ConnectRefused => "the connection was refused",
            Self::DeadSocket => "a connection was proved dead",
            Self::Other(what) => what,
        })
    }
}

/// Why a breaker changed its state, with the figures that decided.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Reason {
    /// It was made.
    Start,
    /// Too many calls of the window failed.
    FailureRate {
        /// Calls in the window.
        calls: u64,
        /// Failed ones among them.
        failed: u64,
    },
    /// Too many calls of the window were slow.
    SlowRate {
        /// Calls in the window.
        calls: u64,
        /// Slow ones among them.
        slow: u64,
        /// What counted as slow.
        threshold: Duration,
    },
    /// Hard evidence was given.
    Evidence(Evidence),
    /// Calls of a half-open round failed.
    TrialFailed,
    /// Calls of a half-open round were slow.
    TrialSlow,
    /// The owner's prober failed while half-open.
    ProbeFailed,
    /// The owner's prober passed.
    ProbePassed,
    /// The open time is over.
    OpenTimeOver,
    /// All half-open rounds were passed.
    Recovered,
    /// An operator forced it open, switched it off, or to metrics only.
    Operator,
    /// An operator closed it with a clean slate.
    Reset,
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::FailureRate { calls, failed } => write!(f, "{failed} of {calls} calls failed"),
            Self::SlowRate { calls, slow, threshold } => {
                write!(f, "{slow} of {calls} calls took {threshold:?} or longer")
            }
            Self::Evidence(evidence) => evidence.fmt(f),
            Self::Start => f.write_str("it was made"),
            Self::TrialFailed => f.write_str("trial calls failed"),
            Self::TrialSlow => f.write_str("trial calls were slow"),
            Self::ProbeFailed => f.write_str("the probe failed"),
            Self::ProbePassed => f.write_str("the probe passed"),
            Self::OpenTimeOver => f.write_str("the open time is over"),
            Self::Recovered => f.write_str("all trial calls passed"),
            Self::Operator => f.write_str("an operator decided so"),
            Self::Reset => f.write_str("an operator reset it"),
        }
    }
}

impl Reason {
    /// What opened the breaker, if this is a reason to open.
    pub const fn cause(&self) -> Option<Cause> {
        Some(match self {
            Self::FailureRate { .. } => Cause::FailureRate,
            Self::SlowRate { .. } => Cause::SlowRate,
            Self::Evidence(_) => Cause::Evidence,
            Self::TrialFailed => Cause::TrialFailed,
            Self::TrialSlow => Cause::TrialSlow,
            Self::ProbeFailed => Cause::ProbeFailed,
            Self::Operator => Cause::Operator,
            Self::Start | Self::ProbePassed | Self::OpenTimeOver | Self::Recovered | Self::Reset => {
                return None;
            }
        })
    }
}

/// What opened a breaker, in a word.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Cause {
    /// Too many calls failed.
    FailureRate,
    /// Too many calls were slow.
    SlowRate,
    /// Hard evidence.
    Evidence,
    /// Trial calls failed.
    TrialFailed,
    /// Trial calls were slow.
    TrialSlow,
    /// The owner's prober failed.
    ProbeFailed,
    /// An operator.
    Operator,
}

impl Cause {
    /// A name for metrics and logs.
    pub const fn label(self) -> &'static str {
        match self {
            Self::FailureRate => "failure_rate",
            Self::SlowRate => "slow_rate",
            Self::Evidence => "evidence",
            Self::TrialFailed => "trial_failed",
            Self::TrialSlow => "trial_slow",
            Self::ProbeFailed => "probe_failed",
            Self::Operator => "operator",
        }
    }

    /// The same as a clause: "too many calls failed".
    pub(super) const fn clause(self) -> &'static str {
        match self {
            Self::FailureRate => "too many calls failed",
            Self::SlowRate => "too many calls were slow",
            Self::Evidence => "it was found not to answer",
            Self::TrialFailed => "trial calls failed",
            Self::TrialSlow => "trial calls were slow",
            Self::ProbeFailed => "the probe failed",
            Self::Operator => "an operator decided so",
        }
    }
}

/// One change of state.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct StateChange {
    /// The breaker's name.
    pub breaker: Arc<str>,
    /// The state before; the same as `to` only in the very first value of
    /// [`CircuitBreaker::subscribe`](super::CircuitBreaker::subscribe).
    pub from: State,
    /// The state now.
    pub to: State,
    /// Why.
    pub reason: Reason,
    /// The epoch that begins with it. Grows, not always by one.
    pub epoch: u64,
    /// Which episode of trouble this belongs to, counted from 1; 0 before the first.
    pub episode: u64,
    /// Whether this is the one change of its episode to alert on: its first opening.
    pub alert: bool,
    /// Trips so far, by itself, not by an operator.
    pub trips: u64,
    /// If it opened: for how long, unless a probe passes before.
    pub open_for: Option<Duration>,
    /// When, in milliseconds of the monotonic clock handed in.
    pub at_ms: u64,
}

impl fmt::Display for StateChange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "circuit `{}` went from {} to {}: {}", self.breaker, self.from, self.to, self.reason)?;
        if let Some(open_for) = self.open_for {
            write!(f, "; open for {open_for:?} unless a probe passes")?;
        }
        Ok(())
    }
}
