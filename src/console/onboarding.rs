//! How domains stand: the gauges.

use super::ConsoleRoom;
use crate::types::AppName;

/// Sets the gauges.
pub(super) async fn count(room: &ConsoleRoom) {
    let numbers = room.domains.numbers().await;
    // An app or a state that nothing is in any more must not keep its last number.
    room.metrics.domains.reset();
    let as_number = |count: u64| i64::try_from(count).unwrap_or(i64::MAX);
    for ((app, state), count) in &numbers.domains {
        let app = app.as_ref().map_or("", AppName::as_str);
        room.metrics.domains.with_label_values(&[app, state]).set(as_number(*count));
    }
    if let Some(left) = numbers.orders_left {
        room.metrics.certificate_orders_left.set(as_number(left));
    }
    if let Some(is_up) = numbers.authority_up {
        room.metrics.certificate_authority_up.set(i64::from(is_up));
    }
    room.metrics.certificate_ends_first.set(numbers.ends_first.map_or(0, |at| at.as_second()));
}
