//! What is counted, and what is told to the facade.

use crate::support::{SOON, client, get, in_ms, set};
use metrics::{
    Counter, CounterFn, Gauge, GaugeFn, HistogramFn, Key, KeyName, Metadata, Recorder, SharedString, Unit,
};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use steadfast_redis::cmd;
use steadfast_redis::metrics::{NodeMetrics, OperationMetrics};
use steadfast_testkit::lab::sim::{Action, End, Fault, Sim, errors};
use steadfast_testkit::redis::Server;
use steadfast_testkit::wait_for;

fn operation<'a>(nodes: &'a [NodeMetrics], name: &str) -> &'a OperationMetrics {
    let mut all = nodes.iter().flat_map(|node| &node.operations);
    all.find(|operation| operation.operation == name).unwrap_or_else(|| panic!("no {name}"))
}

#[tokio::test]
async fn calls_are_counted_by_operation_kind_and_outcome() -> anyhow::Result<()> {
    let sim = Sim::start().await?;
    let client = client(&sim.url(), |config| config.health.enabled = false)?;
    for _ in 0..10 {
        client.execute(&set("a"), in_ms(5_000)).await?;
    }
    sim.fault(Fault::on("GET").nth(1).then(Action::error(errors::WRONGTYPE)));
    sim.fault(Fault::on("GET").nth(2).then(Action::stall()));
    assert!(client.execute(&get("a"), in_ms(1_000)).await.is_err());
    let late = client.execute(&get("a"), in_ms(100)).await.expect_err("stalled");
    assert_eq!(late.code(), "DEADLINE");
    let metrics = client.metrics();
    let sets = operation(&metrics.nodes, "SET");
    assert_eq!((sets.total, sets.succeeded, sets.latency.count), (10, 10, 10));
    let gets = operation(&metrics.nodes, "GET");
    assert_eq!((gets.total, gets.succeeded, gets.timeouts), (2, 0, 1));
    assert_eq!(gets.failed_by_kind, BTreeMap::from([("server_error", 1), ("timeout_error", 1)]));
    assert_eq!(gets.failed_by_outcome, BTreeMap::from([("ambiguous", 1), ("rejected", 1)]));
    assert!(gets.latency.max_us >= 100_000, "{:?}", gets.latency);
    assert_eq!((metrics.total_operations, metrics.failed_operations), (12, 2));
    assert!((metrics.error_rate - 2.0 / 12.0).abs() < 1e-9);
    let last = metrics.last_error.expect("a failure");
    assert_eq!((last.operation, last.code.as_str()), ("GET", "DEADLINE"));
    Ok(())
}

#[tokio::test]
async fn retries_losses_and_waits_are_counted() -> anyhow::Result<()> {
    let sim = Sim::start().await?;
    let client = client(&sim.url(), |config| config.health.enabled = false)?;
    client.ping().await?;
    sim.fault(Fault::on("GET").nth(1).then(Action::lose_reply()));
    client.execute(&get("a"), in_ms(5_000)).await?;
    let metrics = client.metrics();
    assert!(operation(&metrics.nodes, "GET").retries >= 1);
    let [node, nowhere] = &metrics.nodes[..] else { panic!("{:?}", metrics.nodes) };
    assert_eq!((node.connections.opened, node.connections.lost, nowhere.node.as_str()), (2, 1, "none"));
    assert!(node.waits.count >= 1 && node.bytes_in > 0 && node.bytes_out > 0, "{node:?}");
    sim.stop().await;
    let away = client.execute(&get("a"), in_ms(50)).await.expect_err("it is gone");
    let refused = wait_for(SOON, || async {
        let error = client.execute(&get("a"), in_ms(50)).await.expect_err("it is gone");
        error.code() == "OPEN"
    });
    assert!(refused.await, "{away}");
    let metrics = client.metrics();
    assert!(metrics.nodes[0].rejected_by_breaker >= 1);
    assert!(
        metrics.nodes[0].breakers.iter().any(|breaker| breaker.trips >= 1),
        "{:?}",
        metrics.nodes[0].breakers
    );
    // The next dial is spaced: it is refused a little later.
    let dialled = wait_for(SOON, || async { client.performance().connection.connection_success_rate < 1.0 });
    assert!(dialled.await);
    let performance = client.performance();
    assert_eq!(performance.errors.error_by_type.len(), 8);
    assert!(performance.errors.error_by_type["circuit_breaker_error"] >= 1);
    Ok(())
}

#[tokio::test]
async fn switched_off_nothing_is_counted() -> anyhow::Result<()> {
    let sim = Sim::start().await?;
    let client = client(&sim.url(), |config| config.metrics.enabled = false)?;
    client.execute(&set("a"), in_ms(5_000)).await?;
    assert_eq!(client.metrics().total_operations, 0);
    Ok(())
}

#[tokio::test]
async fn a_real_server_is_measured_and_shown_as_json() -> anyhow::Result<()> {
    let server = Server::start().await?;
    let client = client(server.url(), |_| {})?;
    for _ in 0..200 {
        client.execute(&set("a"), in_ms(5_000)).await?;
    }
    assert!(client.execute(cmd("LPUSH").arg("a").arg("x"), in_ms(5_000)).await.is_err());
    let metrics = serde_json::to_value(client.metrics())?;
    assert_eq!((&metrics["total_operations"], &metrics["failed_operations"]), (&201.into(), &1.into()));
    assert_eq!(metrics["last_error"]["code"], "WRONGTYPE");
    let performance = serde_json::to_value(client.performance())?;
    let operations = &performance["operations"];
    assert!(operations["p50_response_time_us"].as_u64() <= operations["p99_response_time_us"].as_u64());
    assert!(operations["average_response_time_us"].as_u64() > Some(0));
    assert_eq!(performance["errors"]["error_by_type"]["server_error"], 1);
    Ok(())
}

