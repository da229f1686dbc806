//! What may not be, and what a change takes.

use crate::config::{
    Apply, Config, Credentials, CredentialsError, CredentialsProvider, LoginWith, Provider, ReadPreference,
    Secret, Topology, diff, settings,
};
use futures::future::BoxFuture;

#[derive(Debug)]
struct Fixed;

impl CredentialsProvider for Fixed {
    fn credentials(&self) -> BoxFuture<'_, Result<Credentials, CredentialsError>> {
        Box::pin(async { Ok(Credentials { username: None, password: Secret::new("pw") }) })
    }
}

fn config(url: &str) -> Config {
    Config::from_url(url).unwrap()
}

#[test]
fn what_cannot_go_together_is_refused_with_what_to_do() {
    for (url, path) in [
        ("redis-cluster://a/1", "connection.database"),
        ("redis+sentinel://a", "sentinel.master_name"),
        ("redis://a?master_name=main", "sentinel"),
        ("redis+sentinel://a/m?sentinel_username=u", "sentinel.username"),
        ("redis+sentinel://a/m?sentinel_password=p&sentinel_password_file=/f", "sentinel.password"),
        ("redis://a?tls.ca_file=/ca.pem", "tls"),
        ("rediss://a?tls.certificate_file=/c.pem", "tls.key_file"),
        ("rediss://a?tls.key_file=/k.pem", "tls.certificate_file"),
        (
            "rediss://a?tls.danger_accept_any_certificate=true&tls.ca_file=/c",
            "tls.danger_accept_any_certificate",
        ),
        ("redis+unix:///s?tls.enabled=true", "tls.enabled"),
        ("redis://:p@a?password_file=/f", "login.password"),
        ("redis://user@a", "login.username"),
        ("redis://a,a", "hosts"),
        ("redis://a?pool.lanes_min=5&pool.lanes_max=4", "pool.lanes_min"),
        ("redis://a?pool.lanes_max=60", "pool.lanes_max"),
        ("redis://a?connect_timeout_ms=999", "connection.connect_timeout_ms"),
        ("redis://a?connect_timeout_ms=60001", "connection.connect_timeout_ms"),
        ("redis://a?watchdog.progress_ms=1", "watchdog.progress_ms"),
        ("redis://a?db=70000", "connection.database"),
        ("redis://a?read_preference=replica", "connection.read_preference"),
        ("redis://a?client_name=two%20words", "connection.client_name"),
        ("redis://a?fallback.persist_on_shutdown=true", "fallback.persist_on_shutdown"),
        ("redis://a?fallback.journal_sync=interval", "fallback.journal_sync"),
        ("redis://a?fallback.enabled=false&fallback.journal_folder=/j", "fallback.journal_folder"),
    ] {
        let problems = config(url).validate().expect_err(url);
        assert_eq!(problems.len(), 1, "{url}: {problems}");
        let problem = problems.iter().next().unwrap();
        assert_eq!(problem.path, path, "{url}: {problems}");
        assert!(!problem.fix.is_empty() && !problem.what.is_empty());
    }
    let many = config("redis-cluster://a/1?pool.lanes_min=0&health.timeout_ms=50s&tls.server_name=x");
    assert_eq!(many.validate().unwrap_err().len(), 4);
    let text = config("redis://a?connect_timeout_ms=5").validate().unwrap_err().to_string();
    assert!(
        text.ends_with("connection.connect_timeout_ms = 5: too small; allowed: 1000 to 60000 ms; raise it"),
        "{text}"
    );
}

#[test]
fn a_user_alone_is_not_shown_for_it_may_be_the_password() {
    let text = config("redis://hunter2@a").validate().unwrap_err().to_string();
    assert!(!text.contains("hunter2"), "{text}");
    let no_host = Config::from_url("redis://user:hunter2").unwrap_err().to_string();
    assert!(no_host.contains("`@host` is missing") && !no_host.contains("hunter2"), "{no_host}");
}

#[test]
fn a_provider_stands_alone() {
    let mut alone = config("redis://a");
    alone.set_provider(Provider::new(Fixed));
    assert!(matches!(alone.validate().unwrap().login_with(), LoginWith::Provider(_)));
    let mut both = config("redis://u:p@a");
    both.set_provider(Provider::new(Fixed));
    assert_eq!(both.validate().unwrap_err().len(), 2);
}

