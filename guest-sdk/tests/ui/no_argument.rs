//! No type at all.

hottap_guest::export!();

fn main() {}
