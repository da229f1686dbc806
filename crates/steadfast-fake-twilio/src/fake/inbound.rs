//! `POST /fake/inbound`: a customer writes, and the webhook is called as Twilio would call it.

use crate::courier::{Outcome, Signing};
use crate::error::ApiError;
use crate::inbound::{InboundRequest, form};
use crate::media::File;
use crate::message::{Direction, Message, Shown, Status, WebhookMark};
use crate::number;
use crate::plan::Fate;
use crate::request::read_json;
use crate::sid::{Prefix, Sid};
use crate::twilio::{FakeTwilio, NewMessage, State as Known, pair};
use crate::twiml;
use crate::weblog::Record;
use axum::Json;
use axum::body::Body;
use axum::extract::State;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use futures::{StreamExt, stream};
use serde_json::{Value, json};
use std::sync::Arc;

/// One message ready for delivery.
struct Letter {
    seq: u64,
    sid: Sid,
    from: String,
    params: Vec<(String, String)>,
}

pub(crate) async fn post_inbound(
    State(twilio): State<Arc<FakeTwilio>>,
    body: Body,
) -> Result<Json<Value>, ApiError> {
    let request: InboundRequest = read_json(body).await?;
    for (name, value, most) in [
        ("count", request.count, 1_000),
        ("parallel", request.parallel, 64),
        ("deliveries", request.deliveries, 20),
    ] {
        if !(1..=most).contains(&value) {
            return Err(ApiError::bad(format!("{name} must be from 1 to {most}")));
        }
    }
    // The caller may give up; a webhook on its way arrives nevertheless.
    let work = twilio.tracker.spawn(Arc::clone(&twilio).write(request));
    work.await.map_err(|_| ApiError::new(500, 20500, "The delivery broke off"))?.map(Json)
}

impl FakeTwilio {
    async fn write(self: Arc<Self>, request: InboundRequest) -> Result<Value, ApiError> {
        let letters: Vec<Letter> =
            (1..=request.count).map(|copy| self.letter(&request, copy)).collect::<Result<_, _>>()?;
        let url = self.state().webhook_url.clone().filter(|_| request.deliver);
        let mut results: Vec<Value> = Vec::with_capacity(letters.len());
        let mut deliveries = stream::iter(letters)
            .map(|letter| self.deliver_letter(url.as_deref(), letter, request.deliveries, request.signing()))
            .buffered(usize::try_from(request.parallel).unwrap_or(1));
        while let Some(result) = deliveries.next().await {
            results.push(result);
        }
        let first = results.first().cloned().unwrap_or_default();
        Ok(json!({ "sid": first["sid"], "webhook": first["webhook"], "messages": results }))
    }

    /// Makes the message, unless it is a known one that comes again.
    fn letter(&self, request: &InboundRequest, copy: u32) -> Result<Letter, ApiError> {
        let to = request.to.clone().unwrap_or_else(|| self.config.sender.clone());
        let from = match request.from.strip_prefix('+') {
            Some(_) if to.starts_with("whatsapp:") => format!("whatsapp:{}", request.from),
            _ => request.from.clone(),
        };
        if number::check(&from, &to).is_err() {
            let why = "from must be a number such as +9779800000001 or whatsapp:+9779800000001, or whatsapp:NP.1A2B";
            return Err(ApiError::bad(why));
        }
        let body = if request.count > 1 {
            request.text().replace("{n}", &copy.to_string())
        } else {
            request.text().to_owned()
        };
        let mut state = self.state();
        let sid = match request.sid.as_deref().filter(|_| copy == 1) {
            Some(text) => {
                Sid::parse(text).ok_or_else(|| ApiError::bad("sid must be SM or MM and 32 hex digits"))?
            }
            None if request.media.is_empty() => state.random.sid(Prefix::Sm),
            None => state.random.sid(Prefix::Mm),
        };
        let media_urls = self.keep_media(&mut state, request, sid)?;
        let params = form(request, &self.config.account_sid, &from, &to, sid, &body, &media_urls);
        let seq = match state.store.seq_of(sid) {
            Some(known) => known,
            None => self.keep_inbound(&mut state, request, sid, &from, &to, &body),
        };
        Ok(Letter { seq, sid, from, params })
    }

    /// Keeps the files that came along and says under which URLs they are served.
    fn keep_media(
        &self,
        state: &mut Known,
        request: &InboundRequest,
        message: Sid,
    ) -> Result<Vec<String>, ApiError> {
        let mut urls = Vec::with_capacity(request.media.len());
        for media in &request.media {
            if let Some(elsewhere) = &media.url {
                urls.push(elsewhere.clone());
                continue;
            }
            let data = media.data_base64.as_deref().unwrap_or_default();
            let bytes = STANDARD.decode(data).map_err(|_| ApiError::bad("data_base64 is not base64"))?;
            let sid = state.random.sid(Prefix::Me);
            let file = File {
                message,
                content_type: media.content_type.clone(),
                bytes: Bytes::from(bytes),
                created_ms: self.clock.now_ms(),
            };
            state.media.put(sid, file);
            let (base, account) = (self.base_url(), &self.config.account_sid);
            urls.push(format!("{base}/2010-04-01/Accounts/{account}/Messages/{message}/Media/{sid}"));
        }
        Ok(urls)
    }

