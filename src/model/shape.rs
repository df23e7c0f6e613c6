//! A backend without numbers: it runs the graph to find out how large what lives together is.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use super::ModelConfig;
use super::graph::Graph;
use super::params::Supply;
use super::plan::Plan;
use super::{Input, Wanted};
use crate::backend::{
    Activation, Backend, CacheShape, HeadShape, KvCache, Norm, PageSize, Query, RotaryPairs,
    SealedReader, SealedWriter,
};
use crate::cancel::Control;
use crate::error::{Result, bail};
use crate::family::{Slot, slots};
use crate::tensor::{Stored, Tensor};

/// What one token takes, in values of single precision.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Widths {
    /// Of activations that live at the same time, without logits.
    pub hidden: usize,
    /// The same of a token whose logits are wanted.
    pub with_logits: usize,
    /// The widest input of a linear layer.
    pub input: usize,
}

/// Runs the graph of a configuration for one token.
///
/// # Errors
/// [`OutOfMemory`](crate::ErrorKind::OutOfMemory).
pub(super) fn widths(config: &ModelConfig) -> Result<Widths> {
    let run = |wanted| {
        let backend = Shapes::default();
        let graph = Graph::new(config, backend.clone(), &Table::new(config))?;
        let mut state = Nothing;
        let mut plan = Plan::new(config, &[Input::new(&mut state, &[0], wanted)])?;
        let mut cache = Kept { len: 1 };
        let control = Control::new();
        graph.forward(&mut plan, &mut [&mut cache], &control, &mut |_, _| Ok(()))?;
        let meter = &backend.meter;
        Ok::<_, crate::Error>((meter.peak.load(Relaxed), meter.input.load(Relaxed)))
    };
    let ((hidden, _), (with_logits, input)) = (run(Wanted::Nothing)?, run(Wanted::Last)?);
    Ok(Widths {
        hidden,
        with_logits,
        input,
    })
}

/// Values that live, and the most that ever did.
#[derive(Debug, Default)]
struct Meter {
    now: AtomicUsize,
    peak: AtomicUsize,
    input: AtomicUsize,
}

#[derive(Debug, Clone, Default)]
struct Shapes {
    meter: Arc<Meter>,
}

/// Some values, counted as long as they live.
#[derive(Debug)]
struct Values {
    rows: usize,
    cols: usize,
    meter: Arc<Meter>,
}

impl Drop for Values {
    fn drop(&mut self) {
        self.meter.now.fetch_sub(self.rows * self.cols, Relaxed);
    }
}

impl Shapes {
    fn values(&self, rows: usize, cols: usize) -> Values {
        let now = self.meter.now.fetch_add(rows * cols, Relaxed) + rows * cols;
        self.meter.peak.fetch_max(now, Relaxed);
        Values {
            rows,
            cols,
            meter: Arc::clone(&self.meter),
        }
    }
}

/// The shapes of all parameters.
struct Table(HashMap<Slot, Vec<usize>>);

impl Table {
    fn new(config: &ModelConfig) -> Self {
        Self(slots(config).collect())
    }
}

impl Supply<Shapes> for Table {
    fn matrix(&self, slot: Slot) -> Result<Option<[usize; 2]>> {
        let shape = self.0.get(&slot);
        Ok(shape.map(|shape| [shape[0], shape[1]]))
    }

    fn vector(&self, slot: Slot) -> Result<Option<()>> {
        Ok(self.0.get(&slot).map(|_| ()))
    }
}

/// An empty state.
#[derive(Debug)]
struct Nothing;

impl super::State for Nothing {
    fn len(&self) -> usize {
        0
    }

    fn truncate(&mut self, _: usize) {}

    fn fork(&self) -> Box<dyn super::State> {
        Box::new(Self)
    }

    fn bytes(&self) -> usize {
        0
    }
}

#[derive(Debug)]
struct Kept {
    len: usize,
}

impl KvCache for Kept {
    fn len(&self) -> usize {
        self.len
    }

