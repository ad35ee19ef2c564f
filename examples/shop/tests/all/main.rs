//! The program `shop` from outside, and the generated code beside what it is generated from.

mod child;
mod generated;
mod hostile;
mod program;
