//! The write-ahead log, as far as the writer itself makes it durable.
//!
//! SQLite is told not to wait for the disk at a commit (`synchronous = NORMAL`): it writes the log, and the writer
//! then syncs it, before anybody is answered. That is what `FULL` does, except that `FULL` calls `fsync`, which
//! also waits for times and other metadata that no one reads, in a journal shared with all other writes of the
//! file system; here it is `fdatasync`, whatever the flags that SQLite was compiled with.
//!
//! The database itself SQLite syncs only when a checkpoint reaches the end of the log. Under constant load that is the
//! writer's part, and what all checkpoints since the last time had written would be synced while everybody waits. So
//! the checkpointer syncs what it wrote, beside the writer, and little is left.

use super::schema;
use std::fs::{File, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;
use tokio::time::Instant;

/// The log's file. SQLite keeps no lock on it (those are on the database and on the index), so that a second handle
/// is harmless; and it keeps the file itself for as long as the writer's connection is open.
#[derive(Debug)]
pub(super) struct Log {
    file: File,
}

impl Log {
    /// The log of the database at `path`, whose writing connection must be open. That it exists is on disk when
    /// this returns.
    pub(super) fn open(path: &Path) -> io::Result<Self> {
        let mut name = path.as_os_str().to_owned();
        name.push("-wal");
        let log = Self { file: OpenOptions::new().read(true).write(true).open(PathBuf::from(name))? };
        log.file.sync_all()?;
        // A new file is found after a power cut only if its folder is on disk too.
        schema::sync_folder(schema::folder_of(path))?;
        Ok(log)
    }

    /// Returns how long it took once all that was written to the log is on the disk.
    pub(super) fn sync(&self) -> io::Result<Duration> {
        let begun = Instant::now();
        self.file.sync_data()?;
        Ok(begun.elapsed())
    }
}

/// The database's file. When a process closes any handle of a file, it loses all of its POSIX locks on it, also those
/// that SQLite holds through other handles; another process that looks into the store could then take itself for the
/// only one, and remove the log. So this handle is held by the writer and by the readers, to be closed after their
/// last connection.
#[derive(Debug)]
pub(super) struct Data {
    file: File,
}

impl Data {
    /// The database at `path`, which must be there.
    pub(super) fn open(path: &Path) -> io::Result<Self> {
        Ok(Self { file: OpenOptions::new().read(true).write(true).open(path)? })
    }

    /// Returns once all that was written to the database is on the disk.
    pub(super) fn sync(&self) -> io::Result<()> {
        self.file.sync_data()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_log_that_is_synced_is_the_one_that_is_written() {
        let folder = tempfile::tempdir().expect("folder");
        let path = folder.path().join("q.db");
        let _lock = schema::lock(&path).expect("lock");
        let conn = schema::open_writer(&path).expect("open");
        let log = Log::open(&path).expect("it is there");
        let before = log.file.metadata().expect("metadata").len();
        conn.execute("INSERT INTO queue(name, paused) VALUES('q', 0)", []).expect("insert");
        assert!(log.file.metadata().expect("metadata").len() > before);
        conn.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(())).expect("empties it");
        assert_eq!(log.file.metadata().expect("metadata").len(), 0, "in its place, not by another file");
        log.sync().expect("synced");
    }
}
