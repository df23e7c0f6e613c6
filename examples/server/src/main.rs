//! `codegeex-server`: serves a model on this machine.

use std::io::Write;
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::Parser;
use codegeex::backend::CpuOptions;
use codegeex::generate::Generator;
use codegeex::model::LoadOptions;
use codegeex_server::app::{App, Settings, router};
use codegeex_server::engine::{Engine, EngineOptions};
use codegeex_server::guard::{Guard, OriginPattern};
use codegeex_server::listen::{Limits, serve};
use tokio::net::TcpListener;

/// Serve completions of a CodeGeeX model over HTTP in the shape of OpenAI's /v1/completions, and
/// a page to try it out. Writes its address to stdout.
#[derive(Parser)]
#[command(version)]
struct Args {
    /// Checkpoint: a .pt file, a folder of mp_rank_* shards, or safetensors. Without it, the
    /// small model of the checkout.
    #[arg(long, value_name = "PATH")]
    model: Option<PathBuf>,
    /// The model's name in requests and responses; without it, the name of its file.
    #[arg(long, value_name = "NAME")]
    model_name: Option<String>,
    /// Address or name to listen on. Others than this machine's own loopback let the network in.
    #[arg(long, value_name = "HOST", default_value = "127.0.0.1")]
    host: String,
    /// Port to listen on; 0 takes one that is free.
    #[arg(long, value_name = "PORT", default_value_t = 8080)]
    port: u16,
    /// A name under which browsers may reach this server, beside addresses, localhost and the name
    /// of --host; may be given several times.
    #[arg(long, value_name = "NAME")]
    allow_host: Vec<String>,
    /// An origin whose web pages may use this server, beside its own page: SCHEME://HOST[:PORT],
    /// `null`, SCHEME://HOST:* for all ports, or SCHEME://* where SCHEME is not http or https,
    /// such as vscode-webview://*. May be given several times.
    #[arg(long, value_name = "ORIGIN")]
    allow_origin: Vec<OriginPattern>,
    /// Threads to compute with. Default: one for each core that this process may use.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1024))]
    threads: Option<u16>,
    /// Memory for the KV cache at most, in MiB. Default: a share of what the system has left.
    #[arg(long, value_name = "MIB")]
    cache_memory: Option<u32>,
    /// Sequences in a batch at most.
    #[arg(long, value_name = "N", default_value = "16")]
    sequences: NonZeroUsize,
    /// Prompts that may wait beside those in the batch. Further requests are answered with 429.
    #[arg(long, value_name = "N", default_value_t = 32)]
    queue: usize,
    /// Completions of one request at most: n, or best_of, times its prompts.
    #[arg(long, value_name = "N", default_value = "32")]
    max_choices: NonZeroUsize,
    /// Size of a request at most, in KiB.
    #[arg(long, value_name = "KIB", default_value_t = 1024)]
    max_body: u32,
    /// Connections that are served at once. A further one replaces one that is idle or whose body
    /// does not arrive, or waits up to 5 seconds. As many may wait; beyond that the answer is 503.
    #[arg(long, value_name = "N", default_value = "64", value_parser = clap::value_parser!(u32).range(1..))]
    connections: u32,
    /// Seconds that a connection stays open between requests. Longer than clients keep theirs in a
    /// pool, which is up to 90 by default. 0 closes it after each request.
    #[arg(long, value_name = "SECONDS", default_value_t = 120, value_parser = clap::value_parser!(u32).range(..=86400))]
    keep_alive: u32,
}

fn main() -> ExitCode {
    match run(Args::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(args: Args) -> Result<(), Box<dyn std::error::Error>> {
    let path = args.model.unwrap_or_else(|| {
        let checkout = concat!(env!("CARGO_MANIFEST_DIR"), "/../..");
        PathBuf::from(checkout).join("models/codegeex_tiny.safetensors")
    });
    let name = match args.model_name {
        Some(name) => name,
        None => path.file_stem().map_or_else(
            || "codegeex".to_owned(),
            |stem| stem.to_string_lossy().into_owned(),
        ),
    };
    let mut load_options = LoadOptions::default();
    load_options.cpu = CpuOptions::new().threads(args.threads.map(usize::from));
    let generator = Generator::open_with(&path, &load_options)?;
    eprintln!("loaded {name}: {}", generator.model().describe());
    let options = EngineOptions {
        sequences: args.sequences,
        queue: args.queue,
        cache_bytes: args.cache_memory.map(|mib| u64::from(mib) << 20),
    };
    let engine = Engine::start(generator, options)?;
    let settings = Settings {
        model: name,
        max_body: args.max_body as usize * 1024,
        max_choices: args.max_choices.get(),
        read_timeout: Duration::from_secs(30),
        guard: Guard {
            names: [args.allow_host, vec![args.host.clone()]].concat(),
            origins: args.allow_origin,
        },
    };
    let limits = Limits {
        connections: args.connections as usize,
        keep_alive: Duration::from_secs(args.keep_alive.into()),
        ..Limits::default()
    };
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()?;
    runtime.block_on(async {
        // A name may stand for several addresses. The first that is free is taken.
        let host = args.host.trim_start_matches('[').trim_end_matches(']');
        let listener = TcpListener::bind((host, args.port))
            .await
            .map_err(|error| format!("cannot listen on {host}, port {}: {error}", args.port))?;
        let address = listener.local_addr()?;
        if !address.ip().is_loopback() {
            eprintln!(
                "warning: listening on {address}: everything that can reach this address can use \
                 the model, and nothing is encrypted"
            );
        }
        // The reader of the address may be gone by now, which is no reason not to serve.
        let _ = writeln!(std::io::stdout(), "http://{address}/");
        let _ = std::io::stdout().flush();
        let app = App::new(engine.clone(), settings);
        serve(listener, router(app), limits, interrupted(), || {
            engine.stop()
        })
        .await;
        Ok(())
    })
}

/// Ends at Ctrl-C, or when the system asks this process to end.
async fn interrupted() {
    let ctrl_c = async {
        if tokio::signal::ctrl_c().await.is_err() {
            // Without a handler, the signal ends the process as it is.
            std::future::pending::<()>().await;
        }
    };
    #[cfg(unix)]
    let asked = async {
        use tokio::signal::unix::{SignalKind, signal};
        match signal(SignalKind::terminate()) {
            Ok(mut signal) => {
                signal.recv().await;
            }
            Err(_) => std::future::pending().await,
        }
    };
    #[cfg(not(unix))]
    let asked = std::future::pending::<()>();
    tokio::select! {
        () = ctrl_c => {}
        () = asked => {}
    }
}
