//! Memory as a library of C asks for it. The decoder of JPEG 2000 (openjp2, which was translated from C) calls these by name, and
//! there is no system below a page that has them. Each block is led by its size.

use std::alloc::{Layout, alloc, alloc_zeroed, dealloc};
use std::ptr::null_mut;

/// Bytes before a block, which hold its size and keep it aligned for any type of C.
const HEAD: usize = 16;

/// A block of `size` bytes with its head; none if there is no such.
fn whole(size: usize) -> Option<Layout> {
    Layout::from_size_align(size.checked_add(HEAD)?, HEAD).ok()
}

fn given(size: usize, from: unsafe fn(Layout) -> *mut u8) -> *mut u8 {
    let Some(layout) = whole(size) else { return null_mut() };
    // SAFETY: the size is not 0, since the head is in it; a block that was given begins with its head, aligned
    unsafe {
        let block = from(layout);
        if block.is_null() {
            return block;
        }
        block.cast::<usize>().write(size);
        block.add(HEAD)
    }
}

/// As in C.
#[unsafe(no_mangle)]
pub extern "C" fn malloc(size: usize) -> *mut u8 {
    given(size, alloc)
}

/// As in C.
#[unsafe(no_mangle)]
pub extern "C" fn calloc(count: usize, size: usize) -> *mut u8 {
    count.checked_mul(size).map_or(null_mut(), |bytes| given(bytes, alloc_zeroed))
}

/// As in C.
///
/// # Safety
///
/// `block` is null or was given by one of these and not yet given back.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn realloc(block: *mut u8, size: usize) -> *mut u8 {
    let larger = malloc(size);
    if !block.is_null() && !larger.is_null() {
        // SAFETY: both blocks have at least that many bytes, and are two
        unsafe {
            let held = block.sub(HEAD).cast::<usize>().read();
            std::ptr::copy_nonoverlapping(block, larger, held.min(size));
            free(block);
        }
    }
    larger
}

/// As in C.
///
/// # Safety
///
/// As [`realloc`].
#[unsafe(no_mangle)]
pub unsafe extern "C" fn free(block: *mut u8) {
    if block.is_null() {
        return;
    }
    // SAFETY: the block was given with this head
    unsafe {
        let head = block.sub(HEAD);
        if let Some(layout) = whole(head.cast::<usize>().read()) {
            dealloc(head, layout);
        }
    }
}

/// As in C.
///
/// # Safety
///
/// `from` ends with a zero, and `into` has room for it and what is before it; both do not overlap.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn strcpy(into: *mut u8, from: *const u8) -> *mut u8 {
    let mut n = 0;
    loop {
        // SAFETY: no further than the zero that ends `from`
        unsafe {
            let byte = from.add(n).read();
            into.add(n).write(byte);
            if byte == 0 {
                return into;
            }
        }
        n += 1;
    }
}
