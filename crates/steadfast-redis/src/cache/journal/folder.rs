//! The folder that a journal lies in: what it asks of a file system, and the real one.

use super::JournalError;
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

/// What a journal asks of a folder. Every method blocks. Names are those that the journal makes: letters, digits,
/// `-` and `.`.
pub trait JournalFolder: Send {
    /// An open file.
    type File: JournalFile;

    /// The names of all files.
    fn list(&mut self) -> io::Result<Vec<String>>;
    /// A file's whole content.
    fn read(&mut self, name: &str) -> io::Result<Vec<u8>>;
    /// A new file, open for appending; an error if there is one of this name.
    fn create(&mut self, name: &str) -> io::Result<Self::File>;
    /// Cuts a closed file to `len` bytes, on the disk when this returns.
    fn cut(&mut self, name: &str, len: u64) -> io::Result<()>;
    /// Gives a file another name, in place of any that has it.
    fn rename(&mut self, from: &str, to: &str) -> io::Result<()>;
    /// Removes a file.
    fn remove(&mut self, name: &str) -> io::Result<()>;
    /// Makes names reach the disk: what was created, renamed and removed.
    fn sync(&mut self) -> io::Result<()>;
}

/// What a journal asks of an open file.
pub trait JournalFile: Send {
    /// Writes at the end. On an error any part may have been written.
    fn append(&mut self, bytes: &[u8]) -> io::Result<()>;
    /// Cuts it to `len` bytes; what is appended next stands there.
    fn truncate(&mut self, len: u64) -> io::Result<()>;
    /// Makes what was appended reach the disk. After an error nobody knows what did.
    fn sync(&mut self) -> io::Result<()>;
}

/// A folder on disk. One at a time has it open, over all processes.
#[derive(Debug)]
pub struct DiskFolder {
    path: PathBuf,
    /// Held for its lock, which ends with the process at the latest.
    _lock: File,
}

/// The file that is locked.
const LOCK: &str = "lock";

impl DiskFolder {
    /// Opens the folder, which is made if it is missing, readable by its owner alone.
    ///
    /// # Errors
    ///
    /// [`JournalError::Locked`] if somebody has it open; else what the file system says.
    pub fn open(path: impl Into<PathBuf>) -> Result<Self, JournalError> {
        let path = path.into();
        let io = |what: &'static str, name: &Path, source| JournalError::Io {
            what,
            name: name.display().to_string(),
            source,
        };
        make_folder(&path).map_err(|error| io("make the folder", &path, error))?;
        let lock_path = path.join(LOCK);
        let mut options = OpenOptions::new();
        options.create(true).write(true).truncate(false);
        let lock = private(&mut options).open(&lock_path).map_err(|error| io("open", &lock_path, error))?;
        match lock.try_lock() {
            Ok(()) => Ok(Self { path, _lock: lock }),
            Err(TryLockError::WouldBlock) => Err(JournalError::Locked { folder: path.display().to_string() }),
            Err(TryLockError::Error(error)) => Err(io("lock", &lock_path, error)),
        }
    }
}

#[cfg(unix)]
fn make_folder(path: &Path) -> io::Result<()> {
    use std::os::unix::fs::DirBuilderExt;
    fs::DirBuilder::new().recursive(true).mode(0o700).create(path)
}

#[cfg(not(unix))]
fn make_folder(path: &Path) -> io::Result<()> {
    fs::create_dir_all(path)
}

#[cfg(unix)]
fn private(options: &mut OpenOptions) -> &mut OpenOptions {
    use std::os::unix::fs::OpenOptionsExt;
    options.mode(0o600)
}

#[cfg(not(unix))]
fn private(options: &mut OpenOptions) -> &mut OpenOptions {
    options
}

impl JournalFolder for DiskFolder {
    type File = DiskFile;

    fn list(&mut self) -> io::Result<Vec<String>> {
        let names = fs::read_dir(&self.path)?.map(|entry| Ok(entry?.file_name().into_string().ok()));
        let names: io::Result<Vec<Option<String>>> = names.collect();
        Ok(names?.into_iter().flatten().filter(|name| name != LOCK).collect())
    }

    fn read(&mut self, name: &str) -> io::Result<Vec<u8>> {
        fs::read(self.path.join(name))
    }

    fn create(&mut self, name: &str) -> io::Result<DiskFile> {
        let mut options = OpenOptions::new();
        options.create_new(true).append(true);
        private(&mut options).open(self.path.join(name)).map(DiskFile)
    }

    fn cut(&mut self, name: &str, len: u64) -> io::Result<()> {
        let file = OpenOptions::new().write(true).open(self.path.join(name))?;
        file.set_len(len)?;
        file.sync_all()
    }

    fn rename(&mut self, from: &str, to: &str) -> io::Result<()> {
        fs::rename(self.path.join(from), self.path.join(to))
    }

    fn remove(&mut self, name: &str) -> io::Result<()> {
        fs::remove_file(self.path.join(name))
    }

    #[cfg(unix)]
    fn sync(&mut self) -> io::Result<()> {
        File::open(&self.path)?.sync_all()
    }

    #[cfg(not(unix))]
    fn sync(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// An open file on disk.
#[derive(Debug)]
pub struct DiskFile(File);

impl JournalFile for DiskFile {
    fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.0.write_all(bytes)
    }

    fn truncate(&mut self, len: u64) -> io::Result<()> {
        self.0.set_len(len)
    }

    fn sync(&mut self) -> io::Result<()> {
        self.0.sync_data()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_at_a_time() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a/b");
        let first = DiskFolder::open(&path).unwrap();
        let error = DiskFolder::open(&path).unwrap_err();
        assert!(matches!(error, JournalError::Locked { .. }), "{error}");
        drop(first);
        DiskFolder::open(&path).unwrap();
    }

    #[test]
    fn files_are_as_asked() {
        let dir = tempfile::tempdir().unwrap();
        let mut folder = DiskFolder::open(dir.path()).unwrap();
        let mut file = folder.create("one.tmp").unwrap();
        assert!(folder.create("one.tmp").is_err());
        file.append(b"12345").unwrap();
        file.truncate(3).unwrap();
        file.append(b"x").unwrap();
        file.sync().unwrap();
        folder.rename("one.tmp", "one").unwrap();
        file.append(b"y").unwrap();
        folder.sync().unwrap();
        assert_eq!(folder.read("one").unwrap(), b"123xy");
        folder.cut("one", 2).unwrap();
        assert_eq!(folder.read("one").unwrap(), b"12");
        assert_eq!(folder.list().unwrap(), ["one"]);
        folder.remove("one").unwrap();
        assert!(folder.list().unwrap().is_empty());
    }

    #[cfg(unix)]
    #[test]
    fn nobody_else_may_read() {
        use std::os::unix::fs::PermissionsExt;
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("journal");
        let mut folder = DiskFolder::open(&path).unwrap();
        folder.create("one").unwrap();
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!((mode(&path), mode(&path.join("one"))), (0o700, 0o600));
    }
}
