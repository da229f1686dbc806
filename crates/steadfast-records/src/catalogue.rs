//! The catalogue: few rows, read with every order, so it is kept in memory until it is replaced.

use crate::failure::{Failure, inconsistent, unreadable};
use rusqlite::{Connection, OptionalExtension, params};
use std::collections::HashSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use steadfast_core::catalogue::{Catalogue, Product};
use steadfast_core::money::{Currency, Money};
use steadfast_core::ports::RecordsError;

/// Most products of a catalogue.
const PRODUCTS_MAX: usize = 10_000;

/// Why a catalogue was not stored.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CatalogueError {
    /// It cannot be sold from; the catalogue before it stays.
    #[error("the catalogue was not replaced: {0}")]
    Invalid(String),
    /// The store could not do it.
    #[error(transparent)]
    Records(#[from] RecordsError),
}

/// Finds what would make a catalogue unfit.
pub(crate) fn check(catalogue: &Catalogue) -> Result<(), CatalogueError> {
    let invalid = |what: String| Err(CatalogueError::Invalid(what));
    if catalogue.products.len() > PRODUCTS_MAX {
        return invalid(format!("it has {} products, at most {PRODUCTS_MAX} fit", catalogue.products.len()));
    }
    if catalogue.quantity_max == 0 {
        return invalid("quantity_max is 0, so nothing could be ordered; set it to 1 or more".to_owned());
    }
    let mut skus = HashSet::new();
    for product in &catalogue.products {
        let sku = &product.sku;
        if sku.trim().is_empty() || product.name.trim().is_empty() {
            return invalid(format!("product {sku:?} ({:?}) lacks its sku or its name", product.name));
        }
        if !skus.insert(sku.to_ascii_lowercase()) {
            return invalid(format!("sku {sku:?} occurs twice (case does not count)"));
        }
        if product.price.currency != catalogue.currency {
            let (theirs, ours) = (product.price.currency.code(), catalogue.currency.code());
            return invalid(format!("product {sku:?} is priced in {theirs}, the catalogue in {ours}"));
        }
        if product.price.minor < 0 {
            return invalid(format!("product {sku:?} has a negative price"));
        }
    }
    Ok(())
}

/// Stores `catalogue` in place of the one before.
pub(crate) fn replace(tx: &Connection, catalogue: &Catalogue) -> Result<(), Failure> {
    tx.execute("DELETE FROM products", [])?;
    let mut product_row =
        tx.prepare_cached("INSERT INTO products (sku, position, name, price_minor) VALUES (?1, ?2, ?3, ?4)")?;
    let mut alias_row =
        tx.prepare_cached("INSERT INTO product_aliases (sku, position, alias) VALUES (?1, ?2, ?3)")?;
    for (position, product) in (0_u32..).zip(&catalogue.products) {
        product_row.execute(params![product.sku, position, product.name, product.price.minor])?;
        for (position, alias) in (0_u32..).zip(&product.aliases) {
            alias_row.execute(params![product.sku, position, alias])?;
        }
    }
    set(tx, "catalogue.currency", catalogue.currency.code())?;
    set(tx, "catalogue.quantity_max", &catalogue.quantity_max.to_string())
}

/// Fills an empty catalogue with the demonstration's. Says whether it did.
pub(crate) fn seed_demo(tx: &Connection) -> Result<bool, Failure> {
    if tx.prepare("SELECT 1 FROM products")?.exists([])? {
        return Ok(false);
    }
    replace(tx, &Catalogue::demo())?;
    Ok(true)
}

