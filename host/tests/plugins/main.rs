//! Plugins from the file to the committed metric: real modules in a real directory, under calls made by hand.

#![cfg(test)]

mod destinations;
mod guests;
mod house;
mod log;
mod peers;
mod sink;

mod accounting;
mod bad_input;
mod columns;
mod failures;
mod influxdb;
mod metrics;
mod prometheus;
mod reload;
mod starts;
