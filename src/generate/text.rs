//! Tokens to text, up to where a stop string or a rule of code ends it.

use super::options::{FinishReason, StopAt};
use super::stop::StopStrings;
use crate::code::CodeStop;
use crate::error::Result;
use crate::memory::{TryGrow, TryGrowText};
use crate::tokenizer::{InvalidUtf8, StreamDecoder, Tokenizer};

/// Most bytes of a character in UTF-8.
const MAX_CHAR: usize = 4;

/// The text of one completion as it comes. Stop strings see all of it; code stops what is certain
/// to belong to no stop string.
pub(super) struct Text {
    decoder: StreamDecoder,
    stops: StopStrings,
    code: Option<CodeStop>,
    ended: bool,
}

impl Text {
    /// The text that follows `prompt`. A character that the prompt begins is part of it, if it is
    /// completed.
    ///
    /// # Errors
    /// [`InvalidArgument`](crate::ErrorKind::InvalidArgument) for an empty stop string.
    pub fn new(
        stops: &[String],
        stop_at: Option<&StopAt>,
        tokenizer: &dyn Tokenizer,
        prompt: &[u32],
    ) -> Result<Self> {
        let code = stop_at.map(|stop| -> Result<_> {
            let last;
            let before = match &stop.before {
                Some(before) => before,
                None => {
                    last = last_text(tokenizer, prompt)?;
                    &last
                }
            };
            Ok(CodeStop::new(&stop.rules, stop.language, before))
        });
        let code = code.transpose()?;
        Ok(Self {
            decoder: StreamDecoder::after(InvalidUtf8::Replace, &last_bytes(tokenizer, prompt)?),
            stops: StopStrings::new(stops)?,
            code,
            ended: false,
        })
    }

    /// A copy, which memory may be refused for.
    pub fn try_clone(&self) -> Result<Self> {
        Ok(Self {
            decoder: self.decoder.clone(),
            stops: self.stops.try_clone()?,
            code: self.code.as_ref().map(CodeStop::try_clone).transpose()?,
            ended: self.ended,
        })
    }

    /// Appends what a token makes certain to `out`. Returns why the text ends there, if it does.
    pub fn push(
        &mut self,
        tokenizer: &dyn Tokenizer,
        id: u32,
        out: &mut String,
    ) -> Result<Option<FinishReason>> {
        let mut decoded = String::new();
        self.decoder.push_token(tokenizer, id, &mut decoded)?;
        self.take(&decoded, out)
    }

    /// The same for bytes, such as those of a token that come after what it heals.
    pub fn push_bytes(&mut self, bytes: &[u8], out: &mut String) -> Result<Option<FinishReason>> {
        let mut decoded = String::new();
        self.decoder.push(bytes, &mut decoded)?;
        self.take(&decoded, out)
    }

    /// Ends it: what was held back is text after all, unless that makes something end it before.
    pub fn finish(&mut self, out: &mut String) -> Result<Option<FinishReason>> {
        if self.ended {
            return Ok(None);
        }
        let mut decoded = String::new();
        self.decoder.finish(&mut decoded)?;
        if let Some(reason) = self.take(&decoded, out)? {
            return Ok(Some(reason));
        }
        let rest = self.stops.finish();
        let reason = self.take_certain(&rest, out)?;
        if reason.is_none() {
            self.release(out)?;
        }
        self.ended = true;
        Ok(reason)
    }

    fn take(&mut self, decoded: &str, out: &mut String) -> Result<Option<FinishReason>> {
        let mut certain = String::new();
        let stop = self.stops.push(decoded, &mut certain)?;
        // What stands before a stop string ends before it.
        let code = self.take_certain(&certain, out)?;
        if code.is_none() && stop.is_some() {
            self.release(out)?;
        }
        let reason = code.or(stop.map(FinishReason::Stop));
        self.ended = reason.is_some();
        Ok(reason)
    }

    fn take_certain(&mut self, text: &str, out: &mut String) -> Result<Option<FinishReason>> {
        match &mut self.code {
            Some(code) => Ok(code.push(text, out)?.map(FinishReason::Code)),
            None => {
                out.try_push_str(text)?;
                Ok(None)
            }
        }
    }

    fn release(&mut self, out: &mut String) -> Result<()> {
        if let Some(code) = &mut self.code {
            out.try_push_str(&code.finish())?;
        }
        Ok(())
    }
}

/// The bytes of the last tokens, more than a character has.
fn last_bytes(tokenizer: &dyn Tokenizer, ids: &[u32]) -> Result<Vec<u8>> {
    let mut bytes = 0;
    let tokens = ids.iter().rev().take_while(|&&id| {
        let more = bytes < MAX_CHAR;
        bytes += tokenizer.token_bytes(id).map_or(0, <[u8]>::len);
        more
    });
    let last = tokens.count();
    all_bytes(tokenizer, &ids[ids.len() - last..])
}

/// The text of what follows the last end of text, up to a character that is not complete. Ids
/// that stand for nothing are left out.
fn last_text(tokenizer: &dyn Tokenizer, ids: &[u32]) -> Result<String> {
    let end = tokenizer.end_of_text();
    let last = ids.rsplit(|&id| id == end).next().unwrap_or_default();
    let bytes = all_bytes(tokenizer, last)?;
    let mut text = String::new();
    let mut decoder = StreamDecoder::new(InvalidUtf8::Replace);
    decoder.push(&bytes, &mut text)?;
    Ok(text)
}

/// The bytes of tokens. Ids that stand for nothing have none.
fn all_bytes(tokenizer: &dyn Tokenizer, ids: &[u32]) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    for id in ids {
        bytes.try_extend(tokenizer.token_bytes(*id).unwrap_or_default())?;
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests;
