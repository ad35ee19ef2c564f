//! What the compiler says when `export!` or `Tracer` is used wrongly: it must say what to do.

#[test]
fn errors_of_the_macro_say_what_to_do() {
    let cases = trybuild::TestCases::new();
    cases.compile_fail("tests/ui/*.rs");
}
