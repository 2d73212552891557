//! What was packed comes out, however it was cut; what is wrong with it is found.

use std::io::Write as _;

use flate2::Compression;
use flate2::GzBuilder;
use flate2::write::{DeflateEncoder, GzEncoder, ZlibEncoder};
use proptest::prelude::*;

use super::super::sample::{cut, stream};
use super::*;

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(bytes).and_then(|()| encoder.finish()).expect("in memory")
}

fn zlib(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = ZlibEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(bytes).and_then(|()| encoder.finish()).expect("in memory")
}

fn raw_deflate(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = DeflateEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(bytes).and_then(|()| encoder.finish()).expect("in memory")
}

fn brotli(bytes: &[u8]) -> Vec<u8> {
    let mut packed = Vec::new();
    let parameters = brotli::enc::BrotliEncoderParams { quality: 4, ..Default::default() };
    brotli::BrotliCompress(&mut &*bytes, &mut packed, &parameters).expect("in memory");
    packed
}

fn zstd(bytes: &[u8]) -> Vec<u8> {
    zstd::bulk::compress(bytes, 3).expect("in memory")
}

type Pack = fn(&[u8]) -> Vec<u8>;
const PACKERS: [(&str, Coding, Pack); 5] = [
    ("gzip", Coding::Gzip, gzip),
    ("zlib", Coding::Deflate, zlib),
    ("raw deflate", Coding::Deflate, raw_deflate),
    ("br", Coding::Brotli, brotli),
    ("zstd", Coding::Zstd, zstd),
];

fn unpack(coding: Coding, pieces: Vec<&[u8]>) -> (Vec<u8>, Result<(), Unfilterable>) {
    let mut unpacker = Unpacker::new(coding).expect("a decoder");
    stream(&mut unpacker, pieces, Unpacker::push, Unpacker::finish)
}

fn trouble(coding: Coding, bytes: &[u8]) -> &'static str {
    unpack(coding, vec![bytes]).1.map_or_else(|error| error.name(), |()| "fine")
}

#[test]
fn a_content_coding_is_one_that_we_unpack_or_none() {
    for (values, expected) in [
        (&[][..], Ok(Coding::Identity)),
        (&["identity"], Ok(Coding::Identity)),
        (&["GZIP"], Ok(Coding::Gzip)),
        (&["x-gzip"], Ok(Coding::Gzip)),
        (&["identity, br"], Ok(Coding::Brotli)),
        (&["", "zstd"], Ok(Coding::Zstd)),
        (&["deflate"], Ok(Coding::Deflate)),
        (&["gzip, br"], Err("content-coding")),
        (&["gzip", "gzip"], Err("content-coding")),
        (&["compress"], Err("content-coding")),
        (&["dcb"], Err("content-coding")),
        (&["gzip;q=1"], Err("content-coding")),
    ] {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(CONTENT_ENCODING, http::HeaderValue::from_static(value));
        }
        assert_eq!(Coding::of(&headers).map_err(|error| error.name()), expected, "{values:?}");
    }
}

#[test]
fn attack_26_what_is_cut_off_or_goes_on_is_found() {
    let text = "id,price\n".repeat(500);
    for (name, coding, pack) in PACKERS {
        let packed = pack(text.as_bytes());
        assert_eq!(trouble(coding, &packed), "fine", "{name}");
        assert_eq!(trouble(coding, b""), "fine", "{name}: no bytes at all");
        for end in 1..packed.len() {
            assert_eq!(trouble(coding, packed.get(..end).expect("inside")), "does-not-unpack", "{name} cut at {end}");
        }
        for tail in [&b"x"[..], b"\0", b"\x1f\x8bxx"] {
            assert_eq!(trouble(coding, &[&packed, tail].concat()), "does-not-unpack", "{name} and {tail:?}");
            let pieces = vec![packed.as_slice(), tail];
            assert!(unpack(coding, pieces).1.is_err(), "{name}, then {tail:?}");
        }
        assert_eq!(trouble(coding, text.as_bytes()), "does-not-unpack", "{name}: not packed at all");
    }
    assert_eq!(unpack(Coding::Identity, vec![b"as ", b"it is"]), (b"as it is".to_vec(), Ok(())));
}

#[test]
fn several_members_of_gzip_and_frames_of_zstd_follow_each_other() {
    let pieces = [gzip(b"one "), gzip(b""), gzip(b"two")].concat();
    assert_eq!(unpack(Coding::Gzip, vec![&pieces]), (b"one two".to_vec(), Ok(())));
    let pieces = [zstd(b"one "), zstd(b"two")].concat();
    assert_eq!(unpack(Coding::Zstd, vec![&pieces]), (b"one two".to_vec(), Ok(())));
}

