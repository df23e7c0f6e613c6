//! Any bytes as HumanEval-X's problems, samples and results, plain or gzip: what is read has a
//! language, and is read again as it was written.
#![no_main]

use std::path::PathBuf;
use std::sync::LazyLock;

use codegeex::eval::dataset::Problems;
use codegeex::eval::samples::{Record, Records, Results, Samples, write_record};
use libfuzzer_sys::fuzz_target;

static FILE: LazyLock<PathBuf> = LazyLock::new(|| {
    std::env::temp_dir().join(format!("codegeex-fuzz-humaneval-{}", std::process::id()))
});

fn check<T: Record>(records: Records<T>) {
    let mut again = Vec::new();
    let mut count = 0;
    for record in records.flatten() {
        write_record(&record, &mut again).expect("memory can be written to");
        count += 1;
    }
    std::fs::write(&*FILE, &again).expect("a file in the temporary folder");
    let records = Records::<T>::open(&FILE).expect("it was written just now");
    let read = records.map(|r| r.expect("a record that was written is read"));
    assert_eq!(read.count(), count);
}

fuzz_target!(|data: &[u8]| {
    let write = || std::fs::write(&*FILE, data).expect("a file in the temporary folder");
    write();
    for problem in Problems::open(&FILE).expect("a file").flatten() {
        problem.language().expect("was looked at when it was read");
    }
    check(Samples::open(&FILE).expect("a file"));
    write();
    check(Results::open(&FILE).expect("a file"));
});
