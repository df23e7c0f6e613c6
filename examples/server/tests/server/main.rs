//! The server over real connections, with the small model of the checkout.

mod cancel;
mod choices;
mod errors;
mod limits;
mod shapes;
mod support;
mod tasks;
