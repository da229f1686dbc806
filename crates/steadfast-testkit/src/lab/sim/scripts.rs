//! Scripts: their texts as a client sends them, what they do as closures of the test.

use super::data::Cx;
use super::errors;
use super::node::{Condition, Node, Role};
use super::table::{self, Access, Run};
use crate::redis::Reply;
use sha1::{Digest, Sha1};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::fmt::Write as _;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// What a script does. An error it returns is the reply.
pub(super) type Body = Arc<dyn Fn(&mut ScriptCall<'_, '_>) -> Result<Reply, Reply> + Send + Sync>;

#[derive(Default)]
struct Known {
    bodies: BTreeMap<String, Body>,
    loaded: BTreeSet<String>,
}

/// The scripts of a server.
#[derive(Default)]
pub(super) struct Scripts(Mutex<Known>);

impl fmt::Debug for Scripts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Scripts").field("loaded", &self.lock().loaded).finish_non_exhaustive()
    }
}

impl Scripts {
    fn lock(&self) -> MutexGuard<'_, Known> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Says what the script of this text does; does not load it.
    pub(super) fn register(&self, source: &[u8], body: Body) -> String {
        let sha = digest(source);
        self.lock().bodies.insert(sha.clone(), body);
        sha
    }

    pub(super) fn load(&self, source: &[u8]) -> String {
        let sha = digest(source);
        self.lock().loaded.insert(sha.clone());
        sha
    }

    pub(super) fn is_loaded(&self, sha: &str) -> bool {
        self.lock().loaded.contains(sha)
    }

    pub(super) fn flush(&self) {
        self.lock().loaded.clear();
    }

    pub(super) fn body(&self, sha: &str) -> Option<Body> {
        self.lock().bodies.get(sha).cloned()
    }
}

fn digest(source: &[u8]) -> String {
    let mut text = String::with_capacity(40);
    for byte in Sha1::digest(source) {
        let _ = write!(text, "{byte:02x}");
    }
    text
}

/// A script that is being run: its keys, its arguments and the commands it calls.
///
/// It runs alone, as with Redis: calling the handle of the same server from within never ends.
#[derive(Debug)]
pub struct ScriptCall<'a, 'cx> {
    pub(super) node: &'a Node,
    pub(super) cx: &'a mut Cx<'cx>,
    pub(super) sha: &'a str,
    /// `KEYS`; the first is at 0.
    pub keys: &'a [Vec<u8>],
    /// `ARGV`; the first is at 0.
    pub args: &'a [Vec<u8>],
}

impl ScriptCall<'_, '_> {
    /// A key as text; empty if there is none or it is not text.
    pub fn key(&self, place: usize) -> &str {
        self.keys.get(place).and_then(|key| std::str::from_utf8(key).ok()).unwrap_or_default()
    }

    /// An argument as text; empty if there is none or it is not text.
    pub fn arg(&self, place: usize) -> &str {
        self.args.get(place).and_then(|arg| std::str::from_utf8(arg).ok()).unwrap_or_default()
    }

    /// `redis.call`: runs a command on the data.
    ///
    /// # Errors
    /// The error reply, worded as Redis words it for a script that does not catch it: hand it on with `?`.
    pub fn call(&mut self, args: &[&str]) -> Result<Reply, Reply> {
        let args: Vec<Vec<u8>> = args.iter().map(|arg| arg.as_bytes().to_vec()).collect();
        self.pcall(&args)
            .map_err(|text| Reply::Error(format!("{text} script: {}, on @user_script:1.", self.sha)))
    }

    fn pcall(&mut self, args: &[Vec<u8>]) -> Result<Reply, String> {
        let spec = args.first().and_then(|name| table::find(name));
        let Some((spec, Run::Data(work))) = spec.map(|spec| (spec, spec.run)) else {
            return Err("ERR Unknown Redis command called from script".to_owned());
        };
        if !spec.takes(args.len()) {
            return Err("ERR Wrong number of args calling Redis command from script".to_owned());
        }
        self.check(spec.access)?;
        self.node.observed.executed(spec.name, &spec.keys_of(args));
        match work(self.cx, args) {
            Ok(Reply::Error(text)) | Err(Reply::Error(text)) => Err(text),
            Ok(reply) | Err(reply) => Ok(reply),
        }
    }

    /// What a server refuses to scripts too.
    fn check(&self, access: Access) -> Result<(), String> {
        let settings = self.node.settings();
        let writes = matches!(access, Access::Write | Access::Grow);
        if writes && matches!(settings.role, Role::Replica { .. }) {
            return Err(errors::READONLY.to_owned());
        }
        let refused = [
            (Condition::Misconf, writes),
            (Condition::NoReplicas, writes),
            (Condition::Oom, access == Access::Grow),
            (Condition::MasterDown, true),
        ];
        let holds = |condition| settings.conditions.contains(&condition);
        match refused.into_iter().find(|(condition, concerned)| *concerned && holds(*condition)) {
            Some((condition, _)) => Err(condition.error().to_owned()),
            None => Ok(()),
        }
    }
}
