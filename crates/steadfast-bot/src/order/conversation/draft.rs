//! The draft: put together, changed, priced, shown.

use super::{Desk, Open, Plan};
use crate::order::edit::{self, Edit};
use crate::order::parse::Problem;
use crate::order::problem::Quoted;
use crate::order::texts::fill;
use sha2::{Digest, Sha256};
use steadfast_core::catalogue::{Catalogue, Product};
use steadfast_core::conversation::{Draft, DraftLine, total_of};
use steadfast_core::decision::Change;

/// Characters of an address that are kept.
const ADDRESS_CHARS_MAX: usize = 300;

/// A draft in the making.
pub(super) struct Work<'a> {
    /// The draft it came from, if any; its id goes on.
    base: Option<&'a Draft>,
    /// Whether the person saw `base` in this form: only then its version may stay.
    seen: bool,
    pub(super) lines: Vec<DraftLine>,
    pub(super) address: Option<String>,
    /// What is said above the summary.
    pub(super) notes: Vec<String>,
    pub(super) problems: Vec<Problem>,
    /// Whether some note must be seen before a "yes" counts.
    pub(super) altered: bool,
}

impl<'a> Work<'a> {
    pub(super) const fn empty() -> Self {
        Self {
            base: None,
            seen: false,
            lines: Vec::new(),
            address: None,
            notes: Vec::new(),
            problems: Vec::new(),
            altered: false,
        }
    }

    /// Goes on with `draft`, at today's prices.
    pub(super) fn on(draft: &'a Draft, desk: &Desk<'_>, seen: bool) -> Self {
        let mut work = Self { base: Some(draft), seen, address: draft.address.clone(), ..Self::empty() };
        work.lines.clone_from(&draft.lines);
        work.reprice(desk);
        work
    }

    /// Brings every line to what the catalogue says now, and notes what that changed.
    pub(super) fn reprice(&mut self, desk: &Desk<'_>) {
        let catalogue = desk.view.catalogue;
        let mut kept = Vec::with_capacity(self.lines.len());
        for mut line in std::mem::take(&mut self.lines) {
            let Some(product) = catalogue.by_sku(&line.sku) else {
                self.note(fill(desk.texts.note_gone, &[("name", &line.name)]));
                continue;
            };
            if line.name != product.name {
                self.note(fill(desk.texts.note_renamed, &[("before", &line.name), ("name", &product.name)]));
                line.name.clone_from(&product.name);
            }
            if line.unit_price != product.price {
                let (price, before) = (product.price.to_string(), line.unit_price.to_string());
                let values = [("name", &*line.name), ("price", &price), ("before", &before)];
                self.note(fill(desk.texts.note_price, &values));
                line.unit_price = product.price;
            }
            if line.quantity > catalogue.quantity_max {
                let max = catalogue.quantity_max.to_string();
                self.note(fill(desk.texts.note_capped, &[("name", &line.name), ("max", &max)]));
                line.quantity = catalogue.quantity_max;
            }
            if line.quantity > 0 {
                kept.push(line);
            }
        }
        self.lines = kept;
    }

    fn note(&mut self, note: String) {
        self.notes.push(note);
        self.altered = true;
    }

    fn line(&mut self, sku: &str) -> Option<&mut DraftLine> {
        self.lines.iter_mut().find(|line| line.sku == sku)
    }

    /// Sets the quantity of `product`, if it stays within the limits.
    fn set(&mut self, product: &Product, quantity: u64, catalogue: &Catalogue) {
        let allowed =
            u32::try_from(quantity).ok().filter(|quantity| (1..=catalogue.quantity_max).contains(quantity));
        let Some(quantity) = allowed else {
            let text = Quoted::new(&format!("{quantity} {}", product.name));
            self.problems.push(Problem::QuantityTooLarge {
                sku: Some(product.sku.clone()),
                text,
                max: catalogue.quantity_max,
            });
            return;
        };
        match self.line(&product.sku) {
            Some(line) => line.quantity = quantity,
            None => self.lines.push(DraftLine {
                sku: product.sku.clone(),
                name: product.name.clone(),
                quantity,
                unit_price: product.price,
            }),
        }
    }

    fn quantity_of(&self, sku: &str) -> u64 {
        self.lines.iter().find(|line| line.sku == sku).map_or(0, |line| u64::from(line.quantity))
    }

