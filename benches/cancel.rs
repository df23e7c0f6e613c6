//! How long a call goes on after it is cancelled from another thread, at random moments: the
//! default model in prefill, decode, scoring and loading, alone and while another request reads its
//! prompt, and if wanted layers of the shape of the 13B model beside the time of one of them.
//!
//! ```sh
//! cargo bench --bench cancel                      # 500 times each
//! cargo bench --bench cancel -- --rounds 50
//! cargo bench --bench cancel -- --large 3         # also 3 layers of 13B in INT8, a file of 1.3 GB
//! ```

use std::cell::Cell;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::mpsc;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use codegeex::ErrorKind;
use codegeex::cancel::{CancelToken, Control};
use codegeex::generate::{
    Completion, FinishReason, GenerateOptions, Generator, Request, SchedulerOptions, Service,
    Ticket,
};
use codegeex::model::{
    ConvertOptions, Input, LoadOptions, ModelConfig, Wanted, load, write_random,
};
use codegeex::tensor::PackedScheme;
use codegeex::tokenizer::BpeTokenizer;
use codegeex::weights::{LoadProgress, MemoryMode};

struct Args {
    rounds: usize,
    large: Option<usize>,
    folder: PathBuf,
}

impl Args {
    fn parse() -> Self {
        let mut found = Self {
            rounds: 500,
            large: None,
            folder: std::env::temp_dir(),
        };
        let mut args = std::env::args().skip(1);
        while let Some(arg) = args.next() {
            let mut value = || args.next().expect("an option has a value");
            match &arg[..] {
                "--rounds" => found.rounds = value().parse().expect("a number of rounds"),
                "--large" => found.large = Some(value().parse().expect("a number of layers")),
                "--folder" => found.folder = value().into(),
                // What `cargo bench` says to every bench.
                "--bench" => {}
                _ => panic!("{arg}: expected --rounds N, --large LAYERS or --folder DIR"),
            }
        }
        found
    }
}

/// Numbers for moments and lengths.
struct Random(Cell<u64>);

impl Random {
    fn below(&self, end: u64) -> u64 {
        let mut x = self.0.get();
        x ^= x << 13;
        x ^= x >> 7;
        x ^= x << 17;
        self.0.set(x);
        (x >> 16) % end.max(1)
    }
}

/// A thread that cancels what it is sent, after the time it is sent, and says when it did.
struct Canceller {
    orders: mpsc::Sender<(CancelToken, Instant)>,
    done: mpsc::Receiver<Instant>,
}

impl Canceller {
    fn start() -> Self {
        let (orders, next) = mpsc::channel::<(CancelToken, Instant)>();
        let (report, done) = mpsc::channel();
        std::thread::spawn(move || {
            for (token, at) in next {
                std::thread::sleep(at.saturating_duration_since(Instant::now()));
                let now = Instant::now();
                token.cancel();
                if report.send(now).is_err() {
                    return;
                }
            }
        });
        Self { orders, done }
    }
}

struct Bench {
    rounds: usize,
    random: Random,
    canceller: Canceller,
}

impl Bench {
    /// Cancels `work` at a random moment of the time that it takes, and prints how long it goes
    /// on. `work` says whether it was ended early.
    fn case(&self, name: &str, mut work: impl FnMut(&CancelToken) -> bool) -> Duration {
        self.case_until(name, |cancel| (work(cancel), Instant::now()))
    }

