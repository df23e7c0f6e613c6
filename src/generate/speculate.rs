//! Speculative decoding: guesses at the next tokens, checked by the model many at a time.
//!
//! Reading the weights dominates the cost of a token, and one reading serves several positions. So
//! the tokens that probably come next are fed along with the last one, and the model's own choice
//! after each of them is drawn as always: from its logits, with the random number that belongs to
//! that position. As far as the choices equal the guesses, the tokens are kept; the first choice
//! that differs is kept as well, and the rest is rolled back. Every token is thus the one that
//! would have been drawn without guesses, sampled or greedy (a stronger law than that of
//! rejection sampling, arXiv 2211.17192, which keeps the distribution alone); a guess that is
//! deterministic is accepted with the same probability. A draft model draws its guesses with the
//! same samplers and the same random numbers, so that the two agree as often as their
//! distributions overlap.
//!
//! Whether guessing pays is decided by the clock, see [`Pace`]. That changes when an answer comes
//! and never what it is.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use super::candidates::Candidates;
use super::options::GenerateOptions;
use super::sampler::{History, Sampler};
use super::{PREFILL_TOKENS, rng};
use crate::cancel::Control;
use crate::error::{ErrorKind, Result, bail};
use crate::model::{Input, Model, State, Wanted};

/// Longest run of equal tokens that a lookup asks for.
const LONGEST_MATCH: usize = 8;
/// Shortest run of equal tokens that a lookup trusts.
const SHORTEST_MATCH: usize = 2;

/// Where guesses come from.
#[derive(Clone)]
#[non_exhaustive]
pub enum Drafts {
    /// What followed the last few tokens where they stood before, in the prompt or in the answer.
    /// It costs a search through the tokens and nothing else. Translations and edits repeat much
    /// of their prompt.
    Lookup,
    /// A smaller model with the same vocabulary. It holds keys and values of its own for every
    /// sample, which no limit of a scheduler counts.
    Model(Arc<dyn Model>),
}

impl fmt::Debug for Drafts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Lookup => f.write_str("Lookup"),
            Self::Model(model) => write!(f, "Model({})", model.describe()),
        }
    }
}

/// Guesses at the next tokens. The answer is the same with and without; see [`Speculated`] for
/// what they were worth.
///
/// A lookup costs next to nothing, a draft model its own time and memory. A step that checks
/// guesses costs a model that waits for its memory little more than one token: `cargo bench
/// --bench speculation` measures it on answers that repeat their prompt and on some that do not.
///
/// ```
/// # use std::sync::Arc;
/// # use codegeex::{generate::*, model::load, tokenizer::Gpt2Tokenizer};
/// # let path = concat!(env!("CARGO_MANIFEST_DIR"), "/models/codegeex_tiny.safetensors");
/// # let tokenizer = Arc::new(Gpt2Tokenizer::codegeex());
/// # let generator = Generator::new(load(path, &Default::default())?, tokenizer);
/// let prompt = "code translation\nJava:\nint f(int x) { return x; }\nC++:\nint f(int x) {";
/// let plain = GenerateOptions::default();
/// let mut guessing = plain.clone();
/// guessing.speculation = Some(Speculation::lookup());
/// let expected = generator.complete(prompt, &plain)?;
/// let found = generator.complete(prompt, &guessing)?;
/// assert_eq!(found[0].text, expected[0].text);
/// assert!(found[0].speculated.accepted <= found[0].speculated.drafted);
/// # Ok::<(), codegeex::Error>(())
/// ```
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Speculation {
    /// Where they come from.
    pub drafts: Drafts,
    /// The most guesses of one step.
    pub tokens: usize,
    /// Also where it does not pay: for tests and measurements.
    pub always: bool,
}

impl Speculation {
    /// Guesses from the text so far, up to 8 a step.
    pub fn lookup() -> Self {
        Self::with(Drafts::Lookup, 8)
    }

