use std::path::PathBuf;
use std::sync::{Arc, LazyLock};

use super::*;
use crate::ErrorKind;
use crate::eval::{dataset, prompts};
use crate::model::{LoadOptions, load};
use crate::tokenizer::BpeTokenizer;

/// The default model.
static MODEL: LazyLock<Generator> = LazyLock::new(|| {
    let path = crate::generate::test_model::file();
    let model = load(path, &LoadOptions::default()).unwrap();
    Generator::new(model, Arc::new(BpeTokenizer::codegeex().unwrap()))
});

const JAVA: EvalTask = EvalTask::Generation(EvalLanguage::Java);

fn java() -> Vec<Prompt> {
    let folder = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/eval"));
    prompts::generation(&dataset::load(&folder, EvalLanguage::Java).unwrap(), true).unwrap()
}

fn options() -> GenerationOptions {
    GenerationOptions {
        samples: 5,
        // Some 20 to 40 tokens for each answer.
        max_tokens: 128,
        seed: 7,
        ..GenerationOptions::default()
    }
}

/// A folder with a file that is not there yet.
fn file() -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("samples.jsonl");
    (folder, path)
}

fn run(options: &GenerationOptions, path: &Path) -> Result<Generated> {
    generate(
        &MODEL,
        JAVA,
        &java(),
        options,
        path,
        &CancelToken::new(),
        &mut |_| {},
    )
}

fn bytes(options: &GenerationOptions) -> Vec<u8> {
    let (_folder, path) = file();
    let generated = run(options, &path).unwrap();
    assert!(!generated.cancelled);
    assert_eq!(generated.progress.written, generated.progress.samples);
    std::fs::read(path).unwrap()
}

fn records(bytes: &[u8]) -> Vec<Sample> {
    let lines = bytes.split_inclusive(|b| *b == b'\n');
    lines
        .map(|line| serde_json::from_slice(line).unwrap())
        .collect()
}

#[test]
fn every_sample_is_what_the_generator_alone_gives() {
    for cut in [EvalCut::Reference, EvalCut::CodeAware] {
        // Long enough for some to come to their end.
        let options = GenerationOptions {
            cut,
            max_tokens: 260,
            ..options()
        };
        let found = records(&bytes(&options));
        assert_eq!(found.len(), 10);
        let mut finishes = Vec::new();
        for (i, sample) in found.iter().enumerate() {
            let prompt = &java()[i / 5];
            assert_eq!(
                (&sample.task_id, &sample.prompt),
                (&prompt.task_id, &prompt.text)
            );
            assert_eq!(sample.completion_id, Some(i as u32 % 5));
            let ids = MODEL
                .tokenizer()
                .encode(&prompt.text, SpecialTokens::AsText)
                .unwrap();
            let language = EvalLanguage::Java.language();
            let mut stop = StopAt::new(language, [cut.rule()]);
            stop.before = Some(prompt.code.clone());
            let alone = GenerateOptions::new()
                .max_new_tokens(260 - ids.len())
                .temperature(0.8)
                .top_p(0.95)
                .seed(seed_of(7, JAVA, &prompt.task_id))
                .first_sample(i as u32 % 5)
                .stop_at(stop);
            let expected = MODEL.complete_n(&prompt.text, &alone).unwrap().remove(0);
            let finish = match expected.finish_reason {
                FinishReason::Code(_) => 1,
                FinishReason::EndOfText => 2,
                _ => 0,
            };
            let text = match finish {
                0 => expected.text,
                _ => cut.clean(language, &prompt.code, &expected.text).unwrap(),
            };
            assert_eq!(sample.generation, text);
            assert_eq!(sample.extra["finish"], finish);
            assert_eq!(sample.extra["tokens"], expected.ids.len());
            let score: f64 = expected.logprobs.iter().map(|&x| f64::from(x)).sum();
            // Reading JSON may change the last digit.
            let found = sample.extra["scores"].as_f64().unwrap();
            assert!((found - score).abs() < 1e-9, "{found} instead of {score}");
            finishes.push(finish);
        }
        assert!(
            finishes.contains(&0) && finishes.contains(&1),
            "{finishes:?}"
        );
    }
}

#[test]
fn batches_and_shards_do_not_matter() {
    let whole = bytes(&options());
    for sequences in [1, 3] {
        assert_eq!(
            bytes(&GenerationOptions {
                sequences,
                ..options()
            }),
            whole
        );
    }
    for of in [3, 12] {
        let parts = (0..of).map(|i| {
            let shard = Shard::new(i, of).unwrap();
            bytes(&GenerationOptions { shard, ..options() })
        });
        assert_eq!(parts.collect::<Vec<_>>().concat(), whole, "{of} shards");
    }
    let other = bytes(&GenerationOptions {
        seed: 8,
        ..options()
    });
    let texts = |bytes| {
        let records = records(bytes).into_iter();
        records.map(|r| r.generation).collect::<Vec<_>>()
    };
    assert_ne!(texts(&other), texts(&whole));
    // Each is sampled by itself: no two samples of a problem are alike.
    let mut distinct = texts(&whole);
    distinct.sort();
    distinct.dedup();
    assert_eq!(distinct.len(), 10);
}

#[test]
fn a_task_is_part_of_the_seed() {
    let seeds = [
        seed_of(0, JAVA, "Java/0"),
        seed_of(0, JAVA, "Java/1"),
        seed_of(1, JAVA, "Java/0"),
        seed_of(
            0,
            EvalTask::new(EvalLanguage::Java, Some(EvalLanguage::Go)),
            "Java/0",
        ),
    ];
    for (i, seed) in seeds.iter().enumerate() {
        assert!(!seeds[..i].contains(seed));
    }
}

