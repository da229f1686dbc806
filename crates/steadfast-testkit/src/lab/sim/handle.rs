//! A running simulated server and what a test may do with it.

use super::builder::Builder;
use super::clients::Unblock;
use super::data::Data;
use super::dispatch::{Answer, dispatch};
use super::fault::{End, Fault, FaultId};
use super::link::Wire as _;
use super::listener::{Listener, turn_away};
use super::node::{Condition, Dial, Face, Node, Role};
use super::observed::{DialSeen, Seen};
use super::scripts::ScriptCall;
use super::sentinel::Sentinel;
use super::session::Session;
use crate::redis::Reply;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::DuplexStream;
use tokio::sync::watch;
use tokio::time::{Instant, timeout_at};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// How long a change may take to come into force.
const CHANGE_WITHIN: Duration = Duration::from_secs(5);
/// How many bytes an in-memory stream holds each way.
const DUPLEX_BYTES: usize = 64 * 1024;

#[derive(Debug)]
pub(super) struct Running {
    pub(super) tasks: TaskTracker,
    pub(super) stop: CancellationToken,
    pub(super) in_force: watch::Sender<Dial>,
}

impl Drop for Running {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

/// A simulated server. Clones are handles of the same one; it ends with the last, or when stopped.
#[derive(Debug, Clone)]
pub struct Sim {
    pub(super) node: Arc<Node>,
    pub(super) running: Arc<Running>,
}

impl Sim {
    /// A standalone server: empty, a primary, open to everybody.
    pub async fn start() -> anyhow::Result<Self> {
        Self::builder().start().await
    }

    /// A server with settings of its own.
    pub fn builder() -> Builder {
        Builder::default()
    }

    /// Where it listens.
    pub fn addr(&self) -> SocketAddr {
        self.node.addr
    }

    /// The same as a port.
    pub fn port(&self) -> u16 {
        self.node.addr.port()
    }

    /// The same as a URL, without a password.
    pub fn url(&self) -> String {
        format!("redis://{}", self.node.addr)
    }

    /// Its data set.
    pub fn data(&self) -> Data {
        self.node.data.clone()
    }

    /// Runs a command on its data past all faults, refusals and counters.
    pub fn command(&self, args: &[&str]) -> Reply {
        let args: Vec<Vec<u8>> = args.iter().map(|arg| arg.as_bytes().to_vec()).collect();
        let mut session = Session { user: Some("default".to_owned()), ..Session::default() };
        match dispatch(&self.node, &mut session, &args) {
            Answer::Replies(mut replies) => replies.pop().unwrap_or(Reply::Null),
            Answer::Close(reply) | Answer::Wait { nothing: reply, .. } => reply,
        }
    }

    /// A connection in memory, met as the dial policy says: nothing of it goes through the system, so that under a
    /// paused clock time moves only when every task waits.
    ///
    /// # Errors
    /// `ConnectionRefused` under [`Dial::Refuse`].
    pub fn connect_duplex(&self) -> io::Result<DuplexStream> {
        let (ours, theirs) = tokio::io::duplex(DUPLEX_BYTES);
        let policy = *self.node.dial.borrow();
        match policy {
            Dial::Refuse => return Err(io::ErrorKind::ConnectionRefused.into()),
            Dial::AcceptAndClose | Dial::Reset => {
                self.node.observed.dialled(Instant::now());
                theirs.reset_on_drop();
            }
            Dial::MaxClients => {
                self.node.observed.dialled(Instant::now());
                let stop = self.running.stop.clone();
                self.running.tasks.spawn(stop.run_until_cancelled_owned(turn_away(theirs)));
            }
            Dial::Accept | Dial::WrongPass | Dial::Hang => {
                self.acceptor().serve(theirs, "memory".to_owned(), policy);
            }
        }
        Ok(ours)
    }

    fn acceptor(&self) -> Listener {
        Listener {
            node: Arc::clone(&self.node),
            tasks: self.running.tasks.clone(),
            stop: self.running.stop.clone(),
            in_force: self.running.in_force.clone(),
        }
    }

    /// Sets a fault. The first that holds, in the order they were set, decides.
    pub fn fault(&self, fault: Fault) -> FaultId {
        self.node.faults.set(fault)
    }

    /// Takes a fault back.
    pub fn remove_fault(&self, id: FaultId) {
        self.node.faults.remove(id);
    }

    /// Takes all faults back. Connections that stall go on stalling.
    pub fn clear_faults(&self) {
        self.node.faults.clear();
    }

    /// How often a fault has decided.
    pub fn hits(&self, id: FaultId) -> u64 {
        self.node.faults.hits(id)
    }

    /// Changes how those are met who connect from now on, and returns when the change is in force.
    pub async fn dial(&self, policy: Dial) {
        self.node.dial.send_replace(policy);
        let mut in_force = self.running.in_force.subscribe();
        let deadline = Instant::now() + CHANGE_WITHIN;
        // It is not in force if the server was stopped, or meanwhile changed again.
        let _ = timeout_at(deadline, in_force.wait_for(|now| *now == policy)).await;
    }

    /// Stops it: the listener and all connections are closed, as if its process were gone. The data stays.
    pub async fn stop(&self) {
        self.running.stop.cancel();
        self.running.tasks.close();
        self.running.tasks.wait().await;
    }