    /// Guesses of a draft model, up to 4 a step.
    pub fn model(model: Arc<dyn Model>) -> Self {
        Self::with(Drafts::Model(model), 4)
    }

    fn with(drafts: Drafts, tokens: usize) -> Self {
        Self {
            drafts,
            tokens,
            always: false,
        }
    }

    /// Checks that the numbers make sense and that a draft model fits `vocabulary`.
    pub(super) fn validate(&self, vocabulary: usize) -> Result<()> {
        if self.tokens == 0 || self.tokens > PREFILL_TOKENS {
            bail!(
                InvalidArgument,
                "speculation with {} tokens a step, expected 1 to {PREFILL_TOKENS}",
                self.tokens
            );
        }
        if let Drafts::Model(model) = &self.drafts {
            let drafts = model.config().padded_vocab_size;
            if drafts != vocabulary {
                bail!(
                    InvalidArgument,
                    "the draft model has {drafts} tokens and the model {vocabulary}; a draft \
                     model needs the same vocabulary"
                );
            }
        }
        Ok(())
    }
}

/// What speculation did for a sample.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct Speculated {
    /// Tokens that were guessed.
    pub drafted: usize,
    /// Those of them that the model chose as well.
    pub accepted: usize,
}

/// What a guess is about.
pub(super) struct Position<'a> {
    pub prompt: &'a [u32],
    pub generated: &'a [u32],
    pub options: &'a GenerateOptions,
    pub chain: &'a [Arc<dyn Sampler>],
    /// Number of the sample, for the draws.
    pub sample: u32,
    /// The most guesses.
    pub most: usize,
    /// Ids of the tokenizer.
    pub vocabulary: usize,
}

/// The guesses of one sample.
pub(super) struct Drafter {
    always: bool,
    most: usize,
    /// How many to make next time.
    width: usize,
    pace: Pace,
    source: Source,
    pub counters: Speculated,
}

enum Source {
    Lookup,
    Model {
        model: Arc<dyn Model>,
        state: Box<dyn State>,
        /// What the state was fed.
        fed: Vec<u32>,
    },
    /// Given up.
    Nothing,
}

impl Drafter {
    pub fn new(speculation: &Speculation) -> Self {
        Self {
            always: speculation.always,
            most: speculation.tokens,
            width: speculation.tokens.div_ceil(2),
            pace: Pace::default(),
            source: match &speculation.drafts {
                Drafts::Lookup => Source::Lookup,
                Drafts::Model(model) => Source::Model {
                    model: Arc::clone(model),
                    state: model.new_state(),
                    fed: Vec::new(),
                },
            },
            counters: Speculated::default(),
        }
    }

    /// Guesses, maybe none.
    pub fn draft(
        &mut self,
        at: &Position<'_>,
        candidates: &mut Candidates,
        control: &Control<'_>,
    ) -> Result<Vec<u32>> {
        let most = self.width.min(at.most);
        if most == 0 || !(self.always || self.pace.try_drafts()) {
            return Ok(Vec::new());
        }
        let drafts = match &mut self.source {
            Source::Lookup => lookup(&[at.prompt, at.generated].concat(), most).to_vec(),
            Source::Model { model, state, fed } => {
                match ask(&**model, &mut **state, fed, at, most, candidates, control) {
                    Ok(drafts) => drafts,
                    Err(e) if e.kind() == ErrorKind::Cancelled => Vec::new(),
                    // Guesses are a luxury.
                    Err(e) if e.kind() == ErrorKind::OutOfMemory => {
                        self.source = Source::Nothing;
                        Vec::new()
                    }
                    Err(e) => return Err(e),
                }
            }
            Source::Nothing => Vec::new(),
        };
        self.counters.drafted += drafts.len();
        Ok(drafts)
    }

