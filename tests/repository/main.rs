//! Tests that need what the published crate leaves out: the default model, and the files that are
//! generated from the C interface.

mod families;
mod golden_model;
#[cfg(feature = "capi")]
mod header;
mod model;
mod quantized;
mod saved_state;
#[path = "../support/mod.rs"]
mod support;
