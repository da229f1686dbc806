//! What is known of each command: whether it writes, where its keys are, and whether sending it twice is
//! the same as once.

mod keys;
mod operation;
mod replay;
mod table;

pub(crate) use keys::keys;
pub(crate) use operation::Operation;
pub use replay::Replay;
pub use table::Access;
pub(crate) use table::spec;

use redis::{Arg, Cmd};

/// What the client needs to know of one command, read from its arguments.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Facts {
    /// The command's name in upper case; `?` if there is none.
    pub name: &'static str,
    /// Whether it reads, writes, runs a script or manages the server.
    pub access: Access,
    /// Whether sending it twice is the same as once.
    pub replay: Replay,
    /// True if the server may keep it waiting (`BLPOP`, `XREAD BLOCK`).
    pub blocks: bool,
    /// What it is counted under.
    pub(crate) operation: Operation,
    /// True if it changes the state of its connection (`MULTI`, `SUBSCRIBE`, `SELECT`): such a command does not
    /// belong on a connection that others use.
    pub changes_connection: bool,
}

impl Facts {
    /// What is known of `cmd`. Unknown names count as writes that must not be sent twice.
    pub fn of(cmd: &Cmd) -> Self {
        let spec = spec(name(cmd));
        Self {
            name: spec.name,
            access: spec.access,
            replay: replay::of(spec, cmd),
            operation: spec.operation,
            blocks: spec.blocks && replay::waits(spec, cmd),
            changes_connection: spec.changes_connection,
        }
    }
}

/// The name as it was given; empty if the command is.
pub(crate) fn name(cmd: &Cmd) -> &[u8] {
    arg(cmd, 0).unwrap_or_default()
}

pub(crate) fn arg(cmd: &Cmd, at: usize) -> Option<&[u8]> {
    cmd.args_iter().nth(at).and_then(|arg| match arg {
        Arg::Simple(bytes) => Some(bytes),
        _ => None,
    })
}

/// True if one of the arguments from `from` on is one of `words`, in any case.
pub(crate) fn has_word(cmd: &Cmd, from: usize, words: &[&str]) -> bool {
    cmd.args_iter().skip(from).any(|arg| match arg {
        Arg::Simple(bytes) => words.iter().any(|word| bytes.eq_ignore_ascii_case(word.as_bytes())),
        _ => false,
    })
}
