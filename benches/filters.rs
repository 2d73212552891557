//! Throughput of the filters, in MiB a second of CPU time, beside a plain copy and beside `jq` that deletes the same members, in one
//! run and in turn.
//!
//! CPU time is the kernel's: of this thread from `/proc/thread-self/schedstat`, of `jq` as a child that was waited for.
//!
//! usage: `cargo bench --bench filters`; needs Debian's `jq`, and leaves it out where it is not there
#![expect(clippy::print_stdout, clippy::unwrap_used, reason = "it prints, and whatever fails ends it")]

use std::fmt::Write as _;
use std::hint::black_box;
use std::process::{Command, Stdio};

use vestibule::filters::csv::CsvFilter;
use vestibule::filters::html::HtmlFilter;
use vestibule::filters::json::{Documents, JsonFilter};
use vestibule::filters::{Unfilterable, Work};
use vestibule::policy::{self, Filters};
use vestibule::types;

#[path = "../src/filters/sample.rs"]
#[expect(dead_code, reason = "the filters' own tests use more of it")]
mod sample;

const ROUNDS: usize = 5;
const ROWS: usize = 40_000;
/// As Pingora hands them on.
const PIECE: usize = 64 * 1024;

fn main() {
    let orders: Vec<serde_json::Value> = (0..ROWS as u64).map(order).collect();
    let json = serde_json::to_vec(&serde_json::json!({ "count": ROWS, "orders": orders })).unwrap();
    let pretty = serde_json::to_vec_pretty(&orders).unwrap();
    let lines = orders.iter().map(|order| order.to_string() + "\n").collect::<String>().into_bytes();
    let (table, page) = (table(&orders), page(&orders));

    let hide = sample::hiding(&["price", "discount", "amount"]);
    let rows = Filters { rows: sample::keeping("row.customer == '42'"), ..hide.clone() };
    let remove = Filters { remove: vec![".price".to_owned()], ..Filters::default() };
    let one = Documents::One;
    let cases: Vec<(&str, &[u8], Run)> = vec![
        ("json, copied", &json, Box::new(copied)),
        ("json, hide", &json, with_json(&hide, one)),
        ("json, hide and rows", &json, with_json(&rows, one)),
        ("json in lines, copied", &pretty, Box::new(copied)),
        ("json in lines, hide", &pretty, with_json(&hide, one)),
        ("ndjson, hide", &lines, with_json(&hide, Documents::EachLine)),
        ("ndjson, hide and rows", &lines, with_json(&rows, Documents::EachLine)),
        ("csv, hide", &table, with_csv(&hide)),
        ("csv, hide and rows", &table, with_csv(&rows)),
        ("html, remove", &page, with_html(&remove)),
        ("jq, the same members deleted", &json, Box::new(jq)),
    ];
    let mut speeds: Vec<(f64, Vec<f64>)> = vec![(0.0, Vec::new()); cases.len()];
    for _ in 0..ROUNDS {
        for ((_, text, run), (left, speeds)) in cases.iter().zip(&mut speeds) {
            let (bytes, seconds) = run(text);
            *left = bytes as f64 / text.len() as f64;
            speeds.push(text.len() as f64 / 1_048_576.0 / seconds);
        }
    }
    let median = |speeds: &[f64]| {
        let mut speeds = speeds.to_vec();
        speeds.sort_by(f64::total_cmp);
        speeds.get(speeds.len() / 2).copied().unwrap_or_default()
    };
    let jq = speeds.last().map(|(_, speeds)| median(speeds)).unwrap_or_default();
    println!("{:30} {:>10} {:>8} {:>8} {:>8}", "MiB a second of CPU", "median", "min", "max", "times jq");
    for ((name, text, _), (left, speeds)) in cases.iter().zip(&speeds) {
        let most = speeds.iter().copied().fold(0.0, f64::max);
        let least = speeds.iter().copied().fold(f64::MAX, f64::min);
        let size = text.len() as f64 / 1_048_576.0;
        let share = left * 100.0;
        let median = median(speeds);
        println!(
            "{name:30} {median:>10.0} {least:>8.0} {most:>8.0} {:>8.1}   {size:.1} MiB, {share:.0} % leave",
            median / jq
        );
    }
}

/// Filters a text; answers how many bytes left, and how many seconds of CPU it took.
type Run<'a> = Box<dyn Fn(&[u8]) -> (usize, f64) + 'a>;

fn cpu_seconds() -> f64 {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap();
    text.split(' ').next().unwrap().parse::<f64>().unwrap() / 1e9
}

fn measured(text: &[u8], mut push: impl FnMut(&[u8], &mut Vec<u8>) -> Result<(), Unfilterable>) -> (usize, f64) {
    let mut out = Vec::with_capacity(2 * PIECE);
    let mut left = 0;
    let start = cpu_seconds();
    for piece in text.chunks(PIECE) {
        out.clear();
        push(piece, &mut out).unwrap();
        left += black_box(&out).len();
    }
    (left, cpu_seconds() - start)
}

/// So quick that the kernel, which counts by ticks, has to be given many.
fn copied(text: &[u8]) -> (usize, f64) {
    const TIMES: u32 = 100;
    let copy = |piece: &[u8], out: &mut Vec<u8>| {
        out.extend_from_slice(piece);
        Ok(())
    };
    let start = cpu_seconds();
    let left = (0..TIMES).map(|_| measured(text, copy).0).max().unwrap_or_default();
    (left, (cpu_seconds() - start) / f64::from(TIMES))
}

