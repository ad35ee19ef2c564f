//! The work that one function's body makes for the compiler, counted from its operators. Pure.

use wasmparser::{
    BinaryReaderError, BlockType, ContType, FrameKind, FuncType, FunctionBody, ModuleArity, Operator, RefType, SubType,
};

/// The types of one module, as far as arities depend on them.
#[derive(Debug, Default)]
pub(super) struct Signatures {
    pub(super) types: Vec<SubType>,
    /// The type of each function, imported ones first.
    pub(super) functions: Vec<u32>,
}

impl Signatures {
    /// The number of parameters and results of a type.
    pub(super) fn values(ty: &SubType) -> u64 {
        match &ty.composite_type.inner {
            wasmparser::CompositeInnerType::Func(function) => {
                (function.params().len() + function.results().len()) as u64
            }
            _ => 0,
        }
    }
}

/// The counts that decide how long one function takes to compile.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct FunctionWork {
    /// Operators, of all kinds.
    pub(super) operators: u64,
    /// Operators that become several instructions: loads, stores, divisions, conversions, vectors.
    pub(super) costly: u64,
    /// Operators that become a dozen instructions and a call: indirect calls, growing and copying memory and tables.
    pub(super) bulky: u64,
    /// Operands and results of calls and blocks.
    pub(super) values: u64,
    pub(super) locals: u64,
    /// Values that the compiler carries from block to block: at each entry of a block and at each jump, the locals that
    /// the function uses and the operands below.
    pub(super) carried: u64,
    /// Operands that outlive a call, over all calls.
    pub(super) spilled: u64,
    /// Blocks that are open at once.
    pub(super) depth: u64,
    /// Loops, times the square of how many are open at once.
    pub(super) nesting: u64,
}

/// A target of a table of jumps, beside a jump.
const TABLE_TARGET: u64 = 4;

/// Counts functions one after the other, with buffers that are used again.
#[derive(Debug, Default)]
pub(super) struct Counter {
    /// For each local, the last function that used it.
    used: Vec<u32>,
    function: u32,
    frames: Vec<Frame>,
}

#[derive(Debug)]
struct Frame {
    ty: BlockType,
    kind: FrameKind,
    /// Operands below the block.
    height: u64,
}

