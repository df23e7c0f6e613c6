//! Any text as a model configuration of any family: what is accepted makes sense, and is written as
//! JSON that says the same.
#![no_main]

use codegeex::family::{Family, slots};
use codegeex::model::ModelConfig;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let Ok(json) = std::str::from_utf8(data) else {
        return;
    };
    if let Ok(config) = Family::read(json) {
        config
            .validate()
            .expect("an accepted configuration is valid");
        let again = ModelConfig::from_json(&config.to_json());
        assert_eq!(again.expect("what was written can be read"), config);
        assert!(config.head_dim() > 0 && config.kv_width() > 0 && config.ffn_width() > 0);
        assert!(
            slots(&config)
                .take(100)
                .all(|(_, shape)| !shape.contains(&0))
        );
        assert!(config.window_of(0).is_none_or(|window| window > 0));
    }
});
