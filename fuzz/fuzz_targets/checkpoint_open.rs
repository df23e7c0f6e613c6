//! Any bytes as a whole checkpoint: every tensor that is listed can be read in full.
#![no_main]

use codegeex::__internal::Bytes;
use codegeex::weights;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let Ok(bytes) = Bytes::copy_from(data) else {
        return;
    };
    if let Ok(source) = weights::from_bytes(bytes, "input") {
        for info in source.tensors() {
            let tensor = source.tensor(&info.name).expect("a listed tensor is there");
            let mut seen = 0;
            let mut count = |run: &[u8]| {
                seen += run.len();
                Ok(())
            };
            tensor
                .for_each_run(&mut count)
                .expect("blocks cover the tensor");
            assert_eq!(seen, info.bytes());
        }
    }
});
