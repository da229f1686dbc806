//! What is said of a server's settings: what it is, why it matters, what to do. Pure.

use super::facts::Facts;
use super::finding::{ServerFinding, Severity};
use crate::config::{Config, Eviction, Kind};
use crate::error::{Error, ErrorKind, Outcome};

/// One thing that is looked at.
type Rule = fn(&Facts, &Config) -> Option<ServerFinding>;

const RULES: &[Rule] = &[
    not_looked_at,
    version,
    role,
    cluster,
    eviction,
    memory_limit,
    memory_used,
    no_persistence,
    snapshots_only,
    persistence_fails,
    clients,
    timeout,
    keepalive,
    too_few_replicas,
    unprotected_writes,
];

/// All findings, and the refusal if there is one.
#[derive(Debug, Clone)]
pub(crate) struct Review {
    pub(crate) findings: Vec<ServerFinding>,
    /// Set if the configuration says that such a server is not to be used.
    pub(crate) refusal: Option<Error>,
}

/// Looks at everything.
pub(crate) fn review(facts: &Facts, config: &Config) -> Review {
    let findings: Vec<ServerFinding> = RULES.iter().filter_map(|rule| rule(facts, config)).collect();
    let refused = findings.iter().find(|finding| finding.severity == Severity::Refused);
    let refusal = refused.map(|finding| {
        let why = format!(
            "{}: {}; `server.eviction` is `refuse`, so nothing is sent to it",
            finding.what, finding.why
        );
        Error::new(ErrorKind::Validation, "EVICTION", Outcome::NotSent, why).advise(finding.advice.clone())
    });
    Review { findings, refusal }
}

fn warn(
    id: &'static str,
    what: impl Into<String>,
    why: &str,
    advice: impl Into<String>,
) -> Option<ServerFinding> {
    Some(ServerFinding {
        id,
        severity: Severity::Warning,
        what: what.into(),
        why: why.to_owned(),
        advice: advice.into(),
    })
}

fn note(
    id: &'static str,
    what: impl Into<String>,
    why: &str,
    advice: impl Into<String>,
) -> Option<ServerFinding> {
    warn(id, what, why, advice).map(|finding| ServerFinding { severity: Severity::Note, ..finding })
}

fn not_looked_at(facts: &Facts, _: &Config) -> Option<ServerFinding> {
    let (what, said) = facts.refused.iter().map(|(what, said)| (*what, said.as_str())).next()?;
    let all: Vec<&str> = facts.refused.iter().map(|(what, _)| *what).collect();
    note(
        "not_looked_at",
        format!("{} could not be looked at; to {what} it said: {said}", all.join(" and ")),
        "what they would show is not checked",
        "let our user run them (ACL SETUSER ... +info +config|get), or check by hand",
    )
}

fn version(facts: &Facts, _: &Config) -> Option<ServerFinding> {
    let version = facts.version.as_deref()?;
    let major: u32 = version.split('.').next()?.parse().ok()?;
    if major >= 6 {
        return None;
    }
    warn(
        "version",
        format!("its version is {version}"),
        "before 6 there are no users, no protocol 3 and no security fixes",
        "move to a version that is maintained",
    )
}

fn role(facts: &Facts, config: &Config) -> Option<ServerFinding> {
    (facts.role.as_deref() == Some("slave") && config.hosts.kind == Kind::Standalone).then_some(())?;
    warn(
        "role",
        "it is a replica",
        "it refuses writes, and the URL names no other server",
        "name the primary, or the sentinels, or all servers of the group in the URL",
    )
}

fn cluster(facts: &Facts, config: &Config) -> Option<ServerFinding> {
    let is_cluster = config.hosts.kind == Kind::Cluster;
    match (facts.cluster?, is_cluster, facts.cluster_state.as_deref()) {
        (true, false, _) => warn(
            "cluster",
            "it is a node of a cluster",
            "keys that belong to other nodes are refused (MOVED)",
            "begin the URL with redis-cluster://",
        ),
        (false, true, _) => warn(
            "cluster",
            "it is no node of a cluster",
            "the URL says that it is",
            "begin the URL with redis://, or set cluster-enabled yes",
        ),
        (true, true, Some(state)) if state != "ok" => warn(
            "cluster",
            format!("cluster_state is {state}"),
            "slots without a node are refused (CLUSTERDOWN)",
            "look at CLUSTER INFO and bring the failed nodes back",
        ),
        _ => None,
    }
}

fn eviction(facts: &Facts, config: &Config) -> Option<ServerFinding> {
    let severity = match config.server.eviction {
        Eviction::Accept => return None,
        Eviction::Warn => Severity::Warning,
        Eviction::Refuse => Severity::Refused,
    };
    let advice = "set maxmemory-policy noeviction on the server (CONFIG SET, and its file); if everything on it may \
                  vanish, set server.eviction to accept";
    let (what, why) = match facts.policy.as_deref() {
        Some("noeviction") => return None,
        Some(policy) if facts.maxmemory == Some(0) => (
            format!("maxmemory-policy is {policy}"),
            "there is no maxmemory now; with one, data such as queued jobs would be deleted when it is reached",
        ),
        Some(policy) => (
            format!("maxmemory-policy is {policy}"),
            "when its memory is full it deletes data on its own, such as queued jobs",
        ),
        None if severity == Severity::Refused => (
            "its maxmemory-policy could not be looked at".to_owned(),
            "whether it deletes data on its own when its memory is full is not known",
        ),
        None => return None,
    };
    Some(ServerFinding { id: "eviction", severity, what, why: why.to_owned(), advice: advice.to_owned() })
}

