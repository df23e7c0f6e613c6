//! `codegeex_decoder`: ids to text as they come.

use std::ffi::c_char;
use std::sync::Arc;

use super::boundary::{Exclusive, Handle, free_handle, guard, guard_value, new_handle};
use super::buffer::give_text;
use super::error::codegeex_error;
use super::status::codegeex_status;
use super::tokenizer::{codegeex_tokenizer, invalid_utf8};
use crate::tokenizer::{StreamDecoder, Tokenizer};

/// A streaming decoder: takes ids one at a time and returns text as soon as it is final. A token
/// may end inside a character.
///
/// Threads: one call at a time; a concurrent call returns CODEGEEX_BUSY.
#[allow(non_camel_case_types)]
pub struct codegeex_decoder(std::convert::Infallible);

pub struct DecoderValue {
    tokenizer: Arc<dyn Tokenizer>,
    decoder: Exclusive<StreamDecoder>,
}

impl Handle for codegeex_decoder {
    const NAME: &'static str = "codegeex_decoder";
    type Value = DecoderValue;
}

/// Creates a decoder at the beginning of a text. `policy` is one of `CODEGEEX_INVALID_UTF8_*`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn codegeex_decoder_new(
    tokenizer: *const codegeex_tokenizer,
    policy: i32,
    decoder: *mut *mut codegeex_decoder,
    error: *mut *mut codegeex_error,
) -> codegeex_status {
    guard!(error, |call| {
        let tokenizer = call.get(tokenizer, "tokenizer")?;
        let decoder = call.out(decoder, "decoder")?;
        decoder.set(new_handle(DecoderValue {
            tokenizer: Arc::clone(&tokenizer),
            decoder: Exclusive::new(StreamDecoder::new(invalid_utf8(policy)?)),
        })?);
        Ok(())
    })
}

/// Adds an id and returns the newly finalized text, which may be empty.
///
/// With CODEGEEX_INVALID_UTF8_REFUSE, invalid bytes are CODEGEEX_INVALID_UTF8. The decoder drops
/// them and can continue.
///
/// `text` receives `text_len` bytes followed by a NUL; free it with codegeex_free.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn codegeex_decoder_push(
    decoder: *mut codegeex_decoder,
    id: u32,
    text: *mut *mut c_char,
    text_len: *mut usize,
    error: *mut *mut codegeex_error,
) -> codegeex_status {
    guard!(error, |call| {
        let value = call.get(decoder, "decoder")?;
        let (text, text_len) = (call.out(text, "text")?, call.out(text_len, "text_len")?);
        let mut decoded = String::new();
        let mut decoder = value.decoder.get("decoder")?;
        decoder.push_token(&*value.tokenizer, id, &mut decoded)?;
        give_text(&decoded, text, text_len)
    })
}

/// Whether bytes of an incomplete character are held back: 1 or 0; 0 for NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn codegeex_decoder_is_pending(decoder: *const codegeex_decoder) -> i32 {
    guard_value!(0, |call| {
        let value = call.get(decoder, "decoder")?;
        let pending = value.decoder.get("decoder")?.is_pending();
        Ok(i32::from(pending))
    })
}

/// Ends the text. Incomplete bytes become U+FFFD or CODEGEEX_INVALID_UTF8, by the policy. The
/// decoder can then start another text.
///
/// `text` receives `text_len` bytes followed by a NUL; free it with codegeex_free.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn codegeex_decoder_finish(
    decoder: *mut codegeex_decoder,
    text: *mut *mut c_char,
    text_len: *mut usize,
    error: *mut *mut codegeex_error,
) -> codegeex_status {
    guard!(error, |call| {
        let value = call.get(decoder, "decoder")?;
        let (text, text_len) = (call.out(text, "text")?, call.out(text_len, "text_len")?);
        let mut decoded = String::new();
        value.decoder.get("decoder")?.finish(&mut decoded)?;
        give_text(&decoded, text, text_len)
    })
}

/// Frees a decoder. NULL is allowed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn codegeex_decoder_free(decoder: *mut codegeex_decoder) {
    free_handle(decoder)
}
