//! Health follows what servers do.

use crate::support::{SOON, becomes, client, get, in_ms, set};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use steadfast_redis::breaker::State;
use steadfast_redis::health::{Capability, Probe};
use steadfast_redis::{Outcome, cmd};
use steadfast_testkit::lab::sim::{Action, Condition, Dial, End, Fault, Role, Sim, errors};
use steadfast_testkit::redis::{Reply, Server};
use steadfast_testkit::{wait_for, wait_for_some};
use tokio_util::task::TaskTracker;

/// `PING` is answered, and only the probe, or a call, shows what is wrong.
#[tokio::test]
async fn conditions_are_named_and_pass() -> anyhow::Result<()> {
    let sim = Sim::start().await?;
    // What the server itself says is looked at here: an open breaker would be the nearer cause.
    let client = client(&sim.url(), |config| config.breaker.enabled = false)?;
    becomes(&client, Capability::Writes, "up", "").await;
    assert!(client.is_available() && client.health().status().is_healthy);
    for (condition, cause) in [
        (Condition::Oom, "oom"),
        (Condition::Misconf, "misconf"),
        (Condition::NoReplicas, "noreplicas"),
        (Condition::Loading, "loading"),
        (Condition::Busy, "busy"),
    ] {
        sim.set_condition(condition);
        // A call's refusal counts at once.
        let refused = client.execute(&set("a"), in_ms(200)).await;
        assert!(refused.is_err(), "{condition:?}");
        becomes(&client, Capability::Writes, "down", cause).await;
        assert!(!client.is_available());
        let status = client.health().status();
        assert!(!status.is_healthy && status.error.is_some_and(|error| error.contains("are down")));
        sim.clear_condition(condition);
        becomes(&client, Capability::Writes, "up", "").await;
        becomes(&client, Capability::Scripts, "up", "").await;
    }
    Ok(())
}

#[tokio::test]
async fn a_full_memory_is_found_without_a_call_and_reads_stay_up() -> anyhow::Result<()> {
    let sim = Sim::start().await?;
    let client = client(&sim.url(), |_| {})?;
    becomes(&client, Capability::Writes, "up", "").await;
    sim.set_condition(Condition::Oom);
    let seen = becomes(&client, Capability::Writes, "down", "oom").await;
    assert!(seen.to_string().contains("OOM command not allowed"), "{seen}");
    let now = client.health().now();
    assert_eq!(now.capabilities.reads.as_str(), "up");
    assert_eq!(now.capabilities.scripts.as_str(), "degraded");
    // A deletion passes, and shows nothing.
    client.execute(cmd("DEL").arg("a"), in_ms(1_000)).await?;
    assert_eq!(client.health().now().capabilities.writes.as_str(), "down");
    sim.clear_condition(Condition::Oom);
    becomes(&client, Capability::Writes, "up", "").await;
    Ok(())
}

#[tokio::test]
async fn a_replica_a_lost_connection_and_a_full_server_are_told_apart() -> anyhow::Result<()> {
    let sim = Sim::start().await?;
    let client = client(&sim.url(), |_| {})?;
    becomes(&client, Capability::Writes, "up", "").await;
    sim.set_role(Role::replica_of(sim.addr()));
    becomes(&client, Capability::Writes, "down", "readonly").await;
    assert_eq!(client.health().now().capabilities.reads.as_str(), "up");
    sim.set_role(Role::primary());
    becomes(&client, Capability::Writes, "up", "").await;
    for (dial, cause) in [(Dial::MaxClients, "maxclients"), (Dial::WrongPass, "wrongpass")] {
        sim.dial(dial).await;
        sim.all_connections(End::Close);
        becomes(&client, Capability::Reads, "down", cause).await;
        let state = client.health().connection_state();
        assert!(!state.is_connected && state.is_reconnecting && state.last_disconnected_ms.is_some());
        assert_eq!(client.health().now().summary().status, "disconnected");
        sim.dial(Dial::Accept).await;
        becomes(&client, Capability::Reads, "up", "").await;
        assert_eq!(client.health().now().summary().status, "connected");
    }
    Ok(())
}

