//! How much memory opening and converting take: the report that users make most is a process
//! that was killed while it loaded.

mod support;

use std::path::{Path, PathBuf};

use std::sync::{Mutex, MutexGuard, PoisonError};

use codegeex::backend::KvFormat;
use codegeex::cancel::{CancelToken, Control};
use codegeex::model::checkpoint::expected_tensors;
use codegeex::model::convert::{ConvertOptions, convert};
use codegeex::model::{
    Checkpoint, EstimateOptions, Input, LoadOptions, ModelConfig, OpenOptions, Wanted, load,
};
use codegeex::num::DType;
use codegeex::tensor::PackedScheme;
use codegeex::weights::safetensors::Writer;
use codegeex::weights::{MemoryMode, TensorInfo, WeightSource};
use support::alloc::{Counting, peak_of};
use support::{layouts, shared, some_model};

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// What an opened checkpoint of a hundred tensors may hold besides weights.
const TABLES: usize = 256 << 10;
/// What conversion may hold: its buffers.
const BUFFERS: usize = 8 << 20;

/// Held by each test: resident memory is that of the whole process.
static ALONE: Mutex<()> = Mutex::new(());

fn alone() -> MutexGuard<'static, ()> {
    // A test that failed has said so; the others need not.
    ALONE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A model of some forty megabytes, zeros.
fn large(dir: &Path) -> PathBuf {
    let config = ModelConfig::from_json(
        r#"{"num_layers":2,"hidden_size":256,"num_attention_heads":4,"padded_vocab_size":50000,"max_position_embeddings":1024}"#,
    )
    .unwrap();
    let tensors: Vec<_> = expected_tensors(&config)
        .map(|(name, shape)| TensorInfo {
            name,
            dtype: DType::F16,
            shape,
        })
        .collect();
    let json = config.to_json();
    let path = dir.join("large.safetensors");
    let mut writer = Writer::create(&path, &tensors, &[("codegeex.config", &json)], false).unwrap();
    for t in &tensors {
        let zeros = vec![0; 1 << 20];
        let mut left = t.bytes();
        while left > 0 {
            let n = left.min(zeros.len());
            writer.write(&zeros[..n]).unwrap();
            left -= n;
        }
    }
    writer.finish().unwrap();
    path
}

/// Resident memory of this process in bytes, where the system tells.
fn resident() -> Option<usize> {
    let status = std::fs::read_to_string("/proc/self/statm").ok()?;
    let pages: usize = status.split(' ').nth(1)?.parse().ok()?;
    Some(pages * 4096)
}

#[test]
fn opening_a_mapped_file_costs_next_to_nothing() {
    let _alone = alone();
    let dir = tempfile::tempdir().unwrap();
    let mut paths = vec![large(dir.path())];
    paths.extend(["single.pt", "mp4", "merged_qkv.pt"].map(|name| layouts().join(name)));
    paths.extend(shared("model/codegeex_tiny.pt"));
    for path in paths {
        let before = resident();
        let (checkpoint, peak) = peak_of(|| {
            let checkpoint = Checkpoint::open(&path, &OpenOptions::new()).unwrap();
            for info in checkpoint.tensors() {
                checkpoint.tensor(&info.name).unwrap();
            }
            checkpoint
        });
        assert!(peak < TABLES, "{}: {peak} bytes held", path.display());
        if let (Some(before), Some(after)) = (before, resident()) {
            let grown = after.saturating_sub(before);
            let bytes = checkpoint.weight_bytes() as usize;
            assert!(
                grown < bytes.max(8 << 20),
                "{}: {grown} resident",
                path.display()
            );
        }
    }
}

#[test]
fn a_copy_takes_its_final_size_and_no_more() {
    let _alone = alone();
    let dir = tempfile::tempdir().unwrap();
    for (path, files) in [
        (large(dir.path()), 1),
        (layouts().join("mp4"), 4),
        (layouts().join("single.pt"), 1),
    ] {
        let options = OpenOptions::new().memory(MemoryMode::Copy);
        let (checkpoint, peak) = peak_of(|| Checkpoint::open(&path, &options).unwrap());
        let owned = checkpoint.footprint().owned as usize;
        assert!(owned >= checkpoint.weight_bytes() as usize);
        assert!(peak <= owned + files * TABLES, "{}: {peak}", path.display());
    }
}

