//! The things the shop sells, and what they cost.

/// How many there are.
pub(crate) const ITEMS: u64 = 500;

const PREFIX: &str = "item-";

/// The name of an item.
pub(crate) fn item(number: u64) -> String {
    format!("{PREFIX}{:03}", number % ITEMS)
}

/// What an item costs; none if the shop does not sell it.
pub(crate) fn cents(item: &str) -> Option<u64> {
    let number: u64 = item.strip_prefix(PREFIX)?.parse().ok()?;
    (number < ITEMS).then_some(99 + number * 50)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everything_the_shop_names_has_a_price() {
        assert!((0..ITEMS + 3).all(|number| cents(&item(number)).is_some()));
        assert_eq!(item(7), "item-007");
        assert_eq!(cents("item-007"), Some(449));
        for unknown in ["", "item-", "item-500", "item--1", "item-99999999999999999999", "thing-001"] {
            assert_eq!(cents(unknown), None, "{unknown}");
        }
    }
}
