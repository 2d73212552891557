//! The `vestibule` command.

use std::process::ExitCode;

/// Gives memory back: a start that reads a hundred thousand domains takes more for a moment than it keeps.
#[global_allocator]
static MEMORY: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    // A huge page stays whole for a small part of it that is in use: with a hundred thousand domains that comes to some 20 MiB. Where it
    // cannot be switched off, it costs just that.
    #[cfg(target_os = "linux")]
    let _ = rustix::thread::disable_transparent_huge_pages(true);
    vestibule::cli::main()
}
