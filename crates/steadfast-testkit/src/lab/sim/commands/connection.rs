//! HELLO, AUTH, SELECT, CLIENT and the like.

use crate::lab::sim::clients::{Client, Unblock};
use crate::lab::sim::data::{Store, integer};
use crate::lab::sim::dispatch::{Answer, Call, default_user};
use crate::lab::sim::errors;
use crate::lab::sim::fault::End;
use crate::lab::sim::node::{Dial, Face, Role};
use crate::redis::{Protocol, Reply};
use std::fmt::Write as _;

pub(in crate::lab::sim) fn ping(call: &mut Call<'_>) -> Answer {
    if call.args.len() > 2 {
        return Call::wrong_arity("ping");
    }
    let subscribed = || {
        let clients = call.node.clients.lock();
        clients.get(&call.session.id).is_some_and(|client| client.subscriptions() > 0)
    };
    let echo = call.args.get(1);
    if call.session.protocol == Protocol::Resp2 && subscribed() {
        return Reply::bulks([b"pong".as_slice(), echo.map_or(b"", Vec::as_slice)]).into();
    }
    echo.map_or_else(|| Reply::Simple("PONG".to_owned()), Reply::bulk).into()
}

pub(in crate::lab::sim) fn echo(call: &mut Call<'_>) -> Answer {
    Reply::bulk(&call.args[1]).into()
}

pub(in crate::lab::sim) fn quit(_: &mut Call<'_>) -> Answer {
    Answer::Close(Reply::ok())
}

pub(in crate::lab::sim) fn reset(call: &mut Call<'_>) -> Answer {
    let user = default_user(call.node);
    call.session.reset(user);
    if let Some(client) = call.node.clients.lock().get_mut(&call.session.id) {
        client.channels.clear();
        client.patterns.clear();
    }
    Reply::Simple("RESET".to_owned()).into()
}

pub(in crate::lab::sim) fn select(call: &mut Call<'_>) -> Answer {
    let db = match integer(&call.args[1]) {
        Ok(db) => usize::try_from(db).ok().filter(|db| *db < Store::databases()),
        Err(error) => return error.into(),
    };
    let Some(db) = db else { return Call::error("ERR DB index is out of range") };
    if db > 0 && matches!(call.node.face, Face::Cluster(_)) {
        return Call::error("ERR SELECT is not allowed in cluster mode");
    }
    call.session.db = db;
    Reply::ok().into()
}

pub(in crate::lab::sim) fn auth(call: &mut Call<'_>) -> Answer {
    let default = b"default".to_vec();
    let (user, password) = match call.args {
        [_, password] => {
            if !call.node.settings().users.contains_key("default")
                && *call.node.dial.borrow() != Dial::WrongPass
            {
                return Call::error(
                    "ERR AUTH <password> called without any password configured for the default user. \
                     Are you sure your configuration is correct?",
                );
            }
            (&default, password)
        }
        [_, user, password] => (user, password),
        _ => return Call::error(errors::SYNTAX),
    };
    login(call, user, password).map_or_else(Answer::from, |()| Reply::ok().into())
}

fn login(call: &mut Call<'_>, user: &[u8], password: &[u8]) -> Result<(), Reply> {
    let user = String::from_utf8_lossy(user).into_owned();
    let settings = call.node.settings();
    let matches = match settings.users.get(&user) {
        Some(passwords) => passwords.iter().any(|known| known.as_bytes() == password),
        None => user == "default",
    };
    if !matches || *call.node.dial.borrow() == Dial::WrongPass {
        return Err(Reply::error(errors::WRONGPASS));
    }
    call.session.user = Some(user);
    Ok(())
}

