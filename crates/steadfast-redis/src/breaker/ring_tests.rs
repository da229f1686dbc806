use super::*;

const GOOD: Mark = Mark { failed: false, slow: false };
#[cfg(steadfast_loom)]
const BAD: Mark = Mark { failed: true, slow: false };

#[cfg(not(steadfast_loom))]
mod plain {
    use super::*;
    use proptest::prelude::*;
    use std::collections::VecDeque;

    const SHAPE: Shape = Shape { buckets: 10, bucket_ms: 1_000 };

    fn calls(ring: &Ring, now_ms: u64, epoch: u64) -> u64 {
        ring.totals(now_ms, epoch).calls
    }

    #[test]
    fn a_result_leaves_the_window_with_its_bucket() {
        let ring = Ring::new(SHAPE);
        assert_eq!(ring.record(500, 1, Mark { failed: true, slow: true }), Some(1));
        assert_eq!(ring.record(999, 1, GOOD), Some(2));
        assert_eq!(ring.totals(9_999, 1), Totals { calls: 2, failed: 1, slow: 1 });
        assert_eq!(ring.totals(10_000, 1), Totals::default());
    }

    #[test]
    fn a_new_epoch_starts_empty_and_hears_nothing_of_the_old() {
        let ring = Ring::new(SHAPE);
        for at_ms in (0..10_000).step_by(100) {
            ring.record(at_ms, 1, GOOD);
        }
        assert_eq!(calls(&ring, 9_999, 2), 0);
        ring.record(9_999, 2, GOOD);
        for at_ms in (9_999..30_000).step_by(7) {
            ring.record(at_ms, 1, GOOD);
        }
        assert_eq!(calls(&ring, 9_999, 2), 1, "not one late result got in or pushed one out");
    }

    #[test]
    fn a_full_bucket_keeps_its_rates() {
        let ring = Ring::with_room(1, Shape { buckets: 1, bucket_ms: 1_000 });
        let stamp = ring.shape().stamp(0, 1);
        let full = stamp << COUNT_BITS | COUNT_MASK;
        ring.buckets[0].calls.store(full, Ordering::Relaxed);
        assert_eq!(ring.record(0, 1, Mark { failed: true, slow: true }), None);
        assert_eq!(ring.totals(0, 1), Totals { calls: COUNT_MASK, failed: 0, slow: 0 });
    }

    #[test]
    fn every_change_of_shape_starts_empty_whichever_way_it_goes() {
        let ring = Ring::new(SHAPE);
        let mut epoch = 1;
        for (now_ms, buckets, bucket_ms) in
            [(5_000_000, 60, 100), (5_000_050, 3, 10_000), (5_000_060, 60, 100), (5_000_070, 1, 10_000)]
        {
            // Every bucket is in use: whatever is recorded after the change meets an older stamp.
            for ago in (0..60).rev() {
                ring.record(now_ms - ago * 100, epoch, GOOD);
            }
            let old = epoch;
            epoch = ring.reshape(Shape { buckets, bucket_ms }, now_ms, epoch);
            assert!(epoch > old);
            assert_eq!(calls(&ring, now_ms, epoch), 0);
            ring.record(now_ms, old, GOOD);
            assert_eq!(calls(&ring, now_ms, epoch), 0, "late");
            assert_eq!(ring.record(now_ms, epoch, GOOD), Some(1));
            assert_eq!(calls(&ring, now_ms, epoch), 1);
        }
    }

    #[test]
    fn many_threads_lose_nothing() {
        let ring = Ring::new(SHAPE);
        std::thread::scope(|scope| {
            for thread in 0..8_u64 {
                let ring = &ring;
                scope.spawn(move || {
                    for turn in 0..5_000_u64 {
                        ring.record(turn, 1, Mark { failed: thread % 2 == 0, slow: thread == 7 });
                    }
                });
            }
        });
        assert_eq!(ring.totals(4_999, 1), Totals { calls: 40_000, failed: 20_000, slow: 5_000 });
    }

    proptest! {
        /// Against a list of everything that was ever recorded.
        #[test]
        fn counts_what_a_list_counts(
            buckets in 1_u32..=60, bucket_ms in 100_u64..3_000,
            steps in prop::collection::vec((0_u64..4_000, 0_u8..20, any::<bool>(), any::<bool>()), 1..200),
        ) {
            let shape = Shape { buckets, bucket_ms };
            let ring = Ring::new(shape);
            let mut list = VecDeque::new();
            let (mut now_ms, mut epoch) = (0, 1);
            for (passed_ms, what, failed, slow) in steps {
                match what {
                    0 => epoch += 1,
                    1 => drop(ring.record(now_ms, epoch - 1, Mark { failed, slow })),
                    2..=5 => now_ms += passed_ms,
                    _ => {
                        ring.record(now_ms, epoch, Mark { failed, slow });
                        list.push_back((now_ms / bucket_ms, epoch, failed, slow));
                    }
                }
                let tick = now_ms / bucket_ms;
                let in_window = |entry: &&(u64, u64, bool, bool)|
                    entry.1 == epoch && entry.0 + u64::from(buckets) > tick;
                let window: Vec<_> = list.iter().filter(in_window).collect();
                let expected = Totals {
                    calls: window.len() as u64,
                    failed: window.iter().filter(|entry| entry.2).count() as u64,
                    slow: window.iter().filter(|entry| entry.3).count() as u64,
                };
                prop_assert_eq!(ring.totals(now_ms, epoch), expected);
            }
        }
    }
}

