//! Any bytes as a saved state or session, plainly and behind checksums that are right: an error,
//! or a state that saves as the same bytes and goes on.
#![no_main]

#[path = "../../tests/support/tokenizer.rs"]
mod tokenizer;

use std::sync::{Arc, LazyLock};

use codegeex::__internal::Bytes;
use codegeex::__internal::SealedWriter;
use codegeex::backend::{Cpu, CpuOptions, KvFormat};
use codegeex::cancel::Control;
use codegeex::generate::Generator;
use codegeex::model::{Checkpoint, Input, Model, ModelConfig, Transformer, Wanted};
use codegeex::weights;
use libfuzzer_sys::fuzz_target;

const WEIGHTS: &[u8] = include_bytes!("../../tests/data/layouts/single.pt");
const CONFIG: &str = include_str!("../../tests/data/layouts/config.json");
/// Label, version, endian mark, fingerprint, form of the KV cache; the tokens follow.
const BEFORE_TOKENS: usize = 16 + 4 + 4 + 8 + 8;
const HEADER: usize = BEFORE_TOKENS + 8;
/// Two layers and the top query layer.
const LAYERS: usize = 3;

static GENERATORS: LazyLock<Vec<Generator>> = LazyLock::new(|| {
    let checkpoint = || {
        let bytes = Bytes::copy_from(WEIGHTS).unwrap();
        let config = ModelConfig::from_json(CONFIG).unwrap();
        Checkpoint::new(weights::from_bytes(bytes, "small").unwrap(), config).unwrap()
    };
    let generator = |kv| {
        let cpu = Cpu::new(&CpuOptions::new().threads(1).kv(kv)).unwrap();
        let model = Transformer::new(cpu, &checkpoint()).unwrap();
        tokenizer::generator(Arc::new(model))
    };
    KvFormat::ALL.into_iter().map(generator).collect()
});

/// A state that the model could have saved, but for its numbers.
fn sealed(model: &dyn Model, tokens: u8, content: &[u8]) -> Vec<u8> {
    let mut empty = Vec::new();
    (model.save_state(&*model.new_state(), &mut empty)).expect("an empty state is saved");
    let mut one = model.new_state();
    let mut batch = [Input::new(&mut *one, &[1], Wanted::Nothing)];
    (model.forward(&mut batch, &Control::new())).expect("a token is fed");
    let mut bytes = Vec::new();
    (model.save_state(&*one, &mut bytes)).expect("a state is saved");
    let section = (bytes.len() - HEADER - 8) / LAYERS - 8;
    let mut found = Vec::new();
    let mut writer = SealedWriter::new(&mut found);
    writer.write(&empty[..BEFORE_TOKENS]).unwrap();
    writer.write(&u64::from(tokens).to_le_bytes()).unwrap();
    writer.seal().unwrap();
    for piece in content.chunks(section * usize::from(tokens).max(1)) {
        writer.write(piece).unwrap();
        writer.seal().unwrap();
    }
    found
}

fn try_state(model: &dyn Model, bytes: &[u8]) {
    if let Ok(mut state) = model.restore_state(&mut { bytes }) {
        let mut again = Vec::new();
        model.save_state(&*state, &mut again).expect("saved");
        assert_eq!(again, bytes);
        let full = state.len() == model.config().max_position_embeddings;
        let mut batch = [Input::new(&mut *state, &[1], Wanted::Last)];
        assert_eq!(model.forward(&mut batch, &Control::new()).is_err(), full);
    }
}

fuzz_target!(|data: (u8, u8, &[u8])| {
    let (format, tokens, bytes) = data;
    let generator = &GENERATORS[usize::from(format) % GENERATORS.len()];
    let model = &**generator.model();
    try_state(model, bytes);
    try_state(model, &sealed(model, tokens, bytes));
    // A good state of no tokens with some bytes changed.
    let mut bad = sealed(model, 0, &[]);
    let good = bad.clone();
    bad.iter_mut().zip(bytes).for_each(|(a, b)| *a ^= b);
    assert_eq!(model.restore_state(&mut &bad[..]).is_ok(), bad == good);
    if let Ok(session) = generator.restore_session(&mut { bytes }) {
        let mut again = Vec::new();
        session.save(&mut again).expect("saved");
        assert_eq!(again, bytes);
    }
});
