use super::*;
use proptest::prelude::*;
use steadfast_core::catalogue::Catalogue;

fn read(text: &str) -> Option<Edit> {
    let catalogue = Catalogue::demo();
    parse(text, &Parser::new(&catalogue))
}

/// "+sku*n", "-sku", "-sku*n", "=sku*n", "=n", "clear".
fn short(edit: &Edit) -> String {
    let change = |change: &Change| match change {
        Change::Add { sku, quantity } => format!("+{sku}*{quantity}"),
        Change::Remove { sku, quantity: None } => format!("-{sku}"),
        Change::Remove { sku, quantity: Some(quantity) } => format!("-{sku}*{quantity}"),
        Change::Set { sku, quantity } => format!("={sku}*{quantity}"),
        Change::SetOnly { quantity } => format!("={quantity}"),
        Change::Clear => "clear".to_owned(),
    };
    edit.changes.iter().map(change).collect::<Vec<_>>().join(" ")
}

#[track_caller]
fn does(text: &str, expected: &str) {
    let edit = read(text);
    assert_eq!(edit.as_ref().map(short).as_deref(), Some(expected), "{text}: {edit:?}");
    assert!(edit.is_some_and(|edit| edit.problems.is_empty()), "{text}");
}

#[test]
fn adds() {
    for text in [
        "add 2 oil",
        "+2 oil",
        "+ 2 oil",
        "also 2 oil",
        "please add 2 oil",
        "add oil 2",
        "plus 2 oil",
        "agrega dos oil",
        "ajoute deux oil",
        "थप्नुस् 2 तेल",
    ] {
        does(text, "+3*2");
    }
    does("add oil", "+3*1");
    does("add 2 oil and 1 rice to my order", "+3*2 +1*1");
}

#[test]
fn removes() {
    for text in [
        "remove oil",
        "no oil",
        "without oil",
        "delete the oil",
        "remove all the oil",
        "drop oil please",
        "sin oil",
        "ohne oil",
        "geen oil",
        "हटाऊ तेल",
        "cancel oil",
        "remove oil from my order",
        "❌ oil",
    ] {
        does(text, "-3");
    }
    for text in ["remove 1 oil", "minus 1 oil", "-1 oil", "less 1 oil", "remove 1 bottle of oil"] {
        does(text, "-3*1");
    }
    does("remove oil and sugar", "-3 -4");
    does("remove everything", "clear");
}

#[test]
fn sets() {
    for text in [
        "make it 3 rice",
        "change rice to 3",
        "rice = 3",
        "set rice to 3 kg",
        "make rice 3",
        "only 3 rice",
        "just 3 rice",
        "change 2 rice to 3 rice",
        "change 2 rice to 3",
        "update rice to three",
        "cambia rice a 3",
        "ändere rice auf 3",
        "solo tres rice",
    ] {
        does(text, "=1*3");
    }
    does("make it 3", "=3");
    does("change it to 3", "=3");
    does("only 1 oil", "=3*1");
    does("change tea to 1 kg", "=5*4");
    does("change rice to 2 oil", "-1 +3*2");
}

#[test]
fn several_at_once() {
    does("remove oil and add 2 rice", "-3 +1*2");
    does("add 2 rice, remove oil", "+1*2 -3");
    does("2 tea but no oil", "+5*2 -3");
}

#[test]
fn addresses() {
    let edit = read("change address to 12 Main Street").expect("an edit");
    assert_eq!(edit.address.as_deref(), Some("12 Main Street"));
    let edit = read("add 1 oil and deliver to 12 Main Street").expect("an edit");
    assert_eq!((short(&edit).as_str(), edit.address.as_deref()), ("+3*1", Some("12 Main Street")));
}

#[test]
fn what_is_no_edit() {
    for text in [
        "2 rice",
        "2 rice and 1 oil",
        "rice",
        "hello",
        "yes",
        "no",
        "no, 2 rice",
        "no I want rice",
        "I want 2 rice",
        "1x2",
        "",
    ] {
        assert_eq!(read(text), None, "{text}");
    }
}

#[test]
fn what_cannot_be_taken_is_a_problem() {
    for text in [
        "remove unicorns",
        "change rice to many",
        "make it blue",
        "change unicorns to 3",
        "add 5 unicorns",
        "change rice to 0",
        "make rice 2000",
    ] {
        let edit = read(text).expect("an edit");
        assert!(!edit.changes_something(), "{text}: {edit:?}");
        assert!(!edit.problems.is_empty(), "{text}");
    }
}

proptest! {
    #[test]
    fn any_text_is_read(text in "(?s).{0,120}") {
        let _ = read(&text);
    }

    #[test]
    fn any_mixture_of_words_is_read(words in prop::collection::vec(prop_oneof![
        Just("add"), Just("remove"), Just("no"), Just("only"), Just("change"), Just("to"), Just("rice"), Just("oil"), Just("3"), Just("and"),
        Just(","), Just("="), Just("make it"), Just("all"), Just("address"), Just("-"), Just("+"), Just("10000"), Just("please"),
    ], 0..10)) {
        let catalogue = Catalogue::demo();
        if let Some(edit) = read(&words.join(" ")) {
            for change in edit.changes {
                if let Change::Add { sku, quantity } | Change::Set { sku, quantity } = change {
                    prop_assert!((1..=catalogue.quantity_max).contains(&quantity));
                    prop_assert!(catalogue.by_sku(&sku).is_some());
                }
            }
        }
    }
}
