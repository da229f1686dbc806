//! A body that tells when it is there.

use super::activity::Activity;
use bytes::Bytes;
use hyper::body::{Body, Frame, Incoming, SizeHint};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

/// Until its end has come a body is the peer's business, and its connection may be closed for another.
pub(super) struct Watched {
    body: Incoming,
    activity: Arc<Activity>,
}

impl Watched {
    pub(super) fn new(body: Incoming, activity: Arc<Activity>) -> Self {
        if body.is_end_stream() {
            activity.body_came();
        }
        Self { body, activity }
    }
}

impl Body for Watched {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        let polled = Pin::new(&mut self.body).poll_frame(context);
        if matches!(polled, Poll::Ready(None)) || self.body.is_end_stream() {
            self.activity.body_came();
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
