//! Types into a file, as an editor would see it: what each keystroke computes, what is suggested,
//! and what is accepted: `cargo run --release --example edit [MODEL]`

mod support;

use std::ops::ControlFlow;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use codegeex::edit::{Accept, EditOptions, EditSession};
use codegeex::{CancelToken, Event, Generator, Language};

const FILE: &str = "import os\nimport sys\n\n\ndef main():\n    print(os.getcwd())\n\n\n\
                    def read_lines(path):\n";
const AFTER: &str = "\n\n\nif __name__ == \"__main__\":\n    main()\n";

fn main() -> codegeex::Result<()> {
    let generator = Generator::open(support::model_path())?;
    let mut options = EditOptions::new();
    options.generate = options.generate.max_new_tokens(24);
    let mut edit = EditSession::new(&generator, Language::PYTHON, options)?;

    let sampled = AtomicUsize::new(0);
    let count = &mut |event: Event| {
        let is_token = matches!(event, Event::Token { .. });
        sampled.fetch_add(usize::from(is_token), Ordering::Relaxed);
        ControlFlow::Continue(())
    };
    let mut text = FILE.to_owned();
    for key in "    with open(path) as f".chars() {
        text.push(key);
        let update = edit.update(&text, AFTER)?;
        if update.is_alive {
            println!("{key:?}: as suggested, nothing to compute");
            continue;
        }
        sampled.store(0, Ordering::Relaxed);
        let shown = edit
            .suggest(&CancelToken::new(), count)?
            .map(|s| s.text.to_owned());
        let reuse = edit.reuse();
        println!(
            "{key:?}: {} tokens of the prompt computed, {} reused, {} sampled: {:?}",
            reuse.computed,
            reuse.reused,
            sampled.load(Ordering::Relaxed),
            shown.unwrap_or_default()
        );
    }
    while let Some(word) = edit.accept(Accept::Word)? {
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
