//! The operator's configuration, `hottap.toml`: destinations, the grants of tracers beyond the defaults, the
//! settings of traces, and those of the admin API. Nothing here uses the network or starts a thread; only [`ConfigFile`] reads, and it reads one
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

pub use admin::AdminConfig;
pub use definition::Definition;
pub use error::ConfigError;
pub use file::ConfigFile;
pub use grants::Grants;
pub use header::{Header, HeaderSource};
pub use keys::{UnknownKey, check_keys};
pub use operator::{OperatorConfig, parse_table};
pub use place::{HttpPlace, Place};
pub use stamp::Stamp;
pub use trace::TraceConfig;
pub use ungrantable::{is_the_hosts, may_be_seen, may_be_set};
