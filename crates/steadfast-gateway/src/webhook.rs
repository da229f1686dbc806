//! What happens to a webhook, from its head to its answer.

use crate::answer::{self, Answer, Bearing, Refusal, StoreError};
use crate::content_type::{BodyKind, kind_of};
use crate::gateway::Gateway;
use crate::job::{self, Kind, Webhook};
use crate::origin::{self, Origin};
use crate::report::{Report, Step, Stored};
use crate::signature::{self, Failure, Payload, Seen, Verdict, VerifyInput};
use crate::{Mode, body, form, json, metrics as names, status};
use bytes::Bytes;
use http::Request;
use http::request::Parts;
use hyper::body::Body;
use std::net::IpAddr;
use steadfast_core::CorrelationId;
use steadfast_queue::NewJob;
use steadfast_queue::backend::Enqueued;
use tokio::time::Instant;

impl Gateway {
    /// Answers one webhook.
    pub(crate) async fn webhook<B>(&self, request: Request<B>, to_status: bool, peer: IpAddr) -> Answer
    where
        B: Body<Data = Bytes> + Send,
        B::Error: Send,
    {
        let (head, body) = request.into_parts();
        let origin = origin::read(&self.config, &head.uri, &head.headers, peer);
        let mut report = Report::begin(origin.client);
        let result = self.receive(&head, body, &origin, to_status, &mut report).await;
        let mut answer = match &result {
            Ok(_) if report.kind == Kind::Status => answer::no_content(),
            Ok(_) => answer::twiml(),
            Err(refusal) => refusal.answer(),
        };
        report.step(Step::Answer);
        if let Some(bearing) = self.bearing(&report, &result) {
            answer.extensions_mut().insert(bearing);
        }
        self.conclude(report, &result);
        answer
    }

    /// Limits, signature, parsing, one durable enqueue: in this order, and nothing else.
    async fn receive<B>(
        &self,
        head: &Parts,
        body: B,
        origin: &Origin<'_>,
        to_status: bool,
        report: &mut Report,
    ) -> Result<Stored, Refusal>
    where
        B: Body<Data = Bytes> + Send,
        B::Error: Send,
    {
        let limits = &self.config.limits;
        let body_kind = kind_of(&head.headers)?;
        let bytes_max = match body_kind {
            BodyKind::Form => limits.form_bytes_max,
            BodyKind::Json => limits.json_bytes_max,
        };
        self.check_head(origin, report)?;
        let bytes = body::read(&head.headers, body, bytes_max, limits.body_timeout, &self.room).await?;
        report.step(Step::Read);
        let deadline = Instant::now() + limits.enqueue_timeout.min(limits.request_timeout);

        let pairs = match body_kind {
            BodyKind::Form => {
                let pairs = form::parse(&bytes, limits.fields_max)?;
                self.verify(origin, Payload::Form(&pairs), report)?;
                pairs
            }
            BodyKind::Json => {
                self.verify(origin, Payload::Raw(&bytes), report)?;
                json::fields(&bytes, limits.fields_max)?
            }
        };
        let webhook = self.read_webhook(pairs, head.uri.query().unwrap_or_default(), to_status, report)?;
        report.step(Step::Verify);

        let stored = self.store(webhook.job, deadline).await?;
        report.step(Step::Store);
        Ok(stored)
    }

    /// Turns away what no body could make valid, before a byte of it is waited for.
    fn check_head(&self, origin: &Origin<'_>, report: &mut Report) -> Result<(), Refusal> {
        if self.config.mode == Mode::Observe {
            return Ok(());
        }
        let checked = signature::check_head(&origin.signature, &origin.settings, &self.config.secrets);
        checked.or_else(|failure| {
            match self.unverified(failure, &self.input(origin, Payload::Form(&[])), origin, report) {
                Err(Refusal::Signature(failure)) => Err(Refusal::Unsigned(failure)),
                other => other,
            }
        })
    }

    fn input<'a>(&'a self, origin: &'a Origin<'a>, payload: Payload<'a>) -> VerifyInput<'a> {
        VerifyInput {
            urls: &origin.urls,
            payload,
            signature: &origin.signature,
            settings: &origin.settings,
            secrets: &self.config.secrets,
        }
    }

    /// Believes the request or not.
    fn verify(&self, origin: &Origin<'_>, payload: Payload<'_>, report: &mut Report) -> Result<(), Refusal> {
        let input = self.input(origin, payload);
        match signature::verify(&input) {
            Verdict::Valid(matched) => {
                let (secret, spelling) = (matched.label.clone(), matched.spelling.as_str());
                metrics::counter!(names::SIGNATURE_MATCHES, "secret" => secret, "spelling" => spelling)
                    .increment(1);
                report.matched = Some(matched);
                Ok(())
            }
            Verdict::Invalid(failure) => self.unverified(failure, &input, origin, report),
        }
    }

