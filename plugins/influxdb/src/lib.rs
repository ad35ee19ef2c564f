//! Calls as InfluxDB line protocol, to a destination that the operator named; it speaks no HTTP and keeps no history.
//!
#![doc = include_str!("../README.md")]

mod aggregate;
mod kind;
mod line;
#[cfg(test)]
mod parse;
mod points;
mod series;
mod settings;
mod stamp;
#[cfg(test)]
mod tests;

use hottap_guest::outbox::{Lines, Outlet};
use hottap_guest::{Batch, Config, Error, Flush, Tracer, export};

use aggregate::Aggregate;
use points::Points;
use settings::Settings;
use stamp::Stamp;

export!(Influxdb);

/// The tracer.
#[derive(Debug)]
pub struct Influxdb {
    mode: Mode,
    lines: Lines,
    stamp: Stamp,
}

#[derive(Debug)]
enum Mode {
    Aggregate(Aggregate),
    Points(Points),
}

impl Tracer for Influxdb {
    fn new(config: Config) -> Result<Self, Error> {
        let settings = Settings::parse(&config)?;
        if let Some(period) = settings.period() {
            config.flush_every(period);
        }
        let tags = settings.tags(&config);
        let outlet = Outlet::define("influxdb.points", "{point}", &settings.destination, "text/plain; charset=utf-8");
        let mode = if settings.points {
            Mode::Points(Points::new(tags, settings.texts))
        } else {
            Mode::Aggregate(Aggregate::new(tags, settings.bounds(), config.now()))
        };
        Ok(Self { mode, lines: Lines::new(outlet), stamp: Stamp::restore(config.now()) })
    }

    fn finish(&mut self, batch: &Batch) {
        match &mut self.mode {
            Mode::Aggregate(aggregate) => aggregate.finish(batch, &mut self.stamp, &mut self.lines),
            Mode::Points(points) => points.finish(batch, &mut self.stamp, &mut self.lines),
        }
    }

    fn flush(&mut self, at: Flush) {
        match &mut self.mode {
            Mode::Aggregate(aggregate) => aggregate.flush(at, &mut self.stamp, &mut self.lines),
            Mode::Points(points) => points.flush(at),
        }
        self.lines.send();
        self.stamp.save();
    }
}