    /// Does something to all connections that stand; says to how many. New ones are not concerned.
    pub fn all_connections(&self, end: End) -> usize {
        self.node.clients.control(end, |_, _| true)
    }

    /// Does something to one connection; the first is 1. Says whether it stands.
    pub fn connection(&self, connection: u64, end: End) -> bool {
        self.node.clients.control(end, |id, _| id == connection) > 0
    }

    /// Makes it a primary or a replica. The connections stay; blocked ones are told when it ceases to be a primary.
    pub fn set_role(&self, role: Role) {
        let demoted = matches!(role, Role::Replica { .. });
        self.node.settings().role = role;
        if demoted {
            for client in self.node.clients.lock().values_mut() {
                let _ = client.unblock.take().map(|waits| waits.send(Unblock::Demoted));
            }
        }
    }

    /// Puts it into a state in which it refuses commands.
    pub fn set_condition(&self, condition: Condition) {
        self.node.settings().conditions.push(condition);
    }

    /// Takes it out of such a state.
    pub fn clear_condition(&self, condition: Condition) {
        self.node.settings().conditions.retain(|other| *other != condition);
    }

    /// The passwords that a user may come in with from now on; none at all locks it out. Whoever is in stays in.
    pub fn set_passwords(&self, user: &str, passwords: &[&str]) {
        let passwords = passwords.iter().map(|password| (*password).to_owned()).collect();
        self.node.settings().users.insert(user.to_owned(), passwords);
    }

    /// Sets a field of a section of INFO, both may be new.
    pub fn set_info(&self, section: &str, field: &str, value: &str) {
        let key = (section.to_lowercase(), field.to_owned());
        self.node.settings().info.insert(key, value.to_owned());
    }

    /// Sets what CONFIG GET says, the name may be new.
    pub fn set_config(&self, name: &str, value: &str) {
        self.node.settings().config.insert(name.to_lowercase(), value.to_owned());
    }

    /// Sets how many replicas WAIT finds.
    pub fn set_wait_replicas(&self, replicas: u32) {
        self.node.settings().wait_replicas = i64::from(replicas);
    }

    /// Says what the script of this text does and returns its digest. It is not loaded by that: EVALSHA answers NOSCRIPT
    /// until a client has loaded it.
    pub fn script<F>(&self, source: &str, body: F) -> String
    where
        F: Fn(&mut ScriptCall<'_, '_>) -> Result<Reply, Reply> + Send + Sync + 'static,
    {
        self.node.scripts.register(source.as_bytes(), Arc::new(body))
    }

    /// Publishes a message; says how many were told.
    pub fn publish(&self, channel: &str, message: &str) -> usize {
        self.node.clients.publish(channel.as_bytes(), message.as_bytes())
    }

    /// What it believes and announces, if it poses as a sentinel.
    pub fn sentinel(&self) -> Option<Sentinel<'_>> {
        match &self.node.face {
            Face::Sentinel(face) => Some(Sentinel { face, clients: &self.node.clients }),
            _ => None,
        }
    }

    /// Whether it goes on believing what it knows of its cluster now, whatever happens there.
    pub fn freeze_cluster_view(&self, on: bool) {
        if let Face::Cluster(face) = &self.node.face {
            face.freeze(on);
        }
    }

    /// Its id in its cluster, or its run id.
    pub fn id(&self) -> &str {
        match &self.node.face {
            Face::Cluster(face) => &face.id,
            _ => &self.node.run_id,
        }
    }

    /// How often a command was executed, by clients and scripts; what was refused is not counted. A subcommand is
    /// counted under its own name, `CLIENT|SETNAME`, and under that of its container.
    pub fn executed(&self, name: &str) -> u64 {
        self.node.observed.times_executed(name)
    }

    /// How often a command was executed with this among its keys.
    pub fn executed_on(&self, name: &str, key: &str) -> u64 {
        self.node.observed.times_executed_on(name, key.as_bytes())
    }

    /// How often a command came in, whatever became of it.
    pub fn received(&self, name: &str) -> u64 {
        self.node.observed.times_received(name)
    }

    /// The last 10,000 commands that came in, in order.
    pub fn log(&self) -> Vec<Seen> {
        self.node.observed.log()
    }

    /// The dials that were accepted, in whatever way; the first 100,000.
    pub fn dials(&self) -> Vec<DialSeen> {
        self.node.observed.dials()
    }

    /// How many dials were accepted.
    pub fn dial_count(&self) -> u64 {
        self.node.observed.times_dialled()
    }

    /// Forgets all counts, the log and the dials. Connections are numbered on.
    pub fn forget_counts(&self) {
        self.node.observed.forget();
    }

    /// How many connections stand.
    pub fn connections(&self) -> usize {
        self.node.clients.lock().len()
    }

    /// How many connections wait in a blocking command, over all servers that share the data.
    pub fn waiting(&self) -> usize {
        self.node.data.lock().waiting()
    }

    /// Waits until something holds of what has happened here; says whether it did within the time. It is looked at
    /// whenever something happens.
    pub async fn wait_until(&self, within: Duration, holds: impl Fn(&Self) -> bool + Send) -> bool {
        self.node.observed.changes().wait_until(within, move || holds(self)).await
    }
}
