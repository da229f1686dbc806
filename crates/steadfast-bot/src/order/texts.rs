//! What the order conversation says. One table per language; a text may hold `{names}` that are filled in.

use super::parse::Problem;
use steadfast_core::catalogue::Catalogue;
use steadfast_core::conversation::DraftLine;
use steadfast_core::order::OrderState;

/// The texts of one language.
#[derive(Debug)]
pub(crate) struct Texts {
    pub(crate) welcome: &'static str,
    pub(crate) empty: &'static str,
    pub(crate) media: &'static str,
    pub(crate) other_content: &'static str,
    pub(crate) credit: &'static str,

    pub(crate) summary_head: &'static str,
    pub(crate) summary_head_again: &'static str,
    pub(crate) line: &'static str,
    pub(crate) total: &'static str,
    pub(crate) deliver_to: &'static str,
    pub(crate) summary_end: &'static str,

    pub(crate) note_lapsed: &'static str,
    pub(crate) note_lapsed_new: &'static str,
    pub(crate) note_stale: &'static str,
    pub(crate) note_changed: &'static str,
    pub(crate) note_price: &'static str,
    pub(crate) note_gone: &'static str,
    pub(crate) note_capped: &'static str,
    pub(crate) note_renamed: &'static str,
    pub(crate) note_reorder: &'static str,
    pub(crate) note_address: &'static str,
    pub(crate) note_not_in_order: &'static str,

    pub(crate) draft_empty: &'static str,
    pub(crate) draft_dropped: &'static str,
    pub(crate) draft_kept: &'static str,
    pub(crate) no_draft: &'static str,
    pub(crate) no_draft_address: &'static str,
    pub(crate) no_draft_location: &'static str,
    pub(crate) nothing_to_confirm: &'static str,
    pub(crate) decline_without_draft: &'static str,
    pub(crate) too_many_lines: &'static str,
    pub(crate) amount_too_large: &'static str,
    pub(crate) which_line: &'static str,
    pub(crate) draft_in_the_way: &'static str,

    pub(crate) placed: &'static str,
    pub(crate) already_placed: &'static str,
    pub(crate) order_line: &'static str,
    pub(crate) orders_head: &'static str,
    pub(crate) no_orders: &'static str,
    pub(crate) no_such_order: &'static str,
    pub(crate) cancelled: &'static str,
    pub(crate) already_cancelled: &'static str,
    pub(crate) cannot_cancel: &'static str,
    pub(crate) may_cancel_other: &'static str,
    pub(crate) nothing_to_cancel: &'static str,
    pub(crate) nothing_to_repeat: &'static str,
    pub(crate) nothing_to_repeat_left: &'static str,

    pub(crate) catalogue_head: &'static str,
    pub(crate) catalogue_line: &'static str,
    pub(crate) catalogue_more: &'static str,
    pub(crate) catalogue_end: &'static str,
    pub(crate) catalogue_empty: &'static str,

    pub(crate) not_understood: &'static str,
    pub(crate) problems_head: &'static str,
    pub(crate) unknown_product: &'static str,
    pub(crate) unknown_sku: &'static str,
    pub(crate) did_you_mean: &'static str,
    pub(crate) how_many: &'static str,
    pub(crate) quantity_zero: &'static str,
    pub(crate) quantity_negative: &'static str,
    pub(crate) quantity_too_large: &'static str,
    pub(crate) quantity_fraction: &'static str,
    pub(crate) pack_size: &'static str,
    pub(crate) phrase_unclear: &'static str,
    pub(crate) more_lines_than: &'static str,
    pub(crate) longer_than: &'static str,

    pub(crate) or: &'static str,
    pub(crate) just_now: &'static str,
    pub(crate) minutes_ago: &'static str,
    pub(crate) hours_ago: &'static str,
    pub(crate) days_ago: &'static str,
    pub(crate) state: fn(OrderState) -> &'static str,
}

/// The languages the conversation speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum Language {
    /// English.
    #[default]
    English,
}

