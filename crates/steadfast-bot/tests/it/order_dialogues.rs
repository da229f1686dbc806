//! Whole chats, as they read. In a transcript `>` is the person, `<` the bot, `#` a remark, and `@` something
//! that happens: `@ +31m`, `@ price 1 130`, `@ gone 3`, `@ state preparing`, `@ tap yes`, `@ tap no`,
//! `@ tap old yes`, `@ pin 27.7172 85.3240 Home`, `@ picture`, `@ orders 1`.

use crate::order_chat::Chat;
use steadfast_core::catalogue::Catalogue;
use steadfast_core::message::{Content, Media};
use steadfast_core::order::OrderState;

/// Runs `transcript` and answers with what was really said, in the same form.
fn run(transcript: &str) -> String {
    let mut chat = Chat::new(Catalogue::demo());
    let mut seen_button = (String::new(), 0);
    let mut written = Vec::new();
    for line in transcript.lines() {
        let said = match line.split_at_checked(1) {
            Some((">", text)) => Some(chat.say(&text.trim_start().replace("\\n", "\n"))),
            Some(("@", event)) => happen(&mut chat, event.trim(), &seen_button),
            Some(("<", _)) => continue,
            _ => None,
        };
        written.push(line.to_owned());
        if let Some(plan) = said {
            for reply in &plan.replies {
                written.extend(reply.lines().map(|line| format!("< {line}").trim_end().to_owned()));
            }
        }
        if let Some(draft) = &chat.conversation.draft
            && seen_button.0.is_empty()
        {
            seen_button = (draft.id.clone(), draft.version);
        }
    }
    written.join("\n")
}

fn happen(
    chat: &mut Chat,
    event: &str,
    first_seen: &(String, u32),
) -> Option<steadfast_bot::order::conversation::Plan> {
    let words: Vec<&str> = event.split_whitespace().collect();
    let current =
        chat.conversation.draft.as_ref().map(|draft| (draft.id.clone(), draft.version)).unwrap_or_default();
    match words.as_slice() {
        ["price", sku, rupees] => {
            let rupees: i64 = rupees.parse().expect("an amount");
            let product =
                chat.catalogue.products.iter_mut().find(|product| product.sku == *sku).expect("a product");
            product.price.minor = rupees * 100;
            None
        }
        ["gone", sku] => {
            chat.catalogue.products.retain(|product| product.sku != *sku);
            None
        }
        ["state", word] => {
            chat.orders.first_mut().expect("an order").state = OrderState::parse(word).expect("a state");
            None
        }
        ["tap", "yes"] => Some(chat.tap(&format!("order:confirm:{}:{}", current.0, current.1))),
        ["tap", "no"] => Some(chat.tap(&format!("order:cancel:{}:{}", current.0, current.1))),
        ["tap", "old", "yes"] => Some(chat.tap(&format!("order:confirm:{}:{}", first_seen.0, first_seen.1))),
        ["tap", "old", "no"] => Some(chat.tap(&format!("order:cancel:{}:{}", first_seen.0, first_seen.1))),
        ["pin", latitude, longitude, label @ ..] => {
            let content = Content::Location {
                latitude: latitude.parse().expect("degrees"),
                longitude: longitude.parse().expect("degrees"),
                address: None,
                label: (!label.is_empty()).then(|| label.join(" ")),
            };
            Some(chat.send("", content))
        }
        ["picture"] => {
            let media =
                Media { url: "https://example.invalid/m".to_owned(), content_type: "image/jpeg".to_owned() };
            Some(chat.send("", Content::Media { items: vec![media] }))
        }
        ["empty"] => Some(chat.say("  ")),
        ["orders", count] => {
            assert_eq!(chat.orders.len(), count.parse::<usize>().expect("a count"), "orders placed");
            None
        }
        [minutes] if minutes.starts_with('+') => {
            let minutes: i64 =
                minutes.trim_start_matches('+').trim_end_matches('m').parse().expect("minutes");
            chat.now_ms += minutes * 60_000;
            None
        }
        _ => panic!("an event no transcript knows: {event}"),
    }
}

macro_rules! dialogues {
    ($($name:ident),+ $(,)?) => {$(
        #[test]
        fn $name() {
            let transcript = include_str!(concat!("dialogues/", stringify!($name), ".txt"));
            let real = run(transcript);
            assert!(real.trim_end() == transcript.trim_end(), "the chat went otherwise:\n{real}");
        }
    )+};
}

dialogues! {
    the_demo,
    five_times_yes,
    editing,
    stale_and_changed,
    lapsed,
    cancelling,
    status_and_again,
    questions,
    not_understood,
    addresses,
}
