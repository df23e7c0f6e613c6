//! Text from tokens as they come, without ever cutting a character in two.
//!
//! A token can end inside a UTF-8 character. The decoder holds back the bytes, three at most,
//! that may still become one. It does not know which tokens end a text; that is the caller's.

use super::Tokenizer;
use super::encoder::bytes_or_error;
use crate::error::{Result, bail};
use crate::memory::TryGrowText;

/// What to do with bytes that are not UTF-8.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum InvalidUtf8 {
    /// Put U+FFFD in their place, as [`String::from_utf8_lossy`] does.
    #[default]
    Replace,
    /// Return an error.
    Refuse,
}

/// Most bytes of a UTF-8 character.
const MAX_CHAR: usize = 4;

/// An incremental decoder of UTF-8.
///
/// However the bytes are divided among calls, the texts that they append are together the text
/// of all the bytes. U+FFFD appears as soon as it is certain that the bytes cannot become a
/// character.
///
/// ```
/// use codegeex::tokenizer::{BpeTokenizer, InvalidUtf8, StreamDecoder};
///
/// let tokenizer = BpeTokenizer::codegeex()?;
/// let mut decoder = StreamDecoder::new(InvalidUtf8::Replace);
/// let mut text = String::new();
/// decoder.push_token(&tokenizer, 8582, &mut text)?; // the first two bytes of an emoji
/// assert_eq!(text, "");
/// decoder.push_token(&tokenizer, 25081, &mut text)?;
/// assert_eq!(text, "🙂");
/// decoder.finish(&mut text)?;
/// # Ok::<(), codegeex::Error>(())
/// ```
#[derive(Debug, Clone, Default)]
pub struct StreamDecoder {
    policy: InvalidUtf8,
    /// The beginning of a character, not all of it.
    pending: [u8; MAX_CHAR],
    len: usize,
    /// Whether all of the pending bytes are from before the text.
    inherited: bool,
    /// Bytes before the pending ones, for messages.
    done: u64,
    /// Whether there has been text.
    begun: bool,
}

impl StreamDecoder {
    /// A decoder at the beginning of a text.
    pub fn new(policy: InvalidUtf8) -> Self {
        Self {
            policy,
            ..Self::default()
        }
    }

    /// A decoder of the text that follows `before`.
    ///
    /// If `before` ends inside a character, and what follows completes that character, the text
    /// begins with it. If not, the text has nothing in its place: it is a matter of `before`, see
    /// [`unfinished`](Self::unfinished).
    ///
    /// ```
    /// use codegeex::tokenizer::{InvalidUtf8, StreamDecoder};
    ///
    /// let mut decoder = StreamDecoder::after(InvalidUtf8::Replace, b"5 \xe2\x82");
    /// let mut text = String::new();
    /// decoder.push(b"\xac each", &mut text)?;
    /// assert_eq!(text, "€ each");
    /// # Ok::<(), codegeex::Error>(())
    /// ```
    pub fn after(policy: InvalidUtf8, before: &[u8]) -> Self {
        let mut decoder = Self::new(policy);
        decoder.begun = !before.is_empty();
        decoder.hold(&before[before.len() - Self::unfinished(before)..]);
        decoder.inherited = decoder.len > 0;
        decoder
    }

    /// How many bytes at the end of `bytes`, three at most, are the beginning of a character that
    /// is not complete.
    pub fn unfinished(bytes: &[u8]) -> usize {
        let most = bytes.len().min(MAX_CHAR - 1);
        let ends = |&n: &usize| may_go_on(&bytes[bytes.len() - n..]);
        (1..=most).find(ends).unwrap_or(0)
    }

