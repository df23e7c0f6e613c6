//! Speculative decoding: draft tokens that the model checks many at a time.
//!
//! Reading the weights dominates the cost of a token, and one reading serves several positions. So
//! draft tokens are fed along with the last token, and the model's own choice after each of them
//! is sampled as always: from its logits, with the random number that belongs to that position. As
//! far as the choices equal the draft tokens, they are kept; the first choice that differs is kept
//! as well, and the rest is rolled back. Every token is thus the one that would have been sampled
//! without drafts, at any temperature (a stronger law than that of rejection sampling, arXiv
//! 2211.17192, which keeps the distribution alone); a draft token that is deterministic is accepted
//! with the same probability. A draft model samples its tokens with the same samplers and the same
//! random numbers, so that the two agree as often as their distributions overlap. One call of it
//! serves all sequences of a step.
//!
//! Whether drafting pays is decided by the clock, see [`Pace`]. That changes when an answer comes
//! and never what it is.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::candidates::Candidates;
use super::sampler::{History, Sampler};
use super::step::StepInput;
use super::{PREFILL_TOKENS, rng};
use crate::cancel::CancelToken;
use crate::error::{Result, bail};
use crate::memory::{TryGrow, try_copy, try_vec};
use crate::model::{Logits, Model, State, Wanted};
use crate::setters::setters;

/// Longest run of equal tokens that a lookup asks for.
const LONGEST_MATCH: usize = 8;
/// Shortest run of equal tokens that a lookup trusts.
const SHORTEST_MATCH: usize = 2;

/// Where draft tokens come from.
#[derive(Clone)]
#[non_exhaustive]
pub enum Drafts {
    /// What followed the last few tokens where they stood before, in the prompt or in the answer.
    /// It costs a search through the tokens and nothing else. Translations and edits repeat much
    /// of their prompt.
    Lookup,
    /// A smaller model with the same vocabulary. One call of it drafts a token for every sequence
    /// of a step, within the same cancellation, deadlines and thread caps as the model itself. It
    /// holds a KV cache of its own for every sequence, which a scheduler plans for as well.
    /// [`Transformer::open_on`](crate::model::Transformer::open_on) opens both on one set of threads.
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

/// Speculative decoding. It changes latency, never the output; see [`Speculated`] for what it
/// brought.
///
/// A lookup costs next to nothing, a draft model its own time and memory. A step that checks
/// draft tokens costs a model that waits for its memory little more than one token: `cargo bench
/// --bench speculation` measures it on answers that repeat their prompt and on some that do not.
///
/// ```
/// use codegeex::{GenerateOptions, Generator, Speculation};
///
/// # let path = concat!(env!("CARGO_MANIFEST_DIR"), "/models/toy.safetensors");
/// # let generator = Generator::open(path)?;
/// let prompt = "code translation\nJava:\nint f(int x) { return x; }\nC++:\nint f(int x) {";
/// let plain = GenerateOptions::new();
/// let drafting = plain.clone().speculation(Speculation::lookup());
/// let expected = generator.complete(prompt, &plain)?;
/// let found = generator.complete(prompt, &drafting)?;
/// assert_eq!(found.text, expected.text);
/// assert!(found.speculated.accepted <= found.speculated.drafted);
/// # Ok::<(), codegeex::Error>(())
/// ```
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Speculation {
    /// Where they come from.
    pub drafts: Drafts,
    /// The most draft tokens of one step.
    pub tokens: usize,
    /// Never disable it where it does not pay: a switch for tests and measurements.
    #[doc(hidden)]
    pub always: bool,
}

impl Speculation {
    /// Draft tokens from the text so far, up to 8 a step.
    pub fn lookup() -> Self {
        Self::with(Drafts::Lookup, 8)
    }

    /// Draft tokens of a draft model, up to 4 a step.
    pub fn model(model: Arc<dyn Model>) -> Self {
        Self::with(Drafts::Model(model), 4)
    }

