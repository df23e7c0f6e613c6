//! The forward pass of every variant against the formulas written out in double precision.

use std::collections::HashMap;

use super::checkpoint::expected_tensors;
use super::*;
use crate::backend::InstructionSet;
use crate::bytes::Bytes;
use crate::family::{Norm, Position, Residual, Rotary, RotaryPairs, RotaryScaling};
use crate::num::DType;
use crate::tensor::{Block, Tensor, TensorInfo};
use crate::weights::WeightSource;

/// Random parameters in memory.
#[derive(Debug)]
struct Random {
    infos: Vec<TensorInfo>,
    values: HashMap<String, Vec<f32>>,
}

impl Random {
    fn new(config: &ModelConfig) -> Self {
        let mut state = 88_172_645_463_325_252u64;
        let mut noise = || {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            (state >> 40) as f32 / (1 << 23) as f32 - 1.0
        };
        let (mut infos, mut values) = (Vec::new(), HashMap::new());
        for (name, shape) in expected_tensors(config) {
            let n = shape.iter().product();
            let norm = name.contains("layernorm.weight");
            let numbers = (0..n).map(|_| {
                if norm {
                    1.0 + noise() * 0.5
                } else {
                    noise() * 0.3
                }
            });
            values.insert(name.clone(), numbers.collect());
            let dtype = DType::F32;
            infos.push(TensorInfo { name, dtype, shape });
        }
        Self { infos, values }
    }
}

impl WeightSource for Random {
    fn tensors(&self) -> &[TensorInfo] {
        &self.infos
    }

    fn tensor(&self, name: &str) -> Result<Tensor> {
        let info = self.info(name).unwrap().clone();
        let (cols, elements) = (info.shape[info.shape.len() - 1], info.elements());
        Ok(Tensor {
            blocks: vec![Block {
                row: 0,
                col: 0,
                rows: elements / cols,
                cols,
                row_stride: cols,
                data: Bytes::copy_from(bytemuck::cast_slice(&self.values[name]))?,
            }],
            info,
        })
    }

    fn describe(&self) -> String {
        "random".into()
    }
}

/// The formulas of `graph.rs`, one token and one number at a time.
struct Oracle<'a> {
    config: &'a ModelConfig,
    values: &'a HashMap<String, Vec<f32>>,
}

type Row = Vec<f64>;

