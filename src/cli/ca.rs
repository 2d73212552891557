//! `vestibule ca`: prints the local CA's certificate.

use std::process::ExitCode;

use super::{ConfigArgs, Failure, print};
use crate::certificates::local_ca;
use crate::config;
use crate::state::clock::Clock;

/// Prints the certificate in PEM form; makes the CA if there is none yet, so that it can be trusted before the first start.
pub(super) fn run(args: &ConfigArgs) -> Result<ExitCode, Failure> {
    let config = config::load(&args.config)?;
    if !config.tls.local_ca {
        let what =
            "this config has no local CA\n  help: `[tls] local_ca = true` makes one, for trials and private networks";
        return Err(Failure::Usage(what.to_owned()));
    }
    let ca = local_ca::open_or_create(&config.server.data, Clock.now())
        .map_err(|error| Failure::Other(error.to_string()))?;
    print(ca.pem())
}
