//! A model of any family on a backend; `graph.rs` has the forward pass.

use std::any::Any;
use std::io::{Read, Write};
use std::sync::atomic::{AtomicU64, Ordering};

use ndarray::Array3;

use super::checkpoint::{Checkpoint, CopiedTensors};
use super::fingerprint::{Fingerprint, LazyFingerprint};
use super::graph::{Graph, Observer};
use super::params::Loader;
use super::plan::Plan;
use super::state::State;
use super::{Determinism, Input, Logits, Model, ModelConfig, Wanted};
use crate::backend::{Backend, KvCache, PAGE_TOKENS, PagePool, PageSize};
use crate::cancel::Control;
use crate::error::{Result, bail};
use crate::memory::{try_collect, try_vec};

/// A decoder of any [family](crate::family) with its parameters on a backend.
#[derive(Debug)]
pub struct Transformer<B: Backend> {
    /// Tells this model's states from another's.
    pub(super) id: u64,
    pub(super) fingerprint: LazyFingerprint,
    pub(super) graph: Graph<B>,
    copied: CopiedTensors,
}

#[derive(Debug)]
pub(super) struct Sequence<B: Backend> {
    pub(super) model: u64,
    pub(super) cache: KvCache<B::Pool>,
}

impl<B: Backend> State for Sequence<B> {
    fn len(&self) -> usize {
        self.cache.len()
    }

    fn truncate(&mut self, tokens: usize) {
        self.cache.truncate(tokens);
    }

    fn fork(&self) -> Box<dyn State> {
        Box::new(Self {
            model: self.model,
            cache: self.cache.fork(),
        })
    }

    fn bytes(&self) -> usize {
        self.cache.bytes()
    }
}

impl<B: Backend> Transformer<B> {
    /// Takes the parameters of a checkpoint over to `backend`. Afterwards the checkpoint may be
    /// dropped.
    ///
    /// # Errors
    /// What reading a tensor or the backend reports, and
    /// [`Cancelled`](crate::ErrorKind::Cancelled) when
    /// [`OpenOptions::progress`](super::OpenOptions::progress) of the checkpoint says so.
    pub fn new(backend: B, checkpoint: &Checkpoint) -> Result<Self> {
        static NEXT_ID: AtomicU64 = AtomicU64::new(0);
        Ok(Self {
            id: NEXT_ID.fetch_add(1, Ordering::Relaxed),
            fingerprint: LazyFingerprint::new(checkpoint)?,
            graph: {
                let loader = Loader::new(backend.clone(), checkpoint)?;
                Graph::new(checkpoint.config(), backend, &loader)?
            },
            copied: checkpoint.copied(),
        })
    }

    /// What it computes with.
    pub fn backend(&self) -> &B {
        &self.graph.backend
    }

    /// The hidden states of a sequence fed from the start: `[layers + 2, tokens, h]`, after each
    /// decoder layer, after the final layer norm, and after the top query layer (without a top
    /// query layer: `[layers + 1, tokens, h]`). For debugging and for probing what a layer knows.
    ///
    /// # Errors
    /// As for [`Model::forward`].
    pub fn hidden_states(&self, ids: &[u32]) -> Result<Array3<f32>> {
        let mut state = self.new_sequence();
        let mut batch = [Input::new(&mut state, ids, Wanted::All)];
        let mut found = Vec::new();
        let backend = &self.graph.backend;
        self.forward_observed(&mut batch, &Control::new(), &mut |_, x| {
            found.push(backend.read(backend.copy(x)?)?);
            Ok(())
        })?;
        let shape = (found.len(), ids.len(), self.graph.config.hidden_size);
        Array3::from_shape_vec(shape, found.concat()).map_err(|e| {
            let message = format!("hidden states of different shapes: {e}");
            crate::Error::new(crate::ErrorKind::Internal, message)
        })
    }

    pub(super) fn new_sequence(&self) -> Sequence<B> {
        Sequence {
            model: self.id,
            cache: KvCache::new(self.graph.pool()),
        }
    }

    fn forward_observed(
        &self,
        batch: &mut [Input<'_>],
        control: &Control<'_>,
        observe: Observer<'_, B>,
    ) -> Result<Logits> {
        let mut plan = Plan::new(&self.graph.config, batch)?;
        let mut caches = try_vec(batch.len())?;
        for input in batch.iter_mut() {
            match (&mut *input.state as &mut dyn Any).downcast_mut::<Sequence<B>>() {
                Some(s) if s.model == self.id => caches.push(&mut s.cache),
                _ => bail!(
                    StateMismatch,
                    "this state was made by another model; make one with new_state()"
                ),
            }
        }
        let before: Vec<usize> = try_collect(caches.iter().map(|c| c.len()))?;
        let result = (|| {
            for (cache, &tokens) in caches.iter_mut().zip(&plan.tokens) {
                control.cancel.check()?;
                cache.extend(tokens)?;
            }
            (self.graph).forward(&mut plan, &mut caches, control, observe)
        })();
        // A call that fails leaves every sequence as it was, and so does one that drops it.
        for ((cache, len), dropped) in caches.iter_mut().zip(before).zip(&plan.dropped) {
            if result.is_err() || *dropped {
                cache.truncate(len);
            }
        }
        let values = result?;
        Ok(Logits::new(
            values,
            self.graph.config.padded_vocab_size,
            plan.wanted_counts,
        ))
    }
}

impl<B: Backend> Model for Transformer<B> {
    fn config(&self) -> &ModelConfig {
        &self.graph.config
    }

    fn describe(&self) -> String {
        let copied = match self.copied.tensors {
            0 => String::new(),
            _ => format!("; {}", self.copied),
        };
        format!(
            "{}, {} layers, hidden size {}, {} parameters, {}{copied}",
            self.graph.config.family,
            self.graph.config.num_layers,
            self.graph.config.hidden_size,
            self.graph.config.parameters(),
            self.graph.backend.name()
        )
    }

    fn new_state(&self) -> Box<dyn State> {
        Box::new(self.new_sequence())
    }

    fn page(&self) -> PageSize {
        PageSize {
            tokens: PAGE_TOKENS,
            bytes: self.graph.pool().page_bytes(),
        }
    }

    fn fingerprint(&self) -> Option<Fingerprint> {
        Some(self.fingerprint.get())
    }

    fn save_state(&self, state: &dyn State, out: &mut dyn Write) -> Result<()> {
        self.write_state(state, out)
    }

    fn restore_state(&self, input: &mut dyn Read) -> Result<Box<dyn State>> {
        Ok(Box::new(self.read_state(input)?))
    }

    fn determinism(&self) -> Determinism {
        self.graph.backend.determinism()
    }

    fn forward(&self, batch: &mut [Input<'_>], control: &Control<'_>) -> Result<Logits> {
        self.forward_observed(batch, control, &mut |_, _| Ok(()))
    }
}
