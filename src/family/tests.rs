//! Configurations in the spellings of all years, and what is refused.

use super::*;

const LLAMA: &str = r#"{"model_type": "llama", "num_hidden_layers": 2, "hidden_size": 24,
    "num_attention_heads": 4, "num_key_value_heads": 2, "intermediate_size": 52, "vocab_size": 70,
    "max_position_embeddings": 64, "rms_norm_eps": 1e-5"#;

fn read(start: &str, rest: &str) -> Result<ModelConfig> {
    Family::read(&format!("{start}{rest}}}"))
}

fn rotary(config: &ModelConfig) -> &Rotary {
    match &config.position {
        Position::Rotary(rotary) => rotary,
        other => panic!("{other:?}"),
    }
}

#[test]
fn old_and_new_spellings_say_the_same() {
    for (old, new) in [
        (
            r#", "rope_theta": 500000.0, "rope_scaling": null, "torch_dtype": "float16""#,
            r#", "rope_parameters": {"rope_type": "default", "rope_theta": 500000.0},
                "dtype": "float16", "head_dim": null"#,
        ),
        (
            r#", "rope_theta": 1e5, "rope_scaling": {"type": "linear", "factor": 4.0}"#,
            r#", "rope_parameters": {"rope_type": "linear", "factor": 4.0, "rope_theta": 1e5}"#,
        ),
        (
            r#", "rope_theta": 5e5, "rope_scaling": {"rope_type": "llama3", "factor": 8.0,
                "low_freq_factor": 1.0, "high_freq_factor": 4.0,
                "original_max_position_embeddings": 8192}"#,
            r#", "rope_parameters": {"rope_type": "llama3", "factor": 8.0, "low_freq_factor": 1.0,
                "high_freq_factor": 4.0, "original_max_position_embeddings": 8192,
                "rope_theta": 5e5}, "attention_bias": false"#,
        ),
    ] {
        let old = read(LLAMA, old).unwrap();
        assert_eq!(old, read(LLAMA, new).unwrap());
        assert_eq!(ModelConfig::from_json(&old.to_json()).unwrap(), old);
    }
    let linear = read(
        LLAMA,
        r#", "rope_scaling": {"type": "linear", "factor": 4}"#,
    )
    .unwrap();
    let expected = RotaryScaling::Linear { factor: 4.0 };
    assert_eq!(
        (rotary(&linear).scaling, rotary(&linear).base),
        (expected, 1e4)
    );
}

