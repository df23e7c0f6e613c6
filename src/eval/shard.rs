//! One piece of a job that many processes share.

use std::fmt;
use std::ops::Range;
use std::str::FromStr;

use crate::error::{Error, Result, bail};

/// Piece `index` of `of`, written `index/of`: `0/8` to `7/8`, as the indices of Slurm arrays and
/// of Kubernetes jobs begin at zero.
///
/// Pieces are spans that differ by one in length at most, and together they are the whole, in
/// order: the outputs of all pieces, one after the other, are the output of an undivided job.
///
/// ```
/// use codegeex::eval::Shard;
///
/// let shard: Shard = "1/3".parse()?;
/// assert_eq!(shard.range(10), 3..6);
/// # Ok::<(), codegeex::Error>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shard {
    index: u32,
    of: u32,
}

impl Shard {
    /// The only piece.
    pub const WHOLE: Self = Self { index: 0, of: 1 };

    /// # Errors
    /// [`InvalidArgument`](crate::ErrorKind::InvalidArgument) unless `index` is below `of`.
    pub fn new(index: u32, of: u32) -> Result<Self> {
        if index >= of {
            bail!(
                InvalidArgument,
                "shard {index}/{of}, expected the first number to be below the second: the pieces \
                 of a job of 8 are 0/8 to 7/8"
            );
        }
        Ok(Self { index, of })
    }

    /// Its number, from 0.
    pub fn index(self) -> u32 {
        self.index
    }

    /// How many there are.
    pub fn of(self) -> u32 {
        self.of
    }

    /// What of `total` items belongs to it.
    pub fn range(self, total: u64) -> Range<u64> {
        let cut = |index: u32| {
            let at = u128::from(total) * u128::from(index) / u128::from(self.of);
            // No more than the total, as the index is no more than `of`.
            at as u64
        };
        cut(self.index)..cut(self.index + 1)
    }
}

impl Default for Shard {
    fn default() -> Self {
        Self::WHOLE
    }
}

impl FromStr for Shard {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let numbers = text.split_once('/');
        let numbers = numbers.and_then(|(i, n)| Some((i.parse().ok()?, n.parse().ok()?)));
        match numbers {
            Some((index, of)) => Self::new(index, of),
            None => bail!(
                InvalidArgument,
                "shard \"{text}\", expected two numbers such as 0/8, the first of eight pieces"
            ),
        }
    }
}

impl fmt::Display for Shard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.index, self.of)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_are_the_whole_and_alike() {
        for (total, of) in [
            (0, 3),
            (10, 3),
            (164 * 200, 7),
            (5, 8),
            (u64::MAX, u32::MAX),
        ] {
            let of_few = of.min(9);
            let mut next = 0;
            for index in 0..of_few {
                let range = Shard::new(index, of_few).unwrap().range(total);
                assert_eq!(range.start, next);
                let length = range.end - range.start;
                assert!(length.abs_diff(total / u64::from(of_few)) <= 1);
                next = range.end;
            }
            assert_eq!(next, total);
        }
        let last = Shard::new(u32::MAX - 1, u32::MAX).unwrap();
        assert_eq!(last.range(u64::MAX).end, u64::MAX);
        assert_eq!(Shard::default().range(9), 0..9);
    }

    #[test]
    fn wrong_pieces_are_refused() {
        for text in [
            "", "1", "1/", "/2", "2/2", "3/2", "0/0", "-1/2", "a/b", "1/2/3",
        ] {
            assert!(text.parse::<Shard>().is_err(), "{text}");
        }
        assert_eq!("7/8".parse::<Shard>().unwrap().to_string(), "7/8");
    }
}