impl Oracle<'_> {
    fn get(&self, name: &str) -> Row {
        self.values[name].iter().map(|&x| f64::from(x)).collect()
    }

    fn embedding(&self, name: &str, index: usize) -> Row {
        let h = self.config.hidden_size;
        self.get(name)[index * h..(index + 1) * h].to_vec()
    }

    fn bias(&self, name: &str, len: usize) -> Row {
        let bias = self.values.get(&format!("{name}.bias"));
        let zeros = || vec![0.0; len];
        bias.map_or_else(zeros, |b| b.iter().map(|&x| f64::from(x)).collect())
    }

    fn linear(&self, name: &str, x: &Row) -> Row {
        let w = self.get(&format!("{name}.weight"));
        let b = self.bias(name, w.len() / x.len());
        let dot = |r: usize| (0..x.len()).map(|c| w[r * x.len() + c] * x[c]).sum::<f64>();
        (0..b.len()).map(|r| dot(r) + b[r]).collect()
    }

    fn norm(&self, name: &str, x: &[f64]) -> Row {
        self.norm_as(self.config.norm, name, x)
    }

    fn norm_as(&self, norm: Norm, name: &str, x: &[f64]) -> Row {
        let w = self.get(&format!("{name}.weight"));
        let b = self.bias(name, x.len());
        let n = x.len() as f64;
        let mean = match norm {
            Norm::Layer => x.iter().sum::<f64>() / n,
            Norm::Rms => 0.0,
        };
        let var = x.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / n;
        let std = (var + f64::from(self.config.layernorm_epsilon)).sqrt();
        (0..x.len())
            .map(|i| (x[i] - mean) / std * w[i] + b[i])
            .collect()
    }

    fn act(&self, x: f64) -> f64 {
        match self.config.activation {
            Activation::FastGelu => x / (1.0 + (-1.702 * x).exp()),
            Activation::GeluTanh => {
                let u = (2.0 / std::f64::consts::PI).sqrt() * (x + 0.044715 * x.powi(3));
                0.5 * x * (1.0 + u.tanh())
            }
            Activation::Gelu => {
                // The error function by its series.
                let z = x / 2f64.sqrt();
                let (mut term, mut sum) = (z, z);
                for k in 1..200 {
                    term *= -z * z / f64::from(k);
                    sum += term / f64::from(2 * k + 1);
                }
                0.5 * x * (1.0 + sum * 2.0 / std::f64::consts::PI.sqrt())
            }
            Activation::Silu => x / (1.0 + (-x).exp()),
            Activation::Relu => x.max(0.0),
        }
    }

    /// Normalises and rotates the heads of a query or key.
    fn place(&self, norm: &str, x: &mut Row, position: usize) {
        for head in x.chunks_mut(self.config.head_dim()) {
            if self.config.query_key_norm {
                let row = self.norm_as(Norm::Rms, norm, head);
                head.copy_from_slice(&row);
            }
            let Position::Rotary(rotary) = &self.config.position else {
                continue;
            };
            let pairs = rotary.dims / 2;
            for i in 0..pairs {
                let (a, b) = match rotary.pairs {
                    RotaryPairs::Halves => (i, i + pairs),
                    RotaryPairs::Interleaved => (2 * i, 2 * i + 1),
                };
                let mut angle = rotary.base.powf(-2.0 * i as f64 / rotary.dims as f64);
                if let RotaryScaling::Linear { factor } = rotary.scaling {
                    angle /= factor;
                }
                let (sin, cos) = (angle * position as f64).sin_cos();
                (head[a], head[b]) = (head[a] * cos - head[b] * sin, head[b] * cos + head[a] * sin);
            }
        }
    }

    /// A layer over a whole sequence; `queries` replaces what the queries are made of.
    fn layer(&self, index: usize, name: &str, x: &mut [Row], queries: Option<Vec<Row>>) {
        let (d, heads) = (self.config.head_dim(), self.config.num_attention_heads);
        let group = heads / self.config.num_kv_heads();
        let scale = self.config.attention_multiplier.map(f64::from);
        let scale = scale.unwrap_or(1.0 / (d as f64).sqrt());
        let scale = match self.config.attention_by_layer {
            true => scale / (index + 1) as f64,
            false => scale,
        };
        let part = |p: &str| format!("{name}.{p}");
        let a: Vec<Row> = x
            .iter()
            .map(|x| self.norm(&part("input_layernorm"), x))
            .collect();
        let project = |p: &str, rows: &[Row]| -> Vec<Row> {
            rows.iter().map(|r| self.linear(&part(p), r)).collect()
        };
        let mut q = project("attention.query", queries.as_ref().unwrap_or(&a));
        let mut k = project("attention.key", &a);
        let v = project("attention.value", &a);
        for n in 0..q.len() {
            self.place(&part("attention.query_layernorm"), &mut q[n], n);
            self.place(&part("attention.key_layernorm"), &mut k[n], n);
        }
        for (n, x) in x.iter_mut().enumerate() {
            let mut context = vec![0.0; heads * d];
            let window = self.config.window_of(index).unwrap_or(usize::MAX);
            let first = (n + 1).saturating_sub(window);
            for head in 0..heads {
                let (mine, theirs) = (head * d, head / group * d);
                let score = |t: &Row| {
                    let dot: f64 = (0..d).map(|i| q[n][mine + i] * t[theirs + i]).sum();
                    (dot * scale).exp()
                };
                let weights: Vec<f64> = k[first..=n].iter().map(score).collect();
                let sum: f64 = weights.iter().sum();
                for (w, v) in weights.iter().zip(&v[first..]) {
                    for i in 0..d {
                        context[mine + i] += w / sum * v[theirs + i];
                    }
                }
            }
            let factor = f64::from(self.config.residual_multiplier);
            let out = self.linear(&part("attention.dense"), &context);
            let before = x.clone();
            x.iter_mut().zip(out).for_each(|(x, o)| *x += o * factor);
            let norm = part("post_attention_layernorm");
            let b = match self.config.residual {
                Residual::Sequential => self.norm(&norm, x),
                Residual::Parallel => self.norm(&norm, &before),
                Residual::ParallelOneNorm => a[n].clone(),
            };
            let up = self.linear(&part("mlp.dense_h_to_4h"), &b);
            let wide = match self.config.gated {
                false => up.iter().map(|&x| self.act(x)).collect(),
                true => {
                    let gate = self.linear(&part("mlp.gate"), &b);
                    gate.iter().zip(up).map(|(&g, u)| self.act(g) * u).collect()
                }
            };
            let out = self.linear(&part("mlp.dense_4h_to_h"), &wide);
            x.iter_mut().zip(out).for_each(|(x, o)| *x += o * factor);
        }
    }

    fn position(&self, n: usize) -> Row {
        let h = self.config.hidden_size;
        match self.config.position {
            Position::Learned => self.embedding("position_embeddings.weight", n),
            Position::Rotary(_) => vec![0.0; h],
            Position::Sinusoidal { offset } => {
                let angle = |i: usize| {
                    let frequency = 10_000f64.powf(-(i as f64) / (h / 2 - 1) as f64);
                    (n + offset) as f64 * frequency
                };
                let sines = (0..h / 2).map(|i| angle(i).sin());
                sines.chain((0..h / 2).map(|i| angle(i).cos())).collect()
            }
        }
    }

    fn logits(&self, ids: &[u32]) -> Vec<Row> {
        let factor = f64::from(self.config.embedding_multiplier);
        let mut x: Vec<Row> = (ids.iter().enumerate())
            .map(|(n, &id)| {
                let word = self.embedding("word_embeddings.weight", id as usize);
                let position = self.position(n);
                word.iter()
                    .zip(position)
                    .map(|(a, b)| a * factor + b)
                    .collect()
            })
            .collect();
        let layers = self.config.num_layers;
        for i in 0..layers {
            self.layer(i, &format!("layers.{i}"), &mut x, None);
        }
        let mut y: Vec<Row> = x.iter().map(|x| self.norm("final_layernorm", x)).collect();
        if self.config.top_query {
            let queries = (0..ids.len())
                .map(|n| self.embedding("top_query_embeddings.weight", n))
                .collect();
            self.layer(layers, "topQueryLayer", &mut y, Some(queries));
        }
        let head = match self.config.tied_head {
            true => "word_embeddings",
            false => "lm_head",
        };
        let factor = f64::from(self.config.logits_multiplier);
        y.iter()
            .map(|y| self.linear(head, y).iter().map(|x| x * factor).collect())
            .collect()
    }
}

