//! `codegeex bench`

mod load;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

use clap::{ValueEnum, value_parser};
use codegeex::backend::{Cpu, InstructionSet};
use codegeex::family::{Role, slots};
use codegeex::model::{
    Checkpoint, ConvertOptions, Input, Model, ModelConfig, OpenOptions, Transformer, Wanted, feed,
    write_random,
};
use codegeex::tensor::PackedScheme;
use codegeex::{Error, ErrorKind};

use crate::failure::Result;
use crate::interrupt::Interrupt;
use crate::lines;
use crate::progress::Progress;

use load::{Load, Seen};

/// Measure this machine with random weights of a given shape.
///
/// Reports decode as a percentage of memory bandwidth and prefill as a percentage of peak
/// arithmetic, both measured in the same run with the same threads. The weights are written to a
/// cache file first and reused by later runs.
#[derive(clap::Args)]
#[command(
    after_help = "Example:\n  codegeex bench --shape 13b --layers 4 --dtype int8 --threads 2"
)]
pub struct Args {
    /// 13b, tiny (the default model's), LAYERSxWIDTHxHEADS (layers count the top query layer), or the
    /// config.json of a model of any family.
    #[arg(long, default_value = "13b", value_name = "SHAPE", value_parser = parse_shape)]
    shape: ModelConfig,
    /// Data type of the linear layers.
    #[arg(long, value_enum, default_value = "int8")]
    dtype: Dtype,
    /// Data type of the word embedding, which is also the LM head. Default: int8 with quantized
    /// layers.
    #[arg(long, value_enum)]
    head: Option<Head>,
    /// Number of layers, including the top query layer. Default: as in the shape.
    #[arg(long, value_name = "N", allow_negative_numbers = true, value_parser = value_parser!(u16).range(2..=1000))]
    layers: Option<u16>,
    /// Length of the prompt in tokens.
    #[arg(long, default_value_t = 512, value_name = "N", allow_negative_numbers = true, value_parser = value_parser!(u16).range(1..))]
    prompt: u16,
    /// Number of new tokens.
    #[arg(long, default_value_t = 32, value_name = "N", allow_negative_numbers = true, value_parser = value_parser!(u16).range(1..))]
    new: u16,
    /// Batch size: sequences decoded together.
    #[arg(long, default_value_t = 1, value_name = "N", allow_negative_numbers = true, value_parser = value_parser!(u16).range(1..=256))]
    sequences: u16,
    /// Also measure serving N concurrent clients, each of which sends its next request when the
    /// last one is answered, and a single client.
    #[arg(long, value_name = "N", allow_negative_numbers = true, value_parser = value_parser!(u16).range(1..=256))]
    concurrency: Option<u16>,
    /// Number of threads; 0 uses one per core available to the process.
    #[arg(long, default_value_t = 0, value_name = "N", allow_negative_numbers = true, value_parser = value_parser!(u16).range(..=1024))]
    threads: u16,
    #[command(flatten)]
    kv: crate::model::KvArgs,
    #[command(flatten)]
    activations: crate::model::ActivationArgs,
    /// Instruction set. Default: the fastest one of this machine.
    #[arg(long, value_name = "NAME")]
    isa: Option<InstructionSet>,
    /// Folder of the cache file. Default: the system's temporary folder.
    #[arg(long, value_name = "DIR")]
    cache: Option<PathBuf>,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

#[derive(Clone, Copy, PartialEq, ValueEnum)]
enum Dtype {
    F16,
    Int8,
    Int4,
}

#[derive(Clone, Copy, PartialEq, ValueEnum)]
enum Head {
    F16,
    Int8,
}

/// A configuration from `13b`, `tiny` or `40x5120x40`.
fn parse_shape(text: &str) -> std::result::Result<ModelConfig, String> {
    if Path::new(text).extension().is_some_and(|end| end == "json") {
        return ModelConfig::open(Path::new(text)).map_err(|e| e.to_string());
    }
    let mut config = ModelConfig::codegeex_13b();
    let numbers: Vec<&str> = match text {
        "13b" => vec!["40", "5120", "40"],
        "tiny" => vec!["7", "256", "4"],
        _ => text.split('x').collect(),
    };
    let numbers: Vec<usize> = numbers.iter().filter_map(|n| n.parse().ok()).collect();
    let expected =
        "expected 13b, tiny, LAYERSxWIDTHxHEADS with at least two layers, or a config.json";
    let &[layers, width, heads] = &numbers[..] else {
        return Err(expected.to_owned());
    };
    if layers < 2 {
        return Err(expected.to_owned());
    }
    config.num_layers = layers - 1;
    config.hidden_size = width;
    config.num_attention_heads = heads;
    config.validate().map_err(|e| e.to_string())?;
    Ok(config)
}

pub fn run(args: Args, interrupt: &Interrupt) -> Result {
    let mut config = args.shape.clone();
    if let Some(layers) = args.layers {
        config.num_layers = usize::from(layers) - usize::from(config.top_query);
    }
    let (prompt, new) = (usize::from(args.prompt), usize::from(args.new));
    let most = config.max_position_embeddings;
    if prompt + new > most {
        let message =
            format!("--prompt {prompt} and --new {new} exceed the context length of {most} tokens");
        return Err(Error::new(ErrorKind::InvalidArgument, message).into());
    }
    let path = weights(&args, &config, interrupt)?;
    let figures = interrupt.orderly(|cancel| {
        let start = Instant::now();
        let mut options = codegeex::backend::CpuOptions::default();
        options.threads = match usize::from(args.threads) {
            0 => None,
            threads => Some(threads),
        };
        options.isa = args.isa;
        options.kv = args.kv.kv;
        options.activations = args.activations.activations;
        let checkpoint = Checkpoint::open(&path, &OpenOptions::new())?;
        let cpu = Cpu::new(&options)?;
        let model = Arc::new(Transformer::new(cpu, &checkpoint)?);
        let load = start.elapsed().as_secs_f64();
        let weights = checkpoint.weight_bytes();
        drop(checkpoint);

        let spinner = Progress::of("prompt");
        let most = config.padded_vocab_size.min(50_000);
        let ids: Vec<u32> = (0..prompt).map(|i| (i * 7919 % most) as u32).collect();
        let mut states: Vec<_> = (0..args.sequences).map(|_| model.new_state()).collect();
        let start = Instant::now();
        let mut last = Vec::new();
        feed(
            &*model,
            &mut *states[0],
            &ids,
            Wanted::Last,
            &cancel.into(),
            &mut |logits| {
                last = logits.last(0).map(|row| row.to_vec()).unwrap_or_default();
                Ok(())
            },
        )?;
        let prefill = start.elapsed().as_secs_f64();
        for i in 1..states.len() {
            states[i] = states[0].fork();
        }
        drop(spinner);
        let spinner = Progress::of("decode");
        let mut next = vec![argmax(&last); states.len()];
        let mut steps = Vec::with_capacity(new);
        for _ in 0..new {
            let start = Instant::now();
            let mut batch: Vec<Input> = states
                .iter_mut()
                .zip(&next)
                .map(|(state, id)| Input::new(&mut **state, std::slice::from_ref(id), Wanted::Last))
                .collect();
            let logits = model.forward(&mut batch, &cancel.into())?;
            drop(batch);
            for (i, next) in next.iter_mut().enumerate() {
                *next = logits.last(i).map_or(0, argmax);
            }
            steps.push(start.elapsed().as_secs_f64());
        }
        steps.sort_by(f64::total_cmp);
        let cache: usize = states.iter().map(|s| s.bytes()).sum();
        let cache = cache as f64 * visible(&config, prompt + new);
        drop(spinner);
        drop(states);
        let mut served = Vec::new();
        if let Some(clients) = args.concurrency {
            let _spinner = Progress::of("clients");
            let mut numbers = vec![1, usize::from(clients)];
            numbers.dedup();
            for clients in numbers {
                let load = Load {
                    clients,
                    prompt,
                    new,
                };
                served.push(load.run(Arc::clone(&model) as Arc<dyn Model>, cancel)?);
            }
        }
        let resident = peak_resident();
        let _spinner = Progress::of("limits of the machine");
        let backend = model.backend();
        let rate = match args.dtype {
            Dtype::F16 => backend.measure_float_rate(),
            _ => backend.measure_integer_rate(),
        };
        Ok::<_, Error>(Figures {
            description: model.describe(),
            parameters: config.parameters() as u64,
            // Every matrix but the embeddings multiplies every token; the head only the last.
            prompt_operations: 2.0 * linear_parameters(&config) as f64 * prompt as f64,
            weights,
            load,
            prompt,
            prefill,
            sequences: next.len(),
            served,
            step: steps[steps.len() / 2],
            step_least: steps[0],
            decode_bytes: decode_bytes(&config, weights) + cache as u64,
            resident,
            bandwidth: backend.measure_bandwidth()?,
            cache: processor_cache(),
            rate,
        })
    })?;
    lines::write_stdout(&match args.json {
        true => figures.to_json() + "\n",
        false => figures.to_text(),
    })
}

/// The cache file, written if it is not there.
fn weights(args: &Args, config: &ModelConfig, interrupt: &Interrupt) -> Result<PathBuf> {
    let folder = args.cache.clone().unwrap_or_else(std::env::temp_dir);
    let dtype = match args.dtype {
        Dtype::F16 => "f16",
        Dtype::Int8 => "int8",
        Dtype::Int4 => "int4",
    };
    let int8_head = match args.head {
        Some(head) => head == Head::Int8,
        None => args.dtype != Dtype::F16,
    };
    let head = if int8_head { "int8" } else { "f16" };
    let path = folder.join(format!(
        "{}-bench-{}x{}x{}-{dtype}-{head}.safetensors",
        config.family,
        config.cached_layers(),
        config.hidden_size,
        config.num_attention_heads
    ));
    let reusable = |path: &Path| {
        Checkpoint::open(path, &OpenOptions::new()).is_ok_and(|c| c.config() == config)
    };
    if reusable(&path) {
        return Ok(path);
    }
    let mut options = ConvertOptions::new()
        .overwrite(true)
        .quantize_head(int8_head);
    options.quantize = match args.dtype {
        Dtype::F16 => None,
        Dtype::Int8 => Some(PackedScheme::Int8),
        Dtype::Int4 => Some(PackedScheme::Int4),
    };
    let progress = Progress::of_bytes(config.parameters() as u64);
    let mut report = |done, total| progress.update(done, total);
    interrupt.orderly(|cancel| write_random(config, &path, &options, 1, &mut report, cancel))?;
    Ok(path)
}

fn argmax(row: &[f32]) -> u32 {
    let mut best = 0;
    for (i, x) in row.iter().enumerate() {
        if *x > row[best] {
            best = i;
        }
    }
    best as u32
}

/// Parameters of a role.
fn parameters_of(config: &ModelConfig, role: Role) -> usize {
    let of_role = slots(config).filter(|(slot, _)| slot.role(config) == role);
    of_role
        .map(|(_, shape)| shape.iter().product::<usize>())
        .sum()
}

/// Parameters of the linear layers.
fn linear_parameters(config: &ModelConfig) -> usize {
    parameters_of(config, Role::Linear)
}

/// Bytes of weights that one decode step reads: all but the tables of which it takes a row.
fn decode_bytes(config: &ModelConfig, weights: u64) -> u64 {
    weights - 2 * parameters_of(config, Role::Table) as u64
}

/// Of a KV cache of `tokens`, the fraction that the next token reads: sliding windows hide the rest.
fn visible(config: &ModelConfig, tokens: usize) -> f64 {
    let layers = config.cached_layers();
    let read: usize = (0..layers)
        .map(|layer| config.window_of(layer).map_or(tokens, |w| w.min(tokens)))
        .sum();
    read as f64 / (layers * tokens) as f64
}

/// The most memory that this process had, in bytes; nothing where the system does not say.
fn peak_resident() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|l| l.strip_prefix("VmHWM:"))?;
    let kib: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kib * 1024)
}

