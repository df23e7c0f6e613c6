//! XXH64, and streams of sections that each end with a checksum: what tells a damaged or stale
//! file from a whole one.
//!
//! The checksum of a section begins with that of the section before, so that sections of one file
//! cannot stand in another, nor in another order. What this module does not do: keep anybody out.
//! Whoever can write a file can write its checksums; what reads one must hold for any bytes.
#![forbid(unsafe_code)]

use std::io::{self, Read, Write};

use crate::error::{Error, ErrorKind, Result, bail};

const PRIMES: [u64; 5] = [
    0x9e37_79b1_85eb_ca87,
    0xc2b2_ae3d_27d4_eb4f,
    0x1656_67b1_9e37_79f9,
    0x85eb_ca77_c2b2_ae63,
    0x27d4_eb2f_1656_67c5,
];

/// Bytes that go into the four lanes at a time.
const STRIPE: usize = 32;

/// The hash of that name by Yann Collet, 64 bits, over bytes as they come.
#[derive(Debug, Clone)]
pub(crate) struct Xxh64 {
    seed: u64,
    lanes: [u64; 4],
    total: u64,
    /// The beginning of a stripe.
    pending: [u8; STRIPE],
}

fn round(lane: u64, input: u64) -> u64 {
    lane.wrapping_add(input.wrapping_mul(PRIMES[1]))
        .rotate_left(31)
        .wrapping_mul(PRIMES[0])
}

impl Xxh64 {
    pub fn new(seed: u64) -> Self {
        let first = seed.wrapping_add(PRIMES[0]);
        Self {
            seed,
            lanes: [
                first.wrapping_add(PRIMES[1]),
                seed.wrapping_add(PRIMES[1]),
                seed,
                seed.wrapping_sub(PRIMES[0]),
            ],
            total: 0,
            pending: [0; STRIPE],
        }
    }

    /// The hash of some bytes.
    #[cfg(test)]
    pub fn of(seed: u64, bytes: &[u8]) -> u64 {
        let mut hash = Self::new(seed);
        hash.update(bytes);
        hash.finish()
    }

    pub fn update(&mut self, mut bytes: &[u8]) {
        let held = (self.total % STRIPE as u64) as usize;
        self.total += bytes.len() as u64;
        if held > 0 {
            let n = bytes.len().min(STRIPE - held);
            let taken;
            (taken, bytes) = bytes.split_at(n);
            self.pending[held..held + n].copy_from_slice(taken);
            if held + n < STRIPE {
                return;
            }
            let stripe = self.pending;
            self.stripe(&stripe);
        }
        let (stripes, rest) = bytes.as_chunks::<STRIPE>();
        stripes.iter().for_each(|stripe| self.stripe(stripe));
        self.pending[..rest.len()].copy_from_slice(rest);
    }

    fn stripe(&mut self, stripe: &[u8; STRIPE]) {
        let (words, _) = stripe.as_chunks::<8>();
        for (lane, word) in self.lanes.iter_mut().zip(words) {
            *lane = round(*lane, u64::from_le_bytes(*word));
        }
    }

    pub fn finish(&self) -> u64 {
        let mut hash = self.seed.wrapping_add(PRIMES[4]);
        if self.total >= STRIPE as u64 {
            let turns = self.lanes.iter().zip([1, 7, 12, 18]);
            hash = turns.fold(0, |sum: u64, (lane, by)| {
                sum.wrapping_add(lane.rotate_left(by))
            });
            for &lane in &self.lanes {
                hash = (hash ^ round(0, lane))
                    .wrapping_mul(PRIMES[0])
                    .wrapping_add(PRIMES[3]);
            }
        }
        hash = hash.wrapping_add(self.total);
        let rest = &self.pending[..(self.total % STRIPE as u64) as usize];
        let (words, rest) = rest.as_chunks::<8>();
        for word in words {
            hash = (hash ^ round(0, u64::from_le_bytes(*word)))
                .rotate_left(27)
                .wrapping_mul(PRIMES[0])
                .wrapping_add(PRIMES[3]);
        }
        let (halves, rest) = rest.as_chunks::<4>();
        for half in halves {
            hash = (hash ^ u64::from(u32::from_le_bytes(*half)).wrapping_mul(PRIMES[0]))
                .rotate_left(23)
                .wrapping_mul(PRIMES[1])
                .wrapping_add(PRIMES[2]);
        }
        for &byte in rest {
            hash = (hash ^ u64::from(byte).wrapping_mul(PRIMES[4]))
                .rotate_left(11)
                .wrapping_mul(PRIMES[0]);
        }
        hash = (hash ^ (hash >> 33)).wrapping_mul(PRIMES[1]);
        hash = (hash ^ (hash >> 29)).wrapping_mul(PRIMES[2]);
        hash ^ (hash >> 32)
    }
}

