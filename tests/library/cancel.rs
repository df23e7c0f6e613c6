//! Calls that are cancelled, at every place where they can be: they end with an error, and what
//! comes after is the same to the bit as if they had never been made. And calls with fewer
//! threads.

use std::ops::ControlFlow;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use codegeex::ErrorKind;
use codegeex::backend::{Cpu, CpuOptions, KvFormat};
use codegeex::cancel::{CancelToken, Control};
use codegeex::generate::{Event, FinishReason, GenerateOptions, Generator, Session, Speculation};
use codegeex::model::{
    Checkpoint, ConvertOptions, Input, LoadOptions, Model, ModelConfig, OpenOptions, State,
    Transformer, Wanted, load, write_random,
};
use codegeex::tensor::PackedScheme;
use codegeex::tokenizer::BpeTokenizer;
use codegeex::weights::{LoadProgress, MemoryMode};

use crate::support::some_model;

/// Wide enough for several tasks in most operations.
fn config() -> ModelConfig {
    ModelConfig::from_json(
        r#"{"num_layers":2,"hidden_size":96,"num_attention_heads":3,"padded_vocab_size":231,
            "max_position_embeddings":160}"#,
    )
    .unwrap()
}

fn random(folder: &Path, scheme: Option<PackedScheme>, options: &CpuOptions) -> Transformer<Cpu> {
    let path = folder.join(scheme.map_or("f16", PackedScheme::name));
    if !path.exists() {
        let mut convert = ConvertOptions::new();
        convert.quantize = scheme;
        let never = CancelToken::new();
        write_random(&config(), &path, &convert, 7, &mut |_, _| {}, &never).unwrap();
    }
    let checkpoint = Checkpoint::open(&path, &OpenOptions::new()).unwrap();
    Transformer::new(Cpu::new(options).unwrap(), &checkpoint).unwrap()
}

fn ids(n: u32) -> Vec<u32> {
    (0..n).map(|i| i * 37 % 229).collect()
}

/// Feeds two sequences in one call; the bits of all logits of both.
fn feed(
    model: &dyn Model,
    states: &mut [Box<dyn State>; 2],
    parts: [&[u32]; 2],
    control: &Control<'_>,
) -> codegeex::Result<Vec<u32>> {
    let [a, b] = states;
    let mut batch = [
        Input::new(&mut **a, parts[0], Wanted::All),
        Input::new(&mut **b, parts[1], Wanted::All),
    ];
    let logits = model.forward(&mut batch, control)?;
    let both = logits.view(0).into_iter().chain(logits.view(1)).copied();
    Ok(both.map(f32::to_bits).collect())
}

/// A control that is cancelled at look `at` from zero, and how often it was looked at.
fn cancelled_at(at: usize) -> (Control<'static>, Arc<AtomicUsize>) {
    let looks = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&looks);
    let token = CancelToken::when(move || counter.fetch_add(1, Ordering::Relaxed) == at);
    (Control::from(&token), looks)
}

#[test]
fn after_a_cancel_at_any_look_everything_is_as_it_was() {
    let folder = tempfile::tempdir().unwrap();
    let all = ids(80);
    // The first sequence ends within a page that a fork shares, and grows past it.
    let (kept, parts) = ([&all[..37], &all[..3]], [&all[37..71], &all[3..20]]);
    for (scheme, kv, threads) in [
        (None, KvFormat::F32, 1),
        (None, KvFormat::Int8, 3),
        (Some(PackedScheme::Int8), KvFormat::F16, 3),
        (Some(PackedScheme::Int4), KvFormat::Int8, 1),
    ] {
        let options = CpuOptions::new().threads(threads).kv(kv);
        let model = random(folder.path(), scheme, &options);
        let go = Control::new();
        let mut states = [model.new_state(), model.new_state()];
        feed(&model, &mut states, kept, &go).unwrap();
        let mut forks = [states[0].fork(), states[1].fork()];
        let mut fresh = [states[0].fork(), states[1].fork()];
        let expected = feed(&model, &mut fresh, parts, &go).unwrap();
        drop(fresh);

        let (counting, looks) = cancelled_at(usize::MAX);
        assert!(feed(&model, &mut forks, parts, &counting).unwrap() == expected);
        let looks = looks.load(Ordering::Relaxed);
        assert!(looks > 60, "{looks} looks in a call of three layers");
        forks[0].truncate(kept[0].len());
        forks[1].truncate(kept[1].len());
        for look in 0..looks {
            let (stop, _) = cancelled_at(look);
            let error = feed(&model, &mut states, parts, &stop).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Cancelled, "look {look} of {looks}");
            assert_eq!(states[0].len(), kept[0].len());
            assert_eq!(states[1].len(), kept[1].len());
            assert_eq!(states[0].bytes(), forks[0].bytes());
            let again = feed(&model, &mut states, parts, &go).unwrap();
            assert!(again == expected, "{scheme:?}, {kv}: look {look}");
            states[0].truncate(kept[0].len());
            states[1].truncate(kept[1].len());
        }
        // Who shared the pages has seen nothing of it.
        assert!(feed(&model, &mut forks, parts, &go).unwrap() == expected);
    }
}

