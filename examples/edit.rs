//! Types into a file, as an editor would see it: what each keystroke computes, what is suggested,
//! and what is accepted: `cargo run --release --example edit`

use std::ops::ControlFlow;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use codegeex::Language;
use codegeex::cancel::CancelToken;
use codegeex::edit::{Accept, EditOptions, EditSession};
use codegeex::generate::{Event, Generator};
use codegeex::model::{LoadOptions, load};
use codegeex::tokenizer::Gpt2Tokenizer;

const FILE: &str = "import os\nimport sys\n\n\ndef main():\n    print(os.getcwd())\n\n\n\
                    def read_lines(path):\n";
const AFTER: &str = "\n\n\nif __name__ == \"__main__\":\n    main()\n";

fn main() -> codegeex::Result<()> {
    let path = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/models/codegeex_tiny.safetensors"
    );
    let model = load(path, &LoadOptions::default())?;
    let generator = Generator::new(model, Arc::new(Gpt2Tokenizer::codegeex()));
    let mut options = EditOptions::default();
    options.generate.limits.max_new_tokens = 24;
    let mut edit = EditSession::new(&generator, Language::PYTHON, options)?;

    let drawn = AtomicUsize::new(0);
    let count = &mut |event: Event<'_>| {
        let is_token = matches!(event, Event::Token { .. });
        drawn.fetch_add(usize::from(is_token), Ordering::Relaxed);
        ControlFlow::Continue(())
    };
    let mut text = FILE.to_owned();
    for key in "    with open(path) as f".chars() {
        text.push(key);
        let update = edit.update(&text, AFTER);
        if update.is_alive {
            println!("{key:?}: as suggested, nothing to compute");
            continue;
        }
        drawn.store(0, Ordering::Relaxed);
        let shown = edit
            .suggest(&CancelToken::new(), count)?
            .map(|s| s.text.to_owned());
        let reuse = edit.reuse();
        println!(
            "{key:?}: {} tokens of the prompt computed, {} reused, {} drawn: {:?}",
            reuse.computed,
            reuse.reused,
            drawn.load(Ordering::Relaxed),
            shown.unwrap_or_default()
        );
    }
    while let Some(word) = edit.accept(Accept::Word) {
        println!("accepted {word:?}");
    }

    // The next keystroke comes from another thread, in the middle of a suggestion.
    let cancel = CancelToken::new();
    let keystroke = cancel.clone();
    let keyboard = std::thread::spawn(move || {
        std::thread::sleep(Duration::from_millis(3));
        keystroke.cancel();
    });
    let partial = edit.suggest(&cancel, count)?.map(|s| s.text.to_owned());
    println!("cancelled by a keystroke, with {partial:?} so far");
    // A thread that only sets a flag does not panic.
    let _ = keyboard.join();
    Ok(())
}
