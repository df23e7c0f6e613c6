//! What every engine does, and how it is timed.

use std::time::Instant;

use serde::{Deserialize, Serialize};

/// A loaded model with one sequence.
pub trait Engine {
    /// What it says of itself: version, instruction set.
    fn describe(&self) -> String;

    /// Empties the sequence.
    fn reset(&mut self);

    /// Bytes of the KV cache, where the engine tells.
    fn cache_bytes(&self) -> Option<f64> {
        None
    }

    /// Feeds tokens in one call and returns the logits that follow the last one.
    fn feed(&mut self, ids: &[u32]) -> Vec<f32>;
}

/// How much is measured.
#[derive(Clone, Copy)]
pub struct Plan {
    pub threads: usize,
    pub prompt: usize,
    pub decode: usize,
    pub runs: usize,
}

/// What one engine did, as its process prints it: one line of JSON.
#[derive(Serialize, Deserialize)]
pub struct Measured {
    pub describe: String,
    /// The prompt, each run.
    pub prompt: Vec<Span>,
    /// All decoded tokens, each run.
    pub decode: Vec<Span>,
    /// Some of the logits after the prompt and after the last token, to tell that everyone
    /// computed the same; those after the prompt alone where an engine chooses its own tokens.
    pub logits: Vec<f32>,
    /// Bytes of weights that one token needs, where they are not those of the format's name.
    #[serde(default)]
    pub weight_bytes: Option<f64>,
    /// Bytes of the KV cache of the whole sequence, where the engine tells.
    #[serde(default)]
    pub cache_bytes: Option<f64>,
}

/// How long something took.
#[derive(Clone, Copy, Serialize, Deserialize)]
pub struct Span {
    /// Seconds by the clock.
    pub wall: f64,
    /// Seconds of all threads on a core; less than `wall` times the threads on a busy machine.
    pub cpu: f64,
}

impl Span {
    fn time(work: impl FnOnce()) -> Self {
        let cpu = cpu_seconds();
        let start = Instant::now();
        work();
        Self {
            wall: start.elapsed().as_secs_f64(),
            cpu: cpu_seconds() - cpu,
        }
    }
}

/// Seconds that this process has computed so far, from `/proc`, in hundredths; zero elsewhere.
fn cpu_seconds() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    // The name may hold spaces; user and system time are the 12th and 13th fields after it.
    let fields = stat.rsplit(") ").next().unwrap_or_default();
    let ticks: f64 = (fields.split(' ').skip(11).take(2))
        .filter_map(|field| field.parse::<f64>().ok())
        .sum();
    ticks / 100.0
}

/// The tokens that everyone is fed. The Python engines have the same formula.
pub fn ids(count: usize) -> Vec<u32> {
    (0..count as u32).map(|i| 1000 + i * 7 % 50000).collect()
}

/// Every 64th logit.
fn sample(logits: &[f32], out: &mut Vec<f32>) {
    out.extend(logits.iter().step_by(64));
}

/// Times an engine. The first run, which warms it up, counts like the others, of which the best is
/// taken, and gives the logits.
pub fn measure(engine: &mut dyn Engine, plan: Plan) -> Measured {
    let ids = ids(plan.prompt + plan.decode);
    let (prompt, decode) = ids.split_at(plan.prompt);
    let mut measured = Measured {
        describe: engine.describe(),
        prompt: Vec::new(),
        decode: Vec::new(),
        logits: Vec::new(),
        weight_bytes: None,
        cache_bytes: None,
    };
    for run in 0..plan.runs {
        engine.reset();
        let mut after_prompt = Vec::new();
        let mut last = Vec::new();
        (measured.prompt).push(Span::time(|| after_prompt = engine.feed(prompt)));
        measured.decode.push(Span::time(|| {
            for id in decode {
                last = engine.feed(&[*id]);
            }
        }));
        measured.cache_bytes = engine.cache_bytes();
        if run == 0 {
            sample(&after_prompt, &mut measured.logits);
            sample(&last, &mut measured.logits);
        }
    }
    measured
}
