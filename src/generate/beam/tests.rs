//! Beam search over a model whose logits depend on every token before, against plain loops,
//! against all continuations there are, and against what Hugging Face transformers finds.

use std::any::Any;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use proptest::prelude::*;
use serde_json::Value;

use super::*;
use crate::cancel::Control;
use crate::generate::log_probability;
use crate::model::{Input, Model, ModelConfig};
use crate::tokenizer::{SpecialTokens, Tokenizer};

mod cases;
mod oracle;

const END: u32 = 0;
const PROMPT: [u32; 2] = [3, 1];

/// Logits from a hash of the sequence. `tests/data/README.md` says what else has this formula.
#[derive(Debug)]
struct Table {
    config: ModelConfig,
    seed: u32,
    /// Rows of a model can be longer than the vocabulary of its tokenizer.
    vocabulary: usize,
    end_bonus: f32,
    /// Put in place of some logits.
    overrides: BTreeMap<(Vec<u32>, u32), f32>,
    forks: Arc<AtomicUsize>,
    calls: AtomicUsize,
    cancelled_in_call: Option<usize>,
    cancel: CancelToken,
}

impl Table {
    fn new(seed: u32, vocabulary: usize, end_bonus: f32) -> Self {
        Self {
            config: ModelConfig::codegeex_13b(),
            seed,
            vocabulary,
            end_bonus,
            overrides: BTreeMap::new(),
            forks: Arc::default(),
            calls: AtomicUsize::new(0),
            cancelled_in_call: None,
            cancel: CancelToken::new(),
        }
    }

    /// The logits after a prompt and `ids`.
    fn row(&self, ids: &[u32]) -> Vec<f32> {
        let hash = ids.iter().fold(self.seed, |h, &id| {
            h.wrapping_mul(31).wrapping_add(id).wrapping_add(1)
        });
        (0..self.vocabulary as u32)
            .map(|id| {
                if let Some(&logit) = self.overrides.get(&(ids[PROMPT.len()..].to_vec(), id)) {
                    return logit;
                }
                let mut x = (hash ^ id.wrapping_mul(0x9e37_79b9)).wrapping_mul(0x85eb_ca6b);
                x = (x ^ (x >> 13)).wrapping_mul(0xc2b2_ae35);
                x ^= x >> 16;
                let bonus = if id == END { self.end_bonus } else { 0.0 };
                (x >> 20) as f32 / 1024.0 + bonus
            })
            .collect()
    }

    /// The log-probabilities after the prompt and `ids`, rounded as those of a search, so that
    /// beams that are nearly equal rank alike.
    fn logprobs(&self, ids: &[u32]) -> Vec<f64> {
        let row = self.row(&[&PROMPT, ids].concat());
        let all = 0..self.vocabulary as u32;
        all.map(|id| log_probability(&row, id).into()).collect()
    }
}

#[derive(Debug)]
struct Fed {
    ids: Vec<u32>,
    forks: Arc<AtomicUsize>,
}

impl State for Fed {
    fn len(&self) -> usize {
        self.ids.len()
    }
    fn truncate(&mut self, tokens: usize) {
        self.ids.truncate(tokens);
    }
    fn fork(&self) -> Box<dyn State> {
        self.forks.fetch_add(1, Ordering::Relaxed);
        Box::new(Self {
            ids: self.ids.clone(),
            forks: Arc::clone(&self.forks),
        })
    }
    fn bytes(&self) -> usize {
        0
    }
}

