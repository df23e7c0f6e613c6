//! States and sessions as bytes: what is read goes on with the same bits, and whatever else is
//! read is an error.

use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::support::layouts;
use codegeex::__internal::SealedWriter;
use codegeex::backend::{ActivationFormat, Cpu, CpuOptions, KvFormat};
use codegeex::cancel::{CancelToken, Control};
use codegeex::generate::{GenerateOptions, Generator, Session};
use codegeex::model::{
    Checkpoint, ConvertOptions, Input, LoadOptions, Model, OpenOptions, State, Transformer, Wanted,
    convert, load, write_random,
};
use codegeex::tensor::PackedScheme;
use codegeex::{Error, ErrorKind};

/// Bytes before the checksum of the header: label, version, endian mark, fingerprint, form of the
/// KV cache, tokens.
const HEADER: usize = 16 + 4 + 4 + 8 + 8 + 8;

fn default_model() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("models/codegeex_tiny.safetensors")
}

fn open(path: &Path, kv: KvFormat) -> Arc<dyn Model> {
    let mut options = LoadOptions::default();
    options.cpu = CpuOptions::new().kv(kv);
    load(path, &options).unwrap()
}

/// Two layers and a top query layer of width 16, 120 ids, 32 positions.
fn small() -> Arc<dyn Model> {
    open(&layouts().join("single.pt"), KvFormat::F32)
}

fn ids(n: usize) -> Vec<u32> {
    (0..n as u32).map(|i| (i * 37 + 11) % 119).collect()
}

/// The logits after each of `ids`, to the bit.
fn feed(model: &dyn Model, state: &mut dyn State, ids: &[u32]) -> Vec<u32> {
    let mut batch = [Input::new(state, ids, Wanted::All)];
    let logits = model.forward(&mut batch, &Control::new()).unwrap();
    logits.view(0).iter().map(|x| x.to_bits()).collect()
}

fn fed(model: &dyn Model, ids: &[u32]) -> Box<dyn State> {
    let mut state = model.new_state();
    if !ids.is_empty() {
        let mut batch = [Input::new(&mut *state, ids, Wanted::Nothing)];
        model.forward(&mut batch, &Control::new()).unwrap();
    }
    state
}

fn save(model: &dyn Model, state: &dyn State) -> Vec<u8> {
    let mut bytes = Vec::new();
    model.save_state(state, &mut bytes).unwrap();
    bytes
}

fn restore(model: &dyn Model, bytes: &[u8]) -> Result<Box<dyn State>, Error> {
    model.restore_state(&mut { bytes })
}

/// The small model in another file.
fn converted(out: &Path, options: &ConvertOptions) {
    let checkpoint = Checkpoint::open(&layouts().join("single.pt"), &OpenOptions::new()).unwrap();
    let cancel = CancelToken::new();
    convert(&checkpoint, out, options, &mut |_, _| (), &cancel).unwrap();
}

/// A header with another number in it and the right checksum, and what follows.
fn with_header(bytes: &[u8], at: usize, number: &[u8]) -> Vec<u8> {
    let mut header = bytes[..HEADER].to_vec();
    header[at..at + number.len()].copy_from_slice(number);
    let mut found = Vec::new();
    let mut writer = SealedWriter::new(&mut found);
    writer.write(&header).unwrap();
    writer.seal().unwrap();
    [&found, &bytes[HEADER + 8..]].concat()
}

#[test]
fn a_restored_state_goes_on_with_the_same_bits() {
    for kv in KvFormat::ALL {
        let (model, other) = (open(&default_model(), kv), open(&default_model(), kv));
        for n in [0, 1, 31, 32, 33, 500] {
            let mut state = fed(&*model, &ids(n));
            let bytes = save(&*model, &*state);
            assert_eq!(bytes, save(&*model, &*state.fork()), "{kv} {n}");
            let next = ids(n + 4).split_off(n);
            let expected = feed(&*model, &mut *state, &next);
            for model in [&model, &other] {
                let mut again = restore(&**model, &bytes).unwrap();
                assert_eq!(again.len(), n);
                assert_eq!(save(&**model, &*again), bytes, "{kv} {n}");
                assert_eq!(feed(&**model, &mut *again, &next), expected, "{kv} {n}");
            }
            // What a page held before is not written.
            state.truncate(n);
            assert_eq!(save(&*model, &*state), bytes, "{kv} {n}");
        }
    }
}

