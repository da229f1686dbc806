//! The settings of a connection: who we are, how the server is reached, how a dead socket is found.

use super::credentials::Provider;
use super::secret::Secret;
use super::setting::section;
use super::value::words;
use std::path::PathBuf;

/// Which version of the wire protocol is asked for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Protocol {
    /// RESP2: for servers and proxies that stumble over `HELLO`.
    Resp2,
    /// RESP3; RESP2 with a server that does not know it.
    #[default]
    Resp3,
}

words!(Protocol { Resp2 = "2" | "resp2", Resp3 = "3" | "resp3" });

/// Which node answers commands that only read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ReadPreference {
    /// The primary: what was written is read.
    #[default]
    Primary,
    /// A replica; the primary when none answers. May be behind.
    PreferReplica,
    /// A replica, and an error when none answers. May be behind.
    Replica,
    /// The node that answers fastest. May be behind.
    Nearest,
}

words!(ReadPreference {
    Primary = "primary",
    PreferReplica = "prefer_replica" | "preferReplica",
    Replica = "replica",
    Nearest = "nearest",
});

section! {
    /// Who we are to the server.
    ///
    /// At most one of: [`password`](Self::password), [`password_file`](Self::password_file), and a provider set by
    /// [`Config::set_provider`](super::Config::set_provider).
    Login at login {
        /// The ACL user. Not set: the server's `default` user.
        username: Option<String> = None, None, Reauthenticate, also ["username"], env ["REDIS_USERNAME"];
        /// The user's password. A colon, `@`, `/`, `?`, `#` or `%` in it is percent-encoded within an URL.
        password: Option<Secret> = None, None, Reauthenticate, also ["password"], env ["REDIS_PASSWORD"];
        /// A file that holds the password, read at every dial; one line end at its end is dropped.
        password_file: Option<PathBuf> = None, None, Reauthenticate, also ["password_file"], env ["REDIS_PASSWORD_FILE"];
    }
}

section! {
    /// What every connection asks of its server.
    Connection at connection {
        /// The database selected. In a cluster there is only 0.
        database: u32 = 0, Count 0 to 65_535, Reconnect, also ["db", "database"], env ["REDIS_DB"];
        /// The name that `CLIENT LIST` shows: printable ASCII without spaces, at most 64 characters. Empty: none.
        client_name: String = "steadfast".to_owned(), None, Reconnect, also ["client_name"], env ["REDIS_CLIENT_NAME"];
        /// The wire protocol asked for.
        protocol: Protocol = Protocol::Resp3, None, Reconnect, also ["protocol"], env ["REDIS_PROTOCOL"];
        /// How long a dial may take: name, TCP, TLS, login, all together.
        connect_timeout_ms: u64 = 5_000, Ms 1_000 to 60_000, Live,
            also ["connect_timeout_ms", "connectTimeout"], seconds ["connection_timeout"], env ["REDIS_CONNECT_TIMEOUT"];
        /// How long a command may take when its caller names no deadline.
        command_timeout_ms: u64 = 2_000, Ms 10 to 600_000, Live,
            also ["command_timeout_ms", "socketTimeout"], seconds ["socket_timeout"], env ["REDIS_SOCKET_TIMEOUT"];
        /// The largest reply that is kept; of a larger one the caller is told, and the connection goes on. The default is
        /// the largest value a server holds by its own default.
        reply_bytes_max: u64 = 536_870_912, Bytes 65_536 to 8_589_934_592, Reconnect;
        /// Which node answers commands that only read.
        read_preference: ReadPreference = ReadPreference::Primary, None, Live,
            also ["read_preference"], env ["REDIS_READ_PREFERENCE"];
        /// A file in which the nodes last known are kept, as further seeds for the next start. Not set: none.
        nodes_file: Option<PathBuf> = None, None, Restart;
    }
}

section! {
    /// Encryption, by TLS 1.2 or 1.3.
    Tls at tls {
        /// Whether connections are encrypted: set by the schemes that begin with `rediss`, never unset by others.
        enabled: bool = false, None, Reconnect;
        /// PEM file of the certificate authorities that are trusted, in place of the system's.
        ca_file: Option<PathBuf> = None, None, Reconnect;
        /// PEM file of our own certificate (and chain), for servers that ask for one. With `key_file`; both are
        /// read again at every dial.
        certificate_file: Option<PathBuf> = None, None, Reconnect;
        /// PEM file of our certificate's private key.
        key_file: Option<PathBuf> = None, None, Reconnect;
        /// The name that the server's certificate must bear. Not set: the host that is dialled.
        server_name: Option<String> = None, None, Reconnect;
        /// Takes any certificate from anybody: whoever sits between us and the server reads and changes
        /// everything. For experiments alone.
        danger_accept_any_certificate: bool = false, None, Reconnect;
    }
}

