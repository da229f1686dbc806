//! The greeting: who we are, which protocol, which database. One or two round trips.

use super::stream::Stream;
use super::{DialSettings, socket};
use crate::config::Credentials;
use crate::error::{Error, ErrorKind, Outcome, Result};
use crate::fault::Fault;
use crate::resp::{Decoder, ProtocolError, Reply};
use crate::role::Role;
use bytes::BytesMut;
use redis::{Cmd, Value};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::Instant;

/// What the server said of itself.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Greeting {
    /// Protocol 2 or 3.
    pub(crate) protocol: u8,
    /// The connection's number on the server, for `CLIENT UNBLOCK`.
    pub(crate) client_id: Option<i64>,
    /// `redis`, `valkey`, …; empty if it does not say.
    pub(crate) server: String,
    /// Its version; empty if it does not say.
    pub(crate) version: String,
    /// What it is to the others.
    pub(crate) role: Role,
    /// The longest round trip of the greeting.
    pub(crate) round_trip: Duration,
    /// It reads its data from disk and refuses nearly everything until that is done.
    pub(crate) is_loading: bool,
    /// It is a replica that lost its primary and refuses nearly everything until it is back.
    pub(crate) is_cut_off: bool,
    /// It answers `PING` with an error that says that it is not well.
    pub(crate) is_ill: bool,
}

/// A connection before it is a lane: one question, one answer.
pub(super) struct Talk<'a> {
    pub(super) io: &'a mut Stream,
    pub(super) decoder: Decoder,
    pub(super) input: BytesMut,
    pub(super) round_trip: Duration,
}

impl Talk<'_> {
    async fn ask(&mut self, commands: &[Cmd]) -> Result<Vec<Reply>> {
        let asked = Instant::now();
        let packed: Vec<u8> = commands.iter().flat_map(Cmd::get_packed_command).collect();
        let is_plain = !matches!(self.io, Stream::Tls(_));
        let broken = |error| broken(error, is_plain);
        self.io.write_all(&packed).await.map_err(broken)?;
        self.io.flush().await.map_err(broken)?;
        let mut replies = Vec::with_capacity(commands.len());
        while replies.len() < commands.len() {
            match self.decoder.decode(&mut self.input).map_err(|error| not_redis(&error))? {
                Some(Reply::Push(_)) => {}
                // It says this unasked and closes: the error belongs to all.
                Some(Reply::Error(text)) if Fault::classify(&text) == Fault::MaxClients => {
                    return Err(Error::from_server(&text, false).with_outcome(Outcome::NotSent));
                }
                Some(reply) => replies.push(reply),
                None => {
                    let count = self.io.read_buf(&mut self.input).await.map_err(broken)?;
                    if count == 0 {
                        return Err(broken(std::io::ErrorKind::UnexpectedEof.into()));
                    }
                }
            }
        }
        self.round_trip = self.round_trip.max(asked.elapsed());
        Ok(replies)
    }
}

/// Greets the server.
///
/// # Errors
/// It is no Redis, does not know us, or is full.
pub(super) async fn greet(
    talk: &mut Talk<'_>,
    settings: &DialSettings,
    credentials: Option<&Credentials>,
) -> Result<Greeting> {
    let mut greeting = match settings.protocol_3 {
        true => match hello(talk, settings, credentials).await? {
            Some(greeting) => greeting,
            None => old_greeting(talk, settings, credentials).await?,
        },
        false => old_greeting(talk, settings, credentials).await?,
    };
    let mut rest = vec![redis::cmd("CLIENT").arg("ID").to_owned(), redis::cmd("PING"), redis::cmd("ROLE")];
    if settings.database != 0 {
        rest.push(redis::cmd("SELECT").arg(settings.database).to_owned());
    }
    if settings.cluster_reads {
        rest.push(redis::cmd("READONLY"));
    }
    let replies = talk.ask(&rest).await?;
    greeting.round_trip = talk.round_trip;
    for (at, reply) in replies.iter().enumerate() {
        match reply {
            Reply::Value(Value::Int(id)) if at == 0 => greeting.client_id = Some(*id),
            Reply::Error(text) if at == 1 => {
                let fault = Fault::classify(text);
                greeting.is_loading = fault == Fault::Loading;
                greeting.is_cut_off = fault == Fault::MasterDown;
                greeting.is_ill = fault.is_ill_health();
            }
            // In another database than the one asked for, everything would be somebody else's.
            Reply::Error(text) if at == 3 && settings.database != 0 => {
                return Err(refused(text));
            }
            Reply::Value(role) if at == 2 => greeting.role = Role::of(role).unwrap_or(greeting.role),
            // Some services hide the first three; a node without a cluster knows no READONLY.
            Reply::Error(text)
                if at > 2 && Fault::classify(text) != Fault::Unknown && !text.contains("cluster support") =>
            {
                return Err(Error::from_server(text, false).with_outcome(Outcome::NotSent));
            }
            _ => {}
        }
    }
    Ok(greeting)
}

