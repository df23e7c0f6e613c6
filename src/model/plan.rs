//! What one call computes: the plan of its step, and which of its sequences are still wanted.

use super::rotary::{angles, sinusoids};
use super::{Input, ModelConfig, Wanted};
use crate::backend::{Angles, PlanRow, StepPlan};
use crate::cancel::CancelToken;
use crate::error::{Result, bail};
use crate::family::Position;
use crate::memory::{TryGrow, try_collect, try_filled, try_vec};

/// A call: all tokens of all sequences, one after the other.
pub(super) struct Plan {
    /// Of the rows that are still computed.
    pub step: StepPlan,
    /// Tokens of each sequence.
    pub tokens: Vec<usize>,
    /// Rows whose logits are wanted, of each sequence.
    pub wanted_counts: Vec<usize>,
    /// What ends a sequence alone.
    cancels: Vec<Option<CancelToken>>,
    /// Whether it did.
    pub dropped: Vec<bool>,
}

impl Plan {
    pub fn new(config: &ModelConfig, batch: &[Input<'_>]) -> Result<Self> {
        let mut plan = Self {
            step: StepPlan::default(),
            tokens: try_vec(batch.len())?,
            wanted_counts: try_vec(batch.len())?,
            cancels: try_collect(batch.iter().map(|input| input.cancel.clone()))?,
            dropped: try_filled(false, batch.len())?,
        };
        for (sequence, input) in batch.iter().enumerate() {
            let (start, n) = (input.state.len(), input.ids.len());
            let most = config.max_position_embeddings;
            if n == 0 {
                bail!(
                    InvalidArgument,
                    "sequence {sequence} of the batch has no tokens"
                );
            }
            if n > most.saturating_sub(start) {
                bail!(
                    ContextOverflow,
                    "a sequence of {} tokens is longer than the {most} positions of the model; \
                     shorten the prompt",
                    start + n
                );
            }
            for (i, &id) in input.ids.iter().enumerate() {
                if id as usize >= config.padded_vocab_size {
                    bail!(
                        TokenOutOfRange,
                        "token {id} at index {i} is not below the vocabulary size {}",
                        config.padded_vocab_size
                    );
                }
            }
            let step = &mut plan.step;
            let first = step.ids.len();
            step.ids.try_extend(input.ids)?;
            plan.tokens.push(n);
            step.rows.try_reserve(n)?;
            step.rows
                .extend((start..start + n).map(|position| PlanRow { sequence, position }));
            let wanted = match input.wanted {
                Wanted::Nothing => 0,
                Wanted::Last => 1,
                Wanted::All => n,
            };
            step.wanted.try_reserve(wanted)?;
            step.wanted.extend(first + n - wanted..first + n);
            plan.wanted_counts.push(wanted);
        }
        Ok(plan)
    }

    /// Adds what the positions of the rows amount to.
    ///
    /// # Errors
    /// No memory.
    pub fn embed_positions(&mut self, config: &ModelConfig, frequencies: &[f32]) -> Result<()> {
        let positions = self.step.rows.iter().map(|row| row.position);
        match config.position {
            Position::Rotary(_) => self.step.angles = angles(positions, frequencies)?,
            Position::Sinusoidal { offset } => {
                self.step.sinusoids = sinusoids(positions, offset, config.hidden_size)?;
            }
            _ => (),
        }
        Ok(())
    }

    /// Whether a sequence was cancelled since the last look.
    pub fn has_cancelled(&self) -> bool {
        (0..self.cancels.len()).any(|sequence| self.is_cancelled(sequence))
    }

    fn is_cancelled(&self, sequence: usize) -> bool {
        let cancel = self.cancels[sequence].as_ref();
        !self.dropped[sequence] && cancel.is_some_and(CancelToken::is_cancelled)
    }

    /// Forgets the rows of sequences that were cancelled: the step goes on with another plan, which
    /// knows where its rows were in this one.
    ///
    /// # Errors
    /// [`Cancelled`](crate::ErrorKind::Cancelled) when no row stays; no memory.
    pub fn drop_cancelled(&mut self) -> Result<()> {
        for i in 0..self.cancels.len() {
            if self.is_cancelled(i) {
                self.dropped[i] = true;
                self.wanted_counts[i] = 0;
            }
        }
        let Self { step, dropped, .. } = self;
        let kept = (0..step.rows.len()).filter(|&row| !dropped[step.rows[row].sequence]);
        let kept = try_collect(kept)?;
        if kept.is_empty() {
            bail!(Cancelled, "every sequence of this call was cancelled");
        }
        compact(&mut step.rows, &kept, 1);
        compact(&mut step.ids, &kept, 1);
        let Angles { cos, sin, pairs } = &mut step.angles;
        compact(cos, &kept, *pairs);
        compact(sin, &kept, *pairs);
        // They were added before the first layer.
        step.sinusoids = Vec::new();
        // Both are in order.
        step.wanted
            .retain_mut(|wanted| match kept.binary_search(wanted) {
                Ok(row) => {
                    *wanted = row;
                    true
                }
                Err(_) => false,
            });
        step.kept = kept;
        Ok(())
    }
}

/// Keeps the rows of `width` values at `places`, which are in order.
fn compact<T: Copy>(values: &mut Vec<T>, places: &[usize], width: usize) {
    for (to, &from) in places.iter().enumerate() {
        values.copy_within(from * width..(from + 1) * width, to * width);
    }
    values.truncate(places.len() * width);
}
