//! The Twilio client against a server on a real socket that misbehaves in every way that matters.

use crate::support::{OURS, PERSON, START_MS, account};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use steadfast_bot::reply::twilio::{TwilioClient, TwilioConfig, TwilioError};
use steadfast_core::CorrelationId;
use steadfast_core::conversation::ConversationId;
use steadfast_core::message::MessageSid;
use steadfast_core::outbox::{NewReply, OutboxId};
use steadfast_core::ports::{Messenger, Refusal, RefusalClass, SendOutcome};
use steadfast_core::{Address, ManualClock};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::{CancellationToken, DropGuard};
use tokio_util::task::TaskTracker;
use url::Url;

const SID: &str = "SM00000000000000000000000000000200";

/// What the server does with each request, in order; the last one repeats.
#[derive(Debug, Clone)]
enum Script {
    /// Status line and body.
    Answer(&'static str, String),
    /// The same, with one more header.
    AnswerWith(&'static str, &'static str, String),
    /// Closes the connection after reading the request.
    Close,
    /// Reads and never answers.
    Silence,
    /// Begins an answer and breaks off.
    BreakOff(&'static str),
    /// A body without end.
    Endless(&'static str),
}

struct Server {
    url: Url,
    requests: Arc<Mutex<Vec<String>>>,
    _stop: DropGuard,
}

impl Server {
    async fn start(scripts: Vec<Script>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let url = Url::parse(&format!("http://{}", listener.local_addr().expect("bound"))).expect("valid");
        let requests = Arc::new(Mutex::new(Vec::new()));
        let (stop, seen) = (CancellationToken::new(), Arc::clone(&requests));
        let until = stop.clone();
        TaskTracker::new().spawn(until.run_until_cancelled_owned(serve(listener, scripts, seen)));
        Self { url, requests, _stop: stop.drop_guard() }
    }

    fn requests(&self) -> MutexGuard<'_, Vec<String>> {
        self.requests.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

async fn serve(listener: TcpListener, scripts: Vec<Script>, seen: Arc<Mutex<Vec<String>>>) {
    let connections = TaskTracker::new();
    while let Ok((stream, _)) = listener.accept().await {
        connections.spawn(connection(stream, scripts.clone(), Arc::clone(&seen)));
    }
}

async fn connection(mut stream: TcpStream, scripts: Vec<Script>, seen: Arc<Mutex<Vec<String>>>) {
    while let Some(request) = request(&mut stream).await {
        let number = {
            let mut seen = seen.lock().unwrap_or_else(PoisonError::into_inner);
            seen.push(request);
            seen.len() - 1
        };
        let script = scripts.get(number).or(scripts.last()).expect("a script").clone();
        if !play(&mut stream, script).await {
            return;
        }
    }
}

/// One request, head and body, as text.
async fn request(stream: &mut TcpStream) -> Option<String> {
    let mut bytes = Vec::new();
    loop {
        let text = String::from_utf8_lossy(&bytes).into_owned();
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let length = head
                .lines()
                .find_map(|line| line.to_lowercase().strip_prefix("content-length: ").map(str::to_owned));
            let length = length.map_or(0, |length| length.parse().expect("a length"));
            if body.len() >= length {
                return Some(text);
            }
        }
        if stream.read_buf(&mut bytes).await.ok()? == 0 {
            return None;
        }
    }
}

/// Whether the connection goes on.
async fn play(stream: &mut TcpStream, script: Script) -> bool {
    let whole = |status: &str, header: &str, body: &str| {
        format!("HTTP/1.1 {status}\r\n{header}content-length: {}\r\n\r\n{body}", body.len())
    };
    let text = match script {
        Script::Answer(status, body) => whole(status, "", &body),
        Script::AnswerWith(status, header, body) => whole(status, &format!("{header}\r\n"), &body),
        Script::Close => return false,
        Script::Silence => return std::future::pending().await,
        Script::BreakOff(status) => {
            let text = format!("HTTP/1.1 {status}\r\ncontent-length: 1000\r\n\r\n{{\"sid\":");
            let _ = stream.write_all(text.as_bytes()).await;
            return false;
        }
        Script::Endless(status) => {
            let _ = stream.write_all(format!("HTTP/1.1 {status}\r\n\r\n").as_bytes()).await;
            while stream.write_all(&[b'x'; 16_384]).await.is_ok() {}
            return false;
        }
    };
    stream.write_all(text.as_bytes()).await.is_ok()
}

fn created() -> String {
    format!(r#"{{"sid": "{SID}", "status": "queued"}}"#)
}

fn config(url: Url) -> TwilioConfig {
    let mut config = TwilioConfig::new(url, account(), "token");
    config.total_timeout = Duration::from_millis(700);
    config.status_callback = Some(Url::parse("https://bot.example/webhook/twilio/status").expect("valid"));
    config
}

fn client(url: &Url) -> TwilioClient {
    TwilioClient::new(config(url.clone()), ManualClock::at(START_MS)).expect("a client")
}

fn reply() -> NewReply {
    let conversation = ConversationId::from_stored("c");
    let sid = MessageSid::parse(SID).expect("valid");
    NewReply {
        id: OutboxId::derived(&conversation, &sid, "reply", 0),
        conversation,
        in_reply_to: sid,
        account: account(),
        from: Address::parse(OURS).expect("valid"),
        to: Address::parse(PERSON).expect("valid"),
        body: "2 piñas + 1 कोक & 3% off 👍".to_owned(),
    }
}

async fn sent(scripts: Vec<Script>) -> SendOutcome {
    let server = Server::start(scripts).await;
    client(&server.url).send(&reply()).await
}

fn refusal(outcome: SendOutcome) -> Refusal {
    match outcome {
        SendOutcome::Refused(refusal) => refusal,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_send_is_a_form_with_credentials_and_a_callback_that_names_the_entry() {
    let server = Server::start(vec![Script::Answer("201 Created", created())]).await;
    let outcome = client(&server.url).send(&reply()).await;
    assert_eq!(outcome, SendOutcome::Accepted { sid: MessageSid::parse(SID).expect("valid") });
    let requests = server.requests();
    let (head, body) = requests[0].split_once("\r\n\r\n").expect("a body");
    assert!(
        head.starts_with(
            "POST /2010-04-01/Accounts/AC00000000000000000000000000000000/Messages.json HTTP/1.1"
        )
    );
    let head = head.to_lowercase();
    assert!(head.contains("authorization: basic "), "{head}");
    assert!(head.contains("content-type: application/x-www-form-urlencoded"), "{head}");
    let fields: Vec<(String, String)> = url::form_urlencoded::parse(body.as_bytes()).into_owned().collect();
    let correlation = CorrelationId::of_message(&reply().account, &reply().in_reply_to);
    let callback =
        format!("https://bot.example/webhook/twilio/status?o={}&c={correlation}", reply().id.as_str());
    let expected = [("To", PERSON), ("From", OURS), ("Body", &reply().body), ("StatusCallback", &callback)];
    let expected = expected.map(|(name, value)| (name.to_owned(), value.to_owned()));
    assert_eq!(fields, expected);
}

#[tokio::test]
async fn what_went_out_without_a_usable_answer_is_in_doubt() {
    let scripts = [
        Script::Close,
        Script::Silence,
        Script::BreakOff("201 Created"),
        Script::Endless("201 Created"),
        Script::Answer("201 Created", "<html>ok</html>".to_owned()),
        Script::Answer(
            "503 Service Unavailable",
            "<html><body>upstream connect error</body></html>".to_owned(),
        ),
        Script::Answer("500 Internal Server Error", r#"{"code": 20500}"#.to_owned()),
        Script::Endless("502 Bad Gateway"),
    ];
    for script in scripts {
        let server = Server::start(vec![script.clone()]).await;
        let outcome = client(&server.url).send(&reply()).await;
        assert!(matches!(outcome, SendOutcome::Ambiguous { .. }), "{script:?}: {outcome:?}");
        assert_eq!(server.requests().len(), 1, "{script:?} was repeated by the client itself");
    }
}

#[tokio::test]
async fn where_nobody_listens_nothing_was_sent() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let url = Url::parse(&format!("http://{}", listener.local_addr().expect("bound"))).expect("valid");
    drop(listener);
    let refusal = refusal(client(&url).send(&reply()).await);
    assert_eq!((refusal.class, refusal.http_status), (RefusalClass::Retry, None));
    assert!(!refusal.message.contains("127.0.0.1"), "{}", refusal.message);
}

#[tokio::test]
async fn refusals_say_what_to_do() {
    let too_many = r#"{"code": 20429, "message": "Too Many Requests"}"#.to_owned();
    let refused =
        refusal(sent(vec![Script::AnswerWith("429 Too Many Requests", "retry-after: 7", too_many)]).await);
    assert_eq!(
        (refused.class, refused.retry_after_ms, refused.code),
        (RefusalClass::Retry, Some(7_000), Some(20_429))
    );
    let unauthorised = refusal(sent(vec![Script::Answer("401 Unauthorized", String::new())]).await);
    assert_eq!(unauthorised.class, RefusalClass::Config);
    let broken = refusal(sent(vec![Script::BreakOff("400 Bad Request")]).await);
    assert_eq!(broken.class, RefusalClass::Retry, "a broken-off refusal sent nothing");
    let number = r#"{"code": 21211, "message": "The 'To' number +9779812345678 is not valid"}"#.to_owned();
    let permanent = refusal(sent(vec![Script::Answer("400 Bad Request", number)]).await);
    assert_eq!(permanent.class, RefusalClass::Permanent);
    assert!(!permanent.message.contains("977"), "{}", permanent.message);
}

#[tokio::test]
async fn a_redirect_is_not_followed() {
    let away = Server::start(vec![Script::Answer("201 Created", created())]).await;
    let header: &'static str = Box::leak(format!("location: {}", away.url).into_boxed_str());
    let refused =
        refusal(sent(vec![Script::AnswerWith("307 Temporary Redirect", header, String::new())]).await);
    assert_eq!(refused.class, RefusalClass::Config);
    assert!(away.requests().is_empty(), "the credentials went to another host");
}

#[tokio::test]
async fn a_connection_that_died_between_two_sends_sends_nothing_twice() {
    let server = Server::start(vec![Script::Answer("201 Created", created()), Script::Close]).await;
    let client = client(&server.url);
    assert!(matches!(client.send(&reply()).await, SendOutcome::Accepted { .. }));
    assert!(matches!(client.send(&reply()).await, SendOutcome::Ambiguous { .. }));
    assert_eq!(server.requests().len(), 2);
}

fn entry(number: u32, body: &str, created: &str, direction: &str) -> String {
    format!(
        r#"{{"sid":"SM{number:032x}","body":"{body}","date_created":"{created}","direction":"{direction}"}}"#
    )
}

fn page(entries: &[String], next: &str) -> Script {
    let next = if next.is_empty() { "null".to_owned() } else { format!("\"{next}\"") };
    Script::Answer("200 OK", format!(r#"{{"messages":[{}],"next_page_uri":{next}}}"#, entries.join(",")))
}

const NOW: &str = "Thu, 01 Jan 2026 00:00:05 +0000";

#[tokio::test]
async fn the_list_is_read_to_its_end_and_only_what_can_be_meant_is_given() {
    // A few hours earlier may be a matter of clocks; days are not.
    let long_ago = "Mon, 29 Dec 2025 12:00:00 +0000";
    let hours_ago = "Wed, 31 Dec 2025 12:00:00 +0000";
    let first = [entry(1, "one", NOW, "outbound-api"), entry(2, "inbound", NOW, "inbound")];
    let second = [entry(3, "old", long_ago, "outbound-api"), entry(4, "two", hours_ago, "outbound-api")];
    // Accepted and not sent yet: only the list without a date shows it.
    let newest = [entry(5, "queued", NOW, "outbound-api"), entry(1, "one", NOW, "outbound-api")];
    let scripts = vec![page(&first, "/next?Page=1"), page(&second, ""), page(&newest, "/more?Page=1")];
    let server = Server::start(scripts).await;
    let listed = client(&server.url).list_sent(&reply(), START_MS).await.expect("readable");
    let bodies: Vec<&str> = listed.iter().map(|message| message.body.as_str()).collect();
    assert_eq!(bodies, ["one", "two", "queued"]);
    let requests = server.requests();
    let line = requests[0].lines().next().expect("a line").to_owned();
    assert!(
        line.contains("To=whatsapp%3A%2B9779812345678") && line.contains("DateSent%3E=2025-12-31"),
        "{line}"
    );
    assert!(requests[1].starts_with("GET /next?Page=1 "));
    assert!(!requests[2].contains("DateSent"));
    assert_eq!(requests.len(), 3);
}

#[tokio::test]
async fn a_list_that_is_not_whole_proves_nothing() {
    let one = [entry(1, "one", NOW, "outbound-api")];
    let cases = [
        vec![Script::Answer("500 Internal Server Error", String::new())],
        vec![Script::Answer("200 OK", "<html>".to_owned())],
        vec![Script::Answer("200 OK", r#"{"messages":"none"}"#.to_owned())],
        vec![Script::Silence],
        vec![Script::BreakOff("200 OK")],
        vec![Script::Endless("200 OK")],
        vec![page(&one, "/next"), Script::Close],
        vec![page(&one, "/always-one-more")],
    ];
    for scripts in cases {
        let shown = format!("{:?}", scripts.first());
        let server = Server::start(scripts).await;
        let listed = client(&server.url).list_sent(&reply(), START_MS).await;
        assert!(listed.is_err(), "{shown}: {listed:?}");
    }
}

#[tokio::test]
async fn the_list_does_not_lead_to_another_host() {
    let away = Server::start(vec![page(&[], "")]).await;
    let server = Server::start(vec![page(&[], away.url.join("next").expect("valid").as_str())]).await;
    assert!(client(&server.url).list_sent(&reply(), START_MS).await.is_err());
    assert!(away.requests().is_empty(), "the credentials went to another host");
}

#[tokio::test]
async fn credentials_travel_in_the_open_only_on_this_machine() {
    let clock = || ManualClock::at(START_MS);
    let url = |text| Url::parse(text).expect("valid");
    for text in ["http://api.twilio.com", "ftp://api.twilio.com", "data:x"] {
        let made = TwilioClient::new(config(url(text)), clock());
        assert!(matches!(made, Err(TwilioError::BaseUrl { .. })), "{text}");
    }
    let mut plain = config(url("http://twilio-fake:8080"));
    plain.plain_http = true;
    assert!(TwilioClient::new(plain, clock()).is_ok());
    assert!(TwilioClient::new(config(url("https://api.twilio.com")), clock()).is_ok());
}
