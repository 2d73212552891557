//! stub
use std::process::ExitCode;
use super::{Failure, ImpactArgs};
pub(super) async fn run(_args: &ImpactArgs) -> Result<ExitCode, Failure> { Ok(ExitCode::SUCCESS) }
