//! What an order text said that cannot be taken as it stands.

use std::fmt;
use std::ops::Deref;

/// Words of the person, to be shown back to them and to nobody else: `Debug` hides them.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Quoted(String);

/// Characters of a quotation that are shown back.
const QUOTED_CHARS_MAX: usize = 60;

impl Quoted {
    /// Takes `text` over, shortened, without line ends and formatting marks: what is shown back must not
    /// look like something the bot says.
    pub fn new(text: &str) -> Self {
        let mut quoted = String::new();
        for (index, c) in text.trim().chars().filter(|c| !matches!(c, '*' | '_' | '~' | '`')).enumerate() {
            if index == QUOTED_CHARS_MAX {
                quoted.push('…');
                break;
            }
            quoted.push(if c.is_whitespace() || c.is_control() { ' ' } else { c });
        }
        Self(quoted)
    }
}

impl Deref for Quoted {
    type Target = str;
    fn deref(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Quoted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Quoted({} characters)", self.0.chars().count())
    }
}

/// One thing to ask about. Nothing of what a problem names was taken into the order.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Problem {
    /// No product has this name.
    UnknownProduct {
        /// The name as written.
        text: Quoted,
    },
    /// No product has this number.
    UnknownSku {
        /// The number as written.
        text: Quoted,
    },
    /// The words are close to these products and equal to none, or fit several.
    Ambiguous {
        /// What was written.
        text: Quoted,
        /// The skus it may mean, at most five.
        candidates: Vec<String>,
    },
    /// A product without a quantity.
    QuantityMissing {
        /// Which.
        sku: String,
    },
    /// A quantity of zero.
    QuantityZero {
        /// What was written.
        text: Quoted,
    },
    /// A quantity below zero.
    QuantityNegative {
        /// What was written.
        text: Quoted,
    },
    /// More than the catalogue allows of one product in one order, in one line or in all of them.
    QuantityTooLarge {
        /// The product, if it is known.
        sku: Option<String>,
        /// What was written.
        text: Quoted,
        /// The most.
        max: u32,
    },
    /// A part of a unit.
    QuantityFraction {
        /// The product.
        sku: String,
        /// What was written.
        text: Quoted,
    },
    /// A weight, volume or count that is no whole number of the product's packs.
    PackSize {
        /// The product.
        sku: String,
        /// What was written.
        text: Quoted,
    },
    /// Words that make no order line.
    NotUnderstood {
        /// What was written.
        text: Quoted,
    },
    /// Behind the last order line that is read.
    TooManyLines {
        /// How many are read.
        max: usize,
    },
    /// Behind the last character that is read.
    TooLong {
        /// How many are read.
        max: usize,
    },
}