    fn keep_inbound(
        &self,
        state: &mut Known,
        request: &InboundRequest,
        sid: Sid,
        from: &str,
        to: &str,
        body: &str,
    ) -> u64 {
        let now_ms = self.clock.now_ms();
        let kind = request.message_type();
        let shown =
            (kind != "text").then(|| Box::new(Shown { kind: kind.to_owned(), detail: request.detail() }));
        let message = Message {
            seq: 0,
            sid,
            direction: Direction::Inbound,
            customer: state.store.intern(from),
            ours: self.ours(to),
            service: None,
            body: body.into(),
            callback: None,
            created_ms: now_ms,
            updated_ms: now_ms,
            sent_ms: Some(now_ms),
            status: Status::Received,
            error: None,
            num_media: u32::try_from(request.media.len()).unwrap_or(u32::MAX),
            webhook: None,
            shown,
        };
        let seq = state.store.push(message);
        state.counters.inbound += 1;
        if let Some(message) = state.store.get(seq) {
            self.events.message(message);
        }
        seq
    }

    /// Delivers one message so many times at once, and tells how the last of them went.
    async fn deliver_letter(&self, url: Option<&str>, letter: Letter, times: u32, signing: Signing) -> Value {
        let Some(url) = url else {
            return json!({ "sid": letter.sid.to_string(), "webhook": null });
        };
        let copies = (0..times).map(|_| self.deliver_once(url, &letter, signing));
        let outcomes = futures::future::join_all(copies).await;
        let shown: Vec<Value> = outcomes.into_iter().flatten().collect();
        let mut result = json!({ "sid": letter.sid.to_string(), "webhook": shown.last() });
        if times > 1 {
            result["webhooks"] = shown.into();
        }
        result
    }

    async fn deliver_once(&self, url: &str, letter: &Letter, signing: Signing) -> Option<Value> {
        let mut outcome = self.carry("inbound", url, letter, &letter.params, signing).await?;
        if let (false, Some(fallback)) = (outcome.succeeded(), &self.config.fallback_url) {
            let mut params = letter.params.clone();
            params.push(pair("ErrorCode", &outcome.error_code().unwrap_or(11200).to_string()));
            params.push(pair("ErrorUrl", url.split('#').next().unwrap_or(url)));
            outcome = self.carry("fallback", fallback, letter, &params, signing).await?;
        }
        let replies = if outcome.succeeded() {
            twiml::replies(&outcome.content_type, &outcome.answer)
        } else {
            Ok(Vec::new())
        };
        let error_code = outcome.error_code().or(replies.as_ref().err().copied());
        for body in replies.unwrap_or_default() {
            let message = NewMessage {
                to: &letter.from,
                from: &self.config.sender,
                service: None,
                body: &body,
                callback: None,
                num_media: 0,
                direction: Direction::OutboundReply,
            };
            self.accept(&message, Fate::Deliver);
        }
        Some(json!({
            "status": outcome.status(),
            "ms": outcome.ms,
            "error": outcome.attempts.last().and_then(|attempt| attempt.error),
            "error_code": error_code,
            "attempts": outcome.attempts,
            "answer": outcome.answer,
        }))
    }

    /// One delivery to one URL, recorded. `None` when the shutdown cut it off.
    async fn carry(
        &self,
        kind: &'static str,
        url: &str,
        letter: &Letter,
        params: &[(String, String)],
        signing: Signing,
    ) -> Option<Outcome> {
        let token = self.state().random.uuid();
        let delivery = self.courier.deliver(url, params, signing, token);
        let outcome = self.hard.run_until_cancelled(delivery).await?;
        let at_ms = self.clock.now_ms();
        let record = Record::new(kind, letter.sid.to_string(), "received", at_ms, url, &outcome);
        let mut state = self.state();
        state.counters.inbound_attempts += outcome.attempts.len() as u64;
        if outcome.succeeded() {
            state.counters.inbound_delivered += 1;
        } else {
            state.counters.inbound_failed += 1;
            tracing::debug!(
                kind,
                status = outcome.status(),
                error_code = outcome.error_code(),
                "a webhook was not taken"
            );
        }
        let mark = WebhookMark { status: outcome.status(), ms: outcome.ms };
        if let Some(message) = state.store.mark_webhook(letter.seq, mark) {
            self.events.message(message);
        }
        self.events.webhook(state.webhooks.push(record));
        Some(outcome)
    }
}

impl InboundRequest {
    const fn signing(&self) -> Signing {
        self.signature
    }
}
