//! What a reload promises: "applied without restart".

use crate::soon;
use crate::support::{SOON, becomes, in_ms};
use futures::future::BoxFuture;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;
use steadfast_redis::config::{Checked, Config};
use steadfast_redis::dial::{Resolve, Resolver};
use steadfast_redis::health::Capability;
use steadfast_redis::{Client, ErrorKind, FromRedisValue, cmd};
use steadfast_testkit::lab::sim::{Action, Dial, Fault, SentinelMaster, Sim};
use steadfast_testkit::redis::Server;
use steadfast_testkit::wait_for;

fn checked(url: &str, change: impl FnOnce(&mut Config)) -> Checked {
    let mut config = Config::from_url(url).unwrap();
    change(&mut config);
    config.validate().unwrap()
}

/// Counts how often it is asked.
#[derive(Debug, Clone)]
struct Counting(SocketAddr, Arc<AtomicU32>);

impl Resolve for Counting {
    fn resolve<'a>(&'a self, _: &'a str, _: u16) -> BoxFuture<'a, std::io::Result<Vec<SocketAddr>>> {
        self.1.fetch_add(1, Ordering::Relaxed);
        let found = vec![self.0];
        Box::pin(async move { Ok(found) })
    }
}

#[tokio::test]
async fn names_are_resolved_as_often_as_the_new_settings_say() {
    let sim = Sim::start().await.unwrap();
    let names = Counting(sim.addr(), Arc::default());
    let resolver = Resolver::new(names.clone());
    let with = |every_ms| {
        checked(&format!("redis://localhost:{}", sim.port()), |config| {
            config.set_resolver(resolver.clone());
            config.tcp.resolve_interval_ms = every_ms;
        })
    };
    let client = Client::connect(&with(3_600_000)).unwrap();
    client.ping().await.unwrap();
    client.reload(&with(1_000)).unwrap();
    let before = names.1.load(Ordering::Relaxed);
    let again = || async { names.1.load(Ordering::Relaxed) >= before + 2 };
    assert!(wait_for(SOON, again).await, "asked {} times", names.1.load(Ordering::Relaxed));
}

/// A command that takes long holds the one place there is.
#[tokio::test]
async fn the_limiter_is_switched_off_and_on() {
    let sim = Sim::start().await.unwrap();
    let with = |enabled| {
        checked(&sim.url(), |config| {
            (config.limiter.in_flight_min, config.limiter.in_flight_start) = (1, 1);
            (config.limiter.in_flight_max, config.limiter.enabled) = (1, enabled);
            config.pool.lanes_min = 2;
        })
    };
    let client = Client::connect(&with(true)).unwrap();
    client.ping().await.unwrap();
    let both_lanes = || async { client.nodes()[0].connections == 2 };
    assert!(wait_for(SOON, both_lanes).await);
    sim.fault(Fault::on("GET").key("slow").then(Action::DelayReply(Duration::from_millis(600))));
    let second = || async {
        let get = cmd("GET").arg("slow").to_owned();
        let slow = client.execute(&get, soon());
        let other = async {
            assert!(wait_for(SOON, || async { sim.waiting() > 0 || client.pool().in_flight > 0 }).await);
            client.execute(cmd("GET").arg("other"), in_ms(200)).await
        };
        tokio::join!(slow, other).1
    };
    let refused = second().await.unwrap_err();
    assert_eq!((refused.kind(), refused.code()), (ErrorKind::PoolExhausted, "OVERLOADED"), "{refused}");
    client.reload(&with(false)).unwrap();
    second().await.unwrap();
    client.reload(&with(true)).unwrap();
    assert_eq!(second().await.unwrap_err().code(), "OVERLOADED");
}

#[tokio::test]
async fn the_sentinels_take_up_another_password() {
    let primary = Sim::start().await.unwrap();
    let sentinel = Sim::builder().sentinel().password("right").start().await.unwrap();
    sentinel.sentinel().unwrap().believe("main", SentinelMaster::new(primary.addr()));
    let with = |password: &str| {
        checked(&format!("redis+sentinel://{}/main", sentinel.addr()), |config| {
            config.sentinel.password = Some(password.into());
        })
    };
    let client = Client::connect(&with("wrong")).unwrap();
    assert!(client.within(Duration::from_millis(300)).ping().await.is_err());
    let (change, _) = client.reload(&with("right")).unwrap();
    assert!(change.reconnects());
    client.execute(&cmd("PING"), soon()).await.unwrap();
    // The data's own connections are as they were: only sentinels log in anew.
    let before = primary.dial_count();
    client.reload(&with("other")).unwrap();
    client.execute(&cmd("PING"), soon()).await.unwrap();
    tokio::task::yield_now().await;
    assert_eq!(primary.dial_count(), before);
}

