//! Checkpoints: from bytes on disk to named tensor views.
//!
//! A [`WeightSource`] is an opened checkpoint whose tensors carry the names of the published
//! single-file form, flattened (see [`WeightSource`] for the list), whatever layout the file has:
//! split or merged query-key-value, one file, tensor-parallel shards or a folder of arrays. Opening maps files and
//! reads their tables; no weight is touched or copied. A tensor that is spread over shards comes
//! as several [`Block`]s.
//!
//! This module knows formats. It does not know layers, configurations or arithmetic.
#![forbid(unsafe_code)]

mod assembled;
pub(crate) mod index;
mod json;
mod keymap;
mod location;
pub(crate) mod npy;
mod open;
mod part;
pub(crate) mod pickle;
mod progress;
mod pytorch;
pub mod safetensors;
pub(crate) mod zip;

use std::fmt;
use std::path::PathBuf;

use crate::error::Result;

pub use crate::tensor::{Block, Tensor, TensorInfo};
pub use location::{Location, locate};
pub(crate) use open::Names;
pub use open::{MemoryMode, from_bytes, open};
pub use progress::LoadProgress;
pub(crate) use progress::Meter;

/// Bytes of opened files.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Footprint {
    /// In mapped files: they take memory only as far as they are read, and the system may take
    /// that back.
    pub mapped: u64,
    /// In allocations.
    pub owned: u64,
}

/// What lies in or beside a checkpoint and is not read.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Ignored {
    /// Tensors beside the model's state: an optimizer's, for instance.
    pub tensors: usize,
    /// Entries beside the model's state: `args`, `optimizer`.
    pub entries: Vec<String>,
    /// Files in its folder that hold the state of training.
    pub files: usize,
}

/// Tensor-parallel shards of which some are not there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MissingShards {
    /// Shards that were opened.
    pub have: usize,
    /// Shards of the whole model.
    pub all: usize,
    /// The name of the first that is missing, where it is known.
    pub first: Option<String>,
}

/// An opened checkpoint under canonical names.
///
/// Canonical names are `word_embeddings.weight`, `position_embeddings.weight`,
/// `top_query_embeddings.weight`, `final_layernorm.{weight,bias}`, and, below `layers.{i}.` and
/// `topQueryLayer.`: `input_layernorm.*`, `attention.{query,key,value,dense}.*`,
/// `post_attention_layernorm.*`, `mlp.{dense_h_to_4h,dense_4h_to_h}.*`, each with `weight` and
/// `bias`.
pub trait WeightSource: Send + Sync + fmt::Debug {
    /// Every tensor, in the canonical order: embeddings, layers by number, final layer norm, top
    /// query layer; what is unknown comes last.
    fn tensors(&self) -> &[TensorInfo];

    /// The bytes of a tensor. Touches none of them.
    ///
    /// # Errors
    /// [`MissingTensor`](crate::ErrorKind::MissingTensor), naming the tensor and the file.
    fn tensor(&self, name: &str) -> Result<Tensor>;

    /// Text metadata stored in the file itself (safetensors has some, `.pt` has none).
    fn metadata(&self) -> &[(String, String)] {
        &[]
    }

    /// Reads every copy of a tensor that several shards repeat, and compares them.
    ///
    /// # Errors
    /// [`MalformedFile`](crate::ErrorKind::MalformedFile), naming the tensor and the files that
    /// disagree.
    fn verify_copies(&self, name: &str) -> Result<()> {
        let _ = name;
        Ok(())
    }

    /// Bytes that [`tensor`](Self::tensor) has to allocate for this one, because its data cannot
    /// be used where they lie; none for nearly every tensor of nearly every file.
    fn copied_bytes(&self, name: &str) -> u64 {
        let _ = name;
        0
    }

    /// Bytes of the files as opened: mapped, and held in memory of their own.
    fn footprint(&self) -> Footprint {
        Footprint::default()
    }

    /// The files that were opened, where they are files.
    fn files(&self) -> &[PathBuf] {
        &[]
    }

    /// What lies in or beside the checkpoint and is not read.
    fn ignored(&self) -> Option<&Ignored> {
        None
    }

    /// What stands where a missing tensor, or a dictionary with it, should: its name in the file,
    /// and its class or element type.
    fn instead_of(&self, name: &str) -> Option<(&str, &str)> {
        let _ = name;
        None
    }

    /// Whether a tensor is only part of one of the `expected` shape, because shards are missing.
    fn missing_shards(&self, name: &str, expected: &[usize]) -> Option<MissingShards> {
        let _ = (name, expected);
        None
    }

    /// What and where it is, for messages: `merged_qkv.pt (PyTorch, merged QKV)`.
    fn describe(&self) -> String;

    /// The description of one tensor, if it is there.
    fn info(&self, name: &str) -> Option<&TensorInfo> {
        self.tensors().iter().find(|t| t.name == name)
    }
}
