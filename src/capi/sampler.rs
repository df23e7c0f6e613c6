//! Custom samplers: a callback that changes the logits of the candidates for the next token.

use std::ffi::c_void;
use std::fmt;
use std::sync::Arc;

use super::boundary::guard;
use super::buffer::start;
use super::error::codegeex_error;
use super::generate_options::codegeex_generate_options;
use super::log::{Kept, codegeex_destroy_callback};
use super::status::codegeex_status;
use crate::error::{Result, bail};
use crate::generate::{Candidate, Candidates, History, Sampler};
use crate::memory::TryGrow;

/// A candidate for the next token.
#[repr(C)]
#[derive(Debug, Clone, Copy, PartialEq, bytemuck::Pod, bytemuck::Zeroable)]
#[allow(non_camel_case_types)]
pub struct codegeex_candidate {
    /// The token.
    pub id: u32,
    /// Its logit.
    pub logit: f32,
}

/// The input of a sampler. Later releases may add fields at the end; `struct_size` says which
/// fields are present.
#[repr(C)]
#[derive(Debug)]
#[allow(non_camel_case_types)]
pub struct codegeex_sampler_input {
    /// Size of this struct in bytes.
    pub struct_size: usize,
    /// Ids of the prompt.
    pub prompt: *const u32,
    /// Number of ids in `prompt`.
    pub prompt_len: usize,
    /// Ids generated so far.
    pub generated: *const u32,
    /// Number of ids in `generated`.
    pub generated_len: usize,
    /// The candidates in ascending order of their ids. Change logits in place; negative infinity
    /// removes a candidate.
    pub candidates: *mut codegeex_candidate,
    /// Number of candidates, at least 1.
    pub candidates_len: usize,
}

/// Sampler callback: changes the logits of the candidates for the next token. `input` is valid
/// during the callback. Return 0 on success; any other value ends the generation with
/// CODEGEEX_CANCELLED.
///
/// It must depend on `input` alone, so that the same input gives the same output; with speculative
/// decoding it may run several times for one position. It runs on the thread that computes: the
/// calling thread, a thread of a concurrent call on the same model, or the thread of a service. It
/// must not unwind.
#[allow(non_camel_case_types)]
pub type codegeex_sampler_callback = Option<
    unsafe extern "C" fn(userdata: *mut c_void, input: *const codegeex_sampler_input) -> i32,
>;

/// A sampler that calls the host.
struct HostSampler {
    callback: unsafe extern "C" fn(*mut c_void, *const codegeex_sampler_input) -> i32,
    kept: Kept,
}

impl fmt::Debug for HostSampler {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("codegeex_sampler_callback")
    }
}

impl Sampler for HostSampler {
    fn apply(&self, candidates: &mut Candidates, history: History<'_>) -> Result<()> {
        let last = candidates.as_slice().last().map(|c| c.id);
        let slice: &mut [codegeex_candidate] =
            bytemuck::cast_slice_mut::<Candidate, _>(candidates.as_mut_slice());
        if slice.is_empty() {
            return Ok(());
        }
        let input = codegeex_sampler_input {
            struct_size: size_of::<codegeex_sampler_input>(),
            prompt: start(history.prompt),
            prompt_len: history.prompt.len(),
            generated: start(history.generated),
            generated_len: history.generated.len(),
            candidates: slice.as_mut_ptr(),
            candidates_len: slice.len(),
        };
        // SAFETY: the caller's function with its userdata; the input is valid during the call.
        let returned = unsafe { (self.callback)(self.kept.userdata, &input) };
        if returned != 0 {
            bail!(Cancelled, "a sampler callback returned {returned}");
        }
        // Later stages search by id.
        let ids_are_kept =
            slice.is_sorted_by(|a, b| a.id < b.id) && slice.last().map(|c| c.id) == last;
        if !ids_are_kept {
            bail!(
                InvalidArgument,
                "a sampler callback changed the ids of candidates; it may change only their logits"
            );
        }
        Ok(())
    }
}

/// Adds a sampler callback. Samplers run in the order in which they were added: after banned ids,
/// logit bias and penalties, before temperature, top-k, top-p, min-p and typical-p, and also with
/// greedy decoding. Beam search has no samplers.
///
/// `destroy`, unless NULL, is called with `userdata` when neither these options, their copies nor a
/// call use it any more, or immediately if this call fails.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn codegeex_generate_options_add_sampler(
    options: *mut codegeex_generate_options,
    callback: codegeex_sampler_callback,
    userdata: *mut c_void,
    destroy: codegeex_destroy_callback,
    error: *mut *mut codegeex_error,
) -> codegeex_status {
    guard!(error, |call| {
        let kept = Kept::new(userdata, destroy);
        let options = call.get(options, "options")?;
        let Some(callback) = callback else {
            return Err(super::boundary::null("callback"));
        };
        let sampler: Arc<dyn Sampler> = Arc::new(HostSampler { callback, kept });
        options.change(|o| o.options.sampling.samplers.try_push(sampler))?;
        Ok(())
    })
}
