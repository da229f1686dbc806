//! Texts that may be orders.

use crate::input::{line, lossy, number};
use std::collections::HashSet;
use steadfast_bot::order::conversation::{Policy, View, handle};
use steadfast_bot::order::edit::{self, Change};
use steadfast_bot::order::intent;
use steadfast_bot::order::parse::{Context, LINES_MAX, Parser, Problem, render};
use steadfast_core::catalogue::{Catalogue, Product};
use steadfast_core::conversation::{Conversation, ConversationId, Draft, DraftLine};
use steadfast_core::message::{Content, InboundMessage};
use steadfast_core::money::{Currency, Money};

const NOW_MS: i64 = 1_700_000_000_000;

/// Lines: a number that picks context and catalogue; and the text. Nothing is ordered that is not in the
/// catalogue, in no quantity beyond its bound, and nothing twice; what was read, written as lines, reads
/// back; and the conversation always has an answer.
pub fn order(data: &[u8]) {
    let (pick, rest) = line(data);
    let (pick, text) = (number(pick), lossy(rest));
    let catalogue = if pick.is_multiple_of(2) { Catalogue::demo() } else { odd() };
    let context = [Context::Bare, Context::Order, Context::Named][pick / 2 % 3];
    parsed(text, context, &catalogue);
    edited(text, &catalogue);
    if let Some(command) = intent::command(text) {
        assert_eq!(intent::command(&format!(" {text} ")), Some(command), "spaces around it mean nothing");
    }
    // A payload is the bot's own, but the person's client sends it.
    let _ = intent::button(text);
    answered(text, &catalogue);
}

/// Names that look like something else.
fn odd() -> Catalogue {
    let names =
        ["2", "to", "7up", "Rice (1kg)", "Rice (5kg)", "a dozen", "Ice, no sugar", "🍕", "café crème"];
    let product = |(index, name): (usize, &&str)| Product {
        sku: format!("p{index}"),
        name: (*name).to_owned(),
        aliases: vec![format!("alias {index}")],
        price: Money::new(199, Currency::NPR),
    };
    let products = names.iter().enumerate().map(product).collect();
    Catalogue { currency: Currency::NPR, products, quantity_max: 50 }
}

fn parsed(text: &str, context: Context, catalogue: &Catalogue) {
    let parser = Parser::new(catalogue);
    let order = parser.parse(text, context);
    let skus: HashSet<&str> = order.items.iter().map(|item| item.sku.as_str()).collect();
    assert_eq!(skus.len(), order.items.len(), "one line per product");
    for item in &order.items {
        assert!((1..=catalogue.quantity_max).contains(&item.quantity), "{item:?}");
        assert!(catalogue.by_sku(&item.sku).is_some(), "{item:?}");
    }
    for problem in &order.problems {
        if let Problem::Ambiguous { candidates, .. } = problem {
            assert!(candidates.len() <= 5 && candidates.iter().all(|sku| catalogue.by_sku(sku).is_some()));
        }
    }
    let items: Vec<(String, u32)> =
        order.items.iter().map(|item| (item.sku.clone(), item.quantity)).collect();
    if items.len() <= LINES_MAX {
        let again = parser.parse(&render(&items, catalogue), Context::Bare);
        let read: Vec<(String, u32)> =
            again.items.iter().map(|item| (item.sku.clone(), item.quantity)).collect();
        assert_eq!(read, items, "what was written reads back: {:?}", again.problems);
    }
}

fn edited(text: &str, catalogue: &Catalogue) {
    let Some(edit) = edit::parse(text, &Parser::new(catalogue)) else { return };
    for change in &edit.changes {
        match change {
            Change::Add { sku, quantity } | Change::Set { sku, quantity } => {
                assert!(*quantity >= 1 && catalogue.by_sku(sku).is_some(), "{change:?}");
            }
            Change::Remove { sku, quantity } => {
                assert!(*quantity != Some(0) && catalogue.by_sku(sku).is_some(), "{change:?}");
            }
            Change::SetOnly { quantity } => assert!(*quantity >= 1, "{change:?}"),
            _ => {}
        }
    }
}

/// With and without a draft, the same twice, and never silence.
fn answered(text: &str, catalogue: &Catalogue) {
    let message = message(text);
    let mut conversation =
        Conversation::new(ConversationId::between(&message.account, &message.to, &message.from));
    for draft in [None, Some(draft(catalogue))] {
        conversation.draft = draft;
        let view = View { conversation: &conversation, orders: &[], catalogue };
        let plan = handle(&view, &message, NOW_MS, &Policy::default());
        assert!(plan.replies.iter().any(|reply| !reply.trim().is_empty()), "no answer");
        assert!(plan == handle(&view, &message, NOW_MS, &Policy::default()), "another plan the second time");
    }
}

fn draft(catalogue: &Catalogue) -> Draft {
    let line = |product: &Product| DraftLine {
        sku: product.sku.clone(),
        name: product.name.clone(),
        quantity: catalogue.quantity_max,
        unit_price: product.price,
    };
    Draft {
        id: "d1".to_owned(),
        version: 3,
        lines: catalogue.products.iter().take(2).map(line).collect(),
        address: None,
        expires_ms: NOW_MS + 60_000,
    }
}

fn message(text: &str) -> InboundMessage {
    InboundMessage {
        sid: "SM00000000000000000000000000000001".to_owned().try_into().expect("an id"),
        account: "AC00000000000000000000000000000000".to_owned().try_into().expect("an id"),
        from: "whatsapp:+9779800000000".to_owned().try_into().expect("an address"),
        to: "whatsapp:+14155238886".to_owned().try_into().expect("an address"),
        body: text.to_owned(),
        content: Content::Text,
        profile_name: None,
        external_user_id: None,
        received_ms: NOW_MS,
        in_reply_to: None,
        extra: Vec::new(),
    }
}
