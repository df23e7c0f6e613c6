//! The command line.

use std::path::{Path, PathBuf};

use crate::engine::Plan;
use crate::shape::Shape;

const SHAPES: &str = "13b-4layers, tiny, qwen2.5-coder-1.5b, starcoder2-3b, or a config.json";

pub struct Options {
    pub shape: Shape,
    pub plan: Plan,
    pub rounds: usize,
    /// Parts of names; empty means all.
    pub only: Vec<String>,
    /// An interpreter that has ctranslate2 and torch.
    pub python: Option<PathBuf>,
    pub folder: PathBuf,
    pub json: Option<PathBuf>,
    /// The engine that this process is to be.
    pub child: Option<String>,
}

impl Options {
    pub fn from_args() -> Self {
        let mut options = Self {
            shape: Shape::named(Shape::DEFAULT).expect("it is known"),
            plan: Plan {
                threads: 2,
                prompt: 512,
                decode: 32,
                runs: 2,
            },
            rounds: 1,
            only: Vec::new(),
            python: None,
            folder: Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/inference-peers"),
            json: None,
            child: None,
        };
        let mut args = std::env::args().skip(1);
        while let Some(flag) = args.next() {
            let Some(value) = args.next() else {
                panic!("{flag} needs a value");
            };
            let number = || -> usize {
                let number = value.parse().ok().filter(|n| *n > 0);
                number.unwrap_or_else(|| panic!("{flag} {value}: expected a positive number"))
            };
            match flag.as_str() {
                "--shape" => {
                    options.shape = Shape::named(&value)
                        .unwrap_or_else(|| panic!("{value}: expected {SHAPES}"));
                }
                "--threads" => options.plan.threads = number(),
                "--prompt" => options.plan.prompt = number(),
                "--decode" => options.plan.decode = number(),
                "--runs" => options.plan.runs = number(),
                "--rounds" => options.rounds = number(),
                "--only" => options.only = value.split(',').map(str::to_owned).collect(),
                "--python" => options.python = Some(value.into()),
                "--folder" => options.folder = value.into(),
                "--json" => options.json = Some(value.into()),
                "--child" => options.child = Some(value),
                _ => panic!("{flag} is not an option; see the head of src/main.rs"),
            }
        }
        let positions = options.shape.config.max_position_embeddings;
        let tokens = options.plan.prompt + options.plan.decode;
        assert!(
            tokens <= positions,
            "{tokens} tokens, {positions} positions"
        );
        options
    }

    pub fn wants(&self, name: &str) -> bool {
        self.only.is_empty() || self.only.iter().any(|part| name.contains(part))
    }

    /// What a process for one engine is started with, for our own program and for the scripts.
    pub fn plan_args(&self) -> Vec<String> {
        let Plan {
            threads,
            prompt,
            decode,
            runs,
        } = self.plan;
        [
            ("--threads", threads),
            ("--prompt", prompt),
            ("--decode", decode),
            ("--runs", runs),
        ]
        .iter()
        .flat_map(|(flag, value)| [(*flag).to_owned(), value.to_string()])
        .collect()
    }
}
