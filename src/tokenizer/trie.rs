//! A trie over the bytes of tokens, for the longest token that a text begins with.
//!
//! Edges are entries of one hash table: of the 98,000 nodes of GPT-2's vocabulary a third have no
//! child and half have one, so arrays of children would mostly be empty. It does not know how
//! tokens merge.

use std::collections::TryReserveError;

use super::pairs::{BITS, PairMap};
use crate::memory::{TryGrow, try_collect, try_filled, try_vec};

/// Most nodes that fit into a [`PairMap`].
const MAX_NODES: usize = 1 << BITS;

const NONE: u32 = u32::MAX;

/// Why a token was refused.
#[derive(Debug)]
pub(super) enum Full {
    /// The trie would need more nodes than it can number.
    Nodes,
    /// An allocation was refused.
    Memory,
}

impl From<TryReserveError> for Full {
    fn from(_: TryReserveError) -> Self {
        Self::Memory
    }
}

/// The tokens, by their bytes. The root has a child for every byte, and only these exist at first.
#[derive(Debug)]
pub(super) struct Trie {
    /// (node, byte) to node. Node b below 256 is the child of the root for byte b.
    edges: PairMap,
    /// The token that ends at each node, or [`NONE`].
    tokens: Vec<u32>,
    /// The node before each node, which has a lower number; itself for children of the root.
    parents: Vec<u32>,
    /// The node where each token ends, or [`NONE`] for one that was left out.
    ends: Vec<u32>,
}

impl Trie {
    /// A trie of the 256 single bytes, where token i is `bytes[i]`; `more` tokens will follow.
    pub(super) fn new(bytes: &[u8; 256], more: usize) -> Result<Self, TryReserveError> {
        let mut this = Self {
            edges: PairMap::with_capacity(2 * more)?,
            tokens: try_filled(NONE, 256)?,
            parents: try_collect(0..256)?,
            ends: try_vec(256 + more)?,
        };
        for (token, &byte) in (0..).zip(bytes) {
            this.tokens[usize::from(byte)] = token;
            this.ends.try_push(u32::from(byte))?;
        }
        Ok(this)
    }

    /// Adds `token`: the bytes of `head`, which the trie holds, and `tail`.
    pub(super) fn insert(&mut self, token: u32, head: u32, tail: &[u8]) -> Result<(), Full> {
        let mut node = self.ends[head as usize];
        for &byte in tail {
            let next = self.tokens.len();
            if next >= MAX_NODES {
                return Err(Full::Nodes);
            }
            let next = next as u32;
            match self.edges.insert(node, u32::from(byte), next)? {
                Some(there) => node = there,
                None => {
                    self.tokens.try_push(NONE)?;
                    self.parents.try_push(node)?;
                    node = next;
                }
            }
        }
        self.tokens[node as usize] = token;
        self.ends
            .try_reserve((token as usize + 1).saturating_sub(self.ends.len()))?;
        self.ends.resize(token as usize, NONE);
        self.ends.push(node);
        Ok(())
    }

    /// The longest token from number `least` on that `text` begins with, and its length.
    pub(super) fn longest_from(&self, text: &[u8], least: u32) -> Option<(u32, usize)> {
        let mut node = u32::from(*text.first()?);
        let mut longest = None;
        for len in 1.. {
            let token = self.tokens[node as usize];
            if token != NONE && token >= least {
                longest = Some((token, len));
            }
            let next = text
                .get(len)
                .and_then(|&b| self.edges.get(node, u32::from(b)));
            match next {
                Some(next) => node = next,
                None => break,
            }
        }
        longest
    }

    /// Whether `token` was inserted.
    pub(super) fn contains(&self, token: u32) -> bool {
        self.ends
            .get(token as usize)
            .is_some_and(|&end| end != NONE)
    }

    /// The longest token that `text` begins with. `text` is not empty.
    #[inline]
    pub(super) fn longest_prefix(&self, text: &[u8]) -> u32 {
        let mut node = u32::from(text[0]);
        let mut longest = self.tokens[node as usize];
        for &byte in &text[1..] {
            let Some(next) = self.edges.get(node, u32::from(byte)) else {
                break;
            };
            node = next;
            let token = self.tokens[node as usize];
            if token != NONE {
                longest = token;
            }
        }
        longest
    }

    /// For each of the first `tokens` tokens the longest other token that it begins with, or
    /// `u32::MAX`.
    pub(super) fn prefix_links(&self, tokens: usize) -> Result<Vec<u32>, TryReserveError> {
        let mut above = try_filled(NONE, self.tokens.len())?;
        let mut links = try_filled(NONE, tokens)?;
        for node in 256..self.tokens.len() {
            let parent = self.parents[node] as usize;
            above[node] = match self.tokens[parent] {
                NONE => above[parent],
                token => token,
            };
            if let Some(link) = links.get_mut(self.tokens[node] as usize) {
                *link = above[node];
            }
        }
        Ok(links)
    }
}
