//! `codegeex_tokenizer`.

use std::ffi::c_char;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use super::boundary::{Handle, Result, free_handle, guard, guard_value, new_handle, unknown};
use super::buffer::{give, give_text};
use super::error::codegeex_error;
use super::status::codegeex_status;
use crate::tokenizer::{BpeTokenizer, InvalidUtf8, SpecialTokens, StreamDecoder, Tokenizer};

/// Text to token ids and back.
///
/// Threads: immutable; any number of threads may use one concurrently.
#[allow(non_camel_case_types)]
pub struct codegeex_tokenizer(std::convert::Infallible);

impl Handle for codegeex_tokenizer {
    const NAME: &'static str = "codegeex_tokenizer";
    type Value = Arc<dyn Tokenizer>;
}

/// Special tokens in the input, such as `<|endoftext|>`, are encoded as plain text: no input can
/// produce a control token.
pub const CODEGEEX_SPECIAL_AS_TEXT: i32 = 0;
/// Special tokens in the input are encoded as the tokens that they name.
pub const CODEGEEX_SPECIAL_PARSE: i32 = 1;

/// Replace invalid UTF-8 with U+FFFD.
pub const CODEGEEX_INVALID_UTF8_REPLACE: i32 = 0;
/// Report invalid UTF-8 as an error.
pub const CODEGEEX_INVALID_UTF8_REFUSE: i32 = 1;

pub(super) fn special_tokens(value: i32) -> Result<SpecialTokens> {
    match value {
        CODEGEEX_SPECIAL_AS_TEXT => Ok(SpecialTokens::AsText),
        CODEGEEX_SPECIAL_PARSE => Ok(SpecialTokens::Parse),
        _ => unknown(
            "special",
            value,
            "CODEGEEX_SPECIAL_AS_TEXT, CODEGEEX_SPECIAL_PARSE",
        ),
    }
}

pub(super) fn invalid_utf8(value: i32) -> Result<InvalidUtf8> {
    match value {
        CODEGEEX_INVALID_UTF8_REPLACE => Ok(InvalidUtf8::Replace),
        CODEGEEX_INVALID_UTF8_REFUSE => Ok(InvalidUtf8::Refuse),
        _ => {
            let expected = "CODEGEEX_INVALID_UTF8_REPLACE, CODEGEEX_INVALID_UTF8_REFUSE";
            unknown("invalid_utf8", value, expected)
        }
    }
}

/// The compiled-in tokenizer while anybody uses it. Its tables take 10 MB, which the process gets
/// back with the last handle: a library that is unloaded must not leave them behind.
static SHARED: Mutex<Weak<BpeTokenizer>> = Mutex::new(Weak::new());

pub(super) fn codegeex() -> crate::Result<Arc<dyn Tokenizer>> {
    let mut shared = SHARED.lock().unwrap_or_else(PoisonError::into_inner);
    match shared.upgrade() {
        Some(tokenizer) => Ok(tokenizer),
        None => {
            let made = Arc::new(BpeTokenizer::build_codegeex()?);
            *shared = Arc::downgrade(&made);
            Ok(made)
        }
    }
}

/// Forgets what [`codegeex`] remembers.
#[cfg(target_os = "linux")]
pub(super) fn forget() {
    *SHARED.lock().unwrap_or_else(PoisonError::into_inner) = Weak::new();
}

/// Creates the built-in tokenizer of the published CodeGeeX checkpoints.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn codegeex_tokenizer_new(
    tokenizer: *mut *mut codegeex_tokenizer,
    error: *mut *mut codegeex_error,
) -> codegeex_status {
    guard!(error, |call| {
        let tokenizer = call.out(tokenizer, "tokenizer")?;
        tokenizer.set(new_handle(codegeex()?)?);
        Ok(())
    })
}