#[test]
fn what_is_not_implemented_is_an_error_that_names_it() {
    for (rest, named) in [
        (
            r#", "rope_scaling": {"type": "yarn", "factor": 4.0}"#,
            "`yarn`",
        ),
        (
            r#", "rope_scaling": {"type": "linear", "factor": 4.0, "beta_fast": 32}"#,
            "beta_fast",
        ),
        (r#", "hidden_act": "xielu""#, "xielu"),
        (r#", "num_local_experts": 8"#, "num_local_experts"),
        (
            r#", "quantization_config": {"quant_method": "gptq", "bits": 4}"#,
            "gptq",
        ),
        (
            r#", "quantization_config": {"load_in_4bit": true}"#,
            "quantization_config",
        ),
        (
            r#", "attn_logit_softcapping": 50.0"#,
            "attn_logit_softcapping",
        ),
        (r#", "layer_norm_type": "post""#, "layer_norm_type"),
    ] {
        let error = read(LLAMA, rest).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::UnsupportedFile, "{rest}");
        assert!(error.to_string().contains(named), "{rest}: {error}");
    }
    for (rest, named) in [
        (r#", "rope_theta": "big""#, "`rope_theta`"),
        (r#", "rope_theta": 0"#, "base"),
        (
            r#", "rope_scaling": {"type": "linear"}"#,
            "`rope_scaling.factor`",
        ),
        (
            r#", "rope_scaling": {"type": "linear", "factor": 0.5}"#,
            "scaling",
        ),
        (r#", "tie_word_embeddings": 1"#, "tie_word_embeddings"),
        (r#", "head_dim": 7"#, "7"),
        (r#", "eos_token_id": -1"#, "eos_token_id"),
        (r#", "partial_rotary_factor": 2.0"#, "rotated"),
    ] {
        let error = read(LLAMA, rest).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidConfig, "{rest}");
        assert!(error.to_string().contains(named), "{rest}: {error}");
    }
    let llama3 = r#", "rope_scaling": {"rope_type": "llama3", "factor": 8.0, "low_freq_factor": 4.0,
        "high_freq_factor": 1.0, "original_max_position_embeddings": 8192}"#;
    for (rest, message) in [
        (
            r#", "rope_scaling": {"type": "linear", "factor": 0.5}"#,
            "the rotary scaling is linear by a factor of 0.5, expected a factor of 1 or more",
        ),
        (
            llama3,
            "the rotary scaling is llama3 by a factor of 8, with low_freq_factor 4, high_freq_factor 1 \
             and an original context of 8192, expected a low_freq_factor above 0 and a larger \
             high_freq_factor",
        ),
    ] {
        assert_eq!(read(LLAMA, rest).unwrap_err().to_string(), message);
    }
    let error = Family::read(r#"{"num_hidden_layers": 2, "hidden_size": 24}"#).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidConfig);
    let message = error.to_string();
    for part in [
        "no `model_type`",
        "config.json that was published",
        "llama",
        "num_layers",
    ] {
        assert!(message.contains(part), "{message}");
    }
    let error = Family::read(r#"{"model_type": "mamba"}"#).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::UnsupportedFile);
    let message = error.to_string();
    assert!(
        message.contains("mamba") && message.contains("starcoder2"),
        "{message}"
    );
    for json in [
        "",
        "[]",
        "{\"model_type\": 3}",
        "{\"model_type\": \"llama\"}",
    ] {
        assert!(Family::read(json).is_err(), "{json}");
    }
}

/// A message has the key of the file, and not the name of the field here.
#[test]
fn what_does_not_fit_has_the_names_of_the_file() {
    let with = |model_type: &str, key: &str, value: &str| {
        let gpt2 = r#"{"model_type": "gpt2", "n_layer": 2, "n_embd": 24, "n_head": 4, "vocab_size": 70,
            "n_positions": 64, "layer_norm_epsilon": 1e-5}"#;
        let json = match model_type {
            "gpt2" => gpt2.to_owned(),
            _ => format!("{}}}", LLAMA.replace("llama", model_type)),
        };
        let mut json: Value = serde_json::from_str(&json).unwrap();
        json[key] = serde_json::from_str(value).unwrap();
        let error = Family::read(&json.to_string()).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidConfig, "{error}");
        error.to_string()
    };
    for (model_type, key, value, message) in [
        (
            "llama",
            "num_key_value_heads",
            "3",
            "num_attention_heads 4 is not a multiple of num_key_value_heads 3",
        ),
        (
            "llama",
            "num_attention_heads",
            "5",
            "hidden_size 24 is not a multiple of num_attention_heads 5",
        ),
        (
            "llama",
            "num_hidden_layers",
            "0",
            "num_hidden_layers is 0, expected 1 to 4096",
        ),
        (
            "llama",
            "vocab_size",
            "0",
            "vocab_size is 0, expected 1 to 16777216",
        ),
        (
            "llama",
            "intermediate_size",
            "0",
            "intermediate_size is 0, expected 1 to 1048576",
        ),
        (
            "llama",
            "rms_norm_eps",
            "2",
            "rms_norm_eps is 2, expected a number between 0 and 1",
        ),
        (
            "mistral",
            "sliding_window",
            "0",
            "sliding_window is 0, expected 1 or more tokens",
        ),
        (
            "granite",
            "logits_scaling",
            "0",
            "logits_scaling is 0, expected another number",
        ),
        (
            "gpt2",
            "n_head",
            "5",
            "n_embd 24 is not a multiple of n_head 5",
        ),
        (
            "gpt2",
            "n_positions",
            "0",
            "n_positions is 0, expected 1 to 16777216",
        ),
        (
            "gpt2",
            "layer_norm_epsilon",
            "0",
            "layer_norm_epsilon is 0, expected a number between 0 and 1",
        ),
    ] {
        assert_eq!(with(model_type, key, value), message);
    }
}

#[test]
fn what_a_file_says_is_quoted_visibly_and_in_part() {
    let long = "head".repeat(10_000);
    for rest in [
        r#", "head\u001b[2J\u202e": 1"#.to_owned(),
        format!(r#", "{long}": 1"#),
        format!(r#", "hidden_act": "\u001b{long}""#),
        format!(r#", "rope_scaling": {{"type": "\u001b{long}"}}"#),
        format!(r#", "rope_scaling": {{"type": "linear", "factor": 1, "\u001b{long}": 1}}"#),
        format!(r#", "rope_theta": "\u0085{long}""#),
        format!(r#", "quantization_config": {{"quant_method": "\u001b{long}"}}"#),
    ] {
        let message = read(LLAMA, &rest).unwrap_err().to_string();
        assert!(message.len() < 700, "{message}");
        assert!(
            message.chars().all(|c| !c.is_control() && c != '\u{202e}'),
            "{message:?}"
        );
    }
    for json in [
        format!(r#"{{"model_type": "\u0085{long}"}}"#),
        format!(r#"{{"num_layers": 2, "activation": "\u001b{long}"}}"#),
        format!(r#"{{"num_layers": "\u001b{long}"}}"#),
        format!(r#"{{"num_layers": 2, "family": "\u001b{long}"}}"#),
    ] {
        let message = Family::read(&json).unwrap_err().to_string();
        assert!(
            message.len() < 1000 && message.chars().all(|c| !c.is_control()),
            "{message:?}"
        );
    }
}

#[test]
fn keys_that_say_nothing_about_the_arithmetic_are_passed_over() {
    let rest = r#", "attention_dropout": 0.1, "initializer_range": 0.02, "use_cache": true,
        "transformers_version": "4.44.0", "pretraining_tp": 1, "bos_token_id": 1,
        "eos_token_id": [2, 3], "_attn_implementation_autoset": true, "sliding_window": null,
        "num_experts": null, "auto_map": {"AutoModel": "x"}, "architectures": ["X"]"#;
    assert_eq!(read(LLAMA, rest).unwrap().eos_token_ids, [2, 3]);
}

#[test]
fn windows_are_those_of_the_layers_that_have_them() {
    let of = |model_type: &str, rest: &str| {
        let start = LLAMA.replace("llama", model_type);
        let start = match model_type {
            "starcoder2" => start.replace("rms_norm_eps", "norm_epsilon"),
            _ => start,
        };
        let config = read(&start, rest).unwrap();
        [config.window_of(0), config.window_of(1)]
    };
    assert_eq!(of("mistral", r#", "sliding_window": 9"#), [Some(9); 2]);
    assert_eq!(of("mistral", r#", "sliding_window": null"#), [None; 2]);
    assert_eq!(of("starcoder2", r#", "sliding_window": 9"#), [Some(9); 2]);
    let off = r#", "sliding_window": 9, "use_sliding_window": false, "max_window_layers": 1"#;
    assert_eq!(of("qwen2", off), [None; 2]);
    assert_eq!(
        of("qwen2", r#", "sliding_window": 9, "max_window_layers": 1"#),
        [None; 2]
    );
    let on = off.replace("false", "true");
    assert_eq!(of("qwen2", &on), [None, Some(9)]);
    let types = format!(r#"{on}, "layer_types": ["sliding_attention", "sliding_attention"]"#);
    assert_eq!(of("qwen2", &types), [Some(9); 2]);
    for wrong in [
        r#"["sliding_attention", "full_attention"]"#,
        r#"["full_attention"]"#,
        r#"["full_attention", "chunked_attention"]"#,
    ] {
        let start = LLAMA.replace("llama", "qwen3");
        let error = read(&start, &format!(r#", "layer_types": {wrong}"#)).unwrap_err();
        assert!(error.to_string().contains("layer_types"), "{error}");
    }
}

/// Numbers whose products overflow: 2^62 and what wraps to the right width.
#[test]
fn numbers_out_of_range_are_errors() {
    for head_dim in [
        "4611686018427387904",
        "4611686018427387910",
        "18446744073709551615",
    ] {
        let error = read(LLAMA, &format!(r#", "head_dim": {head_dim}"#)).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidConfig);
        assert!(error.to_string().contains("head_dim"), "{error}");
        let mut native = read(LLAMA, "").unwrap();
        native.head_dim = head_dim.parse().ok();
        assert!(
            ModelConfig::from_json(&native.to_json()).is_err(),
            "{head_dim}"
        );
    }
    for (model_type, rest) in [
        ("gpt2", ""),
        ("codegen", r#", "rotary_dim": 4"#),
        ("gptj", r#", "rotary_dim": 4"#),
        ("gpt_bigcode", ""),
    ] {
        let json = format!(
            r#"{{"model_type": "{model_type}", "n_embd": 4611686018427387904, "n_head": 4,
                "n_layer": 2, "vocab_size": 70, "n_positions": 64{rest}}}"#
        );
        let error = Family::read(&json).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidConfig, "{error}");
    }
}
