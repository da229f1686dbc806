//! What went wrong, what became of the command, and what to do.

use crate::fault::Fault;
use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

/// The result of anything that talks to Redis.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// The longest that a server's answer is repeated, in characters.
const TOLD_MAX: usize = 300;

/// What became of a command that failed. Decides whether it may be sent again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Outcome {
    /// No byte of it was handed to a socket: it was not executed, and sending it again is safe.
    NotSent,
    /// The server answered that it refuses it, before executing anything: sending it again is safe.
    Rejected,
    /// It was sent, and what became of it is not known: it may have been executed. Sent again only if
    /// executing it twice is the same as once.
    Ambiguous,
}

impl Outcome {
    /// The word for logs and metrics.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::NotSent => "not_sent",
            Self::Rejected => "rejected",
            Self::Ambiguous => "ambiguous",
        }
    }

    const fn in_words(self) -> &'static str {
        match self {
            Self::NotSent => "it was not sent",
            Self::Rejected => "it was not executed",
            Self::Ambiguous => "whether it was executed is not known",
        }
    }
}

/// The kind of a failure: few words that a program can act on. [`Error::code`] says it exactly.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// No connection, or the connection ended.
    Connection,
    /// The deadline passed.
    Timeout,
    /// User, password or permission.
    Auth,
    /// No room: lanes, waiters or bytes are at their bound.
    PoolExhausted,
    /// The circuit breaker lets nothing through.
    CircuitOpen,
    /// Cannot be done, or not promised, while Redis is away.
    Fallback,
    /// Bad configuration or a call that cannot work.
    Validation,
    /// The server answered with an error.
    Server,
}

impl ErrorKind {
    /// The kind's name in metrics, logs and JSON.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Connection => "connection_error",
            Self::Timeout => "timeout_error",
            Self::Auth => "auth_error",
            Self::PoolExhausted => "pool_exhausted_error",
            Self::CircuitOpen => "circuit_breaker_error",
            Self::Fallback => "fallback_error",
            Self::Validation => "validation_error",
            Self::Server => "server_error",
        }
    }

    /// All of them, for tables by kind.
    pub const ALL: [Self; 8] = [
        Self::Connection,
        Self::Timeout,
        Self::Auth,
        Self::PoolExhausted,
        Self::CircuitOpen,
        Self::Fallback,
        Self::Validation,
        Self::Server,
    ];
}

/// A failure. Cheap to clone; holds no secret and no argument of the command.
#[derive(Clone)]
pub struct Error(Arc<Inner>);

#[derive(Clone)]
struct Inner {
    kind: ErrorKind,
    code: Cow<'static, str>,
    outcome: Outcome,
    fault: Option<Fault>,
    why: Cow<'static, str>,
    advice: Cow<'static, str>,
    command: Option<Arc<str>>,
    node: Option<Arc<str>>,
    source: Option<Arc<dyn std::error::Error + Send + Sync>>,
}

impl Error {
    /// An error of `kind` with a short upper-case `code`; `why` is a clause without a full stop.
    pub(crate) fn new(
        kind: ErrorKind,
        code: impl Into<Cow<'static, str>>,
        outcome: Outcome,
        why: impl Into<Cow<'static, str>>,
    ) -> Self {
        Self(Arc::new(Inner {
            kind,
            code: code.into(),
            outcome,
            fault: None,
            why: why.into(),
            advice: Cow::Borrowed(""),
            command: None,
            node: None,
            source: None,
        }))
    }

    /// The server's answer `text` to a command, classified.
    pub(crate) fn from_server(text: &str, is_script: bool) -> Self {
        let fault = Fault::classify(text);
        let may_have_written = is_script && !fault.refuses_script(text);
        let outcome = if may_have_written { Outcome::Ambiguous } else { Outcome::Rejected };
        let code = text.split(' ').next().unwrap_or_default();
        let is_code = (1..=32).contains(&code.len()) && code.bytes().all(|byte| byte.is_ascii_graphic());
        let code = if is_code { code } else { "ERR" };
        let mut error =
            Self::new(fault.kind(), code.to_owned(), outcome, format!("the server answered: {}", told(text)))
                .advise(fault.advice());
        Arc::make_mut(&mut error.0).fault = Some(fault);
        error
    }

    pub(crate) fn advise(mut self, advice: impl Into<Cow<'static, str>>) -> Self {
        Arc::make_mut(&mut self.0).advice = advice.into();
        self
    }

    pub(crate) fn on(mut self, node: &Arc<str>) -> Self {
        Arc::make_mut(&mut self.0).node = Some(Arc::clone(node));
        self
    }

    pub(crate) fn of(mut self, command: &str) -> Self {
        Arc::make_mut(&mut self.0).command = Some(Arc::from(command));
        self
    }

    pub(crate) fn with_outcome(mut self, outcome: Outcome) -> Self {
        Arc::make_mut(&mut self.0).outcome = outcome;
        self
    }

    pub(crate) fn because(mut self, source: impl std::error::Error + Send + Sync + 'static) -> Self {
        Arc::make_mut(&mut self.0).source = Some(Arc::new(source));
        self
    }