pub(in crate::lab::sim) fn hello(call: &mut Call<'_>) -> Answer {
    let mut protocol = call.session.protocol;
    if let Some(version) = call.args.get(1) {
        protocol = match version.as_slice() {
            b"2" => Protocol::Resp2,
            b"3" => Protocol::Resp3,
            other if integer(other).is_err() => {
                return Call::error("ERR Protocol version is not an integer or out of range");
            }
            _ => return Call::error("NOPROTO unsupported protocol version"),
        };
    }
    match hello_options(call) {
        Ok(Some(name)) => call.session.name = name,
        Ok(None) => {}
        Err(error) => return error.into(),
    }
    if call.session.user.is_none() {
        return Call::error(
            "NOAUTH HELLO must be called with the client already authenticated, otherwise the HELLO \
             AUTH <user> <pass> option can be used to authenticate the client and select the RESP protocol \
             version at the same time",
        );
    }
    call.session.protocol = protocol;
    greeting(call).into()
}

/// Logs in if it is told to, and returns the name to take.
fn hello_options(call: &mut Call<'_>) -> Result<Option<String>, Reply> {
    let (mut name, mut at) = (None, 2);
    while at < call.args.len() {
        match (call.upper(at).as_str(), call.args.len() - at) {
            ("AUTH", 3..) => {
                let (user, password) = (call.args[at + 1].clone(), call.args[at + 2].clone());
                login(call, &user, &password)?;
                at += 3;
            }
            ("SETNAME", 2..) => {
                name = Some(client_name(&call.args[at + 1])?);
                at += 2;
            }
            _ => {
                let option = text(&call.args[at]);
                return Err(Reply::Error(format!("ERR Syntax error in HELLO option '{option}'")));
            }
        }
    }
    Ok(name)
}

fn greeting(call: &Call<'_>) -> Reply {
    let (mode, role) = match (&call.node.face, &call.node.settings().role) {
        (Face::Sentinel(_), _) => ("sentinel", None),
        (face, role) => {
            let mode = if matches!(face, Face::Cluster(_)) { "cluster" } else { "standalone" };
            (mode, Some(if matches!(role, Role::Primary { .. }) { "master" } else { "replica" }))
        }
    };
    let version = if call.session.protocol == Protocol::Resp3 { 3 } else { 2 };
    let mut fields = vec![
        ("server", Reply::bulk("redis")),
        ("version", Reply::bulk(super::info::VERSION)),
        ("proto", Reply::Integer(version)),
        ("id", Reply::Integer(i64::try_from(call.session.id).unwrap_or(i64::MAX))),
        ("mode", Reply::bulk(mode)),
    ];
    fields.extend(role.map(|role| ("role", Reply::bulk(role))));
    fields.push(("modules", Reply::Array(Vec::new())));
    Reply::Map(fields.into_iter().map(|(name, value)| (Reply::bulk(name), value)).collect())
}

fn client_name(name: &[u8]) -> Result<String, Reply> {
    if name.iter().all(|byte| (b'!'..=b'~').contains(byte)) {
        return Ok(String::from_utf8_lossy(name).into_owned());
    }
    Err(Reply::error("ERR Client names cannot contain spaces, newlines or special characters."))
}

pub(in crate::lab::sim) fn client(call: &mut Call<'_>) -> Answer {
    let id = call.session.id;
    match (call.upper(1).as_str(), call.args.len()) {
        ("SETNAME", 3) => match client_name(&call.args[2]) {
            Ok(name) => call.session.name = name,
            Err(error) => return error.into(),
        },
        ("GETNAME", 2) if call.session.name.is_empty() => return Reply::Null.into(),
        ("GETNAME", 2) => return Reply::bulk(&call.session.name).into(),
        ("ID", 2) => return Reply::Integer(i64::try_from(id).unwrap_or(i64::MAX)).into(),
        ("SETINFO", 4) | ("NO-EVICT" | "NO-TOUCH", 3) => {}
        ("LIST", _) => return list(call, |_| true).into(),
        ("INFO", 2) => return list(call, |other| other == id).into(),
        ("UNBLOCK", 3 | 4) => return unblock(call),
        ("KILL", 3..) => return kill(call),
        ("SETNAME" | "GETNAME" | "ID" | "SETINFO" | "INFO" | "UNBLOCK" | "KILL", _) => {
            return Call::wrong_arity(&format!("client|{}", call.upper(1)));
        }
        _ => return unknown_subcommand(call),
    }
    Reply::ok().into()
}

