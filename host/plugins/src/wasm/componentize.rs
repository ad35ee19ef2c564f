//! The component that a core module is made into, by this host's own copy of the contract. The module's description of
//! itself (its `component-type` sections) is removed unread, except for its string encoding.

use std::sync::OnceLock;

use wasm_encoder::RawSection;
use wasmparser::{Parser, Payload};
use wit_component::{ComponentEncoder, StringEncoding};
use wit_parser::{Resolve, WorldId, WorldKey};

use super::module::{LoadError, Name, World};
use super::v0_1_draft;

/// The names of the custom sections that describe a module as a component begin with this.
const COMPONENT_TYPE: &str = "component-type";
/// The custom section inside of one that names the string encoding: a version, then the encoding.
const ENCODING: &str = "wit-component-encoding";

/// Makes a component of a core module.
///
/// # Errors
/// The module imports something that tracers are not given, exports no tracer or one of another version, or its
/// functions have other types than the contract says.
pub(super) fn componentize(bytes: &[u8]) -> Result<Vec<u8>, LoadError> {
    let core = Core::read(bytes)?;
    let world = World::of(core.exports.iter().copied(), core.imports.iter().copied(), false)?;
    let mut module = core.module;
    let (resolve, world) = world.of_contract()?;
    wit_component::embed_component_metadata(&mut module, &resolve, world, core.encoding)
        .map_err(|error| LoadError::Encode(format!("{error:#}")))?;
    ComponentEncoder::default()
        .validate(true)
        .module(&module)
        .and_then(|mut encoder| encoder.encode())
        .map_err(|error| LoadError::Contract { reason: hottap_core::plain::plain(&format!("{error:#}"), 2_000) })
}

/// A core module without its description of itself, and the names that decide its world.
struct Core<'m> {
    module: Vec<u8>,
    encoding: StringEncoding,
    imports: Vec<&'m str>,
    exports: Vec<Name<'m>>,
}

impl<'m> Core<'m> {
    fn read(bytes: &'m [u8]) -> Result<Self, LoadError> {
        let damaged = |error: wasmparser::BinaryReaderError| LoadError::Compile(error.message().to_owned());
        let mut module = wasm_encoder::Module::new();
        let (mut encoding, mut imports, mut exports) = (StringEncoding::UTF8, Vec::new(), Vec::new());
        for payload in Parser::new(0).parse_all(bytes) {
            let payload = payload.map_err(damaged)?;
            match &payload {
                Payload::CustomSection(section) if section.name().starts_with(COMPONENT_TYPE) => {
                    encoding = string_encoding(section.data()).unwrap_or(encoding);
                    continue;
                }
                Payload::ImportSection(section) => {
                    for import in section.clone().into_imports() {
                        let import = import.map_err(damaged)?.module;
                        if imports.last() != Some(&import) {
                            imports.push(import);
                        }
                    }
                }
                Payload::ExportSection(section) => {
                    for export in section.clone() {
                        let name = export.map_err(damaged)?.name;
                        // `hottap:tracer/tracer@0.1.0#flush`; other exports are the module's own.
                        exports.extend(name.split_once('#').and_then(|(interface, _)| Name::parse(interface)));
                    }
                }
                _ => {}
            }
            if let Some((id, range)) = payload.as_section() {
                module.section(&RawSection { id, data: bytes.get(range).unwrap_or_default() });
            }
        }
        Ok(Self { module: module.finish(), encoding, imports, exports })
    }
}

