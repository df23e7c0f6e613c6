//! The model: configuration, parameters, state, and the forward pass.
//!
//! [`Model`] is what generation works with, at the granularity of one call a step. The one
//! implementation here is [`Transformer`], generic over a [`Backend`](crate::backend::Backend);
//! users may bring their own. This module does not know text: it maps ids to logits.
#![forbid(unsafe_code)]

pub mod checkpoint;
pub mod convert;
mod estimate;
mod feed;
mod fingerprint;
mod graph;
mod params;
mod plan;
pub mod random;
mod rotary;
mod saved;
mod shape;
mod state;
mod transformer;

#[cfg(test)]
mod tests;

use std::any::Any;
use std::fmt;
use std::io::{Read, Write};
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

use ndarray::ArrayView2;

use crate::backend::{ActivationFormat, Cpu, CpuOptions, InstructionSet, KvFormat};
use crate::cancel::{CancelToken, Control};
use crate::error::{Result, bail};

use crate::setters::setters;
use crate::weights::{LoadProgress, MemoryMode};

pub use crate::backend::{Activation, Determinism, PageSize};
pub use crate::family::ModelConfig;
pub use checkpoint::{Checkpoint, CopiedTensors, OpenOptions};
pub use convert::{ConvertOptions, convert};
pub use estimate::{EstimateOptions, MemoryEstimate, PREFILL_TOKENS, estimate, estimate_config};
pub use feed::feed;
pub use fingerprint::Fingerprint;
pub use random::write_random;
pub use state::State;
pub use transformer::Transformer;

/// How a model is loaded: the options of [`OpenOptions`] and [`CpuOptions`], with the setters of both.
///
/// Loading can be cancelled, by a token or by the progress callback:
///
/// ```
/// use codegeex::cancel::CancelToken;
/// use codegeex::model::{LoadOptions, load};
/// use codegeex::weights::LoadProgress;
/// use std::ops::ControlFlow;
///
/// let cancel = CancelToken::new();
/// let progress = LoadProgress::new().cancel(cancel.clone()).on_progress(|done, total| {
///     println!("{done} of {total} bytes copied");
///     ControlFlow::Continue(())
/// });
/// let options = LoadOptions::new().progress(progress);
/// cancel.cancel();
/// # let path = concat!(env!("CARGO_MANIFEST_DIR"), "/models/toy.safetensors");
/// let error = load(path, &options).unwrap_err();
/// assert_eq!(error.kind(), codegeex::ErrorKind::Cancelled);
/// ```
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub struct LoadOptions {
    /// How the checkpoint is opened: mapped or copied, configuration, progress callback.
    pub open: OpenOptions,
    /// How the CPU computes: threads, instruction set, KV cache.
    pub cpu: CpuOptions,
}

impl LoadOptions {
    /// Mapped files, all cores, the fastest instruction set.
    pub fn new() -> Self {
        Self::default()
    }

    setters! {
        set open: OpenOptions;
        set cpu: CpuOptions;
    }

    setters! { in OpenOptions as open:
        set memory: MemoryMode;
        option config: ModelConfig;
        set progress: LoadProgress;
    }

    setters! { in CpuOptions as cpu:
        option threads: usize;
        option isa: InstructionSet;
        set kv: KvFormat;
        set activations: ActivationFormat;
        option memory_limit: u64;
    }
}

/// Opens a checkpoint in any published form and makes it ready to compute.
///
/// Weights stay where they lie in the mapped files, in their own type; see
/// [`OpenOptions::memory`] for the other choice. Only vectors (biases and layer norms) are read
/// and widened.
///
/// # Errors
/// Those of [`Checkpoint::open`] and of [`Cpu::new`].
pub fn load(path: impl AsRef<Path>, options: &LoadOptions) -> Result<Arc<dyn Model>> {
    let checkpoint = Checkpoint::open(path.as_ref(), &options.open)?;
    let backend = Cpu::new(&options.cpu)?;
    Ok(Arc::new(Transformer::new(backend, &checkpoint)?))
}

impl Transformer<Cpu> {
    /// Opens a checkpoint as this concrete type, whose [`backend`](Self::backend) and
    /// [`hidden_states`](Self::hidden_states) an `Arc<dyn Model>` does not have.
    ///
    /// ```
    /// use codegeex::model::Transformer;
    ///
    /// # let path = concat!(env!("CARGO_MANIFEST_DIR"), "/models/toy.safetensors");
    /// let model = Transformer::open(path)?;
    /// // [layers + 2, tokens, hidden size]
    /// let states = model.hidden_states(&[4299, 277, 7])?;
    /// assert_eq!(states.shape()[1], 3);
    /// # Ok::<(), codegeex::Error>(())
    /// ```
    ///
    /// # Errors
    /// Those of [`load`](load).
    pub fn open(path: impl AsRef<Path>) -> Result<Self> {
        Self::open_with(path, &LoadOptions::new())
    }

    /// Opens a checkpoint with options.
    ///
    /// # Errors
    /// Those of [`load`](load).
    pub fn open_with(path: impl AsRef<Path>, options: &LoadOptions) -> Result<Self> {
        Self::open_on(Cpu::new(&options.cpu)?, path, &options.open)
    }

