use super::*;
use crate::Priority;
use crate::job::Unique;
use crate::state::State;
use bytes::Bytes;
use proptest::prelude::*;
use std::collections::BTreeMap;

fn job() -> Job {
    Job {
        id: JobId([7; 16]),
        queue: "q".into(),
        kind: "k".into(),
        payload: Bytes::new(),
        codec: 0,
        priority: Priority::Normal,
        state: State::Running,
        enqueued_ms: 0,
        run_at_ms: 0,
        finished_ms: None,
        group: None,
        attempt: 1,
        crash_count: 0,
        retry: None,
        timeout_ms: 250,
        expires_ms: None,
        parent: None,
        correlation_id: "c-1".into(),
        metadata: BTreeMap::new(),
        batch: None,
        waits_for: None,
        history: Vec::new(),
        progress: None,
        log: Vec::new(),
    }
}

const INTERRUPTS: [Option<Interrupt>; 6] = [
    None,
    Some(Interrupt::TimedOut),
    Some(Interrupt::Cancelled),
    Some(Interrupt::LeaseLost),
    Some(Interrupt::Draining),
    Some(Interrupt::Aborted),
];

fn outcome_of(interrupt: Option<Interrupt>, end: End) -> Option<(JobOutcome, Option<String>)> {
    decide(&job(), interrupt, end).map(|decision| {
        let error = match decision.verdict {
            Verdict::Retry { failure, .. } | Verdict::Dead { failure } => Some(failure.error),
            _ => None,
        };
        (decision.outcome, error)
    })
}

#[test]
fn finished_work_counts_unless_the_lease_is_lost() {
    for interrupt in INTERRUPTS {
        let outcome = outcome_of(interrupt, End::Said(Outcome::done())).map(|(outcome, _)| outcome);
        let expected = (interrupt != Some(Interrupt::LeaseLost)).then_some(JobOutcome::Completed);
        assert_eq!(outcome, expected, "{interrupt:?}");
    }
}

#[test]
fn a_lost_lease_silences_everything() {
    for end in [End::Silent, End::Panicked("p".into()), End::Said(Outcome::Dead(Failure::new("e", "m")))] {
        assert!(outcome_of(Some(Interrupt::LeaseLost), end).is_none());
    }
}

#[test]
fn a_failure_after_an_interrupt_is_the_interrupts() {
    let said = || End::Said(Outcome::Retry(Failure::new("echo", "was told to stop"), None));
    for end in [said as fn() -> End, || End::Silent] {
        let timed_out = outcome_of(Some(Interrupt::TimedOut), end());
        assert_eq!(timed_out, Some((JobOutcome::Retried, Some("timeout".into()))));
        let cancelled = outcome_of(Some(Interrupt::Cancelled), end());
        assert_eq!(cancelled, Some((JobOutcome::Cancelled, None)));
        for stop in [Interrupt::Draining, Interrupt::Aborted] {
            assert_eq!(outcome_of(Some(stop), end()), Some((JobOutcome::Released, None)));
        }
    }
    assert_eq!(outcome_of(None, said()), Some((JobOutcome::Retried, Some("echo".into()))));
}

#[test]
fn a_panic_is_a_failed_attempt() {
    let panicked = outcome_of(None, End::Panicked("it broke".into()));
    assert_eq!(panicked, Some((JobOutcome::Retried, Some("panic".into()))));
}

#[test]
fn follow_ups_get_the_same_ids_at_every_run() {
    let run = || {
        let own =
            NewJob { id: Some(JobId([9; 16])), correlation_id: "own".into(), ..NewJob::new("a", "k", "") };
        let unique = NewJob { unique: Some(Unique::new("u")), ..NewJob::new("b", "k", "") };
        let outcome =
            Outcome::Complete(vec![NewJob::new("a", "k", ""), own, unique, NewJob::new("a", "k", "")]);
        decide(&job(), None, End::Said(outcome)).expect("a decision").follow_ups
    };
    let (first, second) = (run(), run());
    let ids = |jobs: &[NewJob]| jobs.iter().map(NewJob::resolve_id).collect::<Vec<_>>();
    assert_eq!(ids(&first), ids(&second));
    assert_ne!(first[0].id, first[3].id);
    assert_eq!(first[1].id, Some(JobId([9; 16])));
    assert_eq!(first[2].id, None, "the unique key decides");
    assert!(first.iter().all(|job| job.parent == Some(JobId([7; 16]))));
    assert_eq!((&*first[0].correlation_id, &*first[1].correlation_id), ("c-1", "own"));
}

#[test]
fn a_rejected_follow_up_waits_for_room_or_is_dead() {
    let wait = Duration::from_secs(5);
    let full = after_rejection(Rejection::QueueFull { waiting: 1, max: 1 }, wait);
    assert_eq!(full.verdict, Verdict::Snooze { after_ms: 5_000 });
    let full = after_rejection(Rejection::BytesFull { bytes: 1, max: 1 }, wait);
    assert_eq!(full.verdict, Verdict::Snooze { after_ms: 5_000 });
    for hopeless in [Rejection::BadName, Rejection::TooLarge { bytes: 2, max: 1 }] {
        assert!(matches!(after_rejection(hopeless, wait).verdict, Verdict::Dead { .. }));
    }
}

#[test]
fn panic_messages_are_cut_and_masked() {
    let of = |panic: Box<dyn Any + Send>| panic_message(&*panic);
    assert_eq!(of(Box::new("plain")), "plain");
    assert_eq!(of(Box::new(" no number +4915112345678 here ".to_owned())), "no number +############# here");
    assert_eq!(
        of(Box::new("index out of bounds: the len is 3 but the index is 1024".to_owned()))
            .matches('#')
            .count(),
        0
    );
    assert_eq!(of(Box::new("x".repeat(1_000))).len(), PANIC_CHARS_MAX);
    assert_eq!(of(Box::new(5_u8)), "the panic carried no text");
}

proptest! {
    #[test]
    fn no_long_run_of_digits_survives(said in any::<String>()) {
        let masked = mask_digits(&said);
        let longest = masked.split(|c: char| !c.is_numeric()).map(|run| run.chars().count()).max();
        prop_assert!(longest.unwrap_or(0) <= 4);
        prop_assert!(masked.chars().count() <= PANIC_CHARS_MAX);
    }
}