impl Language {
    pub(crate) const fn texts(self) -> &'static Texts {
        match self {
            Self::English => &ENGLISH,
        }
    }
}

const ENGLISH: Texts = Texts {
    welcome: "Hello! 👋 Write what you need, for example: _2 rice, 1 oil_\n\n*1* – what we have and what it costs\n*2* – credit\n*3* – your orders\n\nI show you the sum first and place nothing before you say *yes*.",
    empty: "Your message reached me without any text. Please write what you need, for example: _2 rice, 1 oil_",
    media: "I cannot read pictures, voice messages or files. Please write your order as text, for example: _2 rice, 1 oil_ 🙏",
    other_content: "I cannot read this kind of message. Please write your order as text, for example: _2 rice, 1 oil_ 🙏",
    credit: "Buying on credit is not available here, so there is no balance to show. You pay for each order as it comes.",

    summary_head: "*Your order*",
    summary_head_again: "*Your order* (version {version})",
    line: "{quantity} x {name} – {price}",
    total: "*Total: {total}*",
    deliver_to: "Deliver to: {address}",
    summary_end: "Reply *yes* to place the order, *no* to cancel. You can also _add_, _remove_ or _change_ things.",

    note_lapsed: "That was a while ago, so here is your order once more with today's prices. Nothing has been placed yet.",
    note_lapsed_new: "Your earlier, unfinished order has lapsed. This is a new one.",
    note_stale: "Your order has changed since that message. This is how it stands now; nothing has been placed yet.",
    note_changed: "Something changed since I showed you the order. Please look again; nothing has been placed yet.",
    note_price: "⚠ {name} now costs {price} (before: {before}).",
    note_gone: "⚠ {name} is no longer available and was taken out.",
    note_capped: "⚠ {name}: at most {max} in one order.",
    note_renamed: "⚠ {before} is now called {name}.",
    note_reorder: "The same as in your order {number}, with today's prices:",
    note_address: "📍 Address noted.",
    note_not_in_order: "{name} is not in your order.",

    draft_empty: "Your order is empty now. Write what you need whenever you like.",
    draft_dropped: "Cancelled: nothing was ordered. Write what you need whenever you like.",
    draft_kept: "Your order is unchanged. *checkout* shows it again.",
    no_draft: "There is no open order to change. Write what you need, for example: _2 rice, 1 oil_",
    no_draft_address: "Thank you! First tell me what you need, for example: _2 rice, 1 oil_ – then send the address again.",
    no_draft_location: "Thank you for the location! First tell me what you need, for example: _2 rice, 1 oil_ – then send it again, and I deliver there.",
    nothing_to_confirm: "There is nothing to confirm. Write what you need, for example: _2 rice, 1 oil_",
    decline_without_draft: "All right. There is no open order. To call off an order that was placed, write *cancel order*.",
    too_many_lines: "One order holds at most {max} different products. Please place this one first and order the rest after it.",
    amount_too_large: "That sum is larger than I can handle, so I left your order as it was. Please order less at a time.",
    which_line: "Your order has several products. Which one should it be? For example: _make it {quantity} {name}_",
    draft_in_the_way: "You have an open order. Place it with *yes*, or empty it with *clear* and then write *same again*.",

    placed: "✅ *Order {number} is placed.*\n{lines}\n*Total: {total}*",
    already_placed: "Your order is placed already, and only once:\n{order}",
    order_line: "*{number}*, ordered {age}: *{state}*\n{lines}\nTotal: {total}",
    orders_head: "*Your latest orders*",
    no_orders: "You have no orders yet. Write what you need, for example: _2 rice, 1 oil_",
    no_such_order: "I find no order {number} of yours.",
    cancelled: "Order *{number}* is cancelled.",
    already_cancelled: "Order *{number}* is cancelled already. To call off another one, write *cancel* with its number.",
    cannot_cancel: "Order *{number}* cannot be cancelled any more: it is {state}.",
    may_cancel_other: "To call off your order {number} instead, write *cancel {number}*.",
    nothing_to_cancel: "There is no order to cancel.",
    nothing_to_repeat: "You have no earlier order to repeat. Write what you need, for example: _2 rice, 1 oil_",
    nothing_to_repeat_left: "Nothing of your last order is available today. *catalogue* shows what we have.",

    catalogue_head: "*What we have*",
    catalogue_line: "{number}. {name} – {price}",
    catalogue_more: "… and {count} more: just ask for it by name.",
    catalogue_end: "Order by name or number, for example: _2 {name}_ or _{number}x2_",
    catalogue_empty: "There is nothing on offer right now. Please ask again later.",

    not_understood: "I did not understand that as an order. Write what you need, for example: _2 rice, 1 oil_. *catalogue* shows what we have, *status* your orders.",
    problems_head: "I could not take this:",
    unknown_product: "• “{text}”: we do not have that. *catalogue* shows what we have.",
    unknown_sku: "• “{text}”: there is no product with that number. *catalogue* shows them.",
    did_you_mean: "• “{text}”: did you mean {names}?",
    how_many: "• How many {name}? For example: _2 {name}_",
    quantity_zero: "• “{text}”: the quantity must be at least 1.",
    quantity_negative: "• “{text}”: a quantity cannot be negative. To take something out, write _remove 1 …_",
    quantity_too_large: "• “{text}”: at most {max} of one product in one order.",
    quantity_fraction: "• “{text}”: {name} comes in whole units only. How many?",
    pack_size: "• “{text}”: {name} is sold as it is named, and that is no whole number of it. How many {name}?",
    phrase_unclear: "• “{text}”",
    more_lines_than: "• I read only the first {max} lines. Please send the rest once more.",
    longer_than: "• I read only the first {max} characters. Please send the rest once more.",

    or: "or",
    just_now: "just now",
    minutes_ago: "{count} min ago",
    hours_ago: "{count} h ago",
    days_ago: "{count} d ago",
    state: english_state,
};

