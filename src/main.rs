//! The `vestibule` command.

use std::process::ExitCode;

/// Gives memory back: a start that reads a hundred thousand domains takes more for a moment than it keeps.
#[global_allocator]
static MEMORY: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    vestibule::cli::main()
}