/// All orders, by loom. One bucket, so that everyone meets everyone. Everyone is a thread of their own: what the model's
/// main thread does is not tried in all orders.
#[cfg(steadfast_loom)]
mod loom_checked {
    use super::super::super::event::State;
    use super::super::super::gate::{Gate, Sign};
    use super::*;
    use loom::sync::Arc;
    use loom::thread;

    const ONE: Shape = Shape { buckets: 1, bucket_ms: 1_000 };

    fn ring() -> Arc<Ring> {
        Arc::new(Ring::with_room(1, ONE))
    }

    fn sign(state: State, epoch: u64) -> Sign {
        Sign::new(state, None, epoch)
    }

    /// Runs `act` on the ring beside the others.
    fn beside<T: 'static>(ring: &Arc<Ring>, act: impl FnOnce(&Ring) -> T + 'static) -> thread::JoinHandle<T> {
        let ring = ring.clone();
        thread::spawn(move || act(&ring))
    }

    #[test]
    fn loom_no_count_is_lost() {
        loom::model(|| {
            let ring = ring();
            let one = beside(&ring, |ring| (ring.record(0, 1, BAD), ring.record(1, 1, GOOD)));
            let two = beside(&ring, |ring| ring.record(2, 1, BAD));
            one.join().expect("no panic");
            two.join().expect("no panic");
            assert_eq!(ring.totals(3, 1), Totals { calls: 3, failed: 2, slow: 0 });
        });
    }

    #[test]
    fn loom_a_bucket_used_anew_keeps_only_the_new() {
        loom::model(|| {
            let ring = ring();
            ring.record(0, 1, BAD);
            let late = beside(&ring, |ring| ring.record(999, 1, BAD));
            let new = beside(&ring, |ring| ring.record(1_000, 1, GOOD));
            assert_eq!(new.join().expect("no panic"), Some(1));
            late.join().expect("no panic");
            assert_eq!(ring.totals(1_000, 1), Totals { calls: 1, failed: 0, slow: 0 });
        });
    }

    /// A reader beside a writer at `at_ms`, when two have failed before.
    fn reader_beside_a_failure(at_ms: u64) {
        loom::model(move || {
            let ring = ring();
            ring.record(0, 1, BAD);
            ring.record(0, 1, BAD);
            let writer = beside(&ring, move |ring| ring.record(at_ms, 1, BAD));
            let reader = beside(&ring, |ring| ring.totals(2, 1));
            let seen = reader.join().expect("no panic");
            writer.join().expect("no panic");
            assert!(seen.failed <= seen.calls, "{seen:?}");
        });
    }

    #[test]
    fn loom_no_failure_is_seen_without_its_call() {
        reader_beside_a_failure(1);
    }

    #[test]
    fn loom_a_bucket_half_used_anew_is_not_misread() {
        reader_beside_a_failure(1_000);
    }

    /// A caller who was admitted by the gate, beside one who changes what `change` changes and then records under the
    /// epoch it returns: only what was admitted in that epoch is counted with it.
    fn late_result(change: fn(&Ring, &Gate) -> u64) {
        loom::model(move || {
            let ring = ring();
            let gate = Arc::new(Gate::new(sign(State::Closed, 1)));
            let callers_gate = gate.clone();
            // Without the check that spares work: only the stamp may be relied upon.
            let caller = beside(&ring, move |ring| {
                let epoch = callers_gate.read().epoch();
                ring.record(5_000, epoch, BAD);
                epoch
            });
            let changer = beside(&ring, move |ring| {
                let epoch = change(ring, &gate);
                ring.record(5_000, epoch, GOOD);
                epoch
            });
            let (theirs, epoch) = (caller.join().expect("no panic"), changer.join().expect("no panic"));
            let failed = u64::from(theirs == epoch);
            assert_eq!(ring.totals(5_000, epoch), Totals { calls: 1 + failed, failed, slow: 0 });
        });
    }

    #[test]
    fn loom_a_late_result_never_enters_another_epoch() {
        late_result(|_, gate| {
            gate.write(sign(State::Open, 2));
            gate.write(sign(State::Closed, 3));
            3
        });
    }

    #[test]
    fn loom_a_change_of_shape_starts_empty() {
        for bucket_ms in [100, 10_000] {
            let change: fn(&Ring, &Gate) -> u64 = match bucket_ms {
                100 => |ring, gate| reshape(ring, gate, 100),
                _ => |ring, gate| reshape(ring, gate, 10_000),
            };
            late_result(change);
        }
    }

    fn reshape(ring: &Ring, gate: &Gate, bucket_ms: u64) -> u64 {
        let epoch = ring.reshape(Shape { buckets: 1, bucket_ms }, 5_000, 1);
        gate.write(sign(State::Closed, epoch));
        epoch
    }
}
