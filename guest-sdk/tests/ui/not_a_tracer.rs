//! A type that does not implement `Tracer`.

struct Cost;

hottap_guest::export!(Cost);

fn main() {}
