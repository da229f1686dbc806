//! What URLs, files and variables are read as.

use crate::config::{Address, Config, Hosts, Kind, Protocol, Secret, settings};
use std::collections::HashMap;

fn env(pairs: &[(&str, &str)]) -> impl Fn(&str) -> Option<String> {
    let map: HashMap<String, String> =
        pairs.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
    move |name| map.get(name).cloned()
}

fn problems_of(url: &str) -> String {
    Config::from_url(url).expect_err(url).to_string()
}

#[test]
fn an_url_says_host_login_database_and_options() {
    let url = "redis://bot:p%40ss%3Aword@cache.internal:7000/3?protocol=2&connect_timeout_ms=2s&fallback.memory_bytes_max=1MiB";
    let config = Config::from_url(url).unwrap();
    assert_eq!(config.hosts, Hosts::standalone(Address::tcp("cache.internal", 7000)));
    assert_eq!(config.login.username.as_deref(), Some("bot"));
    assert_eq!(config.login.password, Some(Secret::new("p@ss:word")));
    assert_eq!(config.connection.database, 3);
    assert_eq!(config.connection.protocol, Protocol::Resp2);
    assert_eq!(config.connection.connect_timeout_ms, 2_000);
    assert_eq!(config.fallback.memory_bytes_max, 1 << 20);
    assert!(!config.tls.enabled);
}

#[test]
fn every_topology_has_its_url() {
    for (url, kind, first, count) in [
        ("redis://h", Kind::Standalone, "h:6379", 1),
        ("redis://a,b:1,[::1]", Kind::Replicas, "a:6379", 3),
        ("rediss://h/", Kind::Standalone, "h:6379", 1),
        ("redis+sentinel://a,b/main", Kind::Sentinel, "a:26379", 2),
        ("rediss-sentinel://a/main/2", Kind::Sentinel, "a:26379", 1),
        ("redis-cluster://a,b,c", Kind::Cluster, "a:6379", 3),
        ("REDIS+CLUSTER://a", Kind::Cluster, "a:6379", 1),
        ("redis+unix:///run/redis%20a.sock?db=4", Kind::Standalone, "/run/redis a.sock", 1),
        ("unix://:pw@/run/r.sock", Kind::Standalone, "/run/r.sock", 1),
    ] {
        let config = Config::from_url(url).unwrap();
        assert_eq!(config.hosts.kind, kind, "{url}");
        assert_eq!(config.hosts.addresses[0].to_string(), first, "{url}");
        assert_eq!(config.hosts.addresses.len(), count, "{url}");
        assert_eq!(config.tls.enabled, url.starts_with("rediss"), "{url}");
    }
    let sentinel = Config::from_url("rediss-sentinel://a/ma%2Fin/2").unwrap();
    assert_eq!(sentinel.sentinel.master_name.as_deref(), Some("ma/in"));
    assert_eq!(sentinel.connection.database, 2);
    assert_eq!(Config::from_url("redis+unix:///s?db=4").unwrap().connection.database, 4);
}

#[test]
fn what_is_wrong_with_an_url_is_said_with_what_to_do() {
    for (url, says) in [
        ("localhost:6379", "no scheme"),
        ("http://h", "unknown scheme `http`"),
        ("redis://", "no host"),
        ("redis://a,,b", "no host"),
        ("redis://:pw@", "no host"),
        ("redis://h:99999", "no port"),
        ("redis://h:port", "no port"),
        ("redis://h o", "no name of a host"),
        ("redis://h/x", "connection.database"),
        ("redis://h/-1", "connection.database"),
        ("redis://h#x", "`#`"),
        ("redis://u:p@x@h", "`@`"),
        ("redis://u:p/q@h", "`@`"),
        ("redis://u:%zz@h", "percent-encoded"),
        ("redis://h?%zz=1", "percent-encoded"),
        ("redis://h?pool.lanes_mox=2", "the nearest known one is `pool.lanes_max`"),
        ("redis://h?zebra=1", "the sections are login, connection"),
        ("redis://h?pool.lanes_max=many", "write a whole number"),
        ("redis://h?pool.lanes_max=1&pool_size=2", "said twice"),
        ("redis://h?tls.enabled=perhaps", "true or false"),
        ("redis://h?protocol=4", "2 or 3"),
        ("redis+unix://host/x", "a Unix socket has no host"),
        ("redis+unix://", "no path"),
    ] {
        let problems = problems_of(url);
        assert!(problems.contains(says), "{url}: {problems}");
    }
    let both = problems_of("redis://h:0/x?zebra=1");
    assert!(both.starts_with("3 problems"), "{both}");
}

