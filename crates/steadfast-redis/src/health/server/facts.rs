//! What a server says of itself, read out of its answers. Pure.

use crate::error::Result;
use crate::lane::Answer;
use crate::resp::Reply;
use crate::route::fields::{fields, text};
use std::collections::HashMap;
use std::sync::Arc;

/// The settings that are asked for, one by one: several at once are new in Redis 7.
const SETTINGS: [&str; 9] = [
    "maxmemory",
    "maxmemory-policy",
    "maxclients",
    "timeout",
    "tcp-keepalive",
    "min-replicas-to-write",
    "appendonly",
    "appendfsync",
    "save",
];

/// What is known of a server. What it does not say, or our user may not ask, is `None`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Facts {
    pub(super) version: Option<String>,
    /// `master` or `slave`.
    pub(super) role: Option<String>,
    pub(super) aof: Option<bool>,
    pub(super) aof_write_ok: Option<bool>,
    /// The `save` setting; empty if no snapshots are taken.
    pub(super) save: Option<String>,
    pub(super) snapshot_ok: Option<bool>,
    /// 0 is no limit.
    pub(super) maxmemory: Option<u64>,
    pub(super) used_memory: Option<u64>,
    pub(super) policy: Option<String>,
    pub(super) maxclients: Option<u64>,
    pub(super) clients: Option<u64>,
    pub(super) timeout_s: Option<u64>,
    pub(super) keepalive_s: Option<u64>,
    pub(super) min_replicas: Option<u64>,
    pub(super) replicas: Option<u64>,
    pub(super) cluster: Option<bool>,
    pub(super) cluster_state: Option<String>,
    /// What could not be looked at, and what the server said.
    pub(super) refused: Vec<(&'static str, String)>,
}

/// The commands, encoded, and their number.
pub(super) fn question() -> (Vec<u8>, usize) {
    let mut packed = redis::cmd("INFO").get_packed_command();
    packed.extend(redis::cmd("CLUSTER").arg("INFO").get_packed_command());
    for setting in SETTINGS {
        packed.extend(redis::cmd("CONFIG").arg("GET").arg(setting).get_packed_command());
    }
    (packed, SETTINGS.len() + 2)
}

impl Facts {
    /// Reads the answers.
    ///
    /// # Errors
    /// None came.
    pub(super) fn read(answer: Result<Answer>) -> Result<Self> {
        let replies = match answer? {
            Answer::Many(replies) => replies,
            Answer::One(reply) => vec![reply],
        };
        let mut facts = Self::default();
        let mut replies = replies.iter();
        let info = facts.lines("INFO", replies.next());
        // Without a cluster this is an error, and nothing that was wanted.
        let cluster = match replies.next() {
            Some(Reply::Value(value)) => text(value).map(|text| lines(&text)).unwrap_or_default(),
            _ => HashMap::new(),
        };
        let mut config = HashMap::new();
        for reply in replies {
            match reply {
                Reply::Value(value) => config.extend(fields(value)),
                Reply::Error(text) if !facts.refused.iter().any(|(what, _)| *what == "CONFIG") => {
                    facts.refused.push(("CONFIG", text.to_string()));
                }
                _ => {}
            }
        }
        facts.take_info(&info);
        facts.take_config(&config);
        facts.cluster_state = cluster.get("cluster_state").cloned();
        Ok(facts)
    }

    fn lines(&mut self, what: &'static str, reply: Option<&Reply>) -> HashMap<String, String> {
        match reply {
            Some(Reply::Value(value)) => text(value).map(|text| lines(&text)).unwrap_or_default(),
            Some(Reply::Error(text)) => {
                self.refused.push((what, text.to_string()));
                HashMap::new()
            }
            _ => HashMap::new(),
        }
    }