impl Counter {
    /// Counts one body.
    ///
    /// # Errors
    /// An operator cannot be read.
    pub(super) fn count(
        &mut self,
        body: &FunctionBody<'_>,
        ty: u32,
        signatures: &Signatures,
    ) -> Result<FunctionWork, BinaryReaderError> {
        self.function += 1;
        self.frames.clear();
        self.frames.push(Frame { ty: BlockType::FuncType(ty), kind: FrameKind::Block, height: 0 });
        let params = signatures.types.get(ty as usize).map_or(0, Signatures::values);
        let mut work = FunctionWork { locals: params, ..FunctionWork::default() };
        for group in body.get_locals_reader()? {
            work.locals = work.locals.saturating_add(group?.0.into());
        }
        let (mut joins, mut locals, mut operands, mut height) = (0u64, 0u64, 0u64, 0u64);
        let (mut loops, mut open_loops, mut most_loops) = (0u64, 0u64, 0u64);
        let mut operators = body.get_operators_reader()?;
        while !operators.eof() {
            let operator = operators.read()?;
            work.operators += 1;
            let arities = Arities { signatures, frames: &self.frames };
            let (popped, pushed) = operator.operator_arity(&arities).unwrap_or((0, 0));
            let (popped, pushed) = (u64::from(popped), u64::from(pushed));
            let below = height.saturating_sub(popped);
            height = below + pushed;
            let entered = match Class::of(&operator) {
                Class::Plain => 0,
                Class::Local(local) => {
                    locals += u64::from(self.uses(local));
                    0
                }
                Class::Costly => {
                    work.costly += 1;
                    0
                }
                Class::Bulky => {
                    work.bulky += 1;
                    work.values = work.values.saturating_add(popped + pushed);
                    work.spilled = work.spilled.saturating_add(below);
                    0
                }
                Class::Call => {
                    work.costly += 1;
                    work.values = work.values.saturating_add(popped + pushed);
                    work.spilled = work.spilled.saturating_add(below);
                    0
                }
                Class::Open(ty, is_loop) => {
                    let entry = arities.block_type_arity(ty).map_or(0, |(params, _)| u64::from(params));
                    let kind = if is_loop { FrameKind::Loop } else { FrameKind::Block };
                    self.frames.push(Frame { ty, kind, height: height.saturating_sub(entry) });
                    if is_loop {
                        loops += 1;
                        open_loops += 1;
                        most_loops = most_loops.max(open_loops);
                    }
                    1
                }
                Class::Else => {
                    if let Some(frame) = self.frames.last() {
                        height = frame.height.saturating_add(pushed);
                    }
                    1
                }
                Class::End => {
                    if let Some(frame) = self.frames.pop() {
                        height = frame.height.saturating_add(pushed);
                        open_loops -= u64::from(frame.kind == FrameKind::Loop);
                    }
                    1
                }
                Class::Jump(targets) => {
                    work.values = work.values.saturating_add(targets.saturating_mul(popped));
                    // Each target of a table gets a block of its own, in which all values are moved to where they belong.
                    if targets > 1 { targets.saturating_mul(TABLE_TARGET) } else { 1 }
                }
            };
            joins += entered;
            operands = operands.saturating_add(height.saturating_mul(entered));
            work.depth = work.depth.max(self.frames.len() as u64);
        }
        work.carried = joins.saturating_mul(locals).saturating_add(operands);
        work.nesting = loops.saturating_mul(most_loops.saturating_mul(most_loops));
        Ok(work)
    }

    /// Returns true if this is the function's first use of a local.
    fn uses(&mut self, local: u32) -> bool {
        // More locals than a valid function can have: the compiler refuses it.
        const MOST_LOCALS: usize = 1 << 16;
        let local = (local as usize).min(MOST_LOCALS);
        if self.used.len() <= local {
            self.used.resize(local + 1, 0);
        }
        self.used.get_mut(local).is_some_and(|last| std::mem::replace(last, self.function) != self.function)
    }
}

/// The kinds of operators that differ in what they make of the compiler's work.
enum Class {
    Plain,
    Local(u32),
    Costly,
    Bulky,
    Call,
    /// A block with its type; true if it is a loop.
    Open(BlockType, bool),
    Else,
    End,
    /// Jumps to as many targets.
    Jump(u64),
}

