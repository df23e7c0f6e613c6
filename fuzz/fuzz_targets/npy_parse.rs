//! Any bytes as an array of NumPy: what is accepted fills the file exactly.
#![no_main]

use codegeex::__internal::npy;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    if let Ok(header) = npy::parse(data) {
        let elements: usize = header.shape().iter().product();
        assert_eq!(header.start + elements * header.dtype.size(), data.len());
    }
});
