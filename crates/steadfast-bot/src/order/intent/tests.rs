use super::*;
use proptest::prelude::*;

#[test]
fn whole_messages_in_many_languages() {
    let cancel = Command::Cancel { order: None };
    let status = Command::Status { order: None };
    for (texts, expected) in [
        (
            "yes|YES!|Yes please|ok|okkk|Yesss|confirm|sí|Si, por favor|oui|ja|हो|हुन्छ|👍|👍🏽|👍👍|yes 👍|yes, ok|✅|نعم|sim|d'accord|ndiyo",
            &Command::Confirm,
        ),
        ("no|No.|no thanks|não|nein|नहीं|होइन|👎|❌|không|لا", &Command::Decline),
        ("cancel|Cancel please|cancel my order|no, cancel|annuler|रद्द|batal", &cancel),
        ("status|Where is my order?|where's my order|wo ist meine Bestellung?", &status),
        ("recent orders|3|3.|my orders|3️⃣|३", &Command::Recent),
        ("view catalog|1|catalogue|price list|menu|1️⃣", &Command::Catalogue),
        ("check credit|2|credit", &Command::Credit),
        ("place order|checkout|Check out|that's all", &Command::Checkout),
        ("same again|the usual|Reorder!", &Command::Reorder),
        ("clear|start over|empty cart", &Command::Clear),
        ("hi|hello|start|Hi!|help", &Command::Greeting),
    ] {
        for text in texts.split('|') {
            assert_eq!(command(text).as_ref(), Some(expected), "{text}");
        }
    }
}

#[test]
fn a_word_inside_a_message_is_no_command() {
    for text in [
        "Hiring now",
        "this",
        "yesterday",
        "no oil",
        "yes and 2 rice",
        "cancel the oil",
        "12",
        "1 rice",
        "status symbol",
        "ok 2 rice",
        "yes no",
        "notorious",
        "clearance sale",
        "I said yes but I meant something else entirely and will explain it below",
        "",
        "order 2 rice",
        "okra",
        "start today",
    ] {
        assert_eq!(command(text), None, "{text}");
    }
}

#[test]
fn an_order_may_be_named() {
    let number = || Some("7K3MQ9XA".to_owned());
    assert_eq!(command("cancel order 7K3M-Q9XA"), Some(Command::Cancel { order: number() }));
    assert_eq!(command("Cancel 7k3mq9xa please"), Some(Command::Cancel { order: number() }));
    assert_eq!(command("status 7K3M-Q9XA"), Some(Command::Status { order: number() }));
    assert_eq!(command("order 7K3M-Q9XA"), Some(Command::Status { order: number() }));
    assert_eq!(command("7K3M-Q9XA"), Some(Command::Status { order: number() }));
    assert_eq!(command("cancel rice milk"), None);
    assert_eq!(command("cancel the rice"), None);
}

#[test]
fn buttons() {
    let draft = || "d1".to_owned();
    assert_eq!(button("order:confirm:d1:3"), Some(Command::ConfirmDraft { draft: draft(), version: 3 }));
    assert_eq!(button("order:cancel:d1:3"), Some(Command::CancelDraft { draft: draft(), version: 3 }));
    for payload in [
        "",
        "order",
        "order:confirm:d1",
        "order:confirm:d1:x",
        "order:confirm:d1:3:4",
        "order:eat:d1:3",
        "order:confirm:d1:-1",
    ] {
        assert_eq!(button(payload), None, "{payload}");
    }
}

#[test]
fn no_phrase_is_listed_under_two_commands() {
    let mut seen: HashMap<String, &str> = HashMap::new();
    for (name, list) in [
        ("confirm", CONFIRM),
        ("decline", DECLINE),
        ("cancel", CANCEL),
        ("status", STATUS),
        ("recent", RECENT),
        ("catalogue", CATALOGUE),
        ("credit", CREDIT),
        ("checkout", CHECKOUT),
        ("reorder", REORDER),
        ("clear", CLEAR),
        ("greeting", GREETING),
    ] {
        for phrase in list.split([';', '\n']) {
            let key = plain_words(phrase);
            if key.is_empty() {
                continue;
            }
            if let Some(other) = seen.insert(key, name) {
                assert_eq!(other, name, "{phrase}");
            }
        }
    }
}

proptest! {
    #[test]
    fn any_text_is_judged(text in "(?s).{0,120}") {
        let _ = command(&text);
        let _ = button(&text);
    }
}

#[test]
fn spaces_around_a_command_do_not_make_it_too_long() {
    let spaces = " \n".repeat(COMMAND_CHARS_MAX);
    assert_eq!(command(&format!("{spaces}yes{spaces}")), Some(Command::Confirm));
    let longest = format!("1{}", "!".repeat(COMMAND_CHARS_MAX - 1));
    assert_eq!(command(&longest), Some(Command::Catalogue));
    assert_eq!(command(&format!(" {longest} ")), Some(Command::Catalogue));
    assert_eq!(command(&format!("{longest}!")), None);
}
