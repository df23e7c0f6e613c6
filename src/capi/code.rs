//! `codegeex_code_stop` and the functions over completions of code: where code ends, and what
//! editors do with a completion before they show it.

use std::ffi::c_char;

use super::boundary::{Call, Exclusive, Handle, Out, Result, free_handle, guard, new_handle};
use super::buffer::{give, give_text};
use super::error::codegeex_error;
use super::event::{CODEGEEX_FINISH_NONE, rule_number};
use super::settings::stop_rules;
use super::status::codegeex_status;
use crate::code::{self, CodeStop, Indentation, Kind, Likelihood, StopRule};
use crate::error::{Error, ErrorKind};
use crate::language::Language;
use crate::memory::try_collect;

/// Finds where code ends while text is added piece by piece, by the stop rules of
/// codegeex_generate_options_set.
///
/// Threads: one call at a time; a concurrent call returns CODEGEEX_BUSY.
#[allow(non_camel_case_types)]
pub struct codegeex_code_stop(std::convert::Infallible);

impl Handle for codegeex_code_stop {
    const NAME: &'static str = "codegeex_code_stop";
    type Value = Exclusive<CodeStop>;
}

/// A text, UTF-8.
#[repr(C)]
#[derive(Debug, Clone, Copy)]
#[allow(non_camel_case_types)]
pub struct codegeex_text {
    /// The text; NULL if it is empty.
    pub data: *const c_char,
    /// Its length in bytes, or CODEGEEX_STRLEN.
    pub len: usize,
}

/// The log-probabilities (natural logarithms) of a candidate, for codegeex_code_rank.
#[repr(C)]
#[derive(Debug, Clone, Copy)]
#[allow(non_camel_case_types)]
pub struct codegeex_likelihood {
    /// The log-probability of each token of the candidate.
    pub logprobs: *const f32,
    /// Number of elements of `logprobs`.
    pub logprobs_len: usize,
    /// The log-probability of each token of the text after the cursor, given the text before the
    /// cursor and the candidate; NULL or empty if unknown.
    pub suffix: *const f32,
    /// Number of elements of `suffix`.
    pub suffix_len: usize,
}

/// A ranked candidate.
#[repr(C)]
#[derive(Debug, Clone, Copy, PartialEq, bytemuck::Pod, bytemuck::Zeroable)]
#[allow(non_camel_case_types)]
pub struct codegeex_ranked {
    /// Index of the candidate.
    pub index: usize,
    /// Its score: mean log-probability per token, higher is better; never NaN.
    pub score: f64,
}

/// A space, tab or other blank in code, except a line break.
pub const CODEGEEX_CODE_BLANK: i32 = 0;
/// A line break in code, or at the end of a line comment.
pub const CODEGEEX_CODE_NEWLINE: i32 = 1;
/// A word, a number, or a keyword that neither opens nor closes a block.
pub const CODEGEEX_CODE_WORD: i32 = 2;
/// A bracket or keyword that opens.
pub const CODEGEEX_CODE_OPENER: i32 = 3;
/// A bracket or keyword that closes what was open.
pub const CODEGEEX_CODE_CLOSER: i32 = 4;
/// A closer without an opener.
pub const CODEGEEX_CODE_STRAY: i32 = 5;
/// Any other character of code.
pub const CODEGEEX_CODE_SYMBOL: i32 = 6;
/// A string with its delimiters, or part of one.
pub const CODEGEEX_CODE_STRING: i32 = 7;
/// A comment with its delimiters, or part of one.
pub const CODEGEEX_CODE_COMMENT: i32 = 8;

/// A token of source code. The tokens of a text cover all of it.
#[repr(C)]
#[derive(Debug, Clone, Copy, PartialEq, Eq, bytemuck::Pod, bytemuck::Zeroable)]
#[allow(non_camel_case_types)]
pub struct codegeex_code_token {
    /// First byte in the text.
    pub start: usize,
    /// Length in bytes.
    pub len: usize,
    /// Number of open brackets and blocks after this token.
    pub depth: usize,
    /// One of `CODEGEEX_CODE_*`. Later releases may add kinds.
    pub kind: i32,
    /// Always 0.
    pub reserved: i32,
}

