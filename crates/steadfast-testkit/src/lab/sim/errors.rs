//! What Redis says when it refuses, word for word (7.0, where versions differ).

/// A write on a replica.
pub const READONLY: &str = "READONLY You can't write against a read only replica.";
/// The same from inside a script, as 7.0 words it.
pub const READONLY_IN_SCRIPT: &str = "READONLY You can't write against a read only replica. script: \
     5bd2a2a2b0a2a2b0a2a2b0a2a2b0a2a2b0a2a2b0, on @user_script:1.";
/// The same from inside a script, as versions up to 6.2 word it: the code is not the first word.
pub const READONLY_IN_OLD_SCRIPT: &str = "ERR Error running script (call to f_5bd2a2a2b0a2a2b0a2a2b0a2a2b0a2a2b0a2a2b0): \
     @user_script:1: @user_script: 1: -READONLY You can't write against a read only replica.";
/// The data set is being read from disk.
pub const LOADING: &str = "LOADING Redis is loading the dataset in memory";
/// A replica that lost its primary and may not answer from what it has.
pub const MASTERDOWN: &str =
    "MASTERDOWN Link with MASTER is down and replica-serve-stale-data is set to 'no'.";
/// A primary with fewer replicas than it must have to take writes.
pub const NOREPLICAS: &str = "NOREPLICAS Not enough good replicas to write.";
/// The disk cannot be written.
pub const MISCONF: &str = "MISCONF Redis is configured to save RDB snapshots, but it's currently unable to persist to disk. \
     Commands that may modify the data set are disabled, because this instance is configured to report errors during writes \
     if RDB snapshotting fails (stop-writes-on-bgsave-error option). Please check the Redis logs for details about the RDB \
     error.";
/// The memory is full.
pub const OOM: &str = "OOM command not allowed when used memory > 'maxmemory'.";
/// A script has run for too long.
pub const BUSY: &str =
    "BUSY Redis is busy running a script. You can only call SCRIPT KILL or SHUTDOWN NOSAVE.";
/// Keys of one command are on both ends of a moving slot.
pub const TRYAGAIN: &str = "TRYAGAIN Multiple keys request during rehashing of slot";
/// Keys of one command are in different slots.
pub const CROSSSLOT: &str = "CROSSSLOT Keys in request don't hash to the same slot";
/// The cluster cannot serve at all.
pub const CLUSTERDOWN: &str = "CLUSTERDOWN The cluster is down";
/// Nobody serves this slot.
pub const CLUSTERDOWN_SLOT: &str = "CLUSTERDOWN Hash slot not served";
/// A wrong user or password.
pub const WRONGPASS: &str = "WRONGPASS invalid username-password pair or user is disabled.";
/// Not logged in.
pub const NOAUTH: &str = "NOAUTH Authentication required.";
/// The user may not run this command.
pub const NOPERM: &str = "NOPERM this user has no permissions to run the command";
/// No more connections.
pub const MAXCLIENTS: &str = "ERR max number of clients reached";
/// A script that is not loaded.
pub const NOSCRIPT: &str = "NOSCRIPT No matching script. Please use EVAL.";
/// A transaction with a command in it that was refused.
pub const EXECABORT: &str = "EXECABORT Transaction discarded because of previous errors.";
/// A blocking command that CLIENT UNBLOCK ended.
pub const UNBLOCKED: &str = "UNBLOCKED client unblocked via CLIENT UNBLOCK";
/// A blocking command on a primary that became a replica.
pub const DEMOTED: &str =
    "UNBLOCKED force unblock from blocking operation, instance state changed (master -> replica?)";
/// A command for another type of value.
pub const WRONGTYPE: &str = "WRONGTYPE Operation against a key holding the wrong kind of value";

pub(super) const SYNTAX: &str = "ERR syntax error";
pub(super) const NOT_INTEGER: &str = "ERR value is not an integer or out of range";
pub(super) const NOT_FLOAT: &str = "ERR value is not a valid float";
pub(super) const NOT_POSITIVE: &str = "ERR value is out of range, must be positive";
pub(super) const OVERFLOW: &str = "ERR increment or decrement would overflow";
pub(super) const NO_CLUSTER: &str = "ERR This instance has cluster support disabled";
