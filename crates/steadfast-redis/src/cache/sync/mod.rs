//! Sending back: what is asked of the server, what it answers, and the report.

mod op;
mod report;
mod script;
mod stored;

pub use op::{FieldOp, Op, TOKEN_KEEP_MS};
pub use report::{Example, Report};
pub use script::Script;
pub use stored::{FieldVersions, StoredError, counter_sum, field_versions, stored_value};

use super::version::Version;
use std::error::Error;
use std::fmt;
use std::future::Future;

/// What the server answered to one operation.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Answer {
    /// It is as asked, perhaps since an earlier time.
    Applied,
    /// The server has a later write.
    Superseded {
        /// That write's version.
        by: Version,
    },
    /// It had ended before it could be sent. What it had replaced was removed, if it was there still.
    Expired,
    /// It was put together with what others wrote.
    Merged,
    /// The server holds something that it cannot be put together with. Asking again will not help.
    Conflicted {
        /// What that is.
        why: String,
    },
}

/// No answer: it may have been done or not. It will be asked again.
#[derive(Debug)]
pub struct NoAnswer(Box<dyn Error + Send + Sync>);

impl NoAnswer {
    /// No answer, because of this.
    pub fn because(error: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self(error.into())
    }
}

impl fmt::Display for NoAnswer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the server gave no answer: {}", self.0)
    }
}

impl Error for NoAnswer {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(&*self.0)
    }
}

/// The server, as far as sending back needs it.
pub trait Remote: Send + Sync {
    /// Does each operation, in order, each atomically by its [`Op::script`], and answers each in its place; an
    /// answer that is missing at the end counts as none. Operations of different keys may be done in any order and
    /// at once. All may be asked any number of times: done once or often comes to the same.
    ///
    /// May be dropped at any await: what had no answer is asked again.
    fn apply(&self, ops: &[Op]) -> impl Future<Output = Vec<Result<Answer, NoAnswer>>> + Send;
}

/// A reply is none that a script gives.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the server's reply is none that the script gives: is it a proxy, or another version of this crate?")]
pub struct BadReply;

impl Answer {
    /// Reads what a script returned: a word and perhaps a detail.
    pub fn from_reply(parts: &[impl AsRef<[u8]>]) -> Result<Self, BadReply> {
        let detail = || parts.get(1).and_then(|part| std::str::from_utf8(part.as_ref()).ok());
        match parts.first().ok_or(BadReply)?.as_ref() {
            b"applied" => Ok(Self::Applied),
            b"merged" => Ok(Self::Merged),
            b"superseded" => {
                let by = detail().and_then(|version| version.parse().ok()).ok_or(BadReply)?;
                Ok(Self::Superseded { by })
            }
            b"conflicted" => {
                let why = parts.get(1).map(|part| String::from_utf8_lossy(part.as_ref()).into_owned());
                Ok(Self::Conflicted { why: why.ok_or(BadReply)? })
            }
            _ => Err(BadReply),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn replies_are_read_or_refused() {
        let version = "00000000000500000000000000000001";
        assert_eq!(Answer::from_reply(&["applied"]), Ok(Answer::Applied));
        assert_eq!(Answer::from_reply(&["merged", "7"]), Ok(Answer::Merged));
        let by = version.parse().unwrap();
        assert_eq!(Answer::from_reply(&["superseded", version]), Ok(Answer::Superseded { by }));
        let why = "the key holds a list".to_owned();
        assert_eq!(Answer::from_reply(&["conflicted", &why]), Ok(Answer::Conflicted { why }));
        for bad in [&[][..], &["superseded"], &["superseded", "5"], &["conflicted"], &["OK"]] {
            assert_eq!(Answer::from_reply(bad), Err(BadReply), "{bad:?}");
        }
    }
}