#[test]
fn a_file_is_read_by_our_names() {
    let config: Config = toml_like(
        r#"{"url": "redis://h/1", "connection": {"protocol": "resp2", "command_timeout_ms": "750ms"},
            "login": {"username": "u", "password": 12345}, "sentinel": {}, "metrics": null,
            "pool": {"lanes_min": 2, "lanes_max": 4.0}}"#,
    )
    .unwrap();
    assert_eq!(config.connection.database, 1);
    assert_eq!(config.connection.protocol, Protocol::Resp2);
    assert_eq!(config.connection.command_timeout_ms, 750);
    assert_eq!(config.login.password, Some(Secret::new("12345")));
    assert_eq!((config.pool.lanes_min, config.pool.lanes_max), (2, 4));
}

fn toml_like(json: &str) -> Result<Config, String> {
    serde_json::from_str(json).map_err(|error| error.to_string())
}

#[test]
fn a_file_is_read_by_camel_case_names_in_milliseconds() {
    let config = toml_like(
        r#"{"url": "redis://h", "connectTimeout": 3000, "socketTimeout": 1500, "retryDelay": 50, "maxRetries": 4,
            "pool": {"minSize": 2, "maxSize": 8, "acquireTimeoutMs": 900, "createRetryIntervalMs": 70,
                     "idleTimeoutMs": 40000, "reapIntervalMs": 5000, "createRetryCount": 2},
            "health": {"checkInterval": 4000, "timeout": 800, "failureThreshold": 4, "successThreshold": 3},
            "circuitBreaker": {"failureThreshold": 7, "resetTimeout": 20000, "monitoringPeriod": 9000},
            "fallback": {"enabled": false, "maxMemorySize": 1048576, "syncInterval": 2000, "persistOnShutdown": true},
            "metrics": {"enabled": false, "collectionInterval": 6000, "retentionPeriod": 70000, "reportingThreshold": 30}}"#,
    )
    .unwrap();
    let connection = &config.connection;
    assert_eq!((connection.connect_timeout_ms, connection.command_timeout_ms), (3_000, 1_500));
    assert_eq!((config.retry.backoff_base_ms, config.retry.attempts_max), (50, 4));
    let pool = &config.pool;
    assert_eq!((pool.lanes_min, pool.lanes_max, pool.acquire_timeout_ms), (2, 8, 900));
    assert_eq!((pool.create_retry_interval_ms, pool.idle_timeout_ms), (70, 40_000));
    assert_eq!((pool.reap_interval_ms, pool.create_retry_count), (5_000, 2));
    let health = &config.health;
    assert_eq!((health.interval_ms, health.timeout_ms), (4_000, 800));
    assert_eq!((health.failure_threshold, health.success_threshold), (4, 3));
    let breaker = &config.breaker;
    assert_eq!((breaker.calls_min, breaker.open_max_ms, breaker.window_ms), (7, 20_000, 9_000));
    let fallback = &config.fallback;
    assert_eq!((fallback.enabled, fallback.memory_bytes_max), (false, 1 << 20));
    assert_eq!((fallback.sync_interval_ms, fallback.persist_on_shutdown), (2_000, true));
    let metrics = &config.metrics;
    assert_eq!((metrics.enabled, metrics.collection_interval_ms), (false, 6_000));
    assert_eq!((metrics.retention_ms, metrics.reporting_threshold_ms), (70_000, 30));
}

