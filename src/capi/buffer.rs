//! Buffers that are handed to the caller: one kind, one function that frees them.

use std::alloc::{Layout, alloc, dealloc};
use std::ffi::{c_char, c_void};

use super::boundary::{Out, Result};
use crate::error::{Error, ErrorKind};
use crate::memory::{TryGrow, try_concat};

/// Before the first byte lies the size; as long as the strictest alignment.
const HEADER: usize = 16;

/// Frees a text or an array that a function returned to the caller, where its documentation says
/// "free it with codegeex_free". NULL is allowed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn codegeex_free(buffer: *mut c_void) {
    if buffer.is_null() {
        return;
    }
    // SAFETY: a buffer of `copied`, which put the size before it.
    unsafe {
        let start = buffer.cast::<u8>().sub(HEADER);
        let size = start.cast::<usize>().read();
        dealloc(start, Layout::from_size_align_unchecked(size, HEADER));
    }
}

/// A copy for the caller, zero bytes behind it.
fn copied<T: bytemuck::NoUninit>(values: &[T]) -> Result<*mut T> {
    let bytes: &[u8] = bytemuck::cast_slice(values);
    // Behind a text there is a zero, so that it can be used as a C string.
    let size = HEADER + bytes.len() + 4;
    let layout = Layout::from_size_align(size, HEADER).ok();
    // SAFETY: the size is not zero.
    let start = layout.map_or(std::ptr::null_mut(), |layout| unsafe { alloc(layout) });
    if start.is_null() {
        let message = format!("{size} bytes for a result are not to be had");
        return Err(Error::new(ErrorKind::OutOfMemory, message).into());
    }
    // SAFETY: the block has a header, the bytes and four more.
    unsafe {
        start.cast::<usize>().write(size);
        let data = start.add(HEADER);
        std::ptr::copy_nonoverlapping(bytes.as_ptr(), data, bytes.len());
        data.add(bytes.len()).write_bytes(0, 4);
        Ok(data.cast())
    }
}

/// Hands out an array.
pub fn give<T: bytemuck::NoUninit>(values: &[T], data: Out<*mut T>, len: Out<usize>) -> Result<()> {
    data.set(copied(values)?);
    len.set(values.len());
    Ok(())
}

/// Hands out a text.
pub fn give_text(text: &str, data: Out<*mut c_char>, len: Out<usize>) -> Result<()> {
    data.set(copied(text.as_bytes())?.cast());
    len.set(text.len());
    Ok(())
}

/// What is written, in memory that can be refused.
#[derive(Debug, Default)]
pub struct Saved(Vec<u8>);

impl Saved {
    pub fn bytes(&self) -> &[u8] {
        &self.0
    }

    pub fn into_bytes(self) -> Vec<u8> {
        self.0
    }
}

impl std::io::Write for Saved {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        match self.0.try_extend(bytes) {
            Ok(()) => Ok(bytes.len()),
            Err(_) => Err(std::io::ErrorKind::OutOfMemory.into()),
        }
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// A text that a handle keeps, with the zero behind it that C wants.
#[derive(Debug)]
pub struct KeptText(String);

impl KeptText {
    pub fn new(text: &str) -> crate::Result<Self> {
        Ok(Self(try_concat(&[text, "\0"])?))
    }

    /// Its pointer; the length goes to `len`.
    pub fn lend(&self, len: Out<usize>) -> *const c_char {
        len.set(self.0.len().saturating_sub(1));
        self.0.as_ptr().cast()
    }
}

/// The pointer of an array that a handle keeps; the length goes to `len`.
pub fn lend<T>(values: &[T], len: Out<usize>) -> *const T {
    len.set(values.len());
    start(values)
}

/// Where an array starts. An empty one has an address as well: hosts that move pointers about take
/// the small number that Rust has for it as a sign of damage.
pub fn start<T>(values: &[T]) -> *const T {
    static NOTHING: u64 = 0;
    const { assert!(align_of::<T>() <= align_of::<u64>()) };
    match values.is_empty() {
        true => (&raw const NOTHING).cast(),
        false => values.as_ptr(),
    }
}
