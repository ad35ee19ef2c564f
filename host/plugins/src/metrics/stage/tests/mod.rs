//! Tests of what a stage makes of a tracer's calls, read where Prometheus would read it.

mod bounds;
mod values;

use std::time::Duration;

use super::*;
use crate::metrics::strict;
use crate::metrics::strict::Page;
use crate::metrics::{RegistryLimits, Writer};

/// The idle time of these tests, in milliseconds; a sixteenth of it passes between two looks for idle series.
const IDLE: u64 = 1600;
const NONE: [&str; 0] = [];

fn registry() -> Arc<Registry> {
    Arc::new(Registry::new(RegistryLimits { idle: Duration::from_millis(IDLE), ..RegistryLimits::default() }))
}

fn stage(registry: &Arc<Registry>) -> Stage {
    Stage::new(Arc::clone(registry), "t".into(), SeriesLimits::default())
}

fn small(registry: &Arc<Registry>, series: usize) -> Stage {
    Stage::new(Arc::clone(registry), "t".into(), SeriesLimits { series, ..SeriesLimits::default() })
}

#[track_caller]
fn page(registry: &Registry, now_ms: u64) -> Page {
    let mut writer = Writer::default();
    registry.write(&mut writer, now_ms);
    strict::parse(&writer.finish())
}

/// The value of tracer `t`'s series with these labels.
#[track_caller]
fn value(registry: &Registry, now_ms: u64, name: &str, labels: &[(&str, &str)]) -> Option<f64> {
    let labels: Vec<_> = [("tracer", "t")].into_iter().chain(labels.iter().copied()).collect();
    page(registry, now_ms).value(name, &labels)
}

const OVERFLOW: (&str, &str) = ("otel_metric_overflow", "true");

/// What the stage's tracer did wrong, by reason.
fn errors(stage: &Stage) -> Vec<(&'static str, u64)> {
    stage.owner.misuses.counts()
}