    /// Learns what became of a step: how many guesses it had, how many of them were right, and
    /// how long it took, guessing included.
    pub fn learn(&mut self, drafted: usize, accepted: usize, took: Duration) {
        self.counters.accepted += accepted;
        self.pace.record(drafted > 0, accepted + 1, took);
        if drafted > 0 {
            self.width = match accepted == drafted {
                true => (drafted * 2).max(self.width).min(self.most),
                false => accepted + 1,
            };
        }
    }
}

/// What followed the latest earlier occurrence of the last tokens, the longest run of them that
/// occurred before. The slow and obvious way, which takes some microseconds for 2,048 tokens.
fn lookup(ids: &[u32], most: usize) -> &[u32] {
    for length in (SHORTEST_MATCH..=LONGEST_MATCH.min(ids.len())).rev() {
        let (_, tail) = ids.split_at(ids.len() - length);
        // Something has to follow it.
        let before = &ids[..ids.len() - 1];
        if let Some(at) = before.windows(length).rposition(|run| run == tail) {
            let follows = &ids[at + length..];
            return &follows[..follows.len().min(most)];
        }
    }
    &[]
}

/// Draws tokens from a draft model, as the model itself would draw them.
fn ask(
    model: &dyn Model,
    state: &mut dyn State,
    fed: &mut Vec<u32>,
    at: &Position<'_>,
    most: usize,
    candidates: &mut Candidates,
    control: &Control<'_>,
) -> Result<Vec<u32>> {
    let mut generated = at.generated.to_vec();
    let known = at.prompt.iter().chain(at.generated);
    let common = fed.iter().zip(known).take_while(|(a, b)| a == b).count();
    let length = at.prompt.len() + at.generated.len();
    let kept = common.min(length - 1);
    fed.truncate(kept);
    state.truncate(kept);
    let positions = model.config().max_position_embeddings;
    while generated.len() - at.generated.len() < most {
        if at.prompt.len() + generated.len() > positions {
            break;
        }
        let next = [at.prompt, &generated].concat().split_off(fed.len());
        let mut row = None;
        for chunk in next.chunks(PREFILL_TOKENS) {
            let mut batch = [Input::new(state, chunk, Wanted::Last)];
            row = Some(model.forward(&mut batch, control)?);
            fed.extend_from_slice(chunk);
        }
        let Some(row) = row.as_ref().and_then(|logits| logits.last(0)) else {
            bail!(Internal, "the draft model returned no logits");
        };
        candidates.fill(&row.to_vec())?;
        candidates.retain(|c| (c.id as usize) < at.vocabulary);
        let history = History {
            prompt: at.prompt,
            generated: &generated,
        };
        for stage in at.chain {
            stage.apply(candidates, history)?;
        }
        let u = rng::uniform(at.options.sampling.seed, at.sample, generated.len() as u64);
        generated.push(candidates.draw(u)?.id);
    }
    Ok(generated.split_off(at.generated.len()))
}

/// Decides whether guesses pay: compares the tokens per second of steps with and without them,
/// and stops guessing for a while, longer each time, where they don't.
#[derive(Debug, Default)]
struct Pace {
    plain: Rate,
    drafted: Rate,
    /// Steps to go without.
    rest: u32,
    /// How long the last rest was.
    rested: u32,
}

/// Steps without guesses before the first with them.
const PLAIN_STEPS: u32 = 2;
/// Steps with guesses before they are judged.
const TRIAL_STEPS: u32 = 4;
const FIRST_REST: u32 = 16;
const LONGEST_REST: u32 = 256;

impl Pace {
    /// Whether to guess in the coming step.
    fn try_drafts(&mut self) -> bool {
        if self.rest > 0 {
            self.rest -= 1;
            return false;
        }
        self.plain.steps >= PLAIN_STEPS
    }

    fn record(&mut self, drafted: bool, tokens: usize, took: Duration) {
        if !drafted {
            self.plain.record(tokens, took);
            return;
        }
        self.drafted.record(tokens, took);
        if self.drafted.steps < TRIAL_STEPS {
            return;
        }
        if self.drafted.value() > self.plain.value() {
            self.rested = 0;
        } else {
            self.rested = (self.rested * 2).clamp(FIRST_REST, LONGEST_REST);
            self.rest = self.rested;
            self.drafted = Rate::default();
        }
    }
}