/// One of three sequences of a call is cancelled before any of its layers: the others have the
/// bits that they have without it, and it goes on later as if nothing had been.
#[test]
fn a_sequence_is_cancelled_and_the_others_of_the_batch_go_on() {
    let folder = tempfile::tempdir().unwrap();
    let all = ids(60);
    let (kept, parts) = (&all[..9], [&all[9..30], &all[9..41], &all[9..10]]);
    for scheme in [None, Some(PackedScheme::Int8)] {
        let model = random(folder.path(), scheme, &CpuOptions::new().threads(2));
        let never = Control::new();
        let new = || -> Vec<Box<dyn State>> {
            let mut state = model.new_state();
            let mut batch = [Input::new(&mut *state, kept, Wanted::Nothing)];
            model.forward(&mut batch, &never).unwrap();
            vec![state.fork(), state.fork(), state]
        };
        let run = |states: &mut [Box<dyn State>], wanted: Wanted, cancels: [&CancelToken; 3]| {
            let inputs = states.iter_mut().zip(parts).zip(cancels);
            let mut batch: Vec<_> = inputs
                .map(|((state, ids), token)| Input::new(&mut **state, ids, wanted).cancel(token))
                .collect();
            let logits = model.forward(&mut batch, &never)?;
            let bits = |i| logits.view(i).iter().map(|x| x.to_bits()).collect();
            Ok::<[Vec<u32>; 3], codegeex::Error>([bits(0), bits(1), bits(2)])
        };
        let flag = CancelToken::new();
        for wanted in [Wanted::All, Wanted::Last, Wanted::Nothing] {
            let expected = run(&mut new(), wanted, [&flag; 3]).unwrap();
            for victim in 0..3 {
                // Two layers and the top query layer look; the fourth look never comes.
                for look in 0..4 {
                    let (stop, _) = cancelled_at(look);
                    let mut cancels = [&flag; 3];
                    cancels[victim] = &stop.cancel;
                    let mut states = new();
                    let found = run(&mut states, wanted, cancels).unwrap();
                    for i in 0..3 {
                        let dropped = i == victim && look < 3;
                        assert_eq!(found[i].is_empty(), dropped || wanted == Wanted::Nothing);
                        assert!(
                            dropped || found[i] == expected[i],
                            "{victim} at {look}: {i}"
                        );
                        let len = if dropped { 0 } else { parts[i].len() };
                        assert_eq!(states[i].len(), kept.len() + len);
                        states[i].truncate(kept.len());
                    }
                    assert!(run(&mut states, wanted, [&flag; 3]).unwrap() == expected);
                }
            }
        }
        // No thread is left.
        let cancelled = CancelToken::new();
        cancelled.cancel();
        let mut states = new();
        let error = run(&mut states, Wanted::All, [&cancelled; 3]).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Cancelled);
        assert!(states.iter().all(|s| s.len() == kept.len()));
    }
}

/// Of the default model, with real sizes: a prompt of one chunk, and all logits of another.
#[test]
fn the_default_model_stops_anywhere_and_goes_on() {
    let model = load(some_model(), &LoadOptions::default()).unwrap();
    let ids: Vec<u32> = (0..140).map(|i| 1000 + i * 7).collect();
    let run = |state: &mut dyn State, control: &Control<'_>| {
        let mut batch = [Input::new(state, &ids, Wanted::All)];
        let logits = model.forward(&mut batch, control)?;
        let bits = logits.view(0).into_iter().map(|x| x.to_bits());
        Ok::<_, codegeex::Error>(bits.fold(0u64, |h, x| {
            (h ^ u64::from(x)).wrapping_mul(0x100_0000_01b3)
        }))
    };
    let (counting, looks) = cancelled_at(usize::MAX);
    let expected = run(&mut *model.new_state(), &counting).unwrap();
    let looks = looks.load(Ordering::Relaxed);
    assert!(
        looks > 1500,
        "{looks} looks: the head alone has a thousand tasks"
    );
    let mut state = model.new_state();
    for i in 0..12 {
        let (stop, _) = cancelled_at(looks * i / 12);
        let error = run(&mut *state, &stop).unwrap_err();
        assert_eq!((error.kind(), state.len()), (ErrorKind::Cancelled, 0));
    }
    assert_eq!(run(&mut *state, &Control::new()).unwrap(), expected);
}

