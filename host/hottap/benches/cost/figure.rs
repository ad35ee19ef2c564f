//! One line of the benchmark.

use std::fmt;

use serde_json::json;

/// A measured value, and what it should be at most.
pub(crate) struct Figure {
    pub(crate) name: &'static str,
    value: f64,
    unit: &'static str,
    target: Option<f64>,
    /// What the value was made of: this side's figure and the other side's.
    sides: Option<(f64, f64)>,
}

impl Figure {
    pub(crate) fn new(name: &'static str, value: f64, unit: &'static str) -> Self {
        Self { name, value, unit, target: None, sides: None }
    }

    /// It should be at most this.
    pub(crate) fn at_most(self, target: f64) -> Self {
        Self { target: Some(target), ..self }
    }

    /// What was compared, in one unit.
    pub(crate) fn of(self, ours: f64, peer: f64) -> Self {
        Self { sides: Some((ours, peer)), ..self }
    }

    fn met(&self) -> Option<bool> {
        self.target.map(|target| self.value <= target)
    }

    pub(crate) fn to_json(&self) -> String {
        let mut line = json!({
            "name": self.name,
            "value": rounded(self.value),
            "unit": self.unit,
            "target": self.target,
            "met": self.met(),
        });
        if let Some((ours, peer)) = self.sides {
            line["ours"] = rounded(ours).into();
            line["peer"] = rounded(peer).into();
        }
        line.to_string()
    }
}

impl fmt::Display for Figure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { name, value, unit, target, sides } = self;
        write!(f, "{name:<46} {:>9} {unit:<10}", rounded(*value))?;
        if let (Some(target), Some(met)) = (target, self.met()) {
            write!(f, " target {:>6} {}", rounded(*target), if met { "met" } else { "MISSED" })?;
        }
        if let Some((ours, peer)) = sides {
            write!(f, "  ours {} peer {}", rounded(*ours), rounded(*peer))?;
        }
        Ok(())
    }
}

/// Four digits are more than such a measurement has.
fn rounded(value: f64) -> f64 {
    let scale = if value.abs() >= 100.0 { 10.0 } else { 10_000.0 };
    (value * scale).round() / scale
}
