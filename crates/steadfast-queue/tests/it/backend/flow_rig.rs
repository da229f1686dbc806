//! Settings for tests: arbitrary ones, and short words for single ones.

use super::rig::{QUEUE, Rig};
use proptest::prelude::*;
use steadfast_queue::backend::Control;
use steadfast_queue::policy::RetryPolicy;
use steadfast_queue::settings::{GroupOnDead, RetentionSettings};
use steadfast_queue::{QueueSettings, Rate};

/// A schedule without chance in it.
pub(super) fn schedule(delays_ms: &[u64]) -> Option<RetryPolicy> {
    RetryPolicy::new(delays_ms, 0.0).ok()
}

fn rate() -> impl Strategy<Value = Rate> {
    (1_u32..4, prop_oneof![Just(30_u64), Just(100), Just(700)], 1_u32..3)
        .prop_map(|(jobs, per_ms, burst)| Rate { jobs, per_ms, burst })
}

/// Settings in small numbers, each of which matters now and then.
pub(super) fn settings() -> impl Strategy<Value = QueueSettings> {
    let retry = prop_oneof![Just(schedule(&[10, 200])), Just(schedule(&[30])), Just(schedule(&[]))];
    let maybe = |weight, max| proptest::option::weighted(weight, 1_u64..max);
    // No fewer completed ones than one call may settle: see what is kept of more than that in `bounds`.
    let retention =
        (proptest::option::weighted(0.2, 4_u64..7), maybe(0.2, 4), maybe(0.2, 90), maybe(0.2, 900)).prop_map(
            |(completed_max, cancelled_max, bytes_max, age_max_ms)| RetentionSettings {
                completed_max,
                cancelled_max,
                bytes_max,
                age_max_ms,
            },
        );
    let group = (
        proptest::option::weighted(0.4, rate()),
        proptest::option::weighted(0.5, 1_u32..4),
        proptest::option::weighted(0.5, prop_oneof![Just(GroupOnDead::Continue), Just(GroupOnDead::Block)]),
    );
    let own = (proptest::option::weighted(0.3, rate()), maybe(0.3, 4));
    (retry, maybe(0.2, 14), maybe(0.2, 300), retention, own, group).prop_map(
        |(retry, waiting_max, bytes_max, retention, own, group)| QueueSettings {
            retry,
            waiting_max,
            bytes_max,
            retention,
            rate: own.0,
            concurrency_max: own.1,
            group_rate: group.0,
            group_concurrency: group.1,
            group_on_dead: group.2,
        },
    )
}

pub(super) fn configure(queue: &str, settings: QueueSettings) -> Control {
    Control::Configure { queue: queue.to_owned(), settings: Box::new(settings) }
}

impl Rig {
    /// Gives the queue of the tests these settings, which must be others than it has.
    pub(super) async fn configure(&self, settings: QueueSettings) {
        assert_eq!(self.control(configure(QUEUE, settings)).await.affected, 1);
    }
}
