//! CRC-32C (Castagnoli), as in RFC 3720 appendix B.4, eight bytes at a step.

const POLYNOMIAL: u32 = 0x82f6_3b78;

static TABLES: [[u32; 256]; 8] = tables();

#[expect(clippy::cast_possible_truncation, reason = "the index is below 256")]
const fn tables() -> [[u32; 256]; 8] {
    let mut tables = [[0_u32; 256]; 8];
    let mut i = 0;
    while i < 256 {
        let mut crc = i as u32;
        let mut bit = 0;
        while bit < 8 {
            crc = if crc & 1 == 1 { crc >> 1 ^ POLYNOMIAL } else { crc >> 1 };
            bit += 1;
        }
        tables[0][i] = crc;
        i += 1;
    }
    let mut table = 1;
    while table < 8 {
        let mut i = 0;
        while i < 256 {
            let before = tables[table - 1][i];
            tables[table][i] = before >> 8 ^ tables[0][(before & 0xff) as usize];
            i += 1;
        }
        table += 1;
    }
    tables
}

/// Goes on from `crc`, which is 0 at the beginning.
pub(crate) fn crc32c(crc: u32, bytes: &[u8]) -> u32 {
    let at = |table: usize, word: u64, byte: u32| TABLES[table][(word >> (8 * byte) & 0xff) as usize];
    let mut crc = !crc;
    let mut chunks = bytes.chunks_exact(8);
    for chunk in &mut chunks {
        let word = chunk.iter().rev().fold(0_u64, |word, &byte| word << 8 | u64::from(byte)) ^ u64::from(crc);
        crc = at(7, word, 0)
            ^ at(6, word, 1)
            ^ at(5, word, 2)
            ^ at(4, word, 3)
            ^ at(3, word, 4)
            ^ at(2, word, 5)
            ^ at(1, word, 6)
            ^ at(0, word, 7);
    }
    for &byte in chunks.remainder() {
        crc = crc >> 8 ^ TABLES[0][((crc ^ u32::from(byte)) & 0xff) as usize];
    }
    !crc
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn agrees_with_the_published_vectors() {
        let ascending: Vec<u8> = (0..32).collect();
        for (bytes, want) in [
            (b"123456789".as_slice(), 0xe306_9283),
            (&[0; 32], 0x8a91_36aa),
            (&[0xff; 32], 0x62a8_ab43),
            (&ascending, 0x46dd_794e),
            (b"", 0),
        ] {
            assert_eq!(crc32c(0, bytes), want);
        }
    }

    proptest! {
        #[test]
        fn may_be_taken_in_pieces(bytes in prop::collection::vec(any::<u8>(), 0..100), cut in 0..100_usize) {
            let (head, tail) = bytes.split_at(cut.min(bytes.len()));
            prop_assert_eq!(crc32c(crc32c(0, head), tail), crc32c(0, &bytes));
        }
    }
}