#[test]
fn conversion_streams() {
    let _alone = alone();
    let dir = tempfile::tempdir().unwrap();
    let mut paths = vec![large(dir.path())];
    paths.extend(shared("model/codegeex_tiny.pt"));
    for path in paths {
        let checkpoint = Checkpoint::open(&path, &OpenOptions::new()).unwrap();
        for dtype in [DType::F16, DType::F32, DType::BF16] {
            let out = dir.path().join("out");
            let options = ConvertOptions::new().dtype(dtype).overwrite(true);
            let mut last = 0;
            let mut monotone = |done, total| {
                assert!(done >= last && done <= total);
                last = done;
            };
            let cancel = CancelToken::new();
            let (result, peak) =
                peak_of(|| convert(&checkpoint, &out, &options, &mut monotone, &cancel));
            result.unwrap();
            eprintln!("{} to {dtype}: {peak} bytes held at most", path.display());
            assert!(peak < BUFFERS, "{}: {peak} bytes held", path.display());
        }
    }
}

/// Buffers of one thread.
const THREAD: usize = 2 << 20;

#[test]
fn a_prompt_takes_what_the_estimate_says() {
    let _alone = alone();
    let folder = tempfile::tempdir().unwrap();
    let plain = some_model();
    let int8 = folder.path().join("int8.safetensors");
    let options = ConvertOptions::new().quantize(PackedScheme::Int8);
    let checkpoint = Checkpoint::open(&plain, &OpenOptions::new()).unwrap();
    let cancel = CancelToken::new();
    convert(&checkpoint, &int8, &options, &mut |_, _| {}, &cancel).unwrap();
    let ids: Vec<u32> = (0..1024).map(|i| 1000 + i * 7).collect();
    for (path, kv) in [
        (&plain, KvFormat::F32),
        (&plain, KvFormat::F16),
        (&plain, KvFormat::Int8),
        (&int8, KvFormat::F32),
    ] {
        let checkpoint = Checkpoint::open(path, &OpenOptions::new()).unwrap();
        let mut options = LoadOptions::default();
        // The counter sees this thread alone.
        options.cpu.threads = Some(1);
        options.cpu.kv = kv;
        for tokens in [64, 512, 1024] {
            let wanted = EstimateOptions::new(1, tokens).kv(kv).batch_tokens(1024);
            let estimate = checkpoint.estimate(&wanted).unwrap();
            // Buffers are kept from call to call, so each measurement has a model of its own.
            let model = load(path, &options).unwrap();
            let mut state = model.new_state();
            let (_, peak) = peak_of(|| {
                let mut batch = [Input::new(&mut *state, &ids[..tokens], Wanted::Last)];
                model.forward(&mut batch, &Control::new()).unwrap();
            });
            assert_eq!(state.bytes() as u64, estimate.cache);
            let told = (estimate.cache + estimate.scratch) as usize;
            let what = format!("{}, {kv}, {tokens} tokens", path.display());
            eprintln!("{what}: {peak} bytes, told {told}");
            assert!(peak + (64 << 10) >= told, "{what}: {peak} not {told}");
            assert!(peak <= told + THREAD, "{what}: {peak} not {told}");
        }
    }
}

/// A header may claim all the positions there are: what is not there costs a page at most.
#[test]
fn a_saved_state_costs_what_it_holds() {
    use codegeex::__internal::SealedWriter;
    let _alone = alone();
    let dir = tempfile::tempdir().unwrap();
    let model = load(large(dir.path()), &LoadOptions::default()).unwrap();
    let page = model.page().bytes;
    let mut state = model.new_state();
    let ids = vec![1; 100];
    let mut batch = [Input::new(&mut *state, &ids, Wanted::Nothing)];
    model.forward(&mut batch, &Control::new()).unwrap();
    let mut good = Vec::new();
    let (saved, held) = peak_of(|| model.save_state(&*state, &mut std::io::sink()));
    saved.unwrap();
    assert!(
        held < 2 * page,
        "saving held {held} bytes, a page has {page}"
    );
    model.save_state(&*state, &mut good).unwrap();
    // The same header, but for the number of tokens at its end.
    let mut claims = Vec::new();
    let mut writer = SealedWriter::new(&mut claims);
    writer.write(&good[..40]).unwrap();
    writer.write(&1024u64.to_le_bytes()).unwrap();
    writer.seal().unwrap();
    let (error, held) = peak_of(|| model.restore_state(&mut &claims[..]).unwrap_err());
    assert_eq!(error.kind(), codegeex::ErrorKind::MalformedFile);
    assert!(held < page + TABLES, "held {held} bytes, a page has {page}");
    let (state, held) = peak_of(|| model.restore_state(&mut &good[..]).unwrap());
    assert!(held < state.bytes() + page + TABLES, "{held}");
}
