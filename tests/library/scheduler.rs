//! Many requests at once over a real model: the same bits as alone, and no more memory than
//! planned.

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use codegeex::ErrorKind;
use codegeex::backend::{ActivationFormat, Cpu, CpuOptions, KvFormat};
use codegeex::cancel::{CancelToken, Control};
use codegeex::generate::{
    Completion, FinishReason, GenerateOptions, Generator, Request, RequestId, Scheduler,
    SchedulerOptions, Session, Speculation, Update,
};
use codegeex::model::{
    Checkpoint, ConvertOptions, Input, Logits, Model, ModelConfig, OpenOptions, PageSize, State,
    Transformer, write_random,
};
use codegeex::tensor::PackedScheme;

fn write(path: &Path, scheme: Option<PackedScheme>) {
    let config = ModelConfig::from_json(
        r#"{"num_layers":2,"hidden_size":48,"num_attention_heads":3,"padded_vocab_size":131,
            "max_position_embeddings":200}"#,
    )
    .unwrap();
    let mut options = ConvertOptions::new().quantize_head(scheme.is_some());
    options.quantize = scheme;
    let cancel = CancelToken::new();
    write_random(&config, path, &options, 3, &mut |_, _| {}, &cancel).unwrap();
}

fn generator(path: &Path, options: &CpuOptions) -> Generator {
    let checkpoint = Checkpoint::open(path, &OpenOptions::new()).unwrap();
    let model = Transformer::new(Cpu::new(options).unwrap(), &checkpoint).unwrap();
    crate::support::tokenizer::generator(Arc::new(model))
}

/// Prompts that share beginnings, of many lengths, and different wishes.
fn requests() -> Vec<(Vec<u32>, GenerateOptions)> {
    (0..12usize)
        .map(|i| {
            let ids = |n: usize, salt: usize| (0..n).map(move |j| ((j * 37 + salt) % 131) as u32);
            let prompt = ids(40, 1).chain(ids(i * 9, i)).collect();
            let mut options = GenerateOptions::default();
            options.limits.max_new_tokens = 3 + 5 * i;
            options.sampling.temperature = if i % 3 == 0 { 0.0 } else { 0.9 };
            options.sampling.top_p = Some(0.95);
            options.sampling.seed = i as u64;
            options.samples = 1 + i % 4;
            options.limits.threads = (i % 3 > 0).then_some(i % 3);
            options.speculation = (i % 2 == 1).then(|| {
                let mut speculation = Speculation::lookup();
                speculation.always = true;
                speculation
            });
            (prompt, options)
        })
        .collect()
}

/// Ids and log-probabilities, to the bit.
fn bits(completions: &[Completion]) -> Vec<(Vec<u32>, Vec<u32>)> {
    let logprobs = |c: &Completion| c.logprobs.iter().map(|x| x.to_bits()).collect();
    let both = |c: &Completion| (c.ids.clone(), logprobs(c));
    completions.iter().map(both).collect()
}

fn serve(
    generator: &Generator,
    bounds: SchedulerOptions,
    requests: &[(Vec<u32>, GenerateOptions)],
) -> (Vec<Vec<Completion>>, Scheduler) {
    let mut scheduler = Scheduler::new(generator, bounds).unwrap();
    let mut order: BTreeMap<RequestId, usize> = BTreeMap::new();
    let mut found = vec![Vec::new(); requests.len()];
    let mut waiting = requests.iter().enumerate();
    loop {
        // They come while others are under way.
        if let Some((i, (prompt, options))) = waiting.next() {
            let request = Request::new(prompt.clone(), options.clone());
            order.insert(scheduler.submit(request).unwrap(), i);
        }
        let left = scheduler.step(&mut |id, update| {
            if let Update::Done(result) = update {
                found[order[&id]] = result.unwrap();
            }
            ControlFlow::Continue(())
        });
        if !left && waiting.len() == 0 {
            return (found, scheduler);
        }
    }
}

/// Whatever else runs, with any threads, from a kept prefix or afresh.
#[test]
fn answers_have_the_same_bits_in_any_batch() {
    let folder = tempfile::tempdir().unwrap();
    let requests = requests();
    let (int16, bytes) = (ActivationFormat::Int16, ActivationFormat::Int8);
    for (scheme, kv, activations) in [
        (Some(PackedScheme::Int8), KvFormat::F32, int16),
        (Some(PackedScheme::Int8), KvFormat::F32, bytes),
        (Some(PackedScheme::Int4), KvFormat::Int8, int16),
        (Some(PackedScheme::Int4), KvFormat::Int8, bytes),
        (None, KvFormat::F16, int16),
    ] {
        let path = folder
            .path()
            .join(format!("{kv} {activations}.safetensors"));
        write(&path, scheme);
        let formats = CpuOptions::new().kv(kv).activations(activations);
        let options = formats.threads(1);
        let alone = generator(&path, &options);
        let cancel = CancelToken::new();
        let go_on = &mut |_: codegeex::generate::Event| ControlFlow::Continue(());
        let expected: Vec<_> = (requests.iter())
            .map(|(prompt, options)| {
                let mut plain = options.clone();
                plain.speculation = None;
                bits(&alone.generate(prompt, &plain, &cancel, go_on).unwrap())
            })
            .collect();
        // No two sample the same by chance alone.
        assert!(expected[1][0] != expected[1][1]);
        for (threads, sequences, prefixes) in [(1, 64, 0), (3, 5, 4), (2, 16, 8)] {
            let crowd = generator(&path, &options.clone().threads(threads));
            let bounds = {
                let mut bounds = SchedulerOptions::default();
                bounds.sequences = sequences;
                bounds.prefixes = prefixes;
                bounds.prefill_tokens = 17;
                bounds
            };
            let (found, scheduler) = serve(&crowd, bounds, &requests);
            for (i, found) in found.iter().enumerate() {
                assert_eq!(bits(found), expected[i], "{scheme:?} {kv} {threads} {i}");
            }
            let reused = scheduler.progress().reused_tokens;
            assert_eq!(reused > 0, prefixes > 0, "{reused}");
        }
        // Resumed: each prompt after the one before, which begins the same.
        let mut session = Session::new(&alone);
        for ((prompt, options), expected) in requests.iter().zip(&expected) {
            let found = session.generate(prompt, options, &cancel, go_on).unwrap();
            assert_eq!(&bits(&found), expected);
        }
        assert!(session.reused() >= 40);
    }
}

