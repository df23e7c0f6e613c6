//! What goes into the model: the prompts of a request as ids, with their texts.

use codegeex::prompt::{self, Language};
use codegeex::tokenizer::{SpecialTokens, Tokenizer};

use crate::error::{ApiError, Result};
use crate::openai::{CompletionRequest, Prompt};

/// A prompt for the model.
#[derive(Debug, Clone)]
pub struct Prepared {
    /// Its ids, one at least and no more than the model has positions.
    pub ids: Vec<u32>,
    /// Its text, for `echo`.
    pub text: String,
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
    let language = match &request.language {
        None => None,
        Some(name) => Some(
            Language::from_name(name)
                .map_err(|error| ApiError::field("language", error.to_string()))?,
        ),
    };
    let one = |prompt: &Prompt| {
        let (mut ids, text) = match prompt {
            Prompt::Text(text) => {
                let text = match language {
                    Some(language) => prompt::generation(language, text),
                    None => text.clone(),
                };
                // Text of others is text: it cannot spell control tokens.
                (tokenizer.encode(&text, SpecialTokens::AsText), text)
            }
            Prompt::Ids(_) if language.is_some() => {
                return Err(ApiError::field(
                    "language",
                    "language is for prompts that are texts; begin the token ids with those of the tag",
                ));
            }
            Prompt::Ids(ids) => {
                let text = tokenizer.decode(ids).map_err(|error| {
                    ApiError::field("prompt", error.to_string()).with_code("token_out_of_range")
                })?;
                (ids.clone(), text)
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
        Ok(Prepared { ids, text })
    };
    request.prompts.iter().map(one).collect()
}
