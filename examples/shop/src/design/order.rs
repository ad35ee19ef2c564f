//! What is designed to become of an order: its number decides, through a hash, so that the services and the load
//! generator know the same without telling each other.

use std::time::Duration;

use super::catalogue::{ITEMS, cents, item};

/// Of a thousand RPCs of the load, so many are `Checkout/Watch`; the others are `Checkout/Place`.
const WATCHED: u64 = 200;
/// Of a thousand orders, so many want something that is out of stock.
const OUT_OF_STOCK: u64 = 20;
/// Of a thousand orders, so many are priced only when Pricing is asked a second time.
const PRICED_AT_RETRY: u64 = 10;
/// Of a thousand orders, so many are not priced at all.
const UNPRICED: u64 = 5;
/// Of a thousand times, so often a step is slow.
const SLOW: u64 = 30;
/// How slow at least and at most, in milliseconds.
const SLOW_MILLIS: (u64, u64) = (5, 50);
/// An order has one to so many items.
const MAX_ITEMS: u64 = 4;

/// An order, by its number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Order(u64);

/// Which RPC the load generator makes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Place,
    Watch,
}

/// Whether Pricing can tell the prices.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Prices {
    Known,
    /// Not at the first attempt.
    KnownAtRetry,
    Unknown,
}

/// What may be slow.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Step {
    Reserve = 1,
    Quote = 2,
    Progress = 3,
}

/// What is asked of the hash besides, so that the answers do not depend on one another.
#[derive(Clone, Copy)]
enum Question {
    Slow = 0,
    Kind = 16,
    Stock,
    Prices,
    Reservation,
    Items,
}

impl Order {
    /// The order of that number.
    pub(crate) fn new(number: u64) -> Self {
        Self(number)
    }

    /// Its number.
    pub(crate) fn number(self) -> u64 {
        self.0
    }

    /// Which RPC the load generator makes with it.
    pub(crate) fn kind(self) -> Kind {
        if self.permille(Question::Kind) < WATCHED { Kind::Watch } else { Kind::Place }
    }

    /// What is ordered; never nothing.
    pub(crate) fn items(self) -> Vec<String> {
        let roll = self.roll(Question::Items as u64);
        let count = 1 + roll % MAX_ITEMS;
        (0..count).map(|at| item((roll >> (8 + 12 * at)) % ITEMS)).collect()
    }

    /// What that costs together, in cents.
    pub(crate) fn total_cents(self) -> u64 {
        self.items().iter().filter_map(|item| cents(item)).sum()
    }

    /// Whether all of it is there.
    pub(crate) fn in_stock(self) -> bool {
        self.permille(Question::Stock) >= OUT_OF_STOCK
    }

    /// The number under which it is put aside.
    pub(crate) fn reservation(self) -> u64 {
        self.roll(Question::Reservation as u64)
    }

    /// Whether Pricing can tell the prices.
    pub(crate) fn prices(self) -> Prices {
        match self.permille(Question::Prices) {
            roll if roll < UNPRICED => Prices::Unknown,
            roll if roll < UNPRICED + PRICED_AT_RETRY => Prices::KnownAtRetry,
            _ => Prices::Known,
        }
    }

    /// How long a step takes longer than it must.
    pub(crate) fn delay(self, step: Step) -> Option<Duration> {
        let roll = self.roll(Question::Slow as u64 + step as u64);
        let (least, most) = SLOW_MILLIS;
        (roll % 1_000 < SLOW).then(|| Duration::from_millis(least + (roll >> 32) % (most - least + 1)))
    }

    /// Returns true if no step of its RPC is slow by design and Pricing answers at the first attempt.
    pub(crate) fn is_prompt(self) -> bool {
        let steps: &[Step] = match self.kind() {
            Kind::Place => &[Step::Reserve, Step::Quote],
            Kind::Watch => &[Step::Progress],
        };
        steps.iter().all(|step| self.delay(*step).is_none()) && self.prices() != Prices::KnownAtRetry
    }

    fn permille(self, question: Question) -> u64 {
        self.roll(question as u64) % 1_000
    }

    /// SplitMix64: each question is a stream of its own, and neighbouring orders have nothing in common.
    fn roll(self, question: u64) -> u64 {
        let mut bits = self.0.wrapping_add(question << 56).wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        bits ^ (bits >> 31)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MANY: u64 = 100_000;

    /// How many of a thousand orders are so.
    fn permille(is_so: impl Fn(Order) -> bool) -> f64 {
        let count = (0..MANY).filter(|number| is_so(Order::new(*number))).count();
        count as f64 * 1_000.0 / MANY as f64
    }

    #[track_caller]
    fn near(found: f64, designed: u64) {
        let designed = designed as f64;
        assert!((found - designed).abs() < designed * 0.2, "{found} of a thousand where {designed} were designed");
    }

    #[test]
    fn the_shares_are_as_designed() {
        near(permille(|order| order.kind() == Kind::Watch), WATCHED);
        near(permille(|order| !order.in_stock()), OUT_OF_STOCK);
        near(permille(|order| order.prices() == Prices::KnownAtRetry), PRICED_AT_RETRY);
        near(permille(|order| order.prices() == Prices::Unknown), UNPRICED);
        for step in [Step::Reserve, Step::Quote, Step::Progress] {
            near(permille(|order| order.delay(step).is_some()), SLOW);
        }
    }

    #[test]
    fn most_orders_are_prompt_and_none_of_those_is_slow() {
        let prompt = || (0..MANY).map(Order::new).filter(|order| order.is_prompt());
        assert!((0.9..0.97).contains(&(prompt().count() as f64 / MANY as f64)));
        let places = prompt().filter(|order| order.kind() == Kind::Place);
        assert_eq!(places.filter_map(|order| order.delay(Step::Quote).or(order.delay(Step::Reserve))).count(), 0);
        let watches = prompt().filter(|order| order.kind() == Kind::Watch);
        assert_eq!(watches.filter_map(|order| order.delay(Step::Progress)).count(), 0);
    }

    #[test]
    fn one_answer_says_nothing_of_another() {
        let both = permille(|order| order.delay(Step::Reserve).is_some() && order.delay(Step::Quote).is_some());
        assert!((0.3..2.0).contains(&both), "{both} of a thousand, where 0.9 is chance");
        let watched = permille(|order| order.kind() == Kind::Watch && order.delay(Step::Progress).is_some());
        near(watched, WATCHED * SLOW / 1_000);
    }

    #[test]
    fn delays_are_between_5_and_50_ms() {
        let delays = || (0..MANY).filter_map(|number| Order::new(number).delay(Step::Quote));
        assert_eq!(delays().min(), Some(Duration::from_millis(5)));
        assert_eq!(delays().max(), Some(Duration::from_millis(50)));
    }

    #[test]
    fn every_order_has_one_to_four_items_that_are_sold() {
        for order in (0..MANY).map(Order::new) {
            let items = order.items();
            assert!((1..=4).contains(&items.len()), "{order:?}: {items:?}");
            assert!(items.iter().all(|item| cents(item).is_some()), "{order:?}: {items:?}");
            assert!(order.total_cents() > 0);
        }
        assert!(permille(|order| order.items().len() == 4) > 200.0);
    }

    #[test]
    fn an_order_is_the_same_whenever_it_is_asked() {
        let order = Order::new(u64::MAX);
        assert_eq!((order.items(), order.reservation()), (Order::new(u64::MAX).items(), order.reservation()));
        assert_ne!(order.reservation(), Order::new(u64::MAX - 1).reservation());
    }
}