impl Class {
    fn of(operator: &Operator<'_>) -> Self {
        use Operator as O;
        match operator {
            O::LocalGet { local_index } | O::LocalSet { local_index } | O::LocalTee { local_index } => {
                Self::Local(*local_index)
            }
            O::Block { blockty } | O::If { blockty } => Self::Open(*blockty, false),
            O::Loop { blockty } => Self::Open(*blockty, true),
            O::Else => Self::Else,
            O::End => Self::End,
            O::Br { .. } | O::BrIf { .. } | O::Return => Self::Jump(1),
            O::BrTable { targets } => Self::Jump(u64::from(targets.len()) + 1),
            O::Call { .. } | O::ReturnCall { .. } => Self::Call,
            // Arithmetic on integers, comparisons, constants.
            O::I32Const { .. } | O::I64Const { .. } | O::F32Const { .. } | O::F64Const { .. } => Self::Plain,
            O::Nop | O::Drop | O::Select | O::GlobalGet { .. } | O::GlobalSet { .. } | O::Unreachable => Self::Plain,
            O::I32Eqz | O::I32Eq | O::I32Ne | O::I32LtS | O::I32LtU | O::I32GtS | O::I32GtU => Self::Plain,
            O::I32LeS | O::I32LeU | O::I32GeS | O::I32GeU | O::I64Eqz | O::I64Eq | O::I64Ne => Self::Plain,
            O::I64LtS | O::I64LtU | O::I64GtS | O::I64GtU | O::I64LeS | O::I64LeU | O::I64GeS => Self::Plain,
            O::I64GeU | O::I32Clz | O::I32Ctz | O::I32Popcnt | O::I32Add | O::I32Sub | O::I32Mul => Self::Plain,
            O::I32And | O::I32Or | O::I32Xor | O::I32Shl | O::I32ShrS | O::I32ShrU | O::I32Rotl => Self::Plain,
            O::I32Rotr | O::I64Clz | O::I64Ctz | O::I64Popcnt | O::I64Add | O::I64Sub | O::I64Mul => Self::Plain,
            O::I64And | O::I64Or | O::I64Xor | O::I64Shl | O::I64ShrS | O::I64ShrU | O::I64Rotl => Self::Plain,
            O::I64Rotr | O::I32WrapI64 | O::I64ExtendI32S | O::I64ExtendI32U => Self::Plain,
            O::I32Extend8S | O::I32Extend16S | O::I64Extend8S | O::I64Extend16S | O::I64Extend32S => Self::Plain,
            O::I32Load { .. } | O::I64Load { .. } | O::F32Load { .. } | O::F64Load { .. } => Self::Costly,
            O::I32Load8S { .. } | O::I32Load8U { .. } | O::I32Load16S { .. } | O::I32Load16U { .. } => Self::Costly,
            O::I64Load8S { .. } | O::I64Load8U { .. } | O::I64Load16S { .. } | O::I64Load16U { .. } => Self::Costly,
            O::I64Load32S { .. } | O::I64Load32U { .. } | O::I32Store { .. } | O::I64Store { .. } => Self::Costly,
            O::F32Store { .. } | O::F64Store { .. } | O::I32Store8 { .. } | O::I32Store16 { .. } => Self::Costly,
            O::I64Store8 { .. } | O::I64Store16 { .. } | O::I64Store32 { .. } => Self::Costly,
            O::CallIndirect { .. } | O::ReturnCallIndirect { .. } | O::CallRef { .. } => Self::Bulky,
            O::MemoryGrow { .. } | O::MemoryCopy { .. } | O::MemoryFill { .. } | O::MemoryInit { .. } => Self::Bulky,
            O::DataDrop { .. } | O::ElemDrop { .. } | O::TableInit { .. } | O::TableCopy { .. } => Self::Bulky,
            O::TableGet { .. } | O::TableSet { .. } | O::TableGrow { .. } | O::TableFill { .. } => Self::Bulky,
            O::RefFunc { .. } => Self::Bulky,
            // Divisions, floating point, conversions, vectors, and whatever is not listed.
            _ => Self::Costly,
        }
    }
}

/// The types on which the arity of an operator depends.
struct Arities<'a> {
    signatures: &'a Signatures,
    frames: &'a [Frame],
}

impl ModuleArity for Arities<'_> {
    fn sub_type_at(&self, ty: u32) -> Option<&SubType> {
        self.signatures.types.get(ty as usize)
    }

    fn tag_type_arity(&self, _: u32) -> Option<(u32, u32)> {
        None
    }

    fn type_index_of_function(&self, function: u32) -> Option<u32> {
        self.signatures.functions.get(function as usize).copied()
    }

    fn func_type_of_cont_type(&self, _: &ContType) -> Option<&FuncType> {
        None
    }

    fn sub_type_of_ref_type(&self, _: &RefType) -> Option<&SubType> {
        None
    }

    fn control_stack_height(&self) -> u32 {
        self.frames.len() as u32
    }

    fn label_block(&self, depth: u32) -> Option<(BlockType, FrameKind)> {
        let place = self.frames.len().checked_sub(1)?.checked_sub(depth as usize)?;
        self.frames.get(place).map(|frame| (frame.ty, frame.kind))
    }
}