impl World {
    /// The contract with the world that has all imports and these exports. Imports that a module does not use are left
    /// out of its component.
    fn of_contract(self) -> Result<(Resolve, WorldId), LoadError> {
        static CONTRACT: OnceLock<Option<(Resolve, WorldId)>> = OnceLock::new();
        let contract = CONTRACT.get_or_init(|| {
            let mut resolve = Resolve::default();
            let package = resolve.push_source("tracer.wit", v0_1_draft::WIT).ok()?;
            let world = resolve.select_world(&[package], Some(v0_1_draft::LARGEST_WORLD)).ok()?;
            Some((resolve, world))
        });
        let (mut resolve, id) =
            contract.clone().ok_or_else(|| LoadError::Encode("this host's own contract cannot be read".to_owned()))?;
        let names: Vec<(WorldKey, String)> = match resolve.worlds.get(id) {
            Some(world) => world.exports.keys().map(|key| (key.clone(), resolve.name_world_key(key))).collect(),
            None => Vec::new(),
        };
        for (key, name) in names {
            let keep = match Name::parse(&name).map(|name| name.interface) {
                Some("starter") => self.starter,
                Some("streams") => self.streams,
                _ => true,
            };
            if !keep && let Some(world) = resolve.worlds.get_mut(id) {
                world.exports.shift_remove(&key);
            }
        }
        Ok((resolve, id))
    }
}

