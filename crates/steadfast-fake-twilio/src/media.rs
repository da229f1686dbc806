//! Media files of inbound messages, within a bound on their bytes.

use crate::sid::Sid;
use bytes::Bytes;
use std::collections::{HashMap, VecDeque};

/// Files kept at most, however small.
const FILES_MAX: usize = 10_000;

/// One file.
#[derive(Debug, Clone)]
pub(crate) struct File {
    /// The message it came with.
    pub(crate) message: Sid,
    pub(crate) content_type: String,
    pub(crate) bytes: Bytes,
    pub(crate) created_ms: i64,
}

#[derive(Debug)]
pub(crate) struct MediaStore {
    files: HashMap<Sid, File>,
    by_age: VecDeque<Sid>,
    bytes: usize,
    bytes_max: usize,
    dropped: u64,
}

impl MediaStore {
    pub(crate) fn new(bytes_max: usize) -> Self {
        Self { files: HashMap::new(), by_age: VecDeque::new(), bytes: 0, bytes_max, dropped: 0 }
    }

    /// Keeps a file; the oldest go when there is no room. A file larger than the whole bound goes at once.
    pub(crate) fn put(&mut self, sid: Sid, file: File) {
        self.bytes += file.bytes.len();
        self.files.insert(sid, file);
        self.by_age.push_back(sid);
        while self.bytes > self.bytes_max || self.files.len() > FILES_MAX {
            let Some(oldest) = self.by_age.pop_front() else { break };
            if let Some(file) = self.files.remove(&oldest) {
                self.bytes -= file.bytes.len();
                self.dropped += 1;
            }
        }
    }

    pub(crate) fn get(&self, sid: Sid) -> Option<&File> {
        self.files.get(&sid)
    }

    /// The files of one message, oldest first.
    pub(crate) fn of(&self, message: Sid) -> Vec<(Sid, &File)> {
        let files = self.by_age.iter().filter_map(|sid| self.files.get(sid).map(|file| (*sid, file)));
        files.filter(|(_, file)| file.message == message).collect()
    }

    /// Deletes a file, as its owner may; false if there is none.
    pub(crate) fn delete(&mut self, sid: Sid) -> bool {
        let Some(file) = self.files.remove(&sid) else { return false };
        self.bytes -= file.bytes.len();
        self.by_age.retain(|kept| *kept != sid);
        true
    }

    pub(crate) fn dropped(&self) -> u64 {
        self.dropped
    }

    pub(crate) fn clear(&mut self) {
        *self = Self::new(self.bytes_max);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sid::{Prefix, Random};

    #[test]
    fn the_oldest_file_makes_room() {
        let mut random = Random::new(1);
        let mut store = MediaStore::new(250);
        let message = random.sid(Prefix::Mm);
        let sids: Vec<Sid> = (0..3).map(|_| random.sid(Prefix::Me)).collect();
        for sid in &sids {
            let bytes = Bytes::from(vec![0; 100]);
            store.put(*sid, File { message, content_type: "image/png".into(), bytes, created_ms: 0 });
        }
        assert!(store.get(sids[0]).is_none());
        assert_eq!(store.of(message).len(), 2);
        assert!(store.delete(sids[1]) && !store.delete(sids[1]));
        assert_eq!((store.bytes, store.dropped()), (100, 1));
    }
}
