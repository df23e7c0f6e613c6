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
//! rows whose logits are wanted go on.
//!
//! What the host knows of a step is handed to the backend once, as a plan, before the first operation.
//! A sequence that is cancelled makes another one: before each layer its rows go.

use super::ModelConfig;
use super::params::{Layer, Linear, NormParams, Params, Supply};
use super::plan::Plan;
use super::rotary::frequencies;
use crate::backend::{
    Backend, CacheShape, Gather, HeadShape, KvCache, PagePool, PageTable, PlanRows, StepPlan,
};
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

    /// The memory of its KV caches.
    pub fn pool(&self) -> B::Pool {
        self.backend.pool(CacheShape {
            layers: self.config.cached_layers(),
            kv_heads: self.config.num_kv_heads(),
            head_dim: self.config.head_dim(),
        })
    }

    /// The logits of the rows that are wanted, row after row. The caches have room for the tokens.
    ///
    /// # Errors
    /// Those of the backend; [`Cancelled`](crate::ErrorKind::Cancelled).
    pub fn forward(
        &self,
        plan: &mut Plan,
        caches: &mut [&mut KvCache<B::Pool>],
        control: &Control<'_>,
        observe: Observer<'_, B>,
    ) -> Result<Vec<f32>> {
        plan.embed_positions(&self.config, &self.frequencies)?;
        let pass = Pass {
            model: self,
            backend: self.backend.scoped(control),
            control,
        };
        pass.run(plan, caches, observe)
    }
}

/// One call, with a view of the backend that keeps within its control.
struct Pass<'a, 'c, B: Backend> {
    model: &'a Graph<B>,
    backend: B,
    control: &'a Control<'c>,
}

type Tables<'p, B> = Vec<PageTable<'p, <<B as Backend>::Pool as PagePool>::Page>>;

/// What the queries of a layer are made of.
enum QueriesOf<'a, M> {
    /// The layer's own input.
    Input,
    /// A row of this table for each position.
    Table(&'a M),
}

impl<B: Backend> Pass<'_, '_, B> {
    fn run(
        &self,
        plan: &mut Plan,
        caches: &mut [&mut KvCache<B::Pool>],
        observe: Observer<'_, B>,
    ) -> Result<Vec<f32>> {
        let p = &self.model.params;
        let top = p.top_query.as_ref();
        let layers = p.layers.iter().map(|layer| (layer, QueriesOf::Input));
        let top_layer = top.map(|top| (&top.layer, QueriesOf::Table(&top.embeddings)));
        let last = p.layers.len() - usize::from(top.is_none());
        let mut taken = self.take(&plan.step, caches)?;
        let mut x = self.embed(&taken)?;
        for (index, (layer, queries)) in layers.chain(top_layer).enumerate() {
            let above = matches!(queries, QueriesOf::Table(_));
            if above {
                x = self.norm(&x, &p.final_norm)?;
                observe(index, &x)?;
            }
            self.control.progress();
            if plan.has_cancelled() {
                drop(taken);
                plan.drop_cancelled()?;
                taken = self.take(&plan.step, caches)?;
                x = self.backend.gather(&x, &taken, Gather::Kept)?;
            }
            let narrows = index == last;
            if narrows && plan.step.wanted.is_empty() {
                self.keys_and_values(index, layer, &x, &mut taken)?;
                return Ok(Vec::new());
            }
            x = self.layer(index, layer, (x, queries), narrows, &mut taken)?;
            observe(index + usize::from(above), &x)?;
        }
        if top.is_none() {
            x = self.norm(&x, &p.final_norm)?;
            observe(p.layers.len(), &x)?;
        }
        self.control.progress();
        let (head, bias) = match &p.head {
            Some(head) => (&head.weight, head.bias.as_ref()),
            None => (&p.word_embeddings, None),
        };
        let mut logits = self.backend.linear(&x, head, bias)?;
        drop(x);
        self.scale(&mut logits, self.model.config.logits_multiplier)?;
        self.backend.read(logits)
    }

    /// Hands a plan to the backend.
    fn take<'p>(
        &self,
        step: &'p StepPlan,
        caches: &'p mut [&mut KvCache<B::Pool>],
    ) -> Result<B::Plan<'p>> {
        let tables: Tables<'p, B> = try_collect(caches.iter_mut().map(|cache| cache.table()))?;
        self.backend.plan(step, tables)
    }

    fn embed(&self, plan: &B::Plan<'_>) -> Result<B::Activations> {
        let (b, p, config) = (&self.backend, &self.model.params, &self.model.config);
        let mut x = b.embed(&p.word_embeddings, plan)?;
        self.scale(&mut x, config.embedding_multiplier)?;
        if let Some(table) = &p.position_embeddings {
            b.add(&mut x, &b.embed_positions(table, plan, PlanRows::All)?)?;
        }
        if let Position::Sinusoidal { .. } = config.position {
            b.add_sinusoids(&mut x, plan)?;
        }
        Ok(x)
    }

    /// Computes and keeps the keys and values of a layer; its normalised input.
    fn keys_and_values(
        &self,
        index: usize,
        layer: &Layer<B>,
        x: &B::Activations,
        plan: &mut B::Plan<'_>,
    ) -> Result<B::Activations> {
        let a = self.norm(x, &layer.input_norm)?;
        let mut k = self.linear(&a, &layer.key)?;
        let v = self.linear(&a, &layer.value)?;
        self.place(&mut k, layer.key_norm.as_ref(), plan, PlanRows::All)?;
        self.backend.write_kv(plan, index, &k, &v)?;
        Ok(a)
    }

    /// A layer over `input`; with `narrows`, of the rows alone whose logits are wanted once the keys
    /// and values of all are kept.
    fn layer(
        &self,
        index: usize,
        layer: &Layer<B>,
        (mut x, queries): (B::Activations, QueriesOf<'_, B::Matrix>),
        narrows: bool,
        plan: &mut B::Plan<'_>,
    ) -> Result<B::Activations> {
        let residual = self.model.config.residual;
        let mut a = self.keys_and_values(index, layer, &x, plan)?;
        let mut rows = PlanRows::All;
        if narrows {
            rows = PlanRows::Wanted;
            x = self.backend.gather(&x, plan, Gather::Wanted)?;
            if matches!(queries, QueriesOf::Input) {
                a = self.backend.gather(&a, plan, Gather::Wanted)?;
            }
        }
        let mut q = match queries {
            QueriesOf::Input => self.linear(&a, &layer.query)?,
            QueriesOf::Table(table) => {
                drop(a);
                // The query depends on the position alone, so it could be a table made once: that
                // would save one of the 40 x 12 h² products of a 13B step and cost 42 MB.
                a = self.backend.embed_positions(table, plan, rows)?;
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
        self.place(&mut q, layer.query_norm.as_ref(), plan, rows)?;
        let shape = self.head_shape(index);
        let context = self.backend.attend(&q, plan, rows, index, shape)?;
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
        Ok(x)
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

    /// Normalises and rotates the heads of queries or keys.
    fn place(
        &self,
        x: &mut B::Activations,
        norm: Option<&B::Vector>,
        plan: &B::Plan<'_>,
        rows: PlanRows,
    ) -> Result<()> {
        let config = &self.model.config;
        if let Some(weight) = norm {
            (self.backend).norm_heads(x, weight, config.layernorm_epsilon)?;
        }
        match &config.position {
            Position::Rotary(rotary) => {
                (self.backend).rotate(x, plan, rows, rotary.pairs, config.head_dim())
            }
            _ => Ok(()),
        }
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