/// A recorder that keeps what it is told.
#[derive(Debug, Default, Clone)]
pub(crate) struct Kept(Arc<Mutex<BTreeMap<String, f64>>>);

#[derive(Debug)]
struct One(Kept, String);

impl One {
    fn add(&self, value: f64) {
        *self.0.0.lock().expect("no panic").entry(self.1.clone()).or_default() += value;
    }

    fn put(&self, value: f64) {
        self.0.0.lock().expect("no panic").insert(self.1.clone(), value);
    }
}

impl CounterFn for One {
    fn increment(&self, value: u64) {
        self.add(value as f64);
    }

    fn absolute(&self, value: u64) {
        self.put(value as f64);
    }
}

impl GaugeFn for One {
    fn increment(&self, value: f64) {
        self.add(value);
    }

    fn decrement(&self, value: f64) {
        self.add(-value);
    }

    fn set(&self, value: f64) {
        self.put(value);
    }
}

impl HistogramFn for One {
    fn record(&self, _: f64) {
        self.add(1.0);
    }
}

impl Kept {
    fn one(&self, key: &Key) -> Arc<One> {
        let labels: Vec<String> =
            key.labels().map(|label| format!("{}={}", label.key(), label.value())).collect();
        let name = format!("{}{{{}}}", key.name(), labels.join(","));
        Arc::new(One(self.clone(), name))
    }

    pub(crate) fn get(&self, name: &str) -> Option<f64> {
        self.0.lock().expect("no panic").get(name).copied()
    }
}

impl Recorder for Kept {
    fn describe_counter(&self, name: KeyName, _: Option<Unit>, _: SharedString) {
        *self.0.lock().expect("no panic").entry(format!("described {}", name.as_str())).or_default() += 1.0;
    }

    fn describe_gauge(&self, name: KeyName, unit: Option<Unit>, text: SharedString) {
        self.describe_counter(name, unit, text);
    }

    fn describe_histogram(&self, name: KeyName, unit: Option<Unit>, text: SharedString) {
        self.describe_counter(name, unit, text);
    }

    fn register_counter(&self, key: &Key, _: &Metadata<'_>) -> Counter {
        Counter::from_arc(self.one(key))
    }

    fn register_gauge(&self, key: &Key, _: &Metadata<'_>) -> Gauge {
        Gauge::from_arc(self.one(key))
    }

    fn register_histogram(&self, key: &Key, _: &Metadata<'_>) -> metrics::Histogram {
        metrics::Histogram::from_arc(self.one(key))
    }
}

#[tokio::test]
async fn the_facade_is_told_the_same_under_bounded_labels() -> anyhow::Result<()> {
    let kept = Kept::default();
    let _guard = metrics::set_default_local_recorder(&kept);
    let sim = Sim::start().await?;
    let client = client(&sim.url(), |config| {
        config.metrics.collection_interval_ms = 100;
        config.health.enabled = false;
    })?;
    for _ in 0..7 {
        client.execute(&set("a"), in_ms(5_000)).await?;
    }
    sim.fault(Fault::on("GET").nth(1).then(Action::error(errors::WRONGTYPE)));
    assert!(client.execute(&get("a"), in_ms(1_000)).await.is_err());
    let node = sim.addr();
    let total = |operation: &str, outcome: &str| {
        kept.get(&format!(
            "steadfast_redis_operations_total{{operation={operation},node={node},outcome={outcome}}}"
        ))
    };
    assert_eq!((total("SET", "success"), total("GET", "rejected")), (Some(7.0), Some(1.0)));
    let seconds = format!("steadfast_redis_operation_seconds{{operation=SET,node={node}}}");
    assert_eq!(kept.get(&seconds), Some(7.0));
    let errors = format!(
        "steadfast_redis_errors_total{{operation=GET,node={node},kind=server_error,outcome=rejected}}"
    );
    assert_eq!(kept.get(&errors), Some(1.0));
    assert_eq!(kept.get("described steadfast_redis_operations_total"), Some(1.0));
    let open = format!("steadfast_redis_connections_count{{node={node},state=open}}");
    let closed = format!("steadfast_redis_breaker_state_flag{{node={node},kind=write,state=closed}}");
    let collected =
        wait_for(SOON, || async { kept.get(&open) == Some(1.0) && kept.get(&closed) == Some(1.0) });
    assert!(collected.await, "{kept:?}");
    sim.all_connections(End::Close);
    let lost = format!("steadfast_redis_connections_closed_total{{node={node},state=lost}}");
    assert!(wait_for(SOON, || async { kept.get(&lost) == Some(1.0) }).await, "{kept:?}");
    // Everything that was told had been described.
    let all = kept.0.lock().expect("no panic").clone();
    for name in all.keys().filter(|name| !name.starts_with("described")) {
        let described = format!("described {}", name.split('{').next().unwrap_or_default());
        assert!(all.contains_key(&described), "{name}");
    }
    Ok(())
}
