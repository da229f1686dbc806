//! What becomes of an accepted message, and when: pure, so that every order of callbacks can be tested.

use crate::config::StatusTiming;
use crate::message::Status;
use crate::sid::Random;
use std::time::Duration;

/// The end a message is meant to come to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fate {
    /// It arrives.
    Deliver,
    /// The channel refuses it.
    Fail(u32),
    /// The channel takes it, the person never gets it.
    Undeliver(u32),
    /// Nothing is ever heard of it.
    Stay,
}

/// One thing to happen, counted from the acceptance.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Step {
    pub(crate) after: Duration,
    pub(crate) status: Status,
    pub(crate) error: Option<u32>,
    pub(crate) act: Act,
}

/// What happens at a step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Act {
    /// The record moves on.
    Move,
    /// A callback leaves.
    Call,
}

/// The steps of one message, in no particular order.
pub(crate) fn plan(timing: &StatusTiming, fate: Fate, random: &mut Random) -> Vec<Step> {
    if !timing.enabled || fate == Fate::Stay {
        return Vec::new();
    }
    let sent_after = timing.sent_after;
    let end_after = timing.delivered_after.max(sent_after);
    let mut moves = vec![(Duration::ZERO, Status::Queued, None)];
    match fate {
        Fate::Deliver | Fate::Stay => {
            moves.push((sent_after, Status::Sent, None));
            moves.push((end_after, Status::Delivered, None));
            if let Some(read_after) = timing.read_after {
                moves.push((read_after.max(end_after), Status::Read, None));
            }
        }
        Fate::Fail(code) => moves.push((sent_after, Status::Failed, Some(code))),
        Fate::Undeliver(code) => {
            moves.push((sent_after, Status::Sent, None));
            moves.push((end_after, Status::Undelivered, Some(code)));
        }
    }
    let shuffled = random.chance(timing.out_of_order_percent);
    let mut steps = Vec::with_capacity(moves.len() * 2);
    for (after, status, error) in moves {
        if status != Status::Queued {
            steps.push(Step { after, status, error, act: Act::Move });
        }
        let late = if shuffled && status == Status::Sent {
            end_after.saturating_sub(after) + Duration::from_millis(50 + random.next() % 200)
        } else {
            Duration::ZERO
        };
        let call = Step { after: after + late, status, error, act: Act::Call };
        steps.push(call);
        if random.chance(timing.duplicate_percent) {
            steps.push(Step { after: call.after + Duration::from_millis(20 + random.next() % 500), ..call });
        }
    }
    steps
}

#[cfg(test)]
mod tests {
    use super::*;

    fn calls(timing: &StatusTiming, fate: Fate) -> Vec<&'static str> {
        let mut steps = plan(timing, fate, &mut Random::new(3));
        steps.retain(|step| step.act == Act::Call);
        steps.sort_by_key(|step| step.after);
        steps.iter().map(|step| step.status.as_str()).collect()
    }

    #[test]
    fn in_order_by_default() {
        let timing = StatusTiming::default();
        assert_eq!(calls(&timing, Fate::Deliver), ["queued", "sent", "delivered"]);
        assert_eq!(calls(&timing, Fate::Fail(63016)), ["queued", "failed"]);
        assert_eq!(calls(&timing, Fate::Undeliver(63024)), ["queued", "sent", "undelivered"]);
        assert!(calls(&timing, Fate::Stay).is_empty());
        let reading = StatusTiming { read_after: Some(Duration::ZERO), ..timing };
        assert_eq!(calls(&reading, Fate::Deliver), ["queued", "sent", "delivered", "read"]);
    }

    #[test]
    fn out_of_order_and_twice_on_request() {
        let late = StatusTiming { out_of_order_percent: 100, ..StatusTiming::default() };
        assert_eq!(calls(&late, Fate::Deliver), ["queued", "delivered", "sent"]);
        let twice = StatusTiming { duplicate_percent: 100, ..StatusTiming::default() };
        assert_eq!(calls(&twice, Fate::Deliver).len(), 6);
    }

    #[test]
    fn the_record_itself_moves_in_order_even_then() {
        let late =
            StatusTiming { out_of_order_percent: 100, duplicate_percent: 100, ..StatusTiming::default() };
        let mut moves = plan(&late, Fate::Deliver, &mut Random::new(3));
        moves.retain(|step| step.act == Act::Move);
        moves.sort_by_key(|step| step.after);
        let statuses: Vec<Status> = moves.iter().map(|step| step.status).collect();
        assert_eq!(statuses, [Status::Sent, Status::Delivered]);
    }
}
