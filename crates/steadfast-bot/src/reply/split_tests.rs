use super::*;
use proptest::prelude::*;

/// Parts carry the whole text in order, but for white space between them, and keep the bound.
fn check(text: &str, units_max: usize) -> Vec<Part> {
    let parts = parts(text, units_max);
    let mut at = 0;
    for part in &parts {
        assert!(units(&part.body) <= units_max, "{} units", units(&part.body));
        assert!(part.body.contains(&text[part.range.clone()]), "the part holds its stretch verbatim");
        assert!(text[at..part.range.start].trim().is_empty(), "lost: {:?}", &text[at..part.range.start]);
        at = part.range.end;
    }
    assert!(text[at..].trim().is_empty(), "lost at the end: {:?}", &text[at..]);
    parts
}

#[test]
fn what_fits_stays_as_it_is() {
    assert_eq!(split("Hello *there*"), ["Hello *there*"]);
    assert_eq!(split(&"a".repeat(1_600)).len(), 1);
    assert_eq!(split("  \n "), [""; 0]);
}

#[test]
fn long_texts_are_cut_at_paragraphs_and_numbered() {
    let paragraph = "A sentence of some length that says nothing. ".repeat(20);
    let text = [paragraph.trim(); 4].join("\n\n");
    let parts = check(&text, UNITS_MAX);
    assert_eq!(parts.len(), 4);
    assert!(parts[0].body.starts_with("(1/4) A sentence"));
    assert!(parts[3].body.starts_with("(4/4) A sentence"));
    assert!(parts.iter().all(|part| part.body.ends_with("nothing.")));
}

#[test]
fn emoji_count_twice_and_graphemes_stay_whole() {
    // 1,000 characters, 2,000 units.
    let parts = check(&"👍".repeat(1_000), UNITS_MAX);
    assert_eq!(parts.len(), 2);
    let family = "👨‍👩‍👧‍👦";
    let text = family.repeat(400);
    for part in check(&text, UNITS_MAX) {
        assert_eq!(part.range.len() % family.len(), 0, "a family was torn apart");
    }
}

#[test]
fn a_grapheme_longer_than_a_message_is_cut_all_the_same() {
    let monster = format!("e{}", "\u{301}".repeat(5_000));
    assert!(check(&monster, UNITS_MAX).len() >= 4);
}

#[test]
fn marks_are_closed_and_opened_again() {
    let text = format!("Start *{}* end", "bold words go on ".repeat(150).trim());
    let parts = check(&text, UNITS_MAX);
    assert!(parts.len() > 1);
    for part in &parts {
        assert_eq!(part.body.matches('*').count() % 2, 0, "{}", part.body);
    }
    assert!(parts[1].body.starts_with("(2/2) *"));
    let code = format!("```\n{}\n```", "let x = 1;\n".repeat(300).trim());
    for part in check(&code, UNITS_MAX) {
        assert_eq!(part.body.matches("```").count(), 2, "{}", part.body);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn no_text_is_lost_and_no_part_too_long(
        text in proptest::collection::vec("[a-z]{1,12}|👍|👨‍👩‍👧|é|नमस्ते|[*_~.!?] |```|\\n|\\n\\n| ", 0..400),
        units_max in 64_usize..300,
    ) {
        check(&text.concat(), units_max);
    }

    #[test]
    fn the_same_for_anything(text in "\\PC{0,3000}") {
        check(&text, UNITS_MAX);
        check(&text, 64);
    }

    #[test]
    fn every_part_is_balanced(words in proptest::collection::vec("[a-z]{1,9}", 60..200), bold in 0_usize..40, length in 1_usize..40) {
        let mut words = words;
        let end = (bold + length).min(words.len() - 1);
        words[bold].insert(0, '*');
        words[end].push('*');
        let text = words.join(" ");
        for part in check(&text, 100) {
            prop_assert_eq!(part.body.matches('*').count() % 2, 0, "{}", part.body);
        }
    }
}
