//! Any bytes as a zip file: entries that are handed out lie inside the file and apart.
#![no_main]

use codegeex::__internal::Bytes;
use codegeex::__internal::zip::Archive;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let Ok(bytes) = Bytes::copy_from(data) else {
        return;
    };
    if let Ok(archive) = Archive::parse(bytes) {
        let mut total = 0;
        for entry in archive.entries() {
            assert_eq!(archive.data(entry).len(), entry.range.len());
            assert_eq!(archive.find(&entry.name), Some(entry));
            total += entry.range.len();
        }
        assert!(total <= data.len());
    }
});
