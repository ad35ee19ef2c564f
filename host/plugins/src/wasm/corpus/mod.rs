//! Modules that are as expensive to compile as their size lets them be: one family for each way in which the work grows
//! faster than the file. Tests hold the structural bounds against them, and `cargo bench --bench compile` measures them.

mod bodies;
mod module;
mod wholes;

/// A family of modules: its name, a size that is out of bounds or near the largest file, and the function that makes a
/// module of a size. The greater the size, the more work.
pub(crate) type Family = (&'static str, u32, fn(u32) -> Vec<u8>);

/// Every family, in the order of the table in the decision's page.
pub(crate) const FAMILIES: &[Family] = &[
    ("locals rotated in nested loops", 50_000, |n| bodies::rotated(n, n / 25 + 1)),
    ("a few locals rotated in many nested loops", 60_000, |n| bodies::rotated(100, n)),
    ("many locals rotated in a few nested loops", 49_990, |n| bodies::rotated(n, 40)),
    ("nested loops in many functions", 2_000, bodies::many_rotated),
    ("many locals written in branches", 45_000, |n| bodies::branches(n, n)),
    ("a few locals written in branches", 60_000, |n| bodies::branches(300, n)),
    ("a br_table with targets of their own", 60_000, |n| bodies::tables(300, 1, n)),
    ("many br_tables with the same targets", 20_000, |n| bodies::tables(300, n / 10 + 1, 200)),
    ("a br_table with one target", 500_000, bodies::one_target),
    ("values on the stack across blocks", 40_000, |n| bodies::stacked(n, n)),
    ("values that live long", 300_000, bodies::long_lives),
    ("blocks in blocks", 400_000, bodies::nested_blocks),
    ("loops in loops", 250_000, |n| bodies::rotated(1, n)),
    ("ifs in ifs", 200_000, bodies::nested_ifs),
    ("a line of tests for zero", 1_000_000, |n| bodies::line(n, |f| _ = f.i32_eqz())),
    ("a line of loads", 300_000, |n| bodies::line(n, |f| _ = f.i32_load(bodies::MEMORY))),
    ("a line of divisions", 300_000, |n| bodies::line(n, |f| _ = f.local_get(0).i32_div_s())),
    ("a line of conversions", 300_000, |n| bodies::line(n, |f| _ = f.f32_convert_i32_u().i32_trunc_f32_u())),
    ("a line of copies", 100_000, |n| bodies::line(n, bodies::copy)),
    ("a line of growths", 400_000, |n| bodies::line(n, |f| _ = f.memory_grow(0))),
    ("a line of vectors", 100_000, |n| bodies::line(n, bodies::vectors)),
    ("a line of shuffles", 50_000, |n| bodies::line(n, bodies::shuffle)),
    ("a line of calls", 400_000, |n| bodies::line(n, |f| _ = f.call(module::SQUARE))),
    ("a line of indirect calls", 200_000, |n| bodies::line(n, bodies::call_indirect)),
    ("calls with a thousand parameters and results", 300_000, |n| bodies::wide(n, 1_000)),
    ("calls with sixty parameters and results", 300_000, |n| bodies::wide(n, 60)),
    ("empty functions", 1_000_000, |n| wholes::functions(n, 0, false)),
    ("empty functions in a table", 1_000_000, |n| wholes::functions(n, 0, true)),
    ("empty functions with 50,000 locals", 1_000_000, |n| wholes::functions(n, 50_000, false)),
    ("small functions", 1_000_000, wholes::small_functions),
    ("functions of a hundred kilobytes", 600, wholes::long_functions),
    ("types", 1_000_000, |n| wholes::types(n, 20)),
    ("types with 900 parameters", 60_000, |n| wholes::types(n, 900)),
    ("exports", 90_000, wholes::exports),
    ("globals", 900_000, wholes::globals),
    ("data in one piece", 60 << 20, |n| wholes::data(1, n)),
    ("data in pieces", 90_000, |n| wholes::data(n, 16)),
    ("elements", 9_000_000, wholes::elements),
    ("components in components", 30, wholes::components),
];
