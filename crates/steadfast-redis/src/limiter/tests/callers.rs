//! Many callers at once, on real threads.

use super::*;
use futures::future::{Either, select};
use std::pin::pin;
use std::sync::atomic::{AtomicU32, Ordering};
use tokio_util::task::TaskTracker;

const LIMIT: u32 = 7;

async fn turns(turns: u16) {
    for _ in 0..turns {
        tokio::task::yield_now().await;
    }
}

/// Callers of all classes who wait, give up at random moments, hold their ticket for a while and end in any way.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn under_random_cancels_the_limit_holds_and_no_slot_is_lost() {
    let config = LimiterConfig {
        initial: LIMIT,
        least: LIMIT,
        most: LIMIT,
        waiting_most: [64, 64, 64],
        ..LimiterConfig::default()
    };
    let limiter = Limiter::new(config, SystemClock::shared()).expect("good");
    let (under_way, most) = (Arc::new(AtomicU32::new(0)), Arc::new(AtomicU32::new(0)));
    let tasks = TaskTracker::new();
    for seed in 0..200 {
        let (limiter, under_way, most) = (limiter.clone(), Arc::clone(&under_way), Arc::clone(&most));
        tasks.spawn(async move {
            let mut dice = fastrand::Rng::with_seed(seed);
            for _ in 0..100 {
                let class = Class::ALL[dice.usize(..3)];
                // Patience in turns of the scheduler, not in time: however busy the machine, many are served and
                // many give up. Some deadlines pass as well.
                let deadline = if dice.u8(..4) == 0 { dice.u64(..3) } else { 60_000 };
                let wait = pin!(limiter.acquire(class, in_ms(deadline)));
                let patience = pin!(turns(dice.u16(..200)));
                let Either::Left((Ok(ticket), _)) = select(wait, patience).await else { continue };
                most.fetch_max(under_way.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                turns(dice.u16(..4)).await;
                under_way.fetch_sub(1, Ordering::SeqCst);
                match dice.u8(..3) {
                    0 => ticket.done(ms(1)),
                    1 => ticket.dropped(),
                    _ => drop(ticket),
                }
            }
        });
    }
    tasks.close();
    tokio::time::timeout(Duration::from_secs(60), tasks.wait()).await.expect("nobody hangs");
    assert!(most.load(Ordering::SeqCst) <= LIMIT, "{most:?}");
    assert_eq!(load(&limiter), (0, 0));
    let again: Vec<_> = std::iter::from_fn(|| limiter.try_acquire(Class::Critical).ok()).collect();
    assert_eq!(again.len() as u32, LIMIT, "every slot is there");
    let admitted: u64 = limiter.snapshot().classes.iter().map(|class| class.admitted).sum();
    assert!(admitted > 500, "the test did something: {admitted}");
}

/// With everything else in flood, a critical caller waits for nobody.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn critical_callers_never_starve() {
    let (limiter, _clock) = fixed(10);
    let tasks = TaskTracker::new();
    let stop = tokio_util::sync::CancellationToken::new();
    for turn in 0..100 {
        let (limiter, stop) = (limiter.clone(), stop.clone());
        tasks.spawn(async move {
            let class = if turn % 2 == 0 { Class::Normal } else { Class::Background };
            while !stop.is_cancelled() {
                let _ticket = limiter.acquire(class, in_ms(1_000)).await;
                tokio::task::yield_now().await;
            }
        });
    }
    for _ in 0..1_000 {
        limiter.try_acquire(Class::Critical).expect("its share is free, at every moment").ignored();
        tokio::task::yield_now().await;
    }
    stop.cancel();
    tasks.close();
    tokio::time::timeout(Duration::from_secs(60), tasks.wait()).await.expect("nobody hangs");
}

/// Futures and tickets go where they like.
#[tokio::test]
async fn what_is_handed_out_can_be_sent() {
    fn sent(_: &(impl Send + 'static)) {}
    let (limiter, _clock) = fixed(1);
    sent(&limiter.try_acquire(Class::Normal));
    let owned = limiter.clone();
    sent(&async move { owned.acquire(Class::Normal, Instant::now()).await });
}