    /// What kind of failure it is.
    pub fn kind(&self) -> ErrorKind {
        self.0.kind
    }

    /// Exactly what it is: the server's own code (`READONLY`, `WRONGTYPE`), or one of ours (`DEADLINE`,
    /// `REFUSED`, `CLOSED`, `DEAD`, `OVERLOADED`, `OVERSIZED`, `PROTOCOL`, `OPEN`, …).
    pub fn code(&self) -> &str {
        &self.0.code
    }

    /// What became of the command.
    pub fn outcome(&self) -> Outcome {
        self.0.outcome
    }

    /// What the server complained about, if it did.
    pub fn fault(&self) -> Option<&Fault> {
        self.0.fault.as_ref()
    }

    /// What to do about it; may be empty.
    pub fn advice(&self) -> &str {
        &self.0.advice
    }

    /// Why, without command, node and advice.
    pub fn why(&self) -> &str {
        &self.0.why
    }

    /// `host:port` of the node that it happened on, if it did on one.
    pub fn node(&self) -> Option<&str> {
        self.0.node.as_deref()
    }

    /// The command's name, if there was one.
    pub fn command(&self) -> Option<&str> {
        self.0.command.as_deref()
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let inner = &*self.0;
        match (&inner.command, &inner.node) {
            (Some(command), Some(node)) => write!(f, "{command} on {node}: ")?,
            (Some(command), None) => write!(f, "{command}: ")?,
            (None, Some(node)) => write!(f, "{node}: ")?,
            (None, None) => {}
        }
        f.write_str(&inner.why)?;
        // An answer came, of a size or type that is of no use: that is said already.
        let was_answered = matches!(&*inner.code, "TYPE" | "OVERSIZED");
        if inner.command.is_some() && !was_answered {
            write!(f, " ({})", inner.outcome.in_words())?;
        }
        if !inner.advice.is_empty() {
            write!(f, "; {}", inner.advice)?;
        }
        Ok(())
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Error")
            .field("kind", &self.0.kind)
            .field("code", &self.0.code)
            .field("outcome", &self.0.outcome)
            .field("command", &self.0.command)
            .field("node", &self.0.node)
            .field("why", &self.0.why)
            .field("advice", &self.0.advice)
            .finish_non_exhaustive()
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.0.source.as_deref().map(|source| source as &(dyn std::error::Error + 'static))
    }
}

/// What is repeated of a server's answer. A server that does not know a command says what followed it, which may be a
/// password; and what answers need not be a server that means well.
fn told(text: &str) -> String {
    let text = text.split(", with args beginning with").next().unwrap_or_default();
    let text = text.char_indices().nth(TOLD_MAX).map_or(text, |(at, _)| &text[..at]);
    text.chars().map(|char| if char.is_control() { ' ' } else { char }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_server_repeats_of_a_command_is_not_repeated() {
        let text = "ERR unknown command 'AUTH', with args beginning with: 'default' 'hunter2' ";
        let error = Error::from_server(text, false);
        assert!(error.to_string().contains("unknown command 'AUTH'"), "{error}");
        assert!(!format!("{error} {error:?}").contains("hunter2"), "{error:?}");
        let long = Error::from_server(&format!("ERR \u{1b}[2J{}", "é".repeat(10_000)), false);
        assert!(long.to_string().len() < 1_000 && !long.to_string().contains('\u{1b}'), "{long}");
    }

    #[test]
    fn an_error_says_what_where_why_and_what_became_of_the_command() {
        let error = Error::from_server("READONLY You can't write against a read only replica.", false)
            .of("SET")
            .on(&Arc::from("10.0.0.1:6379"));
        assert_eq!(error.kind(), ErrorKind::Server);
        assert_eq!(error.code(), "READONLY");
        assert_eq!(error.outcome(), Outcome::Rejected);
        let text = error.to_string();
        assert!(text.starts_with("SET on 10.0.0.1:6379: the server answered: READONLY"), "{text}");
        assert!(text.contains("it was not executed"), "{text}");
    }

    #[test]
    fn a_script_that_failed_on_its_own_may_have_written() {
        let own = Error::from_server("ERR Error running script (call to f_1): @user_script:3: bad key", true);
        assert_eq!(own.outcome(), Outcome::Ambiguous);
        let refused = Error::from_server("READONLY You can't write. script: abc, on @user_script:1.", true);
        assert_eq!(refused.outcome(), Outcome::Rejected);
        // One command of it was refused: what stands before that was executed.
        for text in [
            "WRONGTYPE Operation against a key. script: abc, on @user_script:2.",
            "ERR Error running script (call to f_1): @user_script:2: WRONGTYPE Operation against a key",
            "NOPERM this user has no permissions script: f, on @user_function:2.",
        ] {
            assert_eq!(Error::from_server(text, true).outcome(), Outcome::Ambiguous, "{text}");
            assert_eq!(Error::from_server(text, false).outcome(), Outcome::Rejected, "{text}");
        }
        for text in ["NOSCRIPT No matching script.", "NOPERM this user has no permissions to run 'evalsha'"] {
            assert_eq!(Error::from_server(text, true).outcome(), Outcome::Rejected, "{text}");
        }
    }
}