    fn take_info(&mut self, info: &HashMap<String, String>) {
        let word = |name: &str| info.get(name).cloned();
        let number = |name: &str| info.get(name).and_then(|value| value.parse().ok());
        let flag = |name: &str| info.get(name).map(|value| value == "1");
        let ok = |name: &str| info.get(name).map(|value| value == "ok");
        self.version = word("valkey_version").or_else(|| word("redis_version"));
        self.role = word("role");
        self.aof = flag("aof_enabled");
        self.aof_write_ok = ok("aof_last_write_status");
        self.snapshot_ok = ok("rdb_last_bgsave_status");
        self.maxmemory = number("maxmemory");
        self.used_memory = number("used_memory");
        self.policy = word("maxmemory_policy");
        self.maxclients = number("maxclients");
        self.clients = number("connected_clients");
        self.replicas = number("connected_slaves");
        self.cluster = flag("cluster_enabled");
    }

    /// What the settings say wins: they are what an operator changes.
    fn take_config(&mut self, config: &HashMap<String, String>) {
        let word = |name: &str| config.get(name).cloned();
        let number = |name: &str| config.get(name).and_then(|value| value.parse().ok());
        self.policy = word("maxmemory-policy").or(self.policy.take());
        self.maxmemory = number("maxmemory").or(self.maxmemory);
        self.maxclients = number("maxclients").or(self.maxclients);
        self.timeout_s = number("timeout");
        self.keepalive_s = number("tcp-keepalive");
        self.min_replicas = number("min-replicas-to-write");
        self.aof = config.get("appendonly").map(|value| value == "yes").or(self.aof);
        self.save = word("save");
    }

    /// The policy, if it deletes data when memory is full.
    pub(crate) fn evicts(&self) -> Option<Arc<str>> {
        self.policy.as_deref().filter(|policy| *policy != "noeviction").map(Arc::from)
    }
}

fn lines(text: &str) -> HashMap<String, String> {
    let fields = text.lines().filter_map(|line| line.trim().split_once(':'));
    fields.map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use redis::Value;

    fn bulk(text: &str) -> Value {
        Value::BulkString(text.as_bytes().to_vec())
    }

    fn setting(name: &str, value: &str) -> Reply {
        Reply::Value(Value::Array(vec![bulk(name), bulk(value)]))
    }

    #[test]
    fn the_question_has_as_many_commands_as_it_says() {
        let (packed, count) = question();
        assert_eq!(packed.iter().filter(|byte| **byte == b'*').count(), count);
    }

    #[test]
    fn info_and_settings_are_read_and_settings_win() {
        let info = "# Server\r\nredis_version:7.0.15\r\n# Memory\r\nused_memory:5\r\nmaxmemory:10\r\n\
                    maxmemory_policy:allkeys-lru\r\nrole:master\r\naof_enabled:0\r\nrdb_last_bgsave_status:err\r\n";
        let replies = vec![
            Reply::Value(bulk(info)),
            Reply::Error("ERR This instance has cluster support disabled".into()),
            setting("maxmemory", "20"),
            setting("maxmemory-policy", "noeviction"),
            setting("save", ""),
        ];
        let facts = Facts::read(Ok(Answer::Many(replies))).unwrap();
        assert_eq!(facts.version.as_deref(), Some("7.0.15"));
        assert_eq!((facts.used_memory, facts.maxmemory), (Some(5), Some(20)));
        assert_eq!((facts.evicts(), facts.policy.as_deref()), (None, Some("noeviction")));
        assert_eq!(
            (facts.aof, facts.snapshot_ok, facts.save.as_deref()),
            (Some(false), Some(false), Some(""))
        );
        assert!(facts.refused.is_empty() && facts.cluster_state.is_none());
    }

    #[test]
    fn what_may_not_be_asked_is_said_once() {
        let no = || Reply::Error("NOPERM no".into());
        let facts = Facts::read(Ok(Answer::Many(vec![no(), no(), no(), no()]))).unwrap();
        assert_eq!(facts.refused.iter().map(|(what, _)| *what).collect::<Vec<_>>(), ["INFO", "CONFIG"]);
        assert_eq!(facts.policy, None);
    }
}
