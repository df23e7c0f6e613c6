//! Growing in a way that can be refused: what `Vec` and `String` do by themselves ends the process
//! when the system has no memory left.
//!
//! Everything whose size follows from a text, a file, a vocabulary or a number of a caller's grows
//! by these or by `try_reserve` itself. What has a small size of its own may be allocated as usual:
//! see [`reserve`](super::reserve) for what stands behind that in the C library.

use std::collections::TryReserveError;

/// An empty list with room for `len`.
pub(crate) fn try_vec<T>(len: usize) -> Result<Vec<T>, TryReserveError> {
    let mut values = Vec::new();
    values.try_reserve_exact(len)?;
    Ok(values)
}

/// `len` times the same.
pub(crate) fn try_filled<T: Copy>(value: T, len: usize) -> Result<Vec<T>, TryReserveError> {
    let mut values = try_vec(len)?;
    values.resize(len, value);
    Ok(values)
}

/// A copy.
pub(crate) fn try_copy<T: Copy>(values: &[T]) -> Result<Vec<T>, TryReserveError> {
    let mut copy = try_vec(values.len())?;
    copy.extend_from_slice(values);
    Ok(copy)
}

/// A copy of a text.
pub(crate) fn try_copy_text(text: &str) -> Result<String, TryReserveError> {
    let mut copy = String::new();
    copy.try_reserve_exact(text.len())?;
    copy.push_str(text);
    Ok(copy)
}

/// Copies of texts.
pub(crate) fn try_copy_texts(texts: &[String]) -> Result<Vec<String>, TryReserveError> {
    let mut copies = try_vec(texts.len())?;
    for text in texts {
        copies.push(try_copy_text(text)?);
    }
    Ok(copies)
}

/// Several texts as one.
pub(crate) fn try_concat(parts: &[&str]) -> Result<String, TryReserveError> {
    let mut text = String::new();
    text.try_reserve_exact(parts.iter().map(|part| part.len()).sum())?;
    for part in parts {
        text.push_str(part);
    }
    Ok(text)
}

/// What an iterator gives.
pub(crate) fn try_collect<T>(
    values: impl IntoIterator<Item = T>,
) -> Result<Vec<T>, TryReserveError> {
    let values = values.into_iter();
    let mut all = try_vec(values.size_hint().0)?;
    for value in values {
        all.try_push(value)?;
    }
    Ok(all)
}

/// What an iterator gives, up to the first error.
pub(crate) fn try_collect_ok<T, E: From<TryReserveError>>(
    values: impl IntoIterator<Item = Result<T, E>>,
) -> Result<Vec<T>, E> {
    let values = values.into_iter();
    let mut all = try_vec(values.size_hint().0)?;
    for value in values {
        all.try_push(value?)?;
    }
    Ok(all)
}

/// Lists that grow in a way that can be refused; a list that does not grow is as it was.
pub(crate) trait TryGrow<T> {
    /// As `push`.
    fn try_push(&mut self, value: T) -> Result<(), TryReserveError>;

    /// As `extend_from_slice`.
    fn try_extend(&mut self, values: &[T]) -> Result<(), TryReserveError>
    where
        T: Copy;
}

impl<T> TryGrow<T> for Vec<T> {
    #[inline]
    fn try_push(&mut self, value: T) -> Result<(), TryReserveError> {
        self.try_reserve(1)?;
        self.push(value);
        Ok(())
    }

    #[inline]
    fn try_extend(&mut self, values: &[T]) -> Result<(), TryReserveError>
    where
        T: Copy,
    {
        self.try_reserve(values.len())?;
        self.extend_from_slice(values);
        Ok(())
    }
}

/// The same for texts.
pub(crate) trait TryGrowText {
    /// As `push_str`.
    fn try_push_str(&mut self, text: &str) -> Result<(), TryReserveError>;
}

impl TryGrowText for String {
    #[inline]
    fn try_push_str(&mut self, text: &str) -> Result<(), TryReserveError> {
        self.try_reserve(text.len())?;
        self.push_str(text);
        Ok(())
    }
}
