//! `codegeex bench`: that the figures are there and fit each other. What they are decides nothing.

use serde_json::Value;

use crate::command::run;

#[test]
fn clients_are_served_alone_and_together() {
    let folder = tempfile::tempdir().unwrap();
    let cache = folder.path().to_str().unwrap();
    let shape =
        "bench --shape 2x64x2 --dtype f16 --prompt 9 --new 4 --concurrency 5 --json --cache";
    let args: Vec<&str> = shape.split(' ').chain([cache]).collect();
    let found: Value = serde_json::from_str(&run(&args, "").ok()).unwrap();
    let served = found["served"].as_array().unwrap();
    assert_eq!(served.len(), 2, "{found}");
    for (served, clients) in served.iter().zip([1, 5]) {
        assert_eq!(served["clients"], clients);
        assert_eq!(served["requests"], 3 * clients);
        assert_eq!(served["tokens"], 3 * clients * 4);
        assert!(served["tokens_per_second"].as_f64().unwrap() > 0.0);
        for times in ["time_to_first_token_seconds", "time_between_tokens_seconds"] {
            let number = |key: &str| served[times][key].as_f64().unwrap();
            assert!(
                number("median") > 0.0 && number("p99") >= number("median"),
                "{served}"
            );
        }
    }
}

#[test]
fn every_type_of_weights_is_measured_and_the_cache_file_used_again() {
    let folder = tempfile::tempdir().unwrap();
    let cache = folder.path().to_str().unwrap();
    for (dtype, bytes_per_weight) in [("f16", 2.0), ("int8", 1.0), ("int4", 0.516)] {
        let args = [
            "bench",
            "--shape",
            "3x256x4",
            "--dtype",
            dtype,
            "--prompt",
            "9",
            "--new",
            "3",
            "--threads",
            "2",
            "--cache",
            cache,
            "--json",
        ];
        let found: Value = serde_json::from_str(&run(&args, "").ok()).unwrap();
        let number = |key: &str| {
            found[key]
                .as_f64()
                .unwrap_or_else(|| panic!("{key}: {found}"))
        };
        for key in [
            "read_bytes_per_second",
            "operations_per_second",
            "load_seconds",
            "prefill_tokens_per_second",
            "prefill_fraction_of_operations",
            "decode_tokens_per_second",
            "decode_bytes_per_step",
        ] {
            assert!(number(key) > 0.0, "{key}: {found}");
        }
        // Null where the model fits in the processor's cache.
        let fraction = &found["decode_fraction_of_bandwidth"];
        let fraction = fraction.as_f64().or(fraction.is_null().then_some(1.0));
        assert!(fraction.is_some_and(|fraction| fraction > 0.0), "{found}");
        let head = 52224.0 * 256.0 * if dtype == "f16" { 2.0 } else { 1.0 };
        let layers = 3.0 * 12.0 * 256.0 * 256.0 * bytes_per_weight;
        let tables = 2.0 * 2048.0 * 256.0 * 2.0;
        let ratio = number("weight_bytes") / (head + layers + tables);
        assert!((0.99..1.02).contains(&ratio), "{dtype}: {ratio}");
        let step = number("decode_step_seconds") * number("decode_tokens_per_second");
        assert!((step - 1.0).abs() < 1e-6);
    }
    let files = || -> Vec<_> {
        let entries = std::fs::read_dir(cache).unwrap();
        let mut files: Vec<_> = entries
            .map(|e| e.unwrap())
            .map(|e| (e.path(), e.metadata().unwrap().modified().unwrap()))
            .collect();
        files.sort();
        files
    };
    let before = files();
    assert_eq!(before.len(), 3);
    let args = [
        "bench",
        "--shape",
        "3x256x4",
        "--prompt",
        "9",
        "--new",
        "2",
        "--sequences",
        "3",
        "--cache",
        cache,
    ];
    let text = run(&args, "").ok();
    for line in ["weights", "machine", "prompt", "decode", "memory"] {
        assert!(text.contains(line), "{text}");
    }
    assert_eq!(files(), before);
}
