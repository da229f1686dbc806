//! Random chats: whatever is said, an order is exactly what was shown last, and a "yes" to anything else
//! places nothing.

use crate::order_chat::Chat;
use proptest::prelude::*;
use steadfast_bot::order::conversation::Plan;
use steadfast_core::catalogue::Catalogue;
use steadfast_core::conversation::{Draft, total_of};
use steadfast_core::decision::Change;
use steadfast_core::message::{Content, Media};
use steadfast_core::order::{NewOrder, OrderState};

#[derive(Debug, Clone)]
enum Step {
    Say(String),
    /// Taps the "yes" below the summary shown so many versions ago.
    TapYes(usize),
    TapNo(usize),
    Wait(i64),
    Price(usize, i64),
    Gone(usize),
    Back,
    Move(OrderState),
    Pin(f64, f64),
    Picture,
}

fn texts() -> impl Strategy<Value = String> {
    prop_oneof![
        4 => prop::sample::select(vec![
            "yes", "yes", "yes", "no", "cancel", "2 rice", "1x2, 3x1", "rice", "add 2 oil", "remove oil", "no rice", "make it 3",
            "make it 4 tea", "rice = 1", "only 1 salt", "clear", "checkout", "same again", "status", "1", "2", "3", "hi", "blah",
            "999 rice", "2 rice to 12 Main St", "deliver to 5 Lake Road", "remove everything", "change rice to 2", "99x5", "1x0",
            "2 unicorns and 1 tea", "+1 dal", "-1 dal", "ok", "half a dozen onion", "१ चामल", "2 kg sugar; 3 flour", "place order",
        ]).prop_map(str::to_owned),
        1 => "(?s).{0,40}",
    ]
}

fn steps() -> impl Strategy<Value = Step> {
    prop_oneof![
        12 => texts().prop_map(Step::Say),
        2 => (0..4_usize).prop_map(Step::TapYes),
        1 => (0..4_usize).prop_map(Step::TapNo),
        1 => prop::sample::select(vec![1, 10, 29, 30, 31, 2_000]).prop_map(Step::Wait),
        1 => (0..8_usize, -5..500_i64).prop_map(|(index, rupees)| Step::Price(index, rupees)),
        1 => (0..8_usize).prop_map(Step::Gone),
        1 => Just(Step::Back),
        1 => prop::sample::select(OrderState::ALL.to_vec()).prop_map(Step::Move),
        1 => (-100.0..100.0_f64, -200.0..200.0_f64).prop_map(|(latitude, longitude)| Step::Pin(latitude, longitude)),
        1 => Just(Step::Picture),
    ]
}

/// What the person has seen, and what must hold after every message.
struct Witness {
    shown: Vec<Draft>,
}

impl Witness {
    /// Takes note of a summary, and checks that the reply shows all of it.
    fn see(&mut self, plan: &Plan) {
        for change in &plan.changes {
            let Change::SaveDraft { draft, .. } = change else { continue };
            let total = total_of(&draft.lines).expect("a sum that was shown").expect("no empty draft");
            let text = plan.replies.join("\n");
            assert!(text.contains(&total.to_string()), "the total is missing:\n{text}");
            for line in &draft.lines {
                let shown = format!("{} x {} – {}", line.quantity, line.name, line.total().expect("shown"));
                assert!(text.contains(&shown), "{shown} is missing:\n{text}");
            }
            if let Some(address) = &draft.address {
                assert!(text.contains(address.as_str()), "the address is missing:\n{text}");
            }
            if let Some(before) =
                self.shown.iter().find(|before| before.id == draft.id && before.version == draft.version)
            {
                assert_eq!(
                    (&before.lines, &before.address),
                    (&draft.lines, &draft.address),
                    "one version, two forms"
                );
            }
            self.shown.push(draft.clone());
        }
    }

    /// An order is what was shown last, still true and still fresh.
    fn judge(&self, order: &NewOrder, chat: &Chat, tapped: Option<&(String, u32)>) {
        let last = self.shown.last().expect("an order without any summary");
        assert_eq!((&order.lines, &order.address), (&last.lines, &last.address));
        assert_eq!(Some(order.total), total_of(&last.lines).expect("shown"));
        assert!(chat.now_ms < last.expires_ms, "a lapsed draft was placed");
        if let Some((id, version)) = tapped {
            assert_eq!((id, version), (&last.id, &last.version), "a stale button placed an order");
        }
        for line in &order.lines {
            let product = chat.catalogue.by_sku(&line.sku).expect("a product on offer");
            assert_eq!(
                (product.price, &product.name),
                (line.unit_price, &line.name),
                "a stale price was placed"
            );
            assert!((1..=chat.catalogue.quantity_max).contains(&line.quantity));
        }
    }
}

