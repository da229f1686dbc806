//! Callers that wait for a primary that does not come back.

use crate::soon;
use futures::future::join_all;
use steadfast_redis::{Client, cmd};
use steadfast_testkit::redis::Sentinels;

/// The old primary is given up while they wait for it: they go to the new one, and nobody is told that the client was closed.
#[tokio::test(flavor = "multi_thread")]
async fn who_waits_for_a_primary_that_is_replaced_goes_to_the_new_one() {
    let lab = Sentinels::start(1).await.unwrap();
    let hosts: Vec<String> = lab.sentinels.iter().map(|sentinel| sentinel.addr().to_string()).collect();
    let more = "breaker.enabled=false&limiter.enabled=false";
    let url = format!("redis+sentinel://{}/{}?{more}", hosts.join(","), Sentinels::NAME);
    let client = Client::open(&url).unwrap();
    client.set("a", 1).await.unwrap();
    lab.primary().await.unwrap().kill9().await.unwrap();
    let get = cmd("GET").arg("a").to_owned();
    let answers = join_all((0..20).map(|_| client.execute(&get, soon()))).await;
    let failed: Vec<String> =
        answers.into_iter().filter_map(Result::err).map(|error| error.to_string()).collect();
    assert!(failed.is_empty(), "{failed:?}");
}
