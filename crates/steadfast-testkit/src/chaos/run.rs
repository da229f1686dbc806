//! One run from start to end.

use super::faults::carry_out;
use super::load::Load;
use super::node::Subject;
use super::options::Options;
use super::plan::plan;
use super::quiet::{self, dead_letters, keep_offences, quiet, retry_dead};
use super::replies::follow;
use super::report::{PostsReport, Report, Starts};
use crate::process::Service;
use crate::sign::{ACCOUNT, TOKEN};
use anyhow::Context;
use std::time::Duration;
use tokio::process::Command;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout};

/// Twilio gives an answer 15 s; less makes more webhooks come again that were taken.
const ANSWER_WITHIN: Duration = Duration::from_secs(5);

/// Runs it all and says what became of every message. Offences are kept in `offences.tsv` in the run's folder.
///
/// # Errors
/// What kept the run from being carried out; what the node did wrong is in the report.
pub async fn run(options: Options) -> anyhow::Result<Report> {
    std::fs::create_dir_all(&options.folder).context("cannot create the run's folder")?;
    let client = reqwest::Client::builder()
        .no_proxy()
        .timeout(ANSWER_WITHIN)
        .connect_timeout(Duration::from_secs(2))
        .build()
        .context("no client")?;
    let fake = fake_twilio(&options).await?;
    let mut subject = Subject::new(&options, &fake.url, client.clone()).await?;
    subject.up().await?;
    let ((stop, stopped), (over, is_over)) = (watch::channel(false), watch::channel(false));
    let load = Load::new(&options, client.clone(), subject.webhook_url()?, stopped)?;
    let mut lanes = load.start();
    let mut reader = JoinSet::new();
    reader.spawn(follow(client.clone(), fake.url.clone(), load.clone(), is_over));

    let length_ms = u64::try_from(options.length.as_millis()).unwrap_or(u64::MAX);
    let faults = plan(options.seed, length_ms, options.kills);
    let done = carry_out(&faults, &mut subject, &load, &options).await?;
    stop.send_replace(true);
    subject.clock.set(0)?;
    let ended = Instant::now();
    let monitor = subject.monitor_url().context("no node is left")?;
    let all_ended = timeout(options.quiet_within, async { while lanes.join_next().await.is_some() {} }).await;
    let mut is_quiet = quiet(&options, &load, &client, &monitor).await;
    let quiet_after_s = ended.elapsed().as_secs_f64();
    // A job whose process was killed three times in a row while running it is a dead letter, by design: whether the
    // job or the killer was to blame cannot be told. Order is judged before an operator brings such jobs back.
    let (before, _) = load.ledger().tally();
    let dead_letters = dead_letters(&client, &monitor).await?;
    if dead_letters > 0 {
        (options.tell)(&format!("an operator retries {dead_letters} dead letters"));
        retry_dead(&client, &monitor).await?;
        is_quiet &= quiet(&options, &load, &client, &monitor).await;
    }
    let dead_in_the_end = quiet::dead_letters(&client, &monitor).await?;
    over.send_replace(true);
    while let Some(read) = reader.join_next().await {
        read.context("the reader of replies broke")??;
    }

    let (mut tally, offences) = load.ledger().tally();
    tally.out_of_order = before.out_of_order;
    let path = options.folder.join("offences.tsv");
    let undecided = keep_offences(&path, &offences, options.seed, &client, &monitor).await?;
    let drained = subject.terminate().await?;
    fake.kill().await?;
    let posts = PostsReport::from(&*load.posts());
    Ok(Report {
        seed: options.seed,
        disk: subject.disk.how(),
        done,
        tally,
        undecided,
        dead_letters,
        dead_in_the_end,
        quiet: is_quiet && all_ended.is_ok(),
        quiet_after_s,
        drained,
        posts,
        starts: Starts::of(std::mem::take(&mut subject.starts_ms), subject.failed_starts),
    })
}

/// The fake Twilio as a process of its own: it must outlive the node.
async fn fake_twilio(options: &Options) -> anyhow::Result<Service> {
    let mut command = Command::new(&options.binary);
    command.args(["fake-twilio", "--port", "0", "--webhook-url", "http://127.0.0.1:9/webhook/twilio"]);
    command.arg("--data-dir").arg(options.folder.join("fake"));
    for setting in [
        format!("twilio.account_sid={ACCOUNT}"),
        format!("twilio.auth_token={TOKEN}"),
        "log.level=warn".to_owned(),
    ] {
        command.args(["--set", &setting]);
    }
    Service::start(command, &options.folder.join("fake.log")).await
}
