//! The model: configuration, parameters, state and the forward pass.

pub mod config;

pub use config::{Activation, ModelConfig};
