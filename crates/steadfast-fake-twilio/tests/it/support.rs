//! A running pretend Twilio, and a webhook receiver that answers as told.

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use serde_json::Value;
use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use steadfast_clock::{SharedClock, SystemClock};
use steadfast_fake_twilio::{FakeTwilio, FakeTwilioConfig, StatusTiming};
use steadfast_gateway::signature::{Payload, Secrets, Verdict, VerifyInput, verify};
use tokio::net::TcpListener;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

pub(crate) const CUSTOMER: &str = "whatsapp:+9779800000001";
pub(crate) const SENDER: &str = "whatsapp:+14155238886";

/// The default configuration, in a hurry.
pub(crate) fn quick() -> FakeTwilioConfig {
    FakeTwilioConfig {
        timing: StatusTiming {
            sent_after: Duration::from_millis(20),
            delivered_after: Duration::from_millis(60),
            ..StatusTiming::default()
        },
        seed: Some(7),
        ..FakeTwilioConfig::default()
    }
}

pub(crate) struct Running {
    pub(crate) url: String,
    pub(crate) config: FakeTwilioConfig,
    pub(crate) client: reqwest::Client,
    pub(crate) twilio: Arc<FakeTwilio>,
    stop: CancellationToken,
    tasks: TaskTracker,
}

impl Drop for Running {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

impl Running {
    pub(crate) async fn start(config: FakeTwilioConfig) -> Self {
        Self::start_at(config, SystemClock::shared()).await
    }

    pub(crate) async fn start_at(config: FakeTwilioConfig, clock: SharedClock) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let url = format!("http://{}", listener.local_addr().expect("bound"));
        let twilio = FakeTwilio::new(config.clone(), clock);
        let stop = CancellationToken::new();
        let tasks = TaskTracker::new();
        tasks.spawn(Arc::clone(&twilio).serve(listener, stop.clone()));
        let client = reqwest::Client::builder()
            .timeout(Duration::from_secs(20))
            .redirect(reqwest::redirect::Policy::none())
            .no_proxy()
            .build()
            .expect("a client");
        Self { url, config, client, twilio, stop, tasks }
    }

    /// Stops it and says how long that took.
    pub(crate) async fn stop(&self) -> Duration {
        let began = Instant::now();
        self.stop.cancel();
        self.tasks.close();
        self.tasks.wait().await;
        began.elapsed()
    }

    pub(crate) fn api(&self, rest: &str) -> String {
        format!("{}/2010-04-01/Accounts/{}/{rest}", self.url, self.config.account_sid)
    }

    pub(crate) fn post_form(&self, fields: &[(&str, &str)]) -> reqwest::RequestBuilder {
        let form = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish();
        self.client
            .post(self.api("Messages.json"))
            .basic_auth(&self.config.account_sid, Some(&self.config.auth_token))
            .header("content-type", "application/x-www-form-urlencoded")
            .body(form)
    }

    /// Creates a message and returns status and JSON.
    pub(crate) async fn create(&self, fields: &[(&str, &str)]) -> (u16, Value) {
        let response = self.post_form(fields).send().await.expect("an answer");
        let status = response.status().as_u16();
        (status, json(response).await)
    }

    /// Sends a text and returns its id.
    pub(crate) async fn send(&self, to: &str, body: &str, callback: Option<&str>) -> String {
        let mut fields = vec![("To", to), ("From", SENDER), ("Body", body)];
        if let Some(callback) = callback {
            fields.push(("StatusCallback", callback));
        }
        let (status, answer) = self.create(&fields).await;
        assert_eq!(status, 201, "{answer}");
        answer["sid"].as_str().expect("a sid").to_owned()
    }

    /// GET with credentials; any path of this server, or one under the account.
    pub(crate) async fn get(&self, path: &str) -> (u16, Value) {
        let url = if path.starts_with('/') { format!("{}{path}", self.url) } else { self.api(path) };
        let request =
            self.client.get(url).basic_auth(&self.config.account_sid, Some(&self.config.auth_token));
        let response = request.send().await.expect("an answer");
        let status = response.status().as_u16();
        (status, json(response).await)
    }

    pub(crate) async fn post(&self, path: &str, body: Value) -> (u16, Value) {
        let request = self.client.post(format!("{}{path}", self.url)).body(body.to_string());
        let response = request.send().await.expect("an answer");
        let status = response.status().as_u16();
        (status, json(response).await)
    }

    /// Outbound messages as accepted.
    pub(crate) async fn accepted(&self) -> Vec<Value> {
        let (_, page) = self.get("/fake/messages").await;
        page["messages"].as_array().expect("a list").clone()
    }

