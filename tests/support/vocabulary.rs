//! A vocabulary made by hand.

use serde_json::{Value, json};

/// A `tokenizer.json` of single bytes, and these control tokens from id 256 on.
pub fn byte_level_json(controls: &[&str]) -> String {
    // The printable stand-ins of bytes, as GPT-2 has them.
    let printable = |byte: u32| matches!(byte, 33..=126 | 161..=172 | 174..=255);
    let mut stand_in = 255;
    let mut vocab = serde_json::Map::new();
    for byte in 0..256 {
        let code = match printable(byte) {
            true => byte,
            false => {
                stand_in += 1;
                stand_in
            }
        };
        let name: String = char::from_u32(code).unwrap().into();
        vocab.insert(name, byte.into());
    }
    let added: Vec<Value> = (256..)
        .zip(controls)
        .map(|(id, content)| {
            json!({
                "id": id, "content": content, "special": true, "normalized": false,
                "single_word": false, "lstrip": false, "rstrip": false,
            })
        })
        .collect();
    let byte_level = json!({
        "type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true, "use_regex": true,
    });
    json!({
        "version": "1.0", "truncation": null, "padding": null, "normalizer": null,
        "added_tokens": added,
        "pre_tokenizer": byte_level, "post_processor": null, "decoder": byte_level,
        "model": {"type": "BPE", "vocab": vocab, "merges": []},
    })
    .to_string()
}
