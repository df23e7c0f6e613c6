//! The forward pass, written once for all backends (paper, section 2.2 and figure 3).
//!
//! ```text
//! x = word_embedding[id] + position_embedding[n]
//! each layer:  x += dense(attend(q(a), k(a), v(a)))   a = input_layernorm(x)
//!              x += fc2(act(fc1(b)))                  b = post_attention_layernorm(x)
//! y = final_layernorm(x)
//! top layer:   t = input_layernorm(y);  y += dense(attend(q(top_query_embedding[n]), k(t), v(t)))
//!              y += fc2(act(fc1(post_attention_layernorm(y))))
//! logits = y · word_embeddingᵀ
//! ```
//!
//! All tokens of all sequences of a call go through the linear layers together; attention looks
//! at each sequence's own cache. After the keys and values of the last cached layer, only the
//! rows whose logits are wanted go on. Before each layer, the rows of sequences that were cancelled
//! go.

use std::any::Any;
use std::io::{Read, Write};
use std::sync::atomic::{AtomicU64, Ordering};

use ndarray::Array3;

use super::checkpoint::{Checkpoint, CopiedTensors};
use super::config::ModelConfig;
use super::fingerprint::{Fingerprint, LazyFingerprint};
use super::params::{Layer, LayerNorm, Linear, Params};
use super::state::State;
use super::{Determinism, Input, Logits, Model, Wanted};
use crate::backend::{Backend, CacheShape, HeadShape, KvCache, PageSize, Query};
use crate::cancel::{CancelToken, Control};
use crate::error::{Result, bail};
use crate::memory::{TryGrow, try_collect, try_filled, try_vec};

/// A decoder of the GPT family with its parameters on a backend.
#[derive(Debug)]
pub struct Transformer<B: Backend> {
    /// Tells this model's states from another's.
    pub(super) id: u64,
    pub(super) config: ModelConfig,
    pub(super) fingerprint: LazyFingerprint,
    backend: B,
    params: Params<B>,
    copied: CopiedTensors,
}

#[derive(Debug)]
pub(super) struct Sequence<B: Backend> {
    pub(super) model: u64,
    pub(super) cache: B::Cache,
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

/// Sees the hidden states of a call: their index and `[tokens, h]`.
type Observer<'a, B> = &'a mut dyn FnMut(usize, &<B as Backend>::Activations) -> Result<()>;

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
            config: checkpoint.config().clone(),
            fingerprint: LazyFingerprint::new(checkpoint)?,
            params: Params::load(&backend, checkpoint)?,
            copied: checkpoint.copied(),
            backend,
        })
    }

    /// What it computes with.
    pub fn backend(&self) -> &B {
        &self.backend
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
        self.forward_observed(&mut batch, &Control::new(), &mut |_, x| {
            let rows: Vec<usize> = (0..ids.len()).collect();
            found.push(self.backend.read(self.backend.select(x, &rows)?));
            Ok(())
        })?;
        let shape = (found.len(), ids.len(), self.config.hidden_size);
        Array3::from_shape_vec(shape, found.concat()).map_err(|e| {
            let message = format!("hidden states of different shapes: {e}");
            crate::Error::new(crate::ErrorKind::Internal, message)
        })
    }

    fn cache_shape(&self) -> CacheShape {
        CacheShape {
            layers: self.config.cached_layers(),
            kv_heads: self.config.num_kv_heads(),
            head_dim: self.config.head_dim(),
        }
    }

    pub(super) fn new_sequence(&self) -> Sequence<B> {
        Sequence {
            model: self.id,
            cache: self.backend.cache(self.cache_shape()),
        }
    }

    fn forward_observed(
        &self,
        batch: &mut [Input<'_>],
        control: &Control<'_>,
        observe: Observer<'_, B>,
    ) -> Result<Logits> {
        let mut plan = Plan::new(&self.config, batch)?;
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
        let pass = Pass {
            model: self,
            backend: self.backend.scoped(control),
            control,
        };
        let result = (|| {
            for (cache, &tokens) in caches.iter_mut().zip(&plan.tokens) {
                control.cancel.check()?;
                cache.extend(tokens)?;
            }
            pass.run(&mut plan, &mut caches, observe)
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
            self.config.padded_vocab_size,
            plan.wanted_counts,
        ))
    }
}

/// One call, with a view of the backend that keeps within its control.
struct Pass<'a, 'c, B: Backend> {
    model: &'a Transformer<B>,
    backend: B,
    control: &'a Control<'c>,
}