/// Counts how often memory was refused.
#[derive(Debug)]
struct Watched(Arc<dyn Model>, AtomicUsize);

impl Model for Watched {
    fn config(&self) -> &ModelConfig {
        self.0.config()
    }
    fn describe(&self) -> String {
        self.0.describe()
    }
    fn new_state(&self) -> Box<dyn State> {
        self.0.new_state()
    }
    fn page(&self) -> PageSize {
        self.0.page()
    }
    fn forward(&self, batch: &mut [Input<'_>], control: &Control<'_>) -> codegeex::Result<Logits> {
        self.0.forward(batch, control).inspect_err(|e| {
            if e.kind() == ErrorKind::OutOfMemory {
                self.1.fetch_add(1, Ordering::Relaxed);
            }
        })
    }
}

/// The backend refuses what goes beyond the limit, and is never asked for it.
#[test]
fn no_more_memory_is_taken_than_planned() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("m.safetensors");
    write(&path, None);
    let page = generator(&path, &CpuOptions::new().threads(1))
        .model()
        .page();
    assert_eq!(page.tokens, 32);
    // The largest request takes 10 pages for a sample: 139 tokens of prompt, 57 new ones.
    for (pages, tight) in [(8, true), (12, true), (40, true), (4_000, false)] {
        let limit = (pages * page.bytes) as u64;
        let inner = generator(&path, &CpuOptions::new().threads(1).memory_limit(limit));
        let watched = Arc::new(Watched(Arc::clone(inner.model()), AtomicUsize::new(0)));
        let model = Arc::clone(&watched) as Arc<dyn Model>;
        let generator = Generator::new(model, Arc::clone(inner.tokenizer()));
        let mut bounds = SchedulerOptions::default();
        bounds.cache_bytes = Some(limit);
        let requests = requests();
        let (found, scheduler) = serve(&generator, bounds, &requests);
        assert_eq!(watched.1.load(Ordering::Relaxed), 0, "{pages} pages");
        assert!(scheduler.progress().cache_bytes <= limit);
        for ((_, options), found) in requests.iter().zip(&found) {
            assert_eq!(found.len(), options.samples);
        }
        // It would not do without the plan.
        let mut careless = SchedulerOptions::default();
        careless.prefixes = 0;
        let mut scheduler = Scheduler::new(&generator, careless).unwrap();
        for (prompt, options) in requests {
            scheduler.submit(Request::new(prompt, options)).unwrap();
        }
        while scheduler.step(&mut |_, _| ControlFlow::Continue(())) {}
        assert_eq!(
            watched.1.load(Ordering::Relaxed) > 0,
            tight,
            "{pages} pages"
        );
    }
}

/// A request that is cancelled anywhere, in the middle of a step as well, ends with a part of its
/// answer; who runs beside it has the same bits.
#[test]
fn a_cancelled_request_leaves_the_others_alone() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("m.safetensors");
    write(&path, Some(PackedScheme::Int8));
    let generator = generator(&path, &CpuOptions::new().threads(1));
    let requests = &requests()[2..5];
    let bounds = || {
        let mut bounds = SchedulerOptions::default();
        bounds.prefixes = 0;
        bounds.prefill_tokens = 30;
        bounds
    };
    let expected: Vec<_> = serve(&generator, bounds(), requests).0;
    let (mut at, mut within_steps) = (0, 0);
    loop {
        let looks = AtomicUsize::new(0);
        let stop = CancelToken::when(move || looks.fetch_add(1, Ordering::Relaxed) == at);
        let mut scheduler = Scheduler::new(&generator, bounds()).unwrap();
        let mut order = BTreeMap::new();
        for (i, (prompt, options)) in requests.iter().enumerate() {
            let mut request = Request::new(prompt.clone(), options.clone());
            if i == 1 {
                request.cancel = stop.clone();
            }
            order.insert(scheduler.submit(request).unwrap(), i);
        }
        let mut found = vec![Vec::new(); requests.len()];
        let mut left = true;
        while left {
            let before = stop.is_cancelled();
            left = scheduler.step(&mut |id, update| {
                if let Update::Done(result) = update {
                    found[order[&id]] = result.unwrap();
                }
                ControlFlow::Continue(())
            });
            within_steps += usize::from(!before && stop.is_cancelled());
        }
        assert_eq!(bits(&found[0]), bits(&expected[0]), "look {at}");
        assert_eq!(bits(&found[2]), bits(&expected[2]), "look {at}");
        for (found, expected) in found[1].iter().zip(&expected[1]) {
            assert!(expected.ids.starts_with(&found.ids), "look {at}");
        }
        if found[1] == expected[1] {
            break;
        }
        let ends = found[1].iter().map(|c| c.finish_reason);
        assert!(ends.into_iter().any(|r| r == FinishReason::Cancelled));
        // Looks come in groups of what they interrupt: some of each.
        at += 1 + at / 16;
    }
    assert!(at > 60 && within_steps > 20, "{at} looks, {within_steps}");
}