    /// Opens a checkpoint on a backend. Clones of a backend share its threads: a model and its draft
    /// model on one do not take two thread pools.
    ///
    /// ```
    /// use std::sync::Arc;
    ///
    /// use codegeex::model::{OpenOptions, Transformer};
    /// use codegeex::{GenerateOptions, Speculation};
    ///
    /// # let (large, small) = (concat!(env!("CARGO_MANIFEST_DIR"), "/models/toy.safetensors"), concat!(env!("CARGO_MANIFEST_DIR"), "/models/toy.safetensors"));
    /// let model = Transformer::open(large)?;
    /// let draft = Transformer::open_on(model.backend().clone(), small, &OpenOptions::new())?;
    /// let options = GenerateOptions::new().speculation(Speculation::model(Arc::new(draft)));
    /// # Ok::<(), codegeex::Error>(())
    /// ```
    ///
    /// # Errors
    /// Those of [`Checkpoint::open`], and of reading its tensors.
    pub fn open_on(backend: Cpu, path: impl AsRef<Path>, options: &OpenOptions) -> Result<Self> {
        Self::new(backend, &Checkpoint::open(path.as_ref(), options)?)
    }
}

/// Which logits of a call are wanted. Unrequested logits are not computed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wanted {
    /// None: the tokens only enter the state.
    Nothing,
    /// Those that follow the last token.
    Last,
    /// Those that follow each token.
    All,
}

/// Tokens for one sequence of a call.
#[derive(Debug)]
#[non_exhaustive]
pub struct Input<'a> {
    /// The sequence they continue.
    pub state: &'a mut dyn State,
    /// One or more token ids.
    pub ids: &'a [u32],
    /// Which logits to compute.
    pub wanted: Wanted,
    /// Ends this sequence and lets the others of the call go on: it then has no logits, and its
    /// state is as before the call. A [`Transformer`] looks before each layer, so that nothing of
    /// it is computed after the layer that is under way; a model may also pass it over. To end the
    /// whole call there is [`Control::cancel`].
    pub cancel: Option<CancelToken>,
}

impl<'a> Input<'a> {
    /// State, ids and wanted logits; nothing cancels it alone.
    pub fn new(state: &'a mut dyn State, ids: &'a [u32], wanted: Wanted) -> Self {
        Self {
            state,
            ids,
            wanted,
            cancel: None,
        }
    }

    /// Sets what ends this sequence alone.
    #[must_use]
    pub fn cancel(mut self, token: &CancelToken) -> Self {
        self.cancel = Some(token.clone());
        self
    }
}

/// Logits of a call: rows of the vocabulary's size, grouped by sequence.
#[derive(Debug, Clone)]
pub struct Logits {
    values: Vec<f32>,
    vocabulary: usize,
    ranges: Vec<Range<usize>>,
}

impl Logits {
    /// `values` holds the rows of the first sequence, then those of the second, as many as `counts`
    /// says, each of `vocabulary` logits.
    ///
    /// # Panics
    /// When the counts do not add up to the values.
    pub fn new(
        values: Vec<f32>,
        vocabulary: usize,
        counts: impl IntoIterator<Item = usize>,
    ) -> Self {
        let mut start = 0;
        let ranges: Vec<_> = counts
            .into_iter()
            .map(|n| {
                start += n;
                start - n..start
            })
            .collect();
        let expected = start.checked_mul(vocabulary);
        assert_eq!(expected, Some(values.len()), "counts and values disagree");
        Self {
            values,
            vocabulary,
            ranges,
        }
    }

    /// The number of logits of a row.
    pub fn vocabulary(&self) -> usize {
        self.vocabulary
    }

    /// The number of sequences of the call.
    pub fn sequences(&self) -> usize {
        self.ranges.len()
    }

    /// The rows of a sequence whose logits were wanted; none when [`Input::cancel`] ended it.
    ///
    /// # Panics
    /// When the call had no such sequence.
    pub fn rows(&self, sequence: usize) -> impl ExactSizeIterator<Item = &[f32]> {
        // Without a vocabulary there are no values, and no rows to cut them into.
        self.values(sequence).chunks_exact(self.vocabulary.max(1))
    }

    /// The logits that follow the last token of a sequence, or `None` when none were wanted or
    /// [`Input::cancel`] ended it.
    ///
    /// # Panics
    /// When the call had no such sequence.
    pub fn last(&self, sequence: usize) -> Option<&[f32]> {
        self.rows(sequence).last()
    }

    /// The rows of a sequence as an array, `[rows, vocabulary]`.
    ///
    /// # Panics
    /// When the call had no such sequence.
    pub fn view(&self, sequence: usize) -> ArrayView2<'_, f32> {
        let values = self.values(sequence);
        let shape = (self.ranges[sequence].len(), self.vocabulary);
        // The lengths agree since `new`.
        ArrayView2::from_shape(shape, values).unwrap_or_else(|_| ArrayView2::from(&[[]; 0]))
    }

    fn values(&self, sequence: usize) -> &[f32] {
        let rows = &self.ranges[sequence];
        &self.values[rows.start * self.vocabulary..rows.end * self.vocabulary]
    }
}