/// Tokens per second, of the last steps mostly.
#[derive(Debug, Default)]
struct Rate {
    steps: u32,
    tokens: f64,
    seconds: f64,
}

impl Rate {
    /// What a step counts for after the next one.
    const DECAY: f64 = 0.9;

    fn record(&mut self, tokens: usize, took: Duration) {
        self.steps = self.steps.saturating_add(1);
        self.tokens = self.tokens * Self::DECAY + tokens as f64;
        self.seconds = self.seconds * Self::DECAY + took.as_secs_f64();
    }

    fn value(&self) -> f64 {
        self.tokens / self.seconds
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_lookup_takes_the_longest_then_the_latest_match() {
        let ids = [1, 2, 3, 9, 2, 3, 8, 1, 2, 3];
        assert_eq!(lookup(&ids, 2), [9, 2], "three tokens match at the start");
        assert_eq!(lookup(&ids[1..], 9), [8, 1, 2, 3], "two match, the later");
        assert_eq!(lookup(&[1, 2, 3, 4], 9), [0u32; 0]);
        assert_eq!(lookup(&[7, 7, 7], 4), [7], "runs repeat");
        assert_eq!(lookup(&[7], 4), [0u32; 0]);
        assert_eq!(lookup(&[], 4), [0u32; 0]);
    }

    proptest! {
        #[test]
        fn a_lookup_equals_trying_every_place(ids in proptest::collection::vec(0u32..4, 0..40), most in 1usize..9) {
            let mut best: Option<(usize, usize)> = None;
            for at in 0..ids.len().saturating_sub(1) {
                // The run that ends at `at`, inclusive.
                let length = (0..=at.min(LONGEST_MATCH - 1))
                    .take_while(|&i| ids[at - i] == ids[ids.len() - 1 - i])
                    .count();
                if length >= SHORTEST_MATCH && best.is_none_or(|(l, _)| length >= l) {
                    best = Some((length, at));
                }
            }
            let expected = match best {
                Some((_, at)) => &ids[at + 1..ids.len().min(at + 1 + most)],
                None => &[],
            };
            prop_assert_eq!(lookup(&ids, most), expected);
        }
    }

    const STEP: Duration = Duration::from_millis(10);

    #[test]
    fn guesses_that_do_not_pay_are_given_up_for_longer_and_longer() {
        let mut pace = Pace::default();
        let mut tried = Vec::new();
        for step in 0..1000 {
            let try_it = pace.try_drafts();
            // Nothing is ever accepted, and a step with guesses takes longer.
            pace.record(try_it, 1, if try_it { STEP * 2 } else { STEP });
            if try_it {
                tried.push(step);
            }
        }
        let expected = [0, 16, 32, 64, 128, 256, 256, 256];
        let mut step = PLAIN_STEPS;
        let expected: Vec<u32> = expected
            .iter()
            .flat_map(|rest| {
                step += rest;
                let trial: Vec<u32> = (step..step + TRIAL_STEPS).collect();
                step += TRIAL_STEPS;
                trial
            })
            .take_while(|&s| s < 1000)
            .collect();
        assert_eq!(tried, expected);
    }

    #[test]
    fn guesses_that_pay_go_on_until_they_do_not() {
        let mut pace = Pace::default();
        for _ in 0..PLAIN_STEPS {
            assert!(!pace.try_drafts());
            pace.record(false, 1, STEP);
        }
        for _ in 0..100 {
            assert!(pace.try_drafts());
            pace.record(true, 3, STEP * 2);
        }
        let mut steps = 0;
        while pace.try_drafts() {
            pace.record(true, 1, STEP * 2);
            steps += 1;
        }
        assert!((2..20).contains(&steps), "{steps}");
    }
}