fn variant(activation: Activation, top_query: bool, kv_heads: Option<usize>) -> ModelConfig {
    let mut config = ModelConfig::codegeex_13b();
    config.num_layers = 2;
    config.hidden_size = 24;
    config.num_attention_heads = 4;
    config.padded_vocab_size = 37;
    config.max_position_embeddings = 40;
    config.activation = activation;
    config.top_query = top_query;
    config.kv_heads = kv_heads;
    config
}

/// One of each kind of what a configuration can say, in several combinations.
fn variants() -> Vec<ModelConfig> {
    let plain = variant(Activation::GeluTanh, false, None);
    let rotary = |dims, pairs, scaling| {
        Position::Rotary(Rotary {
            dims,
            base: 100.0,
            pairs,
            scaling,
        })
    };
    let llama = ModelConfig {
        activation: Activation::Silu,
        norm: Norm::Rms,
        norm_bias: false,
        gated: true,
        position: rotary(6, RotaryPairs::Halves, RotaryScaling::None),
        kv_heads: Some(2),
        ffn_hidden_size: Some(50),
        qkv_bias: false,
        dense_bias: false,
        mlp_bias: false,
        tied_head: false,
        ..plain.clone()
    };
    vec![
        variant(Activation::FastGelu, true, None),
        plain.clone(),
        variant(Activation::GeluTanh, false, Some(1)),
        variant(Activation::FastGelu, true, Some(2)),
        llama.clone(),
        ModelConfig {
            query_key_norm: true,
            head_dim: Some(10),
            window: Some(7),
            window_from_layer: 1,
            position: rotary(
                8,
                RotaryPairs::Halves,
                RotaryScaling::Linear { factor: 4.0 },
            ),
            qkv_bias: true,
            ..llama.clone()
        },
        ModelConfig {
            embedding_multiplier: 3.0,
            attention_multiplier: Some(0.3),
            residual_multiplier: 0.4,
            logits_multiplier: 0.25,
            window: Some(33),
            tied_head: true,
            ..llama
        },
        ModelConfig {
            activation: Activation::Gelu,
            residual: Residual::Parallel,
            position: rotary(2, RotaryPairs::Halves, RotaryScaling::None),
            tied_head: false,
            ..plain.clone()
        },
        ModelConfig {
            residual: Residual::ParallelOneNorm,
            position: rotary(4, RotaryPairs::Interleaved, RotaryScaling::None),
            qkv_bias: false,
            dense_bias: false,
            tied_head: false,
            head_bias: true,
            ..plain.clone()
        },
        ModelConfig {
            activation: Activation::Relu,
            attention_by_layer: true,
            position: Position::Sinusoidal { offset: 2 },
            embedding_multiplier: 24f32.sqrt(),
            ..plain
        },
    ]
}

