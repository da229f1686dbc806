//! Reading a body: bounded in bytes and in time.

use crate::answer::Refusal;
use crate::room::{Guest, Room};
use bytes::{Bytes, BytesMut};
use http::{HeaderMap, header};
use http_body_util::BodyExt;
use hyper::body::Body;
use std::pin::pin;
use std::time::Duration;

/// A body of up to so many bytes needs no place in the [`Room`]: nearly every webhook is smaller.
const FREE_BYTES: usize = 8 * 1024;

/// Reads the whole body, at most `bytes_max` within `timeout`. What announces too much is refused before
/// anything is read.
pub(crate) async fn read<B>(
    headers: &HeaderMap,
    body: B,
    bytes_max: usize,
    timeout: Duration,
    room: &Room,
) -> Result<Bytes, Refusal>
where
    B: Body<Data = Bytes>,
{
    let announced = body.size_hint().exact();
    if announced.is_some_and(|bytes| bytes > bytes_max as u64) {
        return Err(Refusal::TooLarge { max: bytes_max });
    }
    let framed =
        headers.contains_key(header::CONTENT_LENGTH) || headers.contains_key(header::TRANSFER_ENCODING);
    if !framed && announced == Some(0) {
        return Err(Refusal::LengthRequired);
    }
    tokio::time::timeout(timeout, collect(body, bytes_max, room))
        .await
        .unwrap_or(Err(Refusal::SlowBody(timeout)))
}

async fn collect<B>(body: B, bytes_max: usize, room: &Room) -> Result<Bytes, Refusal>
where
    B: Body<Data = Bytes>,
{
    let mut body = pin!(body);
    let mut first = Bytes::new();
    let mut more = BytesMut::new();
    let mut guest: Option<Guest<'_>> = None;
    loop {
        let frame = match &guest {
            None => body.frame().await,
            Some(guest) => tokio::select! {
                biased;
                () = guest.crowded_out() => return Err(Refusal::CrowdedOut),
                frame = body.frame() => frame,
            },
        };
        let Some(frame) = frame else { break };
        let Ok(data) = frame.map_err(|_| Refusal::BrokenBody)?.into_data() else {
            continue;
        };
        let bytes = first.len() + more.len() + data.len();
        if bytes > bytes_max {
            return Err(Refusal::TooLarge { max: bytes_max });
        }
        if bytes > FREE_BYTES {
            guest.get_or_insert_with(|| room.enter()).hold(bytes);
        }
        // Nearly every webhook arrives in one piece, which then is not copied.
        if first.is_empty() && more.is_empty() {
            first = data;
        } else {
            if more.is_empty() {
                more.extend_from_slice(&std::mem::take(&mut first));
            }
            more.extend_from_slice(&data);
        }
    }
    Ok(if more.is_empty() { first } else { more.freeze() })
}
