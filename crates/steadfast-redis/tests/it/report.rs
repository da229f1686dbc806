//! The report, of real and simulated servers.

use crate::support::{SOON, client, in_ms, set};
use std::time::Duration;
use steadfast_redis::cmd;
use steadfast_redis::report::Direction;
use steadfast_testkit::lab::sim::{Action, End, Fault, Sim};
use steadfast_testkit::redis::Server;
use steadfast_testkit::wait_for;

#[tokio::test]
async fn a_server_that_deletes_jobs_is_found_and_shown_to_people_and_programs() -> anyhow::Result<()> {
    let server = Server::builder()
        .config("maxmemory", "10mb")
        .config("maxmemory-policy", "allkeys-lru")
        .config("appendonly", "yes")
        .start()
        .await?;
    let client = client(server.url(), |config| config.metrics.collection_interval_ms = 100)?;
    for _ in 0..100 {
        client.execute(&set("a"), in_ms(5_000)).await?;
    }
    let found =
        wait_for(SOON, || async { client.report().findings.iter().any(|finding| finding.id == "server") });
    assert!(found.await);
    let report = client.report();
    let text = report.to_string();
    assert!(
        text.contains("maxmemory-policy is allkeys-lru") && text.contains("set maxmemory-policy noeviction"),
        "{text}"
    );
    assert!(text.contains("writes: degraded") && report.summary.calls == 100, "{text}");
    assert!(wait_for(SOON, || async { client.report().samples.len() >= 3 }).await);
    let json = serde_json::to_value(client.report())?;
    assert_eq!(json["summary"]["calls"], 100);
    assert_eq!(json["findings"][0]["severity"], "warning");
    assert_eq!(json["metrics"]["operations"]["total_operations"], 100);
    assert_eq!(json["trends"]["p99_us"]["direction"], "unknown");
    Ok(())
}

#[tokio::test]
async fn waits_for_a_lost_connection_advise_a_second_lane() -> anyhow::Result<()> {
    let sim = Sim::start().await?;
    let client = client(&sim.url(), |config| config.health.enabled = false)?;
    client.ping().await?;
    // The greeting takes its time: whoever comes meanwhile waits.
    sim.fault(Fault::on("HELLO").then(Action::DelayReply(Duration::from_millis(50))));
    sim.all_connections(End::Close);
    let gone = wait_for(SOON, || async { client.nodes()[0].connections == 0 }).await;
    assert!(gone);
    let calls = (0..30).map(|_| async { client.execute(cmd("GET").arg("a"), in_ms(5_000)).await });
    let answers = futures::future::join_all(calls).await;
    assert!(answers.iter().all(Result::is_ok), "{answers:?}");
    let report = client.report();
    let waits =
        report.findings.iter().find(|finding| finding.id == "waits").unwrap_or_else(|| panic!("{report}"));
    let change = waits.change.as_ref().expect("a setting");
    assert_eq!((change.setting, change.from, change.to), ("pool.lanes_min", 1, 2));
    assert!(waits.evidence.iter().any(|figure| figure.figure == "waits" && figure.value >= 30.0), "{waits}");
    Ok(())
}

/// Calls that take longer and longer, sample by sample.
#[tokio::test]
async fn a_p99_that_rises_is_a_trend() -> anyhow::Result<()> {
    let sim = Sim::start().await?;
    let client = client(&sim.url(), |config| {
        config.health.enabled = false;
        config.metrics.collection_interval_ms = 100;
    })?;
    for step in 1..14_u64 {
        sim.clear_faults();
        sim.fault(Fault::on("GET").then(Action::DelayReply(Duration::from_millis(step * 4))));
        let samples = client.report().samples.len();
        let sampled = wait_for(SOON, || async {
            let _ = client.execute(cmd("GET").arg("a"), in_ms(5_000)).await;
            client.report().samples.len() > samples
        });
        assert!(sampled.await);
    }
    let report = client.report();
    assert_eq!(report.trends.p99_us.direction, Direction::Rising, "{report}");
    assert!(report.findings.iter().any(|finding| finding.id == "slower_and_slower"), "{report}");
    Ok(())
}
