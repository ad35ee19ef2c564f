//! How much tracers may make the host count and show; plain numbers.

use std::time::Duration;

/// How much one tracer may have. What is beyond is refused or goes to an overflow series, and is counted.
#[derive(Debug, Clone, Copy)]
pub(crate) struct SeriesLimits {
    /// Metrics. The default is 128; the next one is refused.
    pub(crate) instruments: usize,
    /// Series: of one instance, and of all its generations that have not been idle for long. The default is
    /// OpenTelemetry's 2000; what comes beyond goes to the overflow series.
    pub(crate) series: usize,
    /// Bytes in one instance's definitions, labels and staged values, about. The default, 8 MiB, is more than 2000
    /// series need unless their labels have kilobytes; what comes beyond goes to the overflow series.
    pub(crate) bytes: usize,
    /// Bytes of a scraped page, about. The default, 24 MiB, is 2000 histograms with 64 bounds and labels of a hundred
    /// bytes; without it 2000 series could be half a gigabyte. What comes beyond goes to the overflow series.
    pub(crate) page_bytes: usize,
}

impl Default for SeriesLimits {
    fn default() -> Self {
        Self { instruments: 128, series: 2000, bytes: 8 << 20, page_bytes: 24 << 20 }
    }
}

/// How much there may be of all tracers together, and for how long.
#[derive(Debug, Clone, Copy)]
pub struct RegistryLimits {
    /// Bytes of a scraped page, about, without overflow series. The default, 64 MiB, is more than scrapers take by
    /// default; a tracer that comes when all is taken has only its overflow series.
    pub(crate) page_bytes: usize,
    /// How long after the last commit that touched it a series is forgotten. The default, an hour, outlives every
    /// scrape interval; forgotten counters begin at zero again.
    pub(crate) idle: Duration,
}

impl Default for RegistryLimits {
    fn default() -> Self {
        Self { page_bytes: 64 << 20, idle: Duration::from_secs(3600) }
    }
}
