//! What callers are promised while lanes come and go.

use super::*;
use crate::client::Client;
use steadfast_testkit::lab::sim::Sim;

fn in_ms(ms: u64) -> Instant {
    Instant::now() + Duration::from_millis(ms)
}

async fn node_of(client: &Client) -> Arc<Node> {
    client.ping().await.unwrap();
    client.primaries(in_ms(1_000)).await.unwrap().remove(0)
}

/// Lanes that are counted and not there: whoever sends waits for the next word of them, and not for ever.
#[tokio::test]
async fn a_count_of_lanes_that_is_behind_costs_no_caller_more_than_its_time() {
    let sim = Sim::start().await.unwrap();
    let client = Client::open(&sim.url()).unwrap();
    let node = node_of(&client).await;
    let gone = node.lanes.take();
    node.state.send_modify(|state| state.lanes = 1);
    let ping = redis::cmd("PING").get_packed_command();
    let sent = node.send(ping, None, false, in_ms(50));
    let error = tokio::time::timeout(Duration::from_secs(5), sent).await.unwrap().unwrap_err();
    assert_eq!((error.kind(), error.outcome()), (ErrorKind::Timeout, Outcome::NotSent), "{error}");
    drop(gone);
}

/// Many count at once what comes and goes: the last word is what is so.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn lanes_are_counted_right_whoever_counts_last() {
    let sim = Sim::start().await.unwrap();
    let client = Client::open(&sim.url()).unwrap();
    let node = node_of(&client).await;
    let entry = node.lanes.look(Instant::now()).remove(0);
    for round in 0..2_000 {
        let tasks = TaskTracker::new();
        for id in 1_000..1_004 {
            let (node, mut entry) = (Arc::clone(&node), entry.clone());
            tasks.spawn(async move {
                entry.id = id;
                node.lanes.add(entry);
                node.count_lanes();
                node.lanes.remove(id);
                node.count_lanes();
            });
        }
        tasks.close();
        tasks.wait().await;
        assert_eq!(node.state.borrow().lanes, node.lanes.count(), "in round {round}");
    }
}