#[tokio::test]
async fn what_the_user_may_not_do_is_not_known_and_not_ill() -> anyhow::Result<()> {
    let server = Server::builder()
        .user_acl("reader on >secret ~* &* +@read +ping +hello +client +info")
        .start()
        .await?;
    let url = format!("redis://reader:secret@127.0.0.1:{}", server.port());
    let client = client(&url, |_| {})?;
    becomes(&client, Capability::Reads, "up", "").await;
    let probes = || client.health().now().nodes.first().map(|node| node.probes);
    let looked =
        wait_for(SOON, || async { probes().is_some_and(|probes| probes.reads == Probe::Passed) }).await;
    assert!(looked, "{:?}", probes());
    let probes = probes().expect("a node");
    assert_eq!(
        (probes.writes, probes.scripts, probes.pub_sub),
        (Probe::Forbidden, Probe::Forbidden, Probe::Forbidden)
    );
    assert!(client.health().status().is_healthy);
    Ok(())
}

#[tokio::test]
async fn the_probe_touches_nothing_but_its_own_key_which_is_gone_after_a_second() -> anyhow::Result<()> {
    let server = Server::start().await?;
    let client = client(server.url(), |config| config.health.probe_key = "probe".to_owned())?;
    becomes(&client, Capability::Writes, "up", "").await;
    let probed = wait_for(SOON, || async {
        client.health().now().nodes.first().is_some_and(|node| node.probes.writes == Probe::Passed)
    });
    assert!(probed.await);
    let keys = server.expect(&["KEYS", "*"]).await?;
    let allowed = [Reply::Array(Vec::new()), Reply::Array(vec![Reply::bulk("probe")])];
    assert!(allowed.contains(&keys), "{keys:?}");
    drop(client);
    let gone = wait_for(SOON, || async { server.info("keyspace", "db0").await.is_err() }).await;
    assert!(gone, "a key stayed");
    Ok(())
}

#[tokio::test]
async fn without_the_write_probe_nothing_is_written() -> anyhow::Result<()> {
    let sim = Sim::start().await?;
    let client = client(&sim.url(), |config| config.health.probe_writes = false)?;
    assert!(sim.wait_until(SOON, |sim| sim.executed("GET") > 1).await);
    assert_eq!(sim.received("SET"), 0);
    assert_eq!(client.health().now().nodes[0].probes.writes, Probe::Off);
    Ok(())
}

#[tokio::test]
async fn callbacks_and_watchers_are_told_of_changes_in_order() -> anyhow::Result<()> {
    let sim = Sim::start().await?;
    let client = client(&sim.url(), |_| {})?;
    becomes(&client, Capability::Writes, "up", "").await;
    let told: Arc<Mutex<Vec<&'static str>>> = Arc::default();
    let list = Arc::clone(&told);
    let subscription = client.health().on_health_change(move |health| {
        list.lock().expect("no panic").push(health.capabilities.writes.as_str());
    });
    let mut watch = client.health().subscribe();
    watch.mark_unchanged();
    sim.set_condition(Condition::Misconf);
    tokio::time::timeout(SOON, watch.wait_for(|health| health.capabilities.writes.is_down())).await??;
    sim.clear_condition(Condition::Misconf);
    tokio::time::timeout(SOON, watch.wait_for(|health| !health.capabilities.writes.is_down())).await??;
    let mut seen = told.lock().expect("no panic").clone();
    seen.dedup();
    assert_eq!(seen, ["down", "up"]);
    drop(subscription);
    let before = told.lock().expect("no panic").len();
    sim.set_condition(Condition::Misconf);
    tokio::time::timeout(SOON, watch.wait_for(|health| health.capabilities.writes.is_down())).await??;
    assert_eq!(told.lock().expect("no panic").len(), before, "the guard was dropped");
    Ok(())
}

