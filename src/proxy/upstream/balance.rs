//! Which server a request goes to.
//!
//! Pure but for one counter: which servers can be used, how busy they are and who the client is are told; nothing waits, and
//! nothing is allocated. A set of servers is a set of bits, which is why an app has 64 at most.

use std::net::IpAddr;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::state::network::Network;

/// Servers, each a bit.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(super) struct Set(u64);

impl Set {
    pub(super) fn insert(&mut self, index: usize) {
        self.0 |= 1_u64.checked_shl(u32::try_from(index).unwrap_or(u32::MAX)).unwrap_or(0);
    }

    pub(super) fn contains(self, index: usize) -> bool {
        self.0 & 1_u64.checked_shl(u32::try_from(index).unwrap_or(u32::MAX)).unwrap_or(0) != 0
    }

    pub(super) fn without(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }

    pub(super) fn is_empty(self) -> bool {
        self.0 == 0
    }
}

/// The order in which servers take turns, and what each of them takes.
#[derive(Debug)]
pub(super) struct Wheel {
    /// One whole cycle: each server as often as its weight says, spread as evenly as may be.
    turns: Box<[usize]>,
    weights: Box<[u32]>,
    /// What a server's name is to `by_client`.
    names: Box<[u64]>,
    next: AtomicUsize,
}

impl Wheel {
    /// A wheel of servers by name and weight.
    pub(super) fn new<'a>(servers: impl IntoIterator<Item = (&'a str, u32)>) -> Self {
        let (names, weights): (Vec<_>, Vec<u32>) =
            servers.into_iter().map(|(name, weight)| (hash(name.bytes()), weight.max(1))).unzip();
        let divisor = weights.iter().copied().reduce(greatest_common_divisor).unwrap_or(1).max(1);
        let shares: Vec<i64> = weights.iter().map(|weight| i64::from(weight / divisor)).collect();
        let total: i64 = shares.iter().sum();
        // Each server gains its weight a turn, the richest takes the turn and pays the whole: so heavy ones do not come in a row.
        let mut purses = vec![0_i64; shares.len()];
        let turns = (0..total).map(|_| {
            for (purse, share) in purses.iter_mut().zip(&shares) {
                *purse += share;
            }
            let richest = (0..purses.len()).rev().max_by_key(|index| purses.get(*index)).unwrap_or(0);
            if let Some(purse) = purses.get_mut(richest) {
                *purse -= total;
            }
            richest
        });
        Self { turns: turns.collect(), weights: weights.into(), names: names.into(), next: AtomicUsize::new(0) }
    }

    /// The next in turn. Where that one cannot be used, another by weight: were it always the one behind it, that one would
    /// carry the whole load of the first.
    pub(super) fn round_robin(&self, usable: Set) -> Option<usize> {
        let (number, in_turn) = self.turn()?;
        if usable.contains(in_turn) {
            return Some(in_turn);
        }
        let all = self.weights.iter().enumerate().filter(|(index, _)| usable.contains(*index));
        let total: u64 = all.clone().map(|(_, weight)| u64::from(*weight)).sum();
        let mut at = mix(number as u64).checked_rem(total)?;
        for (index, weight) in all {
            match at.checked_sub(u64::from(*weight)) {
                None => return Some(index),
                Some(left) => at = left,
            }
        }
        None
    }

    /// The least busy for its weight; among equals, the next in turn.
    pub(super) fn least_busy(&self, usable: Set, busy: impl Fn(usize) -> usize) -> Option<usize> {
        let (_, in_turn) = self.turn()?;
        let count = self.weights.len();
        let mut best: Option<(usize, u64, u64)> = None;
        for index in (in_turn..count).chain(0..in_turn).filter(|index| usable.contains(*index)) {
            let weight = u64::from(self.weights.get(index).copied().unwrap_or(1));
            let load = busy(index) as u64 + 1;
            let is_better = best.is_none_or(|(_, least, of)| load * of < least * weight);
            if is_better {
                best = Some((index, load, weight));
            }
        }
        best.map(|(index, _, _)| index)
    }

    /// The same for a client as long as it can be used: each server draws a lot for the client, by its weight, and the highest
    /// wins (rendezvous hashing). When a server goes, only its own clients move.
    pub(super) fn by_client(&self, usable: Set, client: IpAddr) -> Option<usize> {
        // An IPv6 host changes its address within its network as it likes.
        let client = match Network::of_host(client).address() {
            IpAddr::V4(address) => hash(address.octets()),
            IpAddr::V6(address) => hash(address.octets()),
        };
        let lot = |index: usize| {
            let name = self.names.get(index).copied().unwrap_or_default();
            let weight = f64::from(self.weights.get(index).copied().unwrap_or(1));
            // 53 bits make a number above 0 and below 1.
            let drawn = ((mix(name ^ client) >> 11) as f64 + 0.5) / (1_u64 << 53) as f64;
            weight / -drawn.ln()
        };
        (0..self.weights.len())
            .filter(|index| usable.contains(*index))
            .map(|index| (index, lot(index)))
            .max_by(|(_, one), (_, other)| one.total_cmp(other))
            .map(|(index, _)| index)
    }

    fn turn(&self) -> Option<(usize, usize)> {
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        let at = number.checked_rem(self.turns.len())?;
        Some((number, *self.turns.get(at)?))
    }
}

fn greatest_common_divisor(one: u32, other: u32) -> u32 {
    let (mut one, mut other) = (one, other);
    while other != 0 {
        (one, other) = (other, one % other);
    }
    one
}

/// FNV-1a: the same in every build, so that a client's server is the same after an upgrade.
fn hash(bytes: impl IntoIterator<Item = u8>) -> u64 {
    mix(bytes
        .into_iter()
        .fold(0xcbf2_9ce4_8422_2325, |sum, byte| (sum ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)))
}

