//! The forward pass, written once for all families and backends. A configuration says which of its
//! parts a model has.
//!
//! ```text
//! x = word_embedding[id] (+ position_embedding[n])
//! each layer:  a = norm(x);  c = attend(q(a), k(a), v(a))      q and k normalised, rotated
//!              one after the other:  x += dense(c);  x += mlp(norm(x))
//!              side by side:         x += dense(c) + mlp(norm(x)), or mlp(a)
//! y = norm(x)
//! top layer (CodeGeeX; paper, section 2.2 and figure 3): another one over y, whose queries are
//!              q(top_query_embedding[n])
//! logits = head(y)
//! ```
//!
//! All tokens of all sequences of a call go through the linear layers together; attention looks
//! at each sequence's own cache. After the keys and values of the last cached layer, only the
//! rows whose logits are wanted go on. Before each layer, the rows of sequences that were cancelled
//! go.

use super::ModelConfig;
use super::params::{Layer, Linear, NormParams, Params, Supply};
use super::plan::Plan;
use super::rotary::{frequencies, sinusoids};
use crate::backend::{Backend, CacheShape, HeadShape};
use crate::cancel::Control;
use crate::error::{Result, bail};
use crate::family::{Position, Residual};
use crate::memory::try_collect;

/// The parameters of a model on a backend, and how they are put together.
#[derive(Debug)]
pub(super) struct Graph<B: Backend> {
    pub config: ModelConfig,
    pub backend: B,
    params: Params<B>,
    /// Of rotary position embedding; empty without.
    pub frequencies: Vec<f32>,
}

/// Sees the hidden states of a call: their index and `[tokens, h]`.
pub(super) type Observer<'a, B> =
    &'a mut dyn FnMut(usize, &<B as Backend>::Activations) -> Result<()>;

impl<B: Backend> Graph<B> {
    /// # Errors
    /// Those of `parameters`, and no memory.
    pub fn new(config: &ModelConfig, backend: B, parameters: &impl Supply<B>) -> Result<Self> {
        Ok(Self {
            params: Params::new(config, parameters)?,
            frequencies: frequencies(config)?,
            config: config.clone(),
            backend,
        })
    }

    pub fn cache_shape(&self) -> CacheShape {
        CacheShape {
            layers: self.config.cached_layers(),
            kv_heads: self.config.num_kv_heads(),
            head_dim: self.config.head_dim(),
        }
    }

    /// The logits of the rows that are wanted, row after row. The caches have room for the tokens.
    ///
    /// # Errors
    /// Those of the backend; [`Cancelled`](crate::ErrorKind::Cancelled).
    pub fn forward(
        &self,
        plan: &mut Plan,
        caches: &mut [&mut B::Cache],
        control: &Control<'_>,
        observe: Observer<'_, B>,
    ) -> Result<Vec<f32>> {
        let mut pass = Pass {
            model: self,
            backend: self.backend.scoped(control),
            control,
            angles: None,
        };
        pass.run(plan, caches, observe)
    }
}

/// One call, with a view of the backend that keeps within its control.
struct Pass<'a, 'c, B: Backend> {
    model: &'a Graph<B>,
    backend: B,
    control: &'a Control<'c>,
    /// Of the rows that are still computed, when they were asked for.
    angles: Option<B::Angles>,
}

/// What the queries of a layer are made of.
enum QueriesOf<'a, M> {
    /// The layer's own input.
    Input,
    /// A row of this table for each position.
    Table(&'a M),
}

