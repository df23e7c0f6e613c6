//! The model: configuration, parameters, state and the forward pass.

pub mod checkpoint;
pub mod config;
pub mod convert;

pub use checkpoint::{Checkpoint, MemoryEstimate, OpenOptions};
pub use config::{Activation, ModelConfig};
pub use convert::{ConvertOptions, convert};