/// Silence counts after three failures in a row, an open breaker at once.
#[tokio::test]
async fn a_server_that_hangs_is_down_and_comes_back() -> anyhow::Result<()> {
    let sim = Sim::start().await?;
    let client = client(&sim.url(), |config| {
        config.health.timeout_ms = 200;
        config.breaker.open_max_ms = 500;
    })?;
    becomes(&client, Capability::Reads, "up", "").await;
    sim.dial(Dial::Hang).await;
    sim.all_connections(End::Stall);
    let down = wait_for(SOON, || async {
        let _ = client.execute(&get("a"), in_ms(100)).await;
        client.health().now().capabilities.reads.is_down()
    });
    assert!(down.await, "{}", client.health().now().capabilities.reads);
    assert!(wait_for(SOON, || async { client.health().status().consecutive_failures > 0 }).await);
    sim.dial(Dial::Accept).await;
    sim.all_connections(End::Close);
    becomes(&client, Capability::Reads, "up", "").await;
    assert!(client.health().status().failure_rate > 0.0);
    Ok(())
}

#[tokio::test]
async fn a_read_error_of_one_command_is_no_illness() -> anyhow::Result<()> {
    let sim = Sim::start().await?;
    let client = client(&sim.url(), |_| {})?;
    becomes(&client, Capability::Writes, "up", "").await;
    sim.fault(Fault::on("GET").key("a").then(Action::error(errors::WRONGTYPE)));
    for _ in 0..10 {
        assert!(client.execute(&get("a"), in_ms(1_000)).await.is_err());
    }
    assert!(client.health().now().capabilities.iter().all(|(_, state)| state.as_str() == "up"));
    Ok(())
}

#[tokio::test]
async fn views_are_told_to_programs() -> anyhow::Result<()> {
    let server = Server::builder().password("secret").start().await?;
    let client = client(server.url(), |_| {})?;
    becomes(&client, Capability::Writes, "up", "").await;
    let health = serde_json::to_value(client.health().now())?;
    assert_eq!(health["status"]["is_healthy"], true);
    assert_eq!(health["capabilities"]["reads"]["state"], "up");
    let summary = serde_json::to_value(client.health().now().summary())?;
    assert_eq!((&summary["healthy"], &summary["status"]), (&true.into(), &"connected".into()));
    let [info] = &client.connections()[..] else { panic!("one node") };
    assert!(
        info.password_set && info.port == server.port() && info.pool_size == 1 && info.max_connections == 50
    );
    assert!(!serde_json::to_string(&client.connections())?.contains("secret"));
    let pool = client.pool();
    assert_eq!((pool.size, pool.lanes_max, pool.is_crowded), (1, 20, false));
    client.health().set_fallback_active(true);
    assert!(client.health().connection_state().is_fallback_active);
    Ok(())
}

/// Whoever looks at health looks at every node's state, while that state changes all the time: nobody may wait for
/// somebody who waits for him. Should all threads of the runtime be locked out, so would a deadline within it: this one is
/// kept outside.
#[test]
fn looking_at_health_while_everything_changes_locks_nobody_out() {
    let (told, done) = std::sync::mpsc::sync_channel(1);
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(4).enable_all().build();
    let runtime = runtime.expect("a runtime");
    runtime.spawn(async move { drop(told.send(many_look_while_states_change().await)) });
    let done = done.recv_timeout(SOON * 6);
    runtime.shutdown_background();
    match done {
        Ok(done) => done.expect("no failure"),
        Err(_) => panic!("somebody was locked out"),
    }
}

