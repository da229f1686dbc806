//! Entries in a row: how one is told from the next, a whole one from a torn one.
//!
//! A record is a mark, the length, a checksum and the entry. The checksum is also over the file's salt and the
//! record's place in it: bytes of a value that look like a record, and records of another file, do not count.

use super::codec::{decode, encode};
use super::crc::crc32c;
use crate::cache::entry::Entry;
use std::ops::Range;

const MARK: [u8; 4] = [0xf5, b's', b'f', 0x01];
const HEAD: usize = 12;

/// The largest entry, encoded.
pub(crate) const ENTRY_MAX: usize = 64 << 20;

/// Appends a record of `entry` to `out`, whose first byte will stand at `base` in the file.
pub(crate) fn write(entry: &Entry, salt: u32, base: u64, out: &mut Vec<u8>) {
    let start = out.len();
    out.extend_from_slice(&[0; HEAD]);
    encode(entry, out);
    let len = out.len() - start - HEAD;
    // Larger entries are refused before they come here.
    let len = u32::try_from(len).unwrap_or(u32::MAX);
    let crc = checksum(salt, base + start as u64, len, &out[start + HEAD..]);
    out[start..start + 4].copy_from_slice(&MARK);
    out[start + 4..start + 8].copy_from_slice(&len.to_le_bytes());
    out[start + 8..start + HEAD].copy_from_slice(&crc.to_le_bytes());
}

fn checksum(salt: u32, offset: u64, len: u32, payload: &[u8]) -> u32 {
    let crc = crc32c(0, &salt.to_le_bytes());
    let crc = crc32c(crc, &offset.to_le_bytes());
    crc32c(crc32c(crc, &len.to_le_bytes()), payload)
}

/// The entry of the record at `offset`, and where the record ends.
fn read_at(file: &[u8], salt: u32, offset: usize) -> Option<(Entry, usize)> {
    let rest = file[offset..].strip_prefix(&MARK)?;
    let (len, rest) = rest.split_first_chunk()?;
    let (crc, rest) = rest.split_first_chunk()?;
    let len = u32::from_le_bytes(*len);
    let size = usize::try_from(len).ok().filter(|&size| size <= ENTRY_MAX)?;
    let payload = rest.get(..size)?;
    let good = checksum(salt, offset as u64, len, payload) == u32::from_le_bytes(*crc);
    decode(payload).filter(|_| good).map(|entry| (entry, offset + HEAD + size))
}

/// What was found in a file.
pub(crate) struct Scan {
    /// Where the last whole record ends.
    pub(crate) end: usize,
    /// What lies between whole records and is none.
    pub(crate) gaps: Vec<Range<usize>>,
}

/// Calls `found` with every whole entry of `file`, in order. After bytes that are none it goes on with the next
/// record that is whole.
pub(crate) fn scan(file: &[u8], salt: u32, found: &mut dyn FnMut(Entry)) -> Scan {
    let mut scan = Scan { end: 0, gaps: Vec::new() };
    let mut offset = 0;
    while offset < file.len() {
        if let Some((entry, end)) = read_at(file, salt, offset) {
            if offset > scan.end {
                scan.gaps.push(scan.end..offset);
            }
            found(entry);
            scan.end = end;
            offset = end;
        } else {
            let next = file[offset + 1..].windows(MARK.len()).position(|window| window == MARK);
            offset = next.map_or(file.len(), |skipped| offset + 1 + skipped);
        }
    }
    scan
}

#[cfg(test)]
mod tests {
    use super::super::codec::tests::entry;
    use super::*;
    use crate::cache::version::Version;
    use bytes::Bytes;
    use proptest::prelude::*;

    fn found(file: &[u8], salt: u32) -> (Vec<Entry>, Scan) {
        let mut entries = Vec::new();
        let scan = scan(file, salt, &mut |entry| entries.push(entry));
        (entries, scan)
    }

    fn file_of(entries: &[Entry], salt: u32) -> (Vec<u8>, Vec<usize>) {
        let mut file = Vec::new();
        let ends = entries.iter().map(|entry| {
            write(entry, salt, 0, &mut file);
            file.len()
        });
        let ends = ends.collect();
        (file, ends)
    }

    #[test]
    fn a_record_within_a_value_does_not_count() {
        let inner = Entry::Delete { version: Version::ZERO, key: Bytes::from_static(b"gone") };
        let (record, _) = file_of(std::slice::from_ref(&inner), 7);
        let field = Bytes::from(record);
        let outer = Entry::Delete { version: Version::ZERO, key: field };
        let (mut file, _) = file_of(&[outer, inner.clone()], 7);
        file[0] ^= 1;
        let (entries, scan) = found(&file, 7);
        assert_eq!(entries, [inner]);
        assert_eq!(scan.gaps.len(), 1);
        assert!(found(&file, 8).0.is_empty(), "a record of another file counts");
    }

    proptest! {
        #[test]
        fn what_is_written_is_found(entries in prop::collection::vec(entry(), 0..8), salt in any::<u32>()) {
            let (file, _) = file_of(&entries, salt);
            let (read, scan) = found(&file, salt);
            prop_assert_eq!(read, entries);
            prop_assert_eq!(scan.end, file.len());
            prop_assert!(scan.gaps.is_empty());
        }

        #[test]
        fn a_torn_tail_costs_only_its_record(entries in prop::collection::vec(entry(), 1..8), cut in any::<prop::sample::Index>()) {
            let (file, ends) = file_of(&entries, 1);
            let cut = cut.index(file.len());
            let whole = ends.iter().filter(|end| **end <= cut).count();
            let (read, scan) = found(&file[..cut], 1);
            prop_assert_eq!(&read, &entries[..whole]);
            prop_assert!(scan.gaps.is_empty());
        }

        /// All records but the one hit are found, and the place is named.
        #[test]
        fn a_damaged_record_costs_only_itself(
            entries in prop::collection::vec(entry(), 2..8), hit in any::<prop::sample::Index>(), bit in 0..8_u32,
        ) {
            let (mut file, ends) = file_of(&entries, 1);
            let hit = hit.index(file.len());
            file[hit] ^= 1 << bit;
            let victim = ends.iter().filter(|end| **end <= hit).count();
            let (read, scan) = found(&file, 1);
            let mut left = entries.clone();
            left.remove(victim);
            prop_assert_eq!(read, left);
            let start = if victim == 0 { 0 } else { ends[victim - 1] };
            if victim + 1 < entries.len() {
                prop_assert_eq!(scan.gaps, vec![start..ends[victim]]);
            } else {
                prop_assert_eq!(scan.end, start);
            }
        }
    }
}
