//! A state as bytes.
//!
//! ```text
//! label         16 bytes, "codegeex state" and zeros
//! version       u32, 1
//! endian mark   u32, 0x01020304
//! fingerprint   u64 of the model
//! cache         2 × u32: order and format of the KV cache
//! tokens        u64
//! checksum      u64, XXH64 of all that
//! keys and values, each piece with its checksum; nothing after them
//! ```
//!
//! Numbers are little-endian. The shape is not stored: the fingerprint stands for it. Nothing is
//! allocated on the word of a length alone.

use std::any::Any;
use std::io::{Read, Write};

use super::fingerprint::Fingerprint;
use super::state::State;
use super::transformer::{Sequence, Transformer};
use crate::backend::Backend;
use crate::checksum::{SealedReader, SealedWriter};
use crate::error::{Result, bail};

const LABEL: [u8; 16] = *b"codegeex state\0\0";
const VERSION: u32 = 1;
const ENDIAN: u32 = 0x0102_0304;

/// The header, for messages.
const HEADER: &str = "the header of the state";

impl<B: Backend> Transformer<B> {
    pub(super) fn write_state(&self, state: &dyn State, out: &mut dyn Write) -> Result<()> {
        let cache = match (state as &dyn Any).downcast_ref::<Sequence<B>>() {
            Some(sequence) if sequence.model == self.id => &sequence.cache,
            _ => bail!(
                StateMismatch,
                "this state was made by another model, which alone can save it"
            ),
        };
        let mut out = SealedWriter::new(out);
        out.write(&LABEL)?;
        out.write(&VERSION.to_le_bytes())?;
        out.write(&ENDIAN.to_le_bytes())?;
        out.write(&self.fingerprint.get().to_bytes())?;
        for id in cache.stored_id() {
            out.write(&id.to_le_bytes())?;
        }
        out.write(&(cache.len() as u64).to_le_bytes())?;
        out.seal()?;
        cache.write_to(&mut out)
    }

    pub(super) fn read_state(&self, input: &mut dyn Read) -> Result<Sequence<B>> {
        let mut input = SealedReader::new(input);
        let label: [u8; LABEL.len()] = field(&mut input)?;
        if label != LABEL {
            bail!(MalformedFile, "these bytes are not a saved state");
        }
        let version = u32::from_le_bytes(field(&mut input)?);
        let endian = u32::from_le_bytes(field(&mut input)?);
        if (version, endian) != (VERSION, ENDIAN) {
            bail!(
                UnsupportedFile,
                "the saved state has version {version} and endian mark {endian:08x}, expected \
                 {VERSION} and {ENDIAN:08x}; compute it again with this release"
            );
        }
        let fingerprint = Fingerprint::from_bytes(field(&mut input)?);
        let id = [field(&mut input)?, field(&mut input)?].map(u32::from_le_bytes);
        let tokens = u64::from_le_bytes(field(&mut input)?);
        input.check(HEADER)?;
        let own = self.fingerprint.get();
        if fingerprint != own {
            bail!(
                StateMismatch,
                "the saved state belongs to the model {fingerprint}, this one is {own}: other \
                 weights, another type of their numbers, or another configuration"
            );
        }
        let mut sequence = self.new_sequence();
        let expected = sequence.cache.stored_id();
        if id != expected {
            bail!(
                StateMismatch,
                "the saved state has a KV cache in the format {id:?}, expected {expected:?}, which \
                 this model uses; load the model with the formats of the KV cache and of \
                 activations that the state was saved with"
            );
        }
        let most = self.graph.config.max_position_embeddings;
        let tokens = match usize::try_from(tokens) {
            Ok(tokens) if tokens <= most => tokens,
            _ => bail!(
                MalformedFile,
                "the saved state has {tokens} tokens, the model has {most} positions"
            ),
        };
        sequence.cache.read_from(tokens, &mut input)?;
        input.end()?;
        Ok(sequence)
    }
}

fn field<const N: usize>(input: &mut SealedReader<'_>) -> Result<[u8; N]> {
    let mut bytes = [0; N];
    input.read(&mut bytes, HEADER)?;
    Ok(bytes)
}