async fn hello(
    talk: &mut Talk<'_>,
    settings: &DialSettings,
    credentials: Option<&Credentials>,
) -> Result<Option<Greeting>> {
    let mut hello = redis::cmd("HELLO");
    hello.arg(3);
    if let Some(Credentials { username, password }) = credentials {
        hello.arg("AUTH").arg(username.as_deref().unwrap_or("default")).arg(password.expose());
    }
    if !settings.client_name.is_empty() {
        hello.arg("SETNAME").arg(&*settings.client_name);
    }
    match talk.ask(&[hello]).await?.pop() {
        Some(Reply::Value(Value::Map(pairs))) => Ok(Some(read_hello(&pairs))),
        Some(Reply::Error(text)) => match Fault::classify(&text) {
            // Before Redis 6, or a proxy that knows only the old greeting.
            Fault::Unknown => Ok(None),
            // A server before 6.2 may know HELLO and not the option; one without a password knows no AUTH.
            Fault::Other if text.contains("syntax") || text.contains("Syntax") => Ok(None),
            _ => Err(refused(&text)),
        },
        _ => Err(not_redis(&ProtocolError::Unasked("an answer to HELLO that is none".to_owned()))),
    }
}

fn read_hello(pairs: &[(Value, Value)]) -> Greeting {
    let mut greeting = Greeting { protocol: 3, ..Greeting::default() };
    for (name, value) in pairs {
        let (Some(name), value) = (text(name), value) else { continue };
        match (name.as_str(), value) {
            ("server", value) => greeting.server = text(value).unwrap_or_default(),
            ("version", value) => greeting.version = text(value).unwrap_or_default(),
            ("role", value) => greeting.role = Role::named(text(value).unwrap_or_default().as_bytes()),
            _ => {}
        }
    }
    greeting
}

async fn old_greeting(
    talk: &mut Talk<'_>,
    settings: &DialSettings,
    credentials: Option<&Credentials>,
) -> Result<Greeting> {
    let mut commands = Vec::new();
    if let Some(Credentials { username, password }) = credentials {
        let mut auth = redis::cmd("AUTH");
        if let Some(username) = username {
            auth.arg(username);
        }
        commands.push(auth.arg(password.expose()).to_owned());
    }
    if !settings.client_name.is_empty() {
        commands.push(redis::cmd("CLIENT").arg("SETNAME").arg(&*settings.client_name).to_owned());
    }
    commands.push(redis::cmd("PING"));
    for reply in talk.ask(&commands).await? {
        if let Reply::Error(text) = reply {
            match Fault::classify(&text) {
                // A server that has no names for clients, or that is not ready: it answers, which is what counts here.
                Fault::Unknown | Fault::Loading | Fault::MasterDown | Fault::MisConf => {}
                _ => return Err(refused(&text)),
            }
        }
    }
    Ok(Greeting { protocol: 2, ..Greeting::default() })
}

fn text(value: &Value) -> Option<String> {
    match value {
        Value::BulkString(bytes) => Some(String::from_utf8_lossy(bytes).into_owned()),
        Value::SimpleString(text) => Some(text.clone()),
        _ => None,
    }
}

fn refused(text: &str) -> Error {
    Error::from_server(text, false).with_outcome(Outcome::NotSent)
}

fn broken(error: std::io::Error, is_plain: bool) -> Error {
    let why = format!("the connection ended during the greeting: {error}");
    let advice = match is_plain {
        true => "check that a Redis listens there, and its log; if it speaks TLS, use rediss://",
        false => "check that a Redis listens there, and its log; it may ask for a certificate of ours",
    };
    Error::new(ErrorKind::Connection, socket::code(&error), Outcome::NotSent, why)
        .advise(advice)
        .because(error)
}

fn not_redis(error: &ProtocolError) -> Error {
    let why = format!("what answers is not Redis: {error}");
    let advice = match error {
        ProtocolError::NotAReply(start) if start.starts_with("HTTP/") => {
            "an HTTP server listens there: check the port"
        }
        ProtocolError::NotAReply(start) if start.starts_with("?") => {
            "it may speak TLS: use rediss://, and check the port"
        }
        _ => "check host and port",
    };
    Error::new(ErrorKind::Connection, "PROTOCOL", Outcome::NotSent, why).advise(advice).because(error.clone())
}