#[test]
fn every_field_of_a_header_of_gzip_is_read() {
    let mut encoder = GzBuilder::new()
        .filename("orders.csv")
        .comment("prices")
        .extra(vec![7; 300])
        .write(Vec::new(), Compression::default());
    let packed = encoder.write_all(b"text").and_then(|()| encoder.finish()).expect("in memory");
    let byte_by_byte = packed.chunks(1).collect();
    assert_eq!(unpack(Coding::Gzip, byte_by_byte), (b"text".to_vec(), Ok(())));

    // With a checksum of the header: flag 2, and two bytes more.
    let mut checked = gzip(b"text");
    if let Some(flags) = checked.get_mut(3) {
        *flags |= 2;
    }
    let mut crc = Crc::new();
    crc.update(checked.get(..10).expect("a head"));
    let [low, high, ..] = crc.sum().to_le_bytes();
    checked.splice(10..10, [low, high]);
    assert_eq!(unpack(Coding::Gzip, vec![&checked]), (b"text".to_vec(), Ok(())));
    checked.splice(10..11, [low ^ 1]);
    assert_eq!(trouble(Coding::Gzip, &checked), "does-not-unpack");
    // Reserved flags, another method, a wrong length at the end.
    for (at, byte) in [(3, 0x20), (2, 9), (packed.len() - 1, 1)] {
        let mut wrong = packed.clone();
        if let Some(place) = wrong.get_mut(at) {
            *place = byte;
        }
        assert_eq!(trouble(Coding::Gzip, &wrong), "does-not-unpack", "byte {at}");
    }
}

#[test]
fn attack_13_a_bomb_is_no_answer() {
    let zeroes = vec![0; MOST_UNPACKED_AT_ONCE + 1];
    for (name, coding, pack) in PACKERS {
        let packed = pack(&zeroes);
        let mut unpacker = Unpacker::new(coding).expect("a decoder");
        let mut largest = 0;
        let result = unpacker.push_into(&packed, &mut |piece| {
            largest = largest.max(piece.len());
            Ok(())
        });
        assert_eq!(result, Err(Unfilterable::Bomb), "{name}");
        assert!(largest <= PIECE, "{name}: {largest}");
        assert_eq!(unpack(coding, vec![&pack(&zeroes[1..])]).1, Ok(()), "{name}: as much as may be");
    }
}

#[test]
fn a_window_of_zstd_that_no_browser_takes_is_refused() {
    let with_window = |log: u32| {
        let mut encoder = zstd::stream::Encoder::new(Vec::new(), 1).expect("in memory");
        encoder.window_log(log).expect("a size");
        encoder.write_all(&[7; 100]).and_then(|()| encoder.finish()).expect("in memory")
    };
    assert_eq!(trouble(Coding::Zstd, &with_window(23)), "fine");
    assert_eq!(trouble(Coding::Zstd, &with_window(24)), "does-not-unpack");
}

#[test]
fn the_sink_can_stop_it() {
    let packed = gzip(b"text");
    let mut unpacker = Unpacker::new(Coding::Gzip).expect("a decoder");
    assert_eq!(unpacker.push_into(&packed, &mut |_| Err(Unfilterable::TooDeep)), Err(Unfilterable::TooDeep));
}

const fn is_shared<T: Send + Sync>() {}
const _: () = is_shared::<Unpacker>();

/// Text that packs, with noise in it.
fn body() -> impl Strategy<Value = Vec<u8>> {
    let part = prop_oneof![
        prop::collection::vec(any::<u8>(), 0..300),
        ("[a-z]{1,6}", 1_usize..4000).prop_map(|(word, times)| word.repeat(times).into_bytes()),
    ];
    prop::collection::vec(part, 0..6).prop_map(|parts| parts.concat())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn what_was_packed_comes_out_however_it_is_cut(
        body in body(),
        places in prop::collection::vec(any::<usize>(), 0..12)
    ) {
        for (name, coding, pack) in PACKERS {
            let packed = pack(&body);
            let (out, end) = unpack(coding, cut(&packed, &places));
            prop_assert_eq!(end, Ok(()), "{}", name);
            prop_assert!(out == body, "{}", name);
        }
    }

    #[test]
    fn no_bytes_panic_and_gzip_gives_the_body_or_nothing_whole(
        body in body(),
        at in any::<usize>(),
        byte in any::<u8>(),
        noise in prop::collection::vec(any::<u8>(), 0..200)
    ) {
        for (name, coding, pack) in PACKERS {
            let _ = unpack(coding, vec![&noise]);
            let mut packed = pack(&body);
            let at = at % packed.len();
            if let Some(place) = packed.get_mut(at) {
                *place = byte;
            }
            let (out, end) = unpack(coding, cut(&packed, &[at]));
            if name == "gzip" && end.is_ok() {
                prop_assert!(out == body, "byte {}", at);
            }
        }
    }
}