/// Where the size of the cache is not known: a step that is this much faster than the memory is read
/// from the cache. The bandwidth itself varies by a fifth.
const FROM_MEMORY: f64 = 1.25;

/// Bytes of the largest cache of the processor; nothing where the system does not say.
fn processor_cache() -> Option<u64> {
    let size = |index: usize| -> Option<u64> {
        let path = format!("/sys/devices/system/cpu/cpu0/cache/index{index}/size");
        let text = std::fs::read_to_string(path).ok()?;
        let kib: u64 = text.trim().strip_suffix('K')?.parse().ok()?;
        Some(kib * 1024)
    };
    (0..8).filter_map(size).max()
}

struct Figures {
    description: String,
    parameters: u64,
    prompt_operations: f64,
    weights: u64,
    load: f64,
    prompt: usize,
    prefill: f64,
    sequences: usize,
    /// One client alone, then all.
    served: Vec<Seen>,
    step: f64,
    step_least: f64,
    decode_bytes: u64,
    resident: Option<u64>,
    bandwidth: f64,
    /// Bytes of the processor's last-level cache, if known.
    cache: Option<u64>,
    rate: f64,
}

impl Figures {
    fn prefill_fraction(&self) -> f64 {
        self.prompt_operations / self.prefill / self.rate
    }

