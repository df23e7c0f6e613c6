//! The parameters of a model, taken over by a backend.

use super::checkpoint::Checkpoint;
use crate::backend::Backend;
use crate::error::Result;
use crate::memory::try_collect_ok;
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
    /// Takes every tensor of the model from a checkpoint, which has checked that all are there
    /// and have the shapes of its configuration.
    ///
    /// # Errors
    /// What reading a tensor or the backend reports, and
    /// [`Cancelled`](crate::ErrorKind::Cancelled) when the progress callback ends it.
    pub fn load(backend: &B, checkpoint: &Checkpoint) -> Result<Self> {
        let loader = Loader {
            backend,
            checkpoint,
        };
        let config = checkpoint.config();
        let layers = (0..config.num_layers).map(|i| loader.layer(&format!("layers.{i}")));
        let top_query = match config.top_query {
            false => None,
            true => Some(TopQuery {
                embeddings: loader.matrix("top_query_embeddings.weight")?,
                layer: loader.layer("topQueryLayer")?,
            }),
        };
        Ok(Self {
            word_embeddings: loader.matrix("word_embeddings.weight")?,
            position_embeddings: loader.matrix("position_embeddings.weight")?,
            layers: try_collect_ok(layers)?,
            final_layernorm: loader.layer_norm("final_layernorm")?,
            top_query,
        })
    }
}

struct Loader<'a, B> {
    backend: &'a B,
    checkpoint: &'a Checkpoint,
}

impl<B: Backend> Loader<'_, B> {
    fn matrix(&self, name: &str) -> Result<B::Matrix> {
        self.checkpoint.progress()?;
        self.backend.matrix(&self.checkpoint.stored(name)?)
    }

    fn vector(&self, name: &str) -> Result<B::Vector> {
        self.checkpoint.progress()?;
        self.backend.vector(&self.checkpoint.tensor(name)?)
    }

    fn linear(&self, name: &str) -> Result<Linear<B>> {
        Ok(Linear {
            weight: self.matrix(&format!("{name}.weight"))?,
            bias: self.vector(&format!("{name}.bias"))?,
        })
    }

    fn layer_norm(&self, name: &str) -> Result<LayerNorm<B>> {
        Ok(LayerNorm {
            weight: self.vector(&format!("{name}.weight"))?,
            bias: self.vector(&format!("{name}.bias"))?,
        })
    }

    fn layer(&self, name: &str) -> Result<Layer<B>> {
        let linear = |part: &str| self.linear(&format!("{name}.{part}"));
        let norm = |part: &str| self.layer_norm(&format!("{name}.{part}"));
        Ok(Layer {
            input_layernorm: norm("input_layernorm")?,
            query: linear("attention.query")?,
            key: linear("attention.key")?,
            value: linear("attention.value")?,
            dense: linear("attention.dense")?,
            post_attention_layernorm: norm("post_attention_layernorm")?,
            dense_h_to_4h: linear("mlp.dense_h_to_4h")?,
            dense_4h_to_h: linear("mlp.dense_4h_to_h")?,
        })
    }
}