#[test]
fn cancelling_again_changes_nothing_before_during_or_after() {
    let folder = tempfile::tempdir().unwrap();
    let model = random(folder.path(), None, &CpuOptions::new().threads(2));
    let all = ids(60);
    let parts = [&all[..60], &all[..9]];
    let new = || [model.new_state(), model.new_state()];
    let expected = feed(&model, &mut new(), parts, &Control::new()).unwrap();

    // Before, twice, from another thread.
    let before = CancelToken::new();
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| before.cancel());
        }
    });
    let mut states = new();
    for _ in 0..2 {
        let error = feed(&model, &mut states, parts, &Control::from(&before)).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Cancelled);
        assert_eq!(states[0].bytes(), 0, "memory was taken");
    }

    // During, from several threads at random moments, while another call goes on undisturbed.
    std::thread::scope(|scope| {
        scope.spawn(|| {
            for _ in 0..60 {
                let found = feed(&model, &mut new(), parts, &Control::new());
                assert!(found.unwrap() == expected);
            }
        });
        for round in 0..60 {
            let during = CancelToken::new();
            let others = during.clone();
            let canceller = scope.spawn(move || {
                std::thread::sleep(Duration::from_micros(round * 30));
                others.cancel();
                others.cancel();
            });
            match feed(&model, &mut states, parts, &Control::from(&during)) {
                Ok(found) => assert!(found == expected, "a call that was not cancelled in time"),
                Err(error) => assert_eq!(error.kind(), ErrorKind::Cancelled),
            }
            canceller.join().unwrap();
            states.iter_mut().for_each(|s| s.truncate(0));
        }
    });

    // After: the result stays, and the state too.
    let after = CancelToken::new();
    let found = feed(&model, &mut states, parts, &Control::from(&after)).unwrap();
    after.cancel();
    after.cancel();
    assert!(found == expected);
    assert_eq!(states[0].len(), 60);
}

#[test]
fn a_deadline_ends_a_call_and_a_past_one_does_not_begin_it() {
    let model = load(some_model(), &LoadOptions::default()).unwrap();
    let ids = [7; 1900];
    let mut state = model.new_state();
    let mut run = |deadline: Instant| {
        let token = CancelToken::new().until(Some(deadline));
        let mut batch = [Input::new(&mut *state, &ids, Wanted::Nothing)];
        let error = model.forward(&mut batch, &Control::from(&token));
        (error.unwrap_err().kind(), state.len(), state.bytes())
    };
    assert_eq!(run(Instant::now()), (ErrorKind::Cancelled, 0, 0));
    // Far less than the prompt takes.
    let soon = Instant::now() + Duration::from_millis(1);
    assert_eq!(run(soon), (ErrorKind::Cancelled, 0, 0));
}

#[test]
fn fewer_threads_give_the_same_bits() {
    let folder = tempfile::tempdir().unwrap();
    let all = ids(60);
    let parts = [&all[..60], &all[..9]];
    for scheme in [None, Some(PackedScheme::Int8), Some(PackedScheme::Int4)] {
        let model = random(folder.path(), scheme, &CpuOptions::new().threads(4));
        let run = |threads: usize| {
            let mut states = [model.new_state(), model.new_state()];
            feed(&model, &mut states, parts, &Control::new().threads(threads)).unwrap()
        };
        let expected = run(0);
        for threads in [1, 2, 3, 4, 100] {
            assert!(run(threads) == expected, "{threads} threads");
        }
    }
}

/// Loads; the looks that were taken.
fn load_counted(path: &Path, memory: MemoryMode) -> usize {
    let (control, looks) = cancelled_at(usize::MAX);
    let mut options = LoadOptions::default();
    options.open.memory = memory;
    options.open.progress = LoadProgress::new().cancel(control.cancel);
    load(path, &options).unwrap();
    looks.load(Ordering::Relaxed)
}

