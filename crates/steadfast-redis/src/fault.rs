//! What a server complains about, read from its error text.
//!
//! Codes are the first word of an error reply. Scripts wrap them: Redis 7 keeps the inner code in front
//! (`READONLY … script: …, on @user_script:1.`), older servers put it inside (`ERR Error running script
//! (call to f_…): @user_script:1: @user_script: 1: -READONLY …`).

use crate::error::ErrorKind;

/// Where a cluster says that a slot is.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Redirect {
    /// The slot, 0 to 16,383.
    pub slot: u16,
    /// `host:port`. The host may be empty: then it is that of the node that answered.
    pub address: String,
}

/// A complaint of a server.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Fault {
    /// A write to a replica: the primary is elsewhere now.
    ReadOnly,
    /// The server reads its data set from disk, for up to minutes.
    Loading,
    /// A replica whose link to the primary is down, set not to answer then.
    MasterDown,
    /// Fewer replicas than the primary was told to have.
    NoReplicas,
    /// It cannot write its snapshot and refuses writes because of it.
    MisConf,
    /// Memory is full, and nothing may be evicted.
    OutOfMemory,
    /// The cluster serves nothing now: a node that has slots is away.
    ClusterDown,
    /// The cluster is well as such, and nobody serves this slot.
    SlotUnserved,
    /// The slot is elsewhere, for good.
    Moved(Redirect),
    /// The slot is moving; this key is there already.
    Ask(Redirect),
    /// Some of the keys have moved and some have not.
    TryAgain,
    /// It has as many clients as it accepts.
    MaxClients,
    /// Wrong user or password, or none where one is needed.
    Credentials,
    /// The user may not do this.
    NoPermission,
    /// It does not know the script.
    NoScript,
    /// A script or function runs for too long.
    Busy,
    /// Keys of one command lie in different slots.
    CrossSlot,
    /// The key holds another type.
    WrongType,
    /// The transaction was given up because one of its commands was refused.
    ExecAborted,
    /// Somebody ended the blocking call.
    Unblocked,
    /// A command, subcommand or protocol version that it does not know.
    Unknown,
    /// Any other.
    Other,
}

impl Fault {
    /// What `text`, an error reply without its `-`, complains about. Never fails: what is not known is
    /// [`Fault::Other`].
    pub fn classify(text: &str) -> Self {
        let (code, rest) = text.split_once(' ').unwrap_or((text, ""));
        match Self::of_code(code, rest) {
            Some(fault) => fault,
            None if code == "ERR" => Self::of_err(rest),
            None => Self::Other,
        }
    }

    fn of_code(code: &str, rest: &str) -> Option<Self> {
        Some(match code {
            "READONLY" => Self::ReadOnly,
            "LOADING" => Self::Loading,
            "MASTERDOWN" => Self::MasterDown,
            "NOREPLICAS" => Self::NoReplicas,
            "MISCONF" => Self::MisConf,
            "OOM" => Self::OutOfMemory,
            "CLUSTERDOWN" if rest.starts_with("Hash slot not served") => Self::SlotUnserved,
            "CLUSTERDOWN" => Self::ClusterDown,
            "MOVED" => redirect(rest).map_or(Self::Other, Self::Moved),
            "ASK" => redirect(rest).map_or(Self::Other, Self::Ask),
            "TRYAGAIN" => Self::TryAgain,
            "WRONGPASS" | "NOAUTH" => Self::Credentials,
            "NOPERM" => Self::NoPermission,
            "NOSCRIPT" => Self::NoScript,
            "BUSY" => Self::Busy,
            "CROSSSLOT" => Self::CrossSlot,
            "WRONGTYPE" => Self::WrongType,
            "EXECABORT" => Self::ExecAborted,
            "UNBLOCKED" => Self::Unblocked,
            "NOPROTO" => Self::Unknown,
            _ => return None,
        })
    }

