//! Worst cases in the number of a module's parts.

use wasm_encoder::{Component, ComponentInstanceSection, ComponentSectionId, ConstExpr, DataSection, Encode, ValType};

use super::module::{OWN_FUNCTIONS, Parts, function};

/// Functions that do nothing, with locals that are never read.
pub(super) fn functions(count: u32, locals: u32, in_table: bool) -> Vec<u8> {
    let mut parts = Parts { types: vec![(vec![], vec![])], ..Parts::default() };
    parts.functions = (0..count).map(|_| (0, function(locals, |_| {}))).collect();
    if in_table {
        parts.elements = (OWN_FUNCTIONS..OWN_FUNCTIONS + count).collect();
    }
    parts.module()
}

/// Functions as compilers make them: some twenty operations and a branch.
pub(super) fn small_functions(count: u32) -> Vec<u8> {
    let mut parts = Parts { types: vec![(vec![ValType::I32], vec![ValType::I32])], ..Parts::default() };
    let body = || {
        function(2, |f| {
            f.local_get(0).i32_load(super::bodies::MEMORY).local_tee(1).i32_const(3).i32_gt_u();
            f.if_(wasm_encoder::BlockType::Empty).local_get(0).local_get(1).i32_store(super::bodies::MEMORY).end();
            f.local_get(1).call(super::module::SQUARE).local_get(0).i32_add();
        })
    };
    parts.functions = (0..count).map(|_| (0, body())).collect();
    parts.module()
}

/// Functions of 100 KB each, of loads one after the other.
pub(super) fn long_functions(count: u32) -> Vec<u8> {
    let mut parts = Parts { types: vec![(vec![ValType::I32], vec![ValType::I32])], ..Parts::default() };
    let body = || {
        function(0, |f| {
            f.local_get(0);
            (0..33_000).for_each(|_| _ = f.i32_load(super::bodies::MEMORY));
        })
    };
    parts.functions = (0..count).map(|_| (0, body())).collect();
    parts.module()
}

/// Types of functions, no two alike.
pub(super) fn types(count: u32, params: usize) -> Vec<u8> {
    let kinds = [ValType::I32, ValType::I64, ValType::F32, ValType::F64];
    let nth = |n: u32| {
        let kind = |place: usize| kinds.get(((n >> (2 * (place % 16))) & 3) as usize).copied();
        ((0..params).map(|place| kind(place).unwrap_or(ValType::I32)).collect(), vec![])
    };
    Parts { types: (0..count).map(nth).collect(), ..Parts::default() }.module()
}

pub(super) fn exports(count: u32) -> Vec<u8> {
    Parts { exports: count, ..Parts::default() }.module()
}

pub(super) fn globals(count: u32) -> Vec<u8> {
    Parts { globals: count, ..Parts::default() }.module()
}

/// Segments of data, all at the beginning of memory.
pub(super) fn data(segments: u32, bytes: u32) -> Vec<u8> {
    let mut data = DataSection::new();
    let segment = vec![0xa5; bytes as usize];
    for _ in 0..segments {
        // A large segment starts where it ends up out of memory: that is found when it is instantiated.
        data.active(0, &ConstExpr::i32_const(64), segment.iter().copied());
    }
    Parts { data, ..Parts::default() }.module()
}

/// A table full of the same functions.
pub(super) fn elements(count: u32) -> Vec<u8> {
    Parts { elements: (0..count).map(|index| index % OWN_FUNCTIONS).collect(), ..Parts::default() }.module()
}

/// Components in a component, each of which instantiates the one before twice.
pub(super) fn components(count: u32) -> Vec<u8> {
    let mut root = Component::new();
    for index in 0..count {
        let mut nested = Component::new();
        if let Some(previous) = index.checked_sub(1) {
            let mut aliases = wasm_encoder::ComponentAliasSection::new();
            aliases.alias(wasm_encoder::Alias::Outer {
                kind: wasm_encoder::ComponentOuterAliasKind::Component,
                count: 1,
                index: previous,
            });
            nested.section(&aliases);
            nested.section(&twice(0));
        }
        let bytes = nested.finish();
        root.section(&Nested(&bytes));
    }
    root.section(&twice(count.saturating_sub(1)));
    root.finish()
}

fn twice(component: u32) -> ComponentInstanceSection {
    let mut instances = ComponentInstanceSection::new();
    for _ in 0..2 {
        instances.instantiate(component, std::iter::empty::<(&str, wasm_encoder::ComponentExportKind, u32)>());
    }
    instances
}

/// A component in a component, from its bytes.
struct Nested<'b>(&'b [u8]);

impl Encode for Nested<'_> {
    fn encode(&self, sink: &mut Vec<u8>) {
        self.0.encode(sink);
    }
}

impl wasm_encoder::ComponentSection for Nested<'_> {
    fn id(&self) -> u8 {
        ComponentSectionId::Component.into()
    }
}
