//! What can be ordered.

use crate::money::{Currency, Money};
use serde::{Deserialize, Serialize};

/// One product of the catalogue.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Product {
    /// The shop's id for it, also what `1x2` refers to. Unique in the catalogue.
    pub sku: String,
    /// What people see.
    pub name: String,
    /// Other words people use for it.
    pub aliases: Vec<String>,
    /// Price of one.
    pub price: Money,
}

/// The products on offer, in menu order, all priced in one currency.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Catalogue {
    /// Currency of every price.
    pub currency: Currency,
    /// The products.
    pub products: Vec<Product>,
    /// Most units of one product in one order; more is asked about, never assumed.
    pub quantity_max: u32,
}

impl Catalogue {
    /// The product with this sku, compared without case.
    pub fn by_sku(&self, sku: &str) -> Option<&Product> {
        self.products.iter().find(|product| product.sku.eq_ignore_ascii_case(sku))
    }

    /// The grocery of the demonstration: a first start has something to sell.
    pub fn demo() -> Self {
        let product = |sku: &str, name: &str, rupees: i64, aliases: &[&str]| Product {
            sku: sku.to_owned(),
            name: name.to_owned(),
            aliases: aliases.iter().map(|&alias| alias.to_owned()).collect(),
            price: Money::new(rupees * 100, Currency::NPR),
        };
        Self {
            currency: Currency::NPR,
            quantity_max: 1_000,
            products: vec![
                product("1", "Rice (1kg)", 120, &["chamal", "चामल"]),
                product("2", "Dal (1kg)", 180, &["lentils", "दाल"]),
                product("3", "Oil (1L)", 200, &["tel", "तेल"]),
                product("4", "Sugar (1kg)", 90, &["chini", "चिनी"]),
                product("5", "Tea (250g)", 150, &["chiya", "चिया"]),
                product("6", "Flour (1kg)", 80, &["pitho", "atta", "पिठो"]),
                product("7", "Salt (1kg)", 25, &["nun", "नुन"]),
                product("8", "Onion (1kg)", 60, &["pyaj", "प्याज"]),
            ],
        }
    }
}
