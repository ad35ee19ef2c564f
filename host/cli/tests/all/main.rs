//! The command `hottap` as it is run: real processes, real files, and a real service where one is watched.

#![cfg(test)]

mod command;
#[path = "../../../hottap/tests/plugins/guests.rs"]
mod guests;
#[path = "../../../hottap/tests/plugins/house.rs"]
#[expect(dead_code, reason = "calls and metrics are another test's")]
mod house;
mod project;

mod build;
mod check;
mod compile;
mod new;
mod watch;
