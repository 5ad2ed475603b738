//! An allocator that ends the process when more memory is in use than allowed.

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

struct Watch;

/// Bytes in use, and how many may be.
static IN_USE: AtomicUsize = AtomicUsize::new(0);
static LIMIT: AtomicUsize = AtomicUsize::new(usize::MAX);

/// From now on no more than `bytes` may be taken in addition to what is in use.
pub(crate) fn limit(bytes: usize) {
    LIMIT.store(IN_USE.load(Relaxed).saturating_add(bytes), Relaxed);
}

fn take(bytes: usize) {
    let in_use = IN_USE.fetch_add(bytes, Relaxed).saturating_add(bytes);
    if in_use > LIMIT.load(Relaxed) {
        LIMIT.store(usize::MAX, Relaxed);
        eprintln!("{bytes} bytes more make {in_use} in use, more than a file of this length may take");
        std::process::abort();
    }
}

// SAFETY: every call goes to the system allocator unchanged; counting is all that is added.
unsafe impl GlobalAlloc for Watch {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        take(layout.size());
        unsafe { System.alloc(layout) }
    }
    unsafe fn dealloc(&self, at: *mut u8, layout: Layout) {
        IN_USE.fetch_sub(layout.size(), Relaxed);
        unsafe { System.dealloc(at, layout) }
    }
    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        take(layout.size());
        unsafe { System.alloc_zeroed(layout) }
    }
    unsafe fn realloc(&self, at: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        take(size);
        IN_USE.fetch_sub(layout.size(), Relaxed);
        unsafe { System.realloc(at, layout, size) }
    }
}

#[global_allocator]
static WATCH: Watch = Watch;
