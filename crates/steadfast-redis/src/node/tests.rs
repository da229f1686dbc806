//! What callers are promised while lanes come and go.

use super::*;
use crate::client::Client;
use steadfast_testkit::lab::sim::{Dial, Sim};

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
    sim.dial(Dial::Refuse).await;
    let gone = node.lanes.take();
    node.state.send_modify(|state| state.lanes = 1);
    let ping = redis::cmd("PING").get_packed_command();
    let sent = node.send(ping, None, false, in_ms(50));
    let error = tokio::time::timeout(Duration::from_secs(5), sent).await.unwrap().unwrap_err();
    assert_eq!(error.outcome(), Outcome::NotSent, "{error}");
    drop(gone);
}

/// Of two who count, the one who has to wait for the other knows what both have changed: counted before it waited, a lane
/// would be forgotten for as long as it lives.
#[tokio::test]
async fn lanes_are_counted_right_whoever_counts_last() {
    let sim = Sim::start().await.unwrap();
    let client = Client::open(&sim.url()).unwrap();
    let node = node_of(&client).await;
    let mut entry = node.lanes.look(Instant::now()).remove(0);
    entry.id = 1_000;
    std::thread::scope(|threads| {
        let (told, waits) = std::sync::mpsc::sync_channel::<()>(1);
        node.state.send_modify(|_| {
            let node = &node;
            threads.spawn(move || {
                node.count_lanes();
                drop(told);
            });
            // It cannot end while the state is held: this is the time it has to come as far as that.
            assert!(waits.recv_timeout(Duration::from_millis(100)).is_err());
            node.lanes.add(entry);
        });
    });
    assert_eq!((node.state.borrow().lanes, node.lanes.count()), (2, 2));
}

/// The task that keeps a node's health looks at all nodes, this one too, while others change its state: it must not hold
/// what it looks at. The deadline is kept outside of the runtime, of which all threads may be locked out.
#[test]
fn health_is_told_while_the_state_changes_and_nobody_is_locked_out() {
    let (told, done) = std::sync::mpsc::sync_channel(1);
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(4).enable_all().build().unwrap();
    runtime.spawn(async move {
        let sim = Sim::start().await.unwrap();
        let client = Client::open(&sim.url()).unwrap();
        let node = node_of(&client).await;
        let tasks = TaskTracker::new();
        let until = in_ms(2_000);
        for changes in [true, true, false, false] {
            let (node, client) = (Arc::clone(&node), client.clone());
            tasks.spawn(async move {
                let mut is_demoted = false;
                while Instant::now() < until {
                    if changes {
                        is_demoted = !is_demoted;
                        (0..20).for_each(|_| node.set_demoted(is_demoted));
                    } else {
                        let _ = (client.health().now(), client.nodes());
                    }
                    tokio::task::yield_now().await;
                }
            });
        }
        tasks.close();
        tasks.wait().await;
        let _ = told.send(());
    });
    let done = done.recv_timeout(Duration::from_secs(30));
    runtime.shutdown_background();
    done.expect("somebody was locked out");
}
