//! The prompt cache: states of prompts that were computed lately, for requests that begin the same.

use crate::memory::try_copy;
use crate::model::State;

/// States of the latest prompts, the least lately used one first.
#[derive(Debug, Default)]
pub(super) struct Prefixes {
    entries: Vec<Entry>,
}

#[derive(Debug)]
struct Entry {
    ids: Vec<u32>,
    state: Box<dyn State>,
    bytes: u64,
}

impl Prefixes {
    /// Bytes of all of them, shared ones counted in full.
    pub fn bytes(&self) -> u64 {
        self.entries.iter().map(|e| e.bytes).sum()
    }

    /// A state with as much of the beginning of `prompt` as one of them has, if that is at least
    /// `least` tokens, and less than all of it: its last token has to be fed to get its logits.
    pub fn find(&mut self, prompt: &[u32], least: usize) -> Option<Box<dyn State>> {
        let most = prompt.len().checked_sub(1)?;
        let common = |e: &Entry| {
            let equal = e.ids.iter().zip(prompt).take_while(|(a, b)| a == b);
            equal.count().min(most)
        };
        let (best, tokens) = (self.entries.iter().map(common))
            .enumerate()
            .max_by_key(|&(_, tokens)| tokens)
            .filter(|&(_, tokens)| tokens >= least.max(1))?;
        let entry = self.entries.remove(best);
        let mut state = entry.state.fork();
        state.truncate(tokens);
        self.entries.push(entry);
        Some(state)
    }

    /// Keeps a prompt in the place of those that it begins with, and of the oldest where there
    /// are more than `most`.
    pub fn keep(&mut self, ids: &[u32], state: Box<dyn State>, bytes: u64, most: usize) {
        self.entries.retain(|e| !ids.starts_with(&e.ids));
        // Without memory for its tokens it is not kept: others compute it again.
        let (Ok(ids), Ok(())) = (try_copy(ids), self.entries.try_reserve(1)) else {
            return;
        };
        self.entries.push(Entry { ids, state, bytes });
        while self.entries.len() > most {
            self.entries.remove(0);
        }
    }

    /// Drops the one that was used least lately. Whether there was one.
    pub fn drop_one(&mut self) -> bool {
        if self.entries.is_empty() {
            return false;
        }
        self.entries.remove(0);
        true
    }
}
