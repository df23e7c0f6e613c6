//! `codegeex_service` and `codegeex_ticket`: continuous batching of many requests on the service's
//! own thread.

use std::ffi::c_char;

use super::boundary::{Exclusive, Handle, free_handle, guard, guard_value, new_handle};
use super::cancel::codegeex_cancel_token;
use super::completions::{codegeex_completions, new_completions};
use super::error::codegeex_error;
use super::event::{
    CODEGEEX_EVENT_DONE, CODEGEEX_EVENT_NONE, codegeex_event, codegeex_token_logprob, pairs,
};
use super::generate::{cancel_or_never, noted};
use super::generate_options::codegeex_generate_options;
use super::log::Log;
use super::model::codegeex_model;
use super::settings::{
    self, Options, Setting, TryClone, copy_or_default, number, number_or_none, or_none, setting,
};
use super::status::codegeex_status;
use crate::cancel::CancelToken;
use crate::error::{Error, ErrorKind};
use crate::generate::{Completion, Event, Request, SchedulerOptions, Service, Ticket, WhenFull};
use crate::memory::{try_collect, try_copy, try_copy_text};

/// Limits of a service. Unset options keep their defaults: 64 concurrent sequences, 1024 waiting
/// requests. NULL means all defaults.
///
/// Threads: set options from one thread at a time. Any number of threads may read options that no
/// longer change.
#[allow(non_camel_case_types)]
pub struct codegeex_service_options(std::convert::Infallible);

impl TryClone for SchedulerOptions {
    fn try_clone(&self) -> crate::Result<Self> {
        // Nothing in it grows.
        Ok(self.clone())
    }
}

impl Handle for codegeex_service_options {
    const NAME: &'static str = "codegeex_service_options";
    type Value = Options<SchedulerOptions>;
}

/// Runs requests from any number of threads in one batch (continuous batching): each step reads the
/// weights once for all of them.
///
/// Threads: any number of threads may use one concurrently. It runs its own thread. Freeing the
/// service cancels running requests and ends that thread.
#[allow(non_camel_case_types)]
pub struct codegeex_service(std::convert::Infallible);

pub struct ServiceValue {
    service: Service,
    log: Log,
}

impl Handle for codegeex_service {
    const NAME: &'static str = "codegeex_service";
    type Value = ServiceValue;
}

/// A submitted request. Freeing the ticket cancels it.
///
/// Threads: codegeex_ticket_cancel is safe from any thread at any time. The other functions: one
/// call at a time; a concurrent call returns CODEGEEX_BUSY.
#[allow(non_camel_case_types)]
pub struct codegeex_ticket(std::convert::Infallible);

pub struct TicketValue {
    cancel: CancelToken,
    log: Log,
    waiting: Exclusive<Waiting>,
}

/// State of the thread that waits for the ticket.
struct Waiting {
    ticket: Ticket,
    /// Data that the last event points to.
    text: String,
    top: Vec<codegeex_token_logprob>,
    /// The result, until it is fetched.
    result: Option<crate::Result<Vec<Completion>>>,
    over: bool,
}

impl Handle for codegeex_ticket {
    const NAME: &'static str = "codegeex_ticket";
    type Value = TicketValue;
}

const TABLE: &[Setting<SchedulerOptions>] = &[
    setting!(
        "sequences",
        "Maximum batch size in sequences, at least 1.",
        |o, v| o.sequences = number(v)?,
        o.sequences.to_string()
    ),
    setting!(
        "prefill_tokens",
        "Maximum number of prompt tokens per step (chunked prefill), at least 1.",
        |o, v| o.prefill_tokens = number(v)?,
        o.prefill_tokens.to_string()
    ),
    setting!(
        "cache_bytes",
        "Limit of the KV cache of all requests together, in bytes: none means half of the memory \
         that the system has available, unlimited no limit.",
        |o, v| o.cache_bytes = cache_bytes(v)?,
        match o.cache_bytes {
            Some(SchedulerOptions::UNLIMITED) => "unlimited".to_owned(),
            bytes => or_none(bytes),
        }
    ),
    setting!(
        "prefixes",
        "Size of the prompt cache in prompts, for requests that share a prefix.",
        |o, v| o.prefixes = number(v)?,
        o.prefixes.to_string()
    ),
    setting!(
        "waiting",
        "Maximum number of waiting requests.",
        |o, v| o.waiting = number(v)?,
        o.waiting.to_string()
    ),
];

