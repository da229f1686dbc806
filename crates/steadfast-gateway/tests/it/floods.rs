//! Many requests at once: forged ones from everywhere, and one good one again and again.

use crate::support::{
    FORGED, Log, Queue, WEBHOOK, ask_from, config, gateway, gateway_at, request, text_message,
};
use http::{Request, StatusCode};
use http_body_util::Full;
use std::time::Duration;
use steadfast_clock::ManualClock;

fn forged(n: u64) -> Request<Full<bytes::Bytes>> {
    let mut request = request(WEBHOOK, &text_message(n, "forged"));
    request.headers_mut().insert("x-twilio-signature", FORGED.parse().expect("a header"));
    request
}

#[tokio::test]
async fn forgeries_from_many_addresses_are_refused_and_good_ones_pass_between_them() {
    let queue = Queue::new();
    let gateway = gateway(config(), &queue);
    // More addresses than are counted apart, and among them, at their addresses too, the good ones.
    for n in 0_u64..12_000 {
        let peer = format!("10.{}.{}.{}", n >> 16 & 255, n >> 8 & 255, n & 255);
        let refused = ask_from(&gateway, &peer, forged(n)).await.status.as_u16();
        assert!([403, 429].contains(&refused), "{peer}: {refused}");
        if n % 100 == 0 {
            let good = ask_from(&gateway, &peer, request(WEBHOOK, &text_message(n, "good"))).await;
            assert_eq!(good.status, StatusCode::OK, "{peer}");
        }
    }
    assert_eq!(queue.jobs().await.len(), 120);
}

#[tokio::test]
async fn one_message_replayed_is_one_job_and_says_so() {
    let queue = Queue::new();
    let clock = ManualClock::at(1_700_000_000_000);
    let gateway = gateway_at(config(), &queue, &clock);
    for n in 0_u64..1_000 {
        let peer = format!("10.0.0.{}", n % 200);
        let answered = ask_from(&gateway, &peer, request(WEBHOOK, &text_message(1, "again"))).await;
        assert_eq!(answered.status, StatusCode::OK, "whoever repeats it, it was stored");
        clock.advance(Duration::from_secs(1));
    }
    assert_eq!(queue.jobs().await.len(), 1);
    let seen = gateway.inspector().recent(1_000);
    assert!(seen.iter().rev().skip(1).all(|verdict| verdict.outcome == "duplicate"));
    // A replay under another URL or with another text is no replay but a forgery.
    let mut elsewhere = request(WEBHOOK, &text_message(1, "again"));
    *elsewhere.uri_mut() = "/webhook/whatsapp".parse().expect("a path");
    assert_eq!(ask_from(&gateway, "10.0.0.1", elsewhere).await.status, StatusCode::FORBIDDEN);
}

#[tokio::test]
async fn a_flood_of_forgeries_costs_few_explanations_and_few_lines() {
    let gateway = gateway_at(config(), &Queue::new(), &ManualClock::at(0));
    let (log, logging) = Log::capture();
    for n in 0_u64..2_000 {
        ask_from(&gateway, &format!("10.1.{}.{}", n >> 8, n & 255), forged(n)).await;
    }
    drop(logging);
    let log = log.text();
    assert_eq!(log.lines().count(), 20, "{log}");
    let explained = gateway
        .inspector()
        .recent(1_000)
        .iter()
        .filter(|seen| seen.explanation.as_ref().is_some_and(|said| said.contains("no likely change")))
        .count();
    assert!(explained <= 20, "{explained} explanations");
}