const fn english_state(state: OrderState) -> &'static str {
    match state {
        OrderState::Placed => "placed",
        OrderState::Routing => "placed, being passed to a shop",
        OrderState::Offered => "placed, waiting for a shop to accept",
        OrderState::Accepted => "accepted",
        OrderState::Preparing => "being prepared",
        OrderState::OutForDelivery => "on its way",
        OrderState::Delivered => "delivered",
        OrderState::Cancelled => "cancelled",
        OrderState::Failed => "could not be fulfilled",
    }
}

/// `template` with each `{name}` replaced by its value. What a person wrote comes in as a value, so braces
/// in it stay braces.
pub(crate) fn fill(template: &str, values: &[(&str, &str)]) -> String {
    let mut filled = String::with_capacity(template.len() + 32);
    let mut rest = template;
    while let Some(open) = rest.find('{') {
        filled.push_str(&rest[..open]);
        let behind = &rest[open + 1..];
        let value = behind.find('}').and_then(|close| {
            let (_, value) = values.iter().find(|(name, _)| *name == &behind[..close])?;
            Some((value, close))
        });
        match value {
            Some((value, close)) => {
                filled.push_str(value);
                rest = &behind[close + 1..];
            }
            None => {
                filled.push('{');
                rest = behind;
            }
        }
    }
    filled.push_str(rest);
    filled
}

impl Texts {
    /// `2 x Rice (1kg) – NPR 240` for each line.
    pub(crate) fn lines(&self, lines: &[DraftLine]) -> String {
        let line = |line: &DraftLine| {
            // A draft whose sums overflow is refused before it is shown.
            let price = line.total().map_or_else(|_| line.unit_price.to_string(), |total| total.to_string());
            fill(
                self.line,
                &[("quantity", &line.quantity.to_string()), ("name", &line.name), ("price", &price)],
            )
        };
        lines.iter().map(line).collect::<Vec<_>>().join("\n")
    }

