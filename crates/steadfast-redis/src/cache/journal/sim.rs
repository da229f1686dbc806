//! A disk for tests: it forgets what was not synced, tears what was being written, fills up, fails to sync, and
//! dies at the step it is told to.

use super::{JournalFile, JournalFolder};
use std::collections::BTreeMap;
use std::io::{self, Error, ErrorKind};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// How a machine stops.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stop {
    /// The process is killed; the system goes on and forgets nothing.
    Kill,
    /// The power goes: what was not synced is there in part, in any part.
    Power,
}

/// What was done to a file since its last sync.
#[derive(Clone, Debug)]
enum Pending {
    Write { at: usize, bytes: Vec<u8> },
    Truncate { len: usize },
}

impl Pending {
    fn apply(&self, content: &mut Vec<u8>) {
        match self {
            Self::Write { at, bytes } => {
                if content.len() < at + bytes.len() {
                    content.resize(at + bytes.len(), 0);
                }
                content[*at..at + bytes.len()].copy_from_slice(bytes);
            }
            Self::Truncate { len } => content.truncate(*len),
        }
    }
}

#[derive(Clone, Debug, Default)]
struct Inode {
    content: Vec<u8>,
    durable: Vec<u8>,
    pending: Vec<Pending>,
}

#[derive(Debug)]
struct State {
    inodes: Vec<Inode>,
    names: BTreeMap<String, usize>,
    /// The names as after each change since the last sync of the folder; the first is what is durable.
    names_history: Vec<BTreeMap<String, usize>>,
    steps: u64,
    dies_at: Option<u64>,
    dead: bool,
    room: Option<usize>,
    sync_fails: bool,
    names_fail: Option<u8>,
    rng: fastrand::Rng,
}

/// The disk. Clones are the same disk.
#[derive(Clone, Debug)]
pub(crate) struct Sim(Arc<Mutex<State>>);

impl Sim {
    pub(crate) fn new(seed: u64) -> Self {
        Self(Arc::new(Mutex::new(State {
            inodes: Vec::new(),
            names: BTreeMap::new(),
            names_history: vec![BTreeMap::new()],
            steps: 0,
            dies_at: None,
            dead: false,
            room: None,
            sync_fails: false,
            names_fail: None,
            rng: fastrand::Rng::with_seed(seed),
        })))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How many steps were taken: writes, syncs, creations, renames, removals.
    pub(crate) fn steps(&self) -> u64 {
        self.state().steps
    }

    /// Dies in the midst of the step after `steps` more.
    pub(crate) fn die_after(&self, steps: u64) {
        let mut state = self.state();
        state.dies_at = Some(state.steps + steps);
    }

    pub(crate) fn is_dead(&self) -> bool {
        self.state().dead
    }

    /// Only `bytes` more can be written; none: any number.
    pub(crate) fn set_room(&self, bytes: Option<usize>) {
        self.state().room = bytes;
    }

    /// The next sync of a file fails, and what it was to sync may never reach the disk.
    pub(crate) fn fail_sync(&self) {
        self.state().sync_fails = true;
    }

    /// After `count` more, a change or sync of names fails, and may have been done all the same.
    pub(crate) fn fail_names(&self, count: u8) {
        self.state().names_fail = Some(count);
    }

    /// Flips a bit of a file, as an old disk does.
    pub(crate) fn flip(&self, name: &str, offset: usize) {
        let mut state = self.state();
        let inode = state.names[name];
        state.inodes[inode].content[offset] ^= 1;
        state.inodes[inode].durable[offset] ^= 1;
    }

    /// Starts anew after a stop.
    pub(crate) fn restart(&self, stop: Stop) {
        let mut state = self.state();
        let state = &mut *state;
        if stop == Stop::Power {
            let kept = state.rng.usize(..state.names_history.len());
            state.names = state.names_history.swap_remove(kept);
            for inode in &mut state.inodes {
                let mut content = inode.durable.clone();
                for pending in &inode.pending {
                    match (pending, state.rng.u8(..4)) {
                        (_, 0) => {}
                        (Pending::Write { at, bytes }, 1) => {
                            let torn = bytes[..state.rng.usize(..=bytes.len())].to_vec();
                            Pending::Write { at: *at, bytes: torn }.apply(&mut content);
                        }
                        _ => pending.apply(&mut content),
                    }
                }
                inode.content = content;
            }
        }
        for inode in &mut state.inodes {
            inode.pending.clear();
            inode.durable.clone_from(&inode.content);
        }
        state.names_history = vec![state.names.clone()];
        (state.dead, state.dies_at, state.room) = (false, None, None);
        (state.sync_fails, state.names_fail) = (false, None);
    }
}

impl State {
    /// Takes one step. Whether it is the one to die in.
    fn step(&mut self) -> io::Result<bool> {
        if self.dead {
            return Err(Error::new(ErrorKind::BrokenPipe, "the machine is off"));
        }
        let dies = self.dies_at == Some(self.steps);
        self.steps += 1;
        self.dead = dies;
        Ok(dies)
    }

