//! The `vestibule` command.

use std::process::ExitCode;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().collect();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    match arguments.get(1).map(String::as_str) {
        Some("demo") => {
            vestibule::telemetry::start(None);
            match runtime.block_on(vestibule::demo::run(arguments.get(2).and_then(|p| p.parse().ok()).unwrap_or(8443)))
            {
                Ok(()) => ExitCode::SUCCESS,
                Err(e) => {
                    eprintln!("{e}");
                    ExitCode::FAILURE
                }
            }
        }
        _ => {
            vestibule::telemetry::start(None);
            match runtime.block_on(vestibule::server::serve(std::path::Path::new(&arguments[3]))) {
                Ok(()) => ExitCode::SUCCESS,
                Err(e) => {
                    eprintln!("{e}");
                    ExitCode::from(2)
                }
            }
        }
    }
}