#[test]
fn a_file_is_read_by_snake_case_names_in_seconds() {
    let config = toml_like(
        r#"{"primary_url": "redis://u:p@h/2", "replica_urls": ["redis://r1", "r2:7000"], "pool_size": 10,
            "max_connections": 40, "connection_timeout": 2.5, "socket_timeout": 4.0, "retry_attempts": 5,
            "retry_backoff": 0.5, "health_check_interval": 15, "circuit_breaker_threshold": 6,
            "circuit_breaker_timeout": 45}"#,
    )
    .unwrap();
    assert_eq!(config.hosts.to_string(), "replicas h:6379 r1:6379 r2:7000");
    assert_eq!((config.pool.lanes_max, config.pool.connections_max), (10, 40));
    assert_eq!(config.connection.connect_timeout_ms, 2_500);
    assert_eq!(config.connection.command_timeout_ms, 4_000);
    assert_eq!((config.retry.attempts_max, config.retry.backoff_base_ms), (5, 500));
    assert_eq!((config.health.interval_ms, config.breaker.calls_min), (15_000, 6));
    assert_eq!(config.breaker.open_max_ms, 45_000);
    assert!(config.validate().is_ok());
    let defaults = Config::default();
    assert_eq!((defaults.pool.lanes_max, defaults.pool.connections_max), (20, 50));
    assert_eq!((defaults.connection.connect_timeout_ms, defaults.retry.attempts_max), (5_000, 3));
    assert_eq!((defaults.health.interval_ms, defaults.breaker.calls_min), (30_000, 5));
    assert_eq!(defaults.breaker.open_max_ms, 60_000);
}

#[test]
fn sentinels_in_a_file_take_the_place_of_the_primary() {
    let config = toml_like(
        r#"{"primary_url": "redis://u:p@h/2", "replica_urls": ["redis://r"], "master_name": "main",
            "sentinel_urls": ["redis://su:sp@s1:26379", "redis://su:sp@s2"]}"#,
    )
    .unwrap();
    assert_eq!(config.hosts.to_string(), "sentinels s1:26379 s2:6379");
    assert_eq!(config.login.username.as_deref(), Some("u"));
    assert_eq!(config.sentinel.username.as_deref(), Some("su"));
    assert_eq!(config.sentinel.password, Some(Secret::new("sp")));
    assert_eq!(config.connection.database, 2);
    assert!(config.validate().is_ok());
}

#[test]
fn everything_wrong_with_a_file_is_said_at_once() {
    let error = toml_like(
        r#"{"url": 5, "pol": {"lanes_min": 2}, "poolsize": 1, "pool": {"lanes_max": "x"}, "tls": {"enabled": [1]},
            "replica_urls": "r", "socketTimeout": 5, "socket_timeout": 5, "password": true}"#,
    )
    .unwrap_err();
    for says in [
        "url: no text",
        "pol.lanes_min: no such setting; the nearest known one is `pool.lanes_min`",
        "poolsize: no such setting; the nearest known one is `pool_size`",
        "pool.lanes_max = \"x\": not understood",
        "tls.enabled: not understood; write true or false",
        "replica_urls: no list",
        "connection.command_timeout_ms: said twice",
        "login.password: not understood",
    ] {
        assert!(error.contains(says), "{says}\nin\n{error}");
    }
    let differs = toml_like(r#"{"url": "redis://h", "replica_urls": ["redis://:other@r"]}"#).unwrap_err();
    assert!(differs.contains("differs from the primary"), "{differs}");
    assert!(!differs.contains("other"), "{differs}");
}