/// The stored catalogue. Before one was stored it is empty, in the demonstration's currency.
pub(crate) fn load(conn: &Connection) -> Result<Catalogue, Failure> {
    let empty = Catalogue { products: Vec::new(), ..Catalogue::demo() };
    let currency = match setting(conn, "catalogue.currency")? {
        Some(code) => Currency::parse(&code).map_err(|error| unreadable("currency", error))?,
        None => empty.currency,
    };
    let quantity_max = match setting(conn, "catalogue.quantity_max")? {
        Some(text) => text.parse().map_err(|error| unreadable("quantity", error))?,
        None => empty.quantity_max,
    };
    let mut statement = conn.prepare("SELECT sku, name, price_minor FROM products ORDER BY position")?;
    let rows = statement.query_map([], |row| {
        let price = Money::new(row.get(2)?, currency);
        Ok(Product { sku: row.get(0)?, name: row.get(1)?, aliases: Vec::new(), price })
    })?;
    let mut products = rows.collect::<Result<Vec<_>, _>>()?;
    let mut aliases = conn.prepare("SELECT alias FROM product_aliases WHERE sku = ?1 ORDER BY position")?;
    for product in &mut products {
        let rows = aliases.query_map([&product.sku], |row| row.get(0))?;
        product.aliases = rows.collect::<Result<_, _>>()?;
    }
    let catalogue = Catalogue { currency, products, quantity_max };
    check(&catalogue).map_err(|error| inconsistent(error.to_string()))?;
    Ok(catalogue)
}

fn setting(conn: &Connection, key: &str) -> Result<Option<String>, Failure> {
    let value = conn
        .prepare_cached("SELECT value FROM settings WHERE key = ?1")?
        .query_row([key], |row| row.get(0))
        .optional()?;
    Ok(value)
}

fn set(tx: &Connection, key: &str, value: &str) -> Result<(), Failure> {
    tx.prepare_cached(
        "INSERT INTO settings (key, value) VALUES (?1, ?2)
         ON CONFLICT (key) DO UPDATE SET value = excluded.value",
    )?
    .execute([key, value])?;
    Ok(())
}

/// The catalogue in memory, with a count of how often it was replaced: a reader that began before a
/// replacement must not put the old one back.
#[derive(Debug, Default)]
pub(crate) struct CatalogueCache(Mutex<(u64, Option<Arc<Catalogue>>)>);

impl CatalogueCache {
    fn lock(&self) -> MutexGuard<'_, (u64, Option<Arc<Catalogue>>)> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The catalogue if it is there, and the count to show when putting one in.
    pub(crate) fn get(&self) -> (u64, Option<Arc<Catalogue>>) {
        self.lock().clone()
    }

    /// Keeps `catalogue`, read when the count was `seen`.
    pub(crate) fn put(&self, seen: u64, catalogue: &Arc<Catalogue>) {
        let mut cache = self.lock();
        if cache.0 == seen {
            cache.1 = Some(Arc::clone(catalogue));
        }
    }
}

/// Empties the cache when it is dropped. It travels as the answer to a replacement, so that whoever ends
/// up with it (the caller, or the writer when the caller has gone) drops it after the commit.
#[derive(Debug)]
pub(crate) struct Outdated(pub(crate) Arc<CatalogueCache>);

impl Drop for Outdated {
    fn drop(&mut self) {
        let mut cache = self.0.lock();
        cache.0 += 1;
        cache.1 = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_be_sold_from_is_refused_by_name() {
        let refusal = |change: fn(&mut Catalogue)| {
            let mut catalogue = Catalogue::demo();
            change(&mut catalogue);
            check(&catalogue).map_err(|error| error.to_string())
        };
        assert!(refusal(|_| ()).is_ok());
        assert!(refusal(|c| c.products.clear()).is_ok());
        assert!(refusal(|c| c.quantity_max = 0).is_err());
        assert!(refusal(|c| c.products[0].sku = " ".to_owned()).is_err());
        let twice = refusal(|c| {
            c.products[0].sku = "a".to_owned();
            c.products[1].sku = "A".to_owned();
        });
        assert!(twice.is_err_and(|why| why.contains("twice")));
        let mixed = |c: &mut Catalogue| c.products[0].price.currency = Currency::parse("USD").expect("valid");
        assert!(refusal(mixed).is_err_and(|why| why.contains("USD")));
        assert!(refusal(|c| c.products[0].price.minor = -1).is_err());
    }

    #[test]
    fn a_late_reader_does_not_bring_the_old_catalogue_back() {
        let cache = Arc::new(CatalogueCache::default());
        let (seen, _) = cache.get();
        drop(Outdated(Arc::clone(&cache)));
        cache.put(seen, &Arc::new(Catalogue::demo()));
        assert!(cache.get().1.is_none());
        cache.put(cache.get().0, &Arc::new(Catalogue::demo()));
        assert!(cache.get().1.is_some());
    }
}
