//! The pretend Twilio itself: its state, and what moves messages on.

use crate::config::FakeTwilioConfig;
use crate::courier::{Courier, Signing};
use crate::events::Events;
use crate::media::MediaStore;
use crate::message::{Direction, Message, Status};
use crate::number;
use crate::plan::{Act, Fate, Step, plan};
use crate::schedule::Schedule;
use crate::script::ScriptBook;
use crate::sid::{Prefix, Random};
use crate::stats::Counters;
use crate::store::Store;
use crate::weblog::{Record, WebhookLog};
use std::fmt;
use std::sync::atomic::AtomicUsize;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;
use steadfast_clock::SharedClock;
use tokio::sync::{Notify, Semaphore, mpsc};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// Steps run before the lock is given to others.
const STEPS_PER_TURN: usize = 500;

/// A Twilio for development and tests. Made by [`FakeTwilio::new`], run by [`FakeTwilio::serve`]. All it knows is in
/// memory and gone with the process.
pub struct FakeTwilio {
    pub(crate) config: FakeTwilioConfig,
    pub(crate) clock: SharedClock,
    pub(crate) courier: Courier,
    pub(crate) events: Events,
    pub(crate) tracker: TaskTracker,
    /// No new work.
    pub(crate) soft: CancellationToken,
    /// Not even the work at hand.
    pub(crate) hard: CancellationToken,
    pub(crate) base_url: OnceLock<String>,
    pub(crate) creates_at_work: AtomicUsize,
    /// Names this process to pages that outlive it: after a restart, sequence numbers begin anew.
    pub(crate) run: String,
    /// The sender's address, shared by nearly all messages.
    sender: Arc<str>,
    state: Mutex<State>,
    wake: Notify,
}

/// What requests change. Held briefly, never across an await.
pub(crate) struct State {
    pub(crate) store: Store,
    pub(crate) scripts: ScriptBook,
    pub(crate) schedule: Schedule,
    pub(crate) webhooks: WebhookLog,
    pub(crate) media: MediaStore,
    pub(crate) counters: Counters,
    pub(crate) random: Random,
    pub(crate) latency: Duration,
    pub(crate) webhook_url: Option<Arc<str>>,
}

/// A message that passed all checks.
pub(crate) struct NewMessage<'a> {
    pub(crate) to: &'a str,
    pub(crate) from: &'a str,
    pub(crate) service: Option<&'a str>,
    pub(crate) body: &'a str,
    pub(crate) callback: Option<&'a str>,
    pub(crate) num_media: u32,
    pub(crate) direction: Direction,
}

/// A status callback that waits for a free hand.
pub(crate) struct Callback {
    sid: String,
    status: Status,
    url: String,
    params: Vec<(String, String)>,
}

impl FakeTwilio {
    /// A pretend Twilio with nothing in it. `clock` stamps messages and decides the 24-hour window; delays run on
    /// Tokio's time.
    pub fn new(config: FakeTwilioConfig, clock: SharedClock) -> Arc<Self> {
        let seed = config.seed.unwrap_or_else(|| uuid::Uuid::new_v4().as_u64_pair().0);
        let state = State {
            store: Store::new(config.messages_max, config.message_bytes_max),
            scripts: ScriptBook::default(),
            schedule: Schedule::default(),
            webhooks: WebhookLog::new(config.webhooks_max),
            media: MediaStore::new(config.media_bytes_max),
            counters: Counters::default(),
            random: Random::new(seed),
            latency: config.latency,
            webhook_url: config.webhook_url.as_deref().map(Arc::from),
        };
        Arc::new(Self {
            courier: Courier::new(&config),
            run: uuid::Uuid::new_v4().to_string(),
            sender: Arc::from(config.sender.as_str()),
            config,
            clock,
            events: Events::new(),
            tracker: TaskTracker::new(),
            soft: CancellationToken::new(),
            hard: CancellationToken::new(),
            base_url: OnceLock::new(),
            creates_at_work: AtomicUsize::new(0),
            state: Mutex::new(state),
            wake: Notify::new(),
        })
    }

    /// Where inbound messages go from now on; `None`: nowhere.
    pub fn set_webhook_url(&self, url: Option<&str>) {
        self.state().webhook_url = url.map(Arc::from);
    }

    /// A poisoned lock is taken over: every change under it is complete at each step that could panic.
    pub(crate) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// One of our addresses, shared if it is the usual one.
    pub(crate) fn ours(&self, address: &str) -> Arc<str> {
        if address == &*self.sender { Arc::clone(&self.sender) } else { Arc::from(address) }
    }

    /// Takes a message for sending, and lets its life begin.
    pub(crate) fn accept(&self, new: &NewMessage<'_>, fate: Fate) -> Message {
        let now_ms = self.clock.now_ms();
        let mut state = self.state();
        let prefix = if new.num_media > 0 { Prefix::Mm } else { Prefix::Sm };
        let message = Message {
            seq: 0,
            sid: state.random.sid(prefix),
            direction: new.direction,
            customer: state.store.intern(new.to),
            ours: self.ours(new.from),
            service: new.service.map(Arc::from),
            body: new.body.into(),
            callback: new.callback.map(Into::into),
            created_ms: now_ms,
            updated_ms: now_ms,
            sent_ms: None,
            status: Status::Queued,
            error: None,
            num_media: new.num_media,
            webhook: None,
            shown: None,
        };
        let seq = state.store.push(message.clone());
        let message = Message { seq, ..message };
        state.counters.accepted += 1;
        self.events.message(&message);
        let State { schedule, random, .. } = &mut *state;
        let steps = plan(&self.config.timing, fate, random);
        if schedule.add(seq, &steps, Instant::now()) {
            self.wake.notify_one();
        }
        message
    }