/// Writes sections.
pub struct SealedWriter<'a> {
    out: &'a mut dyn Write,
    hash: Xxh64,
}

impl<'a> SealedWriter<'a> {
    /// A file at its beginning.
    pub fn new(out: &'a mut dyn Write) -> Self {
        let hash = Xxh64::new(0);
        Self { out, hash }
    }

    /// Appends to the section.
    ///
    /// # Errors
    /// [`Io`](ErrorKind::Io).
    pub fn write(&mut self, bytes: &[u8]) -> Result<()> {
        self.hash.update(bytes);
        self.out.write_all(bytes).map_err(|e| failed("write", e))
    }

    /// Ends a section with its checksum and begins the next.
    ///
    /// # Errors
    /// [`Io`](ErrorKind::Io).
    pub fn seal(&mut self) -> Result<()> {
        let sum = self.hash.finish();
        self.hash = Xxh64::new(sum);
        (self.out.write_all(&sum.to_le_bytes())).map_err(|e| failed("write", e))
    }
}

/// Reads sections. What was read of one may be used once [`check`](Self::check) has passed.
pub struct SealedReader<'a> {
    input: &'a mut dyn Read,
    hash: Xxh64,
    pos: u64,
}

impl<'a> SealedReader<'a> {
    /// A file at its beginning.
    pub fn new(input: &'a mut dyn Read) -> Self {
        Self {
            input,
            hash: Xxh64::new(0),
            pos: 0,
        }
    }

    /// Fills `out` with what comes next, which is `what`.
    ///
    /// # Errors
    /// [`MalformedFile`](ErrorKind::MalformedFile) at the end; [`Io`](ErrorKind::Io).
    pub fn read(&mut self, out: &mut [u8], what: &str) -> Result<()> {
        self.fill(out, what)?;
        self.hash.update(out);
        Ok(())
    }

    fn fill(&mut self, out: &mut [u8], what: &str) -> Result<()> {
        match self.input.read_exact(out) {
            Ok(()) => {
                self.pos += out.len() as u64;
                Ok(())
            }
            Err(e) if e.kind() == io::ErrorKind::UnexpectedEof => bail!(
                MalformedFile,
                "it ends within the {} bytes of {what} from byte {} on",
                out.len(),
                self.pos
            ),
            Err(e) => Err(failed("read", e)),
        }
    }

    /// Ends a section, `what`.
    ///
    /// # Errors
    /// As for [`read`](Self::read), and [`MalformedFile`](ErrorKind::MalformedFile) when its bytes
    /// are not those that were written.
    pub fn check(&mut self, what: &str) -> Result<()> {
        let sum = self.hash.finish();
        let mut stored = [0; 8];
        self.fill(&mut stored, what)?;
        let stored = u64::from_le_bytes(stored);
        if stored != sum {
            bail!(
                MalformedFile,
                "the checksum of {what} before byte {} is {stored:016x}, its bytes have \
                 {sum:016x}; it was damaged after it was written",
                self.pos
            );
        }
        self.hash = Xxh64::new(sum);
        Ok(())
    }

    /// Makes sure that nothing follows.
    ///
    /// # Errors
    /// [`MalformedFile`](ErrorKind::MalformedFile); [`Io`](ErrorKind::Io).
    pub fn end(self) -> Result<()> {
        let mut more = [0];
        match self.input.read_exact(&mut more) {
            Ok(()) => bail!(
                MalformedFile,
                "it is complete with {} bytes, but there are more",
                self.pos
            ),
            Err(e) if e.kind() == io::ErrorKind::UnexpectedEof => Ok(()),
            Err(e) => Err(failed("read", e)),
        }
    }
}

