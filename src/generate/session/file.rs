//! A session as bytes and as a file.
//!
//! ```text
//! label      16 bytes, "codegeex tokens" and zero
//! version    u32, 1
//! tokens     u32, and as many ids, u32 each
//! checksum   u64 of all that
//! the state, as the model writes it
//! checksum   u64 of everything before: these tokens belong to this state
//! ```

use std::fs::File;
use std::io::{self, BufReader, BufWriter, Read, Write};
use std::path::Path;

use super::Session;
use crate::checksum::{SealedReader, SealedWriter, Xxh64};
use crate::error::{Error, Result, bail};
use crate::generate::Generator;
use crate::memory::try_collect_ok;
use crate::partial::{Access, PartialFile};

const LABEL: [u8; 16] = *b"codegeex tokens\0";
const VERSION: u32 = 1;
/// The part before the state, for messages.
const TOKENS: &str = "the tokens of the session";
const SUM: usize = size_of::<u64>();

impl Session {
    /// Writes the tokens and their KV cache, for
    /// [`Generator::restore_session`]. The same tokens give the same bytes. Only the state's
    /// memory and a small buffer are used.
    ///
    /// # Errors
    /// Those of [`Model::save_state`](crate::model::Model::save_state).
    pub fn save(&self, out: &mut dyn Write) -> Result<()> {
        let model = self.generator.model();
        let mut out = Hashing::new(out);
        let mut sealed = SealedWriter::new(&mut out);
        sealed.write(&LABEL)?;
        sealed.write(&VERSION.to_le_bytes())?;
        // The context length is below that.
        sealed.write(&(self.ids.len() as u32).to_le_bytes())?;
        for id in &self.ids {
            sealed.write(&id.to_le_bytes())?;
        }
        sealed.seal()?;
        match &self.state {
            Some(state) if state.len() == self.ids.len() => model.save_state(&**state, &mut out)?,
            _ if self.ids.is_empty() => model.save_state(&*model.new_state(), &mut out)?,
            _ => bail!(Internal, "the session has other tokens than its state"),
        }
        let sum = out.hash.finish().to_le_bytes();
        out.write_all(&sum).and_then(|()| out.flush()).map_err(|e| {
            Error::new(crate::ErrorKind::Io, format!("cannot write: {e}")).with_source(e)
        })
    }

    /// Saves to a file, which is complete or as before: it is written under another name in the
    /// same folder, and renamed once it is on disk. Only the user may read it, as far as the
    /// system has such permissions: it holds the text.
    ///
    /// # Errors
    /// As for [`save`](Self::save), and [`Io`](crate::ErrorKind::Io) with the path.
    pub fn save_file(&self, path: impl AsRef<Path>) -> Result<()> {
        let path = path.as_ref();
        let partial = PartialFile::create(path, Access::Owner)?;
        let mut buffered = BufWriter::new(partial.file());
        self.save(&mut buffered)
            .map_err(|e| e.within(path.display()))?;
        (buffered.into_inner()).map_err(|e| Error::io(path, "write", e.into_error()))?;
        (partial.file().sync_all()).map_err(|e| Error::io(path, "write", e))?;
        partial.persist(true)
    }
}

