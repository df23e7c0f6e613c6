//! One choice of an answer as it comes: pieces of text with the tokens that they are made of.
//!
//! A token counts as part of the text when the text reaches past the character that it begins in. So the
//! pieces of a stream put together have the same tokens as the whole answer, and the tokens of a
//! stop text, which is cut off, are left out. What a task puts around the answer has no tokens.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use codegeex::tokenizer::{StreamDecoder, Tokenizer};

use crate::engine::{End, Scored};
use crate::openai::{Choice, Logprobs};
use crate::prompt::Prepared;

/// A choice under way.
pub struct ChoiceBuilder {
    tokenizer: Arc<dyn Tokenizer>,
    index: usize,
    with_logprobs: bool,
    /// The characters of the tokens so far.
    characters: Characters,
    /// Characters of the text that was handed out.
    handed_out: usize,
    /// Tokens that wait for their text, with their offsets.
    pending: VecDeque<(usize, Scored)>,
    /// What the first piece begins with; empty after it.
    lead: String,
    /// What the last piece ends with.
    tail: String,
    /// The beginning of a character at the end of the prompt that is part of this choice. The
    /// text of the completion begins with that character if it completes it.
    owed: Vec<u8>,
    /// Tokens that were sampled.
    pub tokens: usize,
    /// The sum of their log-probabilities.
    pub log_probability: f64,
}

impl ChoiceBuilder {
    /// An empty choice after a prompt.
    pub fn new(
        tokenizer: Arc<dyn Tokenizer>,
        index: usize,
        with_logprobs: bool,
        prompt: &Prepared,
    ) -> Self {
        let framed = &prompt.framed;
        Self {
            tokenizer,
            index,
            with_logprobs,
            characters: Characters {
                count: framed.lead.chars().count(),
                pending: prompt.unfinished.clone(),
                inherited: true,
            },
            handed_out: 0,
            pending: VecDeque::new(),
            lead: framed.lead.clone(),
            tail: framed.tail.clone(),
            owed: Vec::new(),
            tokens: 0,
            log_probability: 0.0,
        }
    }

    /// The prompt, where it is part of the answer.
    pub fn prompt(&mut self, prompt: &Prepared, scores: &[Scored]) -> Choice {
        self.characters = Characters::default();
        for token in scores {
            self.add(token.clone());
        }
        // Without `logprobs` there are no scores. An empty prompt has a token without text.
        self.characters = Characters {
            count: prompt.framed.prompt.chars().count(),
            pending: prompt.unfinished.clone(),
            inherited: false,
        };
        self.owed = prompt.unfinished.clone();
        self.piece(prompt.framed.prompt.clone(), true, None)
    }

    /// A token that was sampled, and the text that is certain with it.
    pub fn token(&mut self, token: Scored, text: &str) -> Choice {
        self.tokens += 1;
        self.log_probability += token.logprob.map_or(0.0, f64::from);
        let mut lead = std::mem::take(&mut self.lead);
        let bytes = self.bytes(token.id);
        if !bytes.is_empty() && !continues(&self.owed, bytes) {
            lead += self.pay();
        }
        self.owed.clear();
        self.add(token);
        self.piece(lead + text, false, None)
    }

    /// The end.
    pub fn end(&mut self, text: &str, end: End) -> Choice {
        let reason = match end {
            End::EndOfText | End::Stop => "stop",
            End::Length | End::Cancelled => "length",
        };
        let text = std::mem::take(&mut self.lead) + self.pay() + text;
        let mut piece = self.piece(text, end != End::Stop, Some(reason));
        // Not before the tokens that reach into the text are known.
        piece.text += &self.tail;
        piece
    }

