//! Plugins from the file to the committed metric: real modules in a real directory, under calls made by hand.

#![cfg(test)]

mod destinations;
mod guests;
mod house;
mod peers;

mod accounting;
mod bad_input;
mod columns;
mod influxdb;
mod metrics;
mod prometheus;
mod reload;
mod starts;
