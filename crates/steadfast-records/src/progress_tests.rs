use super::*;
use proptest::prelude::*;
use steadfast_core::message::AccountSid;

fn fresh() -> Progress {
    Progress {
        state: OutboxState::Pending,
        sid: None,
        delivery: None,
        error_code: None,
        reason: None,
        claim: None,
        first_try_ms: None,
        absent_reads: 0,
        lost_claims: 0,
        created_ms: 500,
    }
}

fn sid(number: u8) -> MessageSid {
    MessageSid::parse(format!("SM{number:032x}")).expect("valid")
}

fn callback(number: u8, status: &str) -> StatusCallback {
    StatusCallback {
        sid: sid(number),
        account: AccountSid::parse("AC00000000000000000000000000000000").expect("valid"),
        status: status.to_owned(),
        error_code: None,
        outbox_id: None,
        received_ms: 0,
    }
}

fn take(progress: &mut Progress, now_ms: i64) -> Verdict {
    progress.take(now_ms, 1_000, &mut Vec::new())
}

fn report(progress: &mut Progress, outcome: &SendRecord) -> Result<(), String> {
    progress.report(outcome, &mut Vec::new())
}

#[test]
fn a_claim_that_ran_out_is_ambiguous_and_never_unsent() {
    let mut reply = fresh();
    assert_eq!(take(&mut reply, 1_000), Verdict::Granted);
    assert_eq!(take(&mut reply, 1_400), Verdict::Held { for_ms: 600 });
    assert_eq!(take(&mut reply, 2_000), Verdict::Ambiguous);
    assert_eq!(take(&mut reply, 9_000), Verdict::Ambiguous);
    assert_eq!((reply.first_try_ms, reply.lost_claims), (Some(1_000), 1));
}

#[test]
fn a_clock_set_back_holds_a_claim_no_longer_than_its_time() {
    let mut reply = fresh();
    assert_eq!(take(&mut reply, 10_000_000), Verdict::Granted);
    assert_eq!(take(&mut reply, 5_000), Verdict::Held { for_ms: 1_000 });
    assert_eq!(take(&mut reply, 5_900), Verdict::Held { for_ms: 100 });
    assert_eq!(take(&mut reply, 6_000), Verdict::Ambiguous);
}

#[test]
fn a_clock_set_back_makes_a_doubt_count_from_now_on() {
    let mut reply = fresh();
    take(&mut reply, 10_000_000);
    assert_eq!(take(&mut reply, 10_001_000), Verdict::Ambiguous);
    assert_eq!(reply.first_try_ms, Some(10_000_000));
    assert_eq!(take(&mut reply, 5_000), Verdict::Ambiguous);
    assert_eq!(take(&mut reply, 9_000), Verdict::Ambiguous);
    assert_eq!(reply.first_try_ms, Some(5_000));
}

#[test]
fn an_absurd_hold_is_bounded() {
    let mut reply = fresh();
    assert_eq!(reply.take(0, i64::MAX, &mut Vec::new()), Verdict::Granted);
    assert_eq!(take(&mut reply, HOLD_MS_MAX), Verdict::Ambiguous);
    let mut reply = fresh();
    assert_eq!(reply.take(0, -5, &mut Vec::new()), Verdict::Granted);
    assert_eq!(take(&mut reply, 0), Verdict::Held { for_ms: 1 });
}

#[test]
fn not_sent_clears_the_entry_for_the_next_try() {
    let mut reply = fresh();
    take(&mut reply, 1_000);
    report(&mut reply, &SendRecord::NotSent).expect("believed");
    assert_eq!(reply, fresh());
    assert_eq!(take(&mut reply, 1_001), Verdict::Granted);
}

/// A sleeps through its claim; B searches, finds nothing, and takes the entry. A wakes and says that it
/// sent nothing: true of A, but B may be sending.
#[test]
fn a_sleeper_cannot_clear_anothers_claim() {
    let mut reply = fresh();
    take(&mut reply, 0);
    assert_eq!(take(&mut reply, 2_000), Verdict::Ambiguous);
    report(&mut reply, &SendRecord::AbsentFromList).expect("counted");
    report(&mut reply, &SendRecord::NotSent).expect("believed after a search");
    assert_eq!(take(&mut reply, 3_000), Verdict::Granted);
    report(&mut reply, &SendRecord::NotSent).expect("taken as doubt");
    assert_eq!(reply.state, OutboxState::Ambiguous);
    report(&mut reply, &SendRecord::NotSent).expect("still no evidence");
    assert_eq!(reply.state, OutboxState::Ambiguous);
}

#[test]
fn a_late_doubt_reaches_even_a_cleared_entry() {
    let mut reply = fresh();
    report(&mut reply, &SendRecord::Ambiguous).expect("recorded");
    assert_eq!((reply.state, reply.first_try_ms), (OutboxState::Ambiguous, Some(500)));
}

