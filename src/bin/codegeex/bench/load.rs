//! Clients that keep a scheduler busy: each sends its next request when the last one is answered.

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::Instant;

use codegeex::cancel::CancelToken;
use codegeex::generate::{
    Event, GenerateOptions, Generator, Request, RequestId, Scheduler, SchedulerOptions, Update,
};
use codegeex::model::Model;
use codegeex::tokenizer::{BpeTokenizer, Tokenizer};
use codegeex::{Error, ErrorKind, Result};
use serde_json::{Value, json};

/// Requests that each client sends.
const REQUESTS: usize = 3;

/// What to ask for.
pub struct Load {
    pub clients: usize,
    /// Tokens of a prompt.
    pub prompt: usize,
    /// Tokens of an answer.
    pub new: usize,
}

/// What the clients saw.
pub struct Seen {
    clients: usize,
    tokens: usize,
    seconds: f64,
    /// From sending a request to its first token, in seconds, sorted.
    first: Vec<f64>,
    /// From one token of an answer to the next, in seconds, sorted.
    between: Vec<f64>,
}

/// A request under way.
struct Pending {
    sent: Instant,
    last: Option<Instant>,
}

impl Load {
    /// Serves all clients.
    pub fn run(&self, model: Arc<dyn Model>, cancel: &CancelToken) -> Result<Seen> {
        let tokenizer = Arc::new(BpeTokenizer::codegeex()?);
        let end = tokenizer.end_of_text();
        let generator = Generator::new(model, tokenizer);
        let mut bounds = SchedulerOptions::default();
        bounds.sequences = self.clients;
        // Every prompt is another, as those of strangers are.
        bounds.prefixes = 0;
        let mut scheduler = Scheduler::new(&generator, bounds)?;
        let mut options = GenerateOptions::default();
        options.limits.max_new_tokens = self.new;
        options.sampling.banned_ids = vec![end];
        let mut sent = 0;
        let mut send = |scheduler: &mut Scheduler| {
            let ids = (0..self.prompt).map(|i| ((i + 31 * sent) * 7919 % 50_000) as u32);
            let mut request = Request::new(ids.collect::<Vec<u32>>(), options.clone());
            sent += 1;
            request.cancel = cancel.clone();
            let pending = Pending {
                sent: Instant::now(),
                last: None,
            };
            scheduler.submit(request).map(|id| (id, pending))
        };
        let mut pending: BTreeMap<RequestId, Pending> = BTreeMap::new();
        let start = Instant::now();
        for _ in 0..self.clients {
            pending.extend([send(&mut scheduler)?]);
        }
        let mut seen = Seen {
            clients: self.clients,
            tokens: 0,
            seconds: 0.0,
            first: Vec::new(),
            between: Vec::new(),
        };
        let mut left = self.clients * (REQUESTS - 1);
        while !pending.is_empty() {
            let mut done = Vec::new();
            scheduler.step(&mut |id, update| {
                match update {
                    Update::Event(Event::Token { .. }) => seen.token(pending.get_mut(&id)),
                    Update::Done(result) => done.push((id, result)),
                    _ => {}
                }
                ControlFlow::Continue(())
            });
            for (id, result) in done {
                result?;
                pending.remove(&id);
                if left > 0 {
                    left -= 1;
                    pending.extend([send(&mut scheduler)?]);
                }
            }
            cancel.check()?;
        }
        seen.seconds = start.elapsed().as_secs_f64();
        seen.first.sort_by(f64::total_cmp);
        seen.between.sort_by(f64::total_cmp);
        match seen.first.is_empty() {
            true => Err(Error::new(ErrorKind::Internal, "no request got a token")),
            false => Ok(seen),
        }
    }
}

impl Seen {
    fn token(&mut self, request: Option<&mut Pending>) {
        let now = Instant::now();
        self.tokens += 1;
        if let Some(request) = request {
            match request.last.replace(now) {
                None => self.first.push((now - request.sent).as_secs_f64()),
                Some(last) => self.between.push((now - last).as_secs_f64()),
            }
        }
    }

    pub fn tokens_per_second(&self) -> f64 {
        self.tokens as f64 / self.seconds
    }

    pub fn to_json(&self) -> Value {
        let both = |of: &[f64]| json!({"median": quantile(of, 0.5), "p99": quantile(of, 0.99)});
        json!({
            "clients": self.clients,
            "requests": self.first.len(),
            "tokens": self.tokens,
            "tokens_per_second": self.tokens_per_second(),
            "time_to_first_token_seconds": both(&self.first),
            "time_between_tokens_seconds": both(&self.between),
        })
    }

    pub fn to_text(&self) -> String {
        let ms = |of: &[f64], q| 1e3 * quantile(of, q).unwrap_or(0.0);
        format!(
            "{:<11} {} requests: {:.2} tokens/s in all; first token after {:.1} ms (99th \
             percentile {:.1}), the others every {:.2} ms ({:.2})\n",
            match self.clients {
                1 => "1 client".to_owned(),
                n => format!("{n} clients"),
            },
            self.first.len(),
            self.tokens_per_second(),
            ms(&self.first, 0.5),
            ms(&self.first, 0.99),
            ms(&self.between, 0.5),
            ms(&self.between, 0.99),
        )
    }
}

/// The smallest value that a fraction `q` of all does not exceed.
fn quantile(sorted: &[f64], q: f64) -> Option<f64> {
    let rank = (q * sorted.len() as f64).ceil() as usize;
    sorted.get(rank.saturating_sub(1)).copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_ranks() {
        let hundred: Vec<f64> = (1..=100).map(f64::from).collect();
        assert_eq!(quantile(&hundred, 0.5), Some(50.0));
        assert_eq!(quantile(&hundred, 0.99), Some(99.0));
        assert_eq!(quantile(&[3.0], 0.99), Some(3.0));
        assert_eq!(quantile(&[], 0.5), None);
    }
}
