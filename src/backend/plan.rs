//! What one step computes, made once on the host and handed to the backend once.

/// One row of a step: which sequence it belongs to and where it stands there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PlanRow {
    /// Index into the page tables of the plan.
    pub sequence: usize,
    /// Its keys and values go there; it sees the positions up to this one, those that the window
    /// leaves.
    pub position: usize,
}

/// The rows that an operation computes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PlanRows {
    /// All of the plan.
    All,
    /// Those whose logits are wanted.
    Wanted,
}

/// The rows that [`gather`](super::Backend::gather) takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Gather {
    /// Of all rows of the plan, [`StepPlan::wanted`].
    Wanted,
    /// Of the rows of the plan before, [`StepPlan::kept`].
    Kept,
}

/// Cosines and sines of rotary position embedding: `pairs` of each for every row of a plan.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Angles {
    /// `[rows, pairs]`
    pub cos: Vec<f32>,
    /// `[rows, pairs]`
    pub sin: Vec<f32>,
    /// Pairs of values of a head that are rotated.
    pub pairs: usize,
}

/// What a step computes, as the host knows it. [`Backend::plan`](super::Backend::plan) takes it over
/// together with the page tables; after that no operation of the step gets anything from the host.
///
/// Rows of a sequence are side by side, in the order of their positions.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct StepPlan {
    /// The token of each row.
    pub ids: Vec<u32>,
    /// Sequence and position of each row. Its slot in the KV cache follows from them: page
    /// `position / PAGE_TOKENS` of the table of its sequence, token `position % PAGE_TOKENS` there.
    pub rows: Vec<PlanRow>,
    /// Rows whose logits are wanted, in order.
    pub wanted: Vec<usize>,
    /// In a plan that replaces another in the middle of a step: where each of its rows was there.
    pub kept: Vec<usize>,
    /// Of rotary position embedding; empty without.
    pub angles: Angles,
    /// Sinusoidal position embeddings, a row of the hidden size for each row; empty without.
    pub sinusoids: Vec<f32>,
}

impl StepPlan {
    /// The number of rows that an operation computes.
    pub fn count(&self, rows: PlanRows) -> usize {
        match rows {
            PlanRows::All => self.rows.len(),
            PlanRows::Wanted => self.wanted.len(),
        }
    }

    /// The index of the `n`th row that an operation computes.
    pub fn index(&self, rows: PlanRows, n: usize) -> usize {
        match rows {
            PlanRows::All => n,
            PlanRows::Wanted => self.wanted[n],
        }
    }
}