    /// The same for work that says when it ended.
    fn case_until(
        &self,
        name: &str,
        mut work: impl FnMut(&CancelToken) -> (bool, Instant),
    ) -> Duration {
        let mut whole = Duration::MAX;
        for _ in 0..3 {
            let start = Instant::now();
            let (ended, end) = work(&CancelToken::new());
            assert!(!ended, "{name}: ended without being cancelled");
            whole = whole.min(end - start);
        }
        let mut times = Vec::with_capacity(self.rounds);
        let mut late = 0;
        while times.len() < self.rounds && late < 10 * self.rounds + 100 {
            let token = CancelToken::new();
            let delay = self.random.below(whole.as_nanos() as u64);
            let at = Instant::now() + Duration::from_nanos(delay);
            (self.canceller.orders.send((token.clone(), at))).expect("the canceller runs");
            let (ended, end) = work(&token);
            let at = self.canceller.done.recv().expect("the canceller answers");
            match ended {
                true => times.push(end.saturating_duration_since(at)),
                // The call was through before.
                false => late += 1,
            }
        }
        times.sort();
        let ms = |q: f64| {
            let i = (times.len() as f64 * q).ceil() as usize;
            let time = times.get(i.saturating_sub(1)).copied();
            time.unwrap_or(Duration::MAX).as_secs_f64() * 1e3
        };
        println!(
            "{name:34} {:9.1} ms alone, cancelled {} times: median {:7.3} ms, 99 % {:7.3} ms, most {:7.3} ms",
            whole.as_secs_f64() * 1e3,
            times.len(),
            ms(0.5),
            ms(0.99),
            ms(1.0),
        );
        whole
    }
}

/// Whether a result is that of a call that was cancelled.
fn ended<T>(result: codegeex::Result<T>) -> bool {
    match result {
        Ok(_) => false,
        Err(e) => {
            assert_eq!(e.kind(), ErrorKind::Cancelled, "{e}");
            true
        }
    }
}

fn loading(bench: &Bench, path: &Path, name: &str) {
    for (how, memory) in [("mapped", MemoryMode::Map), ("copied", MemoryMode::Copy)] {
        bench.case(&format!("{name}, load {how}"), |cancel| {
            let mut options = LoadOptions::default();
            options.open.memory = memory;
            options.open.progress = LoadProgress::new().cancel(cancel.clone());
            ended(load(path, &options))
        });
    }
}

fn default_model(bench: &Bench) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("models/codegeex_tiny.safetensors");
    let model = load(&path, &LoadOptions::default()).expect("the model loads");
    println!("{}", model.describe());
    let generator = Generator::new(model, Arc::new(BpeTokenizer::codegeex().unwrap()));
    let ids: Vec<u32> = (0..1900).map(|i| 1000 + i * 7).collect();

    let generate = |prompt: &[u32], new: usize, samples: usize, cancel: &CancelToken| {
        let mut options = GenerateOptions::default();
        options.limits.max_new_tokens = new;
        options.samples = samples;
        let found =
            generator.generate(prompt, &options, cancel, &mut |_| ControlFlow::Continue(()));
        let found = found.expect("a generation that is cancelled returns what it has");
        found
            .iter()
            .any(|c| c.finish_reason == FinishReason::Cancelled)
    };
    for tokens in [512, 1024, 1900] {
        bench.case(&format!("prompt of {tokens}"), |cancel| {
            generate(&ids[..tokens], 1, 1, cancel)
        });
    }
    bench.case("prompts of 512 to 1900", |cancel| {
        let tokens = 512 + bench.random.below(1389) as usize;
        generate(&ids[..tokens], 1, 1, cancel)
    });
    for (samples, new) in [(1, 200), (16, 40)] {
        bench.case(&format!("decode of {samples} at once"), |cancel| {
            generate(&ids[..32], new, samples, cancel)
        });
    }
    bench.case("score of 1900", |cancel| {
        ended(generator.score(&ids, 5, cancel))
    });
    beside_others(
        bench,
        &generator,
        &ids,
        16,
        "16 tokens beside prompts of 1900",
    );
    loading(bench, &path, "default model");
}