fn work(filters: &Filters) -> Work {
    Work { most_row_bytes: 1 << 20, ..sample::work(filters.clone()) }
}

fn with_json(filters: &Filters, documents: Documents) -> Run<'_> {
    Box::new(move |text| {
        let mut filter = JsonFilter::new(&work(filters), documents).unwrap();
        let measured = measured(text, |piece, out| filter.push(piece, out));
        filter.finish(&mut Vec::new()).unwrap();
        measured
    })
}

fn with_csv(filters: &Filters) -> Run<'_> {
    Box::new(move |text| {
        let mut filter = CsvFilter::new(&work(filters), None).unwrap();
        measured(text, |piece, out| filter.push(piece, out))
    })
}

fn with_html(filters: &Filters) -> Run<'_> {
    Box::new(move |text| {
        let mut filter = HtmlFilter::new(&work(filters), None).unwrap();
        measured(text, |piece, out| filter.push(piece, out))
    })
}

/// `jq` as people would use it in its place, in a process of its own.
fn jq(text: &[u8]) -> (usize, f64) {
    let mut input = tempfile::NamedTempFile::new().unwrap();
    std::io::Write::write_all(&mut input, text).unwrap();
    let children = || {
        let text = std::fs::read_to_string("/proc/self/stat").unwrap();
        let fields: Vec<&str> = text.rsplit_once(')').unwrap().1.split_whitespace().collect();
        // cutime and cstime, in hundredths of a second.
        fields.iter().skip(13).take(2).map(|field| field.parse::<f64>().unwrap()).sum::<f64>() / 100.0
    };
    let start = children();
    let filter = "del(..|.price?,.discount?,.amount?)";
    let done = Command::new("jq").args(["-c", filter]).arg(input.path()).stderr(Stdio::inherit()).output();
    // Where there is no `jq`, it is endlessly slow.
    done.map_or((0, f64::INFINITY), |done| (done.stdout.len(), children() - start))
}

/// An order as an app's interface gives it, from its number alone.
fn order(number: u64) -> serde_json::Value {
    let dice = |salt: u64| {
        let mixed =
            (number + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15).wrapping_add(salt.wrapping_mul(0xbf58_476d_1ce4_e5b9));
        (mixed ^ (mixed >> 29)).wrapping_mul(0x94d0_49bb_1331_11eb) >> 33
    };
    const WORDS: [&str; 12] = [
        "pallet",
        "customs",
        "Müller",
        "invoice",
        "deadline",
        "naïve",
        "partial",
        "urgent",
        "Köln",
        "shipment",
        "\"fragile\"",
        "crate",
    ];
    let word = |salt: u64| WORDS.get(dice(salt) as usize % WORDS.len()).copied().unwrap_or_default();
    let note: Vec<&str> = (0..dice(1) % 16).map(|place| word(100 + place)).collect();
    let line = |place: u64| {
        serde_json::json!({
            "sku": format!("SKU-{:05}", dice(200 + place) % 100_000), "quantity": dice(300 + place) % 9 + 1,
            "price": (dice(400 + place) % 10_000) as f64 / 100.0, "unit": null,
        })
    };
    serde_json::json!({
        "id": number, "customer": (40 + dice(2) % 5).to_string(), "status": if dice(3) % 2 == 0 { "open" } else { "shipped" },
        "date": format!("2026-{:02}-{:02}", dice(4) % 12 + 1, dice(5) % 28 + 1), "reference": format!("PO-{}", dice(6) % 10_000_000),
        "price": (dice(7) % 100_000) as f64 / 100.0, "discount": dice(8) % 30, "amount": dice(9) % 500, "express": dice(10) % 3 == 0,
        "note": note.join(" "),
        "address": { "street": format!("Hauptstraße {}", dice(11) % 99), "city": word(12), "zip": format!("{:05}", dice(13) % 100_000), "country": "DE" },
        "lines": (0..dice(14) % 4 + 1).map(line).collect::<Vec<_>>(),
    })
}

const COLUMNS: [&str; 7] = ["id", "customer", "date", "price", "discount", "amount", "note"];

fn field(order: &serde_json::Value, column: &str) -> String {
    match &order[column] {
        serde_json::Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

fn table(orders: &[serde_json::Value]) -> Vec<u8> {
    let mut table = COLUMNS.join(",") + "\r\n";
    for order in orders {
        let fields = COLUMNS.map(|column| match field(order, column) {
            text if text.contains([',', '"']) => format!("\"{}\"", text.replace('"', "\"\"")),
            text => text,
        });
        table += &(fields.join(",") + "\r\n");
    }
    table.into_bytes()
}

fn page(orders: &[serde_json::Value]) -> Vec<u8> {
    let mut page = "<!doctype html><html><body><table>\n".to_owned();
    for order in orders {
        page += "<tr>";
        for column in COLUMNS {
            let text = field(order, column).replace('&', "&amp;").replace('<', "&lt;");
            let _ = write!(page, "<td class=\"{column}\">{text}</td>");
        }
        page += "</tr>\n";
    }
    (page + "</table></body></html>\n").into_bytes()
}
