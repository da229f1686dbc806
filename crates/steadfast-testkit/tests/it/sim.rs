//! The simulator as a server: many clients, blocking commands, scripts, roles, time.

use std::time::Duration;
use steadfast_testkit::lab::sim::{Condition, Data, Role, Sim};
use steadfast_testkit::redis::{Connection, Reply};

const SOON: Duration = Duration::from_secs(5);

#[tokio::test]
async fn pipelined_commands_are_answered_in_order() -> anyhow::Result<()> {
    let sim = Sim::start().await?;
    let mut client = Connection::open(sim.addr()).await?;
    let incr: &[&str] = &["INCR", "a"];
    let replies = client.pipeline(&vec![incr; 1_000]).await?;
    let wanted: Vec<Reply> = (1..=1_000).map(Reply::Integer).collect();
    assert_eq!(replies, wanted);
    assert_eq!(
        (sim.executed("INCR"), sim.executed_on("incr", "a"), sim.executed_on("INCR", "b")),
        (1_000, 1_000, 0)
    );
    Ok(())
}

#[tokio::test]
async fn blocked_clients_are_served_in_order_even_if_they_gave_up_waiting() -> anyhow::Result<()> {
    let sim = Sim::start().await?;
    let mut waiting = Vec::new();
    for count in 1..=3 {
        let mut client = Connection::open(sim.addr()).await?;
        client.send(&["BLPOP", "q", "0"]).await?;
        assert!(sim.wait_until(SOON, |sim| sim.waiting() == count).await);
        waiting.push(client);
    }
    // The first is gone with its socket; the others still stand, whatever their owners think.
    drop(waiting.remove(0));
    assert!(sim.wait_until(SOON, |sim| sim.waiting() == 2).await);
    assert_eq!(sim.command(&["RPUSH", "q", "a", "b", "c"]), Reply::Integer(3));
    assert_eq!(waiting[0].receive().await?, Reply::bulks(["q", "a"]));
    assert_eq!(waiting[1].receive().await?, Reply::bulks(["q", "b"]));
    assert_eq!(sim.command(&["LLEN", "q"]), Reply::Integer(1));
    Ok(())
}

/// The element of a push that meets a timeout is either delivered or still there.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_element_is_lost_between_a_timeout_and_a_push() -> anyhow::Result<()> {
    const ROUNDS: usize = 1_000;
    let sim = Sim::start().await?;
    let mut popper = Connection::open(sim.addr()).await?;
    let mut pusher = Connection::open(sim.addr()).await?;
    let pops = async {
        let mut popped = 0;
        for _ in 0..ROUNDS {
            popped += i64::from(popper.command(&["BLPOP", "q", "0.001"]).await? != Reply::NullArray);
        }
        anyhow::Ok(popped)
    };
    let pushes = async {
        for _ in 0..ROUNDS {
            pusher.command(&["BLPOP", "pause", "0.001"]).await?;
            pusher.command(&["RPUSH", "q", "x"]).await?;
        }
        anyhow::Ok(())
    };
    let (popped, ()) = tokio::try_join!(pops, pushes)?;
    let left = sim.command(&["LLEN", "q"]).integer().expect("a length");
    assert_eq!(popped + left, i64::try_from(ROUNDS)?, "{popped} popped, {left} left");
    assert!(popped > 0, "nothing was popped");
    Ok(())
}

#[tokio::test]
async fn a_blocked_client_is_unblocked_by_another_or_by_a_demotion() -> anyhow::Result<()> {
    let sim = Sim::start().await?;
    let mut blocked = Connection::open(sim.addr()).await?;
    let mut other = Connection::open(sim.addr()).await?;
    let id = blocked.command(&["CLIENT", "ID"]).await?.integer().expect("an id").to_string();
    for (how, wanted) in [("TIMEOUT", Reply::NullArray), ("ERROR", Reply::error(UNBLOCKED))] {
        blocked.send(&["BLPOP", "q", "0"]).await?;
        assert!(sim.wait_until(SOON, |sim| sim.waiting() == 1).await);
        assert_eq!(other.command(&["CLIENT", "UNBLOCK", &id, how]).await?, Reply::Integer(1));
        assert_eq!(blocked.receive().await?, wanted);
    }
    blocked.send(&["BLPOP", "q", "0"]).await?;
    assert!(sim.wait_until(SOON, |sim| sim.waiting() == 1).await);
    sim.set_role(Role::replica_of(sim.addr()));
    assert!(blocked.receive().await?.is_error("UNBLOCKED"));
    assert!(blocked.command(&["SET", "a", "1"]).await?.is_error("READONLY"));
    assert_eq!(blocked.command(&["GET", "a"]).await?, Reply::Null);
    assert_eq!(
        blocked.command(&["ROLE"]).await?.items().map(|items| items[0].clone()),
        Some(Reply::bulk("slave"))
    );
    sim.set_role(Role::primary());
    assert!(blocked.command(&["SET", "a", "1"]).await?.is_ok());
    Ok(())
}

const UNBLOCKED: &str = steadfast_testkit::lab::sim::errors::UNBLOCKED;

#[tokio::test]
async fn transactions_of_two_servers_on_one_data_set_do_not_mix() -> anyhow::Result<()> {
    let data = Data::new();
    let (one, two) =
        tokio::try_join!(Sim::builder().data(&data).start(), Sim::builder().data(&data).start())?;
    let mut first = Connection::open(one.addr()).await?;
    let mut second = Connection::open(two.addr()).await?;
    first.command(&["WATCH", "a"]).await?;
    second.command(&["SET", "a", "2"]).await?;
    let replies = first.pipeline(&[&["MULTI"], &["INCR", "a"], &["EXEC"]]).await?;
    assert_eq!(replies[2], Reply::NullArray);
    assert_eq!(first.command(&["GET", "a"]).await?, Reply::bulk("2"));
    Ok(())
}