impl Model for Table {
    fn config(&self) -> &ModelConfig {
        &self.config
    }
    fn describe(&self) -> String {
        "table".into()
    }
    fn new_state(&self) -> Box<dyn State> {
        Box::new(Fed {
            ids: Vec::new(),
            forks: Arc::clone(&self.forks),
        })
    }
    fn forward(&self, batch: &mut [Input<'_>], control: &Control<'_>) -> Result<Logits> {
        let call = self.calls.fetch_add(1, Ordering::Relaxed);
        if self.cancelled_in_call == Some(call) {
            self.cancel.cancel();
        }
        control.cancel.check()?;
        let (mut values, mut counts) = (Vec::new(), Vec::new());
        for input in batch {
            let state = (&mut *input.state as &mut dyn Any)
                .downcast_mut::<Fed>()
                .unwrap();
            state.ids.extend_from_slice(input.ids);
            counts.push(usize::from(input.wanted == Wanted::Last));
            if input.wanted == Wanted::Last {
                values.extend(self.row(&state.ids));
            }
        }
        Ok(Logits::new(values, self.vocabulary, counts))
    }
}

/// Ids are letters: 1 is `b`.
struct Letters(usize);

impl Tokenizer for Letters {
    fn encode(&self, text: &str, _: SpecialTokens) -> Result<Vec<u32>> {
        Ok(text.bytes().map(|b| u32::from(b - b'a')).collect())
    }
    fn token_bytes(&self, id: u32) -> Option<&[u8]> {
        const LETTERS: &[u8] = b"abcdefghijklmnopqrstuvwxyz";
        LETTERS.get(id as usize..=id as usize)
    }
    fn vocab_size(&self) -> usize {
        self.0
    }
    fn end_of_text(&self) -> u32 {
        END
    }
    fn decode(&self, ids: &[u32]) -> Result<String> {
        let letters = ids.iter().flat_map(|&id| self.token_bytes(id));
        Ok(String::from_utf8_lossy(&letters.flatten().copied().collect::<Vec<_>>()).into())
    }
}

fn generator(model: &Arc<Table>) -> Generator {
    let letters = Letters(model.vocabulary);
    Generator::new(Arc::clone(model) as _, Arc::new(letters))
}

fn options(num_beams: usize, max_new_tokens: usize, rules: BeamRules) -> BeamOptions {
    BeamOptions::new()
        .num_beams(num_beams)
        .max_new_tokens(max_new_tokens)
        .rules(rules)
}

fn hugging_face(length_penalty: f32, early_stopping: EarlyStopping) -> BeamRules {
    BeamRules::HuggingFace {
        length_penalty,
        early_stopping,
    }
}

/// Searches, and checks that every beam agrees with itself.
fn search(model: &Arc<Table>, options: &BeamOptions) -> Vec<Completion> {
    let beams = generator(model)
        .beam_search(PROMPT, options, &model.cancel)
        .unwrap();
    assert!(beams.len() <= options.num_beams);
    for beam in &beams {
        let sum: f64 = beam.logprobs.iter().map(|&l| f64::from(l)).sum();
        let by = match options.rules {
            BeamRules::HuggingFace { length_penalty, .. } => {
                (beam.ids.len().max(1) as f64).powf(length_penalty.into())
            }
            BeamRules::Reference => 1.0,
        };
        assert!((beam.score - sum / by).abs() <= 1e-9 * sum.abs().max(1.0));
        for (i, &logprob) in beam.logprobs.iter().enumerate() {
            let expected = model.logprobs(&beam.ids[..i])[beam.ids[i] as usize];
            assert_eq!(f64::from(logprob), expected);
        }
        let ended = beam.ids.last() == Some(&END);
        assert_eq!(ended, beam.finish_reason == FinishReason::EndOfText);
    }
    beams
}

#[track_caller]
fn assert_same(found: &[Completion], expected: &[(Vec<u32>, f64)], what: &str) {
    let ids = |beams: &[Completion]| beams.iter().map(|b| b.ids.clone()).collect::<Vec<_>>();
    let expected_ids: Vec<_> = expected.iter().map(|b| b.0.clone()).collect();
    assert_eq!(ids(found), expected_ids, "{what}");
    for (found, (ids, score)) in found.iter().zip(expected) {
        let off = (found.score - score).abs();
        assert!(off <= 2e-5 * score.abs().max(1.0), "{what}: {ids:?}: {off}");
    }
}