section! {
    /// The socket beneath.
    Tcp at tcp {
        /// Whether small packets are sent at once.
        no_delay: bool = true, None, Reconnect;
        /// How long a connection may be silent before the kernel asks whether the peer lives.
        keepalive_idle_ms: u64 = 10_000, Ms 1_000 to 7_200_000, Reconnect;
        /// How long the kernel waits between two such questions.
        keepalive_interval_ms: u64 = 3_000, Ms 1_000 to 600_000, Reconnect;
        /// How many unanswered questions end the connection.
        keepalive_probes: u32 = 3, Count 1 to 20, Reconnect;
        /// How long sent bytes may stay unacknowledged before the kernel ends the connection (Linux alone). 0: as
        /// the system does, which is a quarter of an hour.
        user_timeout_ms: u64 = 2_000, Ms 0 to 600_000, Reconnect;
        /// How long one address is tried alone before the next one of the same host is tried beside it.
        address_delay_ms: u64 = 250, Ms 10 to 10_000, Live;
        /// How often the names of hosts are resolved while connections are open. They are at every dial, too.
        resolve_interval_ms: u64 = 30_000, Ms 1_000 to 3_600_000, Live;
    }
}

section! {
    /// How lost connections are made again.
    Dial at dial {
        /// The upper bound of the first pause; the pause is drawn evenly from nothing to the bound.
        backoff_base_ms: u64 = 100, Ms 1 to 60_000, Live;
        /// What the bound grows to, doubling with each failure.
        backoff_cap_ms: u64 = 2_000, Ms 1 to 60_000, Live;
        /// How many dials a node may see within the window, from this process. With `backoff_cap_ms` between any two of
        /// them they must fill the window.
        budget: u32 = 10, Count 1 to 1_000, Live;
        /// That window.
        budget_window_ms: u64 = 15_000, Ms 1_000 to 600_000, Live;
    }
}

section! {
    /// The proof that a socket is dead: something is owed, nothing comes, and a fresh socket is answered.
    Watchdog at watchdog {
        /// Whether there is one.
        enabled: bool = true, None, Live;
        /// How long nothing may be read while an answer is owed, before a fresh socket is asked.
        progress_ms: u64 = 750, Ms 50 to 60_000, Live;
        /// How soon the fresh socket must answer, for the old one to be suspected: else the server is slow.
        probe_ms: u64 = 300, Ms 10 to 30_000, Live;
        /// How long the old socket has then, before it is replaced.
        grace_ms: u64 = 100, Ms 0 to 10_000, Live;
    }
}

section! {
    /// The sentinels, where the topology has them. They have a login of their own.
    Sentinel at sentinel {
        /// The name under which the sentinels know the primary.
        master_name: Option<String> = None, None, Restart, also ["master_name"], env ["REDIS_MASTER_NAME"];
        /// The sentinels' ACL user.
        username: Option<String> = None, None, Reconnect, also ["sentinel_username"];
        /// The sentinels' password.
        password: Option<Secret> = None, None, Reconnect, also ["sentinel_password"];
        /// A file that holds it, read at every dial.
        password_file: Option<PathBuf> = None, None, Reconnect, also ["sentinel_password_file"];
        /// How often they are asked for the primary, besides what they announce.
        poll_interval_ms: u64 = 10_000, Ms 500 to 600_000, Live;
    }
}

section! {
    /// The cluster, where the topology is one.
    Cluster at cluster {
        /// The shortest time between two readings of the slot map, whatever the redirections.
        refresh_min_ms: u64 = 1_000, Ms 100 to 600_000, Live;
        /// How often it is read without a reason.
        refresh_interval_ms: u64 = 60_000, Ms 1_000 to 3_600_000, Live;
        /// How many redirections a command follows.
        redirects_max: u32 = 5, Count 1 to 16, Live;
    }
}

/// What a connection logs in with, after checking.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum LoginWith {
    /// Nothing: the server asks for none.
    Nothing,
    /// A password, of this user or of `default`.
    Password {
        /// The user, if named.
        username: Option<String>,
        /// The password.
        password: Secret,
    },
    /// A password that is read from a file at every dial.
    File {
        /// The user, if named.
        username: Option<String>,
        /// The file.
        path: PathBuf,
    },
    /// Whatever code says at every dial.
    Provider(Provider),
}

impl LoginWith {
    /// True unless the one has a provider that the other has not.
    pub(crate) fn is_provided_as(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Provider(one), Self::Provider(another)) => one == another,
            (Self::Provider(_), _) | (_, Self::Provider(_)) => false,
            _ => true,
        }
    }
}