    /// The person read everything that arrived. Returns how many messages that were.
    pub(crate) fn read_all(&self, customer: &str) -> usize {
        let mut state = self.state();
        let unread = state.store.unread(customer);
        let step = |act| Step { after: Duration::ZERO, status: Status::Read, error: None, act };
        for seq in &unread {
            state.schedule.add(*seq, &[step(Act::Move), step(Act::Call)], Instant::now());
        }
        self.wake.notify_one();
        unread.len()
    }

    /// Runs steps as they fall due, until told to stop.
    pub(crate) async fn drive(self: Arc<Self>, calls: mpsc::Sender<Callback>) {
        loop {
            let next_at = self.run_due(&calls);
            let sleep = async {
                match next_at {
                    Some(at) => tokio::time::sleep_until(at).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                () = self.soft.cancelled() => return,
                () = self.wake.notified() => {}
                () = sleep => {}
            }
        }
    }

    fn run_due(&self, calls: &mpsc::Sender<Callback>) -> Option<Instant> {
        let now_ms = self.clock.now_ms();
        let mut state = self.state();
        for _ in 0..STEPS_PER_TURN {
            let Some(due) = state.schedule.pop_due(Instant::now()) else { break };
            match due.act {
                Act::Move => {
                    if let Some(message) = state.store.advance(due.seq, due.status, due.error, now_ms) {
                        self.events.message(message);
                    }
                }
                Act::Call => {
                    let call = state
                        .store
                        .get(due.seq)
                        .and_then(|message| self.callback(message, due.status, due.error));
                    if call.is_some_and(|call| calls.try_send(call).is_err()) {
                        state.counters.callbacks_dropped += 1;
                    }
                }
            }
        }
        state.schedule.next_at()
    }

    fn callback(&self, message: &Message, status: Status, error: Option<u32>) -> Option<Callback> {
        let url = message.callback.as_deref()?.to_owned();
        let sid = message.sid.to_string();
        let (channel, identity) = number::split(message.to());
        let mut params = vec![
            pair("ChannelPrefix", channel),
            pair("ApiVersion", "2010-04-01"),
            pair("MessageStatus", status.as_str()),
            pair("SmsSid", &sid),
            pair("SmsStatus", status.as_str()),
            pair("ChannelInstallSid", "XE00000000000000000000000000000000"),
            pair("To", message.to()),
            pair("From", message.from()),
            pair("MessageSid", &sid),
            pair("AccountSid", &self.config.account_sid),
            pair("ChannelToAddress", identity),
        ];
        if let Some(service) = &message.service {
            params.push(pair("MessagingServiceSid", service));
        }
        if status == Status::Read {
            params.push(pair("EventType", "READ"));
        }
        if let Some(code) = error {
            params.push(pair("ErrorCode", &code.to_string()));
            params.push(pair("ErrorMessage", crate::message::error_text(code)));
        }
        Some(Callback { sid, status, url, params })
    }

    /// Delivers callbacks, so many at once, until there will be no more.
    pub(crate) async fn dispatch(self: Arc<Self>, mut calls: mpsc::Receiver<Callback>) {
        let hands = Arc::new(Semaphore::new(self.config.callbacks_at_once.max(1)));
        loop {
            let call = tokio::select! {
                () = self.soft.cancelled() => return,
                call = calls.recv() => call,
            };
            let Some(call) = call else { return };
            let hand = tokio::select! {
                () = self.soft.cancelled() => return,
                hand = Arc::clone(&hands).acquire_owned() => hand,
            };
            let Ok(hand) = hand else { return };
            let this = Arc::clone(&self);
            self.tracker.spawn(async move {
                this.deliver_callback(call).await;
                drop(hand);
            });
        }
    }

    async fn deliver_callback(&self, call: Callback) {
        let token = self.state().random.uuid();
        let delivery = self.courier.deliver(&call.url, &call.params, Signing::Good, token);
        let Some(outcome) = self.hard.run_until_cancelled(delivery).await else { return };
        let at_ms = self.clock.now_ms();
        let record = Record::new("status", call.sid, call.status.as_str(), at_ms, &call.url, &outcome);
        let mut state = self.state();
        state.counters.callback_attempts += outcome.attempts.len() as u64;
        if outcome.succeeded() {
            state.counters.callbacks_delivered += 1;
        } else {
            state.counters.callbacks_failed += 1;
            tracing::debug!(
                status = outcome.status(),
                error_code = outcome.error_code(),
                "a status callback was not taken"
            );
        }
        self.events.webhook(state.webhooks.push(record));
    }
}

/// A form field.
pub(crate) fn pair(name: &str, value: &str) -> (String, String) {
    (name.to_owned(), value.to_owned())
}

impl fmt::Debug for FakeTwilio {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FakeTwilio").field("config", &self.config).finish_non_exhaustive()
    }
}