    fn decode_rate(&self) -> f64 {
        self.decode_bytes as f64 / self.step
    }

    /// Decode as a fraction of the memory bandwidth; nothing where the bytes of a step stay in the
    /// processor's cache and the memory sets no limit.
    fn decode_fraction(&self) -> Option<f64> {
        let fraction = self.decode_rate() / self.bandwidth;
        let fits = match self.cache {
            Some(cache) => self.decode_bytes <= cache,
            None => fraction > FROM_MEMORY,
        };
        (!fits).then_some(fraction)
    }

    fn to_json(&self) -> String {
        serde_json::json!({
            "model": self.description,
            "parameters": self.parameters,
            "weight_bytes": self.weights,
            "read_bytes_per_second": self.bandwidth,
            "operations_per_second": self.rate,
            "load_seconds": self.load,
            "prompt_tokens": self.prompt,
            "prefill_tokens_per_second": self.prompt as f64 / self.prefill,
            "prefill_fraction_of_operations": self.prefill_fraction(),
            "sequences": self.sequences,
            "decode_tokens_per_second": self.sequences as f64 / self.step,
            "decode_step_seconds": self.step,
            "decode_step_seconds_least": self.step_least,
            "decode_bytes_per_step": self.decode_bytes,
            "decode_fraction_of_bandwidth": self.decode_fraction(),
            "peak_resident_bytes": self.resident,
            "served": self.served.iter().map(Seen::to_json).collect::<Vec<_>>(),
        })
        .to_string()
    }

