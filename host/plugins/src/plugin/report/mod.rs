//! The state of everything, as the admin API and OTLP tell it; each family of metrics is written in `families`.

mod families;
mod memory;
mod status;

use std::net::SocketAddr;
use std::sync::Arc;

use tokio::sync::oneshot;

use self::memory::MemoryStatus;
use self::status::{Sources, TracerStatus};
use crate::admin::{Act, Acted, By, Command, Report, Token, Verb};
use crate::metrics::{Families, Registry, Writer};
use crate::plugin::books::{Book, Books};
use crate::plugin::directory::PluginDir;
use crate::plugin::name::Name;
use crate::plugin::operator::Operator;
use crate::plugin::plugins::Plugins;
use crate::plugin::requests::Requesting;
use hottap_core::budget::Budget;
use hottap_core::plain;
use hottap_core::tracer::Core;

const NANOS_PER_MILLI: u64 = 1_000_000;

/// Answers the admin API, and what sends metrics over OTLP.
pub struct Reporter {
    core: Arc<Core>,
    registry: Arc<Registry>,
    /// None if there is no plugin dir.
    plugins: Option<Watched>,
    requesting: Requesting,
    /// The Unix time at which the clock began, as it was when this was made: the start of what is counted does not move
    /// when the system's time is set.
    #[cfg(feature = "otlp")]
    origin_unix_nanos: u64,
    #[cfg(feature = "otlp")]
    started_ms: u64,
}

/// One plugin dir, with the books of its plugins and the operator's configuration.
struct Watched {
    directory: Arc<PluginDir>,
    books: Arc<Books>,
    operator: Arc<Operator>,
    budget: Budget,
}

impl Reporter {
    /// `operator` is the configuration of a service without a plugin dir.
    pub fn new(
        core: Arc<Core>,
        registry: Arc<Registry>,
        plugins: Option<&Plugins>,
        operator: Option<Arc<Operator>>,
    ) -> Self {
        let operator = plugins.map(|plugins| plugins.operator.clone()).or(operator);
        let events = plugins.map(|plugins| plugins.events.clone());
        Self {
            requesting: Requesting::new(core.clone(), operator, events),
            #[cfg(feature = "otlp")]
            origin_unix_nanos: core.clock.unix(0),
            #[cfg(feature = "otlp")]
            started_ms: core.clock.now() / NANOS_PER_MILLI,
            core,
            registry,
            plugins: plugins.map(|plugins| Watched {
                directory: plugins.directory.clone(),
                books: plugins.books.clone(),
                operator: plugins.operator.clone(),
                budget: plugins.budget.clone(),
            }),
        }
    }

    fn plugins(&self) -> Vec<TracerStatus> {
        let Some(Watched { books, operator, .. }) = &self.plugins else { return Vec::new() };
        let seen = self.core.live.seen();
        let sources =
            Sources { registry: &self.registry, operator, seen: &seen, paused_all: self.core.live.is_paused() };
        let status = |(name, book): &(Name, Arc<Book>)| TracerStatus::new(name, book, &sources);
        books.all().iter().map(status).collect()
    }

    /// By the registry's clock.
    fn now_ms(&self) -> u64 {
        self.core.clock.now() / NANOS_PER_MILLI
    }

    /// What the host knows of plugins, of destinations and of itself.
    fn write_host(&self, writer: &mut impl Families) {
        families::tracers(&self.plugins(), writer);
        if let Some(Watched { budget, directory, .. }) = &self.plugins {
            memory::write(budget, writer);
            families::plugin_dir(directory.problem().is_some(), writer);
        }
        families::host(self.core.natives.panics(), hottap_core::panics::counts(), writer);
        families::actions(self.core.live.is_paused(), self.requesting.counts(), writer);
        if let Some(health) = self.plugins.as_ref().and_then(|plugins| plugins.operator.health()) {
            families::config(health, writer);
        }
        let destinations = self.plugins.as_ref().map(|plugins| plugins.operator.outbox.states());
        families::destinations(&destinations.unwrap_or_default(), writer);
        families::others(&self.core.metric_sources.families(), writer);
    }
}

#[cfg(feature = "otlp")]
impl Reporter {
    /// All metrics as OTLP's messages, a scope for each tracer and one for the host.
    pub fn scopes(&self) -> Vec<opentelemetry_proto::tonic::metrics::v1::ScopeMetrics> {
        let now = self.core.clock.unix(self.core.clock.now());
        // A system clock that was set back does not make a start later than its end.
        let began = |ms: u64| self.origin_unix_nanos.saturating_add(ms.saturating_mul(NANOS_PER_MILLI)).min(now);
        let mut host = crate::metrics::HostMetrics::new(began(self.started_ms), now);
        self.write_host(&mut host);
        let mut scopes = self.registry.scopes(&mut host, self.now_ms(), began);
        scopes.push(host.finish());
        scopes
    }
}

impl Report for Reporter {
    fn metrics(&self) -> String {
        if self.core.live.is_forked() {
            return String::new();
        }
        let mut writer = Writer::default();
        self.write_host(&mut writer);
        self.registry.write(&mut writer, self.now_ms());
        writer.finish()
    }

    fn tracers(&self) -> serde_json::Value {
        if self.core.live.is_forked() {
            return serde_json::json!({ "disabled": true, "plugin_dir": null, "plugin_dir_error": null, "tracers": [] });
        }
        let directory = self.plugins.as_ref().map(|plugins| &plugins.directory);
        let passed_over = directory.map(|directory| directory.passed_over()).unwrap_or_default();
        let mut tracers = serde_json::json!({
            "disabled": self.core.live.is_disabled(),
            "paused_all": self.core.live.is_paused(),
            "actions": self.requesting.off().is_none(),
            "plugin_dir": directory.map(|directory| directory.path().display().to_string()),
            "plugin_dir_error": directory.and_then(|directory| directory.problem()),
            "passed_over": passed_over.entries(),
            "more_passed_over": passed_over.more(),
            "memory": self.plugins.as_ref().map(|plugins| MemoryStatus::of(&plugins.budget)),
            "tracers": self.plugins(),
        });
        plain::json(&mut tracers);
        tracers
    }

    fn dead(&self, tracer: &str) -> Option<serde_json::Value> {
        if self.core.live.is_forked() {
            return None;
        }
        let name = Name::new(tracer)?;
        let book = self.plugins.as_ref()?.books.get(&name)?;
        let letters = book.dead().to_json();
        let dead = book.account.terms().dead;
        let mut page = serde_json::json!({ "tracer": name.as_str(), "dead": dead, "letters": letters });
        plain::json(&mut page);
        Some(page)
    }

    fn destinations(&self) -> serde_json::Value {
        if self.core.live.is_forked() {
            return serde_json::json!({ "destinations": [] });
        }
        let mut destinations = match &self.plugins {
            Some(Watched { books, operator, .. }) => {
                let books = books.all();
                let there = books.iter().filter(|(_, book)| book.current().state.is_in_directory());
                serde_json::json!(operator.status(&there.map(|(name, _)| name.as_str()).collect()))
            }
            None => serde_json::json!({ "destinations": [] }),
        };
        plain::json(&mut destinations);
        destinations
    }
}

impl Act for Reporter {
    fn off(&self) -> Option<String> {
        self.requesting.off()
    }

    fn token(&self) -> Token {
        self.requesting.token()
    }

    fn act(&self, command: &Command, by: By) -> oneshot::Receiver<Acted> {
        self.requesting.act(command, by)
    }

    fn refused(&self, verb: Verb, peer: Option<SocketAddr>, reason: &str) {
        self.requesting.refused(verb, peer, reason);
    }
}
