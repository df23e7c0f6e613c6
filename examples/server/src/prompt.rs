//! What goes into the model: the prompts of a request as ids, with their texts.

use codegeex::generate::Generator;
use codegeex::tokenizer::{SpecialTokens, StreamDecoder};

use crate::error::{ApiError, Result};
use crate::openai::{CompletionRequest, Prompt};
use crate::task::{Framed, Task};

/// A prompt for the model.
#[derive(Debug, Clone)]
pub struct Prepared {
    /// Its ids, one at least and no more than the context length: with a suffix, those of the whole
    /// prompt for a model with fill-in-the-middle.
    pub ids: Vec<u32>,
    /// Its text, for `echo`, and what belongs around the answer.
    pub framed: Framed,
    /// The bytes after that text: the beginning of a character that the ids do not complete.
    pub unfinished: Vec<u8>,
}

/// The prompts of a request. An empty one is the beginning of a document, as with OpenAI.
///
/// # Errors
/// 400, naming the field.
pub fn prepare(request: &CompletionRequest, generator: &Generator) -> Result<Vec<Prepared>> {
    let tokenizer = &**generator.tokenizer();
    let config = generator.model().config();
    let context_length = config.max_position_embeddings;
    let has_tags = config.has_language_tags();
    let tagged = match request.task {
        Task::Complete { language } => has_tags && language.is_some(),
        _ => true,
    };
    let infill = generator.infill_tokens().zip(request.infill());
    if infill.is_some() && request.echo && request.logprobs.is_some() {
        return Err(ApiError::field(
            "echo",
            "echo with logprobs scores a prompt, which has no suffix; leave out one of the three",
        ));
    }
    let one = |prompt: &Prompt| {
        let (mut ids, framed, unfinished) = match prompt {
            Prompt::Text(text) => {
                let framed = request.task.of(text, has_tags)?;
                // Text of others is text: it cannot spell control tokens.
                let ids = tokenizer.encode_prompt(&framed.prompt, SpecialTokens::AsText)?;
                (ids, framed, Vec::new())
            }
            Prompt::Ids(_) if tagged => {
                return Err(ApiError::field(
                    "language",
                    "language is for prompts that are texts; begin the token ids with those of the tag",
                ));
            }
            Prompt::Ids(ids) => {
                let mut bytes = Vec::new();
                for &id in ids {
                    bytes.extend_from_slice(tokenizer.token_bytes(id).ok_or_else(|| {
                        let most = tokenizer.vocab_size();
                        let message = format!("{id} is not a token id, expected less than {most}");
                        ApiError::field("prompt", message).with_code("token_out_of_range")
                    })?);
                }
                let unfinished = bytes.len() - StreamDecoder::unfinished(&bytes);
                let unfinished = bytes.split_off(unfinished);
                let framed = Framed {
                    prompt: String::from_utf8_lossy(&bytes).into_owned(),
                    ..Framed::default()
                };
                (ids.clone(), framed, unfinished)
            }
        };
        if let Some((tokens, infill)) = &infill {
            // What is wrong is in the fields beside the suffix.
            let whole = tokens.encode(tokenizer, &ids, infill, SpecialTokens::AsText);
            ids = whole.map_err(|error| ApiError::field("suffix", error.to_string()))?;
        }
        if ids.is_empty() {
            ids.push(tokenizer.end_of_text());
        }
        if ids.len() > context_length {
            let message = format!(
                "the prompt has {} tokens, the context length is {context_length}; shorten the prompt",
                ids.len()
            );
            return Err(ApiError::field("prompt", message).with_code("context_length_exceeded"));
        }
        Ok(Prepared {
            ids,
            framed,
            unfinished,
        })
    };
    request.prompts.iter().map(one).collect()
}
