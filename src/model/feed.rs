//! Feeding any number of tokens to one sequence, in pieces that bound memory and latency.

use super::{Input, Logits, Model, PREFILL_TOKENS, State, Wanted};
use crate::cancel::Control;
use crate::error::Result;

/// Logits of this many tokens are kept at a time: 27 MB for the vocabulary of CodeGeeX.
const LOGITS_TOKENS: usize = 128;
const _: () = assert!(LOGITS_TOKENS <= PREFILL_TOKENS);

/// Feeds `ids` to one sequence and returns the wanted logits, any number of tokens in calls of
/// [`Model::forward`] of bounded size: at most [`PREFILL_TOKENS`] at once, fewer where the logits
/// of each are wanted.
///
/// `on_logits` gets the logits of each call that has any, in order: one row at the end for
/// [`Wanted::Last`], a row for each token for [`Wanted::All`], never a call for
/// [`Wanted::Nothing`]. What it returns as an error ends the prefill.
///
/// # Errors
/// As for [`Model::forward`]. The state then holds the pieces that were fed before.
///
/// ```
/// use codegeex::cancel::Control;
/// use codegeex::model::{LoadOptions, Wanted, feed, load};
///
/// # let path = concat!(env!("CARGO_MANIFEST_DIR"), "/models/toy.safetensors");
/// let model = load(path, &LoadOptions::default())?;
/// let mut state = model.new_state();
/// let ids: Vec<u32> = (0..1000).collect();
/// let mut rows = 0;
/// feed(&*model, &mut *state, &ids, Wanted::Last, &Control::new(), &mut |logits| {
///     rows += usize::from(logits.last(0).is_some());
///     Ok(())
/// })?;
/// assert_eq!((state.len(), rows), (1000, 1));
/// # Ok::<(), codegeex::Error>(())
/// ```
pub fn feed(
    model: &dyn Model,
    state: &mut dyn State,
    ids: &[u32],
    wanted: Wanted,
    control: &Control<'_>,
    on_logits: &mut dyn FnMut(Logits) -> Result<()>,
) -> Result<()> {
    let size = match wanted {
        Wanted::All => LOGITS_TOKENS,
        Wanted::Last | Wanted::Nothing => PREFILL_TOKENS,
    };
    let mut pieces = ids.chunks(size).peekable();
    while let Some(piece) = pieces.next() {
        let wanted = match wanted {
            Wanted::Last if pieces.peek().is_some() => Wanted::Nothing,
            wanted => wanted,
        };
        let logits = model.forward(&mut [Input::new(&mut *state, piece, wanted)], control)?;
        if wanted != Wanted::Nothing {
            on_logits(logits)?;
        }
    }
    Ok(())
}
