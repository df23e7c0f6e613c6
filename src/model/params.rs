//! The parameters of a model, taken over by a backend.

use std::collections::HashMap;

use super::ModelConfig;
use super::checkpoint::{Checkpoint, Parameter};
use crate::backend::Backend;
use crate::error::{Result, bail};
use crate::family::{Kind, Module, Place, Slot};
use crate::memory::{self, try_collect_ok};
use crate::weights::WeightSource;

/// Scale and, if there is one, offset of a norm: `[h]` each.
#[derive(Debug)]
pub struct NormParams<B: Backend> {
    pub weight: B::Vector,
    pub bias: Option<B::Vector>,
}

/// A linear layer: `[out, in]` and, if there is one, `[out]`.
#[derive(Debug)]
pub struct Linear<B: Backend> {
    pub weight: B::Matrix,
    pub bias: Option<B::Vector>,
}

/// A decoder layer or the top query layer; see [`Module`] for the shapes.
#[derive(Debug)]
pub struct Layer<B: Backend> {
    pub input_norm: NormParams<B>,
    pub query: Linear<B>,
    pub key: Linear<B>,
    pub value: Linear<B>,
    pub query_norm: Option<B::Vector>,
    pub key_norm: Option<B::Vector>,
    pub dense: Linear<B>,
    /// Of an MLP with a norm of its own.
    pub mlp_norm: Option<NormParams<B>>,
    /// Of a gated MLP.
    pub gate: Option<Linear<B>>,
    pub up: Linear<B>,
    pub down: Linear<B>,
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
    /// `[vocab, h]`, also the LM head if there is no other.
    pub word_embeddings: B::Matrix,
    /// `[positions, h]`
    pub position_embeddings: Option<B::Matrix>,
    pub layers: Vec<Layer<B>>,
    pub final_norm: NormParams<B>,
    pub top_query: Option<TopQuery<B>>,
    pub head: Option<Linear<B>>,
}

/// Where parameters come from. What a model does not have is `None`.
pub trait Supply<B: Backend> {
    /// The matrix of a slot.
    fn matrix(&self, slot: Slot) -> Result<Option<B::Matrix>>;

    /// The vector of a slot.
    fn vector(&self, slot: Slot) -> Result<Option<B::Vector>>;
}

impl<B: Backend> Params<B> {
    /// The parameters of a configuration.
    ///
    /// # Errors
    /// Those of `supply`.
    pub fn new(config: &ModelConfig, supply: &impl Supply<B>) -> Result<Self> {
        let table = |module| Slot::model(module, Kind::Weight);
        let part = |place| Part { supply, place };
        let model = part(Place::Model);
        let layers = (0..config.num_layers).map(|i| part(Place::Layer(i)).layer());
        let top_query = match supply.matrix(table(Module::TopQueryEmbeddings))? {
            None => None,
            Some(embeddings) => Some(TopQuery {
                embeddings,
                layer: part(Place::TopLayer).layer()?,
            }),
        };
        let words = supply.matrix(table(Module::WordEmbeddings))?;
        Ok(Self {
            word_embeddings: there(words, Module::WordEmbeddings)?,
            position_embeddings: supply.matrix(table(Module::PositionEmbeddings))?,
            layers: try_collect_ok(layers)?,
            final_norm: there(model.norm(Module::FinalNorm)?, Module::FinalNorm)?,
            top_query,
            head: model.linear(Module::Head)?,
        })
    }
}

/// The parameters of a place.
struct Part<'a, S> {
    supply: &'a S,
    place: Place,
}

impl<S> Part<'_, S> {
    fn slot(&self, module: Module, kind: Kind) -> Slot {
        let place = self.place;
        Slot {
            place,
            module,
            kind,
        }
    }

    fn linear<B: Backend>(&self, module: Module) -> Result<Option<Linear<B>>>
    where
        S: Supply<B>,
    {
        let Some(weight) = self.supply.matrix(self.slot(module, Kind::Weight))? else {
            return Ok(None);
        };
        let bias = self.supply.vector(self.slot(module, Kind::Bias))?;
        Ok(Some(Linear { weight, bias }))
    }

    fn norm<B: Backend>(&self, module: Module) -> Result<Option<NormParams<B>>>
    where
        S: Supply<B>,
    {
        let Some(weight) = self.supply.vector(self.slot(module, Kind::Weight))? else {
            return Ok(None);
        };
        let bias = self.supply.vector(self.slot(module, Kind::Bias))?;
        Ok(Some(NormParams { weight, bias }))
    }

    fn layer<B: Backend>(&self) -> Result<Layer<B>>
    where
        S: Supply<B>,
    {
        let linear = |module| there(self.linear(module)?, module);
        let head_norm = |module| self.supply.vector(self.slot(module, Kind::Weight));
        Ok(Layer {
            input_norm: there(self.norm(Module::InputNorm)?, Module::InputNorm)?,
            query: linear(Module::Query)?,
            key: linear(Module::Key)?,
            value: linear(Module::Value)?,
            query_norm: head_norm(Module::QueryNorm)?,
            key_norm: head_norm(Module::KeyNorm)?,
            dense: linear(Module::Dense)?,
            mlp_norm: self.norm(Module::PostAttentionNorm)?,
            gate: self.linear(Module::Gate)?,
            up: linear(Module::Up)?,
            down: linear(Module::Down)?,
        })
    }
}

/// Takes tensors of a checkpoint over, which has checked that all are there and have the shapes of
/// its configuration.
///
/// Its errors are what reading a tensor or the backend reports, and
/// [`Cancelled`](crate::ErrorKind::Cancelled) when the progress callback ends it.
pub struct Loader<'a, B> {
    backend: B,
    checkpoint: &'a Checkpoint,
    slots: HashMap<Slot, &'a Parameter>,
}

impl<'a, B: Backend> Loader<'a, B> {
    pub fn new(backend: B, checkpoint: &'a Checkpoint) -> Result<Self> {
        let mut slots = HashMap::new();
        for parameter in checkpoint.parameters() {
            memory::insert(&mut slots, parameter.slot, parameter)?;
        }
        Ok(Self {
            backend,
            checkpoint,
            slots,
        })
    }
}

impl<B: Backend> Supply<B> for Loader<'_, B> {
    fn matrix(&self, slot: Slot) -> Result<Option<B::Matrix>> {
        let Some(parameter) = self.slots.get(&slot) else {
            return Ok(None);
        };
        self.checkpoint.progress()?;
        let stored = self.checkpoint.stored_as(parameter)?;
        self.backend.matrix(&stored).map(Some)
    }

    fn vector(&self, slot: Slot) -> Result<Option<B::Vector>> {
        let Some(parameter) = self.slots.get(&slot) else {
            return Ok(None);
        };
        self.checkpoint.progress()?;
        let tensor = self.checkpoint.tensor(&parameter.name)?;
        self.backend.vector(&tensor).map(Some)
    }
}

/// What every model has.
fn there<T>(found: Option<T>, module: Module) -> Result<T> {
    match found {
        Some(found) => Ok(found),
        None => bail!(
            Internal,
            "the table of parameters has no `{}`",
            module.name()
        ),
    }
}
