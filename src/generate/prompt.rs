//! What a model continues.

use std::borrow::Cow;

use crate::error::Result;
use crate::memory::try_copy;
use crate::tokenizer::{SpecialTokens, Tokenizer};

/// What a model continues: text, or token ids. Wherever a prompt is taken, either converts into it.
///
/// ```
/// use codegeex::Prompt;
///
/// assert_eq!(Prompt::from("def f("), Prompt::Text("def f(".into()));
/// assert_eq!(Prompt::from([198, 257]), Prompt::Ids(vec![198, 257].into()));
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Prompt<'a> {
    /// Text, which the tokenizer encodes. Special tokens that it spells are text or tokens as
    /// [`GenerateOptions::special_tokens`](super::GenerateOptions::special_tokens) says.
    Text(Cow<'a, str>),
    /// Token ids.
    Ids(Cow<'a, [u32]>),
}

impl Prompt<'_> {
    /// The same prompt with memory of its own.
    pub fn into_owned(self) -> Prompt<'static> {
        match self {
            Self::Text(text) => Prompt::Text(Cow::Owned(text.into_owned())),
            Self::Ids(ids) => Prompt::Ids(Cow::Owned(ids.into_owned())),
        }
    }

    /// The token ids.
    pub(super) fn encode(
        self,
        tokenizer: &dyn Tokenizer,
        special: SpecialTokens,
    ) -> Result<Vec<u32>> {
        match self {
            Self::Text(text) => tokenizer.encode_prompt(&text, special),
            Self::Ids(Cow::Owned(ids)) => Ok(ids),
            Self::Ids(Cow::Borrowed(ids)) => Ok(try_copy(ids)?),
        }
    }
}

macro_rules! prompt_from {
    ($($variant:ident: $($from:ty => |$value:ident| $cow:expr),+;)*) => {$($(
        impl<'a> From<$from> for Prompt<'a> {
            fn from($value: $from) -> Self {
                Self::$variant($cow)
            }
        }
    )+)*};
}

prompt_from! {
    Text:
        &'a str => |text| Cow::Borrowed(text),
        &'a String => |text| Cow::Borrowed(text),
        String => |text| Cow::Owned(text),
        Cow<'a, str> => |text| text,
        &'a Cow<'_, str> => |text| Cow::Borrowed(text);
    Ids:
        &'a [u32] => |ids| Cow::Borrowed(ids),
        &'a Vec<u32> => |ids| Cow::Borrowed(ids),
        Vec<u32> => |ids| Cow::Owned(ids),
        Cow<'a, [u32]> => |ids| ids;
}

impl<'a> From<&'a Prompt<'_>> for Prompt<'a> {
    fn from(prompt: &'a Prompt<'_>) -> Self {
        match prompt {
            Prompt::Text(text) => Self::Text(Cow::Borrowed(text)),
            Prompt::Ids(ids) => Self::Ids(Cow::Borrowed(ids)),
        }
    }
}

impl<const N: usize> From<[u32; N]> for Prompt<'_> {
    fn from(ids: [u32; N]) -> Self {
        Self::Ids(Cow::Owned(ids.to_vec()))
    }
}

impl<'a, const N: usize> From<&'a [u32; N]> for Prompt<'a> {
    fn from(ids: &'a [u32; N]) -> Self {
        Self::Ids(Cow::Borrowed(ids))
    }
}
