//! Any template and any input: an error, or text that holds what it has to and is not too long.
#![no_main]

use codegeex::prompt::Template;
use codegeex::prompt::template::MAX_TEMPLATE_BYTES;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|texts: (&str, &str)| {
    let (text, input) = texts;
    let Ok(template) = Template::parse(text) else {
        return;
    };
    let Ok(prompt) = template.expand(input) else {
        return;
    };
    assert!(text.contains("<INPUT") && prompt.len() <= MAX_TEMPLATE_BYTES);
    if text.contains("<INPUT>") || text.contains("<INPUT:0>") {
        assert!(prompt.contains(input));
    }
    // What is before the first place and after the last stays as it is.
    let before = text.split("<INPUT").next().unwrap_or_default();
    let after = text.rsplit('>').next().unwrap_or_default();
    assert!(prompt.starts_with(before) && prompt.ends_with(after));
});