    /// Appends to `out` what `bytes` complete.
    ///
    /// # Errors
    /// With [`InvalidUtf8::Refuse`], [`InvalidUtf8`](crate::ErrorKind::InvalidUtf8) for bytes that
    /// cannot become a character. What came before them is in `out`; the decoder drops them and
    /// the rest of `bytes`, and goes on with the next call. [`OutOfMemory`](crate::ErrorKind::OutOfMemory).
    pub fn push(&mut self, bytes: &[u8], out: &mut String) -> Result<()> {
        self.begun |= !bytes.is_empty();
        let mut rest = bytes;
        while self.len > 0 {
            let Some((&byte, tail)) = rest.split_first() else {
                return Ok(());
            };
            self.pending[self.len] = byte;
            match std::str::from_utf8(&self.pending[..=self.len]) {
                Ok(character) => {
                    out.try_push_str(character)?;
                    self.advance(self.len + 1);
                    rest = tail;
                }
                Err(_) if may_go_on(&self.pending[..=self.len]) => {
                    self.len += 1;
                    self.inherited = false;
                    rest = tail;
                }
                // What was pending is not the beginning of a character with this byte. The byte
                // may begin another.
                Err(_) => self.invalid(out)?,
            }
        }
        let mut left = rest.len();
        for chunk in rest.utf8_chunks() {
            out.try_push_str(chunk.valid())?;
            self.done += chunk.valid().len() as u64;
            self.hold(chunk.invalid());
            left -= chunk.valid().len() + chunk.invalid().len();
            if self.len > 0 && !(left == 0 && may_go_on(chunk.invalid())) {
                self.invalid(out)?;
            }
        }
        Ok(())
    }

    /// Appends to `out` what the token `id` completes. Of the first token of a text, the
    /// [space before the text](Tokenizer::leading_space) is left out.
    ///
    /// # Errors
    /// [`TokenOutOfRange`](crate::ErrorKind::TokenOutOfRange) for an unknown id,
    /// which leaves the decoder as it was, and those of [`push`](Self::push).
    pub fn push_token(
        &mut self,
        tokenizer: &dyn Tokenizer,
        id: u32,
        out: &mut String,
    ) -> Result<()> {
        let bytes = bytes_or_error(tokenizer, id)?;
        let leading = match self.begun {
            true => 0,
            false => tokenizer.leading_space(id),
        };
        self.begun = true;
        self.push(&bytes[leading..], out)
    }

    /// Whether bytes are held back.
    pub fn is_pending(&self) -> bool {
        self.len > 0 && !self.inherited
    }

    /// Ends the text: treats what is held back as the policy says. The decoder is new afterwards.
    ///
    /// # Errors
    /// With [`InvalidUtf8::Refuse`], [`InvalidUtf8`](crate::ErrorKind::InvalidUtf8) for a text
    /// that ends inside a character.
    pub fn finish(&mut self, out: &mut String) -> Result<()> {
        let mut last = std::mem::replace(self, Self::new(self.policy));
        match last.len {
            0 => Ok(()),
            _ => last.invalid(out),
        }
    }

    fn hold(&mut self, bytes: &[u8]) {
        self.pending[..bytes.len()].copy_from_slice(bytes);
        self.len = bytes.len();
    }

    fn advance(&mut self, bytes: usize) {
        self.done += bytes as u64;
        self.len = 0;
        self.inherited = false;
    }

    /// Treats the pending bytes as the policy says.
    fn invalid(&mut self, out: &mut String) -> Result<()> {
        if self.inherited {
            (self.len, self.inherited) = (0, false);
            return Ok(());
        }
        let (found, at) = (self.pending, self.done);
        let found = &found[..self.len];
        self.advance(found.len());
        match self.policy {
            InvalidUtf8::Replace => out.try_push_str("\u{FFFD}")?,
            InvalidUtf8::Refuse => bail!(
                InvalidUtf8,
                "bytes {found:02x?} at {at} are no UTF-8 character: the tokens before them are \
                 text, these are not"
            ),
        }
        Ok(())
    }
}

/// Whether `bytes`, which are not UTF-8, are the beginning of a character.
fn may_go_on(bytes: &[u8]) -> bool {
    std::str::from_utf8(bytes).is_err_and(|error| error.error_len().is_none())
}
