//! From an async function to something a worker can call.

use crate::typed::context::{Context, FromContext};
use crate::typed::draft::Draft;
use crate::typed::error::JobError;
use crate::typed::job_type::JobType;
use futures::future::BoxFuture;
use std::future::Future;

/// Jobs that follow a completed one. They come into being together with its completion, or not at all.
///
/// ```
/// # use serde::{Deserialize, Serialize};
/// # use steadfast_queue::typed::{Draft, Follow, JobError, JobType};
/// # #[derive(Serialize, Deserialize)] struct Order { id: u64 }
/// # impl JobType for Order { const KIND: &'static str = "order"; }
/// # #[derive(Serialize, Deserialize)] struct Invoice { id: u64 }
/// # impl JobType for Invoice { const KIND: &'static str = "invoice"; }
/// # #[derive(Serialize, Deserialize)] struct Ship { id: u64 }
/// # impl JobType for Ship { const KIND: &'static str = "ship"; }
/// async fn order(order: Order) -> Result<Follow, JobError> {
///     Ok(Follow::one(Invoice { id: order.id }).and(Draft::of(&Ship { id: order.id }).step("ship")))
/// }
/// ```
#[derive(Clone, Debug, Default)]
pub struct Follow {
    drafts: Vec<Draft>,
}

impl Follow {
    /// Nothing follows.
    pub fn none() -> Self {
        Self::default()
    }

    /// `job` follows.
    pub fn one(job: impl Into<Draft>) -> Self {
        Self::none().and(job)
    }

    /// `job` follows too.
    #[must_use]
    pub fn and(mut self, job: impl Into<Draft>) -> Self {
        self.drafts.push(job.into());
        self
    }

    pub(crate) fn into_drafts(self) -> Vec<Draft> {
        self.drafts
    }
}

impl<D: Into<Draft>> FromIterator<D> for Follow {
    fn from_iter<I: IntoIterator<Item = D>>(jobs: I) -> Self {
        Self { drafts: jobs.into_iter().map(Into::into).collect() }
    }
}

impl From<()> for Follow {
    fn from((): ()) -> Self {
        Self::none()
    }
}

/// What a handler returns.
#[diagnostic::on_unimplemented(
    message = "a handler cannot return `{Self}`",
    label = "not what a handler returns",
    note = "a handler returns `()`, `Follow`, or a `Result` of one of these with an error that converts into `JobError` (every `std::error::Error` does)"
)]
pub trait IntoEnd {
    /// What follows, or what went wrong.
    ///
    /// # Errors
    /// What went wrong.
    fn into_end(self) -> Result<Follow, JobError>;
}

impl IntoEnd for () {
    fn into_end(self) -> Result<Follow, JobError> {
        Ok(Follow::none())
    }
}

impl IntoEnd for Follow {
    fn into_end(self) -> Result<Follow, JobError> {
        Ok(self)
    }
}

impl<T: Into<Follow>, E: Into<JobError>> IntoEnd for Result<T, E> {
    fn into_end(self) -> Result<Follow, JobError> {
        self.map(Into::into).map_err(Into::into)
    }
}

/// An async function whose first argument is the job, and whose others can be had from its context and the
/// router's state. Implemented for all of those with up to six further arguments; not meant to be implemented
/// by hand.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot handle a job",
    label = "not a handler for this router",
    note = "a handler is `async fn(job: J, …) -> Result<(), JobError>`: its first argument implements `JobType`; the others are `Context`, `State<T>` or implement `FromContext<{S}>`; it returns `()`, `Follow`, or a `Result` of these; its future is `Send`"
)]
pub trait JobHandler<Args, S>: Clone + Send + Sync + 'static {
    /// The job it handles.
    type Job: JobType;

    /// Runs one attempt.
    fn call(
        &self,
        job: Self::Job,
        context: Context,
        state: S,
    ) -> BoxFuture<'static, Result<Follow, JobError>>;
}

macro_rules! handlers {
    ($(($($argument:ident),*);)+) => {$(
        impl<F, Fut, R, S, J, $($argument,)*> JobHandler<(J, $($argument,)*), S> for F
        where
            F: Fn(J, $($argument,)*) -> Fut + Clone + Send + Sync + 'static,
            Fut: Future<Output = R> + Send + 'static,
            R: IntoEnd,
            S: Send + Sync + 'static,
            J: JobType,
            $($argument: FromContext<S> + Send + 'static,)*
        {
            type Job = J;

            #[allow(non_snake_case, unused_variables, reason = "type names stand for their values; none may be used")]
            fn call(&self, job: J, context: Context, state: S) -> BoxFuture<'static, Result<Follow, JobError>> {
                let handler = self.clone();
                Box::pin(async move {
                    $(let $argument = $argument::from_context(&context, &state)?;)*
                    drop(state);
                    handler(job, $($argument),*).await.into_end()
                })
            }
        }
    )+};
}

handlers! {
    ();
    (A1);
    (A1, A2);
    (A1, A2, A3);
    (A1, A2, A3, A4);
    (A1, A2, A3, A4, A5);
    (A1, A2, A3, A4, A5, A6);
}
