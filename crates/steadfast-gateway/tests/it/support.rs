//! What the tests share: signed requests, a queue that fails on demand, a served gateway.

use async_trait::async_trait;
use bytes::Bytes;
use http::{HeaderMap, Request, StatusCode};
use http_body_util::{BodyExt, Full};
use std::collections::VecDeque;
use std::io::Write;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use steadfast_clock::{ManualClock, SystemClock};
use steadfast_gateway::signature::{Secrets, sign};
use steadfast_gateway::{Gateway, GatewayConfig, HealthReport, Limits, Secret, form};
use steadfast_queue::backend::memory::MemoryBackend;
use steadfast_queue::backend::{
    Control, Controlled, DeadGroups, Enqueued, Extend, Extended, Filter, Page, Reservation, Reserve, Settle,
    Settled, Stats, Status, Sweep, Swept,
};
use steadfast_queue::event::{Events, EventsFrom};
use steadfast_queue::{Backend, Job, JobId, NewJob, QueueError};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing_subscriber::fmt::MakeWriter;

pub(crate) const TOKEN: &str = "0f1e2d3c4b5a69788796a5b4c3d2e1f0";
pub(crate) const BASE: &str = "https://bot.example.com";
pub(crate) const ACCOUNT: &str = "AC00000000000000000000000000000000";
pub(crate) const WEBHOOK: &str = "/webhook/twilio";
pub(crate) const TWIML: &str = r#"<?xml version="1.0" encoding="UTF-8"?><Response/>"#;

pub(crate) type Pairs = Vec<(String, String)>;

pub(crate) fn pairs(list: &[(&str, &str)]) -> Pairs {
    list.iter().map(|&(name, value)| (name.to_owned(), value.to_owned())).collect()
}

pub(crate) fn sid(n: u64) -> String {
    format!("SM{n:032x}")
}

/// The form of an inbound text.
pub(crate) fn text_message(n: u64, body: &str) -> Pairs {
    pairs(&[
        ("SmsMessageSid", &sid(n)),
        ("NumMedia", "0"),
        ("ProfileName", "Test User"),
        ("MessageType", "text"),
        ("WaId", "9779800000000"),
        ("SmsStatus", "received"),
        ("Body", body),
        ("To", "whatsapp:+14155238886"),
        ("MessageSid", &sid(n)),
        ("AccountSid", ACCOUNT),
        ("From", "whatsapp:+9779800000000"),
    ])
}

pub(crate) fn config() -> GatewayConfig {
    GatewayConfig {
        public_base_url: Some(BASE.parse().expect("a URL")),
        secrets: Secrets::token(TOKEN),
        group_secret: Secret::new("group"),
        ..GatewayConfig::default()
    }
}

pub(crate) fn signature(target: &str, pairs: &[(String, String)]) -> String {
    sign(&Secret::new(TOKEN), &format!("{BASE}{target}"), pairs)
}

/// A rightly signed request for `target`.
pub(crate) fn request(target: &str, pairs: &[(String, String)]) -> Request<Full<Bytes>> {
    Request::post(target)
        .header("host", "bot.example.com")
        .header("content-type", "application/x-www-form-urlencoded")
        .header("x-twilio-signature", signature(target, pairs))
        .body(Full::new(Bytes::from(form::encode(pairs))))
        .expect("a request")
}

/// The same as bytes on a wire.
pub(crate) fn wire(target: &str, pairs: &[(String, String)]) -> Vec<u8> {
    let form = form::encode(pairs);
    format!(
        "POST {target} HTTP/1.1\r\nHost: bot.example.com\r\nContent-Type: application/x-www-form-urlencoded\r\n\
         X-Twilio-Signature: {}\r\nContent-Length: {}\r\n\r\n{form}",
        signature(target, pairs),
        form.len()
    )
    .into_bytes()
}

/// What goes wrong with the next enqueue.
#[derive(Debug, Clone)]
pub(crate) enum Fault {
    Error(QueueError),
    Verdict(Enqueued),
    /// Nothing is stored and no answer comes.
    Hang,
    /// It is stored and no answer comes.
    StoreThenHang,
    /// It is stored, but only after so much of the paused time.
    Late(Duration),
    /// It is stored when the test says so.
    Held(CancellationToken),
    /// Nobody knows what this back-end thinks.
    NoVerdict,
}

/// The memory back-end, with faults in front.
#[derive(Debug)]
pub(crate) struct Queue {
    pub(crate) inner: Arc<MemoryBackend>,
    faults: Mutex<VecDeque<Fault>>,
}