#[test]
fn a_file_has_the_bytes_of_its_tokens() {
    for kv in KvFormat::ALL {
        let model = open(&layouts().join("single.pt"), kv);
        // Three layers of two heads of eight, K and V.
        let scales = if kv == KvFormat::Int8 {
            3 * 2 * 2 * 4
        } else {
            0
        };
        let token = 3 * 2 * 16 * kv.element_bytes() + scales;
        for n in [0, 1, 7, 32] {
            let pieces = if n == 0 { 1 } else { 1 + 3 };
            let bytes = save(&*model, &*fed(&*model, &ids(n)));
            assert_eq!(bytes.len(), HEADER + 8 * pieces + n * token, "{kv} {n}");
        }
    }
}

#[test]
fn every_flipped_bit_and_every_other_length_is_an_error() {
    let model = small();
    for n in [0, 3] {
        let good = save(&*model, &*fed(&*model, &ids(n)));
        for i in 0..good.len() {
            for bit in 0..8 {
                let mut bad = good.clone();
                bad[i] ^= 1 << bit;
                let error = restore(&*model, &bad).unwrap_err();
                let malformed = error.kind() == ErrorKind::MalformedFile;
                let version = error.kind() == ErrorKind::UnsupportedFile && (16..24).contains(&i);
                assert!(malformed || version, "{i}: {error}");
            }
            let error = restore(&*model, &good[..i]).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::MalformedFile, "{i}: {error}");
        }
        for more in [1, 100] {
            let long = [&good[..], &vec![0; more]].concat();
            let error = restore(&*model, &long).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::MalformedFile, "{error}");
        }
    }
}

#[test]
fn what_a_header_claims_is_checked_even_where_its_checksum_is_right() {
    let model = small();
    let good = save(&*model, &*fed(&*model, &ids(5)));
    assert_eq!(with_header(&good, 0, &good[..1]), good);
    let refused = |bytes: &[u8], kind: ErrorKind, part: &str| {
        let error = restore(&*model, bytes).unwrap_err();
        assert_eq!(error.kind(), kind, "{error}");
        assert!(error.to_string().contains(part), "{error}");
    };
    refused(b"", ErrorKind::MalformedFile, "header");
    refused(&[7; 4000], ErrorKind::MalformedFile, "not a saved state");
    let version = with_header(&good, 16, &2u32.to_le_bytes());
    refused(&version, ErrorKind::UnsupportedFile, "version 2");
    let turned = with_header(&good, 20, &0x0403_0201u32.to_le_bytes());
    refused(&turned, ErrorKind::UnsupportedFile, "endian mark 04030201");
    let stranger = with_header(&good, 24, &[1; 8]);
    refused(&stranger, ErrorKind::StateMismatch, "0101010101010101");
    let order = with_header(&good, 32, &9u32.to_le_bytes());
    refused(&order, ErrorKind::StateMismatch, "[9, 0]");
    let format = with_header(&good, 36, &1u32.to_le_bytes());
    refused(&format, ErrorKind::StateMismatch, "[1, 1]");
    for tokens in [33, 1 << 40, u64::MAX] {
        let many = with_header(&good, 40, &tokens.to_le_bytes());
        refused(&many, ErrorKind::MalformedFile, &tokens.to_string());
    }
    for tokens in [0u64, 4, 6, 32] {
        let other = with_header(&good, 40, &tokens.to_le_bytes());
        refused(&other, ErrorKind::MalformedFile, "");
    }
}

/// A state of these bytes in place of a KV cache, all checksums right.
fn with_content(good: &[u8], pieces: usize, content: impl Fn(usize) -> u8) -> Vec<u8> {
    let mut found = Vec::new();
    let mut writer = SealedWriter::new(&mut found);
    writer.write(&good[..HEADER]).unwrap();
    writer.seal().unwrap();
    let piece = (good.len() - HEADER - 8) / pieces - 8;
    for i in 0..pieces {
        let bytes: Vec<u8> = (0..piece).map(|j| content(i * piece + j)).collect();
        writer.write(&bytes).unwrap();
        writer.seal().unwrap();
    }
    assert_eq!(found.len(), good.len());
    found
}

