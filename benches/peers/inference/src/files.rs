//! The model files, written once and kept in `target/inference-peers`.

use std::fs;
use std::path::{Path, PathBuf};

use codegeex::model::checkpoint::{CONFIG_KEY, expected_tensors};
use codegeex::num::DType;
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

    /// Our own quantized checkpoint, or `None` where the crate has no such scheme.
    ///
    /// This is the place to fill in: open `checkpoint`, `codegeex::model::convert` it with the
    /// scheme in the options to `{shape}.{scheme}.safetensors` in this folder, return the path.
    pub fn quantize(&self, checkpoint: &Path, scheme: &str) -> Option<PathBuf> {
        match scheme {
            "f16" => Some(checkpoint.to_owned()),
            _ => None,
        }
    }
}
