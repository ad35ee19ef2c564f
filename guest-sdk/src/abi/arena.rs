//! Memory for the columns of one batch: handed out piece by piece, and all taken back at once when the batch ends.
//!
//! An allocator's malloc and free per column would be a good part of the cost of a small batch.

use std::alloc::{Layout, alloc, dealloc, handle_alloc_error};
use std::cell::{Cell, RefCell};
use std::mem::ManuallyDrop;
use std::ptr::{self, NonNull};

/// Bytes of the first block: six columns of a full batch of 256 calls. More would be wasted on most tracers.
const FIRST_BLOCK: usize = 16 * 1024;
/// Blocks that a batch needed beyond the first are replaced by one of their common size, so that the next batch finds
/// one that is large enough; but not beyond this many bytes, which the events of 256 calls hardly fill.
const LARGEST_KEPT: usize = 512 * 1024;
/// No element of a column needs more than eight bytes.
const ALIGN: usize = 8;

/// A column in the arena.
///
/// It is valid until [`reset`], which the drop of the batch's source calls; the batch keeps it in a private field and
/// hands out references that end with the batch.
#[derive(Debug)]
pub(crate) struct Pulled<T>(NonNull<[T]>);

impl<T> Pulled<T> {
    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    /// Its elements, for as long as the source that they were pulled from is there, whose drop calls [`reset`].
    pub(super) fn until_dropped(self, _: &super::Source) -> &[T] {
        // SAFETY: as in `as_slice`.
        unsafe { self.0.as_ref() }
    }

    pub(crate) fn as_slice(&self) -> &[T] {
        // SAFETY: `pull` made it of a vector's elements, and they are not freed before the batch that owns `self` ends.
        unsafe { self.0.as_ref() }
    }
}

struct Arena {
    /// Set while a column is pulled: what the host allocates then is the column's elements and nothing else.
    open: Cell<bool>,
    next: Cell<*mut u8>,
    end: Cell<*mut u8>,
    blocks: RefCell<Vec<(*mut u8, Layout)>>,
}

thread_local! {
    static ARENA: Arena = const {
        Arena {
            open: Cell::new(false),
            next: Cell::new(ptr::null_mut()),
            end: Cell::new(ptr::null_mut()),
            blocks: RefCell::new(Vec::new()),
        }
    };
}

/// Runs an accessor whose result is one list of numbers, and keeps what it returns until [`reset`].
pub(super) fn pull<T>(accessor: impl FnOnce() -> Vec<T>) -> Pulled<T> {
    ARENA.with(|arena| arena.open.set(true));
    // The vector's memory is the arena's: it must never be given to the allocator.
    let column = ManuallyDrop::new(accessor());
    ARENA.with(|arena| arena.open.set(false));
    Pulled(NonNull::from(column.as_slice()))
}

/// Takes all memory back. Nothing that was pulled may be used afterwards.
pub(super) fn reset() {
    ARENA.with(|arena| {
        let mut blocks = arena.blocks.borrow_mut();
        if blocks.len() > 1 {
            let total: usize = blocks.iter().map(|(_, layout)| layout.size()).sum();
            for (block, layout) in blocks.drain(..) {
                // SAFETY: allocated with this layout in `add_block`, and nothing in it is used any more.
                unsafe { dealloc(block, layout) };
            }
            arena.add_block(&mut blocks, total.min(LARGEST_KEPT));
        } else if let Some(&(block, _)) = blocks.first() {
            arena.next.set(block);
        }
    });
}

impl Arena {
    #[inline]
    fn take(&self, align: usize, size: usize) -> *mut u8 {
        let start = self.next.get().map_addr(|next| (next + align - 1) & !(align - 1));
        if size <= self.end.get().addr().saturating_sub(start.addr()) {
            self.next.set(start.wrapping_add(size));
            return start;
        }
        self.take_from_new_block(size)
    }

    #[cold]
    fn take_from_new_block(&self, size: usize) -> *mut u8 {
        self.add_block(&mut self.blocks.borrow_mut(), size.max(FIRST_BLOCK));
        let start = self.next.get();
        self.next.set(start.wrapping_add(size));
        start
    }

    fn add_block(&self, blocks: &mut Vec<(*mut u8, Layout)>, size: usize) {
        let Ok(layout) = Layout::from_size_align(size, ALIGN) else {
            // More than there are addresses; the host can't have such a column.
            core::arch::wasm32::unreachable()
        };
        // SAFETY: the size is not zero: it is that of a column with elements, or a constant, or a sum of such.
        let block = unsafe { alloc(layout) };
        if block.is_null() {
            handle_alloc_error(layout);
        }
        blocks.push((block, layout));
        self.next.set(block);
        self.end.set(block.wrapping_add(size));
    }
}

/// What the host calls for memory to put lists and strings into. Replaces the weak symbol of wit-bindgen.
///
/// # Safety
/// As the canonical ABI says: `old` is null with `old_len` 0, or came from here with that length and alignment.
#[unsafe(no_mangle)]
unsafe extern "C" fn cabi_realloc(old: *mut u8, old_len: usize, align: usize, new_len: usize) -> *mut u8 {
    if old_len == 0 && new_len != 0 && align <= ALIGN {
        let column = ARENA.with(|arena| arena.open.get().then(|| arena.take(align, new_len)));
        if let Some(column) = column {
            return column;
        }
    }
    // SAFETY: the caller's promise is passed on; memory of the arena is never resized, for lists of numbers have a
    // known size.
    unsafe { wit_bindgen::rt::cabi_realloc(old, old_len, align, new_len) }
}
