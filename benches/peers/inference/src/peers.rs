//! The engines and their weight formats, and how one is started.

use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};

use crate::engine::{Engine, Measured, measure};
use crate::files::Files;
use crate::gguf::Format;
use crate::options::Options;
use crate::ours::{self, Ours};

#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Ours,
    #[cfg_attr(not(feature = "llama"), allow(dead_code))]
    Llama,
    #[cfg_attr(not(feature = "candle"), allow(dead_code))]
    Candle,
    /// A script beside this package, run by `--python`.
    Script(&'static str),
}

/// One engine with one weight format.
#[derive(Clone, Copy)]
pub struct Peer {
    pub kind: Kind,
    pub format: &'static str,
    /// Bits of a weight with its share of the scale.
    pub bits: f64,
    /// How far the logits may be from our F16 ones, as a share of their length.
    pub tolerance: f32,
}

const F16: (&str, f64, f32) = ("f16", 16.0, 0.01);
const F32: (&str, f64, f32) = ("f32", 32.0, 0.01);
const BF16: (&str, f64, f32) = ("bf16", 16.0, 0.05);
const INT8: (&str, f64, f32) = ("int8", 8.0, 0.1);
const INT4: (&str, f64, f32) = ("int4", 4.0, 0.5);
#[cfg(any(feature = "llama", feature = "candle"))]
const Q8_0: (&str, f64, f32) = ("q8_0", 8.5, 0.1);
#[cfg(any(feature = "llama", feature = "candle"))]
const Q4_0: (&str, f64, f32) = ("q4_0", 4.5, 0.5);