/// Opens a tokenizer: a file `tokenizer.json` or `tokenizer.model`, or a folder with one of them or with
/// `vocab.json`, `merges.txt` and `added_tokens.json`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn codegeex_tokenizer_from_folder(
    path: *const c_char,
    path_len: usize,
    tokenizer: *mut *mut codegeex_tokenizer,
    error: *mut *mut codegeex_error,
) -> codegeex_status {
    guard!(error, |call| {
        let path = call.text(path, path_len, "path")?;
        let tokenizer = call.out(tokenizer, "tokenizer")?;
        let read: Arc<dyn Tokenizer> = Arc::new(BpeTokenizer::open(path)?);
        tokenizer.set(new_handle(read)?);
        Ok(())
    })
}

/// Encodes a text to token ids. `special` is one of `CODEGEEX_SPECIAL_*`.
///
/// `ids` receives an array of `ids_len` ids; free it with codegeex_free.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn codegeex_tokenizer_encode(
    tokenizer: *const codegeex_tokenizer,
    text: *const c_char,
    text_len: usize,
    special: i32,
    ids: *mut *mut u32,
    ids_len: *mut usize,
    error: *mut *mut codegeex_error,
) -> codegeex_status {
    guard!(error, |call| {
        let tokenizer = call.get(tokenizer, "tokenizer")?;
        let text = call.text(text, text_len, "text")?;
        let (ids, ids_len) = (call.out(ids, "ids")?, call.out(ids_len, "ids_len")?);
        give(
            &tokenizer.encode(text, special_tokens(special)?)?,
            ids,
            ids_len,
        )
    })
}

/// Decodes token ids to text. `invalid_utf8` is one of `CODEGEEX_INVALID_UTF8_*`: ids may end
/// inside a character.
///
/// `text` receives `text_len` bytes followed by a NUL; free it with codegeex_free.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn codegeex_tokenizer_decode(
    tokenizer: *const codegeex_tokenizer,
    ids: *const u32,
    ids_len: usize,
    invalid_utf8: i32,
    text: *mut *mut c_char,
    text_len: *mut usize,
    error: *mut *mut codegeex_error,
) -> codegeex_status {
    guard!(error, |call| {
        let tokenizer = call.get(tokenizer, "tokenizer")?;
        let ids = call.slice(ids, ids_len, "ids")?;
        let (text, text_len) = (call.out(text, "text")?, call.out(text_len, "text_len")?);
        let mut decoder = StreamDecoder::new(self::invalid_utf8(invalid_utf8)?);
        let mut decoded = String::new();
        for &id in ids {
            decoder.push_token(&**tokenizer, id, &mut decoded)?;
        }
        decoder.finish(&mut decoded)?;
        give_text(&decoded, text, text_len)
    })
}

/// The bytes of a token, which may end inside a UTF-8 character.
///
/// `bytes` receives an array of `bytes_len` bytes; free it with codegeex_free.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn codegeex_tokenizer_token_bytes(
    tokenizer: *const codegeex_tokenizer,
    id: u32,
    bytes: *mut *mut u8,
    bytes_len: *mut usize,
    error: *mut *mut codegeex_error,
) -> codegeex_status {
    guard!(error, |call| {
        let tokenizer = call.get(tokenizer, "tokenizer")?;
        let (bytes, len) = (call.out(bytes, "bytes")?, call.out(bytes_len, "bytes_len")?);
        match tokenizer.token_bytes(id) {
            Some(found) => give(found, bytes, len),
            // The error of an id that stands for nothing.
            None => give_text(
                &tokenizer.decode(&[id])?,
                call.out_or_none(std::ptr::null_mut()),
                len,
            ),
        }
    })
}

/// The vocabulary size: one more than the largest id; 0 for NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn codegeex_tokenizer_vocab_size(
    tokenizer: *const codegeex_tokenizer,
) -> usize {
    guard_value!(0, |call| {
        Ok(call.get(tokenizer, "tokenizer")?.vocab_size())
    })
}

/// The end-of-text id; 0 for NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn codegeex_tokenizer_end_of_text(
    tokenizer: *const codegeex_tokenizer,
) -> u32 {
    guard_value!(0, |call| {
        Ok(call.get(tokenizer, "tokenizer")?.end_of_text())
    })
}

/// Frees a tokenizer. Models and decoders that use it remain valid. NULL is allowed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn codegeex_tokenizer_free(tokenizer: *mut codegeex_tokenizer) {
    free_handle(tokenizer)
}
