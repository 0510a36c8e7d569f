//! Parquet's hybrid of runs and packed bits: how it stores the numbers of a dictionary and which rows are null.

/// A run shorter than this is packed with its neighbours.
const SHORTEST_RUN: usize = 8;

/// How many bits the numbers below `count` need.
pub(super) fn bits_for(count: usize) -> u32 {
    usize::BITS - count.saturating_sub(1).leading_zeros()
}

/// Appends numbers of at most `bits` bits (up to 32).
pub(super) fn encode(numbers: &[u32], bits: u32, to: &mut Vec<u8>) {
    let mut packed = numbers;
    let mut rest = numbers;
    while let Some(first) = rest.first() {
        let run = rest.iter().take_while(|number| *number == first).count();
        let before = packed.len() - rest.len();
        // Packed numbers come in eights: a run first fills up the last eight before it.
        let fill = before.next_multiple_of(8) - before;
        if run >= fill + SHORTEST_RUN {
            pack(packed.get(..before + fill).unwrap_or_default(), bits, to);
            repeat(*first, run - fill, bits, to);
            packed = rest.get(run..).unwrap_or_default();
        }
        rest = rest.get(run..).unwrap_or_default();
    }
    pack(packed, bits, to);
}

/// Appends one number `count` times.
pub(super) fn repeat(number: u32, count: usize, bits: u32, to: &mut Vec<u8>) {
    variable(count << 1, to);
    to.extend(number.to_le_bytes().into_iter().take(bits.div_ceil(8) as usize));
}

fn pack(numbers: &[u32], bits: u32, to: &mut Vec<u8>) {
    if numbers.is_empty() {
        return;
    }
    let eights = numbers.len().div_ceil(8);
    variable(eights << 1 | 1, to);
    let end = to.len() + eights * bits as usize;
    to.reserve(eights * bits as usize + 8);
    let (mut word, mut used) = (0_u64, 0);
    for number in numbers {
        word |= u64::from(*number) << used;
        used += bits;
        if used >= 32 {
            to.extend_from_slice(&(word as u32).to_le_bytes());
            word >>= 32;
            used -= 32;
        }
    }
    to.extend_from_slice(&word.to_le_bytes());
    to.resize(end, 0);
}

/// Appends a number in groups of seven bits, the lowest first.
fn variable(number: usize, to: &mut Vec<u8>) {
    let mut number = number;
    while number >= 0x80 {
        to.push((number & 0x7f) as u8 | 0x80);
        number >>= 7;
    }
    to.push(number as u8);
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Reads the numbers back, as the format's description says.
    fn decode(bytes: &[u8], bits: u32, count: usize) -> Vec<u32> {
        let (mut numbers, mut at) = (Vec::new(), 0);
        while numbers.len() < count {
            let (mut header, mut shift) = (0_usize, 0);
            loop {
                let byte = usize::from(bytes[at]);
                at += 1;
                header |= (byte & 0x7f) << shift;
                shift += 7;
                if byte < 0x80 {
                    break;
                }
            }
            if header & 1 == 0 {
                let width = bits.div_ceil(8) as usize;
                let number = bytes[at..at + width].iter().rev().fold(0, |number, byte| number << 8 | u32::from(*byte));
                numbers.extend(std::iter::repeat_n(number, header >> 1));
                at += width;
            } else {
                let values = (header >> 1) * 8;
                for value in 0..values {
                    let bit = |place: usize| u32::from(bytes[at + place / 8] >> (place % 8) & 1);
                    let start = value * bits as usize;
                    numbers.push((0..bits as usize).fold(0, |number, place| number | bit(start + place) << place));
                }
                at += values * bits as usize / 8;
            }
        }
        assert_eq!(at, bytes.len(), "all bytes are read");
        assert!(numbers.len() < count + 8);
        numbers.truncate(count);
        numbers
    }

    #[test]
    fn numbers_come_back() {
        let mut random = fastrand::Rng::with_seed(1);
        for bits in 0..=32_u32 {
            for most_alike in [1, 3, 9, 40, 1_000] {
                let mut numbers = Vec::new();
                while numbers.len() < 500 {
                    let number = if bits == 0 { 0 } else { random.u32(..) >> (32 - bits) };
                    numbers.extend(std::iter::repeat_n(number, random.usize(1..=most_alike)));
                }
                numbers.truncate(random.usize(0..500));
                let mut bytes = Vec::new();
                encode(&numbers, bits, &mut bytes);
                assert_eq!(decode(&bytes, bits, numbers.len()), numbers, "{bits} bits");
            }
        }
    }

    #[test]
    fn runs_are_short() {
        let mut bytes = Vec::new();
        encode(&[1; 100_000], 1, &mut bytes);
        assert!(bytes.len() <= 4, "{bytes:?}");
    }

    #[test]
    fn as_many_bits_as_numbers_need() {
        for (count, bits) in [(0, 0), (1, 0), (2, 1), (3, 2), (4, 2), (5, 3), (256, 8), (257, 9)] {
            assert_eq!(bits_for(count), bits, "{count} numbers");
        }
    }
}