/// A language model over token ids.
///
/// It is immutable: any number of threads may call it at once, each with states of its own.
///
/// What only one kind of model has is reached by its type, see [`Any`]:
///
/// ```
/// use std::any::Any;
///
/// use codegeex::backend::Cpu;
/// use codegeex::model::{LoadOptions, Transformer, load};
///
/// # let path = concat!(env!("CARGO_MANIFEST_DIR"), "/models/toy.safetensors");
/// let model = load(path, &LoadOptions::new())?;
/// if let Some(transformer) = (&*model as &dyn Any).downcast_ref::<Transformer<Cpu>>() {
///     println!("{} kernels", transformer.backend().instruction_set().name());
/// }
/// # Ok::<(), codegeex::Error>(())
/// ```
pub trait Model: Any + Send + Sync + fmt::Debug {
    /// Sizes and variants.
    fn config(&self) -> &ModelConfig;

    /// One line for logs: sizes, backend, threads.
    fn describe(&self) -> String;

    /// An empty sequence.
    fn new_state(&self) -> Box<dyn State>;

    /// Page size of the KV cache, by which a scheduler plans memory. By default a page of one token
    /// and no bytes: nothing is planned for the states of this model.
    fn page(&self) -> PageSize {
        PageSize {
            tokens: 1,
            bytes: 0,
        }
    }

    /// Identifies the model and its weights: states that one model saved, another with the same
    /// fingerprint can restore. It is taken when it is first asked for, from a sample of the
    /// weights: some 21 MB of the published 13B checkpoint. `None` for a model that has none,
    /// which then neither saves nor restores.
    fn fingerprint(&self) -> Option<Fingerprint> {
        None
    }

    /// Writes a state of this model, with checksums. The same tokens give the same bytes; there are
    /// as many as the KV cache of its tokens takes, and some hundred more.
    ///
    /// # Errors
    /// [`StateMismatch`](crate::ErrorKind::StateMismatch) for a state of another model,
    /// [`Io`](crate::ErrorKind::Io), and [`InvalidArgument`](crate::ErrorKind::InvalidArgument)
    /// where the model cannot.
    fn save_state(&self, state: &dyn State, out: &mut dyn Write) -> Result<()> {
        let _ = (state, out);
        bail!(InvalidArgument, "this kind of model cannot save states");
    }

    /// Reads a state that [`save_state`](Self::save_state) wrote, in this process or another. It
    /// goes on with the same bits as the one that was saved. The bytes may come from anywhere:
    /// they cost no more memory than they justify, but for one page of KV cache.
    ///
    /// # Errors
    /// [`MalformedFile`](crate::ErrorKind::MalformedFile) for what is no state, is damaged, ends
    /// early or goes on after its end, [`UnsupportedFile`](crate::ErrorKind::UnsupportedFile) for
    /// another version, [`StateMismatch`](crate::ErrorKind::StateMismatch) for a state of another
    /// model or another format of the KV cache,
    /// [`OutOfMemory`](crate::ErrorKind::OutOfMemory), [`Io`](crate::ErrorKind::Io), and
    /// [`InvalidArgument`](crate::ErrorKind::InvalidArgument) where the model cannot.
    fn restore_state(&self, input: &mut dyn Read) -> Result<Box<dyn State>> {
        let _ = input;
        bail!(InvalidArgument, "this kind of model cannot restore states");
    }

    /// How far results depend on how the calls are made. [`Session`], prompt caches and the same
    /// answer in any batch rely on [`Determinism::Bitwise`]; with a model that promises less they
    /// work, and answers may differ in a token that was nearly even.
    ///
    /// [`Session`]: ../generate/struct.Session.html
    fn determinism(&self) -> Determinism {
        Determinism::PerBatch
    }

    /// Processes tokens of one or more sequences and returns the logits that were asked for.
    ///
    /// The weights are read once for all sequences of the call. `control` limits the call in time
    /// and in threads; while it computes the model calls [`Control::progress`] from time to time,
    /// which lets a scheduler report cancelled requests in the middle of a step. A model that wraps
    /// another passes `control` on.
    ///
    /// # Errors
    /// [`ContextOverflow`](crate::ErrorKind::ContextOverflow) when a sequence would grow past
    /// the context length, [`TokenOutOfRange`](crate::ErrorKind::TokenOutOfRange),
    /// [`StateMismatch`](crate::ErrorKind::StateMismatch),
    /// [`OutOfMemory`](crate::ErrorKind::OutOfMemory), and
    /// [`Cancelled`](crate::ErrorKind::Cancelled). A [`Transformer`] checks for cancellation before
    /// each task of each operation, which is a fraction of a layer: `benches/cancel.rs` measures how
    /// soon that is. After an error the states are as before the call.
    fn forward(&self, batch: &mut [Input<'_>], control: &Control<'_>) -> Result<Logits>;
}
