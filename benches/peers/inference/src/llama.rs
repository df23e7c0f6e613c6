//! llama.cpp through `llama-cpp-2`, with its defaults: weights mapped, keys and values in F16,
//! flash attention where it chooses so.

use std::ffi::CStr;
use std::num::NonZeroU32;
use std::path::Path;

use llama_cpp_2::context::LlamaContext;
use llama_cpp_2::context::params::LlamaContextParams;
use llama_cpp_2::llama_backend::LlamaBackend;
use llama_cpp_2::llama_batch::LlamaBatch;
use llama_cpp_2::model::LlamaModel;
use llama_cpp_2::model::params::LlamaModelParams;
use llama_cpp_2::token::LlamaToken;

use crate::engine::{Engine, Plan};

pub struct Llama {
    context: LlamaContext<'static>,
    vocabulary: usize,
    fed: usize,
}

impl Llama {
    pub fn open(gguf: &Path, vocabulary: usize, plan: Plan) -> Self {
        let mut backend = LlamaBackend::init().expect("llama.cpp starts");
        if std::env::var_os("LLAMA_LOG").is_none() {
            backend.void_logs();
        }
        let params = LlamaModelParams::default().with_n_gpu_layers(0);
        // A context borrows its model; both live as long as this process, which does nothing else.
        let model = LlamaModel::load_from_file(&backend, gguf, &params).expect("the file loads");
        let model: &'static LlamaModel = Box::leak(Box::new(model));
        let threads = i32::try_from(plan.threads).expect("few threads");
        let tokens = (plan.prompt + plan.decode).next_multiple_of(256) as u32;
        let params = LlamaContextParams::default()
            .with_n_ctx(NonZeroU32::new(tokens))
            .with_n_batch(tokens)
            .with_n_threads(threads)
            .with_n_threads_batch(threads);
        let context = model.new_context(&backend, params).expect("memory");
        Self {
            context,
            vocabulary,
            fed: 0,
        }
    }
}

impl Engine for Llama {
    fn describe(&self) -> String {
        // SAFETY: it returns a pointer to a static string that ends in zero.
        let info = unsafe { CStr::from_ptr(llama_cpp_sys_2::llama_print_system_info()) };
        format!("llama.cpp, {}", info.to_string_lossy())
    }

    fn reset(&mut self) {
        self.context.clear_kv_cache();
        self.fed = 0;
    }

    fn feed(&mut self, ids: &[u32]) -> Vec<f32> {
        let mut batch = LlamaBatch::new(ids.len(), 1);
        for (i, id) in ids.iter().enumerate() {
            let token = LlamaToken(i32::try_from(*id).expect("an id of the vocabulary"));
            let position = i32::try_from(self.fed + i).expect("a short sequence");
            (batch.add(token, position, &[0], i + 1 == ids.len())).expect("the batch has room");
        }
        self.context.decode(&mut batch).expect("the tokens fit");
        self.fed += ids.len();
        let last = i32::try_from(ids.len() - 1).expect("a short sequence");
        let logits = self.context.get_logits_ith(last);
        assert_eq!(logits.len(), self.vocabulary);
        logits.to_vec()
    }
}
