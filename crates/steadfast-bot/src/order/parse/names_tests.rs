use super::*;
use steadfast_core::money::{Currency, Money};

fn catalogue(names: &[(&str, &[&str])]) -> Catalogue {
    let product = |(index, &(name, aliases)): (usize, &(&str, &[&str]))| Product {
        sku: (index + 1).to_string(),
        name: name.to_owned(),
        aliases: aliases.iter().map(|&alias| alias.to_owned()).collect(),
        price: Money::new(100, Currency::NPR),
    };
    Catalogue {
        currency: Currency::NPR,
        products: names.iter().enumerate().map(product).collect(),
        quantity_max: 1_000,
    }
}

fn find(catalogue: &Catalogue, text: &str) -> Option<Found> {
    let names = Names::new(catalogue);
    let lexed = lex(text);
    let key = join(&lexed.tokens);
    names.exact(&key).or_else(|| names.fuzzy(&key))
}

#[test]
fn plurals_and_misspellings() {
    let menu = catalogue(&[
        ("Coffee", &[]),
        ("Wrap", &[]),
        ("Chicken Burger", &[]),
        ("Berry", &[]),
        ("Oil (1L)", &[]),
    ]);
    for (text, index) in [
        ("coffees", 0),
        ("cofee", 0),
        ("coffe", 0),
        ("wraps", 1),
        ("warp", 1),
        ("chiken burgers", 2),
        ("chicken-burger", 2),
        ("chickenburgr", 2),
        ("berries", 3),
        ("oil", 4),
        ("oill", 4),
        ("OIL 1L", 4),
    ] {
        assert_eq!(find(&menu, text), Some(Found::Product(index)), "{text}");
    }
    for text in ["tofu", "rap", "co", "burger", "oi", "ail"] {
        assert_eq!(find(&menu, text), None, "{text}");
    }
}

#[test]
fn one_letter_can_be_another_product() {
    let menu = catalogue(&[("Tea (250g)", &[]), ("Rice (1kg)", &[]), ("Salt", &[])]);
    for text in ["pea", "ten", "dice", "malt", "ice"] {
        assert_eq!(find(&menu, text), None, "{text}");
    }
}

#[test]
fn a_tie_is_never_decided() {
    let menu = catalogue(&[("Coke 500ml", &[]), ("Coke 1L", &[]), ("Marina", &[]), ("Marino", &[])]);
    assert_eq!(find(&menu, "coke"), Some(Found::Several(vec![0, 1])));
    assert_eq!(find(&menu, "coke 1 l"), Some(Found::Product(1)));
    assert_eq!(find(&menu, "coke 330ml"), None);
    assert_eq!(find(&menu, "marine"), Some(Found::Several(vec![2, 3])));
    assert_eq!(find(&menu, "marina"), Some(Found::Product(2)));
}

#[test]
fn a_plain_name_beats_a_shortened_one() {
    let menu = catalogue(&[("Coke 500ml", &[]), ("Coke", &[])]);
    assert_eq!(find(&menu, "coke"), Some(Found::Product(1)));
}

#[test]
fn packs() {
    let size = |name: &str| {
        let pack = pack_of(&lex(name))?;
        Some((pack.dimension, pack.size.as_whole()?))
    };
    assert_eq!(size("Rice (1kg)"), Some((Dimension::Mass, 1_000_000)));
    assert_eq!(size("Tea (250g)"), Some((Dimension::Mass, 250_000)));
    assert_eq!(size("Oil 1.5 L"), Some((Dimension::Volume, 1_500)));
    assert_eq!(size("Eggs (dozen)"), Some((Dimension::Pieces, 12)));
    assert_eq!(size("Eggs (6 pack)"), Some((Dimension::Pieces, 6)));
    assert_eq!(size("Lunch box"), None);
    assert_eq!(size("Nothing (0kg)"), None);
}

#[test]
fn distances() {
    let d = |a: &str, b: &str| distance(&a.chars().collect::<Vec<_>>(), &b.chars().collect::<Vec<_>>(), 2);
    assert_eq!(d("rice", "rice"), 0);
    assert_eq!(d("riec", "rice"), 1);
    assert_eq!(d("margharita", "margherita"), 1);
    assert_eq!(d("abc", "xyz"), 3);
    assert_eq!(d("", "abcd"), 3);
}
