//! Both stores tell the same, and what they tell keeps to the law: each life of a job ends once.

use std::collections::HashMap;
use std::time::Duration;
use steadfast_queue::event::{EVENTS_PAGE_MAX, Event, EventKind, Events, EventsFrom, Gap};
use steadfast_queue::{Backend, JobId, QueueError};

/// What two readers, one of each store, were told so far.
#[derive(Debug, Default)]
pub(super) struct Told {
    model: EventsFrom,
    local: EventsFrom,
    law: Law,
}

impl Told {
    /// Reads on in both. `known` gives the model's name for a job.
    pub(super) async fn compare(
        &mut self,
        model: &dyn Backend,
        local: &dyn Backend,
        known: impl Fn(JobId) -> JobId,
    ) {
        let (mut expected, gap) = read_on(model, &mut self.model).await.expect("model");
        let (mut got, gap_of_local) = read_on(local, &mut self.local).await.expect("local");
        assert_eq!(gap_of_local, gap);
        got.iter_mut().for_each(|event| event.job = event.job.map(&known));
        if gap != Gap::None {
            // A start goes through what ran in an order of its own.
            self.law = Law::default();
            expected.sort_by_key(|event| (event.job, event.kind));
            got.sort_by_key(|event| (event.job, event.kind));
        }
        let shown = |event: &Event| Event { number: 0, ..event.clone() };
        let (got, expected): (Vec<_>, Vec<_>) =
            (got.iter().map(shown).collect(), expected.iter().map(shown).collect());
        assert_eq!(got, expected);
        expected.iter().for_each(|event| self.law.heed(event));
    }
}

async fn read_on(store: &dyn Backend, from: &mut EventsFrom) -> Result<(Vec<Event>, Gap), QueueError> {
    let (mut told, mut gap) = (Vec::new(), Gap::None);
    loop {
        let page: Events = store.events(*from, EVENTS_PAGE_MAX, Duration::ZERO).await?;
        if page.gap != Gap::None {
            gap = page.gap;
            told.clear();
        }
        *from = EventsFrom::After(page.next);
        if page.events.is_empty() {
            return Ok((told, gap));
        }
        for (event, number) in page.events.iter().zip(page.events[0].number..) {
            assert_eq!(event.number, number, "without holes");
        }
        told.extend(page.events);
    }
}

/// What may be told of a job behind what was told of it before.
#[derive(Debug, Default)]
pub(super) struct Law(HashMap<JobId, EventKind>);

impl Law {
    pub(super) fn heed(&mut self, event: &Event) {
        use EventKind::{Completed, Discarded, Enqueued, RetriedByHand};
        let Some(job) = event.job else { return };
        let before = self.0.insert(job, event.kind);
        // Of a job that was told of before a gap, anything may be the first.
        let Some(before) = before else { return };
        let over = before.is_end() || before == Discarded;
        let allowed = match event.kind {
            // A job under the same id, after the end of the one before it.
            Enqueued => over,
            RetriedByHand => before != Discarded && before != Completed,
            Discarded => before != Discarded,
            _ => !over,
        };
        assert!(allowed, "{} behind {before}: {event:?}", event.kind);
        let starts = matches!(before, EventKind::Started | EventKind::Progress);
        let needs_start = matches!(
            event.kind,
            EventKind::Progress
                | EventKind::Retried
                | EventKind::Snoozed
                | EventKind::PutOff
                | EventKind::Released
                | EventKind::Reclaimed
                | EventKind::Completed
        );
        assert!(starts || !needs_start, "{} behind {before}: nobody ran it", event.kind);
    }
}