/// A request of a service that generates, cancelled while others read prompts, which takes whole
/// steps: from the cancel to the end that its client gets.
fn beside_others(bench: &Bench, generator: &Generator, prompt: &[u32], new: usize, name: &str) {
    let service = Service::start(generator, SchedulerOptions::default()).expect("a thread");
    let submit = |prompt: &[u32], new: usize, cancel: &CancelToken| -> Ticket {
        let mut options = GenerateOptions::default();
        options.limits.max_new_tokens = new;
        options.sampling.temperature = 0.0;
        let mut request = Request::new(prompt.to_vec(), options);
        request.cancel = cancel.clone();
        service.submit(request).expect("room for a request")
    };
    let mut first = 0;
    bench.case_until(name, |cancel| {
        let never = CancelToken::new();
        let short = submit(&prompt[..16], new, cancel);
        // Others all the time, each with a prompt that begins like no other, so that none is kept.
        first += 1;
        let mut others = Vec::new();
        for i in 0..4 {
            let mut prompt = prompt.to_vec();
            prompt[0] = 1000 + (first * 4 + i) % 40_000;
            others.push(submit(&prompt, 1, &never));
        }
        let found: Vec<Completion> = short.wait().expect("what it has");
        let ended = found[0].finish_reason == FinishReason::Cancelled;
        // The time that counts ends here; what follows is to leave the service idle.
        let end = Instant::now();
        others.iter().for_each(Ticket::cancel);
        for other in others {
            other.wait().expect("what it has");
        }
        (ended, end)
    });
}

/// Layers of the 13B model; `layers` counts the top query layer.
fn large(bench: &Bench, layers: usize, folder: &Path) {
    let mut config = ModelConfig::codegeex_13b();
    config.num_layers = layers.saturating_sub(1).max(1);
    let layers = config.num_layers + 1;
    let path = folder.join(format!("codegeex-cancel-{layers}.safetensors"));
    let options = ConvertOptions::new()
        .quantize(PackedScheme::Int8)
        .quantize_head(true)
        .overwrite(true);
    let never = CancelToken::new();
    write_random(&config, &path, &options, 1, &mut |_, _| {}, &never).expect("room for a file");
    let mut loaded = LoadOptions::default();
    loaded.open.memory = MemoryMode::Copy;
    let model = load(&path, &loaded).expect("the model loads");
    println!("{}", model.describe());
    let ids: Vec<u32> = (0..512).map(|i| 1000 + i * 7).collect();

    for (name, before, tokens) in [("prompt of 512", 0, 512), ("one token", 64, 1)] {
        let state = Mutex::new(model.new_state());
        let feed = |ids: &[u32], wanted: Wanted, cancel: &CancelToken| {
            let mut state = state.lock().expect("no thread panicked");
            let mut batch = [Input::new(&mut **state, ids, wanted)];
            ended(model.forward(&mut batch, &Control::from(cancel)))
        };
        if before > 0 {
            feed(&ids[..before], Wanted::Nothing, &never);
        }
        let mut whole = Duration::MAX;
        for _ in 0..3 {
            let start = Instant::now();
            feed(&ids[..tokens], Wanted::Nothing, &never);
            whole = whole.min(start.elapsed());
            state.lock().expect("no thread panicked").truncate(before);
        }
        // Without logits, of the top query layer only keys and values are computed: two of the
        // twelve products of that size.
        let layer = whole.as_secs_f64() / ((layers - 1) as f64 + 2.0 / 12.0);
        println!("one layer for {name}: {:.1} ms", layer * 1e3);
        bench.case(&format!("13B layers, {name}"), |cancel| {
            let ended = feed(&ids[..tokens], Wanted::Last, cancel);
            state.lock().expect("no thread panicked").truncate(before);
            ended
        });
    }
    let generator = Generator::new(model, Arc::new(BpeTokenizer::codegeex().unwrap()));
    let name = "13B layers, 4 tokens beside prompts";
    beside_others(bench, &generator, &ids, 4, name);
    drop(generator);
    loading(bench, &path, "13B layers");
    // A file of gigabytes is not left in a folder for temporary ones.
    let _ = std::fs::remove_file(&path);
}

fn main() {
    let args = Args::parse();
    let bench = Bench {
        rounds: args.rounds,
        random: Random(Cell::new(88_172_645_463_325_252)),
        canceller: Canceller::start(),
    };
    default_model(&bench);
    if let Some(layers) = args.large {
        large(&bench, layers, &args.folder);
    }
}