#[test]
fn settled_stays_settled_and_a_second_message_is_told() {
    let mut reply = fresh();
    take(&mut reply, 0);
    report(&mut reply, &SendRecord::Sent { sid: sid(1) }).expect("sent");
    for outcome in [
        SendRecord::NotSent,
        SendRecord::Ambiguous,
        SendRecord::AbsentFromList,
        SendRecord::Failed { error_code: Some(1) },
        SendRecord::Suppressed { reason: "opted_out" },
        SendRecord::Sent { sid: sid(1) },
    ] {
        let before = reply.clone();
        report(&mut reply, &outcome).expect("ignored");
        assert_eq!(reply, before);
    }
    let mut notes = Vec::new();
    assert!(reply.report(&SendRecord::Sent { sid: sid(2) }, &mut notes).is_err());
    assert_eq!((reply.sid, notes[0].stage.as_str()), (Some(sid(1)), "sent_twice"));
}

#[test]
fn a_callback_is_proof_even_of_what_was_given_up() {
    let mut reply = fresh();
    report(&mut reply, &SendRecord::Failed { error_code: Some(63_016) }).expect("failed");
    assert!(reply.observe(&callback(7, "delivered"), &mut Vec::new()));
    assert_eq!((reply.state, reply.sid), (OutboxState::Failed, Some(sid(7))));
    assert_eq!(reply.delivery, Some(DeliveryStatus::Delivered));
}

#[test]
fn words_from_outside_are_made_plain() {
    assert_eq!(plain_word("some_new_state"), "some_new_state");
    assert_eq!(plain_word("<b>\u{0}x</b>\n"), "bxb");
    assert_eq!(plain_word("…"), "unknown_status");
    assert_eq!(plain_word(&"x".repeat(500)).len(), 40);
}

#[derive(Debug, Clone)]
enum Step {
    Take(u16),
    Report(SendRecord),
    Callback(u8, &'static str),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let words = ["queued", "sending", "sent", "delivered", "read", "failed", "undelivered", "news"];
    let report = prop_oneof![
        (1_u8..3).prop_map(|number| SendRecord::Sent { sid: sid(number) }),
        Just(SendRecord::NotSent),
        Just(SendRecord::Ambiguous),
        Just(SendRecord::AbsentFromList),
        Just(SendRecord::Failed { error_code: Some(30_003) }),
        Just(SendRecord::Suppressed { reason: "opted_out" }),
    ];
    let step = prop_oneof![
        4 => (0_u16..2_000).prop_map(Step::Take),
        4 => report.prop_map(Step::Report),
        2 => (1_u8..3, prop::sample::select(words.to_vec())).prop_map(|(n, word)| Step::Callback(n, word)),
    ];
    prop::collection::vec(step, 0..60)
}

proptest! {
    #[test]
    fn whatever_happens_the_promises_hold(steps in steps()) {
        let mut reply = fresh();
        let mut now_ms = 1_000;
        for step in steps {
            let before = reply.clone();
            match step {
                Step::Take(passed_ms) => {
                    now_ms += i64::from(passed_ms);
                    let verdict = take(&mut reply, now_ms);
                    // A send is allowed from nowhere but "pending".
                    prop_assert_eq!(verdict == Verdict::Granted, before.state == OutboxState::Pending);
                }
                Step::Report(outcome) => {
                    let _ = report(&mut reply, &outcome);
                }
                Step::Callback(number, word) => {
                    reply.observe(&callback(number, word), &mut Vec::new());
                }
            }
            if before.state.is_settled() {
                prop_assert_eq!(reply.state, before.state);
            }
            if before.sid.is_some() {
                prop_assert_eq!(&reply.sid, &before.sid);
            }
            prop_assert_eq!(reply.claim.is_some(), reply.state == OutboxState::Sending);
            prop_assert!(reply.state != OutboxState::Sent || reply.sid.is_some());
            prop_assert!(reply.state != OutboxState::Ambiguous || reply.first_try_ms.is_some());
            // Back to pending only by a report, never once a claim was lost and nobody searched.
            if reply.state == OutboxState::Pending && before.state != OutboxState::Pending {
                prop_assert!(before.lost_claims == 0 || before.absent_reads > 0);
            }
            let moved_back = reply.delivery.is_none_or(|now| {
                DeliveryStatus::advance(Some(now), before.delivery.unwrap_or(now)).is_some()
            });
            prop_assert!(before.delivery.is_none() || !moved_back);
        }
    }
}

#[test]
fn only_a_failed_reply_is_reopened_and_one_in_doubt_is_looked_up_first() {
    let mut reply = fresh();
    take(&mut reply, 1_000);
    assert_eq!(report(&mut reply, &SendRecord::Reopened), Ok(()));
    assert_eq!(reply.state, OutboxState::Sending);
    report(&mut reply, &SendRecord::Failed { error_code: Some(21_211) }).expect("plain");
    report(&mut reply, &SendRecord::Reopened).expect("plain");
    assert_eq!((reply.state, reply.error_code), (OutboxState::Pending, None));

    reply.lost_claims = 1;
    report(&mut reply, &SendRecord::Failed { error_code: None }).expect("plain");
    report(&mut reply, &SendRecord::Reopened).expect("plain");
    assert_eq!(reply.state, OutboxState::Ambiguous);
    report(&mut reply, &SendRecord::Sent { sid: sid(1) }).expect("plain");
    report(&mut reply, &SendRecord::Reopened).expect("plain");
    assert_eq!(reply.state, OutboxState::Sent);
}
