//! `codegeex_state` and `codegeex_logits`: the forward pass itself, for callers with their own
//! decoding loop.

use std::sync::Arc;

use super::boundary::{
    Call, Exclusive, Handle, Held, Result, free_handle, guard, guard_value, new_handle, unknown,
};
use super::buffer::{Saved, give, lend};
use super::cancel::codegeex_cancel_token;
use super::error::codegeex_error;
use super::event::{codegeex_token_logprob, pairs};
use super::generate::cancel_or_never;
use super::model::codegeex_model;
use super::status::codegeex_status;
use crate::cancel::Control;
use crate::error::{Error, ErrorKind, bail};
use crate::generate::{log_probability, top_log_probabilities};
use crate::memory::{TryGrow, try_collect, try_copy, try_vec};
use crate::model::{Input, Logits, Model, State, Wanted, feed};

/// The state of one sequence: its KV cache. It keeps the model alive.
///
/// Threads: one call at a time; a concurrent call returns CODEGEEX_BUSY.
#[allow(non_camel_case_types)]
pub struct codegeex_state(std::convert::Infallible);

pub struct StateValue {
    model: Arc<dyn Model>,
    state: Exclusive<Box<dyn State>>,
}

impl Handle for codegeex_state {
    const NAME: &'static str = "codegeex_state";
    type Value = StateValue;
}

fn new_state(model: Arc<dyn Model>, state: Box<dyn State>) -> crate::Result<*mut codegeex_state> {
    new_handle(StateValue {
        model,
        state: Exclusive::new(state),
    })
}

/// The logits of a call, one row per token.
///
/// Threads: immutable; any number of threads may read one concurrently.
#[allow(non_camel_case_types)]
pub struct codegeex_logits(std::convert::Infallible);

pub struct LogitsValue {
    /// `[rows, vocabulary]`.
    rows: Vec<Vec<f32>>,
    vocabulary: usize,
}

impl Handle for codegeex_logits {
    const NAME: &'static str = "codegeex_logits";
    type Value = LogitsValue;
}

/// No logits: the tokens are only added to the state.
pub const CODEGEEX_LOGITS_NONE: i32 = 0;
/// Logits of the last token only.
pub const CODEGEEX_LOGITS_LAST: i32 = 1;
/// Logits of every token.
pub const CODEGEEX_LOGITS_ALL: i32 = 2;

fn wanted(value: i32) -> Result<Wanted> {
    match value {
        CODEGEEX_LOGITS_NONE => Ok(Wanted::Nothing),
        CODEGEEX_LOGITS_LAST => Ok(Wanted::Last),
        CODEGEEX_LOGITS_ALL => Ok(Wanted::All),
        _ => {
            let expected = "CODEGEEX_LOGITS_NONE, CODEGEEX_LOGITS_LAST, CODEGEEX_LOGITS_ALL";
            unknown("wanted", value, expected)
        }
    }
}

fn of_logits(all: &Logits, sequences: usize, vocabulary: usize) -> crate::Result<LogitsValue> {
    let mut rows = Vec::new();
    for sequence in 0..sequences {
        for row in all.rows(sequence) {
            rows.try_push(try_copy(row)?)?;
        }
    }
    Ok(LogitsValue { rows, vocabulary })
}

/// Creates an empty state.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn codegeex_state_new(
    model: *const codegeex_model,
    state: *mut *mut codegeex_state,
    error: *mut *mut codegeex_error,
) -> codegeex_status {
    guard!(error, |call| {
        let model = call.get(model, "model")?;
        let out = call.out(state, "state")?;
        let model = Arc::clone(model.generator.model());
        let state = model.new_state();
        out.set(new_state(model, state)?);
        Ok(())
    })
}

/// Prefill: processes any number of prompt tokens, in chunks, without logits. Pass the last token
/// to codegeex_state_decode.
///
/// After an error the state holds the chunks that were processed before it. `cancel` may be NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn codegeex_state_prefill(
    state: *mut codegeex_state,
    ids: *const u32,
    ids_len: usize,
    cancel: *const codegeex_cancel_token,
    error: *mut *mut codegeex_error,
) -> codegeex_status {
    guard!(error, |call| {
        let value = call.get(state, "state")?;
        let ids = call.slice(ids, ids_len, "ids")?;
        let cancel = cancel_or_never(call.get_or_none(cancel, "cancel")?.as_ref());
        let mut state = value.state.get("state")?;
        let (model, control) = (&*value.model, Control::from(&cancel));
        feed(
            model,
            &mut **state,
            ids,
            Wanted::Nothing,
            &control,
            &mut |_| Ok(()),
        )?;
        Ok(())
    })
}

