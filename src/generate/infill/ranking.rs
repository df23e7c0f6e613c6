//! The order of completions by the text after the cursor, for models that do not see it.

use super::InfillTokens;
use crate::cancel::CancelToken;
use crate::code::{Likelihood, rank};
use crate::error::{Error, ErrorKind, Result};
use crate::generate::{Completion, FinishReason, GenerateOptions, Generator, Session};
use crate::memory::{TryGrow, TryGrowText, try_collect, try_collect_ok, try_copy, try_copy_text};
use crate::tokenizer::{SpecialTokens, Tokenizer};

/// Tokens of the text after the cursor that completions are ranked by, at most.
const RANKED_TOKENS: usize = 32;

/// How samples of a model without fill-in-the-middle are ordered: by what follows the cursor.
pub(in crate::generate) struct Ranking {
    /// The first tokens of the suffix.
    suffix: Vec<u32>,
    cancel: CancelToken,
}

impl Ranking {
    /// The ranking of a request, if it has one.
    pub fn of(
        generator: &Generator,
        options: &GenerateOptions,
        cancel: &CancelToken,
    ) -> Result<Option<Self>> {
        let tokenizer = &**generator.tokenizer();
        let Some(infill) = &options.infill else {
            return Ok(None);
        };
        if options.samples < 2 || InfillTokens::of(tokenizer).is_some() {
            return Ok(None);
        }
        // No token has more bytes than that, so that a long text is not encoded for its beginning.
        let most = infill.suffix.floor_char_boundary(RANKED_TOKENS * 128);
        let text = &infill.suffix[..most];
        let mut suffix = tokenizer.encode_continuation(text, SpecialTokens::AsText)?;
        suffix.truncate(RANKED_TOKENS);
        Ok(Some(Self {
            suffix,
            cancel: cancel.until(options.limits.deadline),
        }))
    }

    /// Orders completions of `prompt`, best first. Without the time for it they stay as they are.
    pub fn sort(
        &self,
        session: &Session,
        prompt: &[u32],
        completions: &mut Vec<Completion>,
    ) -> Result<()> {
        let ended = |c: &Completion| {
            matches!(
                c.finish_reason,
                FinishReason::Cancelled | FinishReason::Deadline | FinishReason::PrefillLimit
            )
        };
        if completions.iter().any(ended) {
            return Ok(());
        }
        let tokenizer = &**session.generator().tokenizer();
        let context = session.generator().model().config().max_position_embeddings;
        // What is shown, not the tokens beyond a stop, after what of the prompt was sampled again.
        let own = completions.iter().map(|completion| {
            let mut text = healed(tokenizer, completion)?;
            text.try_push_str(&completion.text)?;
            tokenizer.encode_continuation(&text, SpecialTokens::AsText)
        });
        let own: Vec<Vec<u32>> = try_collect_ok(own)?;
        let longest = own.iter().map(Vec::len).max().unwrap_or(0);
        let room = context.saturating_sub(prompt.len() + longest);
        let suffix = &self.suffix[..self.suffix.len().min(room)];
        let scored = own.iter().map(|own| {
            let mut ids = try_copy(prompt)?;
            ids.try_extend(own)?;
            ids.try_extend(suffix)?;
            ids.truncate(context);
            if ids.len() == prompt.len() {
                return Ok((Vec::new(), Vec::new()));
            }
            let mut logprobs = session.score(&ids[..], prompt.len(), &self.cancel)?;
            let suffix = logprobs.split_off(own.len().min(logprobs.len()));
            Ok::<_, Error>((logprobs, suffix))
        });
        let scored: Vec<(Vec<f32>, Vec<f32>)> = match try_collect_ok(scored) {
            Err(error) if error.kind() == ErrorKind::Cancelled => return Ok(()),
            result => result?,
        };
        let likelihoods = scored.iter().map(|(own, suffix)| Likelihood {
            tokens: own,
            suffix: Some(suffix),
        });
        let ranked = rank(&try_collect(likelihoods)?)?;
        let mut taken = try_collect(completions.drain(..).map(Some))?;
        let best_first = ranked.iter().filter_map(|r| taken[r.index].take());
        completions.extend(best_first);
        Ok(())
    }
}

/// The bytes of the prompt that a completion begins with, as far as they are text.
fn healed(tokenizer: &dyn Tokenizer, completion: &Completion) -> Result<String> {
    let mut bytes = Vec::new();
    for &id in &completion.ids {
        if bytes.len() >= completion.healed {
            break;
        }
        bytes.try_extend(tokenizer.token_bytes(id).unwrap_or_default())?;
    }
    bytes.truncate(completion.healed);
    match std::str::from_utf8(&bytes) {
        Ok(text) => Ok(try_copy_text(text)?),
        Err(_) => Ok(String::new()),
    }
}
