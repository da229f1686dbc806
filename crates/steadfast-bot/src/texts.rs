//! What the bot says where no conversation is needed.

use steadfast_core::catalogue::Catalogue;

/// The most products listed in the welcome.
const LISTED_MAX: usize = 30;

pub(crate) fn welcome(catalogue: Option<&Catalogue>) -> String {
    let mut text = String::from(
        "Hello! 👋 Two things I can do for you:\n\n\
         🛒 *Take your order.* Write what you need, for example: _2 rice, 1 oil_. \
         I show you the sum first and place nothing before you say *yes*.\n\
         🔎 *Check a job ad.* Paste its text and I tell you what speaks for it and against it.",
    );
    if let Some(catalogue) = catalogue.filter(|catalogue| !catalogue.products.is_empty()) {
        text.push_str("\n\n*On offer*");
        for product in catalogue.products.iter().take(LISTED_MAX) {
            text.push_str(&format!("\n{}. {} – {}", product.sku, product.name, product.price));
        }
        if catalogue.products.len() > LISTED_MAX {
            text.push_str("\n…");
        }
    }
    text.push_str(
        "\n\nAlso: *status* for your orders, *cancel* to drop one, *stop* to hear no more from me.",
    );
    text
}

pub(crate) const OPTED_OUT: &str =
    "Done: you will get no more messages from this number. Send *start* whenever you want them again.";

pub(crate) const OPTED_IN: &str =
    "Welcome! You get messages from this number; send *stop* at any time to end that.";

pub(crate) const SLOW_DOWN: &str = "That was a lot at once. 🙂 Nothing is lost: I work through it a little more slowly. Please wait a moment.";

pub(crate) const EMPTY: &str =
    "Your message reached me without any text. Please write what you need; *help* shows what I can do.";

pub(crate) const PDF: &str = "I got your document, but I cannot read PDFs yet. Please copy the text of the job ad and paste it here: I check it right away.";

pub(crate) const DOCUMENT: &str =
    "I got your file, but I cannot open files of this kind. Please paste its text here.";

pub(crate) const IMAGE: &str = "I got your picture, but I cannot read pictures yet. Please type your order, or paste the text of the job ad.";

pub(crate) const AUDIO: &str =
    "I got your voice message, but I cannot listen to it. Please write it as text. 🙏";

pub(crate) const VIDEO: &str = "I got your video, but I cannot watch it. Please write what you need as text.";

pub(crate) const CONTACT: &str =
    "I got the contact, but I cannot use it. Please write what you need as text.";

pub(crate) const UNKNOWN_TYPE: &str =
    "I cannot read this kind of message. Please write what you need as text; *help* shows what I can do.";

pub(crate) const CHECK_WHAT: &str = "Gladly! Paste the whole text of the job ad here, and I check it: the company, the pay, what they ask of you, how to reach them.";

pub(crate) const TOO_SHORT: &str = "That is too short for a check. Please paste the whole job ad: the company, the tasks, the pay and how to apply.";

pub(crate) const NOT_AN_AD: &str = "This does not look like a job ad, so I cannot judge it. Please paste the ad as you received it: the company, the tasks, the pay and how to apply.";