impl Queue {
    pub(crate) fn new() -> Arc<Self> {
        let inner = MemoryBackend::new(SystemClock::shared());
        Arc::new(Self { inner, faults: Mutex::default() })
    }

    pub(crate) fn fail_next(&self, fault: Fault) {
        self.faults.lock().expect("lock").push_back(fault);
    }

    pub(crate) fn faults_left(&self) -> usize {
        self.faults.lock().expect("lock").len()
    }

    pub(crate) async fn jobs(&self) -> Vec<Job> {
        let mut jobs = Vec::new();
        let mut cursor = None;
        loop {
            let page = self.inner.list(Filter::default(), cursor, 500).await.expect("a page");
            jobs.extend(page.jobs);
            cursor = page.next;
            if cursor.is_none() {
                return jobs;
            }
        }
    }

    pub(crate) async fn only_job(&self) -> Job {
        let mut jobs = self.jobs().await;
        assert_eq!(jobs.len(), 1, "one job");
        jobs.remove(0)
    }
}

#[async_trait]
impl Backend for Queue {
    async fn enqueue(&self, jobs: Vec<NewJob>) -> Result<Vec<Enqueued>, QueueError> {
        let fault = self.faults.lock().expect("lock").pop_front();
        match fault {
            None => self.inner.enqueue(jobs).await,
            Some(Fault::Error(error)) => Err(error),
            Some(Fault::Verdict(verdict)) => Ok(vec![verdict]),
            Some(Fault::NoVerdict) => Ok(Vec::new()),
            Some(Fault::Late(span)) => {
                tokio::time::advance(span).await;
                self.inner.enqueue(jobs).await
            }
            Some(Fault::Held(released)) => {
                released.cancelled().await;
                self.inner.enqueue(jobs).await
            }
            Some(Fault::Hang) => std::future::pending().await,
            Some(Fault::StoreThenHang) => {
                self.inner.enqueue(jobs).await?;
                std::future::pending().await
            }
        }
    }
    async fn reserve(&self, request: Reserve) -> Result<Vec<Reservation>, QueueError> {
        self.inner.reserve(request).await
    }
    async fn extend(&self, leases: Vec<Extend>, lease_ms: u64) -> Result<Vec<Extended>, QueueError> {
        self.inner.extend(leases, lease_ms).await
    }
    async fn settle(&self, settlements: Vec<Settle>) -> Result<Vec<Settled>, QueueError> {
        self.inner.settle(settlements).await
    }
    async fn sweep(&self, sweep: Sweep, limit: usize) -> Result<Swept, QueueError> {
        self.inner.sweep(sweep, limit).await
    }
    async fn get(&self, ids: Vec<JobId>) -> Result<Vec<Option<Job>>, QueueError> {
        self.inner.get(ids).await
    }
    async fn status(&self, ids: Vec<JobId>) -> Result<Vec<Status>, QueueError> {
        self.inner.status(ids).await
    }
    async fn list(&self, filter: Filter, cursor: Option<String>, limit: usize) -> Result<Page, QueueError> {
        self.inner.list(filter, cursor, limit).await
    }
    async fn control(&self, command: Control) -> Result<Controlled, QueueError> {
        self.inner.control(command).await
    }
    async fn stats(&self) -> Result<Stats, QueueError> {
        self.inner.stats().await
    }
    async fn dead_groups(&self, queue: Option<String>, max: usize) -> Result<DeadGroups, QueueError> {
        self.inner.dead_groups(queue, max).await
    }
    async fn events(&self, from: EventsFrom, limit: usize, wait: Duration) -> Result<Events, QueueError> {
        self.inner.events(from, limit, wait).await
    }
}

pub(crate) fn gateway_at(
    config: GatewayConfig,
    queue: &Arc<Queue>,
    clock: &Arc<ManualClock>,
) -> Arc<Gateway> {
    let health = || HealthReport { ready: true, body: serde_json::json!({"status": "healthy"}) };
    Gateway::new(config, Arc::clone(queue) as Arc<dyn Backend>, Arc::clone(clock) as _, Arc::new(health))
}

pub(crate) fn gateway(config: GatewayConfig, queue: &Arc<Queue>) -> Arc<Gateway> {
    gateway_at(config, queue, &ManualClock::at(1_700_000_000_000))
}

pub(crate) struct Answered {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: String,
}

impl Answered {
    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().expect("text"))
    }
}

pub(crate) async fn ask_from(gateway: &Gateway, peer: &str, request: Request<Full<Bytes>>) -> Answered {
    let peer: SocketAddr = format!("{peer}:4242").parse().expect("an address");
    let (head, body) = gateway.handle(request, peer).await.into_parts();
    let body = body.collect().await.expect("a body").to_bytes();
    let body = String::from_utf8(body.to_vec()).expect("text");
    Answered { status: head.status, headers: head.headers, body }
}

