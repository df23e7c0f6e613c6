//! Which token ends a text, from the files beside a `tokenizer.json`, which does not say it.

use std::path::Path;

use super::super::files::read_text;
use super::parse::parse_field;
use crate::error::Result;
use crate::memory::try_copy_text;

/// Where the name stands, most binding first.
const FILES: [&str; 2] = ["tokenizer_config.json", "special_tokens_map.json"];

/// What published tokenizers call it, most usual first.
const USUAL: [&str; 6] = [
    "<|endoftext|>",
    "</s>",
    "<｜end▁of▁sentence｜>",
    "<|end_of_text|>",
    "<eos>",
    "[EOS]",
];

/// The name in the files of `folder`, if they are there and say it.
pub(super) fn beside(folder: &Path) -> Result<Option<String>> {
    for name in FILES {
        let path = folder.join(name);
        if !path.is_file() {
            continue;
        }
        let json = read_text(&path)?;
        let token = parse_field(&json, "eos_token").map_err(|e| e.within(path.display()))?;
        // Either the name, or an object with it.
        let name = token.get("content").unwrap_or(&token).as_str();
        if let Some(name) = name {
            return Ok(Some(try_copy_text(name)?));
        }
    }
    Ok(None)
}

/// The id of the token called `name`, or without a name of one that is usual; `u32::MAX` if no token
/// is. `id` gives the id of a name.
pub(super) fn end_of_text(name: Option<&str>, id: impl Fn(&str) -> Option<u32>) -> u32 {
    let found = match name {
        Some(name) => id(name),
        None => USUAL.iter().find_map(|name| id(name)),
    };
    found.unwrap_or(u32::MAX)
}
