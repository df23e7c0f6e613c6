//! Any bytes as safetensors: what is accepted fills the file exactly.
#![no_main]

use codegeex::weights::safetensors;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    if let Ok(header) = safetensors::parse(data) {
        let mut end = header.tensors.first().map_or(data.len(), |t| t.range.start);
        for tensor in &header.tensors {
            assert_eq!(tensor.range.start, end);
            end = tensor.range.end;
        }
        assert_eq!(end, data.len());
    }
});