    setters! {
        set drafts: Drafts;
        set tokens: usize;
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
    /// Draft tokens.
    pub drafted: usize,
    /// Those of them that the model chose as well.
    pub accepted: usize,
}

/// Where a sequence stands.
pub(super) struct Position<'a> {
    pub prompt: &'a [u32],
    pub generated: &'a [u32],
    pub seed: u64,
    pub chain: &'a [Arc<dyn Sampler>],
    /// Number of the sample, for its random numbers.
    pub sample: u32,
    /// Ids of the tokenizer.
    pub vocabulary: usize,
}

/// The draft tokens of one sequence, step by step: [`begin`](Self::begin), then calls of the draft
/// model that the scheduler makes for all sequences together, then [`finish`](Self::finish) and
/// [`learn`](Self::learn).
pub(super) struct Drafter {
    always: bool,
    most: usize,
    /// How many to draft next time.
    width: usize,
    pace: Pace,
    source: Source,
    /// Those of this step, so far.
    drafts: Vec<u32>,
    /// How many there are to be.
    wanted: usize,
    /// A draft model was to draft in this step.
    planned: bool,
    /// Sits out the next call of the draft model.
    waits: bool,
    /// How long drafting took in this step.
    drafting: Duration,
    pub counters: Speculated,
}

enum Source {
    Lookup,
    Model(DraftState),
    /// Given up.
    Nothing,
}

/// A sequence of a draft model.
struct DraftState {
    context_length: usize,
    /// Gone while a call has it.
    state: Option<Box<dyn State>>,
    /// What the state was fed.
    fed: Vec<u32>,
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
                Drafts::Model(model) => Source::Model(DraftState {
                    context_length: model.config().max_position_embeddings,
                    state: Some(model.new_state()),
                    fed: Vec::new(),
                }),
            },
            drafts: Vec::new(),
            wanted: 0,
            planned: false,
            waits: false,
            drafting: Duration::ZERO,
            counters: Speculated::default(),
        }
    }

    /// Begins a step that may have `most` draft tokens. Those of a lookup are there afterwards.
    pub fn begin(&mut self, at: &Position<'_>, most: usize) {
        self.drafts.clear();
        (self.wanted, self.planned, self.waits) = (0, false, false);
        self.drafting = Duration::ZERO;
        let most = self.width.min(most);
        if most == 0 || !(self.always || self.pace.try_drafts()) {
            return;
        }
        let length = at.prompt.len() + at.generated.len();
        match &mut self.source {
            Source::Lookup => {
                let clock = Instant::now();
                // Without memory to look through, nothing is drafted.
                let mut text = Vec::new();
                if text.try_extend(at.prompt).is_ok() && text.try_extend(at.generated).is_ok() {
                    self.drafts.clear();
                    let _ = self.drafts.try_extend(lookup(&text, most));
                }
                self.drafting = clock.elapsed();
            }
            Source::Model(draft) => {
                let known = at.prompt.iter().chain(at.generated);
                let common = draft.fed.iter().zip(known).take_while(|(a, b)| a == b);
                let kept = common.count().min(length - 1);
                draft.fed.truncate(kept);
                if let Some(state) = &mut draft.state {
                    state.truncate(kept);
                }
                // The last token that is drafted is not fed.
                self.wanted = most.min((draft.context_length + 1).saturating_sub(length));
                self.planned = self.wanted > 0;
            }
            Source::Nothing => {}
        }
    }

    /// Whether a draft model has more tokens to draft in this step.
    pub fn is_drafting(&self) -> bool {
        self.drafts.len() < self.wanted
    }

    /// Tokens of `prompt` that the draft model was fed, where one is to draft in this step.
    pub fn read_of(&self, prompt: &[u32]) -> Option<usize> {
        match &self.source {
            Source::Model(draft) if self.planned => Some(draft.fed.len().min(prompt.len())),
            _ => None,
        }
    }

    /// A fork of the draft model's state with `prompt` and nothing else, if it was fed all of it.
    pub fn fork_at(&self, prompt: &[u32]) -> Option<Box<dyn State>> {
        let Source::Model(draft) = &self.source else {
            return None;
        };
        let state = draft
            .state
            .as_ref()
            .filter(|_| draft.fed.starts_with(prompt))?;
        let mut state = state.fork();
        state.truncate(prompt.len());
        Some(state)
    }

    /// Continues a state that was fed `prompt`. Without memory to note that, it reads it itself.
    pub fn set_state(&mut self, state: Box<dyn State>, prompt: &[u32]) {
        if let Source::Model(draft) = &mut self.source
            && let Ok(fed) = try_copy(prompt)
        {
            draft.state = Some(state);
            draft.fed = fed;
        }
    }

    /// Sits out the next call of the draft model, or the rest of this step.
    pub fn wait(&mut self, this_step: bool) {
        match this_step {
            true => self.wanted = self.drafts.len(),
            false => self.waits = true,
        }
    }

    /// Detaches the draft model's state with at most `tokens` of what it has not been fed. Without
    /// memory for these nothing is drafted.
    pub fn detach(
        &mut self,
        prompt: &[u32],
        generated: &[u32],
        tokens: usize,
        cancel: &CancelToken,
    ) -> Option<StepInput> {
        if std::mem::take(&mut self.waits) || !self.is_drafting() {
            return None;
        }
        let Source::Model(draft) = &mut self.source else {
            return None;
        };
        let known = prompt.iter().chain(generated).chain(&self.drafts);
        let total = prompt.len() + generated.len() + self.drafts.len();
        let count = (total - draft.fed.len()).min(tokens);
        let (Ok(mut ids), Ok(())) = (try_vec(count), draft.fed.try_reserve(count)) else {
            self.give_up();
            return None;
        };
        ids.extend(known.skip(draft.fed.len()).take(count));
        Some(StepInput {
            wanted: match draft.fed.len() + ids.len() == total {
                true => Wanted::Last,
                false => Wanted::Nothing,
            },
            state: draft.state.take()?,
            ids,
            cancel: cancel.clone(),
        })
    }

    /// Attaches what it detached. After a call that failed the state holds no more than before.
    pub fn attach(&mut self, input: StepInput) {
        if let Source::Model(draft) = &mut self.source {
            let new = input.state.len().saturating_sub(draft.fed.len());
            draft.fed.extend(input.ids.iter().take(new));
            draft.state = Some(input.state);
        }
    }

    /// Samples a draft token from the logits of sequence `row`, as the model itself would. Without
    /// logits there is more of the text to read, and nothing is drafted in this step.
    pub fn accept(
        &mut self,
        at: &Position<'_>,
        logits: &Logits,
        row: usize,
        took: Duration,
        candidates: &mut Candidates,
    ) -> Result<()> {
        self.drafting += took;
        let Some(row) = logits.last(row) else {
            self.wanted = self.drafts.len();
            return Ok(());
        };
        candidates.fill(row)?;
        candidates.retain(|c| (c.id as usize) < at.vocabulary);
        let mut generated = try_copy(at.generated)?;
        generated.try_extend(&self.drafts)?;
        let history = History {
            prompt: at.prompt,
            generated: &generated,
        };
        for stage in at.chain {
            stage.apply(candidates, history)?;
        }
        let u = rng::uniform(at.seed, at.sample, generated.len() as u64);
        self.drafts.try_push(candidates.sample(u)?.id)?;
        Ok(())
    }

    /// Drafts nothing more with a model: decoding goes on without, where that has no memory.
    pub fn give_up(&mut self) {
        if let Source::Model(_) = self.source {
            self.source = Source::Nothing;
            self.wanted = self.drafts.len();
        }
    }

    /// The draft tokens of this step, maybe none.
    pub fn finish(&mut self) -> Vec<u32> {
        self.counters.drafted += self.drafts.len();
        self.wanted = 0;
        std::mem::take(&mut self.drafts)
    }

    /// Learns what became of a step: how many draft tokens it had, how many of them were right,
    /// and how long the call of the model took.
    pub fn learn(&mut self, drafted: usize, accepted: usize, took: Duration) {
        self.counters.accepted += accepted;
        // What a draft model read without drafting is no cost of the plain steps.
        let drafting = match drafted {
            0 => Duration::ZERO,
            _ => self.drafting,
        };
        self.pace.record(drafted > 0, accepted + 1, took + drafting);
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

/// Decides whether drafting pays: compares the tokens per second of steps with and without it,
/// and stops for a while, longer each time, where they don't.
#[derive(Debug, Default)]
struct Pace {
    plain: Rate,
    drafted: Rate,
    /// Steps to go without.
    rest: u32,
    /// How long the last rest was.
    rested: u32,
}

/// Steps without draft tokens before the first with them.
const PLAIN_STEPS: u32 = 2;
/// Steps with draft tokens before they are judged.
const TRIAL_STEPS: u32 = 4;
const FIRST_REST: u32 = 16;
const LONGEST_REST: u32 = 256;

impl Pace {
    /// Whether to draft in the coming step.
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
    fn drafts_that_do_not_pay_are_given_up_for_longer_and_longer() {
        let mut pace = Pace::default();
        let mut tried = Vec::new();
        for step in 0..1000 {
            let try_it = pace.try_drafts();
            // Nothing is ever accepted, and a step with draft tokens takes longer.
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
    fn drafts_that_pay_go_on_until_they_do_not() {
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
