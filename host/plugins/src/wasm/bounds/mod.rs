//! Bounds on a module's structure, held against it before it is compiled: a running compile can't be stopped. Pure.

mod function;
mod work;

use wasmparser::{ComponentTypeRef, ElementItems, Parser, Payload, TypeRef};

use function::{Counter, Signatures};
pub(crate) use work::Work;

use hottap_core::plain::plain;

/// Bytes shown of what the parser says, which may repeat some of the file's on several lines.
const MAX_REASON_BYTES: usize = 512;

/// Bytes of a module or component. Python's, the largest in use, has 18 MiB.
pub const MAX_FILE_BYTES: u64 = 64 << 20;
/// Bytes of one function's body.
const MAX_BODY_BYTES: u64 = 1 << 20;
/// Blocks that are open at once in a function. Compilers of large interpreters make some hundreds; the compiler here visits
/// them again and again.
const MAX_DEPTH: u64 = 5_000;
/// Parameters and results of a function. Those that compilers make have a dozen; with a thousand, two bytes of a call stand
/// for two thousand values.
const MAX_SIGNATURE: u64 = 128;
/// Modules and components within a component.
const MAX_NESTED: usize = 64;
/// Component instances, if each component is instantiated wherever it can be. A toolchain's component has some five; each
/// is compiled anew, so a few components that instantiate each other twice would be millions.
const MAX_COMPONENT_INSTANCES: u64 = 1_000;

/// The form of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Component,
    Core,
}

/// A file that is within bounds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Checked {
    pub(super) kind: Kind,
    pub(crate) work: Work,
}

/// The reason why a file is not compiled.
#[derive(Clone, Debug, thiserror::Error, PartialEq, serde::Serialize, serde::Deserialize)]
pub enum BoundsError {
    #[error("is not WebAssembly")]
    NotWasm,
    #[error("is cut short or damaged: {}", plain(.0, MAX_REASON_BYTES))]
    Damaged(String),
    #[error("has a function of {0} bytes, at most {MAX_BODY_BYTES} are compiled")]
    Body(u64),
    #[error("has a function with {0} blocks inside of each other, at most {MAX_DEPTH} are compiled")]
    Depth(u64),
    #[error("has a function with {0} parameters and results, at most {MAX_SIGNATURE} are compiled")]
    Signature(u64),
    #[error("has function {function}, which would take {needed} MiB of memory to compile, at most {limit} are taken", limit = work::MAX_BYTES >> 20)]
    FunctionMemory { function: u32, needed: u64 },
    #[error("would take {needed} MiB of memory to compile, at most {limit} are taken", limit = work::MAX_BYTES >> 20)]
    Memory { needed: u64 },
    #[error("would take {needed} s to compile, at most {limit} are taken", limit = work::MAX_NANOS / 1_000_000_000)]
    Time { needed: u64 },
    #[error("has more than {MAX_NESTED} modules in it")]
    Nested,
    #[error("has components that instantiate each other, {MAX_COMPONENT_INSTANCES} times and more")]
    ComponentInstances,
    #[error("has a component that imports components")]
    ComponentImport,
}

/// Looks at the structure without compiling or validating anything.
pub(super) fn check(bytes: &[u8]) -> Result<Checked, BoundsError> {
    if !bytes.starts_with(b"\0asm") {
        return Err(BoundsError::NotWasm);
    }
    let kind = if Parser::is_component(bytes) { Kind::Component } else { Kind::Core };
    let mut survey = Survey::new(bytes.len() as u64);
    for payload in Parser::new(0).parse_all(bytes) {
        survey.payload(payload.map_err(damaged)?)?;
    }
    survey.work.check()?;
    Ok(Checked { kind, work: survey.work })
}

fn damaged(error: wasmparser::BinaryReaderError) -> BoundsError {
    BoundsError::Damaged(error.message().to_owned())
}

/// Everything that has been seen of a file.
struct Survey {
    work: Work,
    counter: Counter,
    /// The modules that are open, each with what is known of its functions.
    modules: Vec<Module>,
    nested: usize,
    /// For each open component, how many components it instantiates.
    instantiated: Vec<u64>,
    component_instances: u64,
}

/// An open module or component.
#[derive(Default)]
struct Module {
    signatures: Signatures,
    imported: u32,
    /// Bodies that have been seen.
    bodies: u32,
}

impl Survey {
    fn new(bytes: u64) -> Self {
        Self {
            work: Work::of_file(bytes),
            counter: Counter::default(),
            modules: Vec::new(),
            nested: 0,
            instantiated: Vec::new(),
            component_instances: 1,
        }
    }

