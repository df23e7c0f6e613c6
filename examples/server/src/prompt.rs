//! What goes into the model: the prompts of a request as ids, with their texts.

use codegeex::tokenizer::{SpecialTokens, Tokenizer};

use crate::error::{ApiError, Result};
use crate::openai::{CompletionRequest, Prompt};
use crate::task::{Framed, Task};

/// A prompt for the model.
#[derive(Debug, Clone)]
pub struct Prepared {
    /// Its ids, one at least and no more than the model has positions.
    pub ids: Vec<u32>,
    /// Its text, for `echo`, and what belongs around the answer.
    pub framed: Framed,
}

/// The prompts of a request. An empty one is the beginning of a document, as with OpenAI.
///
/// # Errors
/// 400, naming the field.
pub fn prepare(
    request: &CompletionRequest,
    tokenizer: &dyn Tokenizer,
    positions: usize,
) -> Result<Vec<Prepared>> {
    let tagged = !matches!(request.task, Task::Complete { language: None });
    let one = |prompt: &Prompt| {
        let (mut ids, framed) = match prompt {
            Prompt::Text(text) => {
                let framed = request.task.of(text)?;
                // Text of others is text: it cannot spell control tokens.
                let ids = tokenizer.encode(&framed.prompt, SpecialTokens::AsText);
                (ids, framed)
            }
            Prompt::Ids(_) if tagged => {
                return Err(ApiError::field(
                    "language",
                    "language is for prompts that are texts; begin the token ids with those of the tag",
                ));
            }
            Prompt::Ids(ids) => {
                let text = tokenizer.decode(ids).map_err(|error| {
                    ApiError::field("prompt", error.to_string()).with_code("token_out_of_range")
                })?;
                let framed = Framed {
                    prompt: text,
                    ..Framed::default()
                };
                (ids.clone(), framed)
            }
        };
        if ids.is_empty() {
            ids.push(tokenizer.end_of_text());
        }
        if ids.len() > positions {
            let message = format!(
                "the prompt has {} tokens, the model has {positions} positions; shorten the prompt",
                ids.len()
            );
            return Err(ApiError::field("prompt", message).with_code("context_length_exceeded"));
        }
        Ok(Prepared { ids, framed })
    };
    request.prompts.iter().map(one).collect()
}
