//! What every engine does, and how it is timed.

use std::time::Instant;

use serde::{Deserialize, Serialize};

/// A loaded model with one sequence.
pub trait Engine {
    /// What it says of itself: version, instruction set.
    fn describe(&self) -> String;

    /// Empties the sequence.
    fn reset(&mut self);

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
    /// Seconds of the prompt, each run.
    pub prompt_s: Vec<f64>,
    /// Seconds of all decoded tokens, each run.
    pub decode_s: Vec<f64>,
    /// Some of the logits after the prompt and after the last token, to tell that everyone
    /// computed the same; empty where an engine does not give them.
    #[serde(default)]
    pub logits: Vec<f32>,
    /// Bytes of weights that one token needs, where they are not those of the format's name.
    #[serde(default)]
    pub weight_bytes: Option<f64>,
}

/// The tokens that everyone is fed. The Python engines have the same formula.
pub fn ids(count: usize) -> Vec<u32> {
    (0..count as u32).map(|i| 1000 + i * 7 % 50000).collect()
}

/// Every 64th logit.
fn sample(logits: &[f32], out: &mut Vec<f32>) {
    out.extend(logits.iter().step_by(64));
}

/// Times an engine. A first run without a clock warms it up and gives the logits.
pub fn measure(engine: &mut dyn Engine, plan: Plan) -> Measured {
    let ids = ids(plan.prompt + plan.decode);
    let (prompt, decode) = ids.split_at(plan.prompt);
    let mut measured = Measured {
        describe: engine.describe(),
        prompt_s: Vec::new(),
        decode_s: Vec::new(),
        logits: Vec::new(),
        weight_bytes: None,
    };
    for run in 0..=plan.runs {
        engine.reset();
        let start = Instant::now();
        let after_prompt = engine.feed(prompt);
        let prompt_s = start.elapsed().as_secs_f64();
        let start = Instant::now();
        let mut last = Vec::new();
        for id in decode {
            last = engine.feed(&[*id]);
        }
        let decode_s = start.elapsed().as_secs_f64();
        if run == 0 {
            sample(&after_prompt, &mut measured.logits);
            sample(&last, &mut measured.logits);
        } else {
            measured.prompt_s.push(prompt_s);
            measured.decode_s.push(decode_s);
        }
    }
    measured
}