fn button(shown: &[Draft], ago: usize) -> (String, u32) {
    let draft = shown.len().checked_sub(ago + 1).and_then(|index| shown.get(index));
    draft.map_or_else(|| ("0".repeat(16), 1), |draft| (draft.id.clone(), draft.version))
}

fn walk(steps: Vec<Step>) {
    let all = Catalogue::demo();
    let mut chat = Chat::new(all.clone());
    let mut witness = Witness { shown: Vec::new() };
    for step in steps {
        let mut tapped = None;
        let plan = match step {
            Step::Say(text) => chat.say(&text),
            Step::TapYes(ago) => {
                let (id, version) = button(&witness.shown, ago);
                tapped = Some((id.clone(), version));
                chat.tap(&format!("order:confirm:{id}:{version}"))
            }
            Step::TapNo(ago) => {
                let (id, version) = button(&witness.shown, ago);
                chat.tap(&format!("order:cancel:{id}:{version}"))
            }
            Step::Pin(latitude, longitude) => chat.send(
                "",
                Content::Location { latitude, longitude, address: None, label: Some("Home".to_owned()) },
            ),
            Step::Picture => {
                let media = Media { url: String::new(), content_type: "image/png".to_owned() };
                chat.send("", Content::Media { items: vec![media] })
            }
            Step::Wait(minutes) => {
                chat.now_ms += minutes * 60_000;
                continue;
            }
            Step::Price(index, rupees) => {
                if let Some(product) = chat.catalogue.products.get_mut(index) {
                    product.price.minor = rupees * 100;
                }
                continue;
            }
            Step::Gone(index) => {
                if index < chat.catalogue.products.len() {
                    chat.catalogue.products.remove(index);
                }
                continue;
            }
            Step::Back => {
                chat.catalogue = all.clone();
                continue;
            }
            Step::Move(to) => {
                if let Some(order) = chat.orders.first_mut().filter(|order| order.state.may_become(to)) {
                    order.state = to;
                }
                continue;
            }
        };
        for change in &plan.changes {
            if let Change::PlaceOrder { order } = change {
                witness.judge(order, &chat, tapped.as_ref());
            }
        }
        witness.see(&plan);
        assert!(
            chat.conversation.draft.as_ref().is_none_or(|draft| !draft.lines.is_empty()),
            "an empty draft"
        );
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(300) })]

    #[test]
    fn an_order_is_what_was_shown_last(steps in prop::collection::vec(steps(), 1..40)) {
        walk(steps);
    }
}

/// Amounts beyond what 64 bits hold are refused in words, and the draft stays as it was.
#[test]
fn sums_that_do_not_fit_are_refused() {
    let mut catalogue = Catalogue::demo();
    catalogue.products[0].price.minor = i64::MAX / 2;
    let mut chat = Chat::new(catalogue);
    chat.say("1 dal");
    let before = chat.conversation.draft.clone();
    for text in ["5 rice", "add 1000 rice", "1 rice, 1 salt, 1x2"] {
        let plan = chat.say(text);
        assert!(plan.changes.is_empty(), "{text}");
        assert_eq!(chat.conversation.draft, before, "{text}");
    }
    chat.say("yes");
    assert_eq!(chat.orders.len(), 1);
}

/// A changed currency is a changed price: shown again, never placed as it was.
#[test]
fn another_currency_is_shown_first() {
    let mut chat = Chat::new(Catalogue::demo());
    chat.say("2 rice");
    let euro = steadfast_core::money::Currency::parse("EUR").expect("a currency");
    chat.catalogue.currency = euro;
    for product in &mut chat.catalogue.products {
        product.price.currency = euro;
    }
    let plan = chat.say("yes");
    assert!(chat.orders.is_empty());
    assert!(plan.replies[0].contains("EUR"));
    chat.say("yes");
    assert_eq!(chat.orders.len(), 1);
}

/// The order already in the records is never placed again, even with the draft still there.
#[test]
fn a_draft_that_was_placed_already_is_dropped() {
    let mut chat = Chat::new(Catalogue::demo());
    chat.say("2 rice");
    let draft = chat.conversation.draft.clone();
    chat.say("yes");
    chat.conversation.draft = draft;
    let plan = chat.say("yes");
    assert_eq!(chat.orders.len(), 1);
    assert_eq!(chat.conversation.draft, None);
    assert!(plan.replies[0].contains(&chat.orders[0].placed.number));
}