fn cache_bytes(text: &str) -> crate::Result<Option<u64>> {
    match text.trim() {
        "unlimited" => Ok(Some(SchedulerOptions::UNLIMITED)),
        text => number_or_none(text),
    }
}

/// Creates options with the defaults: 64 concurrent sequences, 8 cached prompts, 1024 waiting
/// requests, half of the available memory for the KV cache.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn codegeex_service_options_new(
    options: *mut *mut codegeex_service_options,
    error: *mut *mut codegeex_error,
) -> codegeex_status {
    guard!(error, |call| {
        let options = call.out(options, "options")?;
        options.set(new_handle(Options::new(SchedulerOptions::default()))?);
        Ok(())
    })
}

/// Sets an option by key; key and value are text. A refused value changes nothing. The keys:
///
/// - `sequences`: Maximum batch size in sequences, at least 1. Default: `64`.
/// - `prefill_tokens`: Maximum number of prompt tokens per step (chunked prefill), at least 1.
///   Default: `512`.
/// - `cache_bytes`: Limit of the KV cache of all requests together, in bytes: none means half of
///   the memory that the system has available, unlimited no limit. Default: `none`.
/// - `prefixes`: Size of the prompt cache in prompts, for requests that share a prefix. Default:
///   `8`.
/// - `waiting`: Maximum number of waiting requests. Default: `1024`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn codegeex_service_options_set(
    options: *mut codegeex_service_options,
    key: *const c_char,
    key_len: usize,
    value: *const c_char,
    value_len: usize,
    error: *mut *mut codegeex_error,
) -> codegeex_status {
    guard!(error, |call| {
        let options = call.get(options, "options")?;
        let key = call.text(key, key_len, "key")?;
        let value = call.text(value, value_len, "value")?;
        settings::set(TABLE, &options, key, value)
    })
}

/// The value of an option as text, in the format of codegeex_service_options_set.
///
/// `value` receives `value_len` bytes followed by a NUL; free it with codegeex_free.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn codegeex_service_options_get(
    options: *const codegeex_service_options,
    key: *const c_char,
    key_len: usize,
    value: *mut *mut c_char,
    value_len: *mut usize,
    error: *mut *mut codegeex_error,
) -> codegeex_status {
    guard!(error, |call| {
        let options = call.get(options, "options")?;
        let key = call.text(key, key_len, "key")?;
        let (value, len) = (call.out(value, "value")?, call.out(value_len, "value_len")?);
        settings::get(TABLE, &options, key, value, len)
    })
}

/// The key of an option by index, from 0; a static string. NULL past the last option. `help`,
/// unless NULL, receives a description of the option; a static string.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn codegeex_service_options_key(
    index: usize,
    help: *mut *const c_char,
) -> *const c_char {
    guard_value!(std::ptr::null(), |call| {
        Ok(settings::key(call, TABLE, index, help))
    })
}

/// Frees options. NULL is allowed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn codegeex_service_options_free(options: *mut codegeex_service_options) {
    free_handle(options)
}

/// Starts a service. `options` may be NULL. The service keeps the model alive.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn codegeex_service_new(
    model: *const codegeex_model,
    options: *const codegeex_service_options,
    service: *mut *mut codegeex_service,
    error: *mut *mut codegeex_error,
) -> codegeex_status {
    guard!(error, |call| {
        let model = call.get(model, "model")?;
        let options = copy_or_default(call.get_or_none(options, "options")?.as_ref())?;
        let out = call.out(service, "service")?;
        let service = Service::start(&model.generator, options)?;
        out.set(new_handle(ServiceValue {
            service,
            log: model.log.clone(),
        })?);
        Ok(())
    })
}

/// codegeex_service_submit blocks while the queue is full.
pub const CODEGEEX_WHEN_FULL_WAIT: i32 = 0;
/// codegeex_service_submit returns CODEGEEX_BUSY when the queue is full.
pub const CODEGEEX_WHEN_FULL_REFUSE: i32 = 1;

fn when_full(value: i32) -> super::boundary::Result<WhenFull> {
    match value {
        CODEGEEX_WHEN_FULL_WAIT => Ok(WhenFull::Wait),
        CODEGEEX_WHEN_FULL_REFUSE => Ok(WhenFull::Refuse),
        _ => {
            let expected = "CODEGEEX_WHEN_FULL_WAIT, CODEGEEX_WHEN_FULL_REFUSE";
            super::boundary::unknown("when_full", value, expected)
        }
    }
}

