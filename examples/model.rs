//! A model of your own, and one that wraps another: `cargo run --release --example model [MODEL]`

mod support;

use std::any::Any;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use codegeex::cancel::Control;
use codegeex::error::{Error, ErrorKind};
use codegeex::model::{Determinism, Input, Logits, ModelConfig, PageSize, State, Wanted, load};
use codegeex::{BpeTokenizer, GenerateOptions, Generator, LoadOptions, Model, Result};

/// Continues a text with what followed its last token where that stood before: a model of two
/// tokens, made of the prompt alone.
#[derive(Debug)]
struct Echo {
    config: ModelConfig,
}

/// Its state: the tokens. A real model has a KV cache here.
#[derive(Debug, Clone, Default)]
struct Tokens(Vec<u32>);

impl State for Tokens {
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
        size_of_val(&*self.0)
    }
}

impl Echo {
    fn logits(&self, tokens: &[u32]) -> Vec<f32> {
        let mut logits = vec![0.0; self.config.padded_vocab_size];
        if let [before @ .., last] = tokens {
            let seen = before.iter().rposition(|token| token == last);
            let next = seen.map_or(*last, |at| tokens[at + 1]);
            logits[next as usize] = 1.0;
        }
        logits
    }
}

impl Model for Echo {
    fn config(&self) -> &ModelConfig {
        &self.config
    }

    fn describe(&self) -> String {
        "a model that repeats its prompt".to_owned()
    }

    fn new_state(&self) -> Box<dyn State> {
        Box::new(Tokens::default())
    }

    fn determinism(&self) -> Determinism {
        Determinism::Bitwise
    }

    fn forward(&self, batch: &mut [Input<'_>], control: &Control<'_>) -> Result<Logits> {
        // Everything is checked before a state changes: after an error they are as before.
        control.cancel.check()?;
        control.progress();
        for input in batch.iter_mut() {
            if !(&*input.state as &dyn Any).is::<Tokens>() {
                let message = "this state was made by another model";
                return Err(Error::new(ErrorKind::StateMismatch, message));
            }
            let vocabulary = self.config.padded_vocab_size;
            if let Some(id) = input.ids.iter().find(|&&id| id as usize >= vocabulary) {
                let message = format!("token {id} is not below {vocabulary}");
                return Err(Error::new(ErrorKind::TokenOutOfRange, message));
            }
        }
        let (mut values, mut counts) = (Vec::new(), Vec::new());
        for input in batch.iter_mut() {
            let mut rows = 0;
            if let Some(Tokens(tokens)) = (&mut *input.state as &mut dyn Any).downcast_mut() {
                for (i, &id) in input.ids.iter().enumerate() {
                    tokens.push(id);
                    let wanted = match input.wanted {
                        Wanted::Nothing => false,
                        Wanted::Last => i + 1 == input.ids.len(),
                        Wanted::All => true,
                    };
                    if wanted {
                        values.extend(self.logits(tokens));
                        rows += 1;
                    }
                }
            }
            counts.push(rows);
        }
        Ok(Logits::new(values, self.config.padded_vocab_size, counts))
    }
}

/// Counts the tokens that another model computes. What a wrapper does not forward is as if the
/// model inside could not do it.
struct Counting {
    inner: Arc<dyn Model>,
    tokens: AtomicUsize,
}

impl fmt::Debug for Counting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Counting({:?})", self.inner)
    }
}

impl Model for Counting {
    fn config(&self) -> &ModelConfig {
        self.inner.config()
    }

    fn describe(&self) -> String {
        self.inner.describe()
    }

    fn new_state(&self) -> Box<dyn State> {
        self.inner.new_state()
    }

    fn page(&self) -> PageSize {
        self.inner.page()
    }

    fn determinism(&self) -> Determinism {
        self.inner.determinism()
    }

    fn forward(&self, batch: &mut [Input<'_>], control: &Control<'_>) -> Result<Logits> {
        let tokens: usize = batch.iter().map(|input| input.ids.len()).sum();
        self.tokens.fetch_add(tokens, Ordering::Relaxed);
        // The control goes on as it is, and with it cancellation and progress.
        self.inner.forward(batch, control)
    }
}

fn main() -> Result<()> {
    let options = GenerateOptions::new().max_new_tokens(16);

    let echo = Echo {
        config: ModelConfig::codegeex_13b(),
    };
    let tokenizer = Arc::new(BpeTokenizer::codegeex()?);
    let generator = Generator::new(Arc::new(echo), tokenizer.clone());
    println!("{}", generator.complete("one two three one", &options)?);

    let counting = Arc::new(Counting {
        inner: load(support::model_path(), &LoadOptions::new())?,
        tokens: AtomicUsize::new(0),
    });
    let generator = Generator::new(Arc::clone(&counting) as Arc<dyn Model>, tokenizer);
    println!("{}", generator.complete("def f(", &options)?);
    let tokens = counting.tokens.load(Ordering::Relaxed);
    println!("{tokens} tokens were computed");
    Ok(())
}