#[tokio::test]
async fn scripts_are_closures_that_must_be_loaded_like_scripts() -> anyhow::Result<()> {
    let sim = Sim::start().await?;
    let source = "the text does not matter";
    let sha = sim.script(source, |script| {
        let (key, by) = (script.key(0).to_owned(), script.arg(0).to_owned());
        script.call(&["INCRBY", &key, &by])
    });
    let mut client = Connection::open(sim.addr()).await?;
    let call = ["EVALSHA", &sha, "1", "k", "5"];
    assert!(client.command(&call).await?.is_error("NOSCRIPT"));
    assert_eq!(client.command(&["SCRIPT", "LOAD", source]).await?, Reply::bulk(&sha));
    assert_eq!(client.command(&call).await?, Reply::Integer(5));
    assert_eq!(client.command(&["EVAL", source, "1", "k", "5"]).await?, Reply::Integer(10));
    assert_eq!((sim.executed("EVALSHA"), sim.executed_on("INCRBY", "k")), (2, 2));
    client.command(&["SCRIPT", "FLUSH"]).await?;
    assert!(client.command(&call).await?.is_error("NOSCRIPT"));
    client.command(&["SCRIPT", "LOAD", source]).await?;
    sim.set_role(Role::replica_of(sim.addr()));
    let refused = client.command(&call).await?;
    let text = refused.error_text().expect("an error");
    assert!(text.starts_with("READONLY") && text.contains("script: "), "{text}");
    Ok(())
}

#[tokio::test]
async fn each_condition_refuses_what_redis_refuses() -> anyhow::Result<()> {
    let sim = Sim::start().await?;
    let mut client = Connection::open(sim.addr()).await?;
    client.command(&["SET", "a", "1"]).await?;
    let cases = [
        (Condition::Loading, "LOADING", ["PING", "GET", "SET", "DEL"].as_slice(), ["INFO"].as_slice()),
        (Condition::MasterDown, "MASTERDOWN", &["PING", "GET", "SET"], &["INFO"]),
        (Condition::NoReplicas, "NOREPLICAS", &["SET", "DEL"], &["GET", "PING"]),
        (Condition::Misconf, "MISCONF", &["SET", "DEL", "PING"], &["GET"]),
        (Condition::Oom, "OOM", &["SET"], &["DEL", "GET", "PING"]),
        (Condition::Busy, "BUSY", &["GET", "PING", "INFO"], &["MULTI", "DISCARD"]),
    ];
    for (condition, code, refused, allowed) in cases {
        sim.set_condition(condition);
        for name in refused.iter().chain(allowed) {
            let args: Vec<&str> = match *name {
                "SET" => vec!["SET", "a", "2"],
                "GET" | "DEL" => vec![name, "a"],
                _ => vec![name],
            };
            let reply = client.command(&args).await?;
            assert_eq!(reply.is_error(code), refused.contains(name), "{name} under {condition:?}: {reply:?}");
        }
        sim.clear_condition(condition);
        assert_eq!(client.command(&["PING"]).await?, Reply::Simple("PONG".to_owned()));
    }
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn over_memory_an_hour_passes_in_no_time_and_nothing_is_lost() -> anyhow::Result<()> {
    let sim = Sim::start().await?;
    let mut client = Connection::over(sim.connect_duplex()?).with_deadline(Duration::from_secs(7_200));
    let start = tokio::time::Instant::now();
    assert!(client.command(&["SET", "a", "1", "EX", "3600"]).await?.is_ok());
    let before = client.command(&["TIME"]).await?;
    assert_eq!(client.command(&["BLPOP", "q", "3599.5"]).await?, Reply::NullArray);
    assert_eq!(client.command(&["PTTL", "a"]).await?, Reply::Integer(500));
    assert_eq!(client.command(&["BLPOP", "q", "0.5"]).await?, Reply::NullArray);
    assert_eq!(client.command(&["GET", "a"]).await?, Reply::Null);
    let after = client.command(&["TIME"]).await?;
    let seconds = |reply: &Reply| reply.items().and_then(|items| items[0].integer());
    assert_eq!(seconds(&before).map(|before| before + 3_600), seconds(&after));
    assert_eq!(start.elapsed(), Duration::from_secs(3_600));
    Ok(())
}

#[tokio::test]
async fn settings_of_info_config_and_wait_are_said() -> anyhow::Result<()> {
    let sim = Sim::start().await?;
    sim.set_info("memory", "used_memory", "123");
    sim.set_info("own", "field", "value");
    sim.set_config("maxmemory-policy", "allkeys-lru");
    sim.set_wait_replicas(2);
    let mut client = Connection::open(sim.addr()).await?;
    let info = client.command(&["INFO"]).await?;
    let info = info.text().expect("text");
    assert!(info.contains("\r\nused_memory:123\r\n") && info.contains("# Own\r\nfield:value\r\n"), "{info}");
    assert!(info.contains("role:master"), "{info}");
    let memory = client.command(&["INFO", "memory"]).await?;
    assert!(memory.text().is_some_and(|text| text.starts_with("# Memory") && !text.contains("# Server")));
    let policy = client.command(&["CONFIG", "GET", "maxmemory-policy"]).await?;
    assert_eq!(policy.field("maxmemory-policy"), Some(&Reply::bulk("allkeys-lru")));
    assert_eq!(client.command(&["WAIT", "1", "0"]).await?, Reply::Integer(2));
    Ok(())
}
