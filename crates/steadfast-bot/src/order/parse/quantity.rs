//! From "so much of it" to a number of what the shop sells.

use crate::order::amount::Amount;
use crate::order::problem::{Problem, Quoted};
use crate::order::units::{Dimension, Pack, Unit};

/// A product as its quantity is judged.
#[derive(Debug, Clone, Copy)]
pub(super) struct Sold<'a> {
    pub(super) sku: &'a str,
    pub(super) pack: Option<Pack>,
    pub(super) max: u32,
}

/// How many of `sold` are `amount` of `unit`; a problem where that is no whole number from 1 to the most.
pub(super) fn units_of(
    sold: Sold<'_>,
    amount: Amount,
    unit: Option<Unit>,
    text: &Quoted,
) -> Result<u32, Problem> {
    if amount.is_zero() {
        return Err(Problem::QuantityZero { text: text.clone() });
    }
    let counted = match (unit, sold.pack) {
        (None, _) => amount,
        (Some(unit), pack) => match in_packs(unit, amount, pack) {
            Some(packs) if !packs.is_fractional() => packs,
            _ => return Err(Problem::PackSize { sku: sold.sku.to_owned(), text: text.clone() }),
        },
    };
    if counted.is_fractional() {
        return Err(Problem::QuantityFraction { sku: sold.sku.to_owned(), text: text.clone() });
    }
    match counted.as_whole().and_then(|whole| u32::try_from(whole).ok()) {
        Some(whole) if (1..=sold.max).contains(&whole) => Ok(whole),
        _ => Err(Problem::QuantityTooLarge {
            sku: Some(sold.sku.to_owned()),
            text: text.clone(),
            max: sold.max,
        }),
    }
}

/// `amount` of `unit` in packs; `None` where the two do not measure the same.
fn in_packs(unit: Unit, amount: Amount, pack: Option<Pack>) -> Option<Amount> {
    let pieces = amount.times(unit.size());
    match (unit.dimension(), pack) {
        // "2 packets of tea" are two of whatever a packet of tea is here. A part of one is no pack.
        (Dimension::Container, _) => Some(amount),
        (dimension, Some(pack)) if pack.dimension == dimension => match pieces {
            Amount::Huge => Some(Amount::Huge),
            exact => exact.over(pack.size),
        },
        (Dimension::Pieces, _) => Some(pieces),
        // Loose goods: the shop's own unit is the coarse one, and a fraction of it is asked about.
        (_, None) if unit.is_coarse() => Some(amount),
        _ => None,
    }
}

/// Whether one pack is exactly `amount` of `unit`: "2 x 500 ml coke".
pub(super) fn is_pack(pack: Option<Pack>, amount: Amount, unit: Unit) -> bool {
    pack.is_some_and(|pack| {
        pack.dimension == unit.dimension() && amount.times(unit.size()).same_as(pack.size)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn count(pack: Option<(Dimension, u64)>, amount: Amount, unit: Option<Unit>) -> Option<u32> {
        let pack = pack.map(|(dimension, size)| Pack { dimension, size: Amount::whole(size) });
        units_of(Sold { sku: "s", pack, max: 1_000 }, amount, unit, &Quoted::new("q")).ok()
    }

    #[test]
    fn weights_become_packs_only_when_exact() {
        let kilo = Some((Dimension::Mass, 1_000_000));
        let tea = Some((Dimension::Mass, 250_000));
        assert_eq!(count(kilo, Amount::whole(2), Some(Unit::Kilogram)), Some(2));
        assert_eq!(count(kilo, Amount::whole(2_000), Some(Unit::Gram)), Some(2));
        assert_eq!(count(kilo, Amount::whole(500), Some(Unit::Gram)), None);
        assert_eq!(count(tea, Amount::HALF, Some(Unit::Kilogram)), Some(2));
        assert_eq!(count(kilo, Amount::whole(2), Some(Unit::Litre)), None);
        assert_eq!(count(kilo, Amount::whole(2), Some(Unit::Packet)), Some(2));
        assert_eq!(count(kilo, Amount::HALF, None), None);
    }

    #[test]
    fn dozens_are_pieces() {
        assert_eq!(count(None, Amount::whole(2), Some(Unit::Dozen)), Some(24));
        assert_eq!(count(None, Amount::HALF, Some(Unit::Dozen)), Some(6));
        assert_eq!(count(Some((Dimension::Pieces, 12)), Amount::whole(2), Some(Unit::Dozen)), Some(2));
        assert_eq!(count(Some((Dimension::Pieces, 12)), Amount::whole(18), Some(Unit::Piece)), None);
    }

    #[test]
    fn loose_goods() {
        assert_eq!(count(None, Amount::whole(2), Some(Unit::Kilogram)), Some(2));
        assert_eq!(count(None, Amount::whole(500), Some(Unit::Gram)), None);
        assert_eq!(count(None, Amount::Huge, None), None);
        assert_eq!(count(None, Amount::whole(1_000), None), Some(1_000));
        assert_eq!(count(None, Amount::whole(1_001), None), None);
        assert_eq!(count(None, Amount::Huge, Some(Unit::Dozen)), None);
    }
}
