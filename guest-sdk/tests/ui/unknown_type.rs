//! A type that does not exist.

hottap_guest::export!(Costs);

fn main() {}