    /// What stands for the beginning of a character that the completion does not complete.
    fn pay(&mut self) -> &'static str {
        match std::mem::take(&mut self.owed).is_empty() {
            true => "",
            false => "\u{fffd}",
        }
    }

    /// What a token adds to the text. The end of text adds nothing, and ids that stand for nothing
    /// neither.
    fn bytes(&self, id: u32) -> &[u8] {
        match id == self.tokenizer.end_of_text() {
            true => &[],
            false => self.tokenizer.token_bytes(id).unwrap_or_default(),
        }
    }

    fn add(&mut self, token: Scored) {
        if self.with_logprobs {
            let at = match self.tokens {
                // In a prompt, the end of text is spelled.
                0 => {
                    let bytes = self.tokenizer.token_bytes(token.id);
                    self.characters.push(bytes.unwrap_or_default())
                }
                _ => {
                    let bytes = self.bytes(token.id).to_owned();
                    self.characters.push(&bytes)
                }
            };
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

/// Counts the characters of bytes as they come. What is not UTF-8 is U+FFFD.
#[derive(Debug, Default)]
struct Characters {
    count: usize,
    /// The beginning of a character.
    pending: Vec<u8>,
    /// Whether that beginning is counted only when it is completed: it is part of other text.
    inherited: bool,
}

impl Characters {
    /// Takes more bytes. Returns how many characters are before the one that they begin in.
    fn push(&mut self, bytes: &[u8]) -> usize {
        if bytes.is_empty() {
            return self.count + usize::from(!self.pending.is_empty() && !self.inherited);
        }
        let goes_on = continues(&self.pending, bytes);
        if self.inherited && !goes_on {
            self.pending.clear();
        }
        self.inherited = false;
        let start = self.count + usize::from(!self.pending.is_empty() && !goes_on);
        self.pending.extend_from_slice(bytes);
        let rest = self.pending.len() - StreamDecoder::unfinished(&self.pending);
        let rest = self.pending.split_off(rest);
        self.count += String::from_utf8_lossy(&self.pending).chars().count();
        self.pending = rest;
        start
    }
}

/// Whether the first of `bytes` belongs to the character that `before` begins.
fn continues(before: &[u8], bytes: &[u8]) -> bool {
    let Some(&first) = bytes.first() else {
        return false;
    };
    let both = [before, &[first]].concat();
    let complete = std::str::from_utf8(&both).is_ok();
    !before.is_empty() && (complete || StreamDecoder::unfinished(&both) == both.len())
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
    // Of tokens with the same text, which runs of spaces have, the most likely counts.
    for &(id, logprob) in token.top.iter().chain([&own]) {
        map.entry(token_text(tokenizer, id))
            .or_insert_with(|| finite(logprob));
    }
    Some(map)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_begin_in_the_characters_that_their_bytes_belong_to() {
        let offsets = |mut characters: Characters, pieces: &[&[u8]]| {
            let offsets: Vec<usize> = pieces.iter().map(|p| characters.push(p)).collect();
            (offsets, characters.count)
        };
        type Row = (&'static [&'static [u8]], &'static [usize], usize);
        let rows: [Row; 6] = [
            (&[b"ab", b"\xc3\xa9", b"c"], &[0, 2, 3], 4),
            (&[b"a\xe2", b"\x82", b"\xac", b"b"], &[0, 1, 1, 2], 3),
            (&[b"\xe2\x82", b"b", b"c"], &[0, 1, 2], 3),
            (&[b"\x82", b"\x82", b"b"], &[0, 1, 2], 3),
            (&[b"\xe2", b"\xe2", b"\x82\xac", b""], &[0, 1, 1, 2], 2),
            (
                &[b"\xef\xbf", b"\xbd", b"b", b"\xef", b""],
                &[0, 0, 1, 2, 3],
                2,
            ),
        ];
        for (pieces, expected, count) in rows {
            let found = offsets(Characters::default(), pieces);
            assert_eq!(found, (expected.to_vec(), count), "{pieces:x?}");
        }
        let after = |pending: &[u8]| Characters {
            count: 0,
            pending: pending.to_vec(),
            inherited: true,
        };
        let found = offsets(after(b"\xe2\x82"), &[b"\xac", b"b"]);
        assert_eq!(found, (vec![0, 1], 2));
        assert_eq!(offsets(after(b"\xe2\x82"), &[b"b"]), (vec![0], 1));
        let found = offsets(after(b"\xe2"), &[b"", b"\x82", b"b"]);
        assert_eq!(found, (vec![0, 0, 1], 2));
    }
}
