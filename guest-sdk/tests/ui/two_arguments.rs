//! More than one type.

struct A;
struct B;

hottap_guest::export!(A, B);

fn main() {}