#[test]
fn variables_have_an_order() {
    let all = [
        ("REDISHOST", "third"),
        ("REDISPORT", "3"),
        ("REDIS_HOST", "second"),
        ("REDIS_PORT", "2"),
        ("REDIS_PASSWORD", "pw2"),
        ("REDIS_DB", "2"),
        ("REDIS_URL", "redis://u:pw1@first:1/1"),
    ];
    let first = Config::from_env(env(&all)).unwrap();
    assert_eq!(first.url_with_secrets().expose(), "redis://u:pw1@first:1/1");
    let open = [all[4], all[5], ("REDIS_URL", "redis://first")];
    assert_eq!(
        Config::from_env(env(&open)).unwrap().url_with_secrets().expose(),
        "redis://:pw2@first:6379/2"
    );
    let second = Config::from_env(env(&all[..6])).unwrap();
    assert_eq!(second.url_with_secrets().expose(), "redis://:pw2@second:2/2");
    let third = Config::from_env(env(&all[..2])).unwrap();
    assert_eq!(third.url(), "redis://third:3");
    let mixed = Config::from_env(env(&[all[0], all[3]])).unwrap();
    assert_eq!(mixed.url(), "redis://third:2");
    let none = Config::from_env(env(&[("REDIS_URL", " "), ("REDIS_PASSWORD", "")])).unwrap();
    assert_eq!(none, Config::default());
    assert_eq!(Config::from_env(env(&[("REDIS_HOST", "::1")])).unwrap().url(), "redis://[::1]:6379");
}

#[test]
fn common_variables_are_known_and_each_setting_has_one() {
    let config = Config::from_env(env(&[
        ("REDIS_CONNECT_TIMEOUT", "2000"),
        ("REDIS_SOCKET_TIMEOUT", "3s"),
        ("REDIS_MAX_RETRIES", "1"),
        ("REDIS_POOL_MIN_SIZE", "3"),
        ("REDIS_POOL_MAX_SIZE", "9"),
        ("REDIS_POOL_LANES_MAX", "8"),
        ("REDIS_HEALTH_CHECK_INTERVAL", "5000"),
        ("REDIS_CIRCUIT_BREAKER_THRESHOLD", "11"),
        ("REDIS_FALLBACK_ENABLED", "false"),
        ("REDIS_METRICS_ENABLED", "0"),
        ("REDIS_REPLICA_URLS", "redis://r1, r2"),
    ]))
    .unwrap();
    assert_eq!((config.connection.connect_timeout_ms, config.connection.command_timeout_ms), (2_000, 3_000));
    assert_eq!((config.retry.attempts_max, config.pool.lanes_min, config.pool.lanes_max), (1, 3, 8));
    assert_eq!((config.health.interval_ms, config.breaker.calls_min), (5_000, 11));
    assert!(!config.fallback.enabled && !config.metrics.enabled);
    assert_eq!(config.hosts.to_string(), "replicas localhost:6379 r1:6379 r2:6379");
    let mut names: Vec<String> = settings().flat_map(super::super::Setting::env).collect();
    let count = names.len();
    names.sort();
    names.dedup();
    assert_eq!(names.len(), count, "two settings share a variable");
}

#[test]
fn a_bad_variable_is_named_and_changes_nothing() {
    let mut config = Config::from_url("redis://before").unwrap();
    let before = config.clone();
    let bad = [("REDIS_POOL_MIN_SIZE", "few"), ("REDIS_PORT", "x"), ("REDIS_URL", "redis://:pw@h:x?pol=1")];
    let problems = config.overlay_env(env(&bad)).unwrap_err();
    let text = problems.to_string();
    for says in ["from REDIS_POOL_MIN_SIZE", "from REDIS_PORT", "from REDIS_URL"] {
        assert!(text.contains(says), "{text}");
    }
    assert!(!text.contains("pw"), "{text}");
    assert_eq!(config, before);
}

#[test]
fn the_names_of_settings_are_all_different() {
    let mut names: Vec<&str> = settings()
        .flat_map(|setting| {
            std::iter::once(setting.path).chain(setting.also.iter().chain(setting.also_seconds).copied())
        })
        .collect();
    let count = names.len();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), count);
    for setting in settings() {
        assert!(setting.doc.len() > 10, "{} is not described", setting.path);
        assert!(!setting.default_shown().is_empty());
        let number = (setting.get)(&Config::default()).number();
        assert_eq!(number.is_some(), setting.range.is_some(), "{}", setting.path);
    }
}
