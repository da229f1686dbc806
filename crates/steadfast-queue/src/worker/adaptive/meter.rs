//! Counts finished attempts and how long they ran.

use crate::worker::adaptive::control::Window;
use crate::worker::report::{JobOutcome, JobReport};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;
use tokio::time::Instant;

/// The most durations kept per window; of more, the last count.
const KEPT_MAX: usize = 512;
/// Jobs that must have ended before a window says anything, and how many per place.
const JOBS_MIN: u64 = 32;
const JOBS_PER_PLACE: u64 = 4;
/// A window that lasts longer than this is closed with what it has, if that is at least a quarter of what it
/// should have.
const SPAN_MAX: Duration = Duration::from_secs(60);

/// Told of every finished attempt.
#[derive(Debug, Default)]
pub(crate) struct Meter {
    counted: Mutex<Counted>,
}

#[derive(Debug, Default)]
struct Counted {
    jobs: u64,
    ran_ms: Vec<f64>,
}

impl Meter {
    /// Counts an attempt that ran to its end, however that was.
    pub(crate) fn note(&self, report: &JobReport) {
        let (Some(ran), JobOutcome::Completed | JobOutcome::Retried | JobOutcome::Dead) =
            (report.ran, report.outcome)
        else {
            return;
        };
        let mut counted = self.counted.lock().unwrap_or_else(PoisonError::into_inner);
        let ran_ms = ran.as_secs_f64() * 1_000.0;
        let place = usize::try_from(counted.jobs).unwrap_or(usize::MAX) % KEPT_MAX;
        match counted.ran_ms.get_mut(place) {
            Some(oldest) => *oldest = ran_ms,
            None => counted.ran_ms.push(ran_ms),
        }
        counted.jobs += 1;
    }

    fn jobs(&self) -> u64 {
        self.counted.lock().unwrap_or_else(PoisonError::into_inner).jobs
    }

    fn take(&self) -> (u64, Option<f64>) {
        let mut counted = std::mem::take(&mut *self.counted.lock().unwrap_or_else(PoisonError::into_inner));
        let middle = counted.ran_ms.len() / 2;
        let p50 = (!counted.ran_ms.is_empty())
            .then(|| *counted.ran_ms.select_nth_unstable_by(middle, f64::total_cmp).1);
        (counted.jobs, p50)
    }
}

/// A window that is still open.
#[derive(Debug)]
pub(super) struct Span {
    began: Instant,
    looks: u32,
    saturated: u32,
}

impl Span {
    pub(super) const fn begin(now: Instant) -> Self {
        Self { began: now, looks: 0, saturated: 0 }
    }

    /// One look at whether jobs waited and places were taken.
    pub(super) const fn note(&mut self, saturated: bool) {
        self.looks += 1;
        if saturated {
            self.saturated += 1;
        }
    }

    /// Closes the window if enough jobs have ended in it, and begins the next.
    pub(super) fn close(&mut self, meter: &Meter, places: usize, now: Instant) -> Option<Window> {
        let wanted = JOBS_MIN.max(JOBS_PER_PLACE.saturating_mul(places as u64));
        let (jobs, lasted) = (meter.jobs(), now - self.began);
        if jobs < wanted && lasted < SPAN_MAX {
            return None;
        }
        let (_, p50) = meter.take();
        // All looks but one in ten.
        let saturated = self.looks > 0 && self.saturated * 10 >= self.looks * 9;
        *self = Self::begin(now);
        if jobs < wanted / 4 || lasted.is_zero() {
            return None;
        }
        #[expect(clippy::cast_precision_loss, reason = "a rate needs no more")]
        let per_second = jobs as f64 / lasted.as_secs_f64();
        Some(Window { saturated, per_second, p50_ms: p50? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::job::JobId;

    fn report(outcome: JobOutcome, ran_ms: u64) -> JobReport {
        JobReport {
            queue: "q".into(),
            id: JobId([1; 16]),
            kind: "k".into(),
            attempt: 1,
            correlation_id: String::new(),
            outcome,
            failure: None,
            wait: Duration::ZERO,
            ran: Some(Duration::from_millis(ran_ms)),
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_window_closes_when_enough_jobs_have_ended() {
        let (meter, mut span) = (Meter::default(), Span::begin(Instant::now()));
        for job in 0..39 {
            meter.note(&report(JobOutcome::Completed, job));
            meter.note(&report(JobOutcome::Released, 9_000));
        }
        span.note(true);
        tokio::time::advance(Duration::from_secs(2)).await;
        assert_eq!(span.close(&meter, 10, Instant::now()), None, "40 are wanted");
        meter.note(&report(JobOutcome::Dead, 1));
        let window = span.close(&meter, 10, Instant::now()).expect("closed");
        assert!(window.saturated && (window.per_second - 20.0).abs() < 0.01, "{window:?}");
        assert!((window.p50_ms - 19.0).abs() < 2.0, "{window:?}");
        assert_eq!(meter.jobs(), 0);
    }

    #[tokio::test(start_paused = true)]
    async fn slow_jobs_close_it_after_a_minute_if_there_are_some() {
        let (meter, mut span) = (Meter::default(), Span::begin(Instant::now()));
        for _ in 0..8 {
            meter.note(&report(JobOutcome::Completed, 20_000));
        }
        (0..10).for_each(|look| span.note(look != 3));
        tokio::time::advance(SPAN_MAX).await;
        assert!(span.close(&meter, 4, Instant::now()).expect("closed").saturated);
        tokio::time::advance(SPAN_MAX).await;
        assert_eq!(span.close(&meter, 4, Instant::now()), None, "nothing ended");
    }
}