impl<B: Backend> Pass<'_, '_, B> {
    fn run(
        &mut self,
        plan: &mut Plan,
        caches: &mut [&mut B::Cache],
        observe: Observer<'_, B>,
    ) -> Result<Vec<f32>> {
        let p = &self.model.params;
        let mut x = self.embed(plan)?;
        for (i, layer) in p.layers.iter().enumerate() {
            let last = p.top_query.is_none() && i + 1 == p.layers.len();
            let input = (x, QueriesOf::Input);
            match self.layer(i, layer, input, last, plan, caches)? {
                Some(result) => x = result,
                None => return Ok(Vec::new()),
            }
            observe(i, &x)?;
        }
        let mut y = self.norm(&x, &p.final_norm)?;
        drop(x);
        observe(p.layers.len(), &y)?;
        if let Some(top) = &p.top_query {
            let index = p.layers.len();
            // The query depends on the position alone, so it could be a table made once: that
            // would save one of the 40 x 12 h² products of a 13B step and cost 42 MB.
            let input = (y, QueriesOf::Table(&top.embeddings));
            match self.layer(index, &top.layer, input, true, plan, caches)? {
                Some(result) => y = result,
                None => return Ok(Vec::new()),
            }
            observe(index + 1, &y)?;
        }
        self.control.progress();
        let (head, bias) = match &p.head {
            Some(head) => (&head.weight, head.bias.as_ref()),
            None => (&p.word_embeddings, None),
        };
        let mut logits = self.backend.linear(&y, head, bias)?;
        drop(y);
        self.scale(&mut logits, self.model.config.logits_multiplier)?;
        Ok(self.backend.read(logits))
    }

    fn embed(&self, plan: &Plan) -> Result<B::Activations> {
        let (b, p, config) = (&self.backend, &self.model.params, &self.model.config);
        let mut x = b.rows(&p.word_embeddings, &plan.ids)?;
        self.scale(&mut x, config.embedding_multiplier)?;
        if let Some(table) = &p.position_embeddings {
            b.add(&mut x, &b.rows(table, &plan.positions()?)?)?;
        }
        if let Position::Sinusoidal { offset } = config.position {
            let values = sinusoids(&plan.positions()?, offset, config.hidden_size)?;
            b.add(&mut x, &b.upload(values, config.hidden_size)?)?;
        }
        Ok(x)
    }

