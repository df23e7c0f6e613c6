//! Tests of the tokenizer's inside, against naive implementations of the definitions.

mod bpe;
mod encode;
mod split;
mod stream;

use super::codegeex::gpt2_merges;

/// FNV-1a: pins the compiled-in table without a dependency for it.
fn checksum(pairs: &[(u32, u32)]) -> u64 {
    let bytes = pairs
        .iter()
        .flat_map(|&(left, right)| [left as u16, right as u16])
        .flat_map(u16::to_le_bytes);
    bytes.fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3)
    })
}

#[test]
fn the_merge_table_is_the_one_that_was_generated() {
    let pairs = gpt2_merges().unwrap();
    assert_eq!(pairs.len(), 50_000);
    assert_eq!(checksum(&pairs), 1_786_786_525_278_224_014);
}
