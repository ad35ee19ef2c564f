//! The program `shop` from outside.

mod child;
mod hostile;
mod program;
