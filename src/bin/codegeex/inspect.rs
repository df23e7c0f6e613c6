use codegeex::cancel::CancelToken;
#[derive(clap::Args)]
pub struct Args {}
pub fn run(_: Args) -> crate::failure::Result {
    Ok(())
}
