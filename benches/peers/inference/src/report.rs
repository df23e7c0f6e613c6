//! The table and the JSON.

use serde_json::{Value, json};

use crate::engine::{Measured, Span};
use crate::options::Options;
use crate::peers::{Kind, Peer};

/// The share of the threads' time on a core from which on a run counts as undisturbed.
const UNDISTURBED: f64 = 0.9;

struct Row {
    peer: Peer,
    /// Runs of all rounds together.
    measured: Option<Measured>,
    error: Option<String>,
}

pub struct Report<'a> {
    options: &'a Options,
    rows: Vec<Row>,
    bandwidths: Vec<f64>,
    loads: Vec<String>,
}

/// Tokens a second: the best run and the median.
struct Speed {
    best: f64,
    median: f64,
    /// How much of the threads' time was on a core in the best run.
    share: f64,
}

impl Speed {
    fn new(tokens: usize, threads: usize, spans: &[Span]) -> Self {
        let mut sorted = spans.to_vec();
        sorted.sort_by(|a, b| a.wall.total_cmp(&b.wall));
        let tokens = tokens as f64;
        Self {
            best: tokens / sorted[0].wall,
            median: tokens / sorted[sorted.len() / 2].wall,
            share: sorted[0].cpu / (sorted[0].wall * threads as f64),
        }
    }
}

/// What is said while the program runs.
pub fn seconds(measured: &Measured) -> String {
    let list = |spans: &[Span]| -> String {
        let texts: Vec<_> = spans.iter().map(|s| format!("{:.2}", s.wall)).collect();
        texts.join(" ")
    };
    let (prompt, decode) = (&measured.prompt, &measured.decode);
    format!("prompt {} s, decode {} s", list(prompt), list(decode))
}

/// How far `b` is from `a` as a share of its length; `b` may be only the beginning.
fn distance(a: &[f32], b: &[f32]) -> Option<f32> {
    let a = a.get(..b.len()).filter(|a| !a.is_empty())?;
    let difference: f32 = a.iter().zip(b).map(|(x, y)| (x - y) * (x - y)).sum();
    let length: f32 = a.iter().map(|x| x * x).sum();
    Some((difference / length).sqrt())
}

impl<'a> Report<'a> {
    pub fn new(options: &'a Options) -> Self {
        Self {
            options,
            rows: Vec::new(),
            bandwidths: Vec::new(),
            loads: Vec::new(),
        }
    }

    pub fn bandwidth(&mut self, bytes_per_second: f64) {
        self.bandwidths.push(bytes_per_second);
        let load = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
        let minute = load.split(' ').next().unwrap_or_default();
        self.loads.push(minute.to_owned());
    }

    pub fn add(&mut self, peer: &Peer, result: Result<Measured, String>) {
        let name = peer.name();
        let place = self.rows.iter().position(|row| row.peer.name() == name);
        let place = place.unwrap_or_else(|| {
            self.rows.push(Row {
                peer: *peer,
                measured: None,
                error: None,
            });
            self.rows.len() - 1
        });
        let row = &mut self.rows[place];
        match (result, &mut row.measured) {
            (Err(error), _) => row.error = Some(error),
            (Ok(new), Some(old)) => {
                old.prompt.extend(new.prompt);
                old.decode.extend(new.decode);
            }
            (Ok(new), empty) => *empty = Some(new),
        }
    }

    fn ours(&self) -> impl Iterator<Item = (&Peer, &Measured)> {
        (self.rows.iter())
            .filter(|row| row.peer.kind == Kind::Ours)
            .filter_map(|row| Some((&row.peer, row.measured.as_ref()?)))
    }

    /// Our figures with the weight format nearest to this one: F16 for F32, INT8 for Q8_0.
    fn opponent(&self, peer: &Peer) -> Option<(&Peer, &Measured)> {
        let apart = |other: &Peer| (other.bits / peer.bits).ln().abs();
        (self.ours()).min_by(|(a, _), (b, _)| apart(a).total_cmp(&apart(b)))
    }

    fn off(&self, row: &Row) -> Option<f32> {
        let (_, reference) = self.ours().find(|(peer, _)| peer.format == "f16")?;
        distance(&reference.logits, &row.measured.as_ref()?.logits)
    }

    fn wrong(&self, row: &Row) -> bool {
        let limit = row.peer.tolerance;
        self.off(row).is_some_and(|off| off.is_nan() || off > limit)
    }

    pub fn anyone_wrong(&self) -> bool {
        self.rows.iter().any(|row| self.wrong(row))
    }

    fn best_bandwidth(&self) -> f64 {
        self.bandwidths.iter().fold(0.0, |a: f64, b| a.max(*b))
    }

    fn weight_bytes(&self, row: &Row) -> f64 {
        let told = row.measured.as_ref().and_then(|m| m.weight_bytes);
        told.unwrap_or(self.options.shape.multiplied() as f64 * row.peer.bits / 8.0)
    }