    /// A step that is done wholly or not at all.
    fn whole_step(&mut self) -> io::Result<()> {
        // Dying, it is done or not.
        if self.step()? && self.rng.bool() {
            return Err(died());
        }
        Ok(())
    }

    fn renamed(&mut self) -> io::Result<()> {
        self.names_history.push(self.names.clone());
        self.named()
    }

    /// A change or sync of names, that was done.
    fn named(&mut self) -> io::Result<()> {
        let left = self.names_fail.take();
        self.names_fail = left.and_then(|left| left.checked_sub(1));
        if left == Some(0) {
            return Err(Error::other("the disk failed"));
        }
        self.alive(())
    }

    fn alive<T>(&self, value: T) -> io::Result<T> {
        if self.dead { Err(died()) } else { Ok(value) }
    }

    fn inode(&self, name: &str) -> io::Result<usize> {
        self.names.get(name).copied().ok_or_else(|| Error::from(ErrorKind::NotFound))
    }

    fn change(&mut self, inode: usize, pending: Pending) {
        let inode = &mut self.inodes[inode];
        pending.apply(&mut inode.content);
        inode.pending.push(pending);
    }

    fn sync(&mut self, inode: usize) -> io::Result<()> {
        let failed = std::mem::take(&mut self.sync_fails);
        let inode = &mut self.inodes[inode];
        if failed {
            // The system counts it as written, the disk knows nothing of it.
            inode.pending.clear();
            return Err(Error::other("the disk failed"));
        }
        for pending in inode.pending.drain(..) {
            pending.apply(&mut inode.durable);
        }
        Ok(())
    }
}

fn died() -> Error {
    Error::other("the machine stopped")
}

impl JournalFolder for Sim {
    type File = SimFile;

    fn list(&mut self) -> io::Result<Vec<String>> {
        let state = self.state();
        state.alive(state.names.keys().cloned().collect())
    }

    fn read(&mut self, name: &str) -> io::Result<Vec<u8>> {
        let state = self.state();
        let inode = state.inode(name)?;
        state.alive(state.inodes[inode].content.clone())
    }

    fn create(&mut self, name: &str) -> io::Result<SimFile> {
        let mut state = self.state();
        state.whole_step()?;
        assert!(!state.names.contains_key(name), "{name} is created twice");
        let inode = state.inodes.len();
        state.inodes.push(Inode::default());
        state.names.insert(name.to_owned(), inode);
        state.renamed()?;
        Ok(SimFile { disk: self.clone(), inode })
    }

    fn cut(&mut self, name: &str, len: u64) -> io::Result<()> {
        let mut state = self.state();
        state.whole_step()?;
        let inode = state.inode(name)?;
        state.change(inode, Pending::Truncate { len: usize::try_from(len).unwrap() });
        state.sync(inode)?;
        state.alive(())
    }

    fn rename(&mut self, from: &str, to: &str) -> io::Result<()> {
        let mut state = self.state();
        state.whole_step()?;
        let inode = state.inode(from)?;
        state.names.remove(from);
        state.names.insert(to.to_owned(), inode);
        state.renamed()
    }

    fn remove(&mut self, name: &str) -> io::Result<()> {
        let mut state = self.state();
        state.whole_step()?;
        state.inode(name)?;
        state.names.remove(name);
        state.renamed()
    }

    fn sync(&mut self) -> io::Result<()> {
        let mut state = self.state();
        state.whole_step()?;
        if state.names_fail != Some(0) || state.rng.bool() {
            state.names_history = vec![state.names.clone()];
        }
        state.named()
    }
}

/// An open file of a [`Sim`].
#[derive(Debug)]
pub(crate) struct SimFile {
    disk: Sim,
    inode: usize,
}

impl JournalFile for SimFile {
    fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        let mut state = self.disk.state();
        let dies = state.step()?;
        let mut written = bytes.len();
        if dies {
            written = state.rng.usize(..=written);
        }
        let full = state.room.is_some_and(|room| room < written);
        if let Some(room) = state.room {
            written = written.min(room);
            state.room = Some(room - written);
        }
        let at = state.inodes[self.inode].content.len();
        state.change(self.inode, Pending::Write { at, bytes: bytes[..written].to_vec() });
        if full {
            return Err(Error::from(ErrorKind::StorageFull));
        }
        state.alive(())
    }

    fn truncate(&mut self, len: u64) -> io::Result<()> {
        let mut state = self.disk.state();
        state.whole_step()?;
        state.change(self.inode, Pending::Truncate { len: usize::try_from(len).unwrap() });
        state.alive(())
    }

    fn sync(&mut self) -> io::Result<()> {
        let mut state = self.disk.state();
        state.whole_step()?;
        state.sync(self.inode)?;
        state.alive(())
    }
}
