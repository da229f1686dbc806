//! Whatever is sent: an answer in JSON, never a fault of ours.

use crate::client::{curl, curl_post};
use crate::world::World;
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::{Config, TestRunner};
use steadfast_core::queues::WEBHOOKS;

fn body() -> impl Strategy<Value = String> {
    let key = prop::sample::select(vec![
        "jobIds",
        "retryAll",
        "status",
        "olderThan",
        "dryRun",
        "concurrency",
        "queue",
        "limit",
        "x",
    ]);
    let value = prop_oneof![
        any::<i64>().prop_map(|n| n.to_string()),
        any::<f64>().prop_map(|n| n.to_string()),
        any::<bool>().prop_map(|b| b.to_string()),
        prop::sample::select(vec!["completed", "failed", "running", "whatsapp-webhooks", "é\u{1F600}"])
            .prop_map(|word| format!("{word:?}")),
        Just("[\"a\", \"\", \"ffffffffffffffffffffffffffffffff\"]".to_owned()),
        Just("{}".to_owned()),
    ];
    let fields = prop::collection::vec((key, value), 0..4).prop_map(|fields| {
        let fields: Vec<_> = fields.into_iter().map(|(key, value)| format!("\"{key}\": {value}")).collect();
        format!("{{{}}}", fields.join(", "))
    });
    prop_oneof![4 => fields, 1 => "[ -~]{0,60}", 1 => Just("[".repeat(10_000))]
}

#[test]
fn every_call_is_answered() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(async {
        let world = World::new().await;
        world.bury(WEBHOOKS, "boom", &["1", "2"]).await;
        let mut runner = TestRunner::new(Config::with_cases(1));
        for _ in 0..150 {
            let body = body().new_tree(&mut runner).expect("a body").current();
            let word = "[!$&-;=@-Z_a-z~]{1,12}".new_tree(&mut runner).expect("a word").current();
            for path in [
                "/dlq/retry".to_owned(),
                "/dlq/discard".to_owned(),
                format!("/queues/{WEBHOOKS}/purge"),
                format!("/queues/{WEBHOOKS}/scale"),
                format!("/queues/{word}/purge"),
                format!("/jobs/{word}/retry"),
            ] {
                let answer = curl_post(world.addr, &path, &body).await;
                assert!(answer.status < 500, "{path} {body} -> {answer:?}");
                answer.json();
            }
            for path in [
                format!("/dlq?limit={word}&cursor={word}"),
                format!("/dlq?cursor={word}"),
                format!("/messages/{word}"),
            ] {
                let answer = curl(world.addr, &path).await;
                assert!(answer.status < 500, "{path} -> {answer:?}");
                answer.json();
            }
        }
        world.close().await;
    });
}
