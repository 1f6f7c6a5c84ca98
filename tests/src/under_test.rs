//! The `syncwell` binary with its fail points compiled in.

fn main() -> std::process::ExitCode {
    topology::cli::main()
}
