//! The order conversation: what a message does to the draft and the orders, and what is answered.
//!
//! Pure: the plan depends on the arguments alone, ids are derived from the message's, so that running it
//! again plans the same. An order is placed only by a "yes" to exactly what was shown last, at the prices
//! that still hold.

mod draft;
mod orders;

use super::edit;
use super::intent::{self, Command};
use super::parse::{Context, Parser, Problem, Quoted};
pub use super::texts::Language;
use super::texts::Texts;
use steadfast_core::catalogue::Catalogue;
use steadfast_core::conversation::{Conversation, Draft};
use steadfast_core::decision::Change;
use steadfast_core::message::{Content, InboundMessage};
use steadfast_core::order::Order;

/// The rules of the conversation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Policy {
    /// How long a draft waits for the next message, in milliseconds.
    pub draft_ttl_ms: i64,
    /// How long after an order a "yes" without a draft is taken to mean that order, in milliseconds.
    pub recent_order_ms: i64,
    /// Most different products in one order.
    pub lines_max: usize,
    /// Most orders shown at once.
    pub orders_shown_max: usize,
    /// The language of the answers.
    pub language: Language,
}

impl Default for Policy {
    /// 30 minutes, 24 hours, 50 products, 3 orders, English.
    fn default() -> Self {
        Self {
            draft_ttl_ms: 30 * 60_000,
            recent_order_ms: 24 * 60 * 60_000,
            lines_max: 50,
            orders_shown_max: 3,
            language: Language::English,
        }
    }
}

/// What the conversation knows when it handles a message.
#[derive(Debug, Clone, Copy)]
pub struct View<'a> {
    /// The conversation as stored.
    pub conversation: &'a Conversation,
    /// The person's latest orders, newest first.
    pub orders: &'a [Order],
    /// What can be ordered now.
    pub catalogue: &'a Catalogue,
}

/// What is to happen: changes of the records, and answers in the order they are to be read.
#[derive(Clone, PartialEq, Default)]
pub struct Plan {
    /// What changes.
    pub changes: Vec<Change>,
    /// What is answered; never empty, each text free to be split.
    pub replies: Vec<String>,
}

impl std::fmt::Debug for Plan {
    /// Counts only: changes and replies repeat what the person wrote.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Plan")
            .field("changes", &self.changes.len())
            .field("replies", &self.replies.len())
            .finish()
    }
}

/// Decides what `message`, arriving at `now_ms` (milliseconds since the Unix epoch), does.
pub fn handle(view: &View<'_>, message: &InboundMessage, now_ms: i64, policy: &Policy) -> Plan {
    Desk { view: *view, message, now_ms, policy, texts: policy.language.texts() }.handle()
}

/// The state of the conversation's draft.
enum Open<'a> {
    Nothing,
    Live(&'a Draft),
    Lapsed(&'a Draft),
}

struct Desk<'a> {
    view: View<'a>,
    message: &'a InboundMessage,
    now_ms: i64,
    policy: &'a Policy,
    texts: &'static Texts,
}

impl<'a> Desk<'a> {
    fn handle(&self) -> Plan {
        match &self.message.content {
            Content::Location { latitude, longitude, address, label } => {
                self.location(*latitude, *longitude, address.as_deref(), label.as_deref())
            }
            Content::Button { text, payload } => match intent::button(payload) {
                Some(command) => self.command(command),
                None => self.text(text),
            },
            Content::ListChoice { title, .. } => self.text(title),
            Content::Text if self.message.body.trim().is_empty() => self.say(self.texts.empty),
            Content::Media { .. } if self.message.body.trim().is_empty() => self.say(self.texts.media),
            Content::Other { .. } if self.message.body.trim().is_empty() => {
                self.say(self.texts.other_content)
            }
            Content::Text | Content::Media { .. } | Content::Other { .. } => self.text(&self.message.body),
        }
    }