pub(crate) async fn ask(gateway: &Gateway, request: Request<Full<Bytes>>) -> Answered {
    ask_from(gateway, "192.0.2.1", request).await
}

/// What was logged.
#[derive(Clone, Default)]
pub(crate) struct Log(Arc<Mutex<Vec<u8>>>);

impl Log {
    /// Captures everything logged on this thread until the guard is dropped.
    pub(crate) fn capture() -> (Self, tracing::subscriber::DefaultGuard) {
        let log = Self::default();
        let subscriber = tracing_subscriber::fmt()
            .with_max_level(tracing::Level::TRACE)
            .with_writer(log.clone())
            .with_ansi(false)
            .finish();
        (log, tracing::subscriber::set_default(subscriber))
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8(self.0.lock().expect("lock").clone()).expect("text")
    }
}

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().expect("lock").extend_from_slice(bytes);
        Ok(bytes.len())
    }
    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Log {
    type Writer = Self;
    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}

/// A gateway on a real socket.
pub(crate) struct Served {
    pub(crate) address: SocketAddr,
    pub(crate) stop: CancellationToken,
    pub(crate) tasks: TaskTracker,
}

pub(crate) async fn serve(gateway: &Arc<Gateway>) -> Served {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address");
    let (stop, tasks) = (CancellationToken::new(), TaskTracker::new());
    let (gateway, token) = (Arc::clone(gateway), stop.clone());
    tasks.spawn(async move { gateway.serve(listener, token).await });
    tasks.close();
    Served { address, stop, tasks }
}

impl Served {
    pub(crate) async fn connect(&self) -> TcpStream {
        TcpStream::connect(self.address).await.expect("a connection")
    }

    /// Sends `bytes` and reads until the server closes. What was read, even if it ended in a reset.
    pub(crate) async fn exchange(&self, bytes: &[u8]) -> String {
        let mut stream = self.connect().await;
        let _ = stream.write_all(bytes).await;
        read_to_end(&mut stream).await
    }

    pub(crate) async fn ended(&self) {
        within(10, self.tasks.wait()).await;
    }
}

/// A gateway with these limits on a real socket, and its queue.
pub(crate) async fn served(limits: Limits) -> (Served, Arc<Queue>) {
    let queue = Queue::new();
    let gateway = gateway(GatewayConfig { limits, ..config() }, &queue);
    (serve(&gateway).await, queue)
}

/// The shape of a signature, and nobody's.
pub(crate) const FORGED: &str = "AAAAAAAAAAAAAAAAAAAAAAAAAAA=";

/// The beginning of a webhook that claims to be signed.
pub(crate) fn head(extra: &str) -> String {
    format!(
        "POST {WEBHOOK} HTTP/1.1\r\nHost: bot.example.com\r\nContent-Type: application/x-www-form-urlencoded\r\n\
         X-Twilio-Signature: {FORGED}\r\n{extra}"
    )
}

pub(crate) fn status_of(answer: &str) -> &str {
    answer.get(9..12).unwrap_or("none")
}

/// The server is as it was: it takes a good webhook on a new connection.
pub(crate) async fn still_serves(served: &Served) {
    let mut stream = served.connect().await;
    stream.write_all(&wire(WEBHOOK, &text_message(999, "after"))).await.expect("sent");
    let answer = read_answer(&mut stream).await;
    assert!(answer.ends_with(TWIML), "{answer}");
}

/// Fails the test if `what` takes longer than `seconds`.
pub(crate) async fn within<F: Future>(seconds: u64, what: F) -> F::Output {
    tokio::time::timeout(Duration::from_secs(seconds), what).await.expect("in time")
}

pub(crate) async fn read_to_end(stream: &mut TcpStream) -> String {
    let mut bytes = Vec::new();
    let _ = within(10, stream.read_to_end(&mut bytes)).await;
    String::from_utf8_lossy(&bytes).into_owned()
}

/// Reads one answer with a Content-Length, or without a body.
pub(crate) async fn read_answer(stream: &mut TcpStream) -> String {
    let mut bytes = Vec::new();
    within(10, async {
        loop {
            let text = String::from_utf8_lossy(&bytes).into_owned();
            if let Some((head, body)) = text.split_once("\r\n\r\n") {
                let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
                if body.len() >= length.map_or(0, |length| length.parse().expect("a length")) {
                    return text;
                }
            }
            let byte = stream.read_u8().await.expect("more of the answer");
            bytes.push(byte);
        }
    })
    .await
}