/// Processes one or more tokens and returns logits; `wanted` is one of `CODEGEEX_LOGITS_*`. The
/// logits are bit-identical for any chunking of the tokens. After an error the state is unchanged.
///
/// `cancel` may be NULL. `logits` receives a handle, without rows if no logits are wanted; free it
/// with codegeex_logits_free.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn codegeex_state_decode(
    state: *mut codegeex_state,
    ids: *const u32,
    ids_len: usize,
    wanted: i32,
    cancel: *const codegeex_cancel_token,
    logits: *mut *mut codegeex_logits,
    error: *mut *mut codegeex_error,
) -> codegeex_status {
    guard!(error, |call| {
        let value = call.get(state, "state")?;
        let ids = some_ids(call.slice(ids, ids_len, "ids")?)?;
        let wanted = self::wanted(wanted)?;
        let cancel = cancel_or_never(call.get_or_none(cancel, "cancel")?.as_ref());
        let out = call.out(logits, "logits")?;
        let mut state = value.state.get("state")?;
        let mut batch = [Input::new(&mut **state, ids, wanted)];
        let found = value.model.forward(&mut batch, &Control::from(&cancel))?;
        let vocabulary = value.model.config().padded_vocab_size;
        out.set(new_handle(of_logits(&found, 1, vocabulary)?)?);
        Ok(())
    })
}

fn some_ids(ids: &[u32]) -> crate::Result<&[u32]> {
    if ids.is_empty() {
        bail!(InvalidArgument, "there are no ids; feed one at least");
    }
    Ok(ids)
}

/// Batched decode: processes one token for each of several states of one model, reading the weights
/// once: `ids[i]` for state `i`. The states must be distinct.
///
/// `cancel` may be NULL. `logits` receives a handle whose row `i` is for `ids[i]`; free it with
/// codegeex_logits_free. After an error all states are unchanged.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn codegeex_states_decode(
    states: *const *mut codegeex_state,
    ids: *const u32,
    states_len: usize,
    cancel: *const codegeex_cancel_token,
    logits: *mut *mut codegeex_logits,
    error: *mut *mut codegeex_error,
) -> codegeex_status {
    guard!(error, |call| {
        let states = call.slice(states, states_len, "states")?;
        let ids = some_ids(call.slice(ids, states_len, "ids")?)?;
        let cancel = cancel_or_never(call.get_or_none(cancel, "cancel")?.as_ref());
        let out = call.out(logits, "logits")?;
        let mut values: Vec<Held<codegeex_state>> = try_vec(states.len())?;
        for &state in states {
            values.push(call.get(state, "state")?);
        }
        // A state that is there twice is in use by this very call.
        let mut locked = try_vec(values.len())?;
        for value in &values {
            locked.push(value.state.get("state")?);
        }
        let model = Arc::clone(&values[0].model);
        let mut batch =
            try_collect((locked.iter_mut().zip(ids)).map(|(state, id)| {
                Input::new(&mut ***state, std::slice::from_ref(id), Wanted::Last)
            }))?;
        let found = model.forward(&mut batch, &Control::from(&cancel))?;
        let vocabulary = model.config().padded_vocab_size;
        out.set(new_handle(of_logits(&found, ids.len(), vocabulary)?)?);
        Ok(())
    })
}

/// Number of tokens in a state, which is the position of the next one; 0 for NULL and while a call
/// runs.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn codegeex_state_len(state: *const codegeex_state) -> usize {
    guard_value!(0, |call| {
        let value = call.get(state, "state")?;
        let state = value.state.get("state")?;
        Ok(state.len())
    })
}

/// Size in bytes, including memory shared with forks; 0 for NULL and while a call runs.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn codegeex_state_bytes(state: *const codegeex_state) -> usize {
    guard_value!(0, |call| {
        let value = call.get(state, "state")?;
        let state = value.state.get("state")?;
        Ok(state.bytes())
    })
}

/// Truncates to the first `tokens` tokens. A larger number changes nothing.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn codegeex_state_truncate(
    state: *mut codegeex_state,
    tokens: usize,
    error: *mut *mut codegeex_error,
) -> codegeex_status {
    guard!(error, |call| {
        let value = call.get(state, "state")?;
        value.state.get("state")?.truncate(tokens);
        Ok(())
    })
}

/// Copies a state. Memory is shared until one of the two processes new tokens.
///
/// `fork` receives a handle; free it with codegeex_state_free.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn codegeex_state_fork(
    state: *const codegeex_state,
    fork: *mut *mut codegeex_state,
    error: *mut *mut codegeex_error,
) -> codegeex_status {
    guard!(error, |call| {
        let value = call.get(state, "state")?;
        let out = call.out(fork, "fork")?;
        let forked = value.state.get("state")?.fork();
        out.set(new_state(Arc::clone(&value.model), forked)?);
        Ok(())
    })
}

