//! Orders: placed from the draft shown last, looked up, called off, repeated.

use super::draft::Work;
use super::{Desk, Open, Plan};
use crate::order::texts::fill;
use steadfast_core::conversation::{Draft, total_of};
use steadfast_core::decision::Change;
use steadfast_core::order::{NewOrder, Order, OrderId, OrderState};

impl Desk<'_> {
    /// "Yes": places the draft, if what was shown still holds. With `button`, only that draft and version.
    pub(super) fn confirm(&self, button: Option<(&str, u32)>) -> Plan {
        let draft = match self.open() {
            Open::Live(draft) => draft,
            Open::Lapsed(draft) => return self.show_lapsed(draft),
            Open::Nothing => return self.confirm_without_draft(button),
        };
        if button.is_some_and(|(id, version)| id != draft.id || version != draft.version) {
            let mut work = Work::on(draft, self, true);
            work.notes.insert(0, self.texts.note_stale.to_owned());
            return self.show(work);
        }
        let mut work = Work::on(draft, self, true);
        if work.altered || work.lines != draft.lines {
            work.notes.insert(0, self.texts.note_changed.to_owned());
            return self.show(work);
        }
        self.place(draft)
    }

    fn place(&self, draft: &Draft) -> Plan {
        let conversation = &self.view.conversation.id;
        let id = OrderId::derived(conversation, &draft.id, draft.version);
        if let Some(order) = self.view.orders.iter().find(|order| order.placed.id == id) {
            return Plan { changes: vec![self.drop_draft()], replies: vec![self.already_placed(order)] };
        }
        let Ok(Some(total)) = total_of(&draft.lines) else { return self.say(self.texts.amount_too_large) };
        let number = id.number();
        let order = NewOrder {
            id,
            number: number.clone(),
            conversation: conversation.clone(),
            lines: draft.lines.clone(),
            total,
            address: draft.address.clone(),
            placed_ms: self.now_ms,
        };
        let values =
            [("number", &*number), ("lines", &self.texts.lines(&order.lines)), ("total", &total.to_string())];
        let mut reply = fill(self.texts.placed, &values);
        if let Some(address) = &order.address {
            reply.push('\n');
            reply.push_str(&fill(self.texts.deliver_to, &[("address", address)]));
        }
        Plan {
            changes: vec![Change::PlaceOrder { order: Box::new(order) }, self.drop_draft()],
            replies: vec![reply],
        }
    }

    /// A second "yes" finds the order that the first one placed.
    fn confirm_without_draft(&self, button: Option<(&str, u32)>) -> Plan {
        let conversation = &self.view.conversation.id;
        let meant = match button {
            Some((draft, version)) => {
                let id = OrderId::derived(conversation, draft, version);
                self.view.orders.iter().find(|order| order.placed.id == id)
            }
            None => self.view.orders.first().filter(|order| self.is_recent(order.placed.placed_ms)),
        };
        match meant {
            Some(order) => self.say(&self.already_placed(order)),
            None => self.say(self.texts.nothing_to_confirm),
        }
    }

    fn is_recent(&self, then_ms: i64) -> bool {
        self.now_ms.saturating_sub(then_ms) < self.policy.recent_order_ms
    }

    fn already_placed(&self, order: &Order) -> String {
        fill(self.texts.already_placed, &[("order", &self.order_text(order))])
    }

    fn order_text(&self, order: &Order) -> String {
        let placed = &order.placed;
        let values = [
            ("number", &*placed.number),
            ("state", (self.texts.state)(order.state)),
            ("age", &self.texts.age(placed.placed_ms, self.now_ms)),
            ("lines", &self.texts.lines(&placed.lines)),
            ("total", &placed.total.to_string()),
        ];
        let mut text = fill(self.texts.order_line, &values);
        if let Some(address) = &placed.address {
            text.push('\n');
            text.push_str(&fill(self.texts.deliver_to, &[("address", address)]));
        }
        text
    }

    /// "No" drops the draft. It never touches an order that was placed: only "cancel" does.
    pub(super) fn decline(&self) -> Plan {
        match self.open() {
            Open::Nothing => self.say(self.texts.decline_without_draft),
            _ => self.drop(),
        }
    }

    fn drop(&self) -> Plan {
        Plan { changes: vec![self.drop_draft()], replies: vec![self.texts.draft_dropped.to_owned()] }
    }

    /// "Cancel" drops the draft, or calls off the latest order under way.
    pub(super) fn cancel(&self) -> Plan {
        if !matches!(self.open(), Open::Nothing) {
            return self.drop();
        }
        let Some(newest) = self.view.orders.first() else { return self.say(self.texts.nothing_to_cancel) };
        // "Cancel" said twice must not reach for the order before.
        if newest.state == OrderState::Cancelled && self.is_recent(newest.changed_ms) {
            return self.say(&fill(self.texts.already_cancelled, &[("number", &newest.placed.number)]));
        }
        // The latest order under way is the one meant. If it cannot be called off, another one that could is
        // named, never taken instead.
        match self.view.orders.iter().find(|order| !order.state.is_final()) {
            Some(order) => self.call_off(order),
            None => self.say(self.texts.nothing_to_cancel),
        }
    }

    pub(super) fn cancel_numbered(&self, number: &str) -> Plan {
        match self.by_number(number) {
            Some(order) if order.state == OrderState::Cancelled => {
                self.say(&fill(self.texts.already_cancelled, &[("number", &order.placed.number)]))
            }
            Some(order) => self.call_off(order),
            None => self.no_such_order(number),
        }
    }

    /// The button below a summary drops that draft as it was shown, and nothing else.
    pub(super) fn cancel_button(&self, draft_id: &str, version: u32) -> Plan {
        match self.open() {
            Open::Live(draft) | Open::Lapsed(draft) if draft.id == draft_id && draft.version == version => {
                self.drop()
            }
            Open::Live(draft) => {
                let mut work = Work::on(draft, self, true);
                work.notes.insert(0, self.texts.note_stale.to_owned());
                self.show(work)
            }
            Open::Lapsed(_) | Open::Nothing => self.say(self.texts.decline_without_draft),
        }
    }

    fn call_off(&self, order: &Order) -> Plan {
        let number = &*order.placed.number;
        if !order.state.customer_may_cancel() {
            let values = [("number", number), ("state", (self.texts.state)(order.state))];
            let mut reply = fill(self.texts.cannot_cancel, &values);
            if let Some(other) = self.view.orders.iter().find(|other| other.state.customer_may_cancel()) {
                reply.push(' ');
                reply.push_str(&fill(self.texts.may_cancel_other, &[("number", &other.placed.number)]));
            }
            return self.say(&reply);
        }
        let change = Change::MoveOrder {
            id: order.placed.id.clone(),
            from: order.state,
            to: OrderState::Cancelled,
            by: "customer".to_owned(),
            reason: "cancelled by message".to_owned(),
        };
        Plan { changes: vec![change], replies: vec![fill(self.texts.cancelled, &[("number", number)])] }
    }

    fn by_number(&self, number: &str) -> Option<&Order> {
        let same = |order: &&Order| {
            let known = order.placed.number.chars().filter(|c| *c != '-');
            known.eq(number.chars())
        };
        self.view.orders.iter().find(same)
    }

    fn no_such_order(&self, number: &str) -> Plan {
        let shown = match number.split_at_checked(4) {
            Some((left, right)) => format!("{left}-{right}"),
            None => number.to_owned(),
        };
        self.say(&fill(self.texts.no_such_order, &[("number", &shown)]))
    }

    pub(super) fn status_of(&self, number: &str) -> Plan {
        match self.by_number(number) {
            Some(order) => self.say(&self.order_text(order)),
            None => self.no_such_order(number),
        }
    }

    /// The orders there are, and no others.
    pub(super) fn status(&self) -> Plan {
        let shown: Vec<String> = self
            .view
            .orders
            .iter()
            .take(self.policy.orders_shown_max)
            .map(|order| self.order_text(order))
            .collect();
        if shown.is_empty() {
            return self.say(self.texts.no_orders);
        }
        self.say(&format!("{}\n\n{}", self.texts.orders_head, shown.join("\n\n")))
    }

    /// The last order once more, at today's prices.
    pub(super) fn reorder(&self) -> Plan {
        if matches!(self.open(), Open::Live(_)) {
            return self.say(self.texts.draft_in_the_way);
        }
        let Some(last) = self.view.orders.first() else { return self.say(self.texts.nothing_to_repeat) };
        let mut work = Work::empty();
        work.lines.clone_from(&last.placed.lines);
        work.address.clone_from(&last.placed.address);
        work.reprice(self);
        if work.lines.is_empty() {
            return self.say(self.texts.nothing_to_repeat_left);
        }
        work.notes.insert(0, fill(self.texts.note_reorder, &[("number", &last.placed.number)]));
        self.show(work)
    }
}
