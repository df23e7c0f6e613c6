//! codegeex through its public interface.

use std::path::Path;
use std::sync::Arc;

use codegeex::cancel::Control;
use codegeex::model::{Checkpoint, LoadOptions, Model, OpenOptions, State, Wanted, feed, load};
use codegeex::weights::WeightSource;

use crate::engine::Engine;

pub struct Ours {
    model: Arc<dyn Model>,
    state: Box<dyn State>,
}

/// Bytes of weights that are read for one token: all but the table of positions.
pub fn weight_bytes(checkpoint: &Path) -> f64 {
    let checkpoint = Checkpoint::open(checkpoint, &OpenOptions::new());
    let checkpoint = checkpoint.expect("the checkpoint was written here");
    let positions = checkpoint.info("position_embeddings.weight");
    let positions = positions.map_or(0, |info| info.bytes() as u64);
    (checkpoint.weight_bytes() - positions) as f64
}

impl Ours {
    pub fn open(checkpoint: &Path, threads: usize) -> Self {
        let mut options = LoadOptions::default();
        options.cpu.threads = Some(threads);
        let model = load(checkpoint, &options).expect("the checkpoint was written here");
        let state = model.new_state();
        Self { model, state }
    }
}

impl Engine for Ours {
    fn describe(&self) -> String {
        self.model.describe()
    }

    fn reset(&mut self) {
        self.state.truncate(0);
    }

    fn cache_bytes(&self) -> Option<f64> {
        Some(self.state.bytes() as f64)
    }

    fn feed(&mut self, ids: &[u32]) -> Vec<f32> {
        let mut last = Vec::new();
        feed(
            &*self.model,
            &mut *self.state,
            ids,
            Wanted::Last,
            &Control::new(),
            &mut |logits| {
                last = logits.last(0).expect("logits were wanted").to_vec();
                Ok(())
            },
        )
        .expect("the tokens fit");
        last
    }
}