fn kind_number(kind: Kind) -> i32 {
    match kind {
        Kind::Blank => CODEGEEX_CODE_BLANK,
        Kind::Newline => CODEGEEX_CODE_NEWLINE,
        Kind::Word => CODEGEEX_CODE_WORD,
        Kind::Opener => CODEGEEX_CODE_OPENER,
        Kind::Closer => CODEGEEX_CODE_CLOSER,
        Kind::Stray => CODEGEEX_CODE_STRAY,
        Kind::Symbol => CODEGEEX_CODE_SYMBOL,
        Kind::String => CODEGEEX_CODE_STRING,
        Kind::Comment => CODEGEEX_CODE_COMMENT,
    }
}

/// Indentation by tabs.
pub const CODEGEEX_INDENT_TABS: i32 = 0;
/// Unknown indentation. A positive number is that many spaces.
pub const CODEGEEX_INDENT_UNKNOWN: i32 = -1;

fn reason(rule: Option<StopRule>) -> i32 {
    rule.map_or(CODEGEEX_FINISH_NONE, rule_number)
}

/// A language by its name.
///
/// # Safety
/// As for [`Call::text`].
unsafe fn language(call: &mut Call, name: *const c_char, len: usize) -> Result<Language> {
    // SAFETY: the caller's promise.
    Ok(Language::from_name(unsafe {
        call.text(name, len, "language")
    }?)?)
}

/// Creates a code stop for a completion that follows `before`, the text left of the cursor.
/// `rules` is a comma-separated list of `line`, `block`, `function`, `unindented`, `humaneval`; the
/// first rule that matches ends the completion.
///
/// `stop` receives a handle; free it with codegeex_code_stop_free.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn codegeex_code_stop_new(
    language: *const c_char,
    language_len: usize,
    rules: *const c_char,
    rules_len: usize,
    before: *const c_char,
    before_len: usize,
    stop: *mut *mut codegeex_code_stop,
    error: *mut *mut codegeex_error,
) -> codegeex_status {
    guard!(error, |call| {
        let language = self::language(call, language, language_len)?;
        let rules = stop_rules(call.text(rules, rules_len, "rules")?)?;
        let before = call.text(before, before_len, "before")?;
        let out = call.out(stop, "stop")?;
        let stop = CodeStop::new(&rules, language, before);
        out.set(new_handle(Exclusive::new(stop))?);
        Ok(())
    })
}

/// Adds a piece of the completion and returns the text that is certainly part of it, which may be
/// empty. `finish_reason` receives CODEGEEX_FINISH_NONE, or the `CODEGEEX_FINISH_END_OF_*` of the
/// rule that matched; text that is added after that is dropped.
///
/// `text` receives `text_len` bytes followed by a NUL; free it with codegeex_free.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn codegeex_code_stop_push(
    stop: *mut codegeex_code_stop,
    piece: *const c_char,
    piece_len: usize,
    text: *mut *mut c_char,
    text_len: *mut usize,
    finish_reason: *mut i32,
    error: *mut *mut codegeex_error,
) -> codegeex_status {
    guard!(error, |call| {
        let stop = call.get(stop, "stop")?;
        let piece = call.text(piece, piece_len, "piece")?;
        let (text, text_len) = (call.out(text, "text")?, call.out(text_len, "text_len")?);
        let finish_reason = call.out(finish_reason, "finish_reason")?;
        let mut passed = String::new();
        let rule = stop.get("stop")?.push(piece, &mut passed)?;
        give_text(&passed, text, text_len)?;
        finish_reason.set(reason(rule));
        Ok(())
    })
}

/// Ends the completion and returns the text that was held back, which may be empty.
///
/// `text` receives `text_len` bytes followed by a NUL; free it with codegeex_free.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn codegeex_code_stop_finish(
    stop: *mut codegeex_code_stop,
    text: *mut *mut c_char,
    text_len: *mut usize,
    error: *mut *mut codegeex_error,
) -> codegeex_status {
    guard!(error, |call| {
        let stop = call.get(stop, "stop")?;
        let (text, text_len) = (call.out(text, "text")?, call.out(text_len, "text_len")?);
        let held = stop.get("stop")?.finish();
        give_text(&held, text, text_len)
    })
}

/// Frees a code stop. NULL is allowed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn codegeex_code_stop_free(stop: *mut codegeex_code_stop) {
    free_handle(stop)
}

