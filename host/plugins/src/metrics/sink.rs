//! Where metrics are written to: families of series, whoever reads them in the end.

use super::instrument::Kind;

/// Families by name. Names are the caller's to get right.
pub(crate) trait Families {
    /// One of them.
    type Family: Samples;

    /// Begins a family, or goes on with it if it was begun before with the same kind.
    fn family(&mut self, name: &str, kind: Kind, help: &str) -> &mut Self::Family;
}

/// The series of a family. Labels' values can be any text.
pub(crate) trait Samples {
    /// Adds a counter's or gauge's series.
    fn sample<'l>(&mut self, labels: impl IntoIterator<Item = (&'l str, &'l str)>, value: f64);
}
