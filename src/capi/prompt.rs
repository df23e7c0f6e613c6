//! Languages, prompts and templates.

use std::ffi::c_char;

use super::boundary::guard;
use super::boundary::guard_value;
use super::buffer::give_text;
use super::error::codegeex_error;
use super::status::codegeex_status;
use super::version::zero_terminated;
use crate::language::Language;
use crate::prompt::Template;

/// NUL-terminated names and language tags.
static C_NAMES: [[[u8; 32]; 2]; Language::COUNT] = {
    let mut names = [[[0; 32]; 2]; Language::COUNT];
    let mut i = 0;
    while i < names.len() {
        names[i] = [
            zero_terminated(Language::at(i).name()),
            zero_terminated(Language::at(i).tag()),
        ];
        i += 1;
    }
    names
};

/// The number of languages, each of which has one name here and may have aliases.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn codegeex_languages() -> usize {
    Language::COUNT
}

/// The name of a language by index, from 0, such as `python`; a static string. NULL for an index
/// out of range.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn codegeex_language_name(index: usize) -> *const c_char {
    guard_value!(std::ptr::null(), |_call| {
        Ok(C_NAMES
            .get(index)
            .map_or(std::ptr::null(), |n| n[0].as_ptr().cast()))
    })
}

/// The language tag by index, from 0, such as `# language: Python`; a static string. NULL for an
/// index out of range.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn codegeex_language_tag(index: usize) -> *const c_char {
    guard_value!(std::ptr::null(), |_call| {
        Ok(C_NAMES
            .get(index)
            .map_or(std::ptr::null(), |n| n[1].as_ptr().cast()))
    })
}

/// The index of a language by its name or an alias, such as `cpp`; case is ignored.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn codegeex_language_find(
    name: *const c_char,
    name_len: usize,
    index: *mut usize,
    error: *mut *mut codegeex_error,
) -> codegeex_status {
    guard!(error, |call| {
        let name = call.text(name, name_len, "name")?;
        let out = call.out(index, "index")?;
        out.set(Language::from_name(name)?.index());
        Ok(())
    })
}

/// The prompt for completing code in a language, by its name: the language tag, then the code so
/// far.
///
/// `prompt` receives `prompt_len` bytes followed by a NUL; free it with codegeex_free.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn codegeex_prompt_generation(
    language: *const c_char,
    language_len: usize,
    code: *const c_char,
    code_len: usize,
    prompt: *mut *mut c_char,
    prompt_len: *mut usize,
    error: *mut *mut codegeex_error,
) -> codegeex_status {
    guard!(error, |call| {
        let language = Language::from_name(call.text(language, language_len, "language")?)?;
        let code = call.text(code, code_len, "code")?;
        let (out, len) = (
            call.out(prompt, "prompt")?,
            call.out(prompt_len, "prompt_len")?,
        );
        give_text(&language.try_prompt(code)?, out, len)
    })
}

/// Replaces the placeholders of a template with an input: `<INPUT>` is the whole input,
/// `<INPUT:a,b>` its lines from a (inclusive) to b (exclusive).
///
/// `prompt` receives `prompt_len` bytes followed by a NUL; free it with codegeex_free.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn codegeex_template_expand(
    template: *const c_char,
    template_len: usize,
    input: *const c_char,
    input_len: usize,
    prompt: *mut *mut c_char,
    prompt_len: *mut usize,
    error: *mut *mut codegeex_error,
) -> codegeex_status {
    guard!(error, |call| {
        let template = call.text(template, template_len, "template")?;
        let input = call.text(input, input_len, "input")?;
        let (out, len) = (
            call.out(prompt, "prompt")?,
            call.out(prompt_len, "prompt_len")?,
        );
        give_text(&Template::parse(template)?.expand(input)?, out, len)
    })
}
