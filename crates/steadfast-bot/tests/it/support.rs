//! A bot over real records in a folder of its own, on a clock that tests move, with a Twilio that does as told.

use async_trait::async_trait;
use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use steadfast_bot::limits::LimitsConfig;
use steadfast_bot::{Bot, BotConfig};
use steadfast_core::message::{AccountSid, Content, InboundMessage, MessageSid};
use steadfast_core::outbox::NewReply;
use steadfast_core::ports::{ListedMessage, Messenger, Records, Refusal, RefusalClass, SendOutcome};
use steadfast_core::{Address, Clock, CorrelationId, ManualClock, queues};
use steadfast_queue::backend::Fence;
use steadfast_queue::handler::{JobContext, Outcome};
use steadfast_queue::{GroupKey, Job, JobId, NewJob, State, Unique};
use steadfast_records::{RecordsOptions, SqliteRecords};
use tempfile::TempDir;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

/// When these tests begin: 2026-01-01.
pub(crate) const START_MS: i64 = 1_767_225_600_000;
pub(crate) const PERSON: &str = "whatsapp:+9779812345678";
pub(crate) const OURS: &str = "whatsapp:+14155238886";

/// What the scripted Twilio does with the next send.
#[derive(Debug, Clone)]
pub(crate) enum Act {
    Accept,
    /// Takes the message, and the answer is lost.
    AcceptAndLose,
    /// Does not take it, and the answer is lost.
    LoseOnly,
    Refuse(RefusalClass, Option<u16>, Option<u64>),
    /// Takes the message, and never answers.
    AcceptAndHang,
}

#[derive(Debug, Default)]
pub(crate) struct Twilio {
    state: Mutex<TwilioState>,
    hangs: Notify,
}

#[derive(Debug, Default)]
struct TwilioState {
    acts: VecDeque<Act>,
    accepted: Vec<ListedMessage>,
    sends: usize,
    lists: usize,
    list_is_down: bool,
    list_is_late: bool,
}

impl Twilio {
    fn state(&self) -> MutexGuard<'_, TwilioState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn will(&self, acts: impl IntoIterator<Item = Act>) {
        self.state().acts.extend(acts);
    }

    /// The texts that people have got.
    pub(crate) fn accepted(&self) -> Vec<String> {
        self.state().accepted.iter().map(|message| message.body.clone()).collect()
    }

    pub(crate) fn accepted_sids(&self) -> Vec<MessageSid> {
        self.state().accepted.iter().map(|message| message.sid.clone()).collect()
    }

    pub(crate) fn sends(&self) -> usize {
        self.state().sends
    }

    pub(crate) fn lists(&self) -> usize {
        self.state().lists
    }

    pub(crate) fn list_is_down(&self, down: bool) {
        self.state().list_is_down = down;
    }

    /// The list does not show what was accepted, as Twilio's may for a while.
    pub(crate) fn list_is_late(&self, late: bool) {
        self.state().list_is_late = late;
    }
}

fn accept(state: &mut TwilioState, reply: &NewReply) -> MessageSid {
    let sid = MessageSid::parse(format!("SM{:032x}", 0x5e17 + state.accepted.len())).expect("valid");
    state.accepted.push(ListedMessage { sid: sid.clone(), body: reply.body.clone() });
    sid
}

#[async_trait]
impl Messenger for Twilio {
    async fn send(&self, reply: &NewReply) -> SendOutcome {
        let act = {
            let mut state = self.state();
            state.sends += 1;
            let act = state.acts.pop_front().unwrap_or(Act::Accept);
            if matches!(act, Act::AcceptAndLose | Act::AcceptAndHang) {
                accept(&mut state, reply);
            }
            act
        };
        match act {
            Act::Accept => SendOutcome::Accepted { sid: accept(&mut self.state(), reply) },
            Act::AcceptAndLose | Act::LoseOnly => SendOutcome::Ambiguous { why: "lost".to_owned() },
            Act::AcceptAndHang => {
                self.hangs.notify_one();
                std::future::pending().await
            }
            Act::Refuse(class, http_status, retry_after_ms) => SendOutcome::Refused(Refusal {
                http_status,
                code: None,
                class,
                retry_after_ms,
                message: "refused".to_owned(),
            }),
        }
    }

    async fn list_sent(&self, _reply: &NewReply, _since_ms: i64) -> Result<Vec<ListedMessage>, Refusal> {
        let mut state = self.state();
        state.lists += 1;
        if state.list_is_down {
            let message = "unreadable".to_owned();
            let class = RefusalClass::Retry;
            return Err(Refusal { http_status: Some(500), code: None, class, retry_after_ms: None, message });
        }
        Ok(if state.list_is_late { Vec::new() } else { state.accepted.clone() })
    }
}

pub(crate) struct Bench {
    pub(crate) bot: Bot,
    pub(crate) records: Arc<SqliteRecords>,
    pub(crate) twilio: Arc<Twilio>,
    pub(crate) clock: Arc<ManualClock>,
    _folder: TempDir,
}

impl Bench {
    pub(crate) fn new() -> Self {
        Self::with(|_| ())
    }

