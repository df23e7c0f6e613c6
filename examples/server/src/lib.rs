//! A local completion server, to show how to embed codegeex: OpenAI's `/v1/completions` over
//! HTTP, and a playground page. See `README.md` for how to run it.
//!
//! | module | what it is for |
//! |---|---|
//! | [`app`] | routes and what they have in common |
//! | [`guard`] | which requests are answered |
//! | [`openai`], [`fields`], [`error`] | requests, responses and errors in OpenAI's shape |
//! | [`completions`] | from a request to an answer, whole or streamed |
//! | [`task`], [`prompt`] | what goes into the model |
//! | [`choice`], [`suffix`] | what comes out, and the text after the cursor |
//! | [`engine`] | the bridge to `codegeex::generate` |
//! | [`playground`] | the page |
//! | [`listen`], [`connection`] | connections, their limits and the end of the server |

pub mod app;
pub mod choice;
pub mod completions;
pub mod connection;
pub mod engine;
pub mod error;
pub mod fields;
pub mod guard;
pub mod listen;
pub mod openai;
pub mod playground;
pub mod prompt;
pub mod suffix;
pub mod task;
