use super::*;

fn numbers(text: &str) -> Vec<Option<u64>> {
    let amount = |token: &Token| match token.kind {
        Kind::Number { amount, .. } => Some(amount.as_whole()),
        _ => None,
    };
    lex(text).tokens.iter().filter_map(amount).collect()
}

fn keys(text: &str) -> Vec<String> {
    lex(text).tokens.into_iter().map(|token| token.key).filter(|key| !key.is_empty()).collect()
}

#[test]
fn whole_numbers_in_every_writing() {
    for text in [
        "100,000",
        "100.000",
        "100 000",
        "100,000.0",
        "100.000,0",
        "100000",
        "100K",
        "100k",
        "١٠٠٬٠٠٠",
        "١٠٠٬٠٠٠٫٠",
    ] {
        assert_eq!(numbers(text), [Some(100_000)], "{text}");
    }
    assert_eq!(numbers("1.000.000,00"), [Some(1_000_000)]);
    assert_eq!(numbers("1 000 000"), [Some(1_000_000)]);
    assert_eq!(numbers("5.000"), [Some(5_000)]);
    assert_eq!(numbers("١١٫٠ 0033"), [Some(11), Some(33)]);
}

#[test]
fn what_is_not_whole_is_not_rounded() {
    for text in [
        "1,1",
        "01,10",
        "0,77",
        ",77",
        ".77",
        "٫٧٧",
        "٠٫٧٧٠",
        "6.700,54",
        "6 700,54",
        "1/2",
        "½",
        "1½",
        "0.002",
        "1.2.3",
    ] {
        assert_eq!(numbers(text), [None], "{text}");
    }
    assert_eq!(numbers("1e9"), [None]);
    assert_eq!(numbers("1E+99 2"), [None, Some(2)]);
    assert_eq!(numbers(&"9".repeat(500)), [None]);
    assert_eq!(numbers("1/0"), [None]);
}

#[test]
fn a_comma_may_part_a_list() {
    assert_eq!(numbers("1x2,3x1"), [Some(1), Some(2), Some(3), Some(1)]);
    assert_eq!(numbers("1 x 2,3 x 1"), [Some(1), Some(2), Some(3), Some(1)]);
    assert_eq!(numbers("1*2,3*1"), [Some(1), Some(2), Some(3), Some(1)]);
    assert_eq!(numbers("2 500ml"), [Some(2), Some(500)]);
    assert_eq!(numbers("2 500 ml"), [Some(2), Some(500)]);
}

#[test]
fn bullets_and_numbering_are_no_quantities() {
    assert_eq!(numbers("1. 2 kg rice\n2) 3 oil\n- 4 tea\n• 5 salt\n* 6 dal"), [2, 3, 4, 5, 6].map(Some));
    assert_eq!(numbers("1.2 kg"), [None]);
    assert_eq!(numbers("12."), [Some(12)]);
}

#[test]
fn dashes() {
    let kinds = |text: &str| -> String {
        let sign = |token: &Token| match token.kind {
            Kind::Link => 'l',
            Kind::Minus => 'm',
            Kind::Range => 'r',
            Kind::Word => 'w',
            Kind::Number { .. } => 'n',
            Kind::Times => 'x',
            _ => '.',
        };
        lex(text).tokens.iter().map(sign).collect()
    };
    assert_eq!(kinds("rice - 2 kg"), "wlnw");
    assert_eq!(kinds("rice-2"), "wln");
    assert_eq!(kinds("coca-cola"), "ww");
    assert_eq!(kinds("1x-5"), "nwmn");
    assert_eq!(kinds("1*-5"), "nxmn");
    assert_eq!(kinds("-5 rice"), "mnw");
    assert_eq!(kinds("2-3 rice"), "nrnw");
    assert_eq!(kinds("2 - 3"), "nrn");
    assert_eq!(kinds("2-margherita"), "nlw");
}

#[test]
fn apostrophes_and_abbreviations() {
    assert_eq!(
        keys("d'huile s'il j'aimerais don't I'd McDonald's"),
        ["d", "huile", "sil", "j", "aimerais", "dont", "id", "mcdonalds"]
    );
    assert_eq!(keys("1 k.g. 2 k.gs"), ["1", "kg", "2", "kgs"]);
    assert_eq!(keys("*2 rice* and *1 oil*"), ["2", "rice", "and", "1", "oil"]);
}
