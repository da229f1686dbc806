//! From a command to its answer, with the checks of Redis in their order.

use super::data::{Waiter, Wanted};
use super::node::{Condition, Dial, Face, Node, Role};
use super::observed::Seen;
use super::session::Session;
use super::table::{self, Access, Allowed, Run, Spec};
use super::{cluster, errors};
use crate::redis::{Protocol, Reply};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::oneshot;
use tokio::time::Instant;

/// What a command comes to.
#[derive(Debug)]
pub(super) enum Answer {
    /// Replies in order; pub/sub commands have several.
    Replies(Vec<Reply>),
    /// A last reply, then the end of the connection.
    Close(Reply),
    /// Waits until served, or for so long.
    Wait { served: oneshot::Receiver<Reply>, timeout: Option<Duration>, nothing: Reply },
}

impl From<Reply> for Answer {
    fn from(reply: Reply) -> Self {
        Self::Replies(vec![reply])
    }
}

impl From<Result<Reply, Reply>> for Answer {
    fn from(outcome: Result<Reply, Reply>) -> Self {
        Self::from(outcome.unwrap_or_else(|error| error))
    }
}

/// A command on its way.
#[derive(Debug)]
pub(super) struct Call<'a> {
    pub(super) node: &'a Node,
    pub(super) session: &'a mut Session,
    pub(super) args: &'a [Vec<u8>],
}

impl Call<'_> {
    pub(super) fn error(text: impl Into<String>) -> Answer {
        Answer::from(Reply::Error(text.into()))
    }

    /// A word in capitals; empty if there is none.
    pub(super) fn upper(&self, place: usize) -> String {
        self.args.get(place).map(|arg| super::data::upper(arg)).unwrap_or_default()
    }

    pub(super) fn wrong_arity(name: &str) -> Answer {
        Self::error(wrong_arity(name))
    }
}

fn wrong_arity(name: &str) -> String {
    format!("ERR wrong number of arguments for '{}' command", name.to_ascii_lowercase())
}

/// What is noted of a command before anything is done with it.
pub(super) fn seen(connection: u64, args: Vec<Vec<u8>>) -> Seen {
    let mut name = super::data::upper(&args[0]);
    let mut keys = Vec::new();
    if let Some(spec) = table::find(&args[0]) {
        keys = spec.keys_of(&args).into_iter().map(<[u8]>::to_vec).collect();
        name = full_name(spec, &args);
    }
    Seen { at: Instant::now(), connection, name, keys, args: Arc::new(args) }
}

/// The name of a command, with its subcommand if it is a container.
fn full_name(spec: &Spec, args: &[Vec<u8>]) -> String {
    let container = ["CLIENT", "CLUSTER", "CONFIG", "PUBSUB", "SCRIPT", "SENTINEL"].contains(&spec.name);
    match args.get(1) {
        Some(sub) if container => format!("{}|{}", spec.name, super::data::upper(sub)),
        _ => spec.name.to_owned(),
    }
}

/// Runs a command to its answer.
pub(super) fn dispatch(node: &Node, session: &mut Session, args: &[Vec<u8>]) -> Answer {
    // One command at a time over all servers that share the data: a transaction is not interleaved.
    let _turn = node.data.turn();
    let asking = std::mem::take(&mut session.asking);
    let checked = check(node, session, args, asking);
    let answer = match checked {
        Err(error) => {
            // What is refused while a transaction is queued spoils it.
            if let Some(multi) = &mut session.multi {
                multi.broken = true;
            }
            Answer::from(error)
        }
        Ok(spec) => match &mut session.multi {
            Some(multi) if !["EXEC", "DISCARD", "MULTI", "WATCH", "QUIT", "RESET"].contains(&spec.name) => {
                multi.queue.push(args.to_vec());
                Answer::from(Reply::Simple("QUEUED".to_owned()))
            }
            _ => run(node, session, spec, args),
        },
    };
    node.serve_waiters();
    answer
}

/// Runs a command that has passed all checks.
pub(super) fn run(node: &Node, session: &mut Session, spec: &'static Spec, args: &[Vec<u8>]) -> Answer {
    if session.id != 0 {
        node.observed.executed(&full_name(spec, args), &spec.keys_of(args));
    }
    match spec.run {
        Run::Data(work) => node.on_data(session.db, session.protocol, |cx| Answer::from(work(cx, args))),
        Run::Blocking => block(node, session, args),
        Run::Session(work) => work(&mut Call { node, session, args }),
    }
}

fn block(node: &Node, session: &mut Session, args: &[Vec<u8>]) -> Answer {
    let wanted = match Wanted::parse(args) {
        Ok(wanted) => wanted,
        Err(error) => return Answer::from(error),
    };
    let (db, protocol) = (session.db, session.protocol);
    match node.on_data(db, protocol, |cx| wanted.serve(cx)) {
        Ok(None) => {}
        Ok(Some(reply)) => return Answer::from(reply),
        Err(error) => return Answer::from(error),
    }
    let nothing = Wanted::nothing();
    // The test itself does not wait, and neither does a transaction that is executed.
    if session.id == 0 || session.executing {
        return Answer::from(nothing);
    }
    let (sender, served) = oneshot::channel();
    let timeout = wanted.timeout;
    node.data.lock().wait(Waiter { db, protocol, wanted, served: sender });
    Answer::Wait { served, timeout, nothing }
}