pub(super) fn unknown_subcommand(call: &Call<'_>) -> Answer {
    let sub = String::from_utf8_lossy(&call.args[1]).into_owned();
    Call::error(format!("ERR unknown subcommand '{sub}'. Try {} HELP.", call.upper(0)))
}

fn list(call: &Call<'_>, which: impl Fn(u64) -> bool) -> Reply {
    let mut text = String::new();
    for (id, client) in call.node.clients.lock().iter().filter(|(id, _)| which(**id)) {
        describe(&mut text, *id, client);
    }
    Reply::Verbatim("txt".to_owned(), text.into_bytes())
}

fn describe(text: &mut String, id: u64, client: &Client) {
    let multi = client.multi.map_or(-1, |queued| i64::try_from(queued).unwrap_or(i64::MAX));
    let flags = match () {
        () if client.unblock.is_some() => "b",
        () if client.subscriptions() > 0 => "P",
        () if client.multi.is_some() => "x",
        () => "N",
    };
    let resp = if client.protocol == Protocol::Resp3 { 3 } else { 2 };
    let _ = writeln!(
        text,
        "id={id} addr={} name={} flags={flags} db={} sub={} psub={} multi={multi} cmd={} user={} resp={resp}",
        client.addr,
        client.name,
        client.db,
        client.channels.len(),
        client.patterns.len(),
        client.last_command.to_ascii_lowercase(),
        client.user,
    );
}

fn unblock(call: &Call<'_>) -> Answer {
    let how = match call.upper(3).as_str() {
        "" | "TIMEOUT" => Unblock::Timeout,
        "ERROR" => Unblock::Error,
        _ => return Call::error("ERR CLIENT UNBLOCK reason should be TIMEOUT or ERROR"),
    };
    let id = match integer(&call.args[2]) {
        Ok(id) => u64::try_from(id).unwrap_or(0),
        Err(error) => return error.into(),
    };
    let waits = call.node.clients.lock().get_mut(&id).and_then(|client| client.unblock.take());
    Reply::Integer(i64::from(waits.is_some_and(|waits| waits.send(how).is_ok()))).into()
}

/// `KILL addr`, or `KILL` with any of ID, ADDR, USER, TYPE (normal, pubsub), SKIPME.
fn kill(call: &Call<'_>) -> Answer {
    let old = call.args.len() == 3;
    let words: Vec<(String, String)> = match old {
        true => vec![("ADDR".to_owned(), text(&call.args[2])), ("SKIPME".to_owned(), "no".to_owned())],
        false => call.args[2..]
            .chunks(2)
            .map(|pair| (text(&pair[0]).to_uppercase(), text(pair.last().map_or(&[], |last| last))))
            .collect(),
    };
    let own = call.session.id;
    let skip_me = !words.iter().any(|(name, value)| name == "SKIPME" && value.eq_ignore_ascii_case("no"));
    let concerned = |id: u64, client: &Client| {
        let holds = |(name, value): &(String, String)| match name.as_str() {
            "ID" => *value == id.to_string(),
            "ADDR" => *value == client.addr,
            "USER" => *value == client.user,
            "TYPE" => (client.subscriptions() > 0) == value.eq_ignore_ascii_case("pubsub"),
            _ => true,
        };
        (!skip_me || id != own) && words.iter().all(holds)
    };
    match call.node.clients.control(End::Close, concerned) {
        0 if old => Call::error("ERR No such client"),
        _ if old => Reply::ok().into(),
        killed => Reply::count(killed).into(),
    }
}

fn text(arg: &[u8]) -> String {
    String::from_utf8_lossy(arg).into_owned()
}
