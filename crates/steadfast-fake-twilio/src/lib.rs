//! A Twilio to develop and test against: it signs what it sends, calls back, fails on request, and has a chat page.
//!
//! **For development only.** Whoever reaches the listener reads all messages and lets any customer write; bind it to
//! loopback. Everything is in memory, bounded by [`FakeTwilioConfig`], and gone with the process. Texts and numbers
//! are shown on the page and under `/fake`, and are in no log.
//!
//! # Twilio's side
//!
//! | path | what |
//! |---|---|
//! | `POST /2010-04-01/Accounts/{AC}/Messages.json` | sends; Twilio's checks and error codes; answers 201 `queued` |
//! | `GET …/Messages/{SM}.json` | one message |
//! | `GET …/Messages.json?To=&From=&DateSent>=&PageSize=` | both directions, newest first, `next_page_uri` |
//! | `GET …/Messages/{MM}/Media/{ME}` | media: credentials needed, redirects to a host that refuses them |
//!
//! A message with a `StatusCallback` is called back about: `queued`, `sent`, `delivered`, `read`; signed over that URL
//! with its query. Free text outside the 24-hour window is accepted and then fails with 63016. `DateSent` filters
//! compare the second in which a message was sent, or made while it is not sent.
//!
//! # Customers
//!
//! `POST /fake/inbound` lets a customer write: `{"from":"+9779800000001","body":"1x2"}`. Further fields: `to`, `type`,
//! `profile_name`, `button {text,payload}`, `list {id,title}`, `location {latitude,longitude,address,label}`,
//! `media [{content_type,data_base64|url}]`, `forwarded`, `frequently_forwarded`, `replied_to`, `extra {name:value}`,
//! `sid` (known: delivered again), `count` (to 1,000, `{n}` in the body is the number), `parallel` (to 64),
//! `deliveries` (to 20, one id), `signature` (`good`, `bad`, `missing`), `deliver: false` (the webhook is lost, the list
//! has it). The webhook is signed and retried as Twilio does: connect 5 s, 15 s in all, one more try if there was no
//! connection; the URL's fragment changes that (`#ct=2000&rt=3000&tt=10000&rc=5&rp=all`). The answer tells the id and
//! how the webhook went; TwiML or plain text in the webhook's answer is sent to the customer.
//!
//! # Failures on request
//!
//! By the recipient, if it is one of the numbers `+1500555` and four digits, which belong to nobody:
//!
//! | +1500555… | what happens to a create |
//! |---|---|
//! | 0429 | 429, code 20429, twice; then accepted |
//! | 0500 | 500 with an HTML page, every time; nothing accepted |
//! | 0503 | accepted, then the connection is closed without an answer |
//! | 0504 | accepted, then the answer comes after [`FakeTwilioConfig::slow_answer`] |
//! | 0505 | connection closed before anything is accepted, twice; then accepted |
//! | 0610, 0611 | 400, code 21610 (opted out), 21611 (queue full) |
//! | 0016 | accepted, then failed with 63016 |
//! | 0024, 0014 | accepted, then undelivered with 63024, 63014 |
//! | 0020 | 401, code 20003 |
//! | 0038 | 429, code 63038 (daily limit) |
//! | 0099 | accepted, stays queued |
//!
//! Or by `POST /fake/script {"behaviour":…,"to":…,"times":…,"latency_ms":…}` with a [`Behaviour`]: for one recipient,
//! for the next so many creates, or only a latency for all. `GET` shows, `DELETE` takes back. `POST /fake/window
//! {"number":…,"open":false}` shuts a person's 24-hour window.
//!
//! # Looking
//!
//! `GET /fake/messages?to=&after=&limit=&format=ndjson` (outbound, as accepted), `/fake/webhooks?kind=&sid=&newest=true`,
//! `/fake/stats`; `POST /fake/reset`, `/fake/webhook-url {"url":…}`, `/fake/read {"number":…}`. The chat page is `/`, and
//! `/fake` explains all this in the browser.
#![warn(missing_docs)]

mod api;
mod config;
mod courier;
mod dates;
mod error;
mod events;
mod fake;
mod inbound;
mod media;
mod message;
mod number;
mod overrides;
mod page;
mod plan;
mod request;
mod routes;
mod schedule;
mod script;
mod serve;
mod sid;
mod stats;
mod store;
mod twilio;
pub mod twiml;
mod weblog;

pub use config::{FakeTwilioConfig, SharedKey, StatusTiming, WindowRule};
pub use script::Behaviour;
pub use twilio::FakeTwilio;