    /// Bytes of the KV cache that a decoded token looks at, where the engine tells.
    fn cache_bytes(&self, row: &Row) -> f64 {
        let plan = self.options.plan;
        let tokens = plan.prompt + plan.decode;
        let visible = self.options.shape.visible(tokens) as f64 / tokens as f64;
        let told = row.measured.as_ref().and_then(|m| m.cache_bytes);
        told.unwrap_or(0.0) * visible
    }

    pub fn print(&self) {
        let plan = self.options.plan;
        let slowest = self.bandwidths.iter().fold(f64::MAX, |a, b| a.min(*b));
        println!(
            "\n{}: {:.2} G parameters, {} threads, prompt of {}, then {} tokens one by one, \
             best (median) of {} runs",
            self.options.shape.name,
            self.options.shape.config.parameters() as f64 / 1e9,
            plan.threads,
            plan.prompt,
            plan.decode,
            plan.runs * self.options.rounds,
        );
        println!(
            "read bandwidth {:.1} to {:.1} GB/s; load average before each engine: {}",
            slowest / 1e9,
            self.best_bandwidth() / 1e9,
            self.loads.join(" ")
        );
        println!(
            "In brackets are ratios of which one side was on a core for less than {:.0} % of its \
             threads' time: a neighbour disturbed it, or it left a thread idle. They compare \
             nothing.",
            100.0 * UNDISTURBED
        );
        println!(
            "\n| engine | prompt, tokens/s | on a core | ours is | decode, tokens/s | on a core | \
             ours is | GB/s of weights and cache | of bandwidth | logits off by |\n\
             |---|---|---|---|---|---|---|---|---|---|"
        );
        for row in &self.rows {
            println!("{}", self.line(row));
        }
        println!();
        for row in &self.rows {
            if let Some(measured) = &row.measured {
                println!("{}: {}", row.peer.name(), measured.describe.trim());
            }
            if let Some(error) = &row.error {
                println!("{}: {error}", row.peer.name());
            }
        }
    }

    fn line(&self, row: &Row) -> String {
        let name = row.peer.name();
        let Some(measured) = &row.measured else {
            return format!("| {name} | failed | | | | | | | | |");
        };
        let plan = self.options.plan;
        let prompt = Speed::new(plan.prompt, plan.threads, &measured.prompt);
        let decode = Speed::new(plan.decode, plan.threads, &measured.decode);
        let ratio = |tokens: usize, speed: &Speed, of: fn(&Measured) -> &Vec<Span>| {
            let Some((peer, ours)) = self.opponent(&row.peer) else {
                return String::new();
            };
            if row.peer.kind == Kind::Ours {
                return String::new();
            }
            let ours = Speed::new(tokens, plan.threads, of(ours));
            let text = format!("{:.2}x ({})", ours.best / speed.best, peer.format);
            if ours.share.min(speed.share) < UNDISTURBED {
                return format!("[{text}]");
            }
            text
        };
        let prompt_ratio = ratio(plan.prompt, &prompt, |m| &m.prompt);
        let decode_ratio = ratio(plan.decode, &decode, |m| &m.decode);
        let traffic = decode.best * (self.weight_bytes(row) + self.cache_bytes(row));
        let off = self.off(row).map_or("not told".to_owned(), |off| {
            let verdict = if self.wrong(row) { " WRONG" } else { "" };
            format!("{off:.4}{verdict}")
        });
        format!(
            "| {name} | {:.1} ({:.1}) | {:.0} % | {prompt_ratio} | {:.2} ({:.2}) | {:.0} % | \
             {decode_ratio} | {:.1} | {:.0} % | {off} |",
            prompt.best,
            prompt.median,
            100.0 * prompt.share,
            decode.best,
            decode.median,
            100.0 * decode.share,
            traffic / 1e9,
            100.0 * traffic / self.best_bandwidth(),
        )
    }

    pub fn json(&self) -> String {
        let plan = self.options.plan;
        let rows: Vec<Value> = (self.rows.iter())
            .map(|row| {
                let measured = row.measured.as_ref();
                json!({
                    "engine": row.peer.name(),
                    "describe": measured.map(|m| &m.describe),
                    "prompt": measured.map(|m| &m.prompt),
                    "decode": measured.map(|m| &m.decode),
                    "weight_bytes": self.weight_bytes(row),
                    "cache_bytes": self.cache_bytes(row),
                    "logits_off_by": self.off(row),
                    "error": row.error,
                })
            })
            .collect();
        let report = json!({
            "shape": self.options.shape.name,
            "parameters": self.options.shape.config.parameters(),
            "threads": plan.threads,
            "prompt": plan.prompt,
            "decode": plan.decode,
            "read_bandwidth": self.bandwidths,
            "load_average": self.loads,
            "engines": rows,
        });
        serde_json::to_string_pretty(&report).expect("numbers and text")
    }
}