    pub(crate) async fn stat(&self, pointer: &str) -> Value {
        self.get("/fake/stats").await.1.pointer(pointer).cloned().unwrap_or_default()
    }
}

pub(crate) async fn json(response: reqwest::Response) -> Value {
    let text = response.text().await.expect("a body");
    serde_json::from_str(&text).unwrap_or(Value::String(text))
}

/// Asks until the answer is yes; fails after 10 s.
pub(crate) async fn eventually(what: &str, mut holds: impl AsyncFnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(10);
    let mut look = tokio::time::interval(Duration::from_millis(5));
    while !holds().await {
        assert!(Instant::now() < deadline, "never happened: {what}");
        look.tick().await;
    }
}

/// One request that the receiver got.
#[derive(Debug, Clone)]
pub(crate) struct Seen {
    /// Path and query as in the request line.
    pub(crate) target: String,
    pub(crate) headers: HeaderMap,
    pub(crate) fields: Vec<(String, String)>,
}

impl Seen {
    pub(crate) fn field(&self, name: &str) -> &str {
        self.fields.iter().find(|(known, _)| known == name).map_or("", |(_, value)| value)
    }

    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or("")
    }

    /// Whether the gateway's check takes it for Twilio's.
    pub(crate) fn is_signed(&self, base: &str, secrets: &Secrets) -> bool {
        let urls = vec![format!("{base}{}", self.target)];
        let values = |name| -> Vec<&str> {
            self.headers.get_all(name).iter().filter_map(|value| value.to_str().ok()).collect()
        };
        let input = VerifyInput {
            urls: &urls,
            payload: Payload::Form(&self.fields),
            signature: &values("x-twilio-signature"),
            settings: &values("x-twilio-webhooks-signature-settings"),
            secrets,
        };
        matches!(verify(&input), Verdict::Valid(..))
    }
}

/// How the receiver answers one request.
#[derive(Debug, Clone)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) content_type: &'static str,
    pub(crate) body: String,
    pub(crate) hangs: bool,
}

impl Answer {
    pub(crate) fn status(status: u16) -> Self {
        Self { status, content_type: "text/xml", body: "<Response/>".to_owned(), hangs: false }
    }

    pub(crate) fn with(content_type: &'static str, body: &str) -> Self {
        Self { content_type, body: body.to_owned(), ..Self::status(200) }
    }
}

#[derive(Debug, Default)]
struct Book {
    seen: Vec<Seen>,
    answers: VecDeque<Answer>,
}

pub(crate) struct Receiver {
    pub(crate) base: String,
    book: Arc<Mutex<Book>>,
    stop: CancellationToken,
}

impl Drop for Receiver {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

impl Receiver {
    pub(crate) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let base = format!("http://{}", listener.local_addr().expect("bound"));
        let book = Arc::new(Mutex::new(Book::default()));
        let stop = CancellationToken::new();
        let router = Router::new().fallback(receive).with_state(Arc::clone(&book));
        let stopped = stop.clone();
        TaskTracker::new().spawn(async move {
            let serving = axum::serve(listener, router).into_future();
            // The test is over: what is still being answered may break off.
            let _ = stopped.run_until_cancelled(serving).await;
        });
        Self { base, book, stop }
    }

    /// How the next requests are answered; after them 200 with an empty response.
    pub(crate) fn answers(&self, answers: impl IntoIterator<Item = Answer>) {
        self.book.lock().expect("unpoisoned").answers.extend(answers);
    }

    pub(crate) fn seen(&self) -> Vec<Seen> {
        self.book.lock().expect("unpoisoned").seen.clone()
    }

    /// The statuses of the callbacks so far.
    pub(crate) fn statuses(&self) -> Vec<String> {
        self.seen().iter().map(|seen| seen.field("MessageStatus").to_owned()).collect()
    }
}

async fn receive(State(book): State<Arc<Mutex<Book>>>, uri: Uri, headers: HeaderMap, body: Body) -> Response {
    let body: Bytes = axum::body::to_bytes(body, 1 << 20).await.expect("a body");
    let fields = url::form_urlencoded::parse(&body).into_owned().collect();
    let answer = {
        let mut book = book.lock().expect("unpoisoned");
        book.seen.push(Seen { target: uri.to_string(), headers, fields });
        book.answers.pop_front().unwrap_or_else(|| Answer::status(200))
    };
    if answer.hangs {
        std::future::pending::<()>().await;
    }
    let status = StatusCode::from_u16(answer.status).expect("a status");
    (status, [("content-type", answer.content_type)], answer.body).into_response()
}