async fn many_look_while_states_change() -> anyhow::Result<()> {
    let sim = Sim::start().await?;
    let client = client(&sim.url(), |config| {
        config.health.interval_ms = 1_000;
        config.dial.budget = 1_000;
        config.breaker.enabled = false;
    })?;
    client.ping().await?;
    let stop = Arc::new(AtomicBool::new(false));
    let tasks = TaskTracker::new();
    for _ in 0..4 {
        let (client, stop) = (client.clone(), Arc::clone(&stop));
        tasks.spawn(async move {
            while !stop.load(Ordering::Relaxed) {
                let _ = (client.health().now(), client.pool(), client.metrics().total_operations);
                let _ = (client.nodes().len(), client.is_available(), client.health().connection_state());
                tokio::task::yield_now().await;
            }
        });
    }
    for round in 0..60 {
        let role = if round % 2 == 0 { Role::replica_of(sim.addr()) } else { Role::primary() };
        sim.set_role(role);
        let _ = client.execute(&set("a"), in_ms(20)).await;
        sim.all_connections(End::Close);
        let _ = client.execute(&get("a"), in_ms(200)).await;
    }
    stop.store(true, Ordering::Relaxed);
    tasks.close();
    tokio::time::timeout(SOON, tasks.wait()).await?;
    Ok(())
}

/// Nothing can be asked where there is no connection: that takes no time at all, and not 0 ms.
#[tokio::test]
async fn a_server_that_cannot_be_reached_has_no_response_time() -> anyhow::Result<()> {
    let sim = Sim::start().await?;
    let client = client(&sim.url(), |_| {})?;
    let status = || client.health().status();
    assert!(wait_for(SOON, || async { status().response_time_ms.is_some() }).await);
    sim.dial(Dial::Refuse).await;
    sim.all_connections(End::Close);
    assert!(wait_for(SOON, || async { status().consecutive_failures > 0 }).await);
    let health = client.health().now();
    assert_eq!((health.status.response_time_ms, health.nodes[0].response_time_ms), (None, None));
    assert!(health.nodes[0].checked_at_ms.is_some());
    let json = serde_json::to_value(&health)?;
    assert!(json["status"]["response_time_ms"].is_null() && !json["status"]["is_healthy"].as_bool().unwrap());
    assert!(json["status"]["error"].as_str().is_some_and(|error| error.contains("refused")), "{json}");
    // All of what a health status is to hold.
    for field in [
        "is_healthy",
        "response_time_ms",
        "timestamp_ms",
        "error",
        "failure_rate",
        "success_rate",
        "consecutive_failures",
        "consecutive_successes",
    ] {
        assert!(json["status"].get(field).is_some(), "{field}");
    }
    Ok(())
}

/// What opened it, when the server is asked next, what to do.
#[tokio::test]
async fn an_open_circuit_says_what_opened_it_and_what_comes_next() -> anyhow::Result<()> {
    let sim = Sim::start().await?;
    let client = client(&sim.url(), |config| config.breaker.open_min_ms = 30_000)?;
    client.ping().await?;
    sim.dial(Dial::Refuse).await;
    sim.all_connections(End::Close);
    let open = wait_for_some(SOON, || async {
        client.execute(&get("a"), in_ms(100)).await.err().filter(|error| error.code() == "OPEN")
    });
    let text = open.await.expect("it opens").to_string();
    for words in [
        "GET on ",
        "the circuit for reads is open: the connection was refused",
        "; last: cannot connect to",
        "a connection is ",
        "calls go on by themselves",
        "check that the server runs there",
    ] {
        assert!(text.contains(words), "{words:?} is missing: {text}");
    }
    assert!(!text.contains("trial") && !text.contains("ask again"), "{text}");
    // It hangs: there are connections, and it is asked on them.
    sim.dial(Dial::Accept).await;
    becomes(&client, Capability::Reads, "up", "").await;
    sim.dial(Dial::Hang).await;
    sim.all_connections(End::Stall);
    let open = wait_for_some(SOON, || async {
        client.execute(&get("a"), in_ms(100)).await.err().filter(|error| error.code() == "OPEN")
    });
    let text = open.await.expect("it opens").to_string();
    assert!(
        text.contains("the circuit for reads is open: ") && text.contains("is asked every 100 ms"),
        "{text}"
    );
    Ok(())
}