/// The checks of `processCommand`, in its order.
fn check(node: &Node, session: &Session, args: &[Vec<u8>], asking: bool) -> Result<&'static Spec, Reply> {
    let spec = known(node, args)?;
    if session.id == 0 {
        return Ok(spec);
    }
    let open = spec.allowed == Allowed::Unauthenticated;
    if !open && session.user.is_none() {
        return Err(Reply::error(errors::NOAUTH));
    }
    let keys = spec.keys_of(args);
    if let (Face::Cluster(face), false) = (&node.face, keys.is_empty()) {
        let exists = |key: &[u8]| {
            node.on_data(session.db, session.protocol, |cx| cx.store.entry(cx.db, key, cx.now).is_some())
        };
        let asked = cluster::Asked { keys: &keys, reads: !spec.writes(), asking, readonly: session.readonly };
        face.route(&asked, &exists).map_err(Reply::Error)?;
    }
    check_conditions(node, spec, args)?;
    check_subscriber(node, session, spec)?;
    Ok(spec)
}

fn known(node: &Node, args: &[Vec<u8>]) -> Result<&'static Spec, Reply> {
    let spec = table::find(&args[0]).filter(|spec| match (&node.face, spec.name) {
        (Face::Sentinel(_), name) => super::sentinel::knows(name),
        (_, name) => name != "SENTINEL",
    });
    let Some(spec) = spec else { return Err(Reply::Error(unknown(args))) };
    if spec.takes(args.len()) { Ok(spec) } else { Err(Reply::Error(wrong_arity(spec.name))) }
}

fn unknown(args: &[Vec<u8>]) -> String {
    let name = String::from_utf8_lossy(&args[0]).chars().take(128).collect::<String>();
    let mut text = format!("ERR unknown command '{name}', with args beginning with: ");
    for arg in &args[1..] {
        if text.len() > 128 {
            break;
        }
        text.push_str(&format!("'{}' ", String::from_utf8_lossy(arg)));
    }
    text
}

fn check_conditions(node: &Node, spec: &Spec, args: &[Vec<u8>]) -> Result<(), Reply> {
    let settings = node.settings();
    let replica = matches!(settings.role, Role::Replica { .. });
    let clustered = matches!(node.face, Face::Cluster(_));
    let has = |condition| settings.conditions.contains(&condition);
    let always = matches!(spec.allowed, Allowed::Always | Allowed::Unauthenticated);
    let busy_allows = ["AUTH", "HELLO", "MULTI", "DISCARD", "WATCH", "UNWATCH", "QUIT", "RESET"];
    let refused = [
        (Condition::ClusterDown, clustered && !spec.keys_of(args).is_empty()),
        (Condition::Oom, spec.access == Access::Grow),
        (Condition::Misconf, spec.writes() || spec.name == "PING"),
        (Condition::NoReplicas, spec.writes()),
    ];
    for (condition, concerned) in refused {
        if concerned && has(condition) {
            return Err(Reply::error(condition.error()));
        }
    }
    if replica && spec.writes() {
        return Err(Reply::error(errors::READONLY));
    }
    let refused = [
        (Condition::MasterDown, spec.allowed == Allowed::Normally),
        (Condition::Loading, !always),
        (Condition::Busy, !busy_allows.contains(&spec.name)),
    ];
    match refused.into_iter().find(|(condition, concerned)| *concerned && has(*condition)) {
        Some((condition, _)) => Err(Reply::error(condition.error())),
        None => Ok(()),
    }
}

fn check_subscriber(node: &Node, session: &Session, spec: &Spec) -> Result<(), Reply> {
    let allowed = ["PING", "SUBSCRIBE", "PSUBSCRIBE", "UNSUBSCRIBE", "PUNSUBSCRIBE", "QUIT", "RESET"];
    if session.protocol == Protocol::Resp3 || allowed.contains(&spec.name) {
        return Ok(());
    }
    let subscribed = node.clients.lock().get(&session.id).is_some_and(|client| client.subscriptions() > 0);
    if !subscribed {
        return Ok(());
    }
    let name = spec.name.to_ascii_lowercase();
    Err(Reply::Error(format!(
        "ERR Can't execute '{name}': only (P|S)SUBSCRIBE / (P|S)UNSUBSCRIBE / PING / QUIT / RESET are allowed in this context"
    )))
}

/// Whom a new connection is logged in as.
pub(super) fn default_user(node: &Node) -> Option<String> {
    let open = !node.settings().users.contains_key("default") && *node.dial.borrow() != Dial::WrongPass;
    open.then(|| "default".to_owned())
}