    fn of_err(rest: &str) -> Self {
        if rest.starts_with("max number of clients") {
            return Self::MaxClients;
        }
        if rest.starts_with("invalid password")
            || rest.starts_with("AUTH ")
            || rest.starts_with("Client sent AUTH")
        {
            return Self::Credentials;
        }
        if rest.starts_with("unknown command") || rest.starts_with("unknown subcommand") {
            return Self::Unknown;
        }
        if rest.starts_with("Error running script") || rest.contains("user_script:") {
            return in_script(rest);
        }
        Self::Other
    }

    /// True if the server says so before it has executed anything.
    pub const fn is_refusal(&self) -> bool {
        !matches!(self, Self::Other)
    }

    /// True if a script that answers `text` has written nothing. What forbids all writing (`READONLY`, `OOM`) forbids the
    /// first of them; the server checks none of that once a script has written. What concerns one command may come
    /// after others that wrote.
    pub(crate) fn refuses_script(&self, text: &str) -> bool {
        let is_of_one = matches!(
            self,
            Self::WrongType | Self::NoPermission | Self::CrossSlot | Self::Unknown | Self::NoScript
        );
        let is_within =
            [" script: ", "user_script:", "user_function:"].iter().any(|mark| text.contains(mark));
        self.is_refusal() && !(is_of_one && is_within)
    }

    /// True if it tells of the server's health, and not only of the command. These count for the breaker.
    pub const fn is_ill_health(&self) -> bool {
        matches!(self, Self::Loading | Self::MasterDown | Self::Busy | Self::ClusterDown | Self::MaxClients)
    }

    /// True if the same command may be accepted a little later, here or elsewhere.
    pub const fn passes(&self) -> bool {
        matches!(
            self,
            Self::ReadOnly
                | Self::Loading
                | Self::MasterDown
                | Self::ClusterDown
                | Self::SlotUnserved
                | Self::TryAgain
                | Self::Moved(_)
                | Self::Ask(_)
                | Self::Busy
                | Self::Unblocked
                | Self::MaxClients
        )
    }

    pub(crate) const fn kind(&self) -> ErrorKind {
        match self {
            Self::Credentials | Self::NoPermission => ErrorKind::Auth,
            Self::MaxClients => ErrorKind::Connection,
            _ => ErrorKind::Server,
        }
    }

    /// What to do about it, for a person.
    pub const fn advice(&self) -> &'static str {
        match self {
            Self::ReadOnly => {
                "the primary is elsewhere now: it is looked for; if this lasts, check the failover"
            }
            Self::Loading => "it reads its data from disk: wait; INFO persistence shows how far it is",
            Self::MasterDown => {
                "a replica without its primary: check the replication link, or set replica-serve-stale-data yes"
            }
            Self::NoReplicas => "fewer replicas than min-replicas-to-write: bring them back or lower it",
            Self::MisConf => "it cannot write its snapshot: check its disk and log (rdb_last_bgsave_status)",
            Self::OutOfMemory => {
                "its memory is full: raise maxmemory or remove data; a queue needs noeviction, so room must be made"
            }
            Self::ClusterDown => "the cluster serves nothing now: check CLUSTER INFO and the failed nodes",
            Self::SlotUnserved => "nobody serves this slot: check CLUSTER SLOTS, and give it to a node",
            Self::MaxClients => {
                "it has as many clients as it accepts: raise maxclients or close connections (CLIENT LIST)"
            }
            Self::Credentials => "check user and password; they are read again at each dial",
            Self::NoPermission => "give the user this permission (ACL SETUSER), or use another",
            Self::Busy => "a script runs for too long: SCRIPT KILL ends it if it has not written",
            Self::CrossSlot => "give the keys a common hash tag, such as {order:1}:items and {order:1}:sum",
            _ => "",
        }
    }
}

fn redirect(rest: &str) -> Option<Redirect> {
    let (slot, address) = rest.split_once(' ')?;
    let slot = slot.parse().ok().filter(|slot| *slot < 16_384)?;
    let address = address.split(' ').next().unwrap_or_default();
    address.rsplit_once(':')?.1.parse::<u16>().ok()?;
    Some(Redirect { slot, address: address.to_owned() })
}