/// Where the first stop rule ends a whole completion: `len` receives the number of bytes to keep.
/// `finish_reason`, unless NULL, receives CODEGEEX_FINISH_NONE or the number of the rule. For
/// `rules` and `before`, see codegeex_code_stop_new.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn codegeex_code_cut(
    language: *const c_char,
    language_len: usize,
    rules: *const c_char,
    rules_len: usize,
    before: *const c_char,
    before_len: usize,
    completion: *const c_char,
    completion_len: usize,
    len: *mut usize,
    finish_reason: *mut i32,
    error: *mut *mut codegeex_error,
) -> codegeex_status {
    guard!(error, |call| {
        let language = self::language(call, language, language_len)?;
        let rules = stop_rules(call.text(rules, rules_len, "rules")?)?;
        let before = call.text(before, before_len, "before")?;
        let completion = call.text(completion, completion_len, "completion")?;
        let len = call.out(len, "len")?;
        let finish_reason: Out<i32> = call.out_or_none(finish_reason);
        let (kept, rule) = code::cut(&rules, language, before, completion)?;
        len.set(kept.len());
        finish_reason.set(reason(rule));
        Ok(())
    })
}

/// Where the scope of the cursor ends in a completion: `len` receives the number of bytes to keep.
/// `before` is the text left of the cursor.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn codegeex_code_cut_at_scope(
    language: *const c_char,
    language_len: usize,
    before: *const c_char,
    before_len: usize,
    completion: *const c_char,
    completion_len: usize,
    len: *mut usize,
    error: *mut *mut codegeex_error,
) -> codegeex_status {
    guard!(error, |call| {
        let language = self::language(call, language, language_len)?;
        let before = call.text(before, before_len, "before")?;
        let completion = call.text(completion, completion_len, "completion")?;
        let len = call.out(len, "len")?;
        len.set(code::cut_at_scope(language, before, completion)?.len());
        Ok(())
    })
}

/// The part of a completion that the text after the cursor does not repeat: `len` receives the
/// number of bytes to keep. `before` and `after` are the texts left and right of the cursor.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn codegeex_code_without_overlap(
    language: *const c_char,
    language_len: usize,
    before: *const c_char,
    before_len: usize,
    completion: *const c_char,
    completion_len: usize,
    after: *const c_char,
    after_len: usize,
    len: *mut usize,
    error: *mut *mut codegeex_error,
) -> codegeex_status {
    guard!(error, |call| {
        let language = self::language(call, language, language_len)?;
        let before = call.text(before, before_len, "before")?;
        let completion = call.text(completion, completion_len, "completion")?;
        let after = call.text(after, after_len, "after")?;
        let len = call.out(len, "len")?;
        len.set(code::without_overlap(language, before, completion, after)?.len());
        Ok(())
    })
}

/// The indentation of a text: CODEGEEX_INDENT_TABS, a number of spaces from 1 to 16, or
/// CODEGEEX_INDENT_UNKNOWN.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn codegeex_code_indentation(
    language: *const c_char,
    language_len: usize,
    text: *const c_char,
    text_len: usize,
    indentation: *mut i32,
    error: *mut *mut codegeex_error,
) -> codegeex_status {
    guard!(error, |call| {
        let language = self::language(call, language, language_len)?;
        let text = call.text(text, text_len, "text")?;
        let indentation = call.out(indentation, "indentation")?;
        indentation.set(match Indentation::of(language, text)? {
            None => CODEGEEX_INDENT_UNKNOWN,
            Some(Indentation::Tabs) => CODEGEEX_INDENT_TABS,
            Some(Indentation::Spaces(spaces)) => i32::try_from(spaces).unwrap_or(i32::MAX),
        });
        Ok(())
    })
}

