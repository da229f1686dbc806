//! The known name that an unknown one was probably meant to be.

/// The one of `names` that takes the fewest edits to become, if it takes few enough to be a slip.
pub(crate) fn nearest<'a>(name: &str, names: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let wanted = name.to_ascii_lowercase();
    let slips_max = (wanted.chars().count() / 3).max(2);
    names
        .map(|known| (edits(&wanted, &known.to_ascii_lowercase()), known))
        .min_by_key(|(edits, _)| *edits)
        .filter(|(edits, _)| *edits <= slips_max)
        .map(|(_, known)| known)
}

/// The Levenshtein distance.
fn edits(from: &str, to: &str) -> usize {
    let to: Vec<char> = to.chars().collect();
    let mut row: Vec<usize> = (0..=to.len()).collect();
    for (i, a) in from.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, b) in to.iter().enumerate() {
            let replaced = diagonal + usize::from(a != *b);
            diagonal = row[j + 1];
            row[j + 1] = replaced.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[to.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_is_recognised_and_nonsense_is_not() {
        let names = ["pool.lanes_min", "pool.lanes_max", "socketTimeout"];
        assert_eq!(nearest("pool.lane_max", names.into_iter()), Some("pool.lanes_max"));
        assert_eq!(nearest("sockettimout", names.into_iter()), Some("socketTimeout"));
        assert_eq!(nearest("colour", names.into_iter()), None);
        assert_eq!(edits("kitten", "sitting"), 3);
    }
}