/// One connection that breaks with many calls on it opens the circuit, and is connected to again at once: whoever calls
/// amid the trial calls that follow waits for their verdict, and is not refused.
#[tokio::test]
async fn who_calls_amid_trial_calls_waits_for_their_verdict() -> anyhow::Result<()> {
    let sim = Sim::start().await?;
    // Without the limiter all ask the breaker in the same moment.
    let client = client(&sim.url(), |config| config.limiter.enabled = false)?;
    client.ping().await?;
    sim.fault(Fault::on("INCR").then(Action::DelayBefore(Duration::from_secs(30))));
    let incr = cmd("INCR").arg("count").to_owned();
    let lost = futures::future::join_all((0..20).map(|_| client.execute(&incr, in_ms(5_000))));
    let cut = async {
        let under_way = || async { client.nodes()[0].in_flight == 20 && sim.received("INCR") == 1 };
        assert!(wait_for(SOON, under_way).await);
        sim.clear_faults();
        sim.all_connections(End::Reset);
    };
    let (lost, ()) = futures::join!(lost, cut);
    assert!(lost.iter().all(|one| one.as_ref().is_err_and(|error| error.outcome() == Outcome::Ambiguous)));
    assert!(wait_for(SOON, || async { client.nodes()[0].writes.state == State::HalfOpen }).await);
    let set = set("key");
    let all = futures::future::join_all((0..50).map(|_| client.execute(&set, in_ms(5_000)))).await;
    let refused: Vec<_> = all.into_iter().filter_map(Result::err).collect();
    assert!(refused.is_empty(), "{} of 50, {}", refused.len(), refused[0]);
    Ok(())
}

/// The circuit was opened while nothing listened; what listens now reads its data and says so.
#[tokio::test]
async fn a_server_that_loads_is_waited_for_though_its_circuit_is_open() -> anyhow::Result<()> {
    let sim = Sim::start().await?;
    let client = client(&sim.url(), |_| {})?;
    client.ping().await?;
    sim.dial(Dial::Refuse).await;
    sim.all_connections(End::Reset);
    let circuit = || client.nodes()[0].writes.state;
    assert!(wait_for(SOON, || async { circuit() == State::Open }).await);
    sim.set_condition(Condition::Loading);
    sim.dial(Dial::Accept).await;
    assert!(wait_for(SOON, || async { client.nodes()[0].is_loading }).await);
    assert!(wait_for(SOON, || async { circuit() == State::Open }).await);
    let set = set("key");
    let calls = futures::future::join_all((0..20).map(|_| client.execute(&set, in_ms(5_000))));
    let loaded = async {
        assert!(wait_for(SOON, || async { client.pool().in_flight + client.pool().waiting > 0 }).await);
        sim.clear_condition(Condition::Loading);
    };
    let (calls, ()) = futures::join!(calls, loaded);
    let refused: Vec<_> = calls.into_iter().filter_map(Result::err).collect();
    assert!(refused.is_empty(), "{} of 20, {}", refused.len(), refused[0]);
    Ok(())
}

#[tokio::test]
async fn each_second_without_a_connection_is_a_failed_check() -> anyhow::Result<()> {
    let sim = Sim::start().await?;
    let client = client(&sim.url(), |config| config.health.interval_ms = 3_600_000)?;
    let status = || client.health().status();
    assert!(wait_for(SOON, || async { status().consecutive_successes > 0 }).await);
    sim.dial(Dial::Refuse).await;
    sim.all_connections(End::Reset);
    assert!(wait_for(SOON, || async { status().consecutive_failures >= 2 }).await, "{:?}", status());
    assert!(status().failure_rate > 0.0 && status().response_time_ms.is_none());
    sim.dial(Dial::Accept).await;
    assert!(wait_for(SOON, || async { status().consecutive_successes > 0 }).await, "{:?}", status());
    Ok(())
}