    fn to_text(&self) -> String {
        let gb = 1e9;
        let mut text = format!(
            "{}\n\
             weights     {:.2} GB, loaded in {:.3} s\n\
             machine     reads {:.1} GB/s, multiplies {:.0} G operations/s\n\
             prompt      {} tokens in {:.2} s: {:.1} tokens/s, {:.0} % of the operations\n",
            self.description,
            self.weights as f64 / gb,
            self.load,
            self.bandwidth / gb,
            self.rate / gb,
            self.prompt,
            self.prefill,
            self.prompt as f64 / self.prefill,
            100.0 * self.prefill_fraction(),
        );
        let fraction = match self.decode_fraction() {
            Some(fraction) => format!("{:.0} % of the bandwidth", 100.0 * fraction),
            None => "from the processor's cache, which it fits in".to_owned(),
        };
        text += &format!(
            "decode      {:.2} ms a step: {:.2} tokens/s, {:.1} GB/s, {fraction}\n",
            1e3 * self.step,
            self.sequences as f64 / self.step,
            self.decode_rate() / gb,
        );
        text.extend(self.served.iter().map(Seen::to_text));
        if let Some(resident) = self.resident {
            text += &format!(
                "memory      {:.2} GB resident at most\n",
                resident as f64 / gb
            );
        }
        text
    }
}
