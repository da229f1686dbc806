//! The faults of the simulator do what they say.

use std::time::Duration;
use steadfast_testkit::lab::sim::{Action, Dial, End, Fault, Sim, errors};
use steadfast_testkit::redis::{Connection, Reply};
use tokio::time::Instant;

const SOON: Duration = Duration::from_secs(5);
/// Long enough for an answer to come that must not.
const SILENCE: Duration = Duration::from_millis(150);

async fn sim_and_client() -> anyhow::Result<(Sim, Connection)> {
    let sim = Sim::start().await?;
    let client = Connection::open(sim.addr()).await?;
    // The system has accepted it; the simulator may not have seen it yet.
    assert!(sim.wait_until(SOON, |sim| sim.connections() == 1).await);
    Ok((sim, client))
}

#[tokio::test]
async fn a_lost_reply_leaves_the_command_executed_once() -> anyhow::Result<()> {
    let (sim, mut client) = sim_and_client().await?;
    let id = sim.fault(Fault::on("INCR").nth(1).then(Action::lose_reply()));
    client.send(&["INCR", "a"]).await?;
    assert_eq!(client.ended().await?, b"");
    assert_eq!((sim.executed("INCR"), sim.hits(id)), (1, 1));
    assert_eq!(sim.command(&["GET", "a"]), Reply::bulk("1"));
    Ok(())
}

#[tokio::test]
async fn refusals_are_not_executed_and_spoil_a_transaction() -> anyhow::Result<()> {
    let (sim, mut client) = sim_and_client().await?;
    sim.fault(Fault::on("SET").key("a").nth(2).then(Action::error(errors::READONLY)));
    assert!(client.command(&["SET", "a", "1"]).await?.is_ok());
    assert!(client.command(&["SET", "b", "1"]).await?.is_ok());
    let replies = client.pipeline(&[&["MULTI"], &["SET", "a", "2"], &["SET", "b", "2"], &["EXEC"]]).await?;
    assert!(replies[1].is_error("READONLY") && replies[3].is_error("EXECABORT"), "{replies:?}");
    assert_eq!((sim.executed_on("SET", "a"), sim.executed_on("SET", "b"), sim.received("SET")), (1, 1, 4));
    Ok(())
}

#[tokio::test]
async fn a_stalled_connection_is_silent_while_others_are_served() -> anyhow::Result<()> {
    let (sim, mut client) = sim_and_client().await?;
    sim.fault(Fault::on("INCR").connection(1).nth(1).then(Action::execute_then_stall()));
    client.send(&["INCR", "a"]).await?;
    client.send(&["INCR", "a"]).await?;
    let mut client = client.with_deadline(SILENCE);
    assert!(client.receive().await.is_err());
    let mut other = Connection::open(sim.addr()).await?;
    assert_eq!(other.command(&["GET", "a"]).await?, Reply::bulk("1"));
    assert_eq!(sim.executed("INCR"), 1);
    // What it was sent meanwhile is executed when it goes on; the lost reply stays lost.
    assert!(sim.connection(1, End::Open));
    assert_eq!(client.with_deadline(SOON).receive().await?, Reply::Integer(2));
    Ok(())
}

#[tokio::test]
async fn a_mute_connection_executes_and_says_nothing() -> anyhow::Result<()> {
    let (sim, client) = sim_and_client().await?;
    let mut client = client.with_deadline(SILENCE);
    assert_eq!(sim.all_connections(End::Mute), 1);
    client.send(&["INCR", "a"]).await?;
    assert!(sim.wait_until(SOON, |sim| sim.executed("INCR") == 1).await);
    assert!(client.receive().await.is_err());
    Ok(())
}

#[tokio::test]
async fn existing_connections_can_be_stalled_closed_and_reset() -> anyhow::Result<()> {
    let (sim, mut client) = sim_and_client().await?;
    client.command(&["PING"]).await?;
    assert_eq!(sim.all_connections(End::Stall), 1);
    let mut newer = Connection::open(sim.addr()).await?;
    assert_eq!(newer.command(&["PING"]).await?, Reply::Simple("PONG".to_owned()));
    let mut client = client.with_deadline(SILENCE);
    assert!(client.command(&["PING"]).await.is_err());
    assert_eq!(sim.all_connections(End::Close), 2);
    newer.ended().await?;
    assert!(sim.wait_until(SOON, |sim| sim.connections() == 0).await);
    let mut client = Connection::open(sim.addr()).await?;
    client.command(&["PING"]).await?;
    assert!(sim.connection(3, End::Reset));
    let error = client.receive().await.expect_err("a reset");
    assert!(format!("{error:#}").contains("reset by peer"), "{error:#}");
    Ok(())
}

