//! The implementations, behind one interface.

use codegeex::__internal::ThreadPool;
use codegeex::tokenizer::{BpeTokenizer, SpecialTokens, Tokenizer as _};
use rayon::prelude::*;
use tokenizers::models::bpe::BPE;
use tokenizers::pre_tokenizers::byte_level::ByteLevel;

use crate::corpus::Corpus;

/// A tokenizer with GPT-2's merges.
pub trait Peer {
    fn name(&self) -> &'static str;

    /// Encodes one text and returns the number of ids.
    fn encode(&self, text: &str) -> usize;

    /// Encodes all texts on all cores and returns the number of ids.
    fn encode_batch(&self, texts: &[&str]) -> usize;

    /// The ids of `text` by GPT-2's rules, unless other rules are built in.
    fn gpt2_ids(&self, text: &str) -> Option<Vec<u32>>;
}

/// Ours first.
pub fn all() -> Vec<Box<dyn Peer>> {
    vec![
        Box::new(Ours(
            BpeTokenizer::codegeex().expect("memory for the tables"),
            ThreadPool::new(rayon::current_num_threads()).expect("threads start"),
        )),
        Box::new(Tiktoken(
            tiktoken_rs::r50k_base().expect("compiled into tiktoken-rs"),
        )),
        Box::new(HuggingFace::new()),
    ]
}

/// Panics unless the implementations agree on what they can agree on.
pub fn check(peers: &[Box<dyn Peer>], corpus: &Corpus) {
    let ours = BpeTokenizer::codegeex().expect("memory for the tables");
    for text in &corpus.texts {
        let ids = ours.encode(text, SpecialTokens::AsText).expect("memory");
        assert!(
            ours.decode(&ids).is_ok_and(|decoded| decoded == *text),
            "the text comes back"
        );
        let mut others = peers.iter().filter_map(|peer| peer.gpt2_ids(text));
        let Some(gpt2) = others.next() else { continue };
        assert!(others.all(|ids| ids == gpt2), "the peers agree");
        // Without two spaces in a row our rules are GPT-2's.
        for line in text.lines().filter(|line| !line.contains("  ")) {
            let ids = ours.encode(line, SpecialTokens::AsText).expect("memory");
            let gpt2 = peers.iter().find_map(|peer| peer.gpt2_ids(line));
            assert_eq!(Some(ids), gpt2, "{line:?}");
        }
    }
}

struct Ours(BpeTokenizer, ThreadPool);

impl Peer for Ours {
    fn name(&self) -> &'static str {
        "codegeex"
    }

    fn encode(&self, text: &str) -> usize {
        let ids = self.0.encode(text, SpecialTokens::AsText);
        ids.expect("memory").len()
    }

    fn encode_batch(&self, texts: &[&str]) -> usize {
        let batch = self.0.encode_batch(&self.1, texts, SpecialTokens::AsText);
        let batch = batch.expect("memory");
        batch.iter().map(Vec::len).sum()
    }

    fn gpt2_ids(&self, _: &str) -> Option<Vec<u32>> {
        None
    }
}

struct Tiktoken(tiktoken_rs::CoreBPE);

impl Peer for Tiktoken {
    fn name(&self) -> &'static str {
        "tiktoken-rs r50k"
    }

    fn encode(&self, text: &str) -> usize {
        self.0.encode_ordinary(text).len()
    }

    fn encode_batch(&self, texts: &[&str]) -> usize {
        // It has no batch of its own.
        let batch: Vec<_> = texts
            .par_iter()
            .map(|text| self.0.encode_ordinary(text))
            .collect();
        batch.iter().map(Vec::len).sum()
    }

    fn gpt2_ids(&self, text: &str) -> Option<Vec<u32>> {
        Some(self.0.encode_ordinary(text))
    }
}

/// GPT-2 in Hugging Face's implementation, with our copy of its merges.
struct HuggingFace(tokenizers::Tokenizer);

impl HuggingFace {
    fn new() -> Self {
        let (vocab, merges) = gpt2_files();
        let bpe = BPE::builder()
            .vocab_and_merges(vocab, merges)
            .build()
            .expect("a vocabulary");
        let mut tokenizer = tokenizers::Tokenizer::new(bpe);
        tokenizer.with_pre_tokenizer(Some(ByteLevel::default().add_prefix_space(false)));
        Self(tokenizer)
    }
}

impl Peer for HuggingFace {
    fn name(&self) -> &'static str {
        "tokenizers GPT-2"
    }

    fn encode(&self, text: &str) -> usize {
        self.0
            .encode_fast(text, false)
            .expect("any text encodes")
            .len()
    }

    fn encode_batch(&self, texts: &[&str]) -> usize {
        let batch = self
            .0
            .encode_batch_fast(texts.to_vec(), false)
            .expect("any text encodes");
        batch.iter().map(|encoding| encoding.len()).sum()
    }

    fn gpt2_ids(&self, text: &str) -> Option<Vec<u32>> {
        let encoding = self.0.encode_fast(text, false).expect("any text encodes");
        Some(encoding.get_ids().to_vec())
    }
}

type Merges = Vec<(String, String)>;

/// The vocabulary as Hugging Face spells it.
fn gpt2_files() -> (ahash::AHashMap<String, u32>, Merges) {
    let mut chars: Vec<char> = ('!'..='~').chain('¡'..='¬').chain('®'..='ÿ').collect();
    chars.extend(('\u{100}'..).take(256 - chars.len()));
    let mut tokens: Vec<String> = chars.into_iter().map(String::from).collect();
    let mut merges = Vec::new();
    let (pairs, _) = include_bytes!("../../../src/tokenizer/gpt2_merges.bin").as_chunks::<4>();
    for &[a, b, c, d] in pairs {
        let left = tokens[usize::from(u16::from_le_bytes([a, b]))].clone();
        let right = tokens[usize::from(u16::from_le_bytes([c, d]))].clone();
        tokens.push(format!("{left}{right}"));
        merges.push((left, right));
    }
    (tokens.into_iter().zip(0..).collect(), merges)
}
