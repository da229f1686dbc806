//! What is played.

use super::watched::{Verdict, Watched};
use anyhow::Context;
use std::path::Path;
use std::time::Duration;
use steadfast_testkit::redis::{Sentinels, Server};
use steadfast_testkit::wait_for;
use tokio::time::{Instant, sleep};

/// The user that the program logs in as, and whose password changes.
const USER: &str = "app";

/// Who is told what happens.
type Log<'a> = &'a (dyn Fn(&str) + Send + Sync);

/// Plays all of it. `told` is given a line for each thing that happens, and each line of the program.
///
/// # Errors
/// Something could not be played.
pub async fn run(program: &Path, told: fn(&str)) -> anyhow::Result<Vec<Verdict>> {
    let mut verdicts = standalone(program, told).await?;
    verdicts.extend(sentinels(program, told).await?);
    Ok(verdicts)
}

/// One server, and one program that goes through all of this.
///
/// # Errors
/// Something could not be played.
pub async fn standalone(program: &Path, told: fn(&str)) -> anyhow::Result<Vec<Verdict>> {
    told("one server; the program's password is in a file");
    let folder = tempfile::tempdir().context("no folder for the password")?;
    let password = folder.path().join("password");
    std::fs::write(&password, "first")?;
    let server = Server::builder().append_only(true).user_acl(&user("first")).start().await?;
    let url = format!("redis://{USER}@{}?login.password_file={}", server.addr(), password.display());
    let mut program = Watched::start(program, &url, told)?;
    program.warm().await?;
    let mut verdicts = Vec::new();
    for scene in [killed, stopped, full, flushed, crowded] {
        verdicts.push(scene(&server, &mut program, &told).await?);
    }
    verdicts.push(rotated(&server, &password, &mut program, &told).await?);
    told("Ctrl-C");
    program.stop().await?;
    Ok(verdicts)
}

fn user(password: &str) -> String {
    format!("{USER} on >{password} ~* &* +@all")
}

/// The fault lasts so long. Time that passes is no condition that could be waited for.
async fn lasts(seconds: u64) {
    sleep(Duration::from_secs(seconds)).await;
}

type Scene<'a> = futures::future::BoxFuture<'a, anyhow::Result<Verdict>>;

fn killed<'a>(server: &'a Server, program: &'a mut Watched, told: Log<'a>) -> Scene<'a> {
    Box::pin(async move {
        told("kill -9 of Redis");
        let began = Instant::now();
        server.kill9().await?;
        lasts(5).await;
        told("Redis is started again");
        server.restart().await?;
        Ok(program.judge("kill -9 of Redis, started again after 5 s", began, Instant::now()).await)
    })
}

fn stopped<'a>(server: &'a Server, program: &'a mut Watched, told: Log<'a>) -> Scene<'a> {
    Box::pin(async move {
        told("Redis is stopped (SIGSTOP)");
        let began = Instant::now();
        server.pause().await?;
        lasts(30).await;
        told("Redis goes on (SIGCONT)");
        server.resume().await?;
        Ok(program.judge("SIGSTOP of Redis for 30 s", began, Instant::now()).await)
    })
}

fn full<'a>(server: &'a Server, program: &'a mut Watched, told: Log<'a>) -> Scene<'a> {
    Box::pin(async move {
        told("memory is full (maxmemory 1mb, noeviction): reads are answered, writes refused");
        let began = Instant::now();
        server.expect(&["CONFIG", "SET", "maxmemory-policy", "noeviction", "maxmemory", "1mb"]).await?;
        lasts(5).await;
        told("there is room again (maxmemory 0)");
        server.expect(&["CONFIG", "SET", "maxmemory", "0"]).await?;
        Ok(program.judge("full memory for 5 s", began, Instant::now()).await)
    })
}

fn flushed<'a>(server: &'a Server, program: &'a mut Watched, told: Log<'a>) -> Scene<'a> {
    Box::pin(async move {
        told("FLUSHALL");
        let began = Instant::now();
        server.expect(&["FLUSHALL"]).await?;
        Ok(program.judge("FLUSHALL", began, Instant::now()).await)
    })
}

fn crowded<'a>(server: &'a Server, program: &'a mut Watched, told: Log<'a>) -> Scene<'a> {
    Box::pin(async move {
        told("maxclients is 1, which is the lab's own, and the program's connections are closed");
        let began = Instant::now();
        server.expect(&["CONFIG", "SET", "maxclients", "1"]).await?;
        server.expect(&["CLIENT", "KILL", "USER", USER]).await?;
        lasts(10).await;
        told("maxclients is 10000 again");
        server.expect(&["CONFIG", "SET", "maxclients", "10000"]).await?;
        Ok(program.judge("no place for clients for 10 s", began, Instant::now()).await)
    })
}

async fn rotated(
    server: &Server,
    file: &Path,
    program: &mut Watched,
    told: Log<'_>,
) -> anyhow::Result<Verdict> {
    told(
        "the server has another password, and closes the program's connections; the file is not changed yet",
    );
    let began = Instant::now();
    server.expect(&["ACL", "SETUSER", USER, "resetpass", ">second"]).await?;
    server.expect(&["CLIENT", "KILL", "USER", USER]).await?;
    lasts(5).await;
    told("the file has the new password");
    std::fs::write(file, "second")?;
    Ok(program
        .judge("the password changed on the server, in the file 5 s later", began, Instant::now())
        .await)
}

/// A primary, two replicas, three sentinels.
///
/// # Errors
/// Something could not be played.
pub async fn sentinels(program: &Path, told: fn(&str)) -> anyhow::Result<Vec<Verdict>> {
    told("a primary, two replicas, three sentinels");
    let lab = Sentinels::start(2).await?;
    let hosts: Vec<String> = lab.sentinels.iter().map(|sentinel| sentinel.addr().to_string()).collect();
    let url = format!("redis+sentinel://{}/{}", hosts.join(","), Sentinels::NAME);
    let mut program = Watched::start(program, &url, told)?;
    program.warm().await?;

    told("failover by a sentinel, the primary being well");
    let began = Instant::now();
    lab.failover().await?;
    told("all sentinels name the new primary");
    let failed_over = program.judge("failover by Sentinel under load", began, Instant::now()).await;
    let followed = wait_for(Duration::from_secs(30), || async { lab.followed().await.is_ok() }).await;
    anyhow::ensure!(followed, "the replicas do not follow the new primary");

    told("kill -9 of the primary");
    let began = Instant::now();
    lab.kill_primary().await?;
    told("all sentinels name the new primary");
    let killed = program.judge("kill -9 of the primary under Sentinel", began, Instant::now()).await;
    told("Ctrl-C");
    program.stop().await?;
    Ok(vec![failed_over, killed])
}
