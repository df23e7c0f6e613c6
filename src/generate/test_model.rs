//! A model for tests whose logits are any function of the tokens that it was fed.

use std::any::Any;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::cancel::Control;
use crate::error::{Result, bail};
use crate::model::{Input, Logits, Model, ModelConfig, PageSize, State, Wanted};
use crate::tokenizer::{BpeTokenizer, SpecialTokens, Tokenizer};

/// A model in a file: the default one, or in the published crate, which has no room for it, the toy.
pub fn file() -> PathBuf {
    let models = Path::new(env!("CARGO_MANIFEST_DIR")).join("models");
    let default = models.join("codegeex_tiny.safetensors");
    if default.exists() {
        return default;
    }
    models.join("toy.safetensors")
}

pub const VOCAB: usize = 50_432;

type Rule = Box<dyn Fn(&[u32], &mut [f32]) + Send + Sync>;

/// Asks its rule for the logits after the tokens so far; they are all 0 before.
pub struct TestModel {
    pub config: ModelConfig,
    rule: Rule,
    /// Calls of `forward`.
    pub calls: AtomicUsize,
    /// Tokens that they were given.
    pub fed: AtomicUsize,
}

impl TestModel {
    pub fn new(rule: impl Fn(&[u32], &mut [f32]) + Send + Sync + 'static) -> Self {
        let mut config = ModelConfig::codegeex_13b();
        config.padded_vocab_size = VOCAB;
        Self {
            config,
            rule: Box::new(rule),
            calls: AtomicUsize::new(0),
            fed: AtomicUsize::new(0),
        }
    }

    /// Logits in [0, 8) that look random.
    pub fn noise() -> Self {
        Self::new(|ids, logits| {
            let seed = ids.iter().fold(17u64, |h, &id| {
                (h ^ u64::from(id)).wrapping_mul(0x9E37_79B9_7F4A_7C15)
            });
            for (i, logit) in (0u64..).zip(logits) {
                let h = (seed ^ i).wrapping_mul(0xD6E8_FEB8_6659_FD93);
                let h = (h ^ (h >> 32)).wrapping_mul(0xD6E8_FEB8_6659_FD93);
                *logit = (h >> 40) as f32 / (1u64 << 21) as f32;
            }
        })
    }

    /// Goes on with those of the texts that begin with what it was fed, equally likely, by their
    /// own tokens; ends where there are none.
    pub fn saying(texts: &[&str]) -> Self {
        let tokenizer = BpeTokenizer::codegeex().unwrap();
        let texts: Vec<String> = texts.iter().map(|&t| t.to_owned()).collect();
        Self::new(move |ids, logits| {
            let of = |&id: &u32| tokenizer.token_bytes(id).unwrap_or_default();
            let fed: Vec<u8> = ids.iter().flat_map(of).copied().collect();
            for text in &texts {
                let rest = text.as_bytes().strip_prefix(&fed[..]);
                if let Some(Ok(rest)) = rest.map(std::str::from_utf8)
                    && let Some(&next) = tokenizer
                        .encode(rest, SpecialTokens::AsText)
                        .unwrap()
                        .first()
                {
                    logits[next as usize] = 20.0;
                }
            }
            if logits.iter().all(|&l| l == 0.0) {
                logits[tokenizer.end_of_text() as usize] = 20.0;
            }
        })
    }

    /// The logits after these tokens.
    pub fn apply(&self, ids: &[u32], logits: &mut [f32]) {
        (self.rule)(ids, logits);
    }

    pub fn calls(&self) -> usize {
        self.calls.load(Ordering::Relaxed)
    }

    pub fn fed(&self) -> usize {
        self.fed.load(Ordering::Relaxed)
    }
}

impl fmt::Debug for TestModel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TestModel")
    }
}

#[derive(Debug, Clone)]
struct Fed(Vec<u32>);

impl State for Fed {
    fn len(&self) -> usize {
        self.0.len()
    }
    fn truncate(&mut self, tokens: usize) {
        self.0.truncate(tokens);
    }
    fn fork(&self) -> Box<dyn State> {
        Box::new(self.clone())
    }
    fn bytes(&self) -> usize {
        4 * self.0.len()
    }
}

