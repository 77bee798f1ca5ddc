//! The `sigbox` command.

use std::process::ExitCode;

use tikv_jemallocator::Jemalloc;

// Of those tried (glibc, mimalloc, jemalloc) the one that gives memory back after a burst; how soon is set in
// `.cargo/config.toml`.
#[global_allocator]
static ALLOCATOR: Jemalloc = Jemalloc;

fn main() -> ExitCode {
    sigbox::cli::main()
}
