use codegeex::cancel::CancelToken;
#[derive(clap::Args)]
pub struct Args {}
pub fn run(_: Args, _: &CancelToken) -> crate::failure::Result {
    Ok(())
}