    fn remove(&mut self, product: &Product, quantity: Option<u32>, desk: &Desk<'_>) {
        let Some(line) = self.line(&product.sku) else {
            self.notes.push(fill(desk.texts.note_not_in_order, &[("name", &product.name)]));
            return;
        };
        match quantity.and_then(|quantity| line.quantity.checked_sub(quantity)) {
            Some(left) if left > 0 => line.quantity = left,
            _ => self.lines.retain(|line| line.sku != product.sku),
        }
    }
}

impl<'a> Desk<'a> {
    /// Applies changes to the draft and shows it.
    pub(super) fn edit(&self, edit: Edit) -> Plan {
        let grows =
            |change: &edit::Change| matches!(change, edit::Change::Add { .. } | edit::Change::Set { .. });
        let grows = edit.changes.iter().any(grows);
        let work = match self.open() {
            Open::Live(draft) => Work::on(draft, self, true),
            // Order lines begin anew; a change means what was there.
            Open::Lapsed(_) if grows => {
                let mut work = Work::empty();
                work.notes.push(self.texts.note_lapsed_new.to_owned());
                work
            }
            Open::Lapsed(draft) if edit.changes_something() => {
                let mut work = Work::on(draft, self, false);
                work.notes.insert(0, self.texts.note_lapsed.to_owned());
                work
            }
            Open::Lapsed(_) | Open::Nothing => Work::empty(),
        };
        if work.base.is_none() && !grows {
            return self.nothing_to_change(&edit);
        }
        self.carry_out(work, edit)
    }

    /// There is no draft, and the text brings nothing to make one of.
    fn nothing_to_change(&self, edit: &Edit) -> Plan {
        if let Some(problems) = self.texts.problems(&edit.problems, self.view.catalogue) {
            return self.say(&problems);
        }
        self.say(if edit.address.is_some() { self.texts.no_draft_address } else { self.texts.no_draft })
    }

    fn carry_out(&self, mut work: Work<'a>, edit: Edit) -> Plan {
        let before = (work.lines.clone(), work.address.clone());
        let catalogue = self.view.catalogue;
        work.problems.extend(edit.problems);
        for change in edit.changes {
            match change {
                edit::Change::Add { sku, quantity } => {
                    if let Some(product) = catalogue.by_sku(&sku) {
                        let sum = work.quantity_of(&product.sku) + u64::from(quantity);
                        work.set(product, sum, catalogue);
                    }
                }
                edit::Change::Set { sku, quantity } => {
                    if let Some(product) = catalogue.by_sku(&sku) {
                        work.set(product, u64::from(quantity), catalogue);
                    }
                }
                edit::Change::Remove { sku, quantity } => {
                    if let Some(product) = catalogue.by_sku(&sku) {
                        work.remove(product, quantity, self);
                    }
                }
                edit::Change::SetOnly { quantity } => match work.lines.as_mut_slice() {
                    [only] => only.quantity = quantity,
                    [] => {}
                    [first, ..] => {
                        let values = [("quantity", &*quantity.to_string()), ("name", &first.name)];
                        let note = fill(self.texts.which_line, &values);
                        work.notes.push(note);
                    }
                },
                edit::Change::Clear => work.lines.clear(),
            }
        }
        if let Some(address) =
            edit.address.map(|address| tidy_address(&address)).filter(|address| !address.is_empty())
        {
            work.address = Some(address);
            work.notes.extend(work.base.is_some().then(|| self.texts.note_address.to_owned()));
        }
        let unchanged = before == (work.lines.clone(), work.address.clone());
        if unchanged && !work.altered && work.seen {
            return self.left_as_it_was(&work);
        }
        self.show(work)
    }

    /// Says why nothing changed.
    fn left_as_it_was(&self, work: &Work<'_>) -> Plan {
        let mut parts = work.notes.clone();
        parts.extend(self.texts.problems(&work.problems, self.view.catalogue));
        parts.push(self.texts.draft_kept.to_owned());
        self.say(&parts.join("\n\n"))
    }

    /// Stores the draft as shown, and shows it: one version per form.
    pub(super) fn show(&self, work: Work<'a>) -> Plan {
        if work.lines.is_empty() {
            return self.emptied(&work);
        }
        if work.lines.len() > self.policy.lines_max {
            return self
                .say(&fill(self.texts.too_many_lines, &[("max", &self.policy.lines_max.to_string())]));
        }
        let Ok(Some(total)) = total_of(&work.lines) else { return self.say(self.texts.amount_too_large) };
        let same =
            work.base.filter(|base| work.seen && base.lines == work.lines && base.address == work.address);
        let (id, version) = match (same, work.base) {
            (Some(base), _) => (base.id.clone(), base.version),
            (None, Some(base)) => match base.version.checked_add(1) {
                Some(version) => (base.id.clone(), version),
                None => (self.new_draft_id(), 1),
            },
            (None, None) => (self.new_draft_id(), 1),
        };
        let draft = Draft {
            id,
            version,
            lines: work.lines,
            address: work.address,
            expires_ms: self.now_ms.saturating_add(self.policy.draft_ttl_ms),
        };
        let mut parts = work.notes;
        parts.extend(self.texts.problems(&work.problems, self.view.catalogue));
        parts.push(self.summary(&draft, &total.to_string()));
        let save = Change::SaveDraft { conversation: self.view.conversation.id.clone(), draft };
        Plan { changes: vec![save], replies: vec![parts.join("\n\n")] }
    }

