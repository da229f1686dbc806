//! Standing in line: order, deadlines, giving up.

use super::*;
use futures::FutureExt;
use futures::future::poll_immediate;
use std::pin::pin;

#[tokio::test(start_paused = true)]
async fn first_come_first_served() {
    let (limiter, _clock) = fixed(1);
    let held = limiter.try_acquire(Class::Normal).expect("free");
    let mut first = pin!(limiter.acquire(Class::Normal, in_ms(1_000)));
    let mut second = pin!(limiter.acquire(Class::Normal, in_ms(1_000)));
    assert!(poll_immediate(&mut first).await.is_none());
    assert!(poll_immediate(&mut second).await.is_none());
    assert_eq!(limiter.try_acquire(Class::Normal).expect_err("taken").reason, Shed::NoSlot);
    held.done(ms(1));
    assert!(poll_immediate(&mut second).await.is_none());
    let ticket = first.await.expect("its turn");
    assert_eq!(load(&limiter), (1, 1));
    ticket.ignored();
    second.await.expect("its turn").dropped();
    assert_eq!(load(&limiter), (0, 0));
}

#[tokio::test(start_paused = true)]
async fn who_waits_too_long_leaves() {
    let (limiter, _clock) = fixed(1);
    let _held = limiter.try_acquire(Class::Normal).expect("free");
    let began = Instant::now();
    let refused = limiter.acquire(Class::Normal, in_ms(250)).await.expect_err("nobody left");
    assert_eq!(began.elapsed(), ms(250));
    assert_eq!(
        (refused.reason, refused.in_flight, refused.limit, refused.waiting),
        (Shed::DeadlinePassed, 1, 1, 0)
    );
    assert!(refused.to_string().contains("1 under way, limit 1, 0 waiting"));
    let at_once = limiter.acquire(Class::Normal, Instant::now()).now_or_never().expect("does not wait");
    assert_eq!(at_once.expect_err("too late already").reason, Shed::DeadlinePassed);
    assert_eq!(limiter.snapshot().classes[1].shed, 2);
}

#[tokio::test(start_paused = true)]
async fn over_the_bound_the_newest_is_refused() {
    let clock = ManualClock::at(0);
    let config = LimiterConfig { initial: 1, least: 1, waiting_most: [1, 2, 0], ..LimiterConfig::default() };
    let limiter = Limiter::new(config, clock).expect("good");
    let held = limiter.try_acquire(Class::Normal).expect("free");
    let mut waiters: Vec<_> =
        (0..2).map(|_| Box::pin(limiter.acquire(Class::Normal, in_ms(1_000)))).collect();
    for waiter in &mut waiters {
        assert!(poll_immediate(waiter).await.is_none());
    }
    let refused = limiter.acquire(Class::Normal, in_ms(1_000)).await.expect_err("two wait already");
    assert_eq!((refused.reason, refused.waiting), (Shed::LineFull, 2));
    let refused = limiter.acquire(Class::Background, in_ms(1_000)).await.expect_err("nobody may wait");
    assert_eq!(refused.reason, Shed::LineFull);
    drop(held);
    for waiter in waiters {
        waiter.await.expect("those who came before are served").ignored();
    }
}

#[tokio::test(start_paused = true)]
async fn whoever_gives_up_takes_no_slot_along() {
    let (limiter, _clock) = fixed(1);
    let held = limiter.try_acquire(Class::Normal).expect("free");
    let mut before = Box::pin(limiter.acquire(Class::Normal, in_ms(1_000)));
    let mut between = Box::pin(limiter.acquire(Class::Normal, in_ms(1_000)));
    let mut after = Box::pin(limiter.acquire(Class::Normal, in_ms(1_000)));
    for waiter in [&mut before, &mut between, &mut after] {
        assert!(poll_immediate(waiter).await.is_none());
    }
    // In line, and with the slot already on its way.
    drop(between);
    assert_eq!(load(&limiter), (1, 2));
    drop(held);
    drop(before);
    let ticket = after.await.expect("the slot came on");
    assert_eq!(load(&limiter), (1, 0));
    drop(ticket);
    assert_eq!(load(&limiter), (0, 0));
}