/// A connection held alone was made with the settings of its time: with another database, what it pops would be another's.
#[tokio::test]
async fn connections_of_all_kinds_are_replaced() {
    let server = Server::start().await.unwrap();
    let with = |database, name: &str| {
        checked(server.url(), |config| {
            config.connection.database = database;
            name.clone_into(&mut config.connection.client_name);
            config.pool.lanes_min = 3;
        })
    };
    let client = Client::connect(&with(0, "before")).unwrap();
    let mut subscription = client.subscribe(&["news"], soon()).await.unwrap();
    let blpop = cmd("BLPOP").arg("list").arg(1).to_owned();
    let pop = || client.blocking(&blpop, soon());
    assert_eq!(pop().await.unwrap(), steadfast_redis::Value::Nil);
    client.reload(&with(1, "after")).unwrap();
    server.expect(&["RPUSH", "list", "of 0"]).await.unwrap();
    let renamed = || async {
        let list = format!("{:?}", server.command(&["CLIENT", "LIST"]).await.unwrap());
        list.contains("name=after") && !list.contains("name=before")
    };
    client.query::<i64>(cmd("RPUSH").arg("other").arg("x")).await.unwrap();
    assert!(wait_for(SOON, renamed).await, "all are replaced");
    client.query::<i64>(cmd("RPUSH").arg("list").arg("of 1")).await.unwrap();
    let (_, popped) = <(String, String)>::from_redis_value(pop().await.unwrap()).unwrap();
    assert_eq!(popped, "of 1");
    client.query::<i64>(cmd("PUBLISH").arg("news").arg("x")).await.unwrap();
    let heard = async {
        loop {
            match subscription.next().await {
                Some(steadfast_redis::pubsub::Event::Message(message)) => return message.payload,
                Some(_) => client.query::<i64>(cmd("PUBLISH").arg("news").arg("x")).await.unwrap(),
                None => panic!("the subscription ended"),
            };
        }
    };
    assert_eq!(tokio::time::timeout(SOON, heard).await.unwrap(), b"x");
}

/// What a server does not let in any more costs nothing that it had let in.
#[tokio::test]
async fn settings_that_the_server_refuses_leave_the_connections_there_are() {
    let sim = Sim::start().await.unwrap();
    let with = |name: &str| {
        checked(&sim.url(), |config| {
            name.clone_into(&mut config.connection.client_name);
            config.pool.lanes_min = 3;
        })
    };
    let client = Client::connect(&with("before")).unwrap();
    let full = || async { client.nodes()[0].connections == 3 };
    assert!(client.ping().await.is_ok() && wait_for(SOON, full).await);
    sim.dial(Dial::MaxClients).await;
    client.reload(&with("after")).unwrap();
    let failed = || async { client.nodes()[0].dials_failed >= 2 };
    assert!(wait_for(SOON, failed).await);
    assert_eq!(client.nodes()[0].connections, 3);
    client.ping().await.unwrap();
    sim.dial(Dial::Accept).await;
    let replaced = || async { sim.connections() == 3 && sim.dial_count() >= 6 };
    assert!(wait_for(SOON, replaced).await, "{} connections", sim.connections());
}

/// A dial beyond the connections there are fails, and is not needed any more: that it would succeed again is found out.
#[tokio::test]
async fn a_failed_dial_is_not_told_of_for_ever() {
    let sim = Sim::start().await.unwrap();
    let with = |lanes| checked(&sim.url(), |config| config.pool.lanes_min = lanes);
    let client = Client::connect(&with(1)).unwrap();
    client.ping().await.unwrap();
    sim.dial(Dial::MaxClients).await;
    client.reload(&with(2)).unwrap();
    becomes(&client, Capability::Blocking, "degraded", "maxclients").await;
    client.reload(&with(1)).unwrap();
    sim.dial(Dial::Accept).await;
    becomes(&client, Capability::Blocking, "up", "").await;
}

/// How calls are repeated, and what a silent connection is.
#[tokio::test]
async fn retries_and_the_watchdog_follow() {
    let sim = Sim::start().await.unwrap();
    let with = |attempts, watchdog| {
        checked(&sim.url(), |config| {
            config.retry.attempts_max = attempts;
            config.watchdog.enabled = watchdog;
            config.breaker.enabled = false;
            config.connection.command_timeout_ms = 3_000;
        })
    };
    let client = Client::connect(&with(0, false)).unwrap();
    client.ping().await.unwrap();
    let lost = || sim.fault(Fault::on("GET").times(1).then(Action::lose_reply()));
    lost();
    client.execute(cmd("GET").arg("a"), soon()).await.unwrap_err();
    client.reload(&with(3, false)).unwrap();
    lost();
    client.execute(cmd("GET").arg("a"), soon()).await.unwrap();
    // Half-open: with the watchdog the connection is proved dead, and the call made on another.
    client.reload(&with(3, true)).unwrap();
    sim.fault(Fault::on("GET").times(1).then(Action::stall()));
    client.execute(cmd("GET").arg("a"), soon()).await.unwrap();
    assert_eq!(client.nodes()[0].connections_dead, 1);
}

/// The number of connections that callers may hold.
#[tokio::test]
async fn the_pool_grows() {
    let server = Server::start().await.unwrap();
    let with = |most| {
        checked(server.url(), |config| {
            (config.pool.lanes_max, config.pool.connections_max) = (1, most);
            config.pool.acquire_timeout_ms = 100;
        })
    };
    let client = Client::connect(&with(2)).unwrap();
    let hold = |key: &'static str| {
        let client = client.clone();
        async move { client.blocking(cmd("BLPOP").arg(key).arg(2), soon()).await }
    };
    let more = async {
        assert!(wait_for(SOON, || async { client.pool().exclusive_held == 1 }).await);
        let full = hold("b").await.unwrap_err();
        assert!(full.to_string().contains("pool.acquire_timeout_ms"), "{full}");
        client.reload(&with(3)).unwrap();
        hold("b").await.unwrap();
    };
    let (first, ()) = tokio::join!(hold("a"), more);
    first.unwrap();
}

#[tokio::test]
async fn another_name_of_the_primary_needs_another_client() {
    let sentinel = Sim::builder().sentinel().start().await.unwrap();
    let with = |name: &str| checked(&format!("redis+sentinel://{}/{name}", sentinel.addr()), |_| {});
    let client = Client::connect(&with("main")).unwrap();
    let error = client.reload(&with("other")).unwrap_err();
    assert!(error.to_string().contains("sentinel.master_name"), "{error}");
}
