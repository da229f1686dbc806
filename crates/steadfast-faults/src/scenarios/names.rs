//! Names that come to lead elsewhere.

use super::readonly::WITHIN;
use super::{get, lasts, ms, seconds, set, shown, shown_or_never, total};
use crate::load::Load;
use crate::scenario::{On, Outcome, Scenario, Seen};
use anyhow::{Context, ensure};
use futures::FutureExt;
use futures::future::BoxFuture;
use socket2::{Domain, Socket, Type};
use std::io;
use std::net::{SocketAddr, TcpStream};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use steadfast_redis::dial::{Resolve, Resolver};
use steadfast_redis::{Client, Config};
use steadfast_testkit::lab::proxy::Proxy;
use steadfast_testkit::lab::sim::{Dial, End, Role, Sim};
use steadfast_testkit::redis::Replicated;
use steadfast_testkit::wait_for;

pub(super) const ALL: &[Scenario] = &[
    Scenario {
        id: "F5j",
        on: On::Real,
        fault: "one address for two servers: new connections lead to the promoted one, the old ones stay on the demoted",
        expected: "no write fails, first good one within 250 ms",
        play: |_| endpoint().boxed(),
    },
    Scenario {
        id: "F10",
        on: On::Simulated,
        fault: "the name leads to another server, and the old one is gone",
        expected: "good again within 500 ms, by a dial that resolved the name anew",
        play: |_| gone().boxed(),
    },
    Scenario {
        id: "F10b",
        on: On::Simulated,
        fault: "the name leads to another server; the old one is a replica and still answers reads (names every 1 s)",
        expected: "connections move within 1.5 s, no read fails",
        play: |_| demoted().boxed(),
    },
    Scenario {
        id: "F10c",
        on: On::Simulated,
        fault: "the name leads to another server, while the old one says that it is the primary; then no name at all",
        expected: "connections stay, no call fails",
        play: |_| still_primary().boxed(),
    },
    Scenario {
        id: "F10d",
        on: On::Simulated,
        fault: "the first of two addresses of the name swallows every packet",
        expected: "connected over the second within 750 ms",
        play: |_| black_hole().boxed(),
    },
];

/// A resolver that says what it is told.
#[derive(Debug, Clone, Default)]
struct Names(Arc<Mutex<Vec<SocketAddr>>>);

impl Names {
    fn lead_to(&self, addresses: &[SocketAddr]) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = addresses.to_vec();
    }
}

impl Resolve for Names {
    fn resolve<'a>(&'a self, _: &'a str, _: u16) -> BoxFuture<'a, io::Result<Vec<SocketAddr>>> {
        let addresses = self.0.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let found = if addresses.is_empty() { Err(io::ErrorKind::NotFound.into()) } else { Ok(addresses) };
        Box::pin(std::future::ready(found))
    }
}

/// A client for a name, and the name.
fn named(addresses: &[SocketAddr]) -> anyhow::Result<(Client, Names)> {
    let names = Names::default();
    names.lead_to(addresses);
    let mut config = Config::from_url("redis://redis.test:6379?tcp.resolve_interval_ms=1000")?;
    config.set_resolver(Resolver::new(names.clone()));
    Ok((Client::connect(&config.validate()?)?, names))
}

async fn endpoint() -> Outcome {
    let servers = Replicated::start(1).await?;
    let (old, new) = (&servers.primary, &servers.replicas[0]);
    let proxy = Proxy::start(old.addr()).await?;
    let client = Client::open(&proxy.url())?;
    let load = Load::start(&client, 8, seconds(2), set);
    load.warm().await?;
    new.expect(&["REPLICAOF", "NO", "ONE"]).await?;
    old.expect(&["REPLICAOF", "127.0.0.1", &new.port().to_string()]).await?;
    lasts(ms(500)).await;
    let before = load.mark();
    proxy.retarget(new.addr());
    let back = load.first_good(seconds(5)).await;
    let bad = before.bad + load.stop().await.bad;
    let holds = back.is_some_and(|back| back <= WITHIN) && bad == 0;
    Ok(Seen::new(holds, "tried a new connection", format!("{} after it, {bad} failed", shown_or_never(back))))
}

async fn gone() -> Outcome {
    let (old, new) = (Sim::start().await?, Sim::start().await?);
    let (client, names) = named(&[old.addr()])?;
    let load = Load::start(&client, 8, seconds(2), set);
    load.warm().await?;
    names.lead_to(&[new.addr()]);
    old.dial(Dial::Refuse).await;
    old.all_connections(End::Reset);
    load.mark();
    let back = load.first_good(seconds(5)).await;
    load.stop().await;
    let executed = new.executed("SET");
    let holds = back.is_some_and(|back| back <= ms(500)) && executed > 0;
    Ok(Seen::new(holds, "resolved at the dial", format!("good again after {}", shown_or_never(back))))
}

async fn demoted() -> Outcome {
    let new = Sim::start().await?;
    let old = Sim::builder().data(&new.data()).start().await?;
    let (client, names) = named(&[old.addr()])?;
    let load = Load::start(&client, 8, seconds(2), get);
    load.warm().await?;
    old.set_role(Role::replica_of(new.addr()));
    names.lead_to(&[new.addr()]);
    let since = tokio::time::Instant::now();
    let moved = wait_for(seconds(10), || async { new.executed("GET") > 0 && old.connections() == 0 }).await;
    let took = since.elapsed();
    let bad = load.stop().await.bad;
    let holds = moved && took <= ms(1_500) && bad == 0;
    Ok(Seen::new(holds, "looked the name up", format!("moved in {}, {bad} failed", shown(took))))
}

async fn still_primary() -> Outcome {
    let (old, new) = (Sim::start().await?, Sim::start().await?);
    let (client, names) = named(&[old.addr()])?;
    let load = Load::start(&client, 8, seconds(2), set);
    load.warm().await?;
    let dials = total(&client, |node| node.dials);
    names.lead_to(&[new.addr()]);
    lasts(ms(1_500)).await;
    names.lead_to(&[]);
    lasts(ms(1_500)).await;
    let bad = load.stop().await.bad;
    let (dials, other) = (total(&client, |node| node.dials) - dials, new.received("SET"));
    let figure = format!("{bad} failed, {dials} dials, {other} writes to the other one");
    Ok(Seen::new(bad == 0 && dials == 0 && other == 0, "stayed", figure))
}

async fn black_hole() -> Outcome {
    // A listener whose queue is full: the system drops what comes.
    let hole = Socket::new(Domain::IPV4, Type::STREAM, None)?;
    hole.bind(&SocketAddr::from(([127, 0, 0, 1], 0)).into())?;
    hole.listen(0)?;
    let address = hole.local_addr()?.as_socket().context("no address")?;
    let mut fill = Vec::new();
    while let Ok(stream) = TcpStream::connect_timeout(&address, Duration::from_millis(100)) {
        fill.push(stream);
        ensure!(fill.len() < 100, "the listener takes everybody");
    }
    let sim = Sim::start().await?;
    let (client, _names) = named(&[address, sim.addr()])?;
    let since = tokio::time::Instant::now();
    let good = client.within(seconds(4)).ping().await.is_ok();
    let took = since.elapsed();
    Ok(Seen::new(good && took <= ms(750), "tried the next one beside it", format!("{} in all", shown(took))))
}
