//! The stored form of a schedule.

use super::{CodecError, Reader, VERSION, put_metadata, put_number, put_retry, put_text};
use crate::backend::local::ticket::priority_code;
use crate::job::{GroupKey, Priority};
use crate::schedule::{Missed, Schedule};
use bytes::Bytes;

pub(in crate::backend::local) fn encode_schedule(schedule: &Schedule) -> Vec<u8> {
    let mut out = vec![VERSION];
    for text in [&schedule.name, &schedule.cron, &schedule.zone, &schedule.queue, &schedule.kind] {
        put_text(&mut out, text);
    }
    match schedule.missed {
        Missed::Skip => out.push(0),
        Missed::CatchUp { max } => {
            out.push(1);
            put_number(&mut out, u64::from(max));
        }
        Missed::Coalesce => out.push(2),
    }
    out.push(schedule.codec);
    put_number(&mut out, u64::try_from(priority_code(schedule.priority)).unwrap_or(1));
    put_number(&mut out, schedule.timeout_ms);
    put_option(&mut out, schedule.ttl_ms, put_number);
    put_option(&mut out, schedule.group, |out, group| out.extend_from_slice(&group.0));
    put_retry(&mut out, schedule.retry.as_ref());
    put_metadata(&mut out, &schedule.metadata);
    put_number(&mut out, schedule.payload.len() as u64);
    out.extend_from_slice(&schedule.payload);
    out
}

pub(in crate::backend::local) fn decode_schedule(blob: &[u8]) -> Result<Schedule, CodecError> {
    let mut from = Reader::open(blob)?;
    let (name, cron, zone, queue, kind) =
        (from.text()?, from.text()?, from.text()?, from.text()?, from.text()?);
    let missed = match from.byte()? {
        0 => Missed::Skip,
        1 => Missed::CatchUp { max: u32::try_from(from.number()?).map_err(|_| CodecError::Impossible)? },
        2 => Missed::Coalesce,
        _ => return Err(CodecError::Impossible),
    };
    let codec = from.byte()?;
    let priority = usize::try_from(from.number()?).ok().and_then(|code| Priority::ALL.get(code).copied());
    let priority = priority.ok_or(CodecError::Impossible)?;
    let timeout_ms = from.number()?;
    let ttl_ms = option(&mut from, Reader::number)?;
    let group = option(&mut from, |from| from.array().map(GroupKey))?;
    let retry = from.retry()?;
    let metadata = from.metadata()?;
    let length = usize::try_from(from.number()?).map_err(|_| CodecError::Short)?;
    let payload = Bytes::copy_from_slice(from.take(length)?);
    Ok(Schedule {
        name,
        cron,
        zone,
        missed,
        queue,
        kind,
        payload,
        codec,
        priority,
        group,
        retry,
        timeout_ms,
        ttl_ms,
        metadata,
    })
}

fn put_option<T>(out: &mut Vec<u8>, value: Option<T>, put: impl FnOnce(&mut Vec<u8>, T)) {
    match value {
        None => out.push(0),
        Some(value) => {
            out.push(1);
            put(out, value);
        }
    }
}

fn option<'a, T>(
    from: &mut Reader<'a>,
    read: impl FnOnce(&mut Reader<'a>) -> Result<T, CodecError>,
) -> Result<Option<T>, CodecError> {
    match from.byte()? {
        0 => Ok(None),
        1 => read(from).map(Some),
        _ => Err(CodecError::Impossible),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::RetryPolicy;

    #[test]
    fn a_schedule_reads_back_and_every_cut_is_noticed() {
        let plain = Schedule::new("nightly", "0 3 * * *", "q", "k", "payload");
        let mut full = Schedule::new("n", "@daily", "q", "k", vec![0; 300]);
        (full.zone, full.missed) = ("Europe/Berlin".into(), Missed::CatchUp { max: 9 });
        (full.codec, full.priority, full.group) = (7, Priority::Low, Some(GroupKey([3; 16])));
        (full.retry, full.timeout_ms, full.ttl_ms) = (Some(RetryPolicy::none()), 9, Some(5));
        full.metadata.insert("a".into(), "b".into());
        for schedule in [plain, full] {
            let blob = encode_schedule(&schedule);
            assert_eq!(decode_schedule(&blob), Ok(schedule));
            for cut in 0..blob.len() {
                assert!(decode_schedule(&blob[..cut]).is_err(), "{cut} of {}", blob.len());
            }
        }
    }
}
