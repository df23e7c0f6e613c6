//! `codegeex_event`: an event of a generation, and the event callback.

use std::ffi::{c_char, c_void};
use std::ops::ControlFlow;

use super::boundary::{Userdata, guard_value};
use super::buffer::start;
use crate::code::StopRule;
use crate::generate::{Event, FinishReason};

/// No event yet. codegeex_ticket_next reports it when it does not wait.
pub const CODEGEEX_EVENT_NONE: i32 = 0;
/// A token was sampled; the last of a text may be the end of text, whose `text` is empty.
pub const CODEGEEX_EVENT_TOKEN: i32 = 1;
/// A sample is complete; `text` is the rest of its text.
pub const CODEGEEX_EVENT_END: i32 = 2;
/// A request of a service has finished. No event follows.
pub const CODEGEEX_EVENT_DONE: i32 = 3;

/// The completion has not finished.
pub const CODEGEEX_FINISH_NONE: i32 = 0;
/// The model ended the text.
pub const CODEGEEX_FINISH_END_OF_TEXT: i32 = 1;
/// A stop string appeared.
pub const CODEGEEX_FINISH_STOP: i32 = 2;
/// The maximum number of new tokens was reached.
pub const CODEGEEX_FINISH_LENGTH: i32 = 3;
/// The context length was reached.
pub const CODEGEEX_FINISH_CONTEXT_FULL: i32 = 4;
/// The cancel token was set, or the callback cancelled.
pub const CODEGEEX_FINISH_CANCELLED: i32 = 5;
/// The timeout expired.
pub const CODEGEEX_FINISH_DEADLINE: i32 = 6;
/// The prompt has more tokens to compute than the prefill limit.
pub const CODEGEEX_FINISH_PREFILL_LIMIT: i32 = 7;
/// A reason without a number in this header.
pub const CODEGEEX_FINISH_OTHER: i32 = 8;
/// Stop rule for code: the line ended.
pub const CODEGEEX_FINISH_END_OF_LINE: i32 = 9;
/// Stop rule for code: the block ended.
pub const CODEGEEX_FINISH_END_OF_BLOCK: i32 = 10;
/// Stop rule for code: the function ended.
pub const CODEGEEX_FINISH_END_OF_FUNCTION: i32 = 11;
/// Stop rule for code: a line started in the first column.
pub const CODEGEEX_FINISH_UNINDENTED_LINE: i32 = 12;
/// Stop rule for code: the point where the CodeGeeX reference ends a HumanEval-X generation.
pub const CODEGEEX_FINISH_HUMANEVAL: i32 = 13;

pub(super) fn finish_number(reason: FinishReason) -> i32 {
    match reason {
        FinishReason::EndOfText => CODEGEEX_FINISH_END_OF_TEXT,
        FinishReason::Stop(_) => CODEGEEX_FINISH_STOP,
        FinishReason::Code(rule) => rule_number(rule),
        FinishReason::Length => CODEGEEX_FINISH_LENGTH,
        FinishReason::ContextFull => CODEGEEX_FINISH_CONTEXT_FULL,
        FinishReason::Cancelled => CODEGEEX_FINISH_CANCELLED,
        FinishReason::Deadline => CODEGEEX_FINISH_DEADLINE,
        FinishReason::PrefillLimit => CODEGEEX_FINISH_PREFILL_LIMIT,
    }
}

pub(super) fn rule_number(rule: StopRule) -> i32 {
    match rule {
        StopRule::Line => CODEGEEX_FINISH_END_OF_LINE,
        StopRule::Block => CODEGEEX_FINISH_END_OF_BLOCK,
        StopRule::Function => CODEGEEX_FINISH_END_OF_FUNCTION,
        StopRule::Unindented => CODEGEEX_FINISH_UNINDENTED_LINE,
        StopRule::HumanEval => CODEGEEX_FINISH_HUMANEVAL,
    }
}

/// The name of a reason: `end_of_text`, `stop`, `length`, `context_full`, `cancelled`, `deadline`,
/// `prefill_limit`, and for stop rules for code `end_of_line`, `end_of_block`, `end_of_function`,
/// `unindented_line`, `humaneval`; a static string. `none` for CODEGEEX_FINISH_NONE, `other` for an
/// unknown number.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn codegeex_finish_reason_name(reason: i32) -> *const c_char {
    guard_value!(std::ptr::null(), |_call| {
        let name = match reason {
            CODEGEEX_FINISH_NONE => "none\0",
            CODEGEEX_FINISH_END_OF_TEXT => "end_of_text\0",
            CODEGEEX_FINISH_STOP => "stop\0",
            CODEGEEX_FINISH_LENGTH => "length\0",
            CODEGEEX_FINISH_CONTEXT_FULL => "context_full\0",
            CODEGEEX_FINISH_CANCELLED => "cancelled\0",
            CODEGEEX_FINISH_DEADLINE => "deadline\0",
            CODEGEEX_FINISH_PREFILL_LIMIT => "prefill_limit\0",
            CODEGEEX_FINISH_END_OF_LINE => "end_of_line\0",
            CODEGEEX_FINISH_END_OF_BLOCK => "end_of_block\0",
            CODEGEEX_FINISH_END_OF_FUNCTION => "end_of_function\0",
            CODEGEEX_FINISH_UNINDENTED_LINE => "unindented_line\0",
            CODEGEEX_FINISH_HUMANEVAL => "humaneval\0",
            _ => "other\0",
        };
        Ok(name.as_ptr().cast())
    })
}

