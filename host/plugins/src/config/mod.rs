//! The operator's configuration, `hottap.toml`: destinations, the grants of tracers beyond the defaults, the
//! settings of traces, and those of the admin API. Nothing here uses the network or starts a thread; only `ConfigFile` reads, and it reads one
//! file.

mod admin;
mod amount;
mod definition;
mod error;
mod file;
mod grants;
mod header;
mod keys;
mod operator;
mod place;
mod stamp;
mod trace;
mod ungrantable;

pub(crate) use admin::AdminConfig;
pub(crate) use definition::Definition;
pub use error::ConfigError;
pub(crate) use file::ConfigFile;
pub(crate) use grants::Grants;
pub(crate) use header::{Header, HeaderSource};
pub(crate) use keys::{UnknownKey, check_keys};
pub(crate) use operator::{OperatorConfig, parse_table};
pub(crate) use place::HttpPlace;
pub use place::Place;
pub(crate) use stamp::{FileId, Stamp, file_id};
pub(crate) use trace::TraceConfig;
pub(crate) use ungrantable::{is_the_hosts, may_be_seen, may_be_set};
