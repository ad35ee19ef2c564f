//! A module that is a tracer of the contract, with whatever a worst case adds to it.

use wasm_encoder::{
    CodeSection, ConstExpr, DataSection, ElementSection, Elements, ExportKind, ExportSection, Function,
    FunctionSection, GlobalSection, GlobalType, InstructionSink, MemorySection, MemoryType, Module, RefType,
    TableSection, TableType, TypeSection, ValType,
};

use super::super::CONTRACT;

/// The parts of a module beside those that each has.
#[derive(Default)]
pub(super) struct Parts {
    pub(super) types: Vec<(Vec<ValType>, Vec<ValType>)>,
    /// Each with the number of its type among `types`.
    pub(super) functions: Vec<(u32, Function)>,
    pub(super) globals: u32,
    /// Exports of one and the same function under many names.
    pub(super) exports: u32,
    /// Functions in the table.
    pub(super) elements: Vec<u32>,
    pub(super) data: DataSection,
}

/// Types that each module has: of `init`, `finish`, `flush` and `cabi_realloc`, and from an i32 to an i32.
const OWN_TYPES: u32 = 5;
/// Functions that each module has: one of each of these types.
pub(super) const OWN_FUNCTIONS: u32 = 5;
/// The function from an i32 to an i32, and its type.
pub(super) const SQUARE: u32 = 4;

impl Parts {
    /// A module with one more function, from an i32 to an i32.
    pub(super) fn of_body(locals: u32, body: impl FnOnce(&mut InstructionSink<'_>)) -> Vec<u8> {
        let mut parts = Self::default();
        parts.types.push((vec![ValType::I32], vec![ValType::I32]));
        parts.functions.push((0, function(locals, body)));
        parts.module()
    }

    pub(super) fn module(self) -> Vec<u8> {
        use ValType::{I32, I64};
        let mut module = Module::new();
        let mut types = TypeSection::new();
        types.ty().function([I32, I32, I32, I32, I32, I64], [I32]);
        types.ty().function([I32], []);
        types.ty().function([I32, I64, I64], []);
        types.ty().function([I32, I32, I32, I32], [I32]);
        types.ty().function([I32], [I32]);
        for (params, results) in self.types {
            types.ty().function(params, results);
        }
        let mut functions = FunctionSection::new();
        let mut code = CodeSection::new();
        for ty in 0..OWN_FUNCTIONS {
            functions.function(ty);
            code.function(&function(0, |body| match ty {
                0 => _ = body.i32_const(8),
                3 => _ = body.unreachable(),
                4 => _ = body.local_get(0).local_get(0).i32_mul(),
                _ => {}
            }));
        }
        for (ty, body) in &self.functions {
            functions.function(OWN_TYPES + ty);
            code.function(body);
        }
        let mut tables = TableSection::new();
        tables.table(TableType {
            element_type: RefType::FUNCREF,
            minimum: self.elements.len() as u64,
            maximum: None,
            table64: false,
            shared: false,
        });
        let mut memories = MemorySection::new();
        let pages = 16;
        let memory = MemoryType { minimum: pages, maximum: None, memory64: false, shared: false, page_size_log2: None };
        memories.memory(memory);
        let mut globals = GlobalSection::new();
        for _ in 0..self.globals {
            globals.global(GlobalType { val_type: I32, mutable: true, shared: false }, &ConstExpr::i32_const(7));
        }
        let mut exports = ExportSection::new();
        exports.export("memory", ExportKind::Memory, 0);
        for (index, name) in (0u32..).zip(["init", "finish", "flush"]) {
            exports.export(&format!("hottap:tracer/tracer@{CONTRACT}#{name}"), ExportKind::Func, index);
        }
        exports.export("cabi_realloc", ExportKind::Func, 3);
        for index in 0..self.exports {
            exports.export(&format!("an-export-{index}"), ExportKind::Func, SQUARE);
        }
        let mut elements = ElementSection::new();
        elements.active(None, &ConstExpr::i32_const(0), Elements::Functions(self.elements.into()));
        module.section(&types).section(&functions).section(&tables).section(&memories).section(&globals);
        module.section(&exports).section(&elements).section(&code).section(&self.data);
        module.finish()
    }
}

/// A function with locals of type i32 beside its parameters.
pub(super) fn function(locals: u32, body: impl FnOnce(&mut InstructionSink<'_>)) -> Function {
    let mut function = Function::new([(locals, ValType::I32)]);
    let mut instructions = function.instructions();
    body(&mut instructions);
    instructions.end();
    function
}