fn failed(doing: &str, error: io::Error) -> Error {
    let kind = match error.kind() {
        io::ErrorKind::OutOfMemory => ErrorKind::OutOfMemory,
        _ => ErrorKind::Io,
    };
    Error::new(kind, format!("cannot {doing}: {error}")).with_source(error)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// From the `xxhash` package for Python, over `bytes((i * 7 + 3) & 255 for i in range(n))`,
    /// with the seeds 0 and 0x9e3779b97f4a7c15.
    const VECTORS: [(usize, u64, u64); 12] = [
        (0, 0xef46db3751d8e999, 0xc4349fc93c010000),
        (1, 0x1f25c8d0bc1f4bb6, 0x79826bcd749d267a),
        (3, 0x31d2363f52e564c9, 0x78efd77575e26575),
        (4, 0x9bb64b7d66ee9fda, 0x6f0a6c97d68bf353),
        (8, 0xdab99d95c6f90092, 0xa2f1e28437a78a1b),
        (31, 0xa2aa5f33cc4a6119, 0x755437271d1d0a84),
        (32, 0x23c3c17ef790fd97, 0xbf624b932c090428),
        (33, 0x50a7cfc7ba588784, 0x7aceaf1e9d34ea35),
        (63, 0x5e3e54b431c7493c, 0x2c8ddce5c85d0d9d),
        (64, 0x0eb64b3ef6eeb01f, 0x4af341f14e3a6fc9),
        (100, 0xa61f8d4c170fe531, 0xf6d8f65c625abb4f),
        (1000, 0x5f235fa033f1a3fb, 0x442acd0a822e86f6),
    ];

    fn bytes(n: usize) -> Vec<u8> {
        (0..n).map(|i| (i * 7 + 3) as u8).collect()
    }

    #[test]
    fn the_hash_is_xxh64() {
        assert_eq!(Xxh64::of(0, b"abc"), 0x44bc2cf5ad770999);
        for (n, plain, seeded) in VECTORS {
            assert_eq!(Xxh64::of(0, &bytes(n)), plain, "{n}");
            assert_eq!(Xxh64::of(0x9e3779b97f4a7c15, &bytes(n)), seeded, "{n}");
        }
    }

    proptest! {
        #[test]
        fn pieces_do_not_matter(n in 0usize..300, cuts in prop::collection::vec(0usize..300, 0..5)) {
            let all = bytes(n);
            let mut cuts: Vec<usize> = cuts.into_iter().map(|c| c.min(n)).collect();
            cuts.extend([0, n]);
            cuts.sort_unstable();
            let mut hash = Xxh64::new(5);
            cuts.windows(2).for_each(|c| hash.update(&all[c[0]..c[1]]));
            prop_assert_eq!(hash.finish(), Xxh64::of(5, &all));
        }
    }

    fn two_sections() -> Vec<u8> {
        let mut out = Vec::new();
        let mut writer = SealedWriter::new(&mut out);
        for section in [b"first", b"other"] {
            writer.write(section).unwrap();
            writer.seal().unwrap();
        }
        out
    }

    fn read(mut bytes: &[u8]) -> Result<Vec<u8>> {
        let mut reader = SealedReader::new(&mut bytes);
        let mut found = vec![0; 10];
        for part in found.chunks_mut(5) {
            reader.read(part, "a word")?;
            reader.check("a word")?;
        }
        reader.end()?;
        Ok(found)
    }

    #[test]
    fn what_is_not_as_it_was_written_is_an_error() {
        let good = two_sections();
        assert_eq!(read(&good).unwrap(), b"firstother");
        for i in 0..good.len() {
            for bit in 0..8 {
                let mut bad = good.clone();
                bad[i] ^= 1 << bit;
                let error = read(&bad).unwrap_err();
                assert_eq!(error.kind(), ErrorKind::MalformedFile);
                assert!(error.to_string().contains("a word"), "{error}");
            }
            let error = read(&good[..i]).unwrap_err();
            assert!(error.to_string().contains("ends within"), "{error}");
        }
        let more = [&good[..], &[0]].concat();
        assert!(read(&more).unwrap_err().to_string().contains("more"));
        let swapped = [&good[13..], &good[..13]].concat();
        assert!(read(&swapped).is_err());
        let twice = [&good[..13], &good[..13]].concat();
        assert!(read(&twice).is_err());
    }
}
