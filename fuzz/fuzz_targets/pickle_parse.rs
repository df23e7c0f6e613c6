//! Any bytes as a pickle: no more containers come out than opcodes went in.
#![no_main]

use codegeex::__internal::pickle;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    if let Ok(pickle) = pickle::parse(data) {
        assert!(pickle.nodes() <= data.len());
        let _ = pickle.dict(pickle.root());
    }
});