    fn payload(&mut self, payload: Payload<'_>) -> Result<(), BoundsError> {
        match payload {
            Payload::Version { .. } => {
                self.modules.push(Module::default());
                self.instantiated.push(0);
            }
            Payload::End(_) => {
                self.modules.pop();
                let here = self.instantiated.pop().unwrap_or(0);
                // Each instance of this component holds as many others, and each of those what it instantiates itself.
                self.component_instances = self.component_instances.saturating_mul(1 + here);
                if self.component_instances > MAX_COMPONENT_INSTANCES {
                    return Err(BoundsError::ComponentInstances);
                }
            }
            Payload::ModuleSection { .. } | Payload::ComponentSection { .. } => {
                self.nested += 1;
                if self.nested > MAX_NESTED {
                    return Err(BoundsError::Nested);
                }
            }
            Payload::TypeSection(types) => {
                for group in types {
                    for ty in group.map_err(damaged)?.into_types() {
                        let values = Signatures::values(&ty);
                        if values > MAX_SIGNATURE {
                            return Err(BoundsError::Signature(values));
                        }
                        self.work.add_type(values);
                        self.module().signatures.types.push(ty);
                    }
                    self.work.check()?;
                }
            }
            Payload::ImportSection(imports) => {
                self.work.add_items(imports.count().into());
                for import in imports.into_imports() {
                    if let TypeRef::Func(ty) | TypeRef::FuncExact(ty) = import.map_err(damaged)?.ty {
                        self.work.add_functions(1);
                        self.module().imported += 1;
                        self.module().signatures.functions.push(ty);
                    }
                }
            }
            Payload::FunctionSection(functions) => {
                self.work.add_functions(functions.count().into());
                self.work.check()?;
                for ty in functions {
                    let ty = ty.map_err(damaged)?;
                    self.module().signatures.functions.push(ty);
                }
            }
            Payload::CodeSectionEntry(body) => self.body(&body)?,
            Payload::GlobalSection(globals) => self.work.add_items(globals.count().into()),
            Payload::ExportSection(exports) => self.work.add_items(exports.count().into()),
            Payload::ElementSection(elements) => {
                self.work.add_items(elements.count().into());
                for element in elements {
                    self.work.add_elements(match element.map_err(damaged)?.items {
                        ElementItems::Functions(functions) => functions.count().into(),
                        ElementItems::Expressions(_, expressions) => expressions.count().into(),
                    });
                }
            }
            Payload::DataSection(segments) => self.work.add_items(segments.count().into()),
            Payload::ComponentInstanceSection(instances) => {
                self.work.add_component_items(instances.count().into());
                for instance in instances {
                    if matches!(instance.map_err(damaged)?, wasmparser::ComponentInstance::Instantiate { .. })
                        && let Some(here) = self.instantiated.last_mut()
                    {
                        *here += 1;
                    }
                }
            }
            Payload::ComponentImportSection(imports) => {
                self.work.add_component_items(imports.count().into());
                for import in imports {
                    if matches!(import.map_err(damaged)?.ty, ComponentTypeRef::Component(_)) {
                        return Err(BoundsError::ComponentImport);
                    }
                }
            }
            Payload::ComponentExportSection(items) => self.work.add_component_items(items.count().into()),
            Payload::ComponentAliasSection(items) => self.work.add_component_items(items.count().into()),
            Payload::ComponentTypeSection(items) => self.work.add_component_items(items.count().into()),
            Payload::ComponentCanonicalSection(items) => self.work.add_component_functions(items.count().into()),
            Payload::InstanceSection(items) => self.work.add_component_items(items.count().into()),
            Payload::CoreTypeSection(items) => self.work.add_component_items(items.count().into()),
            _ => {}
        }
        self.work.check()
    }

    fn body(&mut self, body: &wasmparser::FunctionBody<'_>) -> Result<(), BoundsError> {
        let size = body.range().len() as u64;
        if size > MAX_BODY_BYTES {
            return Err(BoundsError::Body(size));
        }
        let Some(module) = self.modules.last_mut() else { return Ok(()) };
        let function = module.imported + module.bodies;
        module.bodies += 1;
        let ty = module.signatures.functions.get(function as usize).copied().unwrap_or(u32::MAX);
        let work = self.counter.count(body, ty, &module.signatures).map_err(damaged)?;
        if work.depth > MAX_DEPTH {
            return Err(BoundsError::Depth(work.depth));
        }
        self.work.add_body(function, &work)
    }

