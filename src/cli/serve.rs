//! `vestibule serve`: runs the gateway until it is told to stop.

use std::process::ExitCode;

use super::{ConfigArgs, Failure};
use crate::server::{self, Given, ServerError};

/// Runs until SIGTERM or Ctrl-C.
pub(super) async fn run(args: &ConfigArgs, given: Given) -> Result<ExitCode, Failure> {
    match server::serve(&args.config, given).await {
        Ok(()) => Ok(ExitCode::SUCCESS),
        Err(error) => Err(error.into()),
    }
}

impl From<ServerError> for Failure {
    fn from(error: ServerError) -> Self {
        match error {
            ServerError::Config(errors) => Self::Config(errors),
            other => Self::Other(other.to_string()),
        }
    }
}