impl Model for TestModel {
    fn config(&self) -> &ModelConfig {
        &self.config
    }
    fn describe(&self) -> String {
        "a test's".into()
    }
    fn new_state(&self) -> Box<dyn State> {
        Box::new(Fed(Vec::new()))
    }
    fn page(&self) -> PageSize {
        PageSize {
            tokens: 1,
            bytes: 4,
        }
    }
    fn forward(&self, batch: &mut [Input<'_>], control: &Control<'_>) -> Result<Logits> {
        control.cancel.check()?;
        self.calls.fetch_add(1, Ordering::Relaxed);
        let (mut rows, mut counts) = (Vec::new(), Vec::new());
        for input in batch {
            let Some(Fed(ids)) = (&mut *input.state as &mut dyn Any).downcast_mut() else {
                bail!(StateMismatch, "not a state of this model");
            };
            self.fed.fetch_add(input.ids.len(), Ordering::Relaxed);
            let before = rows.len();
            for (i, &id) in (1..).zip(input.ids) {
                ids.push(id);
                let wanted = match input.wanted {
                    Wanted::Nothing => false,
                    Wanted::Last => i == input.ids.len(),
                    Wanted::All => true,
                };
                if wanted {
                    let mut row = vec![0.0; VOCAB];
                    (self.rule)(ids, &mut row);
                    rows.push(row);
                }
            }
            counts.push(rows.len() - before);
        }
        let values: Vec<f32> = rows.concat();
        Ok(Logits::new(values, VOCAB, counts))
    }
}

/// A byte is its own id, and names are control tokens from 256 on.
pub struct ByteTokenizer {
    controls: Vec<&'static str>,
    table: Vec<Vec<u8>>,
    pub prefix: Vec<u32>,
    /// A space before a text that goes on from none, as SentencePiece has it.
    pub spaced: bool,
}

impl ByteTokenizer {
    pub fn new(controls: &[&'static str]) -> Self {
        Self {
            controls: controls.to_vec(),
            table: (0..=255).map(|byte| vec![byte]).collect(),
            prefix: Vec::new(),
            spaced: false,
        }
    }

    pub fn show(&self, ids: &[u32]) -> String {
        let mut bytes = Vec::new();
        for &id in ids {
            match self.controls.get((id as usize).wrapping_sub(256)) {
                Some(name) => bytes.extend_from_slice(name.as_bytes()),
                None => bytes.push(id as u8),
            }
        }
        String::from_utf8(bytes).unwrap()
    }
}

impl Tokenizer for ByteTokenizer {
    fn encode(&self, text: &str, _: SpecialTokens) -> Result<Vec<u32>> {
        let space = self.spaced.then_some(u32::from(b' '));
        Ok(space
            .into_iter()
            .chain(text.bytes().map(u32::from))
            .collect())
    }
    fn encode_continuation(&self, text: &str, _: SpecialTokens) -> Result<Vec<u32>> {
        Ok(text.bytes().map(u32::from).collect())
    }
    fn token_bytes(&self, id: u32) -> Option<&[u8]> {
        match self.controls.get((id as usize).wrapping_sub(256)) {
            Some(name) => Some(name.as_bytes()),
            None => self.table.get(id as usize).map(|bytes| &bytes[..]),
        }
    }
    fn vocab_size(&self) -> usize {
        256 + self.controls.len()
    }
    fn end_of_text(&self) -> u32 {
        u32::MAX
    }
    fn is_control(&self, id: u32) -> bool {
        id >= 256
    }
    fn control_id(&self, name: &str) -> Option<u32> {
        let at = self.controls.iter().position(|&own| own == name)?;
        Some(256 + at as u32)
    }
    fn prefix(&self) -> &[u32] {
        &self.prefix
    }
    fn decode(&self, ids: &[u32]) -> Result<String> {
        Ok(self.show(ids))
    }
}
