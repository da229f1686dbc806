use super::*;
use proptest::prelude::*;

fn amounts_in(text: &str) -> Vec<(f64, f64)> {
    let amount = |token: Token| match token.kind {
        Kind::Money(amount) => Some((amount.low, amount.high)),
        _ => None,
    };
    tokens(text).into_iter().filter_map(amount).collect()
}

#[test]
fn amounts_as_people_write_them() {
    for (text, expected) in [
        ("$500", (500.0, 500.0)),
        ("500 dollars", (500.0, 500.0)),
        ("Rs. 1,20,000", (120_000.0, 120_000.0)),
        ("Rs.500/-", (500.0, 500.0)),
        ("₹2000", (2_000.0, 2_000.0)),
        ("R$ 1.500,00", (1_500.0, 1_500.0)),
        ("$120,000-180,000 a year", (120_000.0, 180_000.0)),
        ("$120,000 - $180,000", (120_000.0, 180_000.0)),
        ("$200 to $500", (200.0, 500.0)),
        ("$5-10k", (5_000.0, 10_000.0)),
        ("500rs", (500.0, 500.0)),
        ("५०० रुपये", (500.0, 500.0)),
        ("2 lakh rupees", (200_000.0, 200_000.0)),
        ("€ 2.000", (2_000.0, 2_000.0)),
    ] {
        assert_eq!(amounts_in(text), [expected], "{text}");
    }
    assert_eq!(amounts_in("3+ years, 401k, 12 months, room 5"), []);
    assert_eq!(amounts_in("keep $100, buy $500"), [(100.0, 100.0), (500.0, 500.0)]);
}

fn kinds(text: &str) -> Vec<Kind> {
    tokens(text)
        .into_iter()
        .map(|token| token.kind)
        .filter(|kind| !matches!(kind, Kind::Pause | Kind::Stop))
        .collect()
}

#[test]
fn addresses() {
    assert_eq!(kinds("job@email.com"), [Kind::Email { free: true }]);
    assert_eq!(kinds("(hr@acme.co.uk)."), [Kind::Email { free: false }]);
    assert_eq!(kinds("https://acme.com/careers wa.me/123 acme.jobs"), [Kind::Link; 3]);
    assert_eq!(kinds("e.g. Node.js").len(), 4);
}

#[test]
fn hidden_characters_do_not_split_words() {
    let found = tokens("gi\u{200b}ft card");
    assert_eq!(found[0].word, "gift");
}

proptest! {
    #[test]
    fn every_token_lies_in_the_text_in_order(text in "\\PC{0,200}") {
        let mut at = 0;
        for token in tokens(&text) {
            prop_assert!(token.start >= at && token.end >= token.start);
            prop_assert!(text.get(token.start..token.end).is_some());
            at = token.end;
        }
    }

    #[test]
    fn the_same_for_money_like_texts(text in "[$€R0-9.,k –toa@Rs/-]{0,60}") {
        for token in tokens(&text) {
            prop_assert!(text.get(token.start..token.end).is_some());
        }
    }
}
