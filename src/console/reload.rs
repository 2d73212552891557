//! What `/metrics` tells of reloads.

use std::fmt::Write as _;

use crate::state::reloads::Standing;

/// Appends what is counted of reloads.
pub(super) fn write_metrics(text: &mut String, standing: &Standing) {
    let Standing { digest, since, confirmed, failed, done, refused } = standing;
    let failed = failed.as_ref().map_or(0, |(since, _)| since.as_second());
    let (since, confirmed) = (since.as_second(), confirmed.as_second());
    // Writing to a string does not fail.
    let _ = write!(
        text,
        "\
# HELP vestibule_config_reloads_total Reloads of the config by outcome
# TYPE vestibule_config_reloads_total counter
vestibule_config_reloads_total{{outcome=\"done\"}} {done}
vestibule_config_reloads_total{{outcome=\"refused\"}} {refused}
# HELP vestibule_config_reloaded_seconds When a reload last ended well; the start counts as one
# TYPE vestibule_config_reloaded_seconds gauge
vestibule_config_reloaded_seconds {confirmed}
# HELP vestibule_config_reload_failed_since_seconds Since when config reload failed; 0 when the last one did not
# TYPE vestibule_config_reload_failed_since_seconds gauge
vestibule_config_reload_failed_since_seconds {failed}
# HELP vestibule_config_info The config in force by the digest of its text, and since when it is
# TYPE vestibule_config_info gauge
vestibule_config_info{{digest=\"{digest}\"}} {since}
"
    );
}
