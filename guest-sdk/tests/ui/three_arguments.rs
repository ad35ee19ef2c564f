//! More types than there are roles.

struct A;
struct B;
struct C;

hottap_guest::export!(A, B, C);

fn main() {}