    fn summary(&self, draft: &Draft, total: &str) -> String {
        let texts = self.texts;
        let mut lines = vec![match draft.version {
            1 => texts.summary_head.to_owned(),
            version => fill(texts.summary_head_again, &[("version", &version.to_string())]),
        }];
        lines.push(texts.lines(&draft.lines));
        lines.push(fill(texts.total, &[("total", total)]));
        if let Some(address) = &draft.address {
            lines.push(fill(texts.deliver_to, &[("address", address)]));
        }
        format!("{}\n\n{}", lines.join("\n"), texts.summary_end)
    }

    /// The last line went.
    fn emptied(&self, work: &Work<'_>) -> Plan {
        let mut parts = work.notes.clone();
        parts.extend(self.texts.problems(&work.problems, self.view.catalogue));
        let Some(base) = work.base else {
            if parts.is_empty() {
                parts.push(self.texts.no_draft.to_owned());
            }
            return self.say(&parts.join("\n\n"));
        };
        if base.lines.is_empty() {
            parts.push(self.texts.no_draft.to_owned());
        } else {
            parts.push(self.texts.draft_empty.to_owned());
        }
        Plan { changes: vec![self.drop_draft()], replies: vec![parts.join("\n\n")] }
    }

    pub(super) fn drop_draft(&self) -> Change {
        Change::DropDraft { conversation: self.view.conversation.id.clone() }
    }

    /// Derived from the message that began the draft: running it again begins the same one.
    fn new_draft_id(&self) -> String {
        let seed = format!("draft\0{}\0{}", self.view.conversation.id.as_str(), self.message.sid);
        Sha256::digest(seed).iter().take(8).map(|byte| format!("{byte:02x}")).collect()
    }

    /// Shows the draft for confirmation.
    pub(super) fn checkout(&self) -> Plan {
        match self.open() {
            Open::Live(draft) => self.show(Work::on(draft, self, true)),
            Open::Lapsed(draft) => self.show_lapsed(draft),
            Open::Nothing => self.say(self.texts.no_draft),
        }
    }

    pub(super) fn show_lapsed(&self, draft: &'a Draft) -> Plan {
        let mut work = Work::on(draft, self, false);
        work.notes.insert(0, self.texts.note_lapsed.to_owned());
        self.show(work)
    }

    pub(super) fn clear(&self) -> Plan {
        match self.open() {
            Open::Nothing => self.say(self.texts.no_draft),
            _ => Plan { changes: vec![self.drop_draft()], replies: vec![self.texts.draft_empty.to_owned()] },
        }
    }

    /// A pin becomes the draft's address.
    pub(super) fn location(
        &self,
        latitude: f64,
        longitude: f64,
        address: Option<&str>,
        label: Option<&str>,
    ) -> Plan {
        let on_earth = (-90.0..=90.0).contains(&latitude) && (-180.0..=180.0).contains(&longitude);
        let mut named: Vec<String> = [label, address].into_iter().flatten().map(tidy_address).collect();
        named.retain(|part| !part.is_empty());
        named.dedup();
        let mut place = named.join(", ");
        if on_earth {
            let separator = if place.is_empty() { "" } else { " " };
            place = format!("{place}{separator}({latitude:.6}, {longitude:.6})");
        }
        if place.is_empty() {
            return self.say(self.texts.other_content);
        }
        match self.open() {
            Open::Nothing => self.say(self.texts.no_draft_location),
            _ => self.edit(Edit { address: Some(place), ..Edit::default() }),
        }
    }
}

/// One line, of bounded length, without formatting marks.
fn tidy_address(address: &str) -> String {
    let cleaned: String = address
        .chars()
        .map(|c| if c.is_control() || matches!(c, '*' | '_' | '~' | '`') { ' ' } else { c })
        .collect();
    cleaned.split_whitespace().collect::<Vec<_>>().join(" ").chars().take(ADDRESS_CHARS_MAX).collect()
}
