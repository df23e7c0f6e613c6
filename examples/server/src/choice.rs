//! One choice of an answer as it comes: pieces of text with the tokens that they are made of.
//!
//! A token counts as part of the text when the text reaches past its first character. So the
//! pieces of a stream put together have the same tokens as the whole answer, and the tokens of a
//! stop text, which is cut off, are left out. What a task puts around the answer has no tokens.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use codegeex::tokenizer::{InvalidUtf8, StreamDecoder, Tokenizer};

use crate::engine::{End, Scored};
use crate::openai::{Choice, Logprobs};
use crate::task::Framed;

/// A choice under way.
pub struct ChoiceBuilder {
    tokenizer: Arc<dyn Tokenizer>,
    index: usize,
    with_logprobs: bool,
    decoder: StreamDecoder,
    /// Characters of the tokens so far.
    decoded: usize,
    /// Characters of the text that was handed out.
    handed_out: usize,
    /// Tokens that wait for their text, with their offsets.
    pending: VecDeque<(usize, Scored)>,
    /// What the first piece begins with; empty after it.
    lead: String,
    /// What the last piece ends with.
    tail: String,
    /// Tokens that were generated.
    pub tokens: usize,
    /// The sum of their log-probabilities.
    pub log_probability: f64,
}

impl ChoiceBuilder {
    /// An empty choice.
    pub fn new(
        tokenizer: Arc<dyn Tokenizer>,
        index: usize,
        with_logprobs: bool,
        frame: &Framed,
    ) -> Self {
        Self {
            tokenizer,
            index,
            with_logprobs,
            decoder: StreamDecoder::new(InvalidUtf8::Replace),
            decoded: frame.lead.chars().count(),
            handed_out: 0,
            pending: VecDeque::new(),
            lead: frame.lead.clone(),
            tail: frame.tail.clone(),
            tokens: 0,
            log_probability: 0.0,
        }
    }

    /// The prompt, where it is part of the answer.
    pub fn prompt(&mut self, text: &str, scores: &[Scored]) -> Choice {
        for token in scores {
            self.add(token.clone());
        }
        // The completion is decoded for itself.
        let mut rest = String::new();
        let _ = self.decoder.finish(&mut rest);
        self.decoder = StreamDecoder::new(InvalidUtf8::Replace);
        self.decoded = text.chars().count();
        self.piece(text.to_owned(), true, None)
    }

    /// A token that was drawn, and the text that is certain with it.
    pub fn token(&mut self, token: Scored, text: String) -> Choice {
        self.tokens += 1;
        self.log_probability += token.logprob.map_or(0.0, f64::from);
        self.add(token);
        let text = std::mem::take(&mut self.lead) + &text;
        self.piece(text, false, None)
    }

    /// The end.
    pub fn end(&mut self, text: String, end: End) -> Choice {
        let reason = match end {
            End::EndOfText | End::Stop => "stop",
            End::Length | End::Cancelled => "length",
        };
        let text = std::mem::take(&mut self.lead) + &text;
        let mut piece = self.piece(text, end != End::Stop, Some(reason));
        // Not before the tokens that reach into the text are known.
        piece.text += &self.tail;
        piece
    }

    fn add(&mut self, token: Scored) {
        if self.with_logprobs {
            let mut text = String::new();
            let at = self.decoded;
            // Ids that stand for nothing have no text.
            let _ = self
                .decoder
                .push_token(&*self.tokenizer, token.id, &mut text);
            self.decoded += text.chars().count();
            self.pending.push_back((at, token));
        }
    }

    fn piece(&mut self, text: String, all: bool, reason: Option<&'static str>) -> Choice {
        self.handed_out += text.chars().count();
        let ready = match all {
            true => self.pending.len(),
            false => self
                .pending
                .iter()
                .take_while(|(at, _)| *at < self.handed_out)
                .count(),
        };
        let mut logprobs = Logprobs::default();
        for (at, token) in self.pending.drain(..ready) {
            let tokenizer = &*self.tokenizer;
            logprobs.tokens.push(token_text(tokenizer, token.id));
            logprobs.text_offset.push(at);
            logprobs.token_logprobs.push(token.logprob.map(finite));
            logprobs.top_logprobs.push(top(tokenizer, &token));
        }
        Choice {
            text,
            index: self.index,
            logprobs: self.with_logprobs.then_some(logprobs),
            finish_reason: reason,
        }
    }
}

impl Choice {
    /// Appends the piece that follows.
    pub fn extend(&mut self, piece: Choice) {
        self.text.push_str(&piece.text);
        self.finish_reason = piece.finish_reason;
        if let (Some(all), Some(more)) = (&mut self.logprobs, piece.logprobs) {
            all.tokens.extend(more.tokens);
            all.token_logprobs.extend(more.token_logprobs);
            all.top_logprobs.extend(more.top_logprobs);
            all.text_offset.extend(more.text_offset);
        }
    }

    /// Keeps the first `bytes` of the text and the tokens that begin there.
    pub fn truncate(&mut self, bytes: usize) {
        self.text.truncate(bytes);
        let characters = self.text.chars().count();
        if let Some(logprobs) = &mut self.logprobs {
            let keep = logprobs
                .text_offset
                .iter()
                .take_while(|&&at| at < characters)
                .count();
            logprobs.tokens.truncate(keep);
            logprobs.token_logprobs.truncate(keep);
            logprobs.top_logprobs.truncate(keep);
            logprobs.text_offset.truncate(keep);
        }
    }

    /// Whether there is nothing in it to send.
    pub fn is_empty(&self) -> bool {
        let no_tokens = self.logprobs.as_ref().is_none_or(|l| l.tokens.is_empty());
        self.text.is_empty() && no_tokens && self.finish_reason.is_none()
    }
}

/// JSON has no infinity; a logarithm of a probability of zero is as OpenAI writes it.
fn finite(logprob: f32) -> f32 {
    logprob.max(-9999.0)
}

/// The text of a token; its bytes where they are no text for themselves.
fn token_text(tokenizer: &dyn Tokenizer, id: u32) -> String {
    let bytes = tokenizer.token_bytes(id).unwrap_or_default();
    match std::str::from_utf8(bytes) {
        Ok(text) => text.to_owned(),
        Err(_) => {
            let escaped = bytes.iter().map(|b| format!("\\x{b:02x}"));
            format!("bytes:{}", escaped.collect::<String>())
        }
    }
}

fn top(tokenizer: &dyn Tokenizer, token: &Scored) -> Option<BTreeMap<String, f32>> {
    let own = (token.id, token.logprob?);
    let mut map = BTreeMap::new();
    // Of tokens with the same text, which runs of spaces have, the likeliest counts.
    for &(id, logprob) in token.top.iter().chain([&own]) {
        map.entry(token_text(tokenizer, id))
            .or_insert_with(|| finite(logprob));
    }
    Some(map)
}
