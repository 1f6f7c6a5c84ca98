//! The `syncwell` binary.

use clap::Parser;
use std::process::ExitCode;
use topology::cli::{Cli, fail};

fn main() -> ExitCode {
    let cli = Cli::parse();
    topology::cli::log(&cli);
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(err) => return fail(&anyhow::anyhow!(err).context("start the runtime")),
    };
    match runtime.block_on(Box::pin(topology::cli::run(cli))) {
        Ok(()) => ExitCode::SUCCESS,
        Err(err) => fail(&err),
    }
}
