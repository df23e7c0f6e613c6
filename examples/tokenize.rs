//! Encodes and decodes text, without a model: `cargo run --release --example tokenize`

use codegeex::tokenizer::{InvalidUtf8, StreamDecoder, ThreadPool};
use codegeex::{BpeTokenizer, SpecialTokens, Tokenizer};

fn main() -> codegeex::Result<()> {
    let tokenizer = BpeTokenizer::codegeex()?;
    let code = "def greet():\n        return '👋' # <|endoftext|>";

    // Text from others is only ever text ...
    let ids = tokenizer.encode(code, SpecialTokens::AsText)?;
    println!("{} tokens: {ids:?}", ids.len());
    assert_eq!(tokenizer.decode(&ids)?, code);
    // ... unless special tokens in it are to be taken as such, as the reference does.
    let parsed = tokenizer.encode(code, SpecialTokens::Parse)?;
    assert_eq!(parsed.last(), Some(&tokenizer.end_of_text()));

    // A token may end inside a character: the stream decoder waits for the rest of it.
    let mut decoder = StreamDecoder::new(InvalidUtf8::Replace);
    let mut pieces = Vec::new();
    for &id in &ids {
        let mut text = String::new();
        decoder.push_token(&tokenizer, id, &mut text)?;
        pieces.push(text);
    }
    println!("{pieces:?}");

    // Many texts at once, over threads.
    let pool = ThreadPool::new(None)?;
    let batch = tokenizer.encode_batch(&pool, &["int x;", "let x;"], SpecialTokens::AsText)?;
    println!("{batch:?}");
    Ok(())
}
