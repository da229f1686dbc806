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
    let dialed = tokio::time::timeout_at(deadline, connect(settings, address)).await;
    dialed
        .unwrap_or_else(|_| {
            let why = format!("no connection within {} ms", settings.timeout.as_millis());
            Err(Error::new(ErrorKind::Timeout, "DIAL", Outcome::NotSent, why).advise(
                "check that the server runs, that nothing drops packets on the way, and connection.connect_timeout_ms",
            ))
        })
        .map_err(|error| error.on(&address.shown()))
}

async fn connect(settings: &DialSettings, address: &Address) -> Result<Dialed> {
    let (socket, peer) = socket::open(&*settings.resolver, &settings.tcp, address).await?;
    let mut io = match &settings.tls {
        Some(tls) => tls::wrap(tls, address, socket).await?,
        None => socket,
    };
    let credentials = login::credentials(&settings.login).await?;
    let mut talk = greet::Talk {
        io: &mut io,
        decoder: Decoder::new(settings.reply_bytes_max),
        input: BytesMut::new(),
        round_trip: Duration::ZERO,
    };
    let greeting = greet::greet(&mut talk, settings, credentials.as_ref()).await?;
    Ok(Dialed { io, greeting, peer })
}
