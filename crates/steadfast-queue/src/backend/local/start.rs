//! Opening a store.

use super::checkpoint::Checkpointer;
use super::live::Live;
use super::load::{self, Pulse, Sizes};
use super::log::{Data, Log};
use super::options::{Bounds, LocalOptions, OpenError};
use super::read::Readers;
use super::schema;
use super::stage::{Fail, Setting, Stage};
use super::writer::{Call, Shared, Writer};
use crate::backend::rules::{Dice, is_name};
use crate::backend::wall::{self, Wall};
use crate::event::Event;
use rusqlite::Connection;
use std::collections::VecDeque;
use std::path::PathBuf;
use std::sync::Arc;
use std::thread::JoinHandle;
use steadfast_clock::SharedClock;
use tokio::sync::mpsc;

/// What an open store consists of.
#[derive(Debug)]
pub(super) struct Started {
    pub(super) calls: mpsc::Sender<Call>,
    pub(super) room_max: u32,
    pub(super) shared: Arc<Shared>,
    pub(super) readers: Arc<Readers>,
    pub(super) thread: JoinHandle<()>,
    pub(super) path: PathBuf,
    pub(super) bounds: Bounds,
}

pub(super) fn start(options: LocalOptions, clock: &SharedClock) -> Result<Started, OpenError> {
    if let Some(name) = options.queues.iter().find(|name| !is_name(name)) {
        return Err(OpenError::BadName(name.clone()));
    }
    let (path, bounds) = (options.path.clone(), options.bounds);
    let unreadable = |source| OpenError::Database { path: path.clone(), source };
    let no_file = |source| OpenError::File { path: path.clone(), source };
    let lock = schema::lock(&path)?;
    schema::rewrite_log(&path).map_err(no_file)?;
    let conn = schema::open_writer(&path)?;
    let mut dice = Dice::new();
    let Recovered { live, clean, wall, now_ms, happened } = recover(&conn, &options, clock, &mut dice)
        .map_err(|fail| match fail {
            Fail::Sql(error) => unreadable(error),
            Fail::Broken(what) => OpenError::Inconsistent { path: path.clone(), what },
        })?;
    let log = Log::open(&path).map_err(no_file)?;
    let data = Arc::new(Data::open(&path).map_err(no_file)?);
    schema::leave_syncing(&conn).map_err(unreadable)?;
    let shared = Arc::new(Shared::new(live));
    shared.events.tell(happened);
    let readers = Arc::new(Readers::new(&path, bounds, Arc::clone(&data)));
    let checkpointer =
        Checkpointer::start(&path, bounds.wal_pages_max, Arc::clone(&data)).map_err(no_file)?;
    let writer = Writer {
        conn,
        shared: Arc::clone(&shared),
        readers: Arc::clone(&readers),
        checkpointer,
        options,
        clock: Arc::clone(clock),
        wall,
        now_ms,
        shift_after_mono_ms: 0,
        dice,
        careful: !clean,
        broken: None,
        chores: VecDeque::new(),
        log,
        data,
        _lock: lock,
    };
    let (calls, asked) = mpsc::channel(bounds.calls_max.max(1));
    let thread = std::thread::Builder::new()
        .name("queue-writer".to_owned())
        .spawn(move || writer.run(asked))
        .map_err(no_file)?;
    let room_max = (bounds.in_flight_bytes_max / 1_024).max(1);
    Ok(Started { calls, room_max, shared, readers, thread, path, bounds })
}

/// What was found at the start.
struct Recovered {
    live: Live,
    /// Whether the last end was clean.
    clean: bool,
    wall: Wall,
    now_ms: i64,
    happened: Vec<Event>,
}

/// Begins a new epoch, counts the crash if there was one, shifts what waits for a time if the clock was set back
/// meanwhile, and rebuilds memory.
fn recover(
    conn: &Connection,
    options: &LocalOptions,
    clock: &SharedClock,
    dice: &mut Dice,
) -> Result<Recovered, Fail> {
    let Pulse { clean, seen_ms, .. } = load::pulse(conn)?;
    let (now_ms, mono_ms) = wall::read(&**clock);
    conn.execute("UPDATE pulse SET epoch = epoch + 1", [])?;
    let sizes = Sizes::of(options);
    let mut live = load::live(conn, sizes, mono_ms)?;
    for name in &options.queues {
        if live.queue_no(name).is_none() {
            conn.execute("INSERT INTO queue(name, paused) VALUES(?1, 0)", [name])?;
            let no = conn.last_insert_rowid();
            live.names.insert(name.clone(), no);
            live.queues.insert(no, sizes.new_queue(name.clone(), mono_ms));
        }
    }
    let marks = load::marks(conn)?;
    if !clean {
        tracing::warn!(begun = marks.len(), "the store was not closed: jobs that ran have crashed once more");
    }
    conn.execute_batch("BEGIN IMMEDIATE")?;
    let setting = Setting { dice, now_ms, mono_ms };
    let mut stage = Stage::new(conn, &live, setting, &[]);
    if let Some(step_ms) = Wall::at(seen_ms, mono_ms).fell(now_ms, mono_ms) {
        let jobs = stage.shift_back(step_ms)?.affected;
        tracing::warn!(
            step_ms,
            jobs,
            "the clock was set back since the store was last written: what waits for a time was shifted along"
        );
    }
    stage.settle_marks(&marks, clean)?;
    stage.close()?;
    let (effects, happened, number) = (stage.effects, stage.happened, stage.number);
    let sql = "UPDATE pulse SET clean = 0, commits = commits + 1, number = ?1, seen = ?2";
    conn.execute(sql, [number, now_ms])?;
    conn.execute_batch("COMMIT")?;
    live.number = number;
    live.commits += 1;
    effects.into_iter().for_each(|effect| live.apply(effect));
    load::suspects(conn, &mut live)?;
    let queues: Vec<i64> = live.queues.keys().copied().collect();
    for queue in queues {
        load::refill(conn, &mut live, queue)?;
    }
    Ok(Recovered { live, clean, wall: Wall::at(now_ms, mono_ms), now_ms, happened })
}
