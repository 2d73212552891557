//! What it costs a request to be counted for its customer: nanoseconds a request, alone and with others at the same time.
//!
//! `cargo bench --bench counting`

use std::hint::black_box;
use std::sync::Arc;
use std::time::{Duration, Instant};

use vestibule::state::usage::Tally;

const ROUNDS: u32 = 2_000_000;
const PATHS: [&str; 4] = ["/", "/orders", "/orders/1042/items/3", "/o/7b3f9c2e-1d2a-4b5c-8d9e-0f1a2b3c4d5e"];

/// Nanoseconds a round.
fn measure(what: &str, round: impl Fn(usize)) {
    let mut best = Duration::MAX;
    for _ in 0..5 {
        let begin = Instant::now();
        for number in 0..ROUNDS {
            round(black_box(number as usize));
        }
        best = best.min(begin.elapsed());
    }
    println!("{what:<44} {:>8.1} ns", best.as_secs_f64() * 1e9 / f64::from(ROUNDS));
}

fn path(number: usize) -> &'static str {
    PATHS.get(number % PATHS.len()).copied().unwrap_or("/")
}

fn main() {
    let tally = Arc::new(Tally::default());
    measure("nothing", |number| {
        black_box(path(number));
    });
    measure("a request that is no page", |_| tally.passed(None));
    measure("a page", |number| tally.passed(Some(path(number))));
    measure("a refusal", |_| tally.refused());
    let other = Arc::clone(&tally);
    let halt = Arc::new(std::sync::atomic::AtomicBool::new(false));
    let halted = Arc::clone(&halt);
    let beside = std::thread::spawn(move || {
        while !halted.load(std::sync::atomic::Ordering::Relaxed) {
            other.passed(Some("/orders"));
        }
    });
    measure("a page, while another thread does the same", |number| tally.passed(Some(path(number))));
    halt.store(true, std::sync::atomic::Ordering::Relaxed);
    let _ = beside.join();
}
