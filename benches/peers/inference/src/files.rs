//! The model files, written once and kept in `target/inference-peers`.

use std::fs;
use std::path::{Path, PathBuf};

use codegeex::cancel::CancelToken;
use codegeex::model::checkpoint::{CONFIG_KEY, expected_tensors};
use codegeex::model::{Checkpoint, ConvertOptions, OpenOptions, convert};
use codegeex::num::DType;
use codegeex::tensor::PackedScheme;
use codegeex::weights::TensorInfo;
use codegeex::weights::safetensors::Writer;

use crate::gguf::{self, Format};
use crate::random::Random;
use crate::shape::Shape;

pub struct Files {
    folder: PathBuf,
}

impl Files {
    pub fn new(folder: &Path) -> Self {
        fs::create_dir_all(folder).expect("the folder for model files can be made");
        Self {
            folder: folder.to_owned(),
        }
    }

    /// Ours and, with F16 in memory, what the Python engines read.
    pub fn checkpoint(&self, shape: &Shape) -> PathBuf {
        let path = self.folder.join(format!("{}.safetensors", shape.name));
        if path.exists() {
            return path;
        }
        eprintln!("writing {}", path.display());
        let infos: Vec<_> = expected_tensors(&shape.config)
            .map(|(name, shape)| TensorInfo {
                name,
                dtype: DType::F16,
                shape,
            })
            .collect();
        let config = shape.config.to_json();
        let metadata = [(CONFIG_KEY, config.as_str()), ("format", "pt")];
        let mut file = Writer::create(&path, &infos, &metadata, false).expect("a new file");
        let random = Random::new();
        for info in &infos {
            let numbers = random.tensor(&info.name, info.elements());
            let bytes: Vec<u8> = numbers.iter().flat_map(|x| x.to_le_bytes()).collect();
            file.write(&bytes).expect("the disk has room");
        }
        file.finish().expect("the disk has room");
        path
    }

    /// llama.cpp's and candle's.
    pub fn gguf(&self, shape: &Shape, name: &str, format: Format) -> PathBuf {
        let path = self.folder.join(format!("{}.{name}.gguf", shape.name));
        if !path.exists() {
            eprintln!("writing {}", path.display());
            let partial = path.with_extension("partial");
            gguf::write(&partial, &shape.config, format).expect("the disk has room");
            fs::rename(&partial, &path).expect("a file can be renamed");
        }
        path
    }

    /// Our own checkpoint quantized, the word embedding too, which is the LM head; or `None` where
    /// the crate has no such scheme. What one version of the crate wrote the next may not read:
    /// remove the folder then.
    pub fn quantize(&self, checkpoint: &Path, scheme: &str) -> Option<PathBuf> {
        let scheme = match scheme {
            "f16" => return Some(checkpoint.to_owned()),
            "int8" => PackedScheme::Int8,
            "int4" => PackedScheme::Int4,
            _ => return None,
        };
        let path = checkpoint.with_extension(format!("{scheme}.safetensors"));
        if !path.exists() {
            eprintln!("writing {}", path.display());
            let source = Checkpoint::open(checkpoint, &OpenOptions::new()).expect("our own file");
            let options = ConvertOptions::new().quantize(scheme).quantize_head(true);
            convert(
                &source,
                &path,
                &options,
                &mut |_, _| {},
                &CancelToken::new(),
            )
            .expect("the weights are finite and the disk has room");
        }
        Some(path)
    }
}