/// Submits a request for a prompt of text. `options` and `cancel` may be NULL. `when_full` is one
/// of `CODEGEEX_WHEN_FULL_*`. A full queue is CODEGEEX_BUSY. Errors of the request itself are
/// reported at the end of the ticket.
///
/// `ticket` receives a handle; free it with codegeex_ticket_free.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn codegeex_service_submit(
    service: *const codegeex_service,
    prompt: *const c_char,
    prompt_len: usize,
    options: *const codegeex_generate_options,
    when_full: i32,
    cancel: *const codegeex_cancel_token,
    ticket: *mut *mut codegeex_ticket,
    error: *mut *mut codegeex_error,
) -> codegeex_status {
    guard!(error, |call| {
        let service = call.get(service, "service")?;
        let prompt = call.text(prompt, prompt_len, "prompt")?;
        let options = copy_or_default(call.get_or_none(options, "options")?.as_ref())?.begin();
        let when_full = self::when_full(when_full)?;
        let cancel = cancel_or_never(call.get_or_none(cancel, "cancel")?.as_ref());
        let out = call.out(ticket, "ticket")?;
        let mut request = Request::new(try_copy_text(prompt)?, options);
        (request.when_full, request.cancel) = (when_full, cancel);
        out.set(service.submit(request)?);
        Ok(())
    })
}

/// Like codegeex_service_submit, for a prompt of ids.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn codegeex_service_submit_from(
    service: *const codegeex_service,
    prompt: *const u32,
    prompt_len: usize,
    options: *const codegeex_generate_options,
    when_full: i32,
    cancel: *const codegeex_cancel_token,
    ticket: *mut *mut codegeex_ticket,
    error: *mut *mut codegeex_error,
) -> codegeex_status {
    guard!(error, |call| {
        let service = call.get(service, "service")?;
        let prompt = call.slice(prompt, prompt_len, "prompt")?;
        let options = copy_or_default(call.get_or_none(options, "options")?.as_ref())?.begin();
        let when_full = self::when_full(when_full)?;
        let cancel = cancel_or_never(call.get_or_none(cancel, "cancel")?.as_ref());
        let out = call.out(ticket, "ticket")?;
        let mut request = Request::new(try_copy(prompt)?, options);
        (request.when_full, request.cancel) = (when_full, cancel);
        out.set(service.submit(request)?);
        Ok(())
    })
}

impl ServiceValue {
    fn submit(&self, request: Request) -> super::boundary::Result<*mut codegeex_ticket> {
        // The ticket's own flag, so that cancelling it leaves the caller's alone.
        let cancel = request.cancel.until(None);
        let request = Request {
            cancel: cancel.clone(),
            ..request
        };
        let ticket = self.service.submit(request)?;
        Ok(new_handle(TicketValue {
            cancel,
            log: self.log.clone(),
            waiting: Exclusive::new(Waiting {
                ticket,
                text: String::new(),
                top: Vec::new(),
                result: None,
                over: false,
            }),
        })?)
    }
}

/// Load of a service. Set `struct_size` to `sizeof` before the call; later releases may add fields
/// at the end.
#[repr(C)]
#[derive(Debug, Clone, Copy)]
#[allow(non_camel_case_types)]
pub struct codegeex_service_progress {
    /// Size of this struct in bytes.
    pub struct_size: usize,
    /// Requests waiting in the queue.
    pub waiting: usize,
    /// Running requests.
    pub running: usize,
    /// Samples and beams being generated.
    pub sequences: usize,
    /// Bytes of KV cache reserved, prompt cache included.
    pub cache_bytes: u64,
    /// Prompt tokens found in the prompt cache since the start.
    pub reused_tokens: u64,
}

/// Fills `progress`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn codegeex_service_get_progress(
    service: *const codegeex_service,
    progress: *mut codegeex_service_progress,
    error: *mut *mut codegeex_error,
) -> codegeex_status {
    guard!(error, |call| {
        let value = call.get(service, "service")?;
        let out = call.sized(progress, "progress")?;
        let progress = value.service.progress();
        out.set(codegeex_service_progress {
            struct_size: 0,
            waiting: progress.waiting,
            running: progress.running,
            sequences: progress.sequences,
            cache_bytes: progress.cache_bytes,
            reused_tokens: progress.reused_tokens,
        });
        Ok(())
    })
}