impl Generator {
    /// Reads a session that [`Session::save`] wrote, of a model with the same
    /// [fingerprint](crate::model::Model::fingerprint). It goes on as the one that was saved, with the
    /// same bits.
    ///
    /// # Errors
    /// Those of [`Model::restore_state`](crate::model::Model::restore_state).
    pub fn restore_session(&self, input: &mut dyn Read) -> Result<Session> {
        let mut input = Withholding::new(input);
        let mut sealed = SealedReader::new(&mut input);
        let mut label = [0; LABEL.len()];
        sealed.read(&mut label, TOKENS)?;
        if label != LABEL {
            bail!(MalformedFile, "these bytes are not a saved session");
        }
        let mut number = || -> Result<u32> {
            let mut bytes = [0; 4];
            sealed.read(&mut bytes, TOKENS)?;
            Ok(u32::from_le_bytes(bytes))
        };
        let version = number()?;
        if version != VERSION {
            bail!(
                UnsupportedFile,
                "the saved session has version {version}, expected {VERSION}; compute it again \
                 with this release"
            );
        }
        let config = self.model().config();
        let tokens = number()? as usize;
        if tokens > config.max_position_embeddings {
            bail!(
                MalformedFile,
                "the saved session has {tokens} tokens, the context length is {}",
                config.max_position_embeddings
            );
        }
        let ids = try_collect_ok((0..tokens).map(|_| number()))?;
        sealed.check(TOKENS)?;
        if let Some(id) = (ids.iter()).find(|&&id| id as usize >= config.padded_vocab_size) {
            bail!(
                MalformedFile,
                "the saved session has the token {id}, which the model does not"
            );
        }
        let state = self.model().restore_state(&mut input)?;
        let (sum, stored) = (input.hash.finish(), input.held());
        if stored != Some(sum) {
            bail!(
                MalformedFile,
                "the checksum of the whole session is not that of its bytes; it was damaged \
                 after it was written"
            );
        }
        if state.len() != ids.len() {
            bail!(
                MalformedFile,
                "the saved session has {} tokens and a state of {}",
                ids.len(),
                state.len()
            );
        }
        let mut session = Session::new(self);
        session.ids = ids;
        session.state = Some(state);
        Ok(session)
    }

    /// Reads a session from a file.
    ///
    /// # Errors
    /// As for [`restore_session`](Self::restore_session), with the path.
    pub fn restore_session_file(&self, path: impl AsRef<Path>) -> Result<Session> {
        let path = path.as_ref();
        let file = File::open(path).map_err(|e| Error::io(path, "open", e))?;
        self.restore_session(&mut BufReader::new(file))
            .map_err(|e| e.within(path.display()))
    }
}

/// Passes bytes on and hashes them.
struct Hashing<'a> {
    out: &'a mut dyn Write,
    hash: Xxh64,
}

impl<'a> Hashing<'a> {
    fn new(out: &'a mut dyn Write) -> Self {
        let hash = Xxh64::new(0);
        Self { out, hash }
    }
}

impl Write for Hashing<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.out.write(bytes)?;
        self.hash.update(&bytes[..written]);
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}

/// Passes bytes on and hashes them, all but the last few, which are a checksum: what reads the
/// state finds its end before them.
struct Withholding<'a> {
    input: &'a mut dyn Read,
    hash: Xxh64,
    /// What was read and not passed on.
    buffer: Vec<u8>,
    /// How much of it was passed on after all.
    passed: usize,
    ended: bool,
}

impl<'a> Withholding<'a> {
    fn new(input: &'a mut dyn Read) -> Self {
        Self {
            input,
            hash: Xxh64::new(0),
            buffer: Vec::new(),
            passed: 0,
            ended: false,
        }
    }

    /// The checksum, once everything before it was passed on.
    fn held(&self) -> Option<u64> {
        let held = self.buffer.get(self.passed..)?;
        Some(u64::from_le_bytes(held.try_into().ok()?))
    }
}

impl Read for Withholding<'_> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        const BUFFER: usize = 64 << 10;
        while !self.ended && self.buffer.len() <= self.passed + SUM {
            self.buffer.drain(..self.passed);
            self.passed = 0;
            let before = self.buffer.len();
            if self.buffer.try_reserve(BUFFER).is_err() {
                return Err(io::ErrorKind::OutOfMemory.into());
            }
            self.buffer.resize(before + BUFFER, 0);
            let read = loop {
                match self.input.read(&mut self.buffer[before..]) {
                    Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                    other => break other,
                }
            };
            self.buffer.truncate(before + *read.as_ref().unwrap_or(&0));
            self.ended = read? == 0;
        }
        let ready = self.buffer.len().saturating_sub(self.passed + SUM);
        let n = ready.min(out.len());
        let part = &self.buffer[self.passed..self.passed + n];
        out[..n].copy_from_slice(part);
        self.hash.update(part);
        self.passed += n;
        Ok(n)
    }
}