/// The string encoding that a description names, if it can be found.
fn string_encoding(description: &[u8]) -> Option<StringEncoding> {
    for payload in Parser::new(0).parse_all(description) {
        match payload.ok()? {
            // A description's own types come later; sections nested in them are not looked for.
            Payload::CustomSection(section) if section.name() == ENCODING => {
                return match section.data() {
                    [_, 0] => Some(StringEncoding::UTF8),
                    [_, 1] => Some(StringEncoding::UTF16),
                    [_, 2] => Some(StringEncoding::CompactUTF16),
                    _ => None,
                };
            }
            _ => {}
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    const TRACER: &str = "hottap:tracer/tracer@0.1.0-draft";

    /// A core module that does nothing, with more items and with other names of its exports.
    fn module(tracer: &str, imports: &str, items: &str) -> Vec<u8> {
        let text = format!(
            r#"(module
              {imports}
              (memory (export "memory") 1)
              (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32) unreachable)
              (func (export "{tracer}#init") (param i32 i32 i32 i32 i32 i64) (result i32) (i32.const 8))
              (func (export "{tracer}#finish") (param i32))
              (func (export "{tracer}#flush") (param i32 i64 i64))
              {items})"#
        );
        wat::parse_str(&text).unwrap_or_else(|error| panic!("{error}"))
    }

    /// Appends a custom section, as a linker would.
    fn with_section(mut module: Vec<u8>, name: &str, data: &[u8]) -> Vec<u8> {
        use wasm_encoder::{CustomSection, Encode, Section};
        let section = CustomSection { name: name.into(), data: data.into() };
        module.push(section.id());
        section.encode(&mut module);
        module
    }

    fn interfaces(component: &[u8]) -> (Vec<String>, Vec<String>) {
        let (mut imports, mut exports) = (Vec::new(), Vec::new());
        let mut depth = 0;
        for payload in Parser::new(0).parse_all(component) {
            match payload.expect("a component") {
                Payload::ModuleSection { .. } | Payload::ComponentSection { .. } => depth += 1,
                Payload::End(_) => depth -= 1,
                Payload::ComponentImportSection(section) if depth == 0 => {
                    imports.extend(section.into_iter().map(|import| import.expect("an import").name.name.to_owned()));
                }
                Payload::ComponentExportSection(section) if depth == 0 => {
                    exports.extend(section.into_iter().map(|export| export.expect("an export").name.name.to_owned()));
                }
                _ => {}
            }
        }
        (imports, exports)
    }

    #[test]
    fn a_module_needs_no_description_of_itself() {
        let component = componentize(&module(TRACER, "", "")).expect("a tracer");
        let (_, exports) = interfaces(&component);
        assert_eq!(exports, [TRACER]);
    }

    #[test]
    fn a_modules_description_of_itself_is_not_read() {
        // Among others: a component whose types nest without end, and one that is no component at all.
        for description in [&b"\0asm\x0d\0\x01\0\x07\xff"[..], b"", b"no component", b"\0asm\x0d\0\x01\0"] {
            for name in ["component-type", "component-type:wit-bindgen:0.61.0:hottap:plugin:encoded world"] {
                let bytes = with_section(module(TRACER, "", ""), name, description);
                let component = componentize(&bytes).unwrap_or_else(|error| panic!("{description:?}: {error}"));
                assert_eq!(interfaces(&component).1, [TRACER]);
            }
        }
    }

    #[test]
    fn the_string_encoding_of_a_description_is_kept() {
        let description = |encoding| {
            let mut component = wasm_encoder::Component::new();
            component.section(&wasm_encoder::CustomSection { name: ENCODING.into(), data: [4, encoding][..].into() });
            component.finish()
        };
        for (number, encoding) in
            [(0, StringEncoding::UTF8), (1, StringEncoding::UTF16), (2, StringEncoding::CompactUTF16)]
        {
            assert_eq!(string_encoding(&description(number)), Some(encoding));
        }
        assert_eq!(string_encoding(&description(9)), None);
        assert_eq!(string_encoding(b"\0asm\x0d\0\x01\0\0"), None);
    }

    #[test]
    fn exports_choose_the_world_and_unused_imports_are_left_out() {
        let start = r#"(func (export "hottap:tracer/starter@0.1.0-draft#start")
            (param i64 i32 i32 i32 i32 i64 i64 i64 i64 i64 i64 i32) (result i64) (i64.const 0))"#;
        let streams = r#"(func (export "hottap:tracer/streams@0.1.0-draft#progress") (param i32))"#;
        let every = r#"(import "hottap:tracer/setup@0.1.0-draft" "every" (func (param i32)))"#;
        for (items, expected) in [
            ("", &["tracer"][..]),
            (start, &["starter", "tracer"]),
            (streams, &["streams", "tracer"]),
            (&format!("{start}{streams}"), &["starter", "streams", "tracer"]),
        ] {
            let component = componentize(&module(TRACER, every, items)).expect("a tracer");
            let (imports, mut exports) = interfaces(&component);
            exports.sort();
            let expected: Vec<_> =
                expected.iter().map(|interface| format!("hottap:tracer/{interface}@0.1.0-draft")).collect();
            assert_eq!(exports, expected);
            assert!(imports.contains(&"hottap:tracer/setup@0.1.0-draft".to_owned()), "{imports:?}");
            assert!(!imports.contains(&"hottap:tracer/outbox@0.1.0-draft".to_owned()), "{imports:?}");
        }
    }

    #[test]
    fn modules_that_are_no_tracers_of_this_contract_are_refused_by_name() {
        #[track_caller]
        fn refused(module: &[u8], words: &[&str]) {
            let error = componentize(module).expect_err("no tracer").to_string();
            for word in words {
                assert!(error.contains(word), "{word:?} is not in {error:?}");
            }
        }
        let import = |from: &str| format!(r#"(import "{from}" "f" (func))"#);
        refused(&wat::parse_str("(module)").expect("valid"), &["exports no tracer (hottap:tracer/tracer)"]);
        refused(&module("hottap:tracer/tracer@0.2.0", "", ""), &["needs hottap:tracer 0.2.0"]);
        refused(&module(TRACER, &import("hottap:tracer/rpc@0.1.9"), ""), &["needs hottap:tracer 0.1.9"]);
        refused(&module(TRACER, &import("env"), ""), &["imports env"]);
        refused(&module(TRACER, &import("wasi_snapshot_preview1"), ""), &["imports wasi_snapshot_preview1"]);
        refused(&module(TRACER, &import("hottap:tracer/rpc@0.1.0-draft"), ""), &["does not fit the contract"]);
        let start = r#"(func (export "hottap:tracer/starter@0.1.0-draft#start") (param i64))"#;
        refused(&module(TRACER, "", start), &["does not fit the contract"]);
    }
}
