//! A configuration that is accepted is one that can be computed with, and survives a round trip.
#![no_main]

use codegeex::model::ModelConfig;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|json: &str| {
    if let Ok(config) = ModelConfig::from_json(json) {
        assert!(config.head_dim() > 0 && config.parameters() > 0);
        assert_eq!(ModelConfig::from_json(&config.to_json()).ok(), Some(config));
    }
});
