//! A piece of work that runs beside others in one task.

use futures::FutureExt;
use futures::future::BoxFuture;
use std::future::Future;

/// At most one piece of work of a kind.
pub(crate) struct Running<T>(Option<BoxFuture<'static, T>>);

impl<T> Default for Running<T> {
    fn default() -> Self {
        Self(None)
    }
}

impl<T> Running<T> {
    pub(crate) const fn is_running(&self) -> bool {
        self.0.is_some()
    }

    /// Starts it; one that runs is dropped.
    pub(crate) fn start(&mut self, work: impl Future<Output = T> + Send + 'static) {
        self.0 = Some(work.boxed());
    }

    /// Its result; never, while nothing runs. Cancel safe: it goes on at the next call.
    pub(crate) async fn done(&mut self) -> T {
        let Some(work) = &mut self.0 else { return std::future::pending().await };
        let done = work.await;
        self.0 = None;
        done
    }
}