/// Cancels running requests, waits for the service's thread to end and frees the service. Tickets
/// still receive their last events. NULL is allowed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn codegeex_service_free(service: *mut codegeex_service) {
    free_handle(service)
}

/// The next event of a request. If `wait` is nonzero, the call blocks until there is one; otherwise
/// the kind CODEGEEX_EVENT_NONE means that there is none yet. After CODEGEEX_EVENT_DONE, every call
/// returns that.
///
/// Set `event->struct_size` to `sizeof` before the call. The data that the event points to is valid
/// until the next call with this ticket.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn codegeex_ticket_next(
    ticket: *mut codegeex_ticket,
    wait: i32,
    event: *mut codegeex_event,
    error: *mut *mut codegeex_error,
) -> codegeex_status {
    guard!(error, |call| {
        let value = call.get(ticket, "ticket")?;
        let out = call.sized(event, "event")?;
        let mut waiting = value.waiting.get("ticket")?;
        out.set(waiting.next(wait != 0)?);
        Ok(())
    })
}

impl Waiting {
    fn next(&mut self, wait: bool) -> crate::Result<codegeex_event> {
        if self.over {
            return Ok(codegeex_event::of_kind(CODEGEEX_EVENT_DONE));
        }
        let event = match wait {
            true => self.ticket.next(),
            false => match self.ticket.try_next() {
                None if !self.ticket.is_over() => {
                    return Ok(codegeex_event::of_kind(CODEGEEX_EVENT_NONE));
                }
                event => event,
            },
        };
        Ok(match event {
            Some(Ok(Event::Token {
                sample,
                id,
                logprob,
                top_logprobs,
                text,
            })) => {
                self.text = text;
                self.top = try_collect(pairs(&top_logprobs))?;
                codegeex_event::token(sample, id, logprob, &self.text, &self.top)
            }
            Some(Ok(Event::End {
                sample,
                text,
                reason,
            })) => {
                self.text = text;
                codegeex_event::end(sample, &self.text, reason)
            }
            Some(Err(error)) => self.end(Err(error)),
            None => {
                let completions = self.ticket.take_completions();
                self.end(Ok(completions.unwrap_or_default()))
            }
        })
    }

    /// Passes over an event.
    fn skip(&mut self) {
        match self.ticket.next() {
            Some(Ok(_)) => {}
            Some(Err(error)) => {
                self.end(Err(error));
            }
            None => {
                let completions = self.ticket.take_completions();
                self.end(Ok(completions.unwrap_or_default()));
            }
        }
    }

    fn end(&mut self, result: crate::Result<Vec<Completion>>) -> codegeex_event {
        (self.result, self.over) = (Some(result), true);
        codegeex_event::of_kind(CODEGEEX_EVENT_DONE)
    }
}

/// Waits for the end of a request, skips its events, and returns all samples or the error that
/// ended it. The samples can be fetched once.
///
/// `completions` receives a handle; free it with codegeex_completions_free.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn codegeex_ticket_wait(
    ticket: *mut codegeex_ticket,
    completions: *mut *mut codegeex_completions,
    error: *mut *mut codegeex_error,
) -> codegeex_status {
    guard!(error, |call| {
        let value = call.get(ticket, "ticket")?;
        let out = call.out(completions, "completions")?;
        let mut waiting = value.waiting.get("ticket")?;
        while !waiting.over {
            waiting.skip();
        }
        let result = waiting.result.take().ok_or_else(|| {
            let message = "the samples of this ticket were fetched already";
            Error::new(ErrorKind::InvalidArgument, message)
        })?;
        out.set(new_completions(noted(&value.log, result)?)?);
        Ok(())
    })
}

/// Cancels a request. It still receives its last events. Safe to call from any thread, also while
/// another waits.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn codegeex_ticket_cancel(
    ticket: *const codegeex_ticket,
    error: *mut *mut codegeex_error,
) -> codegeex_status {
    guard!(error, |call| {
        call.get(ticket, "ticket")?.cancel.cancel();
        Ok(())
    })
}

/// Cancels a request and frees its ticket. NULL is allowed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn codegeex_ticket_free(ticket: *mut codegeex_ticket) {
    free_handle(ticket)
}
