use super::*;
use crate::config::{Address, Hosts};

/// A server of which nothing is to be said.
fn good() -> Facts {
    Facts {
        version: Some("7.0.15".into()),
        role: Some("master".into()),
        aof: Some(true),
        aof_write_ok: Some(true),
        save: Some("3600 1".into()),
        snapshot_ok: Some(true),
        maxmemory: Some(1_000),
        used_memory: Some(10),
        policy: Some("noeviction".into()),
        maxclients: Some(10_000),
        clients: Some(10),
        timeout_s: Some(0),
        keepalive_s: Some(300),
        min_replicas: Some(0),
        replicas: Some(0),
        cluster: Some(false),
        cluster_state: None,
        refused: Vec::new(),
    }
}

fn config(eviction: Eviction) -> Config {
    let mut config = Config::default();
    config.server.eviction = eviction;
    config
}

fn found(facts: &Facts, config: &Config) -> Vec<(&'static str, Severity)> {
    review(facts, config).findings.iter().map(|finding| (finding.id, finding.severity)).collect()
}

/// What changes one fact of a good server leads to.
fn changed(change: impl FnOnce(&mut Facts)) -> Vec<(&'static str, Severity)> {
    let mut facts = good();
    change(&mut facts);
    found(&facts, &config(Eviction::Warn))
}

const WARN: Severity = Severity::Warning;
const NOTE: Severity = Severity::Note;

#[test]
fn nothing_is_said_of_a_good_server_nor_of_one_that_says_nothing() {
    assert_eq!(changed(|_| {}), []);
    assert_eq!(found(&Facts::default(), &config(Eviction::Warn)), []);
}

#[test]
fn each_rule_sees_its_own() {
    assert_eq!(changed(|facts| facts.version = Some("5.0.14".into())), [("version", WARN)]);
    assert_eq!(changed(|facts| facts.role = Some("slave".into())), [("role", WARN)]);
    assert_eq!(changed(|facts| facts.cluster = Some(true)), [("cluster", WARN)]);
    assert_eq!(changed(|facts| facts.policy = Some("allkeys-lru".into())), [("eviction", WARN)]);
    assert_eq!(changed(|facts| facts.maxmemory = Some(0)), [("memory_limit", NOTE)]);
    assert_eq!(changed(|facts| facts.used_memory = Some(800)), [("memory_used", WARN)]);
    assert_eq!(changed(|facts| facts.used_memory = Some(799)), []);
    assert_eq!(changed(|facts| facts.aof = Some(false)), [("persistence", NOTE)]);
    assert_eq!(
        changed(|facts| (facts.aof, facts.save) = (Some(false), Some(String::new()))),
        [("persistence", WARN)]
    );
    assert_eq!(changed(|facts| facts.snapshot_ok = Some(false)), [("persistence_fails", WARN)]);
    assert_eq!(changed(|facts| facts.aof_write_ok = Some(false)), [("persistence_fails", WARN)]);
    assert_eq!(changed(|facts| facts.clients = Some(9_960)), [("clients", WARN)]);
    assert_eq!(changed(|facts| facts.timeout_s = Some(60)), [("timeout", NOTE)]);
    assert_eq!(changed(|facts| facts.keepalive_s = Some(0)), [("keepalive", WARN)]);
    assert_eq!(changed(|facts| facts.min_replicas = Some(1)), [("min_replicas", WARN)]);
    let said =
        changed(|facts| facts.refused = vec![("INFO", "NOPERM no".into()), ("CONFIG", "NOPERM no".into())]);
    assert_eq!(said, [("not_looked_at", NOTE)]);
}

#[test]
fn topology_and_server_must_fit() {
    let with = |hosts: Hosts, change: &dyn Fn(&mut Facts)| {
        let (mut facts, mut config) = (good(), config(Eviction::Warn));
        config.hosts = hosts;
        change(&mut facts);
        found(&facts, &config)
    };
    let seed = || [Address::tcp("a", 1)];
    assert_eq!(with(Hosts::cluster(seed()), &|_| {}), [("cluster", WARN)]);
    let fails = |facts: &mut Facts| (facts.cluster, facts.cluster_state) = (Some(true), Some("fail".into()));
    assert_eq!(with(Hosts::cluster(seed()), &fails), [("cluster", WARN)]);
    let fine = |facts: &mut Facts| (facts.cluster, facts.cluster_state) = (Some(true), Some("ok".into()));
    assert_eq!(with(Hosts::cluster(seed()), &fine), []);
    assert_eq!(with(Hosts::sentinels(seed()), &|facts| facts.replicas = Some(2)), [("min_replicas", NOTE)]);
    assert_eq!(with(Hosts::sentinels(seed()), &|facts| facts.role = Some("slave".into())), []);
}

#[test]
fn a_policy_that_deletes_is_refused_warned_of_or_accepted() {
    let mut facts = good();
    facts.policy = Some("volatile-ttl".into());
    assert_eq!(found(&facts, &config(Eviction::Accept)), []);
    assert!(review(&facts, &config(Eviction::Warn)).refusal.is_none());
    let refusal = review(&facts, &config(Eviction::Refuse)).refusal.expect("refused");
    assert_eq!((refusal.kind(), refusal.code()), (ErrorKind::Validation, "EVICTION"));
    let text = refusal.to_string();
    assert!(
        text.contains("volatile-ttl") && text.contains("noeviction") && text.contains("accept"),
        "{text}"
    );
    // What is not known is not taken for good, where it was said that it must be.
    facts.policy = None;
    assert!(review(&facts, &config(Eviction::Refuse)).refusal.is_some());
    assert_eq!(found(&facts, &config(Eviction::Warn)), []);
    assert!(review(&good(), &config(Eviction::Refuse)).refusal.is_none());
}

#[test]
fn every_finding_says_what_why_and_what_to_do() {
    let mut facts = good();
    (facts.policy, facts.aof, facts.save) = (Some("allkeys-lru".into()), Some(false), Some(String::new()));
    (facts.keepalive_s, facts.timeout_s, facts.clients) = (Some(0), Some(1), Some(10_000));
    for finding in review(&facts, &config(Eviction::Refuse)).findings {
        let text = finding.to_string();
        assert!([&finding.what, &finding.why, &finding.advice].iter().all(|part| !part.is_empty()), "{text}");
        assert!(text.contains(&finding.advice), "{text}");
    }
}
