//! `vestibule ca`: the certificate of the local CA, to be trusted by browsers and tools.

use std::process::ExitCode;

use super::{ConfigArgs, Failure};
use crate::certificates::local_ca;
use crate::state::clock::Clock;

/// Prints it; makes the CA first if there is none yet, so that it can be trusted before the gateway runs.
pub(super) fn run(args: &ConfigArgs) -> Result<ExitCode, Failure> {
    let config = crate::config::load(&args.config)?;
    if !config.tls.local_ca {
        let what = "the config has no local CA; `local_ca = true` in `[tls]` makes one";
        return Err(Failure::Usage(format!("{}: {what}", args.config.display())));
    }
    let ca = local_ca::open_or_create(&config.server.data, Clock.now());
    let ca = ca.map_err(|error| Failure::Other(error.to_string()))?;
    super::print(ca.pem())
}