    fn text(&self, text: &str) -> Plan {
        if let Some(command) = intent::command(text) {
            return self.command(command);
        }
        let parser = Parser::new(self.view.catalogue);
        if let Some(edit) = edit::parse(text, &parser) {
            return self.edit(edit);
        }
        let order = parser.parse(text, Context::Bare);
        if order.is_nothing() {
            return self.not_understood(&order.problems, text);
        }
        let changes = order
            .items
            .into_iter()
            .map(|item| edit::Change::Add { sku: item.sku, quantity: item.quantity })
            .collect();
        self.edit(edit::Edit { changes, address: order.address, problems: order.problems })
    }

    fn command(&self, command: Command) -> Plan {
        match command {
            Command::Confirm => self.confirm(None),
            Command::ConfirmDraft { draft, version } => self.confirm(Some((&draft, version))),
            Command::Decline => self.decline(),
            Command::Cancel { order: Some(number) } => self.cancel_numbered(&number),
            Command::Cancel { order: None } => self.cancel(),
            Command::CancelDraft { draft, version } => self.cancel_button(&draft, version),
            Command::Status { order: Some(number) } => self.status_of(&number),
            Command::Status { order: None } | Command::Recent => self.status(),
            Command::Catalogue => self.catalogue(),
            Command::Credit => self.say(self.texts.credit),
            Command::Checkout => self.checkout(),
            Command::Reorder => self.reorder(),
            Command::Clear => self.clear(),
            Command::Greeting => self.say(self.texts.welcome),
        }
    }

    fn open(&self) -> Open<'a> {
        match &self.view.conversation.draft {
            None => Open::Nothing,
            Some(draft) if draft.expires_ms <= self.now_ms => Open::Lapsed(draft),
            Some(draft) => Open::Live(draft),
        }
    }

    #[expect(clippy::unused_self, reason = "reads as the desk speaking, beside the methods that need it")]
    fn say(&self, text: &str) -> Plan {
        Plan { changes: Vec::new(), replies: vec![text.to_owned()] }
    }

    /// Nothing in the text was an order.
    fn not_understood(&self, problems: &[Problem], text: &str) -> Plan {
        let shown = match self.texts.problems(problems, self.view.catalogue) {
            Some(shown) => shown,
            None => {
                let problem = Problem::NotUnderstood { text: Quoted::new(text) };
                self.texts.problems(&[problem], self.view.catalogue).unwrap_or_default()
            }
        };
        let end = match self.open() {
            Open::Live(_) => self.texts.draft_kept,
            _ => return self.say(self.texts.not_understood),
        };
        self.say(&format!("{shown}\n\n{end}"))
    }

    /// The list with prices, in messages of a readable length, bounded in number.
    fn catalogue(&self) -> Plan {
        const REPLY_CHARS_MAX: usize = 1_400;
        const REPLIES_MAX: usize = 4;
        let products = &self.view.catalogue.products;
        let numbered = super::parse::names::has_numbers(self.view.catalogue);
        let number_of = |index: usize| match products.get(index) {
            Some(product) if numbered => product.sku.clone(),
            _ => (index + 1).to_string(),
        };
        let Some(first) = products.first() else { return self.say(self.texts.catalogue_empty) };
        let mut replies = Vec::new();
        let mut reply = self.texts.catalogue_head.to_owned();
        let mut left = products.len();
        for (index, product) in products.iter().enumerate() {
            let values = [
                ("number", &*number_of(index)),
                ("name", &product.name),
                ("price", &product.price.to_string()),
            ];
            let line = super::texts::fill(self.texts.catalogue_line, &values);
            if reply.len() + line.len() > REPLY_CHARS_MAX {
                if replies.len() + 1 == REPLIES_MAX {
                    break;
                }
                replies.push(std::mem::take(&mut reply));
            }
            if !reply.is_empty() {
                reply.push('\n');
            }
            reply.push_str(&line);
            left -= 1;
        }
        if left > 0 {
            reply.push('\n');
            reply.push_str(&super::texts::fill(self.texts.catalogue_more, &[("count", &left.to_string())]));
        }
        let values =
            [("name", first.name.split('(').next().unwrap_or("").trim()), ("number", &*number_of(0))];
        reply.push_str("\n\n");
        reply.push_str(&super::texts::fill(self.texts.catalogue_end, &values));
        replies.push(reply);
        Plan { changes: Vec::new(), replies }
    }
}
