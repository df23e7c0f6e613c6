//! GPT-2 in candle, on the same GGUF files: `QMatMul` for the quantized matrices, plain `matmul` for
//! the others. Activations, keys and values are F32; for F16 matrices each product's input is
//! rounded to F16, since candle multiplies equal types only.

use std::fs::File;
use std::path::Path;

use candle_core::quantized::gguf_file::Content;
use candle_core::quantized::{GgmlDType, QMatMul, QTensor};
use candle_core::{D, DType, Device, Module, Result, Tensor};
use candle_nn::kv_cache::KvCache;
use candle_nn::ops::{layer_norm, softmax_last_dim};
use codegeex::model::ModelConfig;

use crate::engine::Engine;

enum Matrix {
    /// `[in, out]`, a view of what the file has.
    Plain(Tensor),
    Quantized(QMatMul),
}

impl Matrix {
    fn new(tensor: QTensor) -> Result<Self> {
        let device = Device::Cpu;
        Ok(match tensor.dtype() {
            GgmlDType::F32 => Self::Plain(tensor.dequantize(&device)?.t()?),
            GgmlDType::F16 => Self::Plain(tensor.dequantize_f16(&device)?.t()?),
            _ => Self::Quantized(QMatMul::from_qtensor(tensor)?),
        })
    }

    /// `x` is `[tokens, in]`.
    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        match self {
            Self::Plain(matrix) => {
                let product = x.to_dtype(matrix.dtype())?.matmul(matrix)?;
                product.to_dtype(DType::F32)
            }
            Self::Quantized(matrix) => matrix.forward(x),
        }
    }

    fn rows(&self, ids: &Tensor) -> Result<Tensor> {
        match self {
            Self::Plain(matrix) => {
                let rows = matrix.t()?.index_select(ids, 0)?;
                rows.to_dtype(DType::F32)
            }
            Self::Quantized(matrix) => matrix.embedding(ids),
        }
    }
}

struct Linear {
    matrix: Matrix,
    bias: Tensor,
}

impl Linear {
    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        self.matrix.forward(x)?.broadcast_add(&self.bias)
    }
}

struct Norm {
    weight: Tensor,
    bias: Tensor,
}

impl Norm {
    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        layer_norm(x, &self.weight, &self.bias, 1e-5)
    }
}

struct Layer {
    attention_norm: Norm,
    qkv: Linear,
    output: Linear,
    mlp_norm: Norm,
    up: Linear,
    down: Linear,
    cache: KvCache,
}

pub struct Candle {
    heads: usize,
    words: Matrix,
    positions: Tensor,
    layers: Vec<Layer>,
    norm: Norm,
    fed: usize,
}

/// The file's tensors by name.
struct Reader {
    file: File,
    content: Content,
}

impl Reader {
    fn tensor(&mut self, name: &str) -> Result<QTensor> {
        self.content.tensor(&mut self.file, name, &Device::Cpu)
    }

    fn vector(&mut self, name: &str) -> Result<Tensor> {
        self.tensor(name)?.dequantize(&Device::Cpu)
    }

    fn norm(&mut self, name: &str) -> Result<Norm> {
        Ok(Norm {
            weight: self.vector(&format!("{name}.weight"))?,
            bias: self.vector(&format!("{name}.bias"))?,
        })
    }

    fn linear(&mut self, name: &str) -> Result<Linear> {
        Ok(Linear {
            matrix: Matrix::new(self.tensor(&format!("{name}.weight"))?)?,
            bias: self.vector(&format!("{name}.bias"))?,
        })
    }
}

impl Candle {
    pub fn open(gguf: &Path, config: &ModelConfig, tokens: usize) -> Result<Self> {
        let mut file = File::open(gguf)?;
        let content = Content::read(&mut file)?;
        let mut reader = Reader { file, content };
        let mut layers = Vec::new();
        for i in 0..config.num_layers {
            let name = |module: &str| format!("blk.{i}.{module}");
            layers.push(Layer {
                attention_norm: reader.norm(&name("attn_norm"))?,
                qkv: reader.linear(&name("attn_qkv"))?,
                output: reader.linear(&name("attn_output"))?,
                mlp_norm: reader.norm(&name("ffn_norm"))?,
                up: reader.linear(&name("ffn_up"))?,
                down: reader.linear(&name("ffn_down"))?,
                cache: KvCache::new(2, tokens),
            });
        }
        Ok(Self {
            heads: config.num_attention_heads,
            words: Matrix::new(reader.tensor("token_embd.weight")?)?,
            positions: reader.vector("position_embd.weight")?,
            layers,
            norm: reader.norm("output_norm")?,
            fed: 0,
        })
    }

    fn forward(&mut self, ids: &[u32]) -> Result<Vec<f32>> {
        let n = ids.len();
        let words = self.words.rows(&Tensor::new(ids, &Device::Cpu)?)?;
        let mut x = (words + self.positions.narrow(0, self.fed, n)?)?;
        let mask = (n > 1).then(|| causal(n, self.fed)).transpose()?;
        for layer in &mut self.layers {
            let normed = layer.attention_norm.forward(&x)?;
            let attended = attend(layer, &normed, self.heads, mask.as_ref())?;
            x = (x + layer.output.forward(&attended)?)?;
            let normed = layer.mlp_norm.forward(&x)?;
            // candle's `gelu` is the approximation by tanh.
            let wide = layer.up.forward(&normed)?.gelu()?;
            x = (x + layer.down.forward(&wide)?)?;
        }
        self.fed += n;
        let last = self.norm.forward(&x.narrow(0, n - 1, 1)?)?;
        self.words.forward(&last)?.flatten_all()?.to_vec1()
    }
}

/// What lies in the future of each of `n` tokens after `fed` others gets minus infinity.
fn causal(n: usize, fed: usize) -> Result<Tensor> {
    let width = fed + n;
    let mut mask = vec![0.0f32; n * width];
    for (i, row) in mask.chunks_mut(width).enumerate() {
        row[fed + i + 1..].fill(f32::NEG_INFINITY);
    }
    Tensor::from_vec(mask, (n, width), &Device::Cpu)
}

fn attend(layer: &mut Layer, x: &Tensor, heads: usize, mask: Option<&Tensor>) -> Result<Tensor> {
    let (n, hidden) = x.dims2()?;
    let width = hidden / heads;
    let qkv = layer.qkv.forward(x)?;
    let part = |i: usize| -> Result<Tensor> {
        let part = qkv.narrow(1, i * hidden, hidden)?;
        let split = part.reshape((1, n, heads, width))?;
        split.transpose(1, 2)?.contiguous()
    };
    let (q, k, v) = (part(0)?, part(1)?, part(2)?);
    let (k, v) = layer.cache.append(&k, &v)?;
    let q = (q * (1.0 / (width as f64).sqrt()))?;
    let mut scores = q.matmul(&k.transpose(D::Minus1, D::Minus2)?)?;
    if let Some(mask) = mask {
        scores = scores.broadcast_add(mask)?;
    }
    let context = softmax_last_dim(&scores)?.matmul(&v.contiguous()?)?;
    context.transpose(1, 2)?.contiguous()?.reshape((n, hidden))
}

impl Engine for Candle {
    fn describe(&self) -> String {
        "candle 0.11, gemm and its own quantized kernels".to_owned()
    }

    fn reset(&mut self) {
        for layer in &mut self.layers {
            layer.cache.reset();
        }
        self.fed = 0;
    }

    fn feed(&mut self, ids: &[u32]) -> Vec<f32> {
        self.forward(ids).expect("candle computes")
    }
}
