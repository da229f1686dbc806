//! A chat without any machinery: messages go into the order conversation, its changes are applied to a
//! conversation in memory the way the records do.

use steadfast_bot::order::conversation::{Plan, Policy, View, handle};
use steadfast_core::address::Address;
use steadfast_core::catalogue::Catalogue;
use steadfast_core::conversation::{Conversation, ConversationId};
use steadfast_core::decision::Change;
use steadfast_core::message::{AccountSid, Content, InboundMessage, MessageSid};
use steadfast_core::order::{Order, OrderState};

pub(crate) const START_MS: i64 = 1_790_000_000_000;

#[derive(Debug)]
pub(crate) struct Chat {
    pub(crate) conversation: Conversation,
    pub(crate) orders: Vec<Order>,
    pub(crate) catalogue: Catalogue,
    pub(crate) policy: Policy,
    pub(crate) now_ms: i64,
    messages: u64,
}

impl Chat {
    pub(crate) fn new(catalogue: Catalogue) -> Self {
        Self {
            conversation: Conversation::new(ConversationId::from_stored("c".repeat(32))),
            orders: Vec::new(),
            catalogue,
            policy: Policy::default(),
            now_ms: START_MS,
            messages: 0,
        }
    }

    /// The next message with this content.
    pub(crate) fn message(&mut self, body: &str, content: Content) -> InboundMessage {
        self.messages += 1;
        InboundMessage {
            sid: MessageSid::parse(format!("SM{:032x}", self.messages)).expect("a sid"),
            account: AccountSid::parse(format!("AC{}", "0".repeat(32))).expect("a sid"),
            from: Address::parse("whatsapp:+9779800000001").expect("an address"),
            to: Address::parse("whatsapp:+9779800000002").expect("an address"),
            body: body.to_owned(),
            content,
            profile_name: None,
            external_user_id: None,
            received_ms: self.now_ms,
            in_reply_to: None,
            extra: Vec::new(),
        }
    }

    pub(crate) fn plan(&self, message: &InboundMessage) -> Plan {
        let view =
            View { conversation: &self.conversation, orders: &self.orders, catalogue: &self.catalogue };
        handle(&view, message, self.now_ms, &self.policy)
    }

    /// Sends `content`, applies what follows, and answers with the plan.
    pub(crate) fn send(&mut self, body: &str, content: Content) -> Plan {
        let message = self.message(body, content);
        let plan = self.plan(&message);
        assert_eq!(plan, self.plan(&message), "a rerun plans something else");
        assert!(plan.replies.iter().all(|reply| !reply.trim().is_empty()), "an empty reply to {body:?}");
        let filled =
            body.contains(['{', '}']) || plan.replies.iter().all(|reply| !reply.contains(['{', '}']));
        assert!(filled, "a placeholder is left in the answer to {body:?}");
        assert!(!plan.replies.is_empty(), "no reply to {body:?}");
        for change in &plan.changes {
            self.apply(change);
        }
        plan
    }

    pub(crate) fn say(&mut self, text: &str) -> Plan {
        self.send(text, Content::Text)
    }

    pub(crate) fn tap(&mut self, payload: &str) -> Plan {
        self.send("", Content::Button { text: "Button".to_owned(), payload: payload.to_owned() })
    }

    fn apply(&mut self, change: &Change) {
        match change {
            Change::SaveDraft { draft, .. } => self.conversation.draft = Some(draft.clone()),
            Change::DropDraft { .. } => self.conversation.draft = None,
            Change::PlaceOrder { order } => {
                assert!(self.orders.iter().all(|known| known.placed.id != order.id), "placed twice");
                let order = Order {
                    changed_ms: order.placed_ms,
                    placed: (**order).clone(),
                    state: OrderState::Placed,
                    version: 1,
                };
                self.orders.insert(0, order);
            }
            Change::MoveOrder { id, from, to, .. } => {
                let now_ms = self.now_ms;
                let order =
                    self.orders.iter_mut().find(|order| order.placed.id == *id).expect("a known order");
                assert_eq!(order.state, *from);
                assert!(from.may_become(*to), "{from:?} to {to:?}");
                order.state = *to;
                order.changed_ms = now_ms;
            }
            other => panic!("the order conversation does not make {other:?}"),
        }
        self.conversation.version += 1;
    }
}