fn memory_limit(facts: &Facts, _: &Config) -> Option<ServerFinding> {
    (facts.maxmemory == Some(0)).then_some(())?;
    note(
        "memory_limit",
        "maxmemory is 0",
        "it grows until the system ends it, which loses more than a refused write",
        "set maxmemory to what the machine has to spare",
    )
}

fn memory_used(facts: &Facts, _: &Config) -> Option<ServerFinding> {
    let (used, most) = (facts.used_memory?, facts.maxmemory.filter(|most| *most > 0)?);
    let percent = used.saturating_mul(100) / most;
    (percent >= 80).then_some(())?;
    warn(
        "memory_used",
        format!("{percent} % of maxmemory is in use ({used} of {most} bytes)"),
        "when it is full, writes are refused (OOM) or data is deleted, as its policy says",
        "raise maxmemory or remove data",
    )
}

fn no_persistence(facts: &Facts, config: &Config) -> Option<ServerFinding> {
    let nothing = facts.aof == Some(false) && facts.save.as_deref() == Some("");
    (nothing && config.server.eviction != Eviction::Accept).then_some(())?;
    warn(
        "persistence",
        "it keeps nothing on disk: appendonly is no and save is empty",
        "a restart loses everything",
        "set appendonly yes (appendfsync everysec loses at most a second)",
    )
}

fn snapshots_only(facts: &Facts, config: &Config) -> Option<ServerFinding> {
    let save = facts.save.as_deref().filter(|save| !save.is_empty())?;
    (facts.aof == Some(false) && config.server.eviction != Eviction::Accept).then_some(())?;
    note(
        "persistence",
        format!("it keeps snapshots alone (save {save})"),
        "a crash loses what was written since the last one",
        "set appendonly yes if that matters",
    )
}

fn persistence_fails(facts: &Facts, _: &Config) -> Option<ServerFinding> {
    let what = match (facts.snapshot_ok, facts.aof_write_ok) {
        (Some(false), _) => "its last snapshot failed",
        (_, Some(false)) => "its last write to the append-only file failed",
        _ => return None,
    };
    warn(
        "persistence_fails",
        what,
        "it refuses writes because of that (MISCONF), or loses them in a restart",
        "look at its log, and at its disk's space and permissions",
    )
}

fn clients(facts: &Facts, config: &Config) -> Option<ServerFinding> {
    let (now, most) = (facts.clients?, facts.maxclients.filter(|most| *most > 0)?);
    let ours = u64::from(config.pool.connections_max);
    let left = most.saturating_sub(now);
    (left < ours || now.saturating_mul(10) >= most.saturating_mul(9)).then_some(())?;
    warn(
        "clients",
        format!("{now} of {most} clients are connected, and pool.connections_max is {ours}"),
        "beyond maxclients connections are refused, ours too",
        "raise maxclients, close connections (CLIENT LIST), or lower pool.connections_max",
    )
}

fn timeout(facts: &Facts, _: &Config) -> Option<ServerFinding> {
    let seconds = facts.timeout_s.filter(|seconds| *seconds > 0)?;
    note(
        "timeout",
        format!("timeout is {seconds} s"),
        "it closes connections that are idle for longer; they are made again when needed, which takes a dial",
        "set timeout 0; tcp-keepalive finds the dead ones",
    )
}

fn keepalive(facts: &Facts, _: &Config) -> Option<ServerFinding> {
    (facts.keepalive_s == Some(0)).then_some(())?;
    warn(
        "keepalive",
        "tcp-keepalive is 0",
        "connections whose client is gone stay, and count as clients, for ever",
        "set tcp-keepalive 300 or less",
    )
}

fn too_few_replicas(facts: &Facts, _: &Config) -> Option<ServerFinding> {
    let (needed, there) = (facts.min_replicas.filter(|needed| *needed > 0)?, facts.replicas?);
    (facts.role.as_deref() == Some("master") && there < needed).then_some(())?;
    warn(
        "min_replicas",
        format!("min-replicas-to-write is {needed}, and {there} replicas are connected"),
        "it refuses writes (NOREPLICAS)",
        "bring the replicas back, or lower min-replicas-to-write",
    )
}

fn unprotected_writes(facts: &Facts, config: &Config) -> Option<ServerFinding> {
    let fails_over = matches!(config.hosts.kind, Kind::Sentinel | Kind::Cluster);
    let is_primary = facts.role.as_deref() == Some("master");
    let unprotected = fails_over && is_primary && facts.min_replicas == Some(0) && facts.replicas? > 0;
    unprotected.then_some(())?;
    note(
        "min_replicas",
        "min-replicas-to-write is 0",
        "a primary that was cut off goes on taking writes, which are lost when it comes back as a replica",
        "set min-replicas-to-write 1 and min-replicas-max-lag 10",
    )
}

#[cfg(test)]
#[path = "review_tests.rs"]
mod tests;
