//! Nothing private in logs, verdicts, answers or metric labels.

use crate::support::{
    Fault, Log, Queue, TOKEN, WEBHOOK, ask, config, gateway, pairs, request, sid, signature, text_message,
};
use metrics::{Counter, CounterFn, Gauge, Histogram, Key, KeyName, Metadata, Recorder, SharedString, Unit};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use steadfast_gateway::{GatewayConfig, Mode};
use steadfast_queue::QueueError;

const NUMBER: &str = "9779812345678";
const TEXT: &str = "meet me at the old bridge";
const NAME: &str = "Ramesh Thapa";

/// Counters by name and labels.
#[derive(Default)]
struct Counters(Mutex<BTreeMap<String, Arc<Count>>>);

#[derive(Default)]
struct Count(std::sync::atomic::AtomicU64);

impl CounterFn for Count {
    fn increment(&self, value: u64) {
        self.0.fetch_add(value, std::sync::atomic::Ordering::SeqCst);
    }
    fn absolute(&self, value: u64) {
        self.0.store(value, std::sync::atomic::Ordering::SeqCst);
    }
}

impl Counters {
    fn name(key: &Key) -> String {
        let labels: Vec<String> =
            key.labels().map(|label| format!("{}={}", label.key(), label.value())).collect();
        format!("{}{{{}}}", key.name(), labels.join(","))
    }
    fn shown(&self) -> BTreeMap<String, u64> {
        let counters = self.0.lock().expect("lock");
        counters
            .iter()
            .map(|(name, count)| (name.clone(), count.0.load(std::sync::atomic::Ordering::SeqCst)))
            .collect()
    }
}

impl Recorder for Counters {
    fn describe_counter(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}
    fn describe_gauge(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}
    fn describe_histogram(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}
    fn register_counter(&self, key: &Key, _: &Metadata<'_>) -> Counter {
        let mut counters = self.0.lock().expect("lock");
        Counter::from_arc(Arc::clone(counters.entry(Self::name(key)).or_default()))
    }
    fn register_gauge(&self, key: &Key, _: &Metadata<'_>) -> Gauge {
        self.0.lock().expect("lock").entry(Self::name(key)).or_default();
        Gauge::noop()
    }
    fn register_histogram(&self, key: &Key, _: &Metadata<'_>) -> Histogram {
        self.0.lock().expect("lock").entry(Self::name(key)).or_default();
        Histogram::noop()
    }
}

fn private_message(n: u64) -> Vec<(String, String)> {
    let mut form = text_message(n, TEXT);
    for (name, value) in &mut form {
        match name.as_str() {
            "From" => *value = format!("whatsapp:+{NUMBER}"),
            "WaId" => *value = NUMBER.to_owned(),
            "ProfileName" => *value = NAME.to_owned(),
            _ => {}
        }
    }
    form
}

/// Everything that can happen to a webhook, good and bad. Gives back all answers and verdicts as text.
async fn everything(mode: Mode) -> String {
    let queue = Queue::new();
    let gateway = gateway(GatewayConfig { mode, ..config() }, &queue);
    let mut requests = vec![request(WEBHOOK, &private_message(1)), request(WEBHOOK, &private_message(1))];
    let mut forged = request(WEBHOOK, &private_message(2));
    forged
        .headers_mut()
        .insert("x-twilio-signature", signature("/other", &private_message(2)).parse().expect("a header"));
    requests.push(forged);
    let mut unsigned = request(WEBHOOK, &private_message(3));
    unsigned.headers_mut().remove("x-twilio-signature");
    requests.push(unsigned);
    let query = format!("{WEBHOOK}?caller={NUMBER}&note=%zz");
    let mut elsewhere = request(&query, &private_message(4));
    elsewhere
        .headers_mut()
        .insert("x-twilio-signature", signature(WEBHOOK, &private_message(4)).parse().expect("a header"));
    requests.push(elsewhere);
    let mut broken = private_message(5);
    broken.retain(|(name, _)| name != "To");
    requests.push(request(WEBHOOK, &broken));
    let mut control = private_message(6);
    control.iter_mut().for_each(|(name, value)| {
        if name == "From" {
            value.push('\n')
        }
    });
    requests.push(request(WEBHOOK, &control));
    requests.push(request(WEBHOOK, &pairs(&[(NUMBER, TEXT), ("MessageSid", NUMBER)])));
    let mut status = private_message(7);
    status.push(("MessageStatus".to_owned(), "failed".to_owned()));
    status.push(("ErrorMessage".to_owned(), format!("could not reach +{NUMBER}")));
    requests.push(request("/webhook/twilio/status", &status));
    let mut said = String::new();
    for request in requests {
        let answered = ask(&gateway, request).await;
        said.push_str(&format!("{:?} {}", answered.headers, answered.body));
    }
    queue.fail_next(Fault::Error(QueueError::Unavailable { what: "disk full".to_owned(), source: None }));
    said.push_str(&ask(&gateway, request(WEBHOOK, &private_message(8))).await.body);
    said.push_str(&serde_json::to_string(&gateway.inspector().recent(100)).expect("JSON"));
    said.push_str(&format!("{gateway:?}"));
    said
}

#[tokio::test]
async fn defect_16_no_number_text_name_or_token_reaches_a_log_label_verdict_or_answer() {
    let counters = Counters::default();
    let (log, logging) = Log::capture();
    let mut said = String::new();
    {
        let _metrics = metrics::set_default_local_recorder(&counters);
        for mode in [Mode::Enforce, Mode::Observe] {
            said.push_str(&everything(mode).await);
        }
    }
    drop(logging);
    let log = log.text();
    let counted = counters.shown();
    let labels = counted.keys().cloned().collect::<Vec<_>>().join("\n");
    // The capture works, and says what an operator needs.
    assert!(log.contains(&format!("message.sid=\"{}\"", sid(1))), "{log}");
    for words in [
        "webhook.outcome=\"new\"",
        "webhook.outcome=\"duplicate\"",
        "disk full",
        "X-Twilio-Signature header is missing",
    ] {
        assert!(log.contains(words), "{words}: {log}");
    }
    assert_eq!(counted.get("whatsapp_webhooks_received_total{kind=inbound,outcome=new}"), Some(&5));
    assert_eq!(counted.get("whatsapp_duplicate_messages_total{}"), Some(&2));
    assert_eq!(counted.get("whatsapp_webhook_errors_total{reason=queue_unavailable}"), Some(&2));
    assert!(
        counted.contains_key("steadfast_gateway_signature_matches_total{secret=primary,spelling=as_given}")
    );
    assert!(counted.contains_key("steadfast_gateway_step_seconds{step=store}"));
    for (place, whole) in [("log", &log), ("answers and verdicts", &said), ("labels", &labels)] {
        for private in [NUMBER, "bridge", "Ramesh", TOKEN, &TOKEN[..8]] {
            assert!(!whole.contains(private), "{private} in the {place}: {whole}");
        }
        let right = signature(WEBHOOK, &private_message(2));
        assert!(!whole.contains(&right[..8]), "a right signature in the {place}");
    }
}
