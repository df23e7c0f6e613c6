//! HumanEval-X: what a model's programs are worth, found out by running them.
//!
//! [`sandbox`] runs a program that nobody has read.
#![deny(unsafe_code)]

#[allow(unsafe_code)]
pub mod sandbox;
