//! The choice of instructions: `--isa`, else `CODEGEEX_ISA`, else the fastest.

use codegeex::backend::{ISA_VARIABLE, InstructionSet};
use serde_json::json;

use crate::command::{Finished, codegeex, finish, json_lines};

const GENERATE: [&str; 6] = [
    "generate",
    "--max-new-tokens",
    "8",
    "--temperature",
    "0",
    "x =",
];
const INSPECT: [&str; 3] = ["inspect", "--json", "models/codegeex_tiny.safetensors"];

/// Runs the program with this value of the variable, or without the variable.
fn run(args: &[&str], variable: Option<&str>) -> Finished {
    let mut command = codegeex(args);
    match variable {
        Some(value) => command.env(ISA_VARIABLE, value),
        None => command.env_remove(ISA_VARIABLE),
    };
    finish(command.spawn().unwrap())
}

fn with_option(isa: &str) -> Vec<&str> {
    [&GENERATE[..], &["--isa", isa]].concat()
}

/// A set of the other architecture.
fn elsewhere() -> &'static str {
    match cfg!(target_arch = "aarch64") {
        true => "avx2",
        false => "neon",
    }
}

fn assert_lists_what_there_is(message: &str) {
    for set in InstructionSet::available() {
        assert!(message.contains(set.name()), "{set} is not in {message}");
    }
}

#[test]
fn every_set_of_the_machine_can_be_chosen_and_gives_the_same_text() {
    let fastest = run(&GENERATE, None).ok();
    assert!(!fastest.is_empty());
    let sets = InstructionSet::available();
    for set in &sets {
        let name = set.name();
        let answer = json_lines(&run(&INSPECT, Some(name)).ok()).remove(0);
        let backend = answer["backend"].as_str().unwrap();
        assert!(backend.starts_with(&format!("cpu {name}, ")), "{backend}");
        let names: Vec<&str> = sets.iter().map(|set| set.name()).collect();
        assert_eq!(answer["instruction_sets"], json!(names));
        assert_eq!(run(&GENERATE, Some(name)).ok(), fastest, "{name}");
        assert_eq!(run(&with_option(name), None).ok(), fastest, "{name}");
    }
}

#[test]
fn the_option_goes_before_the_variable() {
    let message = run(&GENERATE, Some("frob")).failed(1);
    assert!(message.contains("CODEGEEX_ISA: no instruction set is called \"frob\""));
    assert_lists_what_there_is(&message);
    assert!(!run(&with_option("scalar"), Some("frob")).ok().is_empty());
}

#[test]
fn a_set_that_is_not_there_is_named() {
    for found in [
        run(&GENERATE, Some(elsewhere())),
        run(&with_option(elsewhere()), None),
        run(&with_option(elsewhere()), Some("scalar")),
    ] {
        let message = found.failed(1);
        assert!(message.contains(&format!("instruction set {} is not available", elsewhere())));
        assert_lists_what_there_is(&message);
    }
    let message = run(&with_option("frob"), Some("scalar")).failed(2);
    assert!(
        message.contains("frob") && message.contains("--isa"),
        "{message}"
    );
    assert_lists_what_there_is(&message);
}
