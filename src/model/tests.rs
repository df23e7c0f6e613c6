//! The forward pass of every variant against the formulas written out in double precision.

use std::collections::HashMap;

use super::checkpoint::expected_tensors;
use super::*;
use crate::backend::InstructionSet;
use crate::bytes::Bytes;
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

/// The formulas of `transformer.rs`, one token and one number at a time.
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

    fn linear(&self, name: &str, x: &Row) -> Row {
        let (w, b) = (
            self.get(&format!("{name}.weight")),
            self.get(&format!("{name}.bias")),
        );
        let dot = |r: usize| (0..x.len()).map(|c| w[r * x.len() + c] * x[c]).sum::<f64>();
        (0..b.len()).map(|r| dot(r) + b[r]).collect()
    }

    fn norm(&self, name: &str, x: &Row) -> Row {
        let (w, b) = (
            self.get(&format!("{name}.weight")),
            self.get(&format!("{name}.bias")),
        );
        let n = x.len() as f64;
        let mean = x.iter().sum::<f64>() / n;
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
        }
    }

    /// A layer over a whole sequence; `queries` replaces what the queries are made of.
    fn layer(&self, name: &str, x: &mut [Row], queries: Option<Vec<Row>>) {
        let (d, heads) = (self.config.head_dim(), self.config.num_attention_heads);
        let group = heads / self.config.num_kv_heads();
        let part = |p: &str| format!("{name}.{p}");
        let a: Vec<Row> = x
            .iter()
            .map(|x| self.norm(&part("input_layernorm"), x))
            .collect();
        let project = |p: &str, rows: &[Row]| -> Vec<Row> {
            rows.iter().map(|r| self.linear(&part(p), r)).collect()
        };
        let q = project("attention.query", queries.as_ref().unwrap_or(&a));
        let (k, v) = (project("attention.key", &a), project("attention.value", &a));
        for (n, x) in x.iter_mut().enumerate() {
            let mut context = vec![0.0; heads * d];
            for head in 0..heads {
                let (mine, theirs) = (head * d, head / group * d);
                let score = |t: &Row| {
                    let dot: f64 = (0..d).map(|i| q[n][mine + i] * t[theirs + i]).sum();
                    (dot / (d as f64).sqrt()).exp()
                };
                let weights: Vec<f64> = k[..=n].iter().map(score).collect();
                let sum: f64 = weights.iter().sum();
                for (w, v) in weights.iter().zip(&v) {
                    for i in 0..d {
                        context[mine + i] += w / sum * v[theirs + i];
                    }
                }
            }
            let out = self.linear(&part("attention.dense"), &context);
            x.iter_mut().zip(out).for_each(|(x, o)| *x += o);
            let b = self.norm(&part("post_attention_layernorm"), x);
            let wide = self.linear(&part("mlp.dense_h_to_4h"), &b);
            let wide = wide.iter().map(|&x| self.act(x)).collect();
            let out = self.linear(&part("mlp.dense_4h_to_h"), &wide);
            x.iter_mut().zip(out).for_each(|(x, o)| *x += o);
        }
    }

    fn logits(&self, ids: &[u32]) -> Vec<Row> {
        let mut x: Vec<Row> = (ids.iter().enumerate())
            .map(|(n, &id)| {
                let word = self.embedding("word_embeddings.weight", id as usize);
                let position = self.embedding("position_embeddings.weight", n);
                word.iter().zip(position).map(|(a, b)| a + b).collect()
            })
            .collect();
        for i in 0..self.config.num_layers {
            self.layer(&format!("layers.{i}"), &mut x, None);
        }
        let mut y: Vec<Row> = x.iter().map(|x| self.norm("final_layernorm", x)).collect();
        if self.config.top_query {
            let queries = (0..ids.len())
                .map(|n| self.embedding("top_query_embeddings.weight", n))
                .collect();
            self.layer("topQueryLayer", &mut y, Some(queries));
        }
        let (words, h) = (self.get("word_embeddings.weight"), self.config.hidden_size);
        y.iter()
            .map(|y| {
                let rows = words.chunks(h);
                rows.map(|w| w.iter().zip(y).map(|(a, b)| a * b).sum())
                    .collect()
            })
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

#[test]
fn every_variant_follows_the_formulas() {
    let ids: Vec<u32> = (0..39).map(|i| i * 7 % 37).collect();
    for config in [
        variant(Activation::FastGelu, true, None),
        variant(Activation::GeluTanh, false, None),
        variant(Activation::GeluTanh, false, Some(1)),
        variant(Activation::FastGelu, true, Some(2)),
    ] {
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
    let config = variant(Activation::FastGelu, true, None);
    let logits = |set: InstructionSet| -> Vec<u32> {
        let checkpoint = Checkpoint::new(Box::new(Random::new(&config)), config.clone()).unwrap();
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
    let scalar = logits(InstructionSet::Scalar);
    for set in InstructionSet::available() {
        assert!(logits(set) == scalar, "{set} differs from scalar");
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