/// Saves a state to memory.
///
/// `bytes` receives an array of `bytes_len` bytes; free it with codegeex_free.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn codegeex_state_save(
    state: *const codegeex_state,
    bytes: *mut *mut u8,
    bytes_len: *mut usize,
    error: *mut *mut codegeex_error,
) -> codegeex_status {
    guard!(error, |call| {
        let value = call.get(state, "state")?;
        let (bytes, len) = (call.out(bytes, "bytes")?, call.out(bytes_len, "bytes_len")?);
        let state = value.state.get("state")?;
        let mut saved = Saved::default();
        value.model.save_state(&**state, &mut saved)?;
        give(saved.bytes(), bytes, len)
    })
}

/// Restores a state from memory that a model with the same fingerprint saved. It continues with
/// bit-identical results.
///
/// `state` receives a handle; free it with codegeex_state_free.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn codegeex_state_restore(
    model: *const codegeex_model,
    bytes: *const u8,
    bytes_len: usize,
    state: *mut *mut codegeex_state,
    error: *mut *mut codegeex_error,
) -> codegeex_status {
    guard!(error, |call| {
        let model = call.get(model, "model")?;
        let mut bytes = call.slice(bytes, bytes_len, "bytes")?;
        let out = call.out(state, "state")?;
        let model = Arc::clone(model.generator.model());
        let restored = model.restore_state(&mut bytes)?;
        out.set(new_state(model, restored)?);
        Ok(())
    })
}

/// Frees a state. NULL is allowed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn codegeex_state_free(state: *mut codegeex_state) {
    free_handle(state)
}

/// Number of rows; 0 for NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn codegeex_logits_rows(logits: *const codegeex_logits) -> usize {
    guard_value!(0, |call| { Ok(call.get(logits, "logits")?.rows.len()) })
}

/// Number of logits per row; 0 for NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn codegeex_logits_vocab_size(logits: *const codegeex_logits) -> usize {
    guard_value!(0, |call| { Ok(call.get(logits, "logits")?.vocabulary) })
}

/// A row of logits. They belong to the handle. NULL for NULL or a row out of range.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn codegeex_logits_row(
    logits: *const codegeex_logits,
    row: usize,
    len: *mut usize,
) -> *const f32 {
    guard_value!(std::ptr::null(), |call| {
        let len = call.out_or_none(len);
        let logits = call.get(logits, "logits")?;
        Ok(logits
            .rows
            .get(row)
            .map_or(std::ptr::null(), |row| lend(row, len)))
    })
}

fn checked_row<R>(
    call: &mut Call,
    logits: *const codegeex_logits,
    row: usize,
    read: impl FnOnce(&[f32]) -> Result<R>,
) -> Result<R> {
    let logits = call.get(logits, "logits")?;
    match logits.rows.get(row) {
        Some(row) => read(row),
        None => {
            let message = format!("row {row} of {}", logits.rows.len());
            Err(Error::new(ErrorKind::InvalidArgument, message).into())
        }
    }
}

/// The log-probability of an id given a row of logits.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn codegeex_logits_log_probability(
    logits: *const codegeex_logits,
    row: usize,
    id: u32,
    logprob: *mut f32,
    error: *mut *mut codegeex_error,
) -> codegeex_status {
    guard!(error, |call| {
        let out = call.out(logprob, "logprob")?;
        let found = checked_row(call, logits, row, |row| {
            if id as usize >= row.len() {
                let message = format!("token id {id}, expected one below {}", row.len());
                return Err(Error::new(ErrorKind::TokenOutOfRange, message).into());
            }
            Ok(log_probability(row, id))
        })?;
        out.set(found);
        Ok(())
    })
}

/// The `count` most likely ids of a row with their log-probabilities, best first.
///
/// `top` receives an array of `top_len` pairs; free it with codegeex_free.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn codegeex_logits_top(
    logits: *const codegeex_logits,
    row: usize,
    count: usize,
    top: *mut *mut codegeex_token_logprob,
    top_len: *mut usize,
    error: *mut *mut codegeex_error,
) -> codegeex_status {
    guard!(error, |call| {
        let (out, len) = (call.out(top, "top")?, call.out(top_len, "top_len")?);
        let found = checked_row(call, logits, row, |row| {
            Ok(top_log_probabilities(row, count)?)
        })?;
        let found = try_collect(pairs(&found))?;
        give(&found, out, len)
    })
}

/// Frees logits. NULL is allowed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn codegeex_logits_free(logits: *mut codegeex_logits) {
    free_handle(logits)
}
