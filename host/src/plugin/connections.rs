//! The connections of the server runtime's servers, as the metrics show them.

use crate::metrics::{Families, Kind, Samples};
use crate::server::Connections;

/// Each server is known by where it listens.
pub(super) fn write(servers: &[(String, Connections)], writer: &mut impl Families) {
    if servers.is_empty() {
        return;
    }
    let mut family = |name: &str, kind: Kind, help: &str, value: &dyn Fn(&Connections) -> u64| {
        let family = writer.family(name, kind, help);
        for (server, connections) in servers {
            family.sample([("server", server.as_str())], value(connections) as f64);
        }
    };
    let counter = Kind::Counter;
    family(
        "hottap_server_connections_accepted_total",
        counter,
        "Connections taken from the listener.",
        &|connections| connections.accepted,
    );
    family("hottap_server_connections_open", Kind::Gauge, "Connections open now.", &|connections| connections.open);
    family("hottap_server_accept_errors_total", counter, "Errors of the listener.", &|connections| {
        connections.accept_errors
    });
    let mut reasons = |name: &str, help: &str, counts: &dyn Fn(&Connections) -> Vec<(&'static str, u64)>| {
        let family = writer.family(name, counter, help);
        for (server, connections) in servers {
            for (reason, count) in counts(connections) {
                family.sample([("server", server.as_str()), ("reason", reason)], count as f64);
            }
        }
    };
    let help = "Connections closed as soon as they were accepted, by the limit that they exceeded.";
    reasons("hottap_server_connections_refused_total", help, &|connections| {
        vec![("limit", connections.refused.limit), ("peer_limit", connections.refused.peer_limit)]
    });
    reasons("hottap_server_connections_closed_total", "Connections that ended, by reason.", &|connections| {
        connections.closed.by_reason().to_vec()
    });
}
