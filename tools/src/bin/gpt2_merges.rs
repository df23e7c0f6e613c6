//! Writes `src/tokenizer/gpt2_merges.bin`: the 50,000 merges of GPT-2 as pairs of token ids.
//!
//! The `tiktoken-rs` crate carries the ranked byte strings of the same vocabulary. The merge that
//! made a token is what byte-pair encoding of its bytes, restricted to lower ranks, ends with.
//!
//! Usage: `cargo run --release --bin gpt2_merges -- ../src/tokenizer/gpt2_merges.bin`

use std::collections::HashMap;

const BYTES: u32 = 256;
const MERGES: u32 = 50_000;

fn main() {
    let path = std::env::args().nth(1).expect("the file to write");
    let encoding = tiktoken_rs::r50k_base().expect("r50k_base is compiled into tiktoken-rs");
    let tokens: Vec<Vec<u8>> = (0..BYTES + MERGES)
        .map(|id| {
            encoding
                .decode_bytes(&[id])
                .expect("every id below 50256 has bytes")
        })
        .collect();
    let ids: HashMap<&[u8], u32> = tokens.iter().map(Vec::as_slice).zip(0..).collect();
    assert_eq!(ids.len(), tokens.len(), "two ids share their bytes");

    let mut out = Vec::new();
    for id in BYTES..BYTES + MERGES {
        let (left, right) = last_merge(&tokens[id as usize], id, &ids);
        for half in [left, right] {
            out.extend(u16::try_from(half).expect("ids fit").to_le_bytes());
        }
    }
    std::fs::write(&path, &out).expect("writing the table");
    println!("{path}: {} bytes", out.len());
}

/// The two tokens that byte-pair encoding reaches with merges below `limit` alone.
fn last_merge(token: &[u8], limit: u32, ids: &HashMap<&[u8], u32>) -> (u32, u32) {
    let mut parts: Vec<Vec<u8>> = token.iter().map(|&b| vec![b]).collect();
    while parts.len() > 2 {
        let (rank, at) = (0..parts.len() - 1)
            .filter_map(|i| {
                let rank = *ids.get([&parts[i][..], &parts[i + 1][..]].concat().as_slice())?;
                (rank < limit).then_some((rank, i))
            })
            .min()
            .unwrap_or_else(|| panic!("token {limit} cannot be reached by merges"));
        debug_assert!(rank < limit);
        let right = parts.remove(at + 1);
        parts[at].extend(right);
    }
    (ids[parts[0].as_slice()], ids[parts[1].as_slice()])
}