#[test]
fn every_variant_follows_the_formulas() {
    let ids: Vec<u32> = (0..39).map(|i| i * 7 % 37).collect();
    for config in variants() {
        config.validate().unwrap();
        let json = config.to_json();
        assert_eq!(ModelConfig::from_json(&json).unwrap(), config, "{json}");
        let source = Random::new(&config);
        let oracle = Oracle {
            config: &config,
            values: &source.values,
        };
        let expected = oracle.logits(&ids);
        let checkpoint = Checkpoint::new(Box::new(Random::new(&config)), config.clone()).unwrap();
        let backend = Cpu::new(&CpuOptions::default()).unwrap();
        let model = Transformer::new(backend, &checkpoint).unwrap();
        // A part whose logits all count, one of which the last counts, one of which none does.
        let mut state = model.new_state();
        let parts = [
            (&ids[..20], Wanted::All),
            (&ids[20..30], Wanted::Nothing),
            (&ids[30..], Wanted::Last),
        ];
        for (part, wanted) in parts {
            let mut batch = [Input::new(&mut *state, part, wanted)];
            let logits = model.forward(&mut batch, &Control::new()).unwrap();
            let rows = logits.rows(0);
            let end = state.len();
            let expected = &expected[end - rows.len()..end];
            for (row, expected) in rows.zip(expected) {
                for (a, b) in row.iter().zip(expected) {
                    let error = (f64::from(*a) - b).abs();
                    assert!(error < 1e-4, "{config:?}: {a} not {b}");
                }
            }
        }
        let states = model.hidden_states(&ids).unwrap();
        let layers = config.num_layers + 1 + usize::from(config.top_query);
        assert_eq!(states.dim(), (layers, ids.len(), config.hidden_size));
    }
}

#[test]
fn every_instruction_set_gives_the_same_bits() {
    let ids: Vec<u32> = (0..39).map(|i| i * 11 % 37).collect();
    let logits = |config: &ModelConfig, set: InstructionSet| -> Vec<u32> {
        let checkpoint = Checkpoint::new(Box::new(Random::new(config)), config.clone()).unwrap();
        let options = CpuOptions {
            isa: Some(set),
            ..CpuOptions::default()
        };
        let model = Transformer::new(Cpu::new(&options).unwrap(), &checkpoint).unwrap();
        assert!(model.describe().contains(&format!("cpu {set}, ")));
        let mut state = model.new_state();
        let mut bits = Vec::new();
        // A part for the blocked matrix product, one for dot products, and single steps.
        for part in [&ids[..20], &ids[20..36], &ids[36..37], &ids[37..]] {
            let mut batch = [Input::new(&mut *state, part, Wanted::All)];
            let logits = model.forward(&mut batch, &Control::new()).unwrap();
            bits.extend(logits.view(0).iter().map(|x| x.to_bits()));
        }
        bits
    };
    for config in variants() {
        let scalar = logits(&config, InstructionSet::Scalar);
        for set in InstructionSet::available() {
            assert!(
                logits(&config, set) == scalar,
                "{set} differs from scalar: {config:?}"
            );
        }
    }
}

/// Weights that are not numbers are an error of generation, not token 0.
#[test]
fn weights_that_are_not_numbers_show_in_the_logits() {
    let config = variant(Activation::FastGelu, true, None);
    for name in [
        "layers.0.attention.key.weight",
        "layers.1.mlp.dense_4h_to_h.bias",
    ] {
        let mut source = Random::new(&config);
        source.values.get_mut(name).unwrap()[3] = f32::NAN;
        let checkpoint = Checkpoint::new(Box::new(source), config.clone()).unwrap();
        let backend = Cpu::new(&CpuOptions::default()).unwrap();
        let model = Transformer::new(backend, &checkpoint).unwrap();
        let mut state = model.new_state();
        let mut batch = [Input::new(&mut *state, &[1, 2, 3], Wanted::Last)];
        let logits = model.forward(&mut batch, &Control::new()).unwrap();
        assert!(logits.last(0).unwrap().iter().any(|x| x.is_nan()), "{name}");
    }
}