/// The fault inside a script's error. Only a code that stands where the server puts one counts: at the
/// start of a part that follows `: `. A word in somebody's own message does not.
fn in_script(rest: &str) -> Fault {
    for part in rest.split(": ").skip(1) {
        let part = part.trim_start_matches('-');
        let (code, after) = part.split_once(' ').unwrap_or((part, ""));
        if let Some(fault) = Fault::of_code(code, after) {
            return fault;
        }
    }
    Fault::Other
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn codes_are_the_first_word() {
        assert_eq!(Fault::classify("READONLY You can't write against a read only replica."), Fault::ReadOnly);
        assert_eq!(Fault::classify("LOADING Redis is loading the dataset in memory"), Fault::Loading);
        assert_eq!(
            Fault::classify("OOM command not allowed when used memory > 'maxmemory'."),
            Fault::OutOfMemory
        );
        assert_eq!(Fault::classify("ERR max number of clients reached"), Fault::MaxClients);
        assert_eq!(
            Fault::classify("ERR max number of clients + cluster connections reached"),
            Fault::MaxClients
        );
        assert_eq!(
            Fault::classify("WRONGPASS invalid username-password pair or user is disabled."),
            Fault::Credentials
        );
        assert_eq!(Fault::classify("NOAUTH Authentication required."), Fault::Credentials);
        assert_eq!(Fault::classify("ERR invalid password"), Fault::Credentials);
        assert_eq!(
            Fault::classify("ERR unknown command 'HELLO', with args beginning with: "),
            Fault::Unknown
        );
        assert_eq!(Fault::classify("CLUSTERDOWN The cluster is down"), Fault::ClusterDown);
        assert_eq!(Fault::classify("CLUSTERDOWN Hash slot not served"), Fault::SlotUnserved);
        assert_eq!(Fault::classify("ERR syntax error"), Fault::Other);
        assert_eq!(Fault::classify(""), Fault::Other);
        assert_eq!(Fault::classify("READONLYISH no"), Fault::Other);
    }

    #[test]
    fn redirections_are_read_or_left_alone() {
        let moved = Fault::classify("MOVED 3999 127.0.0.1:6381");
        assert_eq!(moved, Fault::Moved(Redirect { slot: 3999, address: "127.0.0.1:6381".to_owned() }));
        let ask = Fault::classify("ASK 1 [::1]:7000");
        assert_eq!(ask, Fault::Ask(Redirect { slot: 1, address: "[::1]:7000".to_owned() }));
        let hostless = Fault::classify("MOVED 5 :7000");
        assert_eq!(hostless, Fault::Moved(Redirect { slot: 5, address: ":7000".to_owned() }));
        for bad in ["MOVED", "MOVED 3999", "MOVED 16384 a:1", "MOVED x a:1", "MOVED 1 a", "MOVED 1 a:b"] {
            assert_eq!(Fault::classify(bad), Fault::Other, "{bad}");
        }
    }

    #[test]
    fn the_code_inside_a_scripts_error_counts() {
        for text in [
            "READONLY You can't write against a read only replica. script: 2f1, on @user_script:1.",
            "ERR Error running script (call to f_2f1): @user_script:1: @user_script: 1: -READONLY You can't write",
            "ERR Error running script (call to f_2f1): @user_script:1: READONLY You can't write against a replica.",
        ] {
            assert_eq!(Fault::classify(text), Fault::ReadOnly, "{text}");
        }
        let oom = "ERR Error running script (call to f_1): @user_script:7: -OOM command not allowed";
        assert_eq!(Fault::classify(oom), Fault::OutOfMemory);
    }

    #[test]
    fn a_word_in_somebodys_own_message_does_not_count() {
        let text = "ERR Error running script (call to f_1): @user_script:1: the key READONLY is missing";
        assert_eq!(Fault::classify(text), Fault::Other);
        assert_eq!(Fault::classify("ERR value READONLY is not an integer"), Fault::Other);
    }

    proptest! {
        #[test]
        fn any_text_is_classified(text in "\\PC{0,80}", code in "(MOVED|ASK|ERR|ERR Error running script|X) ?") {
            let _ = Fault::classify(&text);
            let _ = Fault::classify(&format!("{code}{text}"));
        }
    }
}
