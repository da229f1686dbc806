//! Makes the plan happen.

use super::load::Load;
use super::node::Subject;
use super::options::Options;
use super::plan::Fault;
use crate::process::signal;
use anyhow::Context;
use std::time::Duration;
use tokio::time::{Instant, sleep, sleep_until};

/// What was done to the node, counted.
#[derive(Debug, Default, Clone, serde::Serialize)]
pub struct Done {
    /// kill -9, all sorts together.
    pub kills: u32,
    /// … of these, while it started.
    pub kills_in_start: u32,
    /// … while it drained.
    pub kills_in_stop: u32,
    /// … while it was stopped.
    pub kills_in_freeze: u32,
    /// … while the disk was full.
    pub kills_on_full_disk: u32,
    /// SIGTERM and a new start.
    pub restarts: u32,
    /// Of the drains that were waited for, those that did not end well.
    pub bad_drains: u32,
    /// SIGSTOP.
    pub freezes: u32,
    /// Of these, longer than a lease of 8 s.
    pub freezes_beyond_lease: u32,
    /// Times without room.
    pub disk_full: u32,
    /// Milliseconds without room, in all.
    pub disk_full_ms: u64,
    /// Webhooks answered 503 in these times.
    pub refused_on_full_disk: u64,
    /// Steps of the wall clock.
    pub clock_steps: u32,
    /// The earliest and the latest the clock stood off the true time, in seconds.
    pub clock_off_s: (i64, i64),
}

/// Carries out `plan`; an entry whose time has passed is carried out at once.
pub(super) async fn carry_out(
    plan: &[(u64, Fault)],
    subject: &mut Subject,
    load: &Load,
    options: &Options,
) -> anyhow::Result<Done> {
    let begun = Instant::now();
    let mut done = Done::default();
    for (index, (at_ms, fault)) in plan.iter().enumerate() {
        sleep_until(begun + Duration::from_millis(*at_ms)).await;
        let at = begun.elapsed();
        one(*fault, subject, load, &mut done).await.with_context(|| format!("at {at:.1?}, {fault:?}"))?;
        let acknowledged = load.posts().latency_us.len();
        (options.tell)(&format!(
            "{:>7.1} s  {:>3}/{}  {fault:?} (answered 200 so far: {acknowledged})",
            at.as_secs_f64(),
            index + 1,
            plan.len()
        ));
    }
    sleep_until(begun + options.length).await;
    Ok(done)
}

async fn one(fault: Fault, subject: &mut Subject, load: &Load, done: &mut Done) -> anyhow::Result<()> {
    match fault {
        Fault::Kill => {
            subject.kill().await?;
            done.kills += 1;
            subject.up().await
        }
        Fault::KillInStart(ms) => {
            subject.kill().await?;
            let starting = subject.spawn()?;
            sleep(Duration::from_millis(ms)).await;
            starting.kill().await?;
            done.kills += 2;
            done.kills_in_start += 1;
            subject.up().await
        }
        Fault::KillInStop(ms) => {
            let pid = subject.pid().context("no node to stop")?;
            signal(pid, "TERM").await?;
            sleep(Duration::from_millis(ms)).await;
            subject.kill().await?;
            done.kills += 1;
            done.kills_in_stop += 1;
            subject.up().await
        }
        Fault::Restart => {
            done.bad_drains += u32::from(!subject.terminate().await?);
            done.restarts += 1;
            subject.up().await
        }
        Fault::Freeze { ms, killed } => freeze(ms, killed, subject, done).await,
        Fault::DiskFull { ms, kill_after } => disk_full(ms, kill_after, subject, load, done).await,
        Fault::Clock { off_s } => {
            done.clock_steps += 1;
            done.clock_off_s = (done.clock_off_s.0.min(off_s), done.clock_off_s.1.max(off_s));
            subject.clock.set(off_s * 1_000)
        }
    }
}

async fn freeze(ms: u64, killed: bool, subject: &mut Subject, done: &mut Done) -> anyhow::Result<()> {
    let pid = subject.pid().context("no node to freeze")?;
    signal(pid, "STOP").await?;
    sleep(Duration::from_millis(ms)).await;
    done.freezes += 1;
    done.freezes_beyond_lease += u32::from(ms > 8_000);
    if !killed {
        return signal(pid, "CONT").await;
    }
    subject.kill().await?;
    done.kills += 1;
    done.kills_in_freeze += 1;
    subject.up().await
}

async fn disk_full(
    ms: u64,
    kill_after: Option<u64>,
    subject: &mut Subject,
    load: &Load,
    done: &mut Done,
) -> anyhow::Result<()> {
    let refused = || load.posts().answers.get(&503).copied().unwrap_or(0);
    let (begun, refused_before) = (Instant::now(), refused());
    let over = begun + Duration::from_millis(ms);
    subject.disk.fill(subject.pid().context("no node to starve")?).await?;
    subject.full = true;
    if let Some(after_ms) = kill_after {
        sleep_until(begun + Duration::from_millis(after_ms)).await;
        subject.kill().await?;
        done.kills += 1;
        done.kills_on_full_disk += 1;
        // It may or may not come up without room; it is tried until there is some.
        if tokio::time::timeout_at(over, subject.up()).await.is_ok_and(|up| up.is_ok()) {
            sleep_until(over).await;
        }
    } else {
        sleep_until(over).await;
    }
    subject.disk.free(subject.pid()).await?;
    subject.full = false;
    done.disk_full += 1;
    done.disk_full_ms += u64::try_from(begun.elapsed().as_millis()).unwrap_or(u64::MAX);
    done.refused_on_full_disk += refused() - refused_before;
    if subject.pid().is_none() { subject.up().await } else { Ok(()) }
}
