//! Bounds on a module's structure, looked at before it is compiled: a running compile can't be stopped. Pure.

use wasmparser::{Parser, Payload};

/// Bytes of a module or component. Python's, the largest in use, has 18 MiB.
pub(crate) const MAX_FILE_BYTES: u64 = 64 << 20;
/// Functions, over all modules in a component.
const MAX_FUNCTIONS: u64 = 200_000;
/// Bytes of one function's body. Compile time grows faster than the body does.
const MAX_BODY_BYTES: u64 = 1 << 20;
/// Modules and components within a component.
const MAX_NESTED: usize = 64;

/// What a file is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Component,
    Core,
}

/// Why a file is not compiled.
#[derive(Debug, thiserror::Error, PartialEq)]
pub(crate) enum BoundsError {
    #[error("is not WebAssembly")]
    NotWasm,
    #[error("is cut short or damaged: {0}")]
    Damaged(String),
    #[error("has {0} functions, at most {MAX_FUNCTIONS} are compiled")]
    Functions(u64),
    #[error("has a function of {0} bytes, at most {MAX_BODY_BYTES} are compiled")]
    Body(u64),
    #[error("has more than {MAX_NESTED} modules in it")]
    Nested,
}

/// Looks at the structure without compiling or validating anything.
pub(super) fn check(bytes: &[u8]) -> Result<Kind, BoundsError> {
    if !bytes.starts_with(b"\0asm") {
        return Err(BoundsError::NotWasm);
    }
    let component = Parser::is_component(bytes);
    let (mut functions, mut nested) = (0u64, 0usize);
    for payload in Parser::new(0).parse_all(bytes) {
        match payload.map_err(|error| BoundsError::Damaged(error.message().to_owned()))? {
            Payload::CodeSectionStart { count, .. } => {
                functions += u64::from(count);
                if functions > MAX_FUNCTIONS {
                    return Err(BoundsError::Functions(functions));
                }
            }
            Payload::CodeSectionEntry(body) => {
                let size = body.range().len() as u64;
                if size > MAX_BODY_BYTES {
                    return Err(BoundsError::Body(size));
                }
            }
            Payload::ModuleSection { .. } | Payload::ComponentSection { .. } => {
                nested += 1;
                if nested > MAX_NESTED {
                    return Err(BoundsError::Nested);
                }
            }
            _ => {}
        }
    }
    Ok(if component { Kind::Component } else { Kind::Core })
}