    /// A layer over `input`; with `narrows`, of the rows alone whose logits are wanted once their keys
    /// and values are kept. `None` if there are none.
    fn layer(
        &mut self,
        index: usize,
        layer: &Layer<B>,
        (x, queries): (B::Activations, QueriesOf<'_, B::Matrix>),
        narrows: bool,
        plan: &mut Plan,
        caches: &mut [&mut B::Cache],
    ) -> Result<Option<B::Activations>> {
        let residual = self.model.config.residual;
        let mut x = self.without_cancelled(x, plan)?;
        let mut a = self.norm(&x, &layer.input_norm)?;
        let mut k = self.linear(&a, &layer.key)?;
        let v = self.linear(&a, &layer.value)?;
        self.place(&mut k, layer.key_norm.as_ref(), plan)?;
        (self.backend).store(caches, index, &k, &v, &plan.live_tokens()?)?;
        drop((k, v));
        if narrows {
            if plan.wanted.is_empty() {
                return Ok(None);
            }
            x = self.backend.select(&x, &plan.wanted)?;
            if matches!(queries, QueriesOf::Input) {
                a = self.backend.select(&a, &plan.wanted)?;
            }
            plan.keep_wanted();
            self.angles = None;
        }
        let mut q = match queries {
            QueriesOf::Input => self.linear(&a, &layer.query)?,
            QueriesOf::Table(table) => {
                drop(a);
                a = self.backend.rows(table, &plan.positions()?)?;
                self.linear(&a, &layer.query)?
            }
        };
        // What is not needed any more goes at once: `shape.rs` counts what lives together.
        let beside = match (residual, &layer.mlp_norm) {
            (Residual::Sequential, _) => {
                drop(a);
                None
            }
            (_, Some(norm)) => {
                drop(a);
                Some(self.norm(&x, norm)?)
            }
            (_, None) => Some(a),
        };
        self.place(&mut q, layer.query_norm.as_ref(), plan)?;
        let context = {
            let caches: Vec<&B::Cache> = try_collect(caches.iter().map(|c| &**c))?;
            let shape = self.head_shape(index);
            (self.backend).attend(&q, &plan.queries, &caches, index, shape)?
        };
        drop(q);
        let added = self.linear(&context, &layer.dense)?;
        drop(context);
        self.add(&mut x, added)?;
        let m = match (beside, &layer.mlp_norm) {
            (Some(m), _) => m,
            (None, Some(norm)) => self.norm(&x, norm)?,
            (None, None) => bail!(Internal, "a layer without a norm before its MLP"),
        };
        let added = self.mlp(layer, m)?;
        self.add(&mut x, added)?;
        Ok(Some(x))
    }

    fn mlp(&self, layer: &Layer<B>, m: B::Activations) -> Result<B::Activations> {
        let activation = self.model.config.activation;
        let wide = match &layer.gate {
            None => {
                let mut wide = self.linear(&m, &layer.up)?;
                drop(m);
                self.backend.activate(&mut wide, activation)?;
                wide
            }
            Some(gate) => {
                let mut wide = self.linear(&m, gate)?;
                let up = self.linear(&m, &layer.up)?;
                drop(m);
                self.backend.gate(&mut wide, &up, activation)?;
                wide
            }
        };
        self.linear(&wide, &layer.down)
    }

    /// The rows of sequences that were not cancelled.
    fn without_cancelled(&mut self, x: B::Activations, plan: &mut Plan) -> Result<B::Activations> {
        self.control.progress();
        match plan.drop_cancelled()? {
            None => Ok(x),
            Some(rows) if rows.is_empty() => {
                bail!(Cancelled, "every sequence of this call was cancelled")
            }
            Some(rows) => {
                self.angles = None;
                self.backend.select(&x, &rows)
            }
        }
    }

    /// Normalises and rotates the heads of queries or keys.
    fn place(
        &mut self,
        x: &mut B::Activations,
        norm: Option<&B::Vector>,
        plan: &Plan,
    ) -> Result<()> {
        let config = &self.model.config;
        if let Some(weight) = norm {
            (self.backend).norm_heads(x, weight, config.layernorm_epsilon)?;
        }
        let Position::Rotary(rotary) = &config.position else {
            return Ok(());
        };
        let angles = match &mut self.angles {
            Some(angles) => angles,
            none => {
                let positions = plan.positions()?;
                none.insert((self.backend).angles(&positions, &self.model.frequencies)?)
            }
        };
        (self.backend).rotate(x, angles, rotary.pairs, config.head_dim())
    }

    fn head_shape(&self, layer: usize) -> HeadShape {
        let config = &self.model.config;
        let usual = 1.0 / (config.head_dim() as f32).sqrt();
        let scale = config.attention_multiplier.unwrap_or(usual);
        HeadShape {
            heads: config.num_attention_heads,
            kv_heads: config.num_kv_heads(),
            head_dim: config.head_dim(),
            scale: match config.attention_by_layer {
                true => scale / (layer + 1) as f32,
                false => scale,
            },
            window: config.window_of(layer),
        }
    }

    fn add(&self, x: &mut B::Activations, mut added: B::Activations) -> Result<()> {
        self.scale(&mut added, self.model.config.residual_multiplier)?;
        self.backend.add(x, &added)
    }

    fn scale(&self, x: &mut B::Activations, factor: f32) -> Result<()> {
        match factor {
            1.0 => Ok(()),
            _ => self.backend.scale(x, factor),
        }
    }

    fn linear(&self, x: &B::Activations, layer: &Linear<B>) -> Result<B::Activations> {
        self.control.progress();
        self.backend.linear(x, &layer.weight, layer.bias.as_ref())
    }

    fn norm(&self, x: &B::Activations, norm: &NormParams<B>) -> Result<B::Activations> {
        let config = &self.model.config;
        let epsilon = config.layernorm_epsilon;
        (self.backend).norm(x, config.norm, &norm.weight, norm.bias.as_ref(), epsilon)
    }
}
