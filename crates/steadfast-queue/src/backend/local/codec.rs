//! The compact form of what a row holds besides its columns. Pure.
//!
//! Every blob begins with a version. Unknown versions and damage are errors, never panics: the job that
//! has such a blob is buried, its neighbours go on.

mod schedule;

use crate::job::{AttemptRecord, Job, JobId};
use crate::note::{LogLine, Progress, Said};
use crate::policy::{RETRIES_MAX, RetryPolicy};
pub(super) use schedule::{decode_schedule, encode_schedule};
use std::collections::BTreeMap;
use std::sync::Arc;

const VERSION: u8 = 1;

/// Why a blob cannot be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum CodecError {
    #[error("it ends too early")]
    Short,
    #[error("it has form {0}, only {VERSION} is known: a newer version wrote it")]
    Version(u8),
    #[error("it holds something impossible")]
    Impossible,
}

/// What a job says of itself once and for all.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Head {
    pub(super) kind: String,
    pub(super) codec: u8,
    pub(super) timeout_ms: u64,
    pub(super) parent: Option<JobId>,
    /// `None`: its queue's.
    pub(super) retry: Option<RetryPolicy>,
    pub(super) correlation_id: String,
    pub(super) metadata: BTreeMap<String, String>,
}

pub(super) fn encode_head(job: &Job) -> Vec<u8> {
    let mut out = Vec::with_capacity(64 + job.kind.len() + job.correlation_id.len());
    out.push(VERSION);
    put_text(&mut out, &job.kind);
    out.push(job.codec);
    put_number(&mut out, job.timeout_ms);
    match job.parent {
        None => out.push(0),
        Some(parent) => {
            out.push(1);
            out.extend_from_slice(&parent.0);
        }
    }
    put_retry(&mut out, job.retry.as_ref());
    put_text(&mut out, &job.correlation_id);
    put_metadata(&mut out, &job.metadata);
    out
}

pub(super) fn decode_head(blob: &[u8]) -> Result<Head, CodecError> {
    let mut from = Reader::open(blob)?;
    let kind = from.text()?;
    let codec = from.byte()?;
    let timeout_ms = from.number()?;
    let parent = match from.byte()? {
        0 => None,
        1 => Some(JobId(from.array()?)),
        _ => return Err(CodecError::Impossible),
    };
    let retry = from.retry()?;
    let correlation_id = from.text()?;
    let metadata = from.metadata()?;
    Ok(Head { kind, codec, timeout_ms, parent, retry, correlation_id, metadata })
}

/// A schedule's fields are public, so a longer one than [`RETRIES_MAX`] may have been stored.
const RETRIES_MAX_STORED: usize = RETRIES_MAX * 64;

pub(super) fn encode_history(history: &[AttemptRecord]) -> Option<Vec<u8>> {
    if history.is_empty() {
        return None;
    }
    let mut out = vec![VERSION];
    put_number(&mut out, history.len() as u64);
    for record in history {
        put_number(&mut out, u64::from(record.attempt));
        out.extend_from_slice(&record.at_ms.to_be_bytes());
        put_text(&mut out, &record.error);
        put_text(&mut out, &record.message);
    }
    Some(out)
}

pub(super) fn decode_history(blob: Option<&[u8]>) -> Result<Vec<AttemptRecord>, CodecError> {
    let Some(blob) = blob else { return Ok(Vec::new()) };
    let mut from = Reader::open(blob)?;
    let records = from.count(blob.len())?;
    (0..records)
        .map(|_| {
            let attempt = u32::try_from(from.number()?).map_err(|_| CodecError::Impossible)?;
            let at_ms = i64::from_be_bytes(from.array()?);
            Ok(AttemptRecord { attempt, at_ms, error: from.text()?, message: from.text()? })
        })
        .collect()
}