impl<B: Backend> Pass<'_, '_, B> {
    fn run(
        &self,
        plan: &mut Plan,
        caches: &mut [&mut B::Cache],
        observe: Observer<'_, B>,
    ) -> Result<Vec<f32>> {
        let (b, p) = (&self.backend, &self.model.params);
        let mut x = b.rows(&p.word_embeddings, &plan.ids)?;
        b.add(&mut x, &b.rows(&p.position_embeddings, &plan.positions()?)?);
        for (i, layer) in p.layers.iter().enumerate() {
            x = self.without_cancelled(x, plan)?;
            let a = self.layer_norm(&x, &layer.input_layernorm)?;
            self.store(layer, i, &a, plan, caches)?;
            let last = p.top_query.is_none() && i + 1 == p.layers.len();
            if last && plan.wanted.is_empty() {
                return Ok(Vec::new());
            }
            let a = if last {
                x = b.select(&x, &plan.wanted)?;
                let a = b.select(&a, &plan.wanted)?;
                plan.keep_wanted();
                a
            } else {
                a
            };
            let q = self.linear(&a, &layer.query)?;
            drop(a);
            x = self.finish_layer(layer, i, x, q, plan, caches)?;
            observe(i, &x)?;
        }
        let mut y = self.layer_norm(&x, &p.final_layernorm)?;
        drop(x);
        observe(p.layers.len(), &y)?;
        if let Some(top) = &p.top_query {
            let index = p.layers.len();
            y = self.without_cancelled(y, plan)?;
            let t = self.layer_norm(&y, &top.layer.input_layernorm)?;
            self.store(&top.layer, index, &t, plan, caches)?;
            drop(t);
            if plan.wanted.is_empty() {
                return Ok(Vec::new());
            }
            y = b.select(&y, &plan.wanted)?;
            plan.keep_wanted();
            // The query depends on the position alone, so it could be a table made once: that
            // would save one of the 40 x 12 h² products of a 13B step and cost 42 MB.
            let queries = b.rows(&top.embeddings, &plan.positions()?)?;
            let q = self.linear(&queries, &top.layer.query)?;
            drop(queries);
            y = self.finish_layer(&top.layer, index, y, q, plan, caches)?;
            observe(index + 1, &y)?;
        }
        self.control.progress();
        Ok(b.read(b.linear(&y, &p.word_embeddings, None)?))
    }

    /// The rows of sequences that were not cancelled.
    fn without_cancelled(&self, x: B::Activations, plan: &mut Plan) -> Result<B::Activations> {
        self.control.progress();
        match plan.drop_cancelled()? {
            None => Ok(x),
            Some(rows) if rows.is_empty() => {
                bail!(Cancelled, "every sequence of this call was cancelled")
            }
            Some(rows) => self.backend.select(&x, &rows),
        }
    }

    /// Keys and values of the input `a` of a layer go to the caches.
    fn store(
        &self,
        layer: &Layer<B>,
        index: usize,
        a: &B::Activations,
        plan: &Plan,
        caches: &mut [&mut B::Cache],
    ) -> Result<()> {
        let k = self.linear(a, &layer.key)?;
        let v = self.linear(a, &layer.value)?;
        let mut row = 0;
        for (cache, tokens) in caches.iter_mut().zip(plan.live_tokens()) {
            if tokens > 0 {
                self.backend.store(cache, index, &k, &v, row, tokens)?;
                row += tokens;
            }
        }
        Ok(())
    }

    /// Attention for the queries `q`, then the MLP, both added to `x`.
    fn finish_layer(
        &self,
        layer: &Layer<B>,
        index: usize,
        mut x: B::Activations,
        q: B::Activations,
        plan: &Plan,
        caches: &[&mut B::Cache],
    ) -> Result<B::Activations> {
        let b = &self.backend;
        let caches: Vec<&B::Cache> = try_collect(caches.iter().map(|c| &**c))?;
        let shape = HeadShape {
            heads: self.model.config.num_attention_heads,
            kv_heads: self.model.config.num_kv_heads(),
            head_dim: self.model.config.head_dim(),
        };
        // What is not needed any more goes at once: `estimate.rs` counts what lives together.
        let context = b.attend(&q, &plan.queries, &caches, index, shape)?;
        drop(q);
        b.add(&mut x, &self.linear(&context, &layer.dense)?);
        drop(context);
        let m = self.layer_norm(&x, &layer.post_attention_layernorm)?;
        let mut wide = self.linear(&m, &layer.dense_h_to_4h)?;
        drop(m);
        b.activate(&mut wide, self.model.config.activation)?;
        b.add(&mut x, &self.linear(&wide, &layer.dense_4h_to_h)?);
        Ok(x)
    }

    fn linear(&self, x: &B::Activations, layer: &Linear<B>) -> Result<B::Activations> {
        self.control.progress();
        self.backend.linear(x, &layer.weight, Some(&layer.bias))
    }

    fn layer_norm(&self, x: &B::Activations, norm: &LayerNorm<B>) -> Result<B::Activations> {
        let epsilon = self.model.config.layernorm_epsilon;
        self.backend
            .layer_norm(x, &norm.weight, &norm.bias, epsilon)
    }
}

impl<B: Backend> Model for Transformer<B> {
    fn config(&self) -> &ModelConfig {
        &self.config
    }