#[test]
fn any_numbers_behind_right_checksums_are_computed_with() {
    for kv in KvFormat::ALL {
        let model = open(&layouts().join("single.pt"), kv);
        let good = save(&*model, &*fed(&*model, &ids(5)));
        for content in [0, 0x80, 0xff, 0x7f] {
            let bad = with_content(&good, 3, |_| content);
            let mut state = restore(&*model, &bad).unwrap();
            assert_eq!(save(&*model, &*state), bad);
            feed(&*model, &mut *state, &[1, 2, 3]);
        }
        let bad = with_content(&good, 3, |i| (i * 151 + 7) as u8);
        feed(&*model, &mut *restore(&*model, &bad).unwrap(), &[1]);
    }
}

#[test]
fn a_state_belongs_to_one_model_and_one_format() {
    let dir = tempfile::tempdir().unwrap();
    let model = small();
    let state = fed(&*model, &ids(5));
    let bytes = save(&*model, &*state);
    let mut others = vec![open(&layouts().join("single_f32.pt"), KvFormat::F32)];
    for (name, seed) in [("a", 1), ("b", 2)] {
        let path = dir.path().join(name).with_extension("safetensors");
        write_random(
            model.config(),
            &path,
            &ConvertOptions::new(),
            seed,
            &mut |_, _| (),
            &CancelToken::new(),
        )
        .unwrap();
        others.push(open(&path, KvFormat::F32));
    }
    let packed = dir.path().join("packed.safetensors");
    let to_int8 = ConvertOptions::new().quantize(PackedScheme::Int8);
    converted(&packed, &to_int8);
    others.push(open(&packed, KvFormat::F32));
    let mut all = vec![model.fingerprint()];
    for other in &others {
        let error = restore(&**other, &bytes).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::StateMismatch, "{error}");
        let error = other.save_state(&*state, &mut Vec::new()).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::StateMismatch, "{error}");
        assert!(!all.contains(&other.fingerprint()));
        all.push(other.fingerprint());
    }
    let single = layouts().join("single.pt");
    for cpu in [
        CpuOptions::new().kv(KvFormat::F16),
        CpuOptions::new().activations(ActivationFormat::Int8),
    ] {
        let mut options = LoadOptions::default();
        options.cpu = cpu;
        let other = load(&single, &options).unwrap();
        assert_eq!(other.fingerprint(), model.fingerprint());
        let error = restore(&*other, &bytes).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::StateMismatch, "{error}");
    }
}

#[test]
fn the_same_weights_are_the_same_model_in_every_layout() {
    let expected = small().fingerprint();
    // The one of ALIKE that has the same numbers in another type is another model.
    for name in crate::support::ALIKE
        .iter()
        .filter(|name| **name != "single_f32.pt")
    {
        let model = open(&layouts().join(name), KvFormat::F32);
        assert_eq!(model.fingerprint(), expected, "{name}");
    }
    let model = small();
    let again = open(&layouts().join("mp2"), KvFormat::F32);
    let bytes = save(&*model, &*fed(&*model, &ids(9)));
    let mut state = restore(&*again, &bytes).unwrap();
    let expected = feed(&*model, &mut *fed(&*model, &ids(9)), &[4, 5]);
    assert_eq!(feed(&*again, &mut *state, &[4, 5]), expected);
}

#[test]
fn one_number_in_any_small_tensor_is_another_model() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("model.safetensors");
    converted(&file, &ConvertOptions::new());
    let good = std::fs::read(&file).unwrap();
    let same = open(&file, KvFormat::F32).fingerprint();
    assert_eq!(same, small().fingerprint());
    let data = u64::from_le_bytes(good[..8].try_into().unwrap()) as usize + 8;
    for at in (data..good.len()).step_by(97) {
        let mut other = good.clone();
        other[at] ^= 1;
        std::fs::write(&file, &other).unwrap();
        assert_ne!(open(&file, KvFormat::F32).fingerprint(), same, "{at}");
    }
}

#[test]
fn the_limit_of_the_cache_holds_for_what_is_restored() {
    let path = layouts().join("single.pt");
    let checkpoint = Checkpoint::open(&path, &OpenOptions::new()).unwrap();
    let full = small();
    let bytes = save(&*full, &*fed(&*full, &ids(32)));
    let page = full.page().bytes as u64;
    let with_limit = |limit| {
        let cpu = Cpu::new(&CpuOptions::new().memory_limit(limit)).unwrap();
        Transformer::new(cpu, &checkpoint).unwrap()
    };
    let error = restore(&with_limit(page - 1), &bytes).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::OutOfMemory, "{error}");
    let model = with_limit(page);
    for _ in 0..3 {
        // What was restored and dropped, or half restored, is given back.
        drop(restore(&model, &bytes).unwrap());
        assert!(restore(&model, &bytes[..bytes.len() - 1]).is_err());
    }
}