/// Every engine that was compiled in or can be started, ours first.
pub fn all(options: &Options) -> Vec<Peer> {
    let mut list = Vec::new();
    let mut add = |kind: Kind, formats: &[(&'static str, f64, f32)]| {
        for &(format, bits, tolerance) in formats {
            list.push(Peer {
                kind,
                format,
                bits,
                tolerance,
            });
        }
    };
    add(Kind::Ours, &[F16, INT8, INT4]);
    #[cfg(feature = "llama")]
    add(Kind::Llama, &[F16, Q8_0, Q4_0]);
    #[cfg(feature = "candle")]
    if options.shape.is_gpt2() {
        add(Kind::Candle, &[F16, F32, Q8_0, Q4_0]);
    }
    if options.python.is_some() && options.shape.is_gpt2() {
        add(Kind::Script("ctranslate2"), &[INT8, F32]);
        add(Kind::Script("torch"), &[BF16, F32]);
    }
    list
}

impl Peer {
    pub fn name(&self) -> String {
        let engine = match self.kind {
            Kind::Ours => "codegeex",
            Kind::Llama => "llama.cpp",
            Kind::Candle => "candle",
            Kind::Script(name) => name,
        };
        format!("{engine} {}", self.format)
    }

    fn gguf_format(&self) -> Format {
        match self.format {
            "f32" => Format::F32,
            "f16" => Format::F16,
            "q8_0" => Format::Q8_0,
            "q4_0" => Format::Q4_0,
            other => unreachable!("no GGUF type {other}"),
        }
    }

    /// Writes the files that it reads, before anything is timed.
    pub fn prepare(&self, options: &Options, files: &Files) {
        match self.kind {
            Kind::Ours => {
                self.checkpoint(options, files);
            }
            Kind::Llama | Kind::Candle => {
                files.gguf(&options.shape, self.format, self.gguf_format());
            }
            Kind::Script(_) => {
                files.checkpoint(&options.shape);
            }
        }
    }

    /// Ours in this format.
    fn checkpoint(&self, options: &Options, files: &Files) -> PathBuf {
        let checkpoint = files.checkpoint(&options.shape);
        let path = files.quantize(&checkpoint, self.format);
        path.expect("a scheme of the list of engines")
    }

    /// Prepares the process of this engine. One of our own program opens the model and waits.
    pub fn start(&self, options: &Options, files: &Files) -> Running {
        let mut command = match self.kind {
            Kind::Script(script) => {
                let python = options.python.as_ref().expect("scripts need --python");
                let folder = Path::new(env!("CARGO_MANIFEST_DIR"));
                let mut command = Command::new(python);
                command
                    .arg(folder.join(format!("{script}_peer.py")))
                    .arg("--checkpoint")
                    .arg(files.checkpoint(&options.shape))
                    .args(["--format", self.format]);
                command
            }
            _ => {
                let program = std::env::current_exe().expect("this program has a path");
                let mut command = Command::new(program);
                command
                    .args(["--child", &self.name(), "--shape", &options.shape.argument])
                    .arg("--folder")
                    .arg(&options.folder);
                command
            }
        };
        let threads = options.plan.threads.to_string();
        for variable in ["RAYON_NUM_THREADS", "CANDLE_NUM_THREADS", "OMP_NUM_THREADS"] {
            command.env(variable, &threads);
        }
        command.args(options.plan_args()).stderr(Stdio::inherit());
        if let Kind::Script(_) = self.kind {
            return Running::Script(command);
        }
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut waiting = command.spawn().expect("this program can be started again");
        let lines = BufReader::new(waiting.stdout.take().expect("it is piped"));
        let mut running = Running::Waiting(waiting, lines);
        // It says a line once the model is open.
        if let Err(error) = running.line() {
            running = Running::Failed(error);
        }
        running
    }
}

/// The process of an engine.
pub enum Running {
    /// A script, started for each round.
    Script(Command),
    /// Our own program, which measures once for each line that it is sent.
    Waiting(Child, BufReader<ChildStdout>),
    Failed(String),
}

impl Running {
    fn line(&mut self) -> Result<String, String> {
        let Self::Waiting(child, lines) = self else {
            return Err("not running".to_owned());
        };
        let mut line = String::new();
        match lines.read_line(&mut line) {
            Ok(n) if n > 0 => Ok(line),
            _ => match child.wait() {
                Ok(status) => Err(format!("failed: {status}")),
                Err(error) => Err(format!("failed: {error}")),
            },
        }
    }

    /// One round of runs.
    pub fn measure(&mut self) -> Result<Measured, String> {
        let text = match self {
            Self::Failed(error) => return Err(error.clone()),
            Self::Waiting(child, _) => {
                let input = child.stdin.as_mut().expect("it is piped");
                (input.write_all(b"\n")).map_err(|e| format!("does not listen: {e}"))?;
                self.line()?
            }
            Self::Script(command) => {
                let output = command.output();
                let output = output.map_err(|e| format!("cannot be started: {e}"))?;
                if !output.status.success() {
                    return Err(format!("failed: {}", output.status));
                }
                String::from_utf8_lossy(&output.stdout).into_owned()
            }
        };
        let line = text.lines().last().unwrap_or_default();
        serde_json::from_str(line).map_err(|e| format!("said {line:?}: {e}"))
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if let Self::Waiting(child, _) = self {
            // The end of its input ends it.
            drop(child.stdin.take());
            let _ = child.wait();
        }
    }
}

/// In a process for one engine: opens it and times it once for each line of standard input.
pub fn run_here(name: &str, options: &Options, files: &Files) {
    let peer = all(options)
        .into_iter()
        .find(|peer| peer.name() == name)
        .unwrap_or_else(|| panic!("{name} is not compiled in"));
    let plan = options.plan;
    let weight_bytes;
    let mut engine: Box<dyn Engine> = match peer.kind {
        Kind::Ours => {
            let path = peer.checkpoint(options, files);
            weight_bytes = Some(ours::weight_bytes(&path));
            Box::new(Ours::open(&path, plan.threads))
        }
        #[cfg(feature = "llama")]
        Kind::Llama => {
            weight_bytes = None;
            let path = files.gguf(&options.shape, peer.format, peer.gguf_format());
            let vocabulary = options.shape.config.padded_vocab_size;
            Box::new(crate::llama::Llama::open(&path, vocabulary, plan))
        }
        #[cfg(feature = "candle")]
        Kind::Candle => {
            weight_bytes = None;
            let path = files.gguf(&options.shape, peer.format, peer.gguf_format());
            let tokens = plan.prompt + plan.decode;
            let engine = crate::candle::Candle::open(&path, &options.shape.config, tokens);
            Box::new(engine.expect("candle reads the file"))
        }
        _ => panic!("{name} does not run in this program"),
    };
    println!("open");
    for line in std::io::stdin().lines() {
        line.expect("standard input");
        let measured = Measured {
            weight_bytes,
            ..measure(engine.as_mut(), plan)
        };
        println!(
            "{}",
            serde_json::to_string(&measured).expect("numbers and text")
        );
    }
}