/// A waiter may be gone between its turn and being told: its slot goes on, however many are gone.
#[tokio::test(start_paused = true)]
async fn a_slot_given_to_one_who_has_gone_goes_to_the_next() {
    let (limiter, _clock) = fixed(1);
    let held = limiter.try_acquire(Class::Normal).expect("free");
    for _ in 0..1_000 {
        let line = |core: &mut super::super::core::Core<_>| {
            core.stand_in_line(Class::Normal, in_ms(1_000), Instant::now(), tokio::sync::oneshot::channel)
        };
        let (_, gone) = line(&mut limiter.shared.core()).expect("room in line");
        drop(gone);
    }
    let mut last = pin!(limiter.acquire(Class::Normal, in_ms(1_000)));
    assert!(poll_immediate(&mut last).await.is_none());
    drop(held);
    let ticket = poll_immediate(last).await.expect("its turn").expect("let in");
    assert_eq!(load(&limiter), (1, 0));
    drop(ticket);
    assert_eq!(load(&limiter), (0, 0));
}

#[tokio::test(start_paused = true)]
async fn higher_classes_are_served_before_lower_ones() {
    let (limiter, _clock) = fixed(5);
    let held: Vec<_> = (0..5).map(|_| limiter.try_acquire(Class::Critical).expect("free")).collect();
    let mut background = pin!(limiter.acquire(Class::Background, in_ms(1_000)));
    let mut normal = pin!(limiter.acquire(Class::Normal, in_ms(1_000)));
    assert!(poll_immediate(&mut background).await.is_none());
    assert!(poll_immediate(&mut normal).await.is_none());
    let mut held = held.into_iter();
    drop(held.next());
    assert!(poll_immediate(&mut background).await.is_none());
    let _normal = normal.await.expect("its turn");
    drop(held.next());
    let _background = background.await.expect("its turn");
}

#[tokio::test(start_paused = true)]
async fn in_a_slow_start_those_in_line_go_when_the_step_comes() {
    let (limiter, clock) = fixed(8);
    limiter.slow_start();
    let _first = limiter.try_acquire(Class::Critical).expect("one may");
    let mut second = pin!(limiter.acquire(Class::Critical, in_ms(10_000)));
    assert!(poll_immediate(&mut second).await.is_none());
    clock.advance(ms(100));
    // Nobody leaves: time alone lets it in.
    let _second =
        tokio::time::timeout(ms(150), second).await.expect("at the next step").expect("not refused");
    assert_eq!((limiter.limit(), load(&limiter)), (2, (2, 0)));
    clock.advance(ms(200));
    assert_eq!((limiter.limit(), limiter.snapshot().slow_starting), (8, false));
}

#[tokio::test(start_paused = true)]
async fn a_higher_limit_serves_those_in_line_at_once() {
    let (limiter, _clock) = fixed(1);
    let _held = limiter.try_acquire(Class::Critical).expect("free");
    let mut waiter = pin!(limiter.acquire(Class::Critical, in_ms(1_000)));
    assert!(poll_immediate(&mut waiter).await.is_none());
    let more = LimiterConfig { initial: 2, least: 2, most: 2, ..limiter.config() };
    limiter.reconfigure(more).expect("good");
    let _ticket = poll_immediate(waiter).await.expect("at once").expect("let in");
    assert!(limiter.reconfigure(LimiterConfig { least: 0, ..more }).is_err());
    assert_eq!(limiter.limit(), 2);
}

#[tokio::test(start_paused = true)]
async fn the_limit_follows_what_tickets_tell() {
    let clock = ManualClock::at(0);
    let config = LimiterConfig { initial: 10, least: 5, most: 100, ..LimiterConfig::default() };
    let limiter = Limiter::new(config, clock.clone()).expect("good");
    for _ in 0..200 {
        let tickets: Vec<_> = std::iter::from_fn(|| limiter.try_acquire(Class::Critical).ok()).collect();
        clock.advance(ms(101));
        tickets.into_iter().for_each(|ticket| ticket.done(ms(1)));
    }
    assert_eq!(limiter.limit(), 100);
    limiter.try_acquire(Class::Critical).expect("free").dropped();
    assert_eq!(limiter.limit(), 90);
    let snapshot = limiter.snapshot();
    assert_eq!((snapshot.rtt_short, snapshot.rtt_long), (Some(ms(1)), Some(ms(1))));
    assert!(format!("{limiter:?}").contains("limit: 90"));
}
