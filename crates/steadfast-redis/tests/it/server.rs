//! The start-up check, and what is done about what it finds.

use crate::support::{SOON, client, get, in_ms, set};
use steadfast_redis::config::Eviction;
use steadfast_redis::health::{Capability, Severity};
use steadfast_testkit::lab::sim::{Action, Fault, Sim};
use steadfast_testkit::redis::Server;
use steadfast_testkit::wait_for;

#[tokio::test]
async fn a_real_server_is_described_in_words() -> anyhow::Result<()> {
    let server = Server::builder()
        .config("maxmemory", "10mb")
        .config("maxmemory-policy", "allkeys-lru")
        .config("timeout", "60")
        .config("tcp-keepalive", "0")
        .config("min-replicas-to-write", "1")
        .config("save", "")
        .start()
        .await?;
    let client = client(server.url(), |_| {})?;
    let report = client.check_server(in_ms(5_000)).await?;
    let [seen] = &report.servers[..] else { panic!("{report}") };
    assert_eq!((seen.role, seen.maxmemory_policy.as_deref()), (Some("primary"), Some("allkeys-lru")));
    assert!(seen.version.as_deref().is_some_and(|version| version.starts_with('7')), "{report}");
    let mut ids: Vec<&str> = seen.findings.iter().map(|finding| finding.id).collect();
    ids.sort_unstable();
    assert_eq!(ids, ["eviction", "keepalive", "min_replicas", "persistence", "timeout"]);
    assert_eq!(report.severity(), Some(Severity::Warning));
    report.require_fit()?;
    let text = report.to_string();
    assert!(
        text.contains("maxmemory-policy is allkeys-lru") && text.contains("set maxmemory-policy noeviction"),
        "{text}"
    );
    crate::support::becomes(&client, Capability::Writes, "down", "noreplicas").await;
    server.expect(&["CONFIG", "SET", "min-replicas-to-write", "0"]).await?;
    // What deletes data is no healthy place for writes, though they are taken.
    crate::support::becomes(&client, Capability::Writes, "degraded", "eviction_policy").await;
    Ok(())
}

#[tokio::test]
async fn a_server_that_deletes_data_is_refused_until_it_does_not() -> anyhow::Result<()> {
    let server = Server::builder().config("maxmemory-policy", "allkeys-lru").start().await?;
    let client = client(server.url(), |config| config.server.eviction = Eviction::Refuse)?;
    let refused = client.execute(&set("a"), in_ms(5_000)).await.expect_err("refused");
    assert_eq!((refused.kind().as_str(), refused.code()), ("validation_error", "EVICTION"));
    assert!(refused.to_string().contains("allkeys-lru"), "{refused}");
    assert!(client.check_server(in_ms(5_000)).await?.require_fit().is_err());
    assert!(server.command(&["EXISTS", "a"]).await? == steadfast_testkit::redis::Reply::Integer(0));
    server.expect(&["CONFIG", "SET", "maxmemory-policy", "noeviction"]).await?;
    let accepted = wait_for(SOON, || async { client.execute(&set("a"), in_ms(5_000)).await.is_ok() }).await;
    assert!(accepted);
    client.check_server(in_ms(5_000)).await?.require_fit()?;
    Ok(())
}

/// Nothing gets through before the look, however fast the call is.
#[tokio::test]
async fn no_command_is_sent_before_the_server_was_looked_at() -> anyhow::Result<()> {
    let sim = Sim::start().await?;
    sim.set_config("maxmemory-policy", "volatile-lru");
    for _ in 0..5 {
        let client = client(&sim.url(), |config| {
            config.server.eviction = Eviction::Refuse;
            config.health.enabled = false;
        })?;
        assert!(client.execute(&set("a"), in_ms(2_000)).await.is_err());
        assert!(client.execute(&get("a"), in_ms(2_000)).await.is_err());
    }
    assert_eq!((sim.received("SET"), sim.received("GET")), (0, 0));
    Ok(())
}

#[tokio::test]
async fn what_may_not_be_asked_is_said_and_refused_only_if_it_must_be_known() -> anyhow::Result<()> {
    let sim = Sim::start().await?;
    for name in ["INFO", "CONFIG"] {
        sim.fault(
            Fault::on(name).then(Action::error("NOPERM this user has no permissions to run the command")),
        );
    }
    let open = client(&sim.url(), |_| {})?;
    open.execute(&set("a"), in_ms(2_000)).await?;
    let report = open.check_server(in_ms(2_000)).await?;
    let text = report.to_string();
    assert!(text.contains("INFO and CONFIG could not be looked at") && text.contains("NOPERM"), "{text}");
    let strict = client(&sim.url(), |config| config.server.eviction = Eviction::Refuse)?;
    let refused = strict.execute(&set("a"), in_ms(2_000)).await.expect_err("not known");
    assert_eq!(refused.code(), "EVICTION");
    Ok(())
}

#[tokio::test]
async fn a_server_that_cannot_be_reached_is_an_error_with_its_reason() -> anyhow::Result<()> {
    let port = steadfast_testkit::redis::free_port()?;
    let client =
        client(&format!("redis://127.0.0.1:{port}"), |config| config.server.eviction = Eviction::Refuse)?;
    let error = client.check_server(in_ms(500)).await.expect_err("nobody is there");
    assert!(error.to_string().contains("refused"), "{error}");
    let error = client.execute(&set("a"), in_ms(500)).await.expect_err("nobody is there");
    assert!(error.to_string().contains("refused"), "{error}");
    Ok(())
}