#[test]
fn interrupted_and_resumed_is_as_uninterrupted() {
    let whole = bytes(&options());
    let (_folder, path) = file();
    let mut rounds = 0;
    loop {
        // Ends some tokens after it began, at another place every time.
        let cancel = CancelToken::new();
        let mut steps = 0;
        let stop = cancel.clone();
        let limit = 15 + 20 * rounds;
        let generated = generate(
            &MODEL,
            JAVA,
            &java(),
            &options(),
            &path,
            &cancel,
            &mut |at| {
                steps += 1;
                assert!(at.written <= at.ended && at.resumed + at.ended <= at.samples);
                if steps == limit {
                    stop.cancel();
                }
            },
        )
        .unwrap();
        let there = std::fs::read(&path).unwrap();
        assert!(whole.starts_with(&there));
        let progress = generated.progress;
        assert_eq!(
            records(&there).len() as u64,
            progress.resumed + progress.written
        );
        if !generated.cancelled {
            break;
        }
        rounds += 1;
        // A machine that failed in the middle of a record.
        let torn = there.len() + rounds * 31 % whole.len();
        std::fs::write(&path, &whole[..torn.clamp(there.len(), whole.len() - 1)]).unwrap();
    }
    assert_eq!(std::fs::read(&path).unwrap(), whole);
    assert!(rounds > 1, "{rounds}");
    // Nothing is left to do.
    let again = run(&options(), &path).unwrap();
    assert_eq!((again.progress.resumed, again.progress.tokens), (10, 0));
    assert_eq!(std::fs::read(&path).unwrap(), whole);
}

#[test]
fn a_file_of_another_run_is_left_alone() {
    let (_folder, path) = file();
    let whole = bytes(&options());
    let check = |text: &[u8], options: &GenerationOptions, what: &str| {
        std::fs::write(&path, text).unwrap();
        let error = run(options, &path).unwrap_err();
        assert!(error.to_string().contains(what), "{error}");
        assert_eq!(std::fs::read(&path).unwrap(), text);
    };
    let other = GenerationOptions {
        seed: 8,
        ..options()
    };
    check(&whole, &other, "line 1: a sample of another run");
    let other = GenerationOptions {
        temperature: 0.2,
        ..options()
    };
    check(&whole, &other, "line 1: a sample of another run");
    let shard = Shard::new(1, 2).unwrap();
    let other = GenerationOptions { shard, ..options() };
    check(
        &whole,
        &other,
        "line 1: sample 0 of Java/0, expected sample 0 of Java/1",
    );
    let first = whole.split_inclusive(|b| *b == b'\n').next().unwrap();
    check(
        &first.repeat(2),
        &options(),
        "line 2: sample 0 of Java/0, expected sample 1",
    );
    check(
        &[&whole[..], first].concat(),
        &options(),
        "line 11: a record too many",
    );
    check(b"{}\n", &options(), "line 1: missing field");
    let changed = String::from_utf8(whole.clone())
        .unwrap()
        .replace("Double", "Triple");
    check(
        changed.as_bytes(),
        &options(),
        "line 1: a sample of another prompt",
    );
}

#[test]
fn a_file_has_one_writer() {
    let (_folder, path) = file();
    let held = SampleFile::open(&path, |_, _: &Sample| Ok(())).unwrap();
    let error = run(&options(), &path).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Busy);
    drop(held);
    let one = GenerationOptions {
        samples: 1,
        ..options()
    };
    assert!(run(&one, &path).is_ok());
}

#[test]
fn prompts_that_leave_no_room_have_empty_samples() {
    let (_folder, path) = file();
    let lengths = java().into_iter().map(|p| {
        let ids = MODEL
            .tokenizer()
            .encode(&p.text, SpecialTokens::AsText)
            .unwrap();
        ids.len() as u32
    });
    let lengths: Vec<u32> = lengths.collect();
    let max_tokens = lengths[0].min(lengths[1]) + 1;
    let options = GenerationOptions {
        max_tokens,
        ..options()
    };
    let generated = run(&options, &path).unwrap();
    assert_eq!(generated.too_long, 1);
    let found = records(&std::fs::read(&path).unwrap());
    assert_eq!(found.len(), 10);
    let tokens: Vec<u64> = found
        .iter()
        .map(|s| s.extra["tokens"].as_u64().unwrap())
        .collect();
    assert_eq!(tokens, [1, 1, 1, 1, 1, 0, 0, 0, 0, 0]);
    assert!(found[5..].iter().all(|s| s.generation.is_empty()));
}

#[test]
fn options_out_of_range_are_refused_before_anything_is_written() {
    let (_folder, path) = file();
    for wrong in [
        GenerationOptions {
            samples: 0,
            ..options()
        },
        GenerationOptions {
            sequences: 0,
            ..options()
        },
        GenerationOptions {
            temperature: -1.0,
            ..options()
        },
        GenerationOptions {
            top_p: 0.0,
            ..options()
        },
    ] {
        let error = run(&wrong, &path).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidArgument, "{wrong:?}");
    }
    assert!(!path.exists());
}

#[test]
fn the_estimate_counts_samples_that_have_not_ended() {
    let mut at = GenerationProgress {
        samples: 20,
        resumed: 5,
        ended: 0,
        written: 0,
        tokens: 40,
        longest: 100,
        elapsed: Duration::from_secs(2),
    };
    assert_eq!((at.tokens_of_sample(), at.left()), (None, None));
    at.ended = 5;
    at.tokens = 300;
    // 60 tokens a sample, 10 samples, 150 tokens a second.
    assert_eq!(at.left(), Some(Duration::from_secs(4)));
    at.ended = 1;
    assert_eq!(at.tokens_of_sample(), Some(100.0));
}