    /// How long ago `then_ms` was.
    pub(crate) fn age(&self, then_ms: i64, now_ms: i64) -> String {
        let minutes = now_ms.saturating_sub(then_ms) / 60_000;
        let (template, count) = match minutes {
            i64::MIN..=0 => return self.just_now.to_owned(),
            1..=59 => (self.minutes_ago, minutes),
            60..=2_879 => (self.hours_ago, minutes / 60),
            _ => (self.days_ago, minutes / 1_440),
        };
        fill(template, &[("count", &count.to_string())])
    }

    /// One line about `problem`.
    pub(crate) fn problem(&self, problem: &Problem, catalogue: &Catalogue) -> String {
        let name =
            |sku: &str| catalogue.by_sku(sku).map_or_else(|| sku.to_owned(), |product| product.name.clone());
        let max_text = |max: usize| max.to_string();
        match problem {
            Problem::UnknownProduct { text } => fill(self.unknown_product, &[("text", text)]),
            Problem::UnknownSku { text } => fill(self.unknown_sku, &[("text", text)]),
            Problem::Ambiguous { text, candidates } => {
                let names: Vec<String> = candidates.iter().map(|sku| format!("*{}*", name(sku))).collect();
                let names = match names.as_slice() {
                    [] => String::new(),
                    [only] => only.clone(),
                    [head @ .., last] => format!("{} {} {last}", head.join(", "), self.or),
                };
                fill(self.did_you_mean, &[("text", text), ("names", &names)])
            }
            Problem::QuantityMissing { sku } => fill(self.how_many, &[("name", &name(sku))]),
            Problem::QuantityZero { text } => fill(self.quantity_zero, &[("text", text)]),
            Problem::QuantityNegative { text } => fill(self.quantity_negative, &[("text", text)]),
            Problem::QuantityTooLarge { text, max, .. } => {
                fill(self.quantity_too_large, &[("text", text), ("max", &max.to_string())])
            }
            Problem::QuantityFraction { sku, text } => {
                fill(self.quantity_fraction, &[("text", text), ("name", &name(sku))])
            }
            Problem::PackSize { sku, text } => fill(self.pack_size, &[("text", text), ("name", &name(sku))]),
            Problem::NotUnderstood { text } => fill(self.phrase_unclear, &[("text", text)]),
            Problem::TooManyLines { max } => fill(self.more_lines_than, &[("max", &max_text(*max))]),
            Problem::TooLong { max } => fill(self.longer_than, &[("max", &max_text(*max))]),
        }
    }

    /// Everything that was not taken, under one heading; at most ten lines.
    pub(crate) fn problems(&self, problems: &[Problem], catalogue: &Catalogue) -> Option<String> {
        const SHOWN_MAX: usize = 10;
        if problems.is_empty() {
            return None;
        }
        let mut lines = vec![self.problems_head.to_owned()];
        lines.extend(problems.iter().take(SHOWN_MAX).map(|problem| self.problem(problem, catalogue)));
        if problems.len() > SHOWN_MAX {
            lines.push("• …".to_owned());
        }
        Some(lines.join("\n"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_person_wrote_is_never_filled_again() {
        assert_eq!(fill("“{text}” {x}", &[("text", "{x}"), ("x", "1")]), "“{x}” 1");
        assert_eq!(fill("{open {text}", &[("text", "a")]), "{open a");
        assert_eq!(fill("{unknown}", &[]), "{unknown}");
    }

    #[test]
    fn ages() {
        let texts = Language::English.texts();
        let minute = 60_000;
        for (minutes, expected) in [
            (-5, "just now"),
            (0, "just now"),
            (5, "5 min ago"),
            (60, "1 h ago"),
            (47 * 60, "47 h ago"),
            (3 * 1_440, "3 d ago"),
        ] {
            assert_eq!(texts.age(0, minutes * minute), expected);
        }
        assert!(texts.age(i64::MIN, i64::MAX).ends_with("d ago"));
    }
}
