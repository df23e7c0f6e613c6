//! The parameters of a model, taken over by a backend, each checked against the configuration.

use super::config::ModelConfig;
use crate::backend::Backend;
use crate::error::{Result, bail};
use crate::weights::WeightSource;

/// Scale and offset of a layer norm: `[h]` each.
#[derive(Debug)]
pub struct LayerNorm<B: Backend> {
    pub weight: B::Vector,
    pub bias: B::Vector,
}

/// A linear layer: `[out, in]` and `[out]`.
#[derive(Debug)]
pub struct Linear<B: Backend> {
    pub weight: B::Matrix,
    pub bias: B::Vector,
}

/// A decoder layer or the top query layer; f is the width of the MLP, kv that of the keys.
#[derive(Debug)]
pub struct Layer<B: Backend> {
    pub input_layernorm: LayerNorm<B>,
    /// `[h, h]`
    pub query: Linear<B>,
    /// `[kv, h]`
    pub key: Linear<B>,
    /// `[kv, h]`
    pub value: Linear<B>,
    /// `[h, h]`
    pub dense: Linear<B>,
    pub post_attention_layernorm: LayerNorm<B>,
    /// `[f, h]`
    pub dense_h_to_4h: Linear<B>,
    /// `[h, f]`
    pub dense_4h_to_h: Linear<B>,
}

/// The top query layer and its table of queries.
#[derive(Debug)]
pub struct TopQuery<B: Backend> {
    /// `[positions, h]`
    pub embeddings: B::Matrix,
    pub layer: Layer<B>,
}

/// All parameters.
#[derive(Debug)]
pub struct Params<B: Backend> {
    /// `[vocab, h]`, also the LM head.
    pub word_embeddings: B::Matrix,
    /// `[positions, h]`
    pub position_embeddings: B::Matrix,
    pub layers: Vec<Layer<B>>,
    pub final_layernorm: LayerNorm<B>,
    pub top_query: Option<TopQuery<B>>,
}

impl<B: Backend> Params<B> {
    /// Takes every tensor of the model from `source`.
    ///
    /// # Errors
    /// [`MissingTensor`](crate::ErrorKind::MissingTensor) or
    /// [`ShapeMismatch`](crate::ErrorKind::ShapeMismatch), naming the tensor; what the backend
    /// reports.
    pub fn load(backend: &B, source: &dyn WeightSource, config: &ModelConfig) -> Result<Self> {
        let loader = Loader {
            backend,
            source,
            config,
        };
        let (h, positions) = (config.hidden_size, config.max_position_embeddings);
        let mut layers = Vec::new();
        for i in 0..config.num_layers {
            layers.push(loader.layer(&format!("layers.{i}"))?);
        }
        let top_query = match config.top_query {
            false => None,
            true => Some(TopQuery {
                embeddings: loader.matrix("top_query_embeddings.weight", positions, h)?,
                layer: loader.layer("topQueryLayer")?,
            }),
        };
        Ok(Self {
            word_embeddings: loader.embedding("word_embeddings.weight")?,
            position_embeddings: loader.matrix("position_embeddings.weight", positions, h)?,
            layers,
            final_layernorm: loader.layer_norm("final_layernorm")?,
            top_query,
        })
    }
}

struct Loader<'a, B> {
    backend: &'a B,
    source: &'a dyn WeightSource,
    config: &'a ModelConfig,
}

impl<B: Backend> Loader<'_, B> {
    fn matrix(&self, name: &str, rows: usize, cols: usize) -> Result<B::Matrix> {
        let tensor = self.source.tensor(name)?;
        if tensor.info.shape != [rows, cols] {
            bail!(
                ShapeMismatch,
                "{}: {name} is {:?}, the configuration says [{rows}, {cols}]",
                self.source.describe(),
                tensor.info.shape
            );
        }
        self.backend.matrix(&tensor, rows)
    }

    /// A published word embedding may have more rows than the vocabulary; the first ones count.
    fn embedding(&self, name: &str) -> Result<B::Matrix> {
        let (rows, cols) = (self.config.padded_vocab_size, self.config.hidden_size);
        let tensor = self.source.tensor(name)?;
        if !matches!(tensor.info.shape[..], [r, c] if r >= rows && c == cols) {
            bail!(
                ShapeMismatch,
                "{}: {name} is {:?}, the configuration says [{rows} or more, {cols}]",
                self.source.describe(),
                tensor.info.shape
            );
        }
        self.backend.matrix(&tensor, rows)
    }

    fn vector(&self, name: &str, len: usize) -> Result<B::Vector> {
        let tensor = self.source.tensor(name)?;
        if tensor.info.shape != [len] {
            bail!(
                ShapeMismatch,
                "{}: {name} is {:?}, the configuration says [{len}]",
                self.source.describe(),
                tensor.info.shape
            );
        }
        self.backend.vector(&tensor)
    }

    fn linear(&self, name: &str, rows: usize, cols: usize) -> Result<Linear<B>> {
        Ok(Linear {
            weight: self.matrix(&format!("{name}.weight"), rows, cols)?,
            bias: self.vector(&format!("{name}.bias"), rows)?,
        })
    }

    fn layer_norm(&self, name: &str) -> Result<LayerNorm<B>> {
        let h = self.config.hidden_size;
        Ok(LayerNorm {
            weight: self.vector(&format!("{name}.weight"), h)?,
            bias: self.vector(&format!("{name}.bias"), h)?,
        })
    }

    fn layer(&self, name: &str) -> Result<Layer<B>> {
        let (h, kv, f) = (
            self.config.hidden_size,
            self.config.kv_width(),
            self.config.ffn_width(),
        );
        let linear = |part: &str, rows, cols| self.linear(&format!("{name}.{part}"), rows, cols);
        Ok(Layer {
            input_layernorm: self.layer_norm(&format!("{name}.input_layernorm"))?,
            query: linear("attention.query", h, h)?,
            key: linear("attention.key", kv, h)?,
            value: linear("attention.value", kv, h)?,
            dense: linear("attention.dense", h, h)?,
            post_attention_layernorm: self
                .layer_norm(&format!("{name}.post_attention_layernorm"))?,
            dense_h_to_4h: linear("mlp.dense_h_to_4h", f, h)?,
            dense_4h_to_h: linear("mlp.dense_4h_to_h", h, f)?,
        })
    }
}