/// Spreads every bit over all (the last step of SplitMix64).
fn mix(number: u64) -> u64 {
    let number = number.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let number = (number ^ (number >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let number = (number ^ (number >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    number ^ (number >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn wheel(weights: &[u32]) -> Wheel {
        let names: Vec<String> = (0..weights.len()).map(|index| format!("http://10.0.0.{index}:80")).collect();
        Wheel::new(names.iter().map(String::as_str).zip(weights.iter().copied()))
    }

    fn set(indexes: impl IntoIterator<Item = usize>) -> Set {
        indexes.into_iter().fold(Set::default(), |mut set, index| {
            set.insert(index);
            set
        })
    }

    #[test]
    fn a_heavy_server_does_not_come_all_in_a_row() {
        let wheel = wheel(&[4, 2, 2]);
        let turns: Vec<_> = (0..8).filter_map(|_| wheel.round_robin(set(0..3))).collect();
        assert_eq!(turns, [0, 1, 2, 0, 0, 1, 2, 0]);
    }

    #[test]
    fn who_stands_in_for_a_server_that_is_down_is_not_always_the_same() {
        let wheel = wheel(&[1, 1, 1, 1]);
        let mut counts = [0_u32; 4];
        for _ in 0..4000 {
            counts[wheel.round_robin(set([0, 2, 3])).expect("one can be used")] += 1;
        }
        assert_eq!(counts[1], 0);
        for index in [0, 2, 3] {
            assert!((1200..1470).contains(&counts[index]), "{counts:?}");
        }
        assert_eq!(wheel.round_robin(Set::default()), None);
    }

    #[test]
    fn the_least_busy_for_its_weight_is_next() {
        let wheel = wheel(&[1, 3]);
        let next = |busy: [usize; 2]| wheel.least_busy(set(0..2), |index| busy[index]);
        assert_eq!(next([1, 2]), Some(1));
        assert_eq!(next([1, 9]), Some(0));
        assert_eq!(wheel.least_busy(set([1]), |_| 1000), Some(1));
    }

    #[test]
    fn idle_servers_take_turns_by_their_weight() {
        let wheel = wheel(&[1, 3]);
        let mut counts = [0_u32; 2];
        for _ in 0..400 {
            counts[wheel.least_busy(set(0..2), |_| 0).expect("one can be used")] += 1;
        }
        assert_eq!(counts[0], 0, "for its weight, the heavy one is always less busy: {counts:?}");
    }

    #[test]
    fn clients_spread_by_weight() {
        let wheel = wheel(&[1, 3]);
        let count = (0..4000_u32).filter(|number| wheel.by_client(set(0..2), ip(*number)) == Some(1)).count();
        assert!((2850..3150).contains(&count), "{count}");
        let inside =
            |last: &str| wheel.by_client(set(0..2), format!("2001:db8:1:2::{last}").parse().expect("an address"));
        assert_eq!(inside("1"), inside("ffff"), "one host");
    }

    fn ip(number: u32) -> IpAddr {
        std::net::Ipv4Addr::from_bits(number.wrapping_mul(2_654_435_761)).into()
    }

    proptest! {
        #[test]
        fn weights_are_exact_over_a_cycle(weights in prop::collection::vec(1_u32..=100, 1..20), cycles in 1_usize..4) {
            let wheel = wheel(&weights);
            let divisor = weights.iter().copied().reduce(greatest_common_divisor).expect("one at least");
            let mut counts = vec![0; weights.len()];
            for _ in 0..wheel.turns.len() * cycles {
                counts[wheel.round_robin(set(0..weights.len())).expect("all can be used")] += 1;
            }
            for (count, weight) in counts.into_iter().zip(weights) {
                prop_assert_eq!(count, usize::try_from(weight / divisor).expect("small") * cycles);
            }
        }

        #[test]
        fn only_what_can_be_used_is_chosen(weights in prop::collection::vec(1_u32..=100, 1..64), bits: u64, client: u32) {
            let usable = set((0..weights.len()).filter(|index| bits & (1 << index) != 0));
            let wheel = wheel(&weights);
            for chosen in [
                wheel.round_robin(usable),
                wheel.least_busy(usable, |index| index % 3),
                wheel.by_client(usable, ip(client)),
            ] {
                prop_assert_eq!(chosen.is_none(), usable.is_empty());
                prop_assert!(chosen.is_none_or(|index| usable.contains(index)));
            }
        }

        #[test]
        fn nobody_is_less_busy_than_the_chosen(loads in prop::collection::vec((1_u32..10, 0_usize..50), 1..20)) {
            let weights: Vec<u32> = loads.iter().map(|(weight, _)| *weight).collect();
            let wheel = wheel(&weights);
            let chosen = wheel.least_busy(set(0..loads.len()), |index| loads[index].1).expect("one");
            let load = |index: usize| (loads[index].1 + 1) as f64 / f64::from(loads[index].0);
            for index in 0..loads.len() {
                prop_assert!(load(chosen) <= load(index) + 1e-9);
            }
        }

        #[test]
        fn when_a_server_goes_only_its_clients_move(count in 2_usize..20, gone in 0_usize..20, clients in prop::collection::vec(any::<u32>(), 50)) {
            let gone = gone % count;
            let wheel = wheel(&vec![1; count]);
            let left = set((0..count).filter(|index| *index != gone));
            for client in clients {
                let before = wheel.by_client(set(0..count), ip(client));
                let after = wheel.by_client(left, ip(client));
                prop_assert!(before == after || before == Some(gone));
            }
        }
    }
}
