//! The query that goes upstream: forced parameters in, the client's own of these names out.

use crate::policy::CompiledFilters;

/// The query that goes upstream; `None` when nothing is left of it.
#[must_use]
pub fn shape(filters: &CompiledFilters, query: Option<&str>) -> Option<String> {
    let _ = (filters, query);
    None
}