fn generator(model: Arc<dyn Model>) -> Generator {
    crate::support::tokenizer::generator(model)
}

fn generate(session: &mut Session, prompt: &[u32]) -> Vec<u32> {
    let mut options = GenerateOptions::default();
    options.limits.max_new_tokens = 6;
    let go_on = &mut |_: codegeex::generate::Event| ControlFlow::Continue(());
    let mut found = session.generate(prompt, &options, &CancelToken::new(), go_on);
    found.as_mut().unwrap().remove(0).ids
}

#[test]
fn a_session_in_a_file_goes_on_where_it_was() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("editor.session");
    let generator = generator(open(&default_model(), KvFormat::F16));
    let prompt = ids(40);
    let mut session = Session::new(&generator);
    session.save_file(&file).unwrap();
    let mut empty = generator.restore_session_file(&file).unwrap();
    assert!(empty.ids().is_empty());
    generate(&mut empty, &prompt);

    generate(&mut session, &prompt);
    session.save_file(&file).unwrap();
    let mut again = generator.restore_session_file(&file).unwrap();
    assert_eq!(
        (again.ids(), again.bytes()),
        (session.ids(), session.bytes())
    );
    let longer = [session.ids(), &[5, 6]].concat();
    assert_eq!(
        generate(&mut again, &longer),
        generate(&mut session, &longer)
    );
    assert_eq!(again.reused(), session.reused());
    assert_eq!(again.reused(), longer.len() - 2);

    // Nothing else is left, and nothing is when it cannot be written.
    assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 1);
    let error = session.save_file(dir.path()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidArgument, "{error}");
    assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 1);
    let error = session.save_file(dir.path().join("nowhere/x")).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound, "{error}");
    let error = generator.restore_session_file(dir.path().join("nowhere"));
    assert_eq!(error.unwrap_err().kind(), ErrorKind::NotFound);
}

#[test]
fn every_damage_to_a_session_is_an_error() {
    let generator = generator(small());
    let saved = |prompt: &[u32]| {
        let mut session = Session::new(&generator);
        generate(&mut session, prompt);
        let mut bytes = Vec::new();
        session.save(&mut bytes).unwrap();
        (bytes, session.ids().len())
    };
    let (good, n) = saved(&ids(4));
    let (other, m) = saved(&[9, 8, 7, 6]);
    assert_eq!((good.len(), n), (other.len(), m));
    for i in 0..good.len() {
        for flip in [1, 0x80, 0xff] {
            let mut bad = good.clone();
            bad[i] ^= flip;
            assert!(generator.restore_session(&mut &bad[..]).is_err(), "{i}");
        }
        let error = generator.restore_session(&mut &good[..i]).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::MalformedFile, "{i}: {error}");
    }
    for more in [1, 8, 100_000] {
        let long = [&good[..], &vec![0; more]].concat();
        assert!(generator.restore_session(&mut &long[..]).is_err(), "{more}");
    }
    // The tokens of one with the state of the other, each with its own checksums.
    let tokens = 16 + 4 + 4 + 4 * n + 8;
    let mixed = [&good[..tokens], &other[tokens..]].concat();
    let error = generator.restore_session(&mut &mixed[..]).unwrap_err();
    assert!(error.to_string().contains("whole session"), "{error}");
    assert!(generator.restore_session(&mut &good[..]).is_ok());
}

/// A reader that hands out a byte at a time, as a socket may.
struct Slow<'a>(&'a [u8]);

impl std::io::Read for Slow<'_> {
    fn read(&mut self, out: &mut [u8]) -> std::io::Result<usize> {
        let n = out.len().min(1).min(self.0.len());
        out[..n].copy_from_slice(&self.0[..n]);
        self.0 = &self.0[n..];
        Ok(n)
    }
}

#[test]
fn streams_that_come_in_pieces_or_fail() {
    let generator = generator(small());
    let mut session = Session::new(&generator);
    generate(&mut session, &ids(4));
    let mut bytes = Vec::new();
    session.save(&mut bytes).unwrap();
    let again = generator.restore_session(&mut Slow(&bytes)).unwrap();
    assert_eq!(again.ids(), session.ids());
    for room in (0..bytes.len()).step_by(61) {
        let mut small = vec![0; room];
        let error = session.save(&mut &mut small[..]).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Io, "{error}");
    }
}
