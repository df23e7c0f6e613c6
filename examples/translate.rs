//! Translates a function; the small default model gets the form but not the meaning:
//! `cargo run --release --example translate [MODEL]`

mod support;

use codegeex::prompt::Task;
use codegeex::{GenerateOptions, Generator, Language};

fn main() -> codegeex::Result<()> {
    let generator = Generator::open(support::model_path())?;
    let code = "static int square(int x) {\n    return x * x;\n}";
    let task = Task::translate(Language::JAVA, code, Language::PYTHON, "def square(x):\n")?;
    let options = GenerateOptions::new().max_new_tokens(48).stop(&task.stop);
    let answer = generator.complete(&task.prompt, &options)?;
    println!("{}{answer}{}", task.lead, task.tail);
    Ok(())
}