    fn module(&mut self) -> &mut Module {
        if self.modules.is_empty() {
            self.modules.push(Module::default());
        }
        // There is one now.
        let last = self.modules.len() - 1;
        &mut self.modules[last]
    }
}

#[cfg(all(test, feature = "compiler"))]
mod tests {
    use super::super::corpus::FAMILIES;
    use super::*;

    #[test]
    fn every_family_of_worst_cases_ends_at_a_bound_or_at_the_largest_file() {
        for (name, largest, make) in FAMILIES {
            let bytes = make(*largest);
            match check(&bytes) {
                Err(BoundsError::NotWasm | BoundsError::Damaged(_)) => panic!("{name}: the corpus is damaged"),
                Err(_) => {}
                Ok(checked) => {
                    assert!(checked.work.time().as_nanos() <= u128::from(work::MAX_NANOS), "{name}");
                    assert!(checked.work.memory() <= work::MAX_BYTES, "{name}");
                }
            }
            // A size that people's modules have.
            let small = make((largest / 10_000).clamp(1, 5));
            assert!(
                check(&small).is_ok() || *name == "types with 900 parameters" || name.contains("thousand"),
                "{name}"
            );
        }
    }

    #[test]
    fn more_of_the_same_is_never_estimated_as_less() {
        for (name, largest, make) in FAMILIES {
            let time = |size: u32| check(&make(size)).map(|checked| (checked.work.is_optimized(), checked.work));
            let (Ok((small, less)), Ok((large, more))) = (time(largest / 1_000), time(largest / 400)) else { continue };
            assert!(more.memory() >= less.memory(), "{name}");
            assert!(small != large || more.time() >= less.time(), "{name}");
        }
    }

    #[track_caller]
    fn refused(module: &[u8], words: &str) {
        let error = check(module).expect_err("out of bounds").to_string();
        assert!(error.contains(words), "{error}");
    }

    fn worst(name: &str, size: u32) -> Vec<u8> {
        let (_, _, make) = FAMILIES.iter().find(|(family, ..)| *family == name).expect("a family");
        make(size)
    }

    #[test]
    fn a_refusal_says_what_would_be_too_much() {
        refused(&worst("locals rotated in nested loops", 49_000), "function 5, which would take ");
        refused(&worst("empty functions", 900_000), "s to compile, at most 10 are taken");
        refused(&worst("blocks in blocks", 6_000), "blocks inside of each other, at most 5000");
        refused(&worst("types with 900 parameters", 1), "parameters and results, at most 128");
        refused(&worst("components in components", 30), "instantiate each other");
        refused(
            &wat::parse_str("(component (component (import \"c\" (component))))").expect("valid"),
            "imports components",
        );
    }

    #[test]
    fn work_is_counted_where_it_is_made() {
        let count = |body: &str| {
            let text = format!("(module (memory 1) (func $f (param i32) (result i32) (local i32 i32) {body}))");
            let bytes = wat::parse_str(text).expect("valid");
            let mut signatures = Signatures::default();
            let mut counted = None;
            for payload in Parser::new(0).parse_all(&bytes) {
                match payload.expect("valid") {
                    Payload::TypeSection(types) => {
                        types.into_iter().for_each(|group| signatures.types.extend(group.expect("valid").into_types()));
                    }
                    Payload::FunctionSection(_) => signatures.functions.push(0),
                    Payload::CodeSectionEntry(body) => {
                        counted = Some(Counter::default().count(&body, 0, &signatures).expect("readable"));
                    }
                    _ => {}
                }
            }
            counted.expect("a body")
        };
        let nothing = count("local.get 0");
        assert_eq!((nothing.operators, nothing.locals, nothing.values), (2, 4, 0));
        // The end of the function is one join, with one local and one operand.
        assert_eq!(nothing.carried, 2);
        assert_eq!(count("local.get 0 call $f").values, 2);
        assert_eq!(count("local.get 0 local.get 0 call $f drop").spilled, 1);
        assert_eq!(count("local.get 0 i32.load").costly, 1);
        assert_eq!(count("local.get 0 memory.grow").bulky, 1);
        let loops = count("loop loop local.get 1 br_if 0 end loop end end local.get 0");
        assert_eq!((loops.depth, loops.nesting), (3, 3 * 2 * 2));
        // Three entries, a jump and four ends, each with two locals, and one operand at the last end.
        assert_eq!(loops.carried, 8 * 2 + 1);
    }
}
