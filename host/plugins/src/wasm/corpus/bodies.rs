//! Worst cases in single functions. Each is a function from an i32 to an i32, whose parameter is local 0.

use wasm_encoder::{BlockType, InstructionSink, MemArg, ValType};

use super::module::{OWN_FUNCTIONS, Parts, SQUARE, function};

pub(super) const MEMORY: MemArg = MemArg { offset: 16, align: 2, memory_index: 0 };
const EMPTY: BlockType = BlockType::Empty;

/// Loops in loops; the innermost passes each local's value on to the next local.
pub(super) fn rotated(locals: u32, loops: u32) -> Vec<u8> {
    Parts::of_body(locals, |f| rotation(f, locals, loops))
}

/// Functions of 100 locals in 100 loops.
pub(super) fn many_rotated(count: u32) -> Vec<u8> {
    let mut parts = Parts { types: vec![(vec![ValType::I32], vec![ValType::I32])], ..Parts::default() };
    parts.functions = (0..count).map(|_| (0, function(100, |f| rotation(f, 100, 100)))).collect();
    parts.module()
}

fn rotation(f: &mut InstructionSink<'_>, locals: u32, loops: u32) {
    for _ in 0..loops {
        f.loop_(EMPTY);
    }
    for local in 0..locals {
        f.local_get(local + 1).local_set(local);
    }
    for _ in 0..loops {
        f.local_get(0).br_if(0).end();
    }
    f.local_get(0);
}

/// One local written in each branch, and all of them read at the end.
pub(super) fn branches(locals: u32, branches: u32) -> Vec<u8> {
    Parts::of_body(locals, |f| {
        for branch in 0..branches {
            let local = 1 + branch % locals.max(1);
            f.local_get(0).if_(EMPTY).local_get(0).local_set(local).end();
        }
        f.local_get(0);
        for local in 0..locals {
            f.local_get(local + 1).i32_add();
        }
    })
}

/// Jumps by tables to blocks, after each of which all locals are passed on.
pub(super) fn tables(locals: u32, tables: u32, targets: u32) -> Vec<u8> {
    Parts::of_body(locals, |f| {
        f.loop_(EMPTY);
        for _ in 0..targets {
            f.block(EMPTY);
        }
        for table in 0..tables {
            f.block(EMPTY)
                .local_get(table % (locals + 1))
                .br_table((0..targets).map(|target| target % targets), 0)
                .end();
        }
        for target in 0..targets {
            f.end().local_get(target % locals).local_set((target + 1) % locals);
        }
        f.local_get(1).br_if(0).end();
        f.local_get(0);
        for local in 0..locals {
            f.local_get(local).i32_add();
        }
    })
}

/// A table of jumps that all go to one block, which reads 500 locals.
pub(super) fn one_target(targets: u32) -> Vec<u8> {
    Parts::of_body(500, |f| {
        f.loop_(EMPTY);
        for local in 0..500 {
            f.local_get(local).local_set(local + 1);
        }
        f.local_get(0).br_table(std::iter::repeat_n(0, targets as usize), 0).end().local_get(0);
    })
}

/// Values that are on the stack while blocks come and go.
pub(super) fn stacked(values: u32, blocks: u32) -> Vec<u8> {
    Parts::of_body(0, |f| {
        for _ in 0..values {
            f.local_get(0).call(SQUARE);
        }
        for _ in 0..blocks {
            f.local_get(0).if_(EMPTY).i32_const(1).local_set(0).end();
        }
        for _ in 1..values {
            f.i32_xor();
        }
        if values == 0 {
            f.local_get(0);
        }
    })
}

/// Values of calls that are all in use until the end of a function without branches.
pub(super) fn long_lives(values: u32) -> Vec<u8> {
    stacked(values, 0)
}

pub(super) fn nested_blocks(blocks: u32) -> Vec<u8> {
    Parts::of_body(0, |f| {
        for _ in 0..blocks {
            f.block(EMPTY);
        }
        for _ in 0..blocks {
            f.end();
        }
        f.local_get(0);
    })
}

pub(super) fn nested_ifs(ifs: u32) -> Vec<u8> {
    Parts::of_body(1, |f| {
        for _ in 0..ifs {
            f.local_get(0).if_(EMPTY);
        }
        for _ in 0..ifs {
            f.end();
        }
        f.local_get(1);
    })
}

/// The same operation again and again, on the value that the one before left.
pub(super) fn line(count: u32, operation: fn(&mut InstructionSink<'_>)) -> Vec<u8> {
    Parts::of_body(0, |f| {
        f.local_get(0);
        (0..count).for_each(|_| operation(f));
    })
}

pub(super) fn copy(f: &mut InstructionSink<'_>) {
    f.local_get(0).local_get(0).memory_copy(0, 0).i32_const(1);
}

pub(super) fn vectors(f: &mut InstructionSink<'_>) {
    f.i32x4_splat().i8x16_popcnt().f64x2_convert_low_i32x4_u().i32x4_trunc_sat_f64x2_u_zero().i32x4_extract_lane(1);
}

pub(super) fn shuffle(f: &mut InstructionSink<'_>) {
    const LANES: [u8; 16] = [31, 0, 30, 1, 29, 2, 28, 3, 27, 4, 26, 5, 25, 6, 24, 7];
    f.i32x4_splat().local_get(0).i32x4_splat().i8x16_shuffle(LANES).i32x4_extract_lane(1);
}

pub(super) fn call_indirect(f: &mut InstructionSink<'_>) {
    f.local_get(0).call_indirect(0, SQUARE);
}

/// A chain of calls, each with all that the one before returned.
pub(super) fn wide(calls: u32, width: usize) -> Vec<u8> {
    let values = vec![ValType::I32; width];
    let mut parts = Parts { types: vec![(values.clone(), values), (vec![], vec![])], ..Parts::default() };
    parts.functions.push((0, function(0, |f| _ = (0..width as u32).fold(&mut *f, |f, param| f.local_get(param)))));
    let chain = function(0, |f| {
        (0..width).for_each(|_| _ = f.i32_const(1));
        (0..calls).for_each(|_| _ = f.call(OWN_FUNCTIONS));
        (0..width).for_each(|_| _ = f.drop());
    });
    parts.functions.push((1, chain));
    parts.module()
}
