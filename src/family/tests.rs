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
