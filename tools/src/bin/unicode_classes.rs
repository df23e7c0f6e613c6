//! Writes `src/tokenizer/unicode_tables.rs`: what patterns ask of every scalar value.
//!
//! Usage: `cargo run --release --bin unicode_classes -- ../src/tokenizer/unicode_tables.rs`

use std::collections::HashMap;
use std::fmt::Write;

use unicode_general_category::{GeneralCategory as Category, get_general_category};

const UNICODE_VERSION: &str = "16.0.0";
/// Code points of a block: four bits each, so a block is sixteen words.
const BLOCK: u32 = 256;
const WORDS: usize = 16;

type Block = [u64; WORDS];

fn main() {
    let path = std::env::args().nth(1).expect("the file to write");
    let mut blocks: Vec<Block> = Vec::new();
    let mut seen: HashMap<Block, u8> = HashMap::new();
    let mut index: Vec<u8> = Vec::new();
    for start in (0..=0x10FFFF).step_by(BLOCK as usize) {
        let block = block_at(start);
        let number = *seen.entry(block).or_insert_with(|| {
            blocks.push(block);
            u8::try_from(blocks.len() - 1).expect("at most 256 distinct blocks")
        });
        index.push(number);
    }
    // What lies beyond the table has the class of its last block: none.
    let empty = seen[&[0; WORDS]];
    while index.last() == Some(&empty) {
        index.pop();
    }
    std::fs::write(&path, source(&index, &blocks)).expect("writing the table");
}

fn block_at(start: u32) -> Block {
    let mut block = [0; WORDS];
    for offset in 0..BLOCK {
        let class = char::from_u32(start + offset).map_or(0, class);
        block[offset as usize / 16] |= class << (offset % 16 * 4);
    }
    block
}

/// The numbers of `unicode::Category`.
fn class(c: char) -> u64 {
    use Category::*;
    match get_general_category(c) {
        UppercaseLetter | LowercaseLetter | TitlecaseLetter | ModifierLetter | OtherLetter => 1,
        DecimalNumber | LetterNumber | OtherNumber => 2,
        _ if c.is_whitespace() => 3,
        NonspacingMark | SpacingMark | EnclosingMark => 4,
        ConnectorPunctuation | DashPunctuation | OpenPunctuation | ClosePunctuation
        | InitialPunctuation | FinalPunctuation | OtherPunctuation => 5,
        MathSymbol | CurrencySymbol | ModifierSymbol | OtherSymbol => 6,
        _ => 0,
    }
}

fn source(index: &[u8], blocks: &[Block]) -> String {
    let mut out = String::new();
    let _ = writeln!(
        out,
        "// Written by tools/src/bin/unicode_classes.rs; do not edit.\n#![forbid(unsafe_code)]\n\n\
         /// Version of the Unicode character database behind the tables.\n\
         #[cfg(test)]\npub(super) const UNICODE_VERSION: &str = \"{UNICODE_VERSION}\";\n\n\
         /// Which of [`BLOCKS`] holds the 256 code points from `256 * i`; none past the end.\n\
         #[rustfmt::skip]\npub(super) static INDEX: [u8; {}] = [",
        index.len()
    );
    for row in index.chunks(24) {
        let row: Vec<String> = row.iter().map(u8::to_string).collect();
        let _ = writeln!(out, "    {},", row.join(", "));
    }
    let _ = writeln!(
        out,
        "];\n\n/// Four bits for each of 256 code points: the numbers of `Category`.\n\
         #[rustfmt::skip]\npub(super) static BLOCKS: [[u64; {WORDS}]; {}] = [",
        blocks.len()
    );
    for block in blocks {
        let row: Vec<String> = block.iter().map(|word| format!("{word:#x}")).collect();
        let _ = writeln!(out, "    [{}],", row.join(", "));
    }
    out.push_str("];\n");
    out
}