/// A completion with the indentation of the file: CODEGEEX_INDENT_TABS or a number of spaces from 1
/// to 16. `before` is the text left of the cursor.
///
/// `text` receives `text_len` bytes followed by a NUL; free it with codegeex_free.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn codegeex_code_reindent(
    language: *const c_char,
    language_len: usize,
    indentation: i32,
    before: *const c_char,
    before_len: usize,
    completion: *const c_char,
    completion_len: usize,
    text: *mut *mut c_char,
    text_len: *mut usize,
    error: *mut *mut codegeex_error,
) -> codegeex_status {
    guard!(error, |call| {
        let language = self::language(call, language, language_len)?;
        let style = match indentation {
            CODEGEEX_INDENT_TABS => Indentation::Tabs,
            1..=16 => Indentation::Spaces(indentation as usize),
            _ => {
                let message = format!(
                    "indentation is {indentation}, expected CODEGEEX_INDENT_TABS or a number of \
                     spaces from 1 to 16"
                );
                return Err(Error::new(ErrorKind::InvalidArgument, message).into());
            }
        };
        let before = call.text(before, before_len, "before")?;
        let completion = call.text(completion, completion_len, "completion")?;
        let (text, text_len) = (call.out(text, "text")?, call.out(text_len, "text_len")?);
        let changed = code::reindent(language, style, before, completion)?;
        give_text(&changed, text, text_len)
    })
}

/// The candidates worth showing: neither blank nor equal to an earlier candidate, ignoring white
/// space at the end.
///
/// `indices` receives `indices_len` ascending indices of candidates; free it with codegeex_free.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn codegeex_code_distinct(
    candidates: *const codegeex_text,
    candidates_len: usize,
    indices: *mut *mut usize,
    indices_len: *mut usize,
    error: *mut *mut codegeex_error,
) -> codegeex_status {
    guard!(error, |call| {
        let candidates = call.slice(candidates, candidates_len, "candidates")?;
        let indices = call.out(indices, "indices")?;
        let indices_len = call.out(indices_len, "indices_len")?;
        let mut texts = Vec::new();
        texts.try_reserve_exact(candidates.len())?;
        for candidate in candidates {
            texts.push(call.text(candidate.data, candidate.len, "a candidate")?);
        }
        give(&code::distinct(&texts)?, indices, indices_len)
    })
}

/// Ranks candidates by mean log-probability per token, best first. If all candidates have `suffix`,
/// its mean is added.
///
/// `ranked` receives `ranked_len` elements; free it with codegeex_free.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn codegeex_code_rank(
    candidates: *const codegeex_likelihood,
    candidates_len: usize,
    ranked: *mut *mut codegeex_ranked,
    ranked_len: *mut usize,
    error: *mut *mut codegeex_error,
) -> codegeex_status {
    guard!(error, |call| {
        let candidates = call.slice(candidates, candidates_len, "candidates")?;
        let ranked = call.out(ranked, "ranked")?;
        let ranked_len = call.out(ranked_len, "ranked_len")?;
        let mut likelihoods = Vec::new();
        likelihoods.try_reserve_exact(candidates.len())?;
        for candidate in candidates {
            let tokens = call.slice(candidate.logprobs, candidate.logprobs_len, "logprobs")?;
            let suffix = match candidate.suffix.is_null() {
                true => None,
                false => Some(call.slice(candidate.suffix, candidate.suffix_len, "suffix")?),
            };
            likelihoods.push(Likelihood { tokens, suffix });
        }
        let found = code::rank(&likelihoods)?;
        let found = try_collect(found.iter().map(|r| codegeex_ranked {
            index: r.index,
            score: r.score,
        }))?;
        give(&found, ranked, ranked_len)
    })
}

/// The tokens of source code: what is code, string or comment, and how many brackets and blocks are
/// open.
///
/// `tokens` receives `tokens_len` elements; free it with codegeex_free.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn codegeex_code_scan(
    language: *const c_char,
    language_len: usize,
    text: *const c_char,
    text_len: usize,
    tokens: *mut *mut codegeex_code_token,
    tokens_len: *mut usize,
    error: *mut *mut codegeex_error,
) -> codegeex_status {
    guard!(error, |call| {
        let language = self::language(call, language, language_len)?;
        let text = call.text(text, text_len, "text")?;
        let tokens = call.out(tokens, "tokens")?;
        let tokens_len = call.out(tokens_len, "tokens_len")?;
        let found = code::scan(language, text)?;
        let token =
            |(kind, range, depth): &(Kind, std::ops::Range<usize>, usize)| codegeex_code_token {
                start: range.start,
                len: range.len(),
                depth: *depth,
                kind: kind_number(*kind),
                reserved: 0,
            };
        give(&try_collect(found.iter().map(token))?, tokens, tokens_len)
    })
}
