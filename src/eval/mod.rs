//! HumanEval-X: what a model's programs are worth, found out by running them.
//!
//! [`sandbox`] runs a program that nobody has read.

pub mod sandbox;
