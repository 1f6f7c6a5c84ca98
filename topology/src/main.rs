//! The `syncwell` binary.

fn main() -> std::process::ExitCode {
    topology::cli::main()
}