    pub(crate) fn with(change: impl FnOnce(&mut BotConfig)) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let clock = ManualClock::at(START_MS);
        let mut options = RecordsOptions::at(folder.path().join("records.db"));
        options.seed_demo = true;
        let records = SqliteRecords::open(options, clock.clone()).expect("opens");
        let twilio = Arc::new(Twilio::default());
        let mut config = BotConfig::default();
        change(&mut config);
        let bot = Bot::new(records.clone(), twilio.clone(), clock.clone(), config);
        Self { bot, records, twilio, clock, _folder: folder }
    }

    pub(crate) fn unlimited() -> Self {
        Self::with(|config| config.limits = LimitsConfig { enabled: false, ..LimitsConfig::default() })
    }

    /// Runs one attempt of `job`.
    pub(crate) async fn run(&self, job: &Job) -> Outcome {
        let registration =
            self.bot.registrations.iter().find(|it| it.queue == job.queue && it.kind == job.kind);
        let handler = Arc::clone(&registration.expect("somebody runs it").handler);
        handler.run(job, &context()).await
    }

    /// Runs one attempt; `None`: its worker died in the middle of a send that hung.
    pub(crate) async fn run_or_die(&self, job: &Job) -> Option<Outcome> {
        tokio::select! {
            outcome = self.run(job) => Some(outcome),
            () = self.twilio.hangs.notified() => None,
        }
    }

    /// Runs `job` and all that follows, moving the clock over snoozes and retries, until nothing is left;
    /// gives the failures of those that died.
    pub(crate) async fn finish(&self, job: NewJob) -> Vec<String> {
        let mut waiting = VecDeque::from([accepted_job(&job)]);
        let mut dead = Vec::new();
        for _ in 0..500 {
            let Some(mut job) = waiting.pop_front() else { return dead };
            match self.run(&job).await {
                Outcome::Complete(jobs) => waiting.extend(jobs.iter().map(accepted_job)),
                Outcome::Snooze(ms) | Outcome::PutOff(ms) => {
                    self.clock.advance(Duration::from_millis(ms));
                    waiting.push_front(job);
                }
                Outcome::Retry(failure, _) => {
                    match job.retry.clone().unwrap_or_default().delay_ms(job.attempt, 0.5) {
                        None => dead.push(failure.error),
                        Some(ms) => {
                            self.clock.advance(Duration::from_millis(ms));
                            job.attempt += 1;
                            waiting.push_front(job);
                        }
                    }
                }
                Outcome::Dead(failure) => dead.push(failure.error),
            }
        }
        panic!("the work does not end");
    }

    /// Somebody writes `body`; runs all that follows.
    pub(crate) async fn hears(&self, number: u64, body: &str) -> Vec<String> {
        let message = self.message(number, body);
        self.finish(inbound(&message)).await
    }

    pub(crate) fn message(&self, number: u64, body: &str) -> InboundMessage {
        let content = Content::Text;
        self.message_with(number, body, content)
    }

    pub(crate) fn message_with(&self, number: u64, body: &str, content: Content) -> InboundMessage {
        InboundMessage {
            sid: MessageSid::parse(format!("SM{number:032x}")).expect("valid"),
            account: account(),
            from: Address::parse(PERSON).expect("valid"),
            to: Address::parse(OURS).expect("valid"),
            body: body.to_owned(),
            content,
            profile_name: Some("Asha".to_owned()),
            external_user_id: None,
            received_ms: self.clock.now_ms(),
            in_reply_to: None,
            extra: Vec::new(),
        }
    }

    /// The stages of the message's timeline.
    pub(crate) async fn stages(&self, number: u64) -> Vec<String> {
        let sid = MessageSid::parse(format!("SM{number:032x}")).expect("valid");
        let timeline = self.records.timeline(&sid).await.expect("readable").expect("known");
        timeline.events.into_iter().map(|event| event.stage).collect()
    }
}

pub(crate) fn account() -> AccountSid {
    AccountSid::parse("AC00000000000000000000000000000000").expect("valid")
}

pub(crate) fn context() -> JobContext {
    JobContext::new(CancellationToken::new(), Fence { epoch: 1, counter: 1 })
}

/// The job that the gateway makes of a message.
pub(crate) fn inbound(message: &InboundMessage) -> NewJob {
    let payload = serde_json::to_vec(message).expect("JSON");
    let key = format!("{}/{}", message.account, message.sid);
    NewJob {
        codec: queues::CODEC_JSON_V1,
        unique: Some(Unique::new(key.as_bytes())),
        group: Some(GroupKey([7; 16])),
        correlation_id: CorrelationId::derived_from(&key).as_str().to_owned(),
        ..NewJob::new(queues::WEBHOOKS, queues::KIND_INBOUND, payload)
    }
}

/// The job as a queue would hand it out for its first attempt.
pub(crate) fn accepted_job(new: &NewJob) -> Job {
    Job {
        id: new.resolve_id(),
        queue: new.queue.clone(),
        kind: new.kind.clone(),
        payload: new.payload.clone(),
        codec: new.codec,
        priority: new.priority,
        state: State::Running,
        enqueued_ms: START_MS,
        run_at_ms: START_MS,
        finished_ms: None,
        group: new.group,
        attempt: 1,
        crash_count: 0,
        retry: new.retry.clone(),
        timeout_ms: new.timeout_ms,
        expires_ms: None,
        parent: new.parent,
        correlation_id: new.correlation_id.clone(),
        metadata: new.metadata.clone(),
        batch: None,
        waits_for: None,
        history: Vec::new(),
        progress: None,
        log: Vec::new(),
    }
}

/// The jobs that follow, or a failure of the test.
pub(crate) fn followed(outcome: Outcome) -> Vec<NewJob> {
    match outcome {
        Outcome::Complete(jobs) => jobs,
        other => panic!("{other:?}"),
    }
}

pub(crate) fn ids(jobs: &[NewJob]) -> Vec<Option<JobId>> {
    jobs.iter().map(|job| job.id).collect()
}
