//! What one call computes: its rows, and which of them are still wanted.

use super::{Input, ModelConfig, Wanted};
use crate::backend::Query;
use crate::cancel::CancelToken;
use crate::error::{Result, bail};
use crate::memory::{TryGrow, try_collect, try_filled, try_vec};

/// The rows of a call: all tokens of all sequences, one after the other.
pub(super) struct Plan {
    pub ids: Vec<u32>,
    /// Tokens of each sequence.
    pub tokens: Vec<usize>,
    /// One for each row that is still computed.
    pub queries: Vec<Query>,
    /// Rows whose logits are wanted.
    pub wanted: Vec<usize>,
    /// How many of those each sequence has.
    pub wanted_counts: Vec<usize>,
    /// What ends a sequence alone.
    cancels: Vec<Option<CancelToken>>,
    /// Whether it did.
    pub dropped: Vec<bool>,
}

impl Plan {
    pub fn new(config: &ModelConfig, batch: &[Input<'_>]) -> Result<Self> {
        let mut plan = Self {
            ids: Vec::new(),
            tokens: try_vec(batch.len())?,
            queries: Vec::new(),
            wanted: Vec::new(),
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
            let first = plan.ids.len();
            plan.ids.try_extend(input.ids)?;
            plan.tokens.push(n);
            plan.queries.try_reserve(n)?;
            plan.queries
                .extend((start..start + n).map(|position| Query { sequence, position }));
            let wanted = match input.wanted {
                Wanted::Nothing => 0,
                Wanted::Last => 1,
                Wanted::All => n,
            };
            plan.wanted.try_reserve(wanted)?;
            plan.wanted.extend(first + n - wanted..first + n);
            plan.wanted_counts.push(wanted);
        }
        Ok(plan)
    }

    pub fn positions(&self) -> Result<Vec<u32>> {
        // A position is below `max_position_embeddings`, which fits by validation.
        let positions = self.queries.iter().map(|q| q.position as u32);
        Ok(try_collect(positions)?)
    }

    /// Tokens of each sequence whose keys and values are computed.
    pub fn live_tokens(&self) -> Result<Vec<usize>> {
        let tokens = self.tokens.iter().zip(&self.dropped);
        let live = tokens.map(|(&tokens, &dropped)| if dropped { 0 } else { tokens });
        Ok(try_collect(live)?)
    }

    /// Forgets the rows of sequences that were cancelled since the last look. Returns the rows
    /// that stay, if any go.
    pub fn drop_cancelled(&mut self) -> Result<Option<Vec<usize>>> {
        let mut any = false;
        for (i, cancel) in self.cancels.iter().enumerate() {
            if !self.dropped[i] && cancel.as_ref().is_some_and(CancelToken::is_cancelled) {
                self.dropped[i] = true;
                self.wanted_counts[i] = 0;
                any = true;
            }
        }
        if !any {
            return Ok(None);
        }
        let rows = (0..self.queries.len()).filter(|&row| !self.dropped[self.queries[row].sequence]);
        let rows = try_collect(rows)?;
        compact(&mut self.queries, &rows);
        // Both are in order.
        self.wanted
            .retain_mut(|wanted| match rows.binary_search(wanted) {
                Ok(row) => {
                    *wanted = row;
                    true
                }
                Err(_) => false,
            });
        Ok(Some(rows))
    }

    /// From here on, only the rows whose logits are wanted are computed.
    pub fn keep_wanted(&mut self) {
        compact(&mut self.queries, &self.wanted);
    }
}

/// Keeps the values at `places`, which are in order.
fn compact<T: Copy>(values: &mut Vec<T>, places: &[usize]) {
    for (to, &from) in places.iter().enumerate() {
        values[to] = values[from];
    }
    values.truncate(places.len());
}