    fn extend(&mut self, tokens: usize) -> Result<()> {
        self.len += tokens;
        Ok(())
    }

    fn truncate(&mut self, tokens: usize) {
        self.len = self.len.min(tokens);
    }

    fn fork(&self) -> Self {
        Self { len: self.len }
    }

    fn bytes(&self) -> usize {
        0
    }

    fn stored_id(&self) -> [u32; 2] {
        [0; 2]
    }

    fn write_to(&self, _: &mut SealedWriter<'_>) -> Result<()> {
        bail!(Internal, "a cache without numbers is not saved")
    }

    fn read_from(&mut self, _: usize, _: &mut SealedReader<'_>) -> Result<()> {
        bail!(Internal, "a cache without numbers is not restored")
    }
}

/// What the list of queries of an attention takes for each head of a token.
const LIST: usize = 20;

impl Backend for Shapes {
    type Matrix = [usize; 2];
    type Vector = ();
    type Activations = Values;
    type Cache = Kept;
    type Angles = Values;

    fn name(&self) -> String {
        "shapes".to_owned()
    }

    fn scoped(&self, _: &Control<'_>) -> Self {
        self.clone()
    }

    fn matrix(&self, _: &Stored) -> Result<[usize; 2]> {
        bail!(Internal, "a backend without numbers loads nothing")
    }

    fn vector(&self, _: &Tensor) -> Result<()> {
        bail!(Internal, "a backend without numbers loads nothing")
    }

    fn cache(&self, _: CacheShape) -> Kept {
        Kept { len: 0 }
    }

    fn page(&self, _: CacheShape) -> PageSize {
        PageSize {
            tokens: 1,
            bytes: 0,
        }
    }

    fn rows(&self, matrix: &[usize; 2], ids: &[u32]) -> Result<Values> {
        Ok(self.values(ids.len(), matrix[1]))
    }

    fn select(&self, x: &Values, rows: &[usize]) -> Result<Values> {
        Ok(self.values(rows.len(), x.cols))
    }

    fn upload(&self, values: Vec<f32>, cols: usize) -> Result<Values> {
        Ok(self.values(values.len() / cols, cols))
    }

    fn add(&self, _: &mut Values, _: &Values) -> Result<()> {
        Ok(())
    }

    fn scale(&self, _: &mut Values, _: f32) -> Result<()> {
        Ok(())
    }

    fn norm(&self, x: &Values, _: Norm, (): &(), _: Option<&()>, _: f32) -> Result<Values> {
        Ok(self.values(x.rows, x.cols))
    }

    fn norm_heads(&self, _: &mut Values, (): &(), _: f32) -> Result<()> {
        Ok(())
    }

    fn angles(&self, positions: &[u32], frequencies: &[f32]) -> Result<Values> {
        Ok(self.values(positions.len(), 2 * frequencies.len()))
    }

    fn rotate(&self, _: &mut Values, _: &Values, _: RotaryPairs, _: usize) -> Result<()> {
        Ok(())
    }

    fn linear(&self, x: &Values, w: &[usize; 2], _: Option<&()>) -> Result<Values> {
        self.meter.input.fetch_max(x.cols, Relaxed);
        Ok(self.values(x.rows, w[0]))
    }

    fn activate(&self, _: &mut Values, _: Activation) -> Result<()> {
        Ok(())
    }

    fn gate(&self, _: &mut Values, _: &Values, _: Activation) -> Result<()> {
        Ok(())
    }

    fn store(
        &self,
        _: &mut [&mut Kept],
        _: usize,
        _: &Values,
        _: &Values,
        _: &[usize],
    ) -> Result<()> {
        Ok(())
    }

    fn attend(
        &self,
        q: &Values,
        _: &[Query],
        _: &[&Kept],
        _: usize,
        shape: HeadShape,
    ) -> Result<Values> {
        let _list = self.values(q.rows, LIST * shape.heads);
        Ok(self.values(q.rows, q.cols))
    }

    fn read(&self, _: Values) -> Vec<f32> {
        Vec::new()
    }
}