    /// What a bad signature leads to. The flood limit applies here only, where a good one never comes.
    fn unverified(
        &self,
        failure: Failure,
        input: &VerifyInput<'_>,
        origin: &Origin<'_>,
        report: &mut Report,
    ) -> Result<(), Refusal> {
        let now_ms = self.clock.mono_ms();
        let flood = self.is_flood(origin.client);
        if flood && self.config.mode == Mode::Enforce {
            report.allowance = Some(None);
            return Err(Refusal::SignatureFlood(failure));
        }
        if let Payload::Form(pairs) = input.payload {
            report.correlation = claim(pairs).as_deref().map(CorrelationId::derived_from);
        }
        let allowance = if flood { None } else { self.refusal_logs.allow(now_ms) };
        report.allowance = Some(allowance);
        if allowance.is_some() {
            let Origin { host, forwarded_host, .. } = *origin;
            let seen = Seen { input: *input, host, forwarded_host, paths: &Self::WEBHOOK_PATHS };
            report.explanation = Some(signature::explain(failure, &seen).to_string());
        }
        match self.config.mode {
            Mode::Enforce => Err(Refusal::Signature(failure)),
            Mode::Observe => {
                metrics::counter!(names::OBSERVED_FAILURES, "reason" => failure.as_str()).increment(1);
                report.observed = Some(failure);
                Ok(())
            }
        }
    }

    /// Reads the fields and decides whether their account is served here.
    fn read_webhook(
        &self,
        pairs: Vec<(String, String)>,
        query: &str,
        to_status: bool,
        report: &mut Report,
    ) -> Result<Webhook, Refusal> {
        let is_status = status::is_status(&pairs) || (to_status && !status::is_inbound(&pairs));
        let kind = if is_status { Kind::Status } else { Kind::Inbound };
        report.kind = kind;
        let claim = claim(&pairs);
        let read = job::read(&self.config, kind, pairs, query, self.clock.now_ms());
        let webhook = read.inspect_err(|_| {
            report.correlation = claim.as_deref().map(CorrelationId::derived_from);
        })?;
        report.sid = Some(webhook.sid.clone());
        report.correlation = Some(webhook.correlation.clone());
        let served = &self.config.account_sids;
        if served.is_empty() || served.contains(&webhook.account) {
            Ok(webhook)
        } else {
            Err(Refusal::Account)
        }
    }

    fn bearing(&self, report: &Report, result: &Result<Stored, Refusal>) -> Option<Bearing> {
        match result {
            _ if report.matched.is_some() => Some(Bearing::Believed),
            Err(Refusal::SignatureFlood(_)) => Some(Bearing::Flood),
            Ok(_) | Err(Refusal::Signature(_) | Refusal::Unsigned(_)) => None,
            // Refused before it came to the signature: counted all the same.
            Err(_) => self.is_flood(report.client).then_some(Bearing::Flood),
        }
    }

    /// Makes it durable, or says that it is not, until `deadline`.
    async fn store(&self, job: NewJob, deadline: Instant) -> Result<Stored, StoreError> {
        let answered = tokio::time::timeout_at(deadline, self.queue.enqueue(vec![job])).await;
        let enqueued = answered.map_err(|_| StoreError::Deadline)?.map_err(StoreError::Queue)?;
        match enqueued.first() {
            Some(Enqueued::New(_)) => Ok(Stored::New),
            Some(Enqueued::Duplicate(_)) => Ok(Stored::Duplicate),
            Some(Enqueued::Rejected(rejection)) => Err(StoreError::Rejected(*rejection)),
            None => Err(StoreError::NoVerdict),
        }
    }

    fn conclude(&self, mut report: Report, result: &Result<Stored, Refusal>) {
        let now_ms = self.clock.now_ms();
        if let Err(refusal) = result {
            let logs =
                if matches!(refusal, Refusal::Store(_)) { &self.trouble_logs } else { &self.refusal_logs };
            report.allowance.get_or_insert_with(|| logs.allow(self.clock.mono_ms()));
        } else if report.kind == Kind::Inbound {
            // Whole seconds since 1970 are exact in an f64.
            #[expect(clippy::cast_precision_loss, reason = "exact below 2^53")]
            metrics::gauge!(names::LAST_INBOUND).set((now_ms / 1_000) as f64);
        }
        let remembered = !matches!(result, Err(Refusal::SignatureFlood(_)));
        let verdict = report.conclude(result, now_ms);
        if remembered {
            self.inspector.push(verdict);
        }
    }
}

/// What the correlation id is derived from, if these fields are what they claim to be.
fn claim(pairs: &[(String, String)]) -> Option<String> {
    let value = |wanted: &str| Some(&pairs.iter().find(|(name, _)| name == wanted)?.1);
    let (account, sid) = (value("AccountSid")?, value("MessageSid").or_else(|| value("SmsSid"))?);
    Some(format!("{account}/{sid}"))
}
