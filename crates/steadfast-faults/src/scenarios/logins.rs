//! Passwords that change.

use super::{get, lasts, ms, seconds, set, total};
use crate::load::Load;
use crate::scenario::{On, Outcome, Scenario, Seen};
use anyhow::ensure;
use futures::FutureExt;
use futures::future::BoxFuture;
use std::sync::Arc;
use steadfast_redis::config::{Credentials, CredentialsError, CredentialsProvider, Provider, Secret};
use steadfast_redis::{Client, Config};
use steadfast_testkit::lab::sim::{End, Sim};
use steadfast_testkit::redis::Server;
use steadfast_testkit::wait_for;
use tokio::sync::watch;

pub(super) const ALL: &[Scenario] = &[
    Scenario {
        id: "F12b",
        on: On::Simulated,
        fault: "the password is rotated under load: old and new are good for 500 ms, then the new one alone",
        expected: "no call fails, open connections are told the new one in place, none is dialled",
        play: |_| rotated().boxed(),
    },
    Scenario {
        id: "F12c",
        on: On::Real,
        fault: "the same with a real server (ACL), and its connections are killed after it",
        expected: "no call fails before they are killed, and new connections are let in",
        play: |_| rotated_real().boxed(),
    },
    Scenario {
        id: "F12d",
        on: On::Real,
        fault: "the password is changed and nobody told the client for 3 s; connections are killed",
        expected: "callers told WRONGPASS, good again within a backoff (2 s) of the client's password being right",
        play: |_| late().boxed(),
    },
];

/// A vault with one password.
#[derive(Debug, Clone)]
struct Vault(Arc<watch::Sender<(String, u64)>>);

impl Vault {
    fn new(password: &str) -> Self {
        Self(Arc::new(watch::Sender::new((password.to_owned(), 0))))
    }

    fn rotate(&self, password: &str) {
        self.0.send_modify(|(current, number)| {
            password.clone_into(current);
            *number += 1;
        });
    }
}

/// Tells of changes.
#[derive(Debug)]
struct Told(Vault, watch::Receiver<u64>);

/// Does not.
#[derive(Debug)]
struct Silent(Vault);

fn credentials(vault: &Vault) -> BoxFuture<'_, Result<Credentials, CredentialsError>> {
    let password = Secret::new(vault.0.borrow().0.clone());
    Box::pin(std::future::ready(Ok(Credentials { username: None, password })))
}

impl CredentialsProvider for Told {
    fn credentials(&self) -> BoxFuture<'_, Result<Credentials, CredentialsError>> {
        credentials(&self.0)
    }

    fn changes(&self) -> Option<watch::Receiver<u64>> {
        Some(self.1.clone())
    }
}

impl CredentialsProvider for Silent {
    fn credentials(&self) -> BoxFuture<'_, Result<Credentials, CredentialsError>> {
        credentials(&self.0)
    }
}

/// A client that takes its password from `provider`.
fn client(url: &str, provider: impl CredentialsProvider + 'static) -> anyhow::Result<Client> {
    let mut config = Config::from_url(url)?;
    config.set_provider(Provider::new(provider));
    Ok(Client::connect(&config.validate()?)?)
}

/// A vault and what tells of its changes.
fn told(password: &str) -> (Vault, watch::Sender<u64>, Told) {
    let (vault, (changes, changed)) = (Vault::new(password), watch::channel(0));
    (vault.clone(), changes, Told(vault, changed))
}

async fn rotated() -> Outcome {
    let sim = Sim::builder().password("old").start().await?;
    let (vault, changes, told) = told("old");
    let client = client(&sim.url(), told)?;
    let load = Load::start(&client, 8, seconds(2), set);
    load.warm().await?;
    let (dials, auths) = (total(&client, |node| node.dials), sim.executed("AUTH"));
    sim.set_passwords("default", &["old", "new"]);
    vault.rotate("new");
    changes.send_replace(1);
    lasts(ms(500)).await;
    let in_place = sim.executed("AUTH") - auths;
    sim.set_passwords("default", &["new"]);
    lasts(ms(500)).await;
    let tally = load.mark();
    let dials = total(&client, |node| node.dials) - dials;
    sim.all_connections(End::Reset);
    let back = load.first_good(seconds(5)).await.is_some();
    load.stop().await;
    let holds = tally.bad == 0 && in_place == 1 && dials == 0 && back;
    let figure = format!(
        "{} failed, {in_place} told in place, {dials} dials; later a new one was let in: {back}",
        tally.bad
    );
    Ok(Seen::new(holds, "took up the new one", figure))
}

async fn rotated_real() -> Outcome {
    let server = Server::builder().password("old").start().await?;
    let (vault, changes, told) = told("old");
    let plain = format!("redis://127.0.0.1:{}", server.port());
    let client = client(&plain, told)?;
    let load = Load::start(&client, 8, seconds(2), set);
    load.warm().await?;
    server.expect(&["ACL", "SETUSER", "default", ">new"]).await?;
    vault.rotate("new");
    changes.send_replace(1);
    lasts(ms(500)).await;
    server.expect(&["ACL", "SETUSER", "default", "<old"]).await?;
    lasts(ms(500)).await;
    let tally = load.mark();
    server.expect(&["CLIENT", "KILL", "USER", "default"]).await?;
    let back = load.first_good(seconds(5)).await;
    load.stop().await;
    let holds = tally.bad == 0 && back.is_some();
    let figure = format!("{} failed, new ones let in after {}", tally.bad, super::shown_or_never(back));
    Ok(Seen::new(holds, "took up the new one", figure))
}

async fn late() -> Outcome {
    let server = Server::builder().password("old").start().await?;
    let vault = Vault::new("old");
    let plain = format!("redis://127.0.0.1:{}", server.port());
    let client = client(&plain, Silent(vault.clone()))?;
    let load = Load::start(&client, 8, ms(300), get);
    load.warm().await?;
    server.expect(&["ACL", "SETUSER", "default", "resetpass", ">new"]).await?;
    server.expect(&["CLIENT", "KILL", "USER", "default"]).await?;
    let said = wait_for(seconds(3), || async {
        client
            .nodes()
            .iter()
            .any(|node| node.dial_error.as_ref().is_some_and(|why| why.contains("WRONGPASS")))
    });
    ensure!(said.await, "the reason is not told");
    lasts(seconds(3)).await;
    vault.rotate("new");
    load.mark();
    let back = load.first_good(seconds(5)).await;
    load.stop().await;
    let holds = back.is_some_and(|back| back <= ms(2_300));
    Ok(Seen::new(holds, "read again at each dial", format!("good after {}", super::shown_or_never(back))))
}