#[tokio::test]
async fn replies_can_be_cut_garbled_and_delayed() -> anyhow::Result<()> {
    let (sim, mut client) = sim_and_client().await?;
    client.command(&["SET", "a", "0123456789"]).await?;
    sim.fault(Fault::on("GET").nth(1).then(Action::DelayReply(Duration::from_millis(50))));
    sim.fault(Fault::on("GET").nth(2).then(Action::DelayBefore(Duration::from_millis(50))));
    sim.fault(Fault::on("GET").nth(3).then(Action::Partial(8, End::Close)));
    sim.fault(Fault::on("ECHO").then(Action::Raw(b"$99999999999999\r\n".to_vec(), End::Open)));
    for _ in 0..2 {
        let start = Instant::now();
        assert_eq!(client.command(&["GET", "a"]).await?, Reply::bulk("0123456789"));
        assert!(start.elapsed() >= Duration::from_millis(50));
    }
    client.send(&["GET", "a"]).await?;
    assert_eq!(client.ended().await?, b"$10\r\n012");
    let mut client = Connection::open(sim.addr()).await?;
    assert!(client.command(&["ECHO", "x"]).await.is_err());
    Ok(())
}

#[tokio::test]
async fn a_swallowed_reply_shifts_those_that_follow() -> anyhow::Result<()> {
    let (sim, mut client) = sim_and_client().await?;
    sim.fault(Fault::on("INCR").nth(1).then(Action::Lose(End::Open)));
    client.send(&["INCR", "a"]).await?;
    assert_eq!(client.command(&["INCR", "a"]).await?, Reply::Integer(2));
    Ok(())
}

#[tokio::test]
async fn a_blocking_pop_whose_reply_is_lost_takes_the_element_with_it() -> anyhow::Result<()> {
    let (sim, mut client) = sim_and_client().await?;
    sim.fault(Fault::on("BLPOP").then(Action::lose_reply()));
    client.send(&["BLPOP", "q", "0"]).await?;
    assert!(sim.wait_until(SOON, |sim| sim.waiting() == 1).await);
    sim.command(&["RPUSH", "q", "a"]);
    assert_eq!(client.ended().await?, b"");
    assert_eq!(sim.command(&["LLEN", "q"]), Reply::Integer(0));
    Ok(())
}

#[tokio::test]
async fn every_way_to_meet_those_who_connect_does_what_it_says() -> anyhow::Result<()> {
    let (sim, mut standing) = sim_and_client().await?;
    let mut dials = 1;
    for policy in
        [Dial::Refuse, Dial::AcceptAndClose, Dial::Reset, Dial::MaxClients, Dial::WrongPass, Dial::Hang]
    {
        sim.dial(policy).await;
        let opened = Connection::open(sim.addr()).await;
        assert_eq!(opened.is_err(), policy == Dial::Refuse, "{policy:?}");
        dials += u64::from(policy != Dial::Refuse);
        if let Ok(client) = opened {
            met(policy, client).await?;
        }
        assert_eq!(sim.dial_count(), dials, "{policy:?}");
        assert_eq!(standing.command(&["PING"]).await?, Reply::Simple("PONG".to_owned()), "{policy:?}");
    }
    sim.dial(Dial::Accept).await;
    let mut client = Connection::open(sim.addr()).await?;
    assert_eq!(client.command(&["PING"]).await?, Reply::Simple("PONG".to_owned()));
    assert_eq!(sim.dials().len(), 7);
    assert!(sim.dials().is_sorted_by_key(|dial| dial.at));
    Ok(())
}

async fn met(policy: Dial, client: Connection) -> anyhow::Result<()> {
    let mut client = client;
    match policy {
        Dial::MaxClients => {
            assert_eq!(client.receive().await?, Reply::error(errors::MAXCLIENTS));
            client.ended().await?;
        }
        Dial::WrongPass => {
            assert!(client.command(&["HELLO", "3", "AUTH", "default", "x"]).await?.is_error("WRONGPASS"));
            assert!(client.command(&["AUTH", "x"]).await?.is_error("WRONGPASS"));
            assert!(client.command(&["PING"]).await?.is_error("NOAUTH"));
        }
        Dial::Hang => {
            let mut client = client.with_deadline(SILENCE);
            assert!(client.command(&["PING"]).await.is_err());
        }
        _ => {
            client.ended().await?;
        }
    }
    Ok(())
}

#[tokio::test]
async fn passwords_can_be_changed_while_it_runs() -> anyhow::Result<()> {
    let sim = Sim::builder().password("old").start().await?;
    let mut client = Connection::open(sim.addr()).await?;
    assert!(client.command(&["AUTH", "old"]).await?.is_ok());
    sim.set_passwords("default", &["new", "newer"]);
    assert_eq!(client.command(&["GET", "a"]).await?, Reply::Null);
    assert!(client.command(&["AUTH", "old"]).await?.is_error("WRONGPASS"));
    assert!(client.command(&["AUTH", "newer"]).await?.is_ok());
    Ok(())
}

#[tokio::test]
async fn a_stopped_server_is_gone() -> anyhow::Result<()> {
    let (sim, mut client) = sim_and_client().await?;
    client.command(&["PING"]).await?;
    sim.stop().await;
    client.ended().await?;
    assert!(Connection::open(sim.addr()).await.is_err());
    Ok(())
}