#[test]
fn what_is_checked_has_its_topology_and_login() {
    let checked =
        config("rediss+sentinel://u:p@s1,s2/main/4?sentinel_password=sp&read_preference=prefer_replica");
    let checked = checked.validate().unwrap();
    let Topology::Sentinel { sentinels, master_name, login, read_preference } = checked.topology() else {
        panic!("{:?}", checked.topology());
    };
    assert_eq!((sentinels.len(), master_name.as_str()), (2, "main"));
    assert_eq!(login.password, Some(Secret::new("sp")));
    assert_eq!(*read_preference, ReadPreference::PreferReplica);
    assert!(matches!(checked.login_with(), LoginWith::Password { username: Some(_), .. }));
    assert!(
        matches!(config("redis://a,b").validate().unwrap().topology(), Topology::Replicas { replicas, .. } if replicas.len() == 1)
    );
    assert!(
        matches!(config("redis-cluster://a,b").validate().unwrap().topology(), Topology::Cluster { seeds, .. } if seeds.len() == 2)
    );
    let file = config("redis://u@a?password_file=/f").validate().unwrap();
    assert!(matches!(file.login_with(), LoginWith::File { .. }));
    assert!(matches!(Config::default().validate().unwrap().login_with(), LoginWith::Nothing));
    assert_eq!(file.to_config(), *file);
}

#[test]
fn a_change_says_what_it_takes() {
    let old = config("redis://:hunter1@a");
    assert!(diff(&old, &old.clone()).is_empty());
    let new = config("redis://:hunter2@a?pool.lanes_max=4&db=1&fallback.journal_folder=/j");
    let change = diff(&old, &new);
    let paths: Vec<(&str, Apply)> = change.iter().map(|changed| (changed.path, changed.apply)).collect();
    assert_eq!(
        paths,
        [
            ("login.password", Apply::Reauthenticate),
            ("connection.database", Apply::Reconnect),
            ("pool.lanes_max", Apply::Live),
            ("fallback.journal_folder", Apply::Restart),
        ]
    );
    assert!(change.reauthenticates() && change.reconnects() && change.needs_restart());
    assert_eq!(change.that(Apply::Live).count(), 1);
    let text = change.to_string();
    assert!(text.contains("login.password: *** -> *** (open connections log in anew)"), "{text}");
    assert!(!text.contains("hunter"), "{text}");
    let hosts = diff(&old, &config("redis://:hunter1@b"));
    assert_eq!(
        hosts.to_string(),
        "hosts: standalone a:6379 -> standalone b:6379 (connections are replaced one by one)"
    );
    let mut provided = old.clone();
    provided.set_provider(Provider::new(Fixed));
    assert!(diff(&old, &provided).reauthenticates());
}

/// A setting that the comparison forgot would be ignored silently.
#[test]
fn every_setting_is_compared() {
    let old = Config::default();
    for setting in settings() {
        let mut new = old.clone();
        let value = (setting.get_mut)(&mut new);
        let other = ["7", "true", "false", "2", "replica", "refuse", "interval"];
        let before = value.write();
        let changed = other.iter().any(|text| {
            value.read(&crate::config::raw::Raw::text(text), setting.unit).is_ok() && value.write() != before
        });
        assert!(changed, "{} takes none of {other:?}", setting.path);
        let change = diff(&old, &new);
        let paths: Vec<&str> = change.iter().map(|changed| changed.path).collect();
        assert_eq!(paths, [setting.path]);
        assert!(new.to_string() != old.to_string());
    }
}

/// Whatever is accepted here can be made a client of: no other part finds fault with numbers that are each in range.
#[test]
fn the_ranges_are_those_of_the_parts_they_are_for() {
    for setting in settings().filter(|setting| setting.range.is_some()) {
        let (min, max) = setting.range.unwrap();
        for number in [min, max] {
            let Err(problems) = config(&format!("redis://a?{}={number}", setting.path)).validate() else {
                continue;
            };
            for problem in problems.iter() {
                // What it may not be together with another is said by a rule, and names that other.
                assert!(problem.what.contains('`'), "{} = {number}: {problem}", setting.path);
            }
        }
    }
}

#[test]
fn dials_that_cannot_fill_their_window_are_refused_with_all_else() {
    let url =
        "redis://a?dial.budget=3&dial.backoff_cap_ms=2000&dial.budget_window_ms=15000&pool.lanes_min=99";
    let problems = config(url).validate().unwrap_err().to_string();
    assert!(problems.contains("pool.lanes_min = 99"), "{problems}");
    assert!(problems.contains("dial.budget_window_ms: is 15s"), "{problems}");
    assert!(problems.contains("raise `dial.budget` or `dial.backoff_cap_ms`"), "{problems}");
    config("redis://a?dial.budget=8&dial.backoff_cap_ms=2000&dial.budget_window_ms=15000")
        .validate()
        .unwrap();
}
