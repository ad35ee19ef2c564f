//! The interfaces that a file imports and exports, by name, read without compiling it and without a judgement.

use std::collections::BTreeSet;

use wasmparser::{Parser, Payload};

use super::module::Name;

/// Names that are kept of each list. No tracer has as many; what a broken file says is bounded.
const MAX_NAMES: usize = 256;
/// Bytes that are kept of each name.
const MAX_NAME_BYTES: usize = 256;

/// The interfaces of a component, or those that a core module means to have as one: `hottap:tracer/rpc@0.1.0`.
#[derive(Debug, Default, PartialEq)]
pub struct Interfaces {
    pub imports: BTreeSet<String>,
    pub exports: BTreeSet<String>,
}

impl Interfaces {
    /// Reads as far as the file can be read; what is no WebAssembly has none.
    pub fn of(bytes: &[u8]) -> Self {
        let mut interfaces = Self::default();
        // Payloads of nested modules and components come between their section and their end; only the outermost has
        // the interfaces that a host sees.
        let mut depth = 0_usize;
        for payload in Parser::new(0).parse_all(bytes) {
            let Ok(payload) = payload else { break };
            match payload {
                Payload::ModuleSection { .. } | Payload::ComponentSection { .. } => depth += 1,
                Payload::End(_) => depth = depth.saturating_sub(1),
                _ if depth > 0 => {}
                Payload::ComponentImportSection(section) => {
                    let names = section.into_iter().flatten().map(|import| import.name.name);
                    names.for_each(|name| keep(&mut interfaces.imports, name));
                }
                Payload::ComponentExportSection(section) => {
                    let names = section.into_iter().flatten().map(|export| export.name.name);
                    names.for_each(|name| keep(&mut interfaces.exports, name));
                }
                Payload::ImportSection(section) => {
                    let modules = section.into_imports().flatten().map(|import| import.module);
                    modules.for_each(|module| keep(&mut interfaces.imports, module));
                }
                Payload::ExportSection(section) => {
                    // `hottap:tracer/tracer@0.1.0#flush`; exports without `#` are the core module's own.
                    let names = section.into_iter().flatten().filter_map(|export| export.name.split_once('#'));
                    names
                        .map(|(name, _)| name.strip_prefix("cabi_post_").unwrap_or(name))
                        .for_each(|name| keep(&mut interfaces.exports, name));
                }
                _ => {}
            }
        }
        interfaces
    }

    /// Returns true if it exports an interface of the contract: `tracer`, `starter`, …
    pub fn exports_of_contract(&self, interface: &str) -> bool {
        self.exports.iter().any(|name| Name::parse(name).is_some_and(|name| name.interface == interface))
    }
}

fn keep(names: &mut BTreeSet<String>, name: &str) {
    if names.len() < MAX_NAMES {
        names.insert(hottap_core::plain::plain(name, MAX_NAME_BYTES));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, imports: &[&str], exports: &[&str]) {
        let interfaces = Interfaces::of(&wat::parse_str(text).expect("valid"));
        assert_eq!(interfaces.imports.iter().collect::<Vec<_>>(), imports, "imports of {text}");
        assert_eq!(interfaces.exports.iter().collect::<Vec<_>>(), exports, "exports of {text}");
    }

    #[test]
    fn a_component_says_its_own_interfaces_and_not_those_within_it() {
        check(
            r#"(component
                (import "hottap:tracer/rpc@0.1.0" (instance $rpc))
                (core module (import "env" "f" (func)) (func (export "x#y")))
                (export "hottap:tracer/tracer@0.1.0" (instance $rpc)))"#,
            &["hottap:tracer/rpc@0.1.0"],
            &["hottap:tracer/tracer@0.1.0"],
        );
    }

    #[test]
    fn a_core_module_says_the_interfaces_that_it_means_to_have() {
        check(
            r#"(module
                (import "hottap:tracer/log@0.1.0" "write" (func))
                (func (export "hottap:tracer/starter@0.1.0#start"))
                (func (export "cabi_post_hottap:tracer/tracer@0.1.0#init"))
                (func (export "cabi_realloc")))"#,
            &["hottap:tracer/log@0.1.0"],
            &["hottap:tracer/starter@0.1.0", "hottap:tracer/tracer@0.1.0"],
        );
    }

    #[test]
    fn the_contracts_interfaces_are_found_in_every_version() {
        let bytes = wat::parse_str(r#"(module (func (export "hottap:tracer/starter@9.0.0#start")))"#).expect("valid");
        let interfaces = Interfaces::of(&bytes);
        assert!(interfaces.exports_of_contract("starter") && !interfaces.exports_of_contract("tracer"));
    }

    #[test]
    fn what_is_no_wasm_has_no_interfaces() {
        assert_eq!(Interfaces::of(b"hello"), Interfaces::default());
        assert_eq!(Interfaces::of(b""), Interfaces::default());
    }
}
