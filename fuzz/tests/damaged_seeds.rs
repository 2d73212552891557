//! Every target without libFuzzer, and so without nightly.
#![cfg(test)]

/// The targets without libFuzzer: every seed, and seeds that a fixed sequence of dice damages. `FUZZ_CASES` says how many.
fn on_damaged_seeds(target: &str, run: fn(&[u8])) {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("seeds").join(target);
    let mut seeds: Vec<_> =
        std::fs::read_dir(folder).expect("seeds").map(|entry| entry.expect("a seed").path()).collect();
    seeds.sort();
    let seeds: Vec<_> = seeds.iter().map(|path| std::fs::read(path).expect("a seed")).collect();
    seeds.iter().for_each(|seed| run(seed));
    let cases = std::env::var("FUZZ_CASES").ok().and_then(|number| number.parse().ok()).unwrap_or(20_000);
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut dice = |sides: usize| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        usize::try_from(state >> 33).expect("31 bits") % sides
    };
    const BYTES: &[u8] = b"\"\\{}[],:0-.eut \n\r\0\x80\xc3\xef/<>='&;%_";
    for _ in 0..cases {
        let mut data = seeds[dice(seeds.len())].clone();
        for _ in 0..=dice(4) {
            let at = dice(data.len() + 1);
            match dice(6) {
                0 => data.truncate(at.max(4)),
                1 if at < data.len() => drop(data.remove(at)),
                2 if at < data.len() => data[at] = u8::try_from(dice(256)).expect("a byte"),
                3 => {
                    let other = &seeds[dice(seeds.len())];
                    let from = dice(other.len());
                    data.splice(at..at, other[from..from + dice(other.len() - from)].iter().copied());
                }
                4 if data.len() > 3 => data[dice(3)] = u8::try_from(dice(256)).expect("a byte"),
                _ => data.insert(at, BYTES[dice(BYTES.len())]),
            }
        }
        run(&data);
    }
}

#[test]
fn json() {
    on_damaged_seeds("json", vestibule_fuzz::json);
}

#[test]
fn ndjson() {
    on_damaged_seeds("ndjson", vestibule_fuzz::ndjson);
}

#[test]
fn csv() {
    on_damaged_seeds("csv", vestibule_fuzz::csv);
}

#[test]
fn html() {
    on_damaged_seeds("html", vestibule_fuzz::html);
}

#[test]
fn query() {
    on_damaged_seeds("query", vestibule_fuzz::query);
}

#[test]
fn unpack() {
    on_damaged_seeds("unpack", vestibule_fuzz::unpack);
}