#[test]
fn opening_stops_at_any_look_and_leaves_nothing_behind() {
    let folder = tempfile::tempdir().unwrap();
    let large = folder.path().join("model.safetensors");
    std::fs::copy(some_model(), &large).unwrap();
    let layouts = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/layouts");
    let mut paths = vec![large.clone()];
    for entry in std::fs::read_dir(&layouts).unwrap() {
        paths.push(entry.unwrap().path());
    }
    let mut opened = 0;
    for path in &paths {
        if Checkpoint::open(path, &OpenOptions::new()).is_err() {
            continue;
        }
        opened += 1;
        for memory in [MemoryMode::Map, MemoryMode::Copy] {
            let looks = load_counted(path, memory);
            assert!(looks > 100, "{looks} looks at {}", path.display());
            for look in (0..looks).step_by(1 + looks / 40) {
                let (control, _) = cancelled_at(look);
                let mut options = LoadOptions::default();
                options.open.memory = memory;
                options.open.progress = LoadProgress::new().cancel(control.cancel);
                let error = load(path, &options).unwrap_err();
                let what = format!("{}, {memory:?}, look {look} of {looks}", path.display());
                assert_eq!(error.kind(), ErrorKind::Cancelled, "{what}: {error}");
            }
            if cfg!(target_os = "linux") {
                let maps = std::fs::read_to_string("/proc/self/maps").unwrap();
                assert!(!maps.contains(large.to_str().unwrap()), "still mapped");
            }
            load_counted(path, memory);
        }
    }
    assert!(opened >= 4, "{opened} checkpoints");
}

#[test]
fn progress_counts_what_is_copied_and_may_end_it() {
    let length = std::fs::metadata(some_model()).unwrap().len();
    for memory in [MemoryMode::Map, MemoryMode::Copy] {
        let run = |calls: usize| {
            let heard = Arc::new(Mutex::new(Vec::new()));
            let listener = Arc::clone(&heard);
            let mut options = LoadOptions::default();
            options.open.memory = memory;
            options.open.progress = LoadProgress::new().on_progress(move |done, total| {
                let mut heard = listener.lock().unwrap();
                heard.push((done, total));
                match heard.len() < calls {
                    true => ControlFlow::Continue(()),
                    false => ControlFlow::Break(()),
                }
            });
            let result = load(some_model(), &options).map(|_| ());
            let heard = heard.lock().unwrap().clone();
            (result, heard)
        };
        let (result, heard) = run(usize::MAX);
        result.unwrap();
        let total = if memory == MemoryMode::Copy {
            length
        } else {
            0
        };
        assert!(heard.len() > 10 && heard.is_sorted());
        assert!(heard.iter().all(|&(_, all)| all == total));
        assert_eq!(heard.last(), Some(&(total, total)));
        let (result, heard) = run(7);
        assert_eq!(result.unwrap_err().kind(), ErrorKind::Cancelled);
        assert_eq!(heard.len(), 7, "called after it had ended it");
    }
}

/// What a session keeps of a generation that was ended anywhere serves the next one.
#[test]
fn a_session_goes_on_after_a_generation_that_was_ended_anywhere() {
    let model = load(some_model(), &LoadOptions::default()).unwrap();
    let generator = Generator::new(model, Arc::new(BpeTokenizer::codegeex().unwrap()));
    // It repeats itself, so that there is something to draft.
    let prompt: Vec<u32> = (0..24).map(|i| 1000 + i % 8).collect();
    let mut lookup = Speculation::lookup();
    lookup.always = true;
    for speculation in [None, Some(lookup)] {
        let mut options = GenerateOptions::default();
        options.limits.max_new_tokens = 6;
        options.samples = 3;
        options.sampling.temperature = 0.8;
        options.sampling.seed = 5;
        options.speculation = speculation;
        let generate = |session: &mut Session, cancel: &CancelToken| {
            let go_on = &mut |_: Event| ControlFlow::Continue(());
            session.generate(&prompt, &options, cancel, go_on).unwrap()
        };
        let (counting, looks) = cancelled_at(usize::MAX);
        let expected = generate(&mut Session::new(&generator), &counting.cancel);
        let looks = looks.load(Ordering::Relaxed);
        for i in 0..12 {
            let mut session = Session::new(&generator);
            let (stop, _) = cancelled_at(looks * i / 12);
            let found = generate(&mut session, &stop.cancel);
            let ended = FinishReason::Cancelled;
            assert!(found.iter().any(|c| c.finish_reason == ended), "{i}");
            for (found, expected) in found.iter().zip(&expected) {
                assert!(expected.ids.starts_with(&found.ids), "{i}");
            }
            let again = generate(&mut session, &CancelToken::new());
            for (again, expected) in again.iter().zip(&expected) {
                assert_eq!(again.ids, expected.ids, "{i}");
                assert_eq!(again.logprobs, expected.logprobs, "{i}");
            }
        }
    }
}