pub(super) fn encode_said(said: &Said) -> Vec<u8> {
    let mut out = vec![VERSION];
    match &said.progress {
        None => out.push(0),
        Some(progress) => {
            out.push(1);
            put_number(&mut out, progress.done);
            put_number(&mut out, progress.total);
            out.extend_from_slice(&progress.at_ms.to_be_bytes());
            put_text(&mut out, &progress.note);
        }
    }
    put_number(&mut out, said.log.len() as u64);
    for line in &said.log {
        out.extend_from_slice(&line.at_ms.to_be_bytes());
        put_number(&mut out, u64::from(line.attempt));
        put_text(&mut out, &line.text);
    }
    out
}

pub(super) fn decode_said(blob: &[u8]) -> Result<Said, CodecError> {
    let mut from = Reader::open(blob)?;
    let progress = match from.byte()? {
        0 => None,
        1 => {
            let (done, total) = (from.number()?, from.number()?);
            let at_ms = i64::from_be_bytes(from.array()?);
            Some(Progress { done, total, at_ms, note: from.text()? })
        }
        _ => return Err(CodecError::Impossible),
    };
    let lines = from.count(blob.len())?;
    let line = |_| {
        let at_ms = i64::from_be_bytes(from.array()?);
        let attempt = u32::try_from(from.number()?).map_err(|_| CodecError::Impossible)?;
        Ok(LogLine { at_ms, attempt, text: from.text()? })
    };
    Ok(Said { progress, log: (0..lines).map(line).collect::<Result<_, CodecError>>()? })
}

/// Seven bits a byte, lowest first.
fn put_number(out: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        #[expect(clippy::cast_possible_truncation, reason = "the lowest seven bits are meant")]
        out.push(number as u8 | 0x80);
        number >>= 7;
    }
    #[expect(clippy::cast_possible_truncation, reason = "below 128")]
    out.push(number as u8);
}

fn put_text(out: &mut Vec<u8>, text: &str) {
    put_number(out, text.len() as u64);
    out.extend_from_slice(text.as_bytes());
}

fn put_retry(out: &mut Vec<u8>, retry: Option<&RetryPolicy>) {
    let Some(retry) = retry else { return out.push(0) };
    out.push(1);
    out.extend_from_slice(&retry.jitter.to_bits().to_be_bytes());
    put_number(out, retry.delays_ms.len() as u64);
    retry.delays_ms.iter().for_each(|&delay_ms| put_number(out, delay_ms));
}

fn put_metadata(out: &mut Vec<u8>, metadata: &BTreeMap<String, String>) {
    put_number(out, metadata.len() as u64);
    for (key, value) in metadata {
        put_text(out, key);
        put_text(out, value);
    }
}

struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn open(blob: &'a [u8]) -> Result<Self, CodecError> {
        let mut from = Self(blob);
        match from.byte()? {
            VERSION => Ok(from),
            other => Err(CodecError::Version(other)),
        }
    }

    fn take(&mut self, length: usize) -> Result<&'a [u8], CodecError> {
        let (taken, rest) = self.0.split_at_checked(length).ok_or(CodecError::Short)?;
        self.0 = rest;
        Ok(taken)
    }

    fn byte(&mut self) -> Result<u8, CodecError> {
        self.array::<1>().map(|[byte]| byte)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], CodecError> {
        self.take(N)?.try_into().map_err(|_| CodecError::Short)
    }

    fn number(&mut self) -> Result<u64, CodecError> {
        let mut number = 0_u64;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            let bits = u64::from(byte & 0x7f);
            if shift == 63 && bits > 1 {
                return Err(CodecError::Impossible);
            }
            number |= bits << shift;
            if byte & 0x80 == 0 {
                return Ok(number);
            }
        }
        Err(CodecError::Impossible)
    }

    fn count(&mut self, max: usize) -> Result<usize, CodecError> {
        let count = usize::try_from(self.number()?).map_err(|_| CodecError::Impossible)?;
        if count > max { Err(CodecError::Impossible) } else { Ok(count) }
    }

    fn retry(&mut self) -> Result<Option<RetryPolicy>, CodecError> {
        match self.byte()? {
            0 => Ok(None),
            1 => {
                let jitter = f64::from_bits(u64::from_be_bytes(self.array()?));
                let entries = self.count(RETRIES_MAX_STORED)?;
                let delays_ms = (0..entries).map(|_| self.number()).collect::<Result<Arc<[u64]>, _>>()?;
                Ok(Some(RetryPolicy { delays_ms, jitter }))
            }
            _ => Err(CodecError::Impossible),
        }
    }

    fn metadata(&mut self) -> Result<BTreeMap<String, String>, CodecError> {
        // Each pair takes two bytes at least.
        let pairs = self.count(self.0.len())?;
        (0..pairs).map(|_| Ok((self.text()?, self.text()?))).collect()
    }

    fn text(&mut self) -> Result<String, CodecError> {
        let length = usize::try_from(self.number()?).map_err(|_| CodecError::Short)?;
        let bytes = self.take(length)?;
        Ok(std::str::from_utf8(bytes).map_err(|_| CodecError::Impossible)?.to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::job::{NewJob, Priority};
    use crate::state::State;
    use proptest::prelude::*;

    fn job_with(head: Head) -> Job {
        let new = NewJob::new("q", head.kind, "");
        Job {
            id: JobId::fresh(),
            queue: new.queue,
            kind: new.kind,
            payload: new.payload,
            codec: head.codec,
            priority: Priority::Normal,
            state: State::Available,
            enqueued_ms: 0,
            run_at_ms: 0,
            finished_ms: None,
            group: None,
            attempt: 0,
            crash_count: 0,
            retry: head.retry,
            timeout_ms: head.timeout_ms,
            expires_ms: None,
            parent: head.parent,
            correlation_id: head.correlation_id,
            metadata: head.metadata,
            batch: None,
            waits_for: None,
            history: Vec::new(),
            progress: None,
            log: Vec::new(),
        }
    }

    proptest! {
        #[test]
        fn a_head_reads_back(
            kind in ".{0,64}",
            codec: u8,
            timeout_ms: u64,
            parent in proptest::option::of(any::<[u8; 16]>()),
            delays in proptest::option::of(proptest::collection::vec(any::<u64>(), 0..70)),
            correlation_id in ".{0,40}",
            metadata in proptest::collection::btree_map(".{0,9}", ".{0,9}", 0..5),
        ) {
            let retry = delays.map(|delays| RetryPolicy { delays_ms: delays.into(), jitter: 0.25 });
            let parent = parent.map(JobId);
            let head = Head { kind, codec, timeout_ms, parent, retry, correlation_id, metadata };
            prop_assert_eq!(decode_head(&encode_head(&job_with(head.clone()))), Ok(head));
        }

        #[test]
        fn a_history_reads_back(records in proptest::collection::vec((any::<u32>(), any::<i64>(), ".{0,9}", ".{0,30}"), 0..16)) {
            let history: Vec<AttemptRecord> = records
                .into_iter()
                .map(|(attempt, at_ms, error, message)| AttemptRecord { attempt, at_ms, error, message })
                .collect();
            prop_assert_eq!(decode_history(encode_history(&history).as_deref()), Ok(history));
        }

        #[test]
        fn damage_is_an_error_and_never_a_panic(blob in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = decode_head(&blob);
            let _ = decode_history(Some(&blob));
            let _ = decode_said(&blob);
            let mut versioned = vec![VERSION];
            versioned.extend(blob);
            let _ = decode_head(&versioned);
            let _ = decode_history(Some(&versioned));
            let _ = decode_said(&versioned);
        }
    }

    #[test]
    fn every_cut_of_a_head_is_noticed() {
        let mut new = NewJob::new("q", "kind", "");
        new.metadata.insert("a".into(), "b".into());
        let mut job = job_with(Head {
            kind: new.kind,
            codec: 1,
            timeout_ms: 300,
            parent: Some(JobId([7; 16])),
            retry: Some(RetryPolicy::none()),
            correlation_id: "c".into(),
            metadata: new.metadata,
        });
        job.codec = 9;
        let blob = encode_head(&job);
        for cut in 0..blob.len() {
            assert!(decode_head(&blob[..cut]).is_err(), "{cut} of {}", blob.len());
        }
        assert_eq!(decode_head(&[2, 0]), Err(CodecError::Version(2)));
    }
}