/// A token with its log-probability under the model, before sampling.
#[repr(C)]
#[derive(Debug, Clone, Copy, PartialEq, bytemuck::Pod, bytemuck::Zeroable)]
#[allow(non_camel_case_types)]
pub struct codegeex_token_logprob {
    /// The token.
    pub id: u32,
    /// Its log-probability.
    pub logprob: f32,
}

/// An event of a generation. Later releases may add fields at the end; `struct_size` says which
/// fields are present.
#[repr(C)]
#[derive(Debug, Clone, Copy)]
#[allow(non_camel_case_types)]
pub struct codegeex_event {
    /// Size of this struct in bytes.
    pub struct_size: usize,
    /// One of `CODEGEEX_EVENT_*`. Ignore unknown kinds.
    pub kind: i32,
    /// For an end event: one of `CODEGEEX_FINISH_*`.
    pub finish_reason: i32,
    /// Index of the sample, from 0.
    pub sample: usize,
    /// For a token event: its id.
    pub id: u32,
    /// For a token event: its log-probability under the model, before sampling.
    pub logprob: f32,
    /// Newly finalized text, UTF-8, not NUL-terminated. It may be empty: a token may end inside a
    /// character, and a possible beginning of a stop string is held back.
    pub text: *const c_char,
    /// Bytes of `text`.
    pub text_len: usize,
    /// For a token event: the most likely tokens at its position, best first, as many as
    /// `top_logprobs` of the options.
    pub top_logprobs: *const codegeex_token_logprob,
    /// Number of elements of `top_logprobs`.
    pub top_logprobs_len: usize,
    /// For an end at a stop string: its index in the options; SIZE_MAX for every other event.
    pub stop_index: usize,
}

impl codegeex_event {
    /// Nothing yet.
    pub(super) fn of_kind(kind: i32) -> Self {
        Self {
            struct_size: size_of::<Self>(),
            kind,
            finish_reason: CODEGEEX_FINISH_NONE,
            sample: 0,
            id: 0,
            logprob: 0.0,
            text: c"".as_ptr(),
            text_len: 0,
            top_logprobs: std::ptr::null(),
            top_logprobs_len: 0,
            stop_index: usize::MAX,
        }
    }

    pub(super) fn token(
        sample: usize,
        id: u32,
        logprob: f32,
        text: &str,
        top: &[codegeex_token_logprob],
    ) -> Self {
        Self {
            sample,
            id,
            logprob,
            text: start(text.as_bytes()).cast(),
            text_len: text.len(),
            top_logprobs: start(top),
            top_logprobs_len: top.len(),
            ..Self::of_kind(CODEGEEX_EVENT_TOKEN)
        }
    }

    pub(super) fn end(sample: usize, text: &str, reason: FinishReason) -> Self {
        Self {
            sample,
            finish_reason: finish_number(reason),
            text: start(text.as_bytes()).cast(),
            text_len: text.len(),
            stop_index: match reason {
                FinishReason::Stop(index) => index,
                _ => usize::MAX,
            },
            ..Self::of_kind(CODEGEEX_EVENT_END)
        }
    }
}

/// Event callback of a generation. The event and the data it points to are valid during the
/// callback. Return 0 to continue, any other value to cancel the generation. It runs on the calling
/// thread and must not unwind. It may free handles, also those of the running call.
#[allow(non_camel_case_types)]
pub type codegeex_event_callback =
    Option<unsafe extern "C" fn(userdata: *mut c_void, event: *const codegeex_event) -> i32>;

/// A callback with its userdata and what it needs from event to event.
pub(super) struct Listener {
    callback: codegeex_event_callback,
    userdata: Userdata,
    top: Vec<codegeex_token_logprob>,
}

impl Listener {
    pub fn new(callback: codegeex_event_callback, userdata: *mut c_void) -> Self {
        Self {
            callback,
            userdata: Userdata(userdata),
            top: Vec::new(),
        }
    }

    pub fn hear(&mut self, event: Event) -> ControlFlow<()> {
        let Some(callback) = self.callback else {
            return ControlFlow::Continue(());
        };
        let text = event.text().to_owned();
        let event = match event {
            Event::Token {
                sample,
                id,
                logprob,
                top_logprobs,
                ..
            } => {
                self.top.clear();
                self.top.extend(pairs(&top_logprobs));
                codegeex_event::token(sample, id, logprob, &text, &self.top)
            }
            Event::End { sample, reason, .. } => codegeex_event::end(sample, &text, reason),
        };
        // SAFETY: the caller's function, during its call.
        match unsafe { callback(self.userdata.0, &event) } {
            0 => ControlFlow::Continue(()),
            _ => ControlFlow::Break(()),
        }
    }
}

/// The library's pairs as C's.
pub(super) fn pairs(top: &[(u32, f32)]) -> impl Iterator<Item = codegeex_token_logprob> + '_ {
    top.iter()
        .map(|&(id, logprob)| codegeex_token_logprob { id, logprob })
}