    fn describe(&self) -> String {
        let copied = match self.copied.tensors {
            0 => String::new(),
            _ => format!("; {}", self.copied),
        };
        format!(
            "{} layers, hidden size {}, {} parameters, {}{copied}",
            self.config.num_layers,
            self.config.hidden_size,
            self.config.parameters(),
            self.backend.name()
        )
    }

    fn new_state(&self) -> Box<dyn State> {
        Box::new(self.new_sequence())
    }

    fn page(&self) -> PageSize {
        self.backend.page(self.cache_shape())
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
        self.backend.determinism()
    }

    fn forward(&self, batch: &mut [Input<'_>], control: &Control<'_>) -> Result<Logits> {
        self.forward_observed(batch, control, &mut |_, _| Ok(()))
    }
}

/// The rows of a call: all tokens of all sequences, one after the other.
struct Plan {
    ids: Vec<u32>,
    /// Tokens of each sequence.
    tokens: Vec<usize>,
    /// One for each row that is still computed.
    queries: Vec<Query>,
    /// Rows whose logits are wanted.
    wanted: Vec<usize>,
    /// How many of those each sequence has.
    wanted_counts: Vec<usize>,
    /// What ends a sequence alone.
    cancels: Vec<Option<CancelToken>>,
    /// Whether it did.
    dropped: Vec<bool>,
}

impl Plan {
    fn new(config: &ModelConfig, batch: &[Input<'_>]) -> Result<Self> {
        let mut plan = Self {
            ids: Vec::new(),
            tokens: try_vec(batch.len())?,
            queries: Vec::new(),
            wanted: Vec::new(),
            wanted_counts: try_vec(batch.len())?,
            cancels: try_collect(batch.iter().map(|input| input.cancel.clone()))?,
            dropped: try_filled(false, batch.len())?,
        };
        for (sequence, input) in batch.iter().enumerate() {
            let (start, n) = (input.state.len(), input.ids.len());
            let most = config.max_position_embeddings;
            if n == 0 {
                bail!(
                    InvalidArgument,
                    "sequence {sequence} of the batch has no tokens"
                );
            }
            if n > most.saturating_sub(start) {
                bail!(
                    ContextOverflow,
                    "a sequence of {} tokens is longer than the {most} positions of the model; \
                     shorten the prompt",
                    start + n
                );
            }
            for (i, &id) in input.ids.iter().enumerate() {
                if id as usize >= config.padded_vocab_size {
                    bail!(
                        TokenOutOfRange,
                        "token {id} at index {i} is not below the vocabulary size {}",
                        config.padded_vocab_size
                    );
                }
            }
            let first = plan.ids.len();
            plan.ids.try_extend(input.ids)?;
            plan.tokens.push(n);
            plan.queries.try_reserve(n)?;
            plan.queries
                .extend((start..start + n).map(|position| Query { sequence, position }));
            let wanted = match input.wanted {
                Wanted::Nothing => 0,
                Wanted::Last => 1,
                Wanted::All => n,
            };
            plan.wanted.try_reserve(wanted)?;
            plan.wanted.extend(first + n - wanted..first + n);
            plan.wanted_counts.push(wanted);
        }
        Ok(plan)
    }

    fn positions(&self) -> Result<Vec<u32>> {
        // A position is below `max_position_embeddings`, which fits by validation.
        let positions = self.queries.iter().map(|q| q.position as u32);
        Ok(try_collect(positions)?)
    }

    /// Tokens of each sequence whose keys and values are computed.
    fn live_tokens(&self) -> impl Iterator<Item = usize> {
        let tokens = self.tokens.iter().zip(&self.dropped);
        tokens.map(|(&tokens, &dropped)| if dropped { 0 } else { tokens })
    }

    /// Forgets the rows of sequences that were cancelled since the last look. Returns the rows
    /// that stay, if any go.
    fn drop_cancelled(&mut self) -> Result<Option<Vec<usize>>> {
        let mut any = false;
        for (i, cancel) in self.cancels.iter().enumerate() {
            if !self.dropped[i] && cancel.as_ref().is_some_and(CancelToken::is_cancelled) {
                self.dropped[i] = true;
                self.wanted_counts[i] = 0;
                any = true;
            }
        }
        if !any {
            return Ok(None);
        }
        let rows = (0..self.queries.len()).filter(|&row| !self.dropped[self.queries[row].sequence]);
        let rows = try_collect(rows)?;
        compact(&mut self.queries, &rows);
        // Both are in order.
        self.wanted
            .retain_mut(|wanted| match rows.binary_search(wanted) {
                Ok(row) => {
                    *wanted = row;
                    true
                }
                Err(_) => false,
            });
        Ok(Some(rows))
    }

    /// From here on, only the rows whose logits are wanted are computed.
    fn keep_wanted(&mut self) {
        compact(&mut self.queries, &self.wanted);
    }
}

/// Keeps the values at `places`, which are in order.
fn compact<T: Copy>(values: &mut Vec<T>, places: &[usize]) {
    for (to, &from) in places.iter().enumerate() {
        values[to] = values[from];
    }
    values.truncate(places.len());
}
