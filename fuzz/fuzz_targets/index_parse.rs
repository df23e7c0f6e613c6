//! Any bytes as the index of several files: every file that is named is beside the index.
#![no_main]

use std::path::{Component, Path};

use codegeex::__internal::index;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    if let Ok(map) = index::parse(data) {
        assert!(!map.is_empty());
        for (_, file) in &map {
            let mut components = Path::new(file).components();
            assert!(matches!(components.next(), Some(Component::Normal(name)) if name == &**file));
            assert_eq!(components.next(), None);
        }
        let mut names: Vec<_> = map.iter().map(|(name, _)| name).collect();
        names.sort();
        assert!(names.windows(2).all(|pair| pair[0] != pair[1]));
    }
});
