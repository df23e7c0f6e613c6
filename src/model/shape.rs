//! A backend without numbers: it runs the graph to find out how large what lives together is.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use super::ModelConfig;
use super::graph::Graph;
use super::params::Supply;
use super::plan::Plan;
use super::{Input, Wanted};
use crate::backend::kv::Budget;
use crate::backend::{
    Activation, Backend, CacheShape, Gather, HeadShape, KvCache, KvFormat, Norm, PagePool,
    PageTable, PlanRows, RotaryPairs, StepPlan,
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
        let mut cache = KvCache::new(graph.pool());
        cache.extend(1)?;
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

/// Pages without memory.
#[derive(Debug, Clone)]
struct NoPages(CacheShape, Arc<Budget>);

impl PagePool for NoPages {
    type Page = ();

    fn shape(&self) -> CacheShape {
        self.0
    }

    fn format(&self) -> KvFormat {
        KvFormat::F32
    }

    fn numerics(&self) -> u8 {
        0
    }

    fn page_bytes(&self) -> usize {
        0
    }

    fn budget(&self) -> &Arc<Budget> {
        &self.1
    }

    fn allocate(&self) -> Result<()> {
        Ok(())
    }

    fn copy(&self, (): &()) -> Result<()> {
        Ok(())
    }

    fn read(&self, (): &(), _: usize, _: usize, _: &mut Vec<u8>) -> Result<()> {
        bail!(Internal, "a cache without numbers is not saved")
    }

    fn write(&self, (): &mut (), _: usize, _: usize, _: &[u8]) -> Result<()> {
        bail!(Internal, "a cache without numbers is not restored")
    }
}

/// The plan of a step; its angles and sinusoids are as long as it lives.
#[derive(Debug)]
struct ShapePlan<'p> {
    step: &'p StepPlan,
    _values: Values,
}

/// What the list of queries of an attention takes for each head of a token.
const LIST: usize = 20;

impl Backend for Shapes {
    type Matrix = [usize; 2];
    type Vector = ();
    type Activations = Values;
    type Pool = NoPages;
    type Plan<'p> = ShapePlan<'p>;

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

    fn pool(&self, shape: CacheShape) -> NoPages {
        NoPages(shape, Arc::new(Budget::new(None, || None)))
    }

    fn plan<'p>(&self, step: &'p StepPlan, _: Vec<PageTable<'p, ()>>) -> Result<ShapePlan<'p>> {
        let angles = step.angles.cos.len() + step.angles.sin.len();
        Ok(ShapePlan {
            step,
            _values: self.values(1, angles + step.sinusoids.len()),
        })
    }

    fn embed(&self, table: &[usize; 2], plan: &ShapePlan<'_>) -> Result<Values> {
        Ok(self.values(plan.step.ids.len(), table[1]))
    }

    fn embed_positions(
        &self,
        table: &[usize; 2],
        plan: &ShapePlan<'_>,
        rows: PlanRows,
    ) -> Result<Values> {
        Ok(self.values(plan.step.count(rows), table[1]))
    }

    fn add_sinusoids(&self, _: &mut Values, _: &ShapePlan<'_>) -> Result<()> {
        Ok(())
    }

    fn gather(&self, x: &Values, plan: &ShapePlan<'_>, rows: Gather) -> Result<Values> {
        let rows = match rows {
            Gather::Wanted => &plan.step.wanted,
            Gather::Kept => &plan.step.kept,
        };
        Ok(self.values(rows.len(), x.cols))
    }

    fn copy(&self, x: &Values) -> Result<Values> {
        Ok(self.values(x.rows, x.cols))
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

    fn rotate(
        &self,
        _: &mut Values,
        _: &ShapePlan<'_>,
        _: PlanRows,
        _: RotaryPairs,
        _: usize,
    ) -> Result<()> {
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

    fn write_kv(&self, _: &mut ShapePlan<'_>, _: usize, _: &Values, _: &Values) -> Result<()> {
        Ok(())
    }

    fn attend(
        &self,
        q: &Values,
        _: &ShapePlan<'_>,
        _: PlanRows,
        _: usize,
        shape: HeadShape,
    ) -> Result<Values> {
        let _list = self.values(q.rows, LIST * shape.heads);
        Ok(self.values(q.rows, q.cols))
    }

    fn read(&self, _: Values) -> Result<Vec<f32>> {
        Ok(Vec::new())
    }
}
