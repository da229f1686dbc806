//! Making a connection: name to addresses, address to socket, socket to TLS, and the greeting.
//!
//! Everything is looked at anew at each dial: the name is resolved, certificates and passwords are read again. What
//! changed outside is found by the next dial, with no restart.

mod greet;
mod login;
mod resolve;
mod socket;
mod stream;
mod tls;

pub(crate) use greet::Greeting;
pub(crate) use login::{changes, credentials};
pub use resolve::{Resolve, Resolver, SystemResolver};
pub(crate) use socket::TcpSettings;
pub(crate) use stream::Stream;
pub(crate) use tls::TlsSettings;

use crate::config::{Address, LoginWith};
use crate::error::{Error, ErrorKind, Outcome, Result};
use crate::resp::Decoder;
use bytes::BytesMut;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use tokio::time::Instant;

/// How connections are made. The same for all nodes of a deployment.
#[derive(Debug, Clone)]
pub(crate) struct DialSettings {
    /// The time for one dial, from the name to the greeting's answer.
    pub(crate) timeout: Duration,
    pub(crate) tcp: TcpSettings,
    pub(crate) tls: Option<TlsSettings>,
    pub(crate) login: LoginWith,
    pub(crate) resolver: Arc<dyn Resolve>,
    /// What `CLIENT LIST` shows.
    pub(crate) client_name: Arc<str>,
    /// Protocol 3 is asked for, and 2 taken if the server knows no other.
    pub(crate) protocol_3: bool,
    pub(crate) database: u32,
    /// A node of a cluster that is a replica answers reads only after `READONLY`.
    pub(crate) cluster_reads: bool,
    pub(crate) reply_bytes_max: u64,
}

/// A connection that has been greeted.
#[derive(Debug)]
pub(crate) struct Dialed {
    pub(crate) io: Stream,
    pub(crate) greeting: Greeting,
    /// Where it leads.
    pub(crate) peer: Arc<str>,
}

/// Dials `address`.
///
/// # Errors
/// What failed, where, and what to do; always [`Outcome::NotSent`]. Never later than the dial's timeout.
///
/// Cancel safe: a dial that is dropped closes its sockets.
pub(crate) async fn dial(settings: &DialSettings, address: &Address) -> Result<Dialed> {
    let deadline = Instant::now() + settings.timeout;
    let stage = AtomicUsize::new(0);
    let dialed = tokio::time::timeout_at(deadline, connect(settings, address, &stage)).await;
    dialed
        .unwrap_or_else(|_| {
            let (hung, advice) = STAGES[stage.load(Ordering::Relaxed).min(STAGES.len() - 1)];
            let why = format!("no connection within {} ms: {hung}", settings.timeout.as_millis());
            Err(Error::new(ErrorKind::Timeout, "DIAL", Outcome::NotSent, why).advise(advice))
        })
        .map_err(|error| error.on(&address.shown()))
}

/// Where a dial may hang, and what to do then.
const STAGES: [(&str, &str); 4] = [
    (
        "its name was not resolved, or nobody answered",
        "check that the server runs, that nothing drops packets on the way, and connection.connect_timeout_ms",
    ),
    ("the TLS handshake was not answered", "check that the port speaks TLS; if not, use redis://"),
    ("the credentials did not come", "check the password's file, or what provides it"),
    (
        "what listens there took the connection and does not answer",
        "check that it is Redis, that it is not stopped or overloaded, and if it speaks TLS, use rediss://",
    ),
];

async fn connect(settings: &DialSettings, address: &Address, stage: &AtomicUsize) -> Result<Dialed> {
    let (socket, peer) = socket::open(&*settings.resolver, &settings.tcp, address).await?;
    stage.store(1, Ordering::Relaxed);
    let mut io = match &settings.tls {
        Some(tls) => tls::wrap(tls, address, socket).await?,
        None => socket,
    };
    stage.store(2, Ordering::Relaxed);
    let credentials = login::credentials(&settings.login).await?;
    stage.store(3, Ordering::Relaxed);
    let mut talk = greet::Talk {
        io: &mut io,
        decoder: Decoder::new(settings.reply_bytes_max),
        input: BytesMut::new(),
        round_trip: Duration::ZERO,
    };
    let greeting = greet::greet(&mut talk, settings, credentials.as_ref()).await?;
    Ok(Dialed { io, greeting, peer })
}
