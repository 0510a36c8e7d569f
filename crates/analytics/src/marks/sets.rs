//! A set of places a person: bits where there are few places, sorted lists with counts otherwise.

use std::mem::size_of;

/// Which places there may be, and how often one must be marked to count.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Shape {
    /// Places lie below this.
    pub(crate) places: u64,
    /// From 1.
    pub(crate) minimum: u32,
}

/// Up to so many places are kept as bits: 32 bytes a person, as much as the head of a list alone.
const MOST_BITS: u64 = 256;

impl Shape {
    /// Words a person, if its places are bits.
    fn words(self) -> Option<usize> {
        let few = self.minimum == 1 && self.places <= MOST_BITS;
        few.then(|| usize::try_from(self.places.div_ceil(64)).unwrap_or(1).max(1))
    }

    /// The places of one person, ascending, into `places`. Damaged bytes have none.
    pub(crate) fn read(self, bytes: &[u8], places: &mut Vec<u64>) {
        places.clear();
        let words =
            bytes.chunks_exact(size_of::<u64>()).filter_map(|chunk| Some(u64::from_le_bytes(chunk.try_into().ok()?)));
        if self.words().is_none() {
            places.extend(words);
            return;
        }
        for (word, mut bits) in (0_u64..).zip(words) {
            while bits != 0 {
                places.push(word * 64 + u64::from(bits.trailing_zeros()));
                bits &= bits - 1;
            }
        }
    }
}

/// The sets of many persons.
#[derive(Debug)]
pub(super) struct Sets {
    shape: Shape,
    kept: Kept,
}

#[derive(Debug)]
enum Kept {
    /// So many words a person, one after the other.
    Bits { words: usize, bits: Vec<u64> },
    /// A list a person, ascending: a place and how often, up to the minimum. `entries` is the room in all of them.
    Lists { lists: Vec<Vec<(u64, u32)>>, entries: usize },
}

impl Sets {
    pub(super) fn new(shape: Shape) -> Self {
        let kept = match shape.words() {
            Some(words) => Kept::Bits { words, bits: Vec::new() },
            None => Kept::Lists { lists: Vec::new(), entries: 0 },
        };
        Self { shape, kept }
    }

    pub(super) fn shape(&self) -> Shape {
        self.shape
    }

    /// How many persons there are.
    pub(super) fn len(&self) -> usize {
        match &self.kept {
            Kept::Bits { words, bits } => bits.len() / words,
            Kept::Lists { lists, .. } => lists.len(),
        }
    }

    /// Makes room for so many persons.
    pub(super) fn grow(&mut self, persons: usize) {
        match &mut self.kept {
            Kept::Bits { words, bits } => bits.resize(bits.len().max(persons * *words), 0),
            Kept::Lists { lists, .. } => lists.resize_with(lists.len().max(persons), Vec::new),
        }
    }

    /// Marks a place so many times. Places beyond the shape are not there.
    pub(super) fn mark(&mut self, person: usize, place: u64, times: u32) {
        if place >= self.shape.places {
            return;
        }
        match &mut self.kept {
            Kept::Bits { words, bits } => {
                let word = usize::try_from(place / 64).ok().and_then(|word| bits.get_mut(person * *words + word));
                if let Some(word) = word {
                    *word |= 1 << (place % 64);
                }
            }
            Kept::Lists { lists, entries } => {
                let Some(list) = lists.get_mut(person) else { return };
                let before = list.capacity();
                add(list, place, times, self.shape.minimum);
                *entries += list.capacity() - before;
            }
        }
    }

    /// Takes out the first persons; the others move up.
    pub(super) fn take_first(&mut self, persons: usize) -> Self {
        let persons = persons.min(self.len());
        let kept = match &mut self.kept {
            Kept::Bits { words, bits } => {
                let rest = bits.split_off(persons * *words);
                Kept::Bits { words: *words, bits: std::mem::replace(bits, rest) }
            }
            Kept::Lists { lists, entries } => {
                let rest = lists.split_off(persons);
                let first = std::mem::replace(lists, rest);
                let taken = first.iter().map(Vec::capacity).sum();
                *entries -= taken;
                Kept::Lists { lists: first, entries: taken }
            }
        };
        Self { shape: self.shape, kept }
    }

    /// What [`Shape::read`] reads.
    pub(super) fn write_result(&self, person: usize, out: &mut Vec<u8>) {
        match &self.kept {
            Kept::Bits { words, bits } => {
                let own = bits.get(person * words..(person + 1) * words).unwrap_or_default();
                own.iter().for_each(|word| out.extend(word.to_le_bytes()));
            }
            Kept::Lists { lists, .. } => {
                let reached = lists.get(person).into_iter().flatten().filter(|(_, times)| *times >= self.shape.minimum);
                reached.for_each(|(place, _)| out.extend(place.to_le_bytes()));
            }
        }
    }

    /// What [`Self::merge`] takes.
    pub(super) fn write_state(&self, person: usize, out: &mut Vec<u8>) {
        match &self.kept {
            Kept::Bits { .. } => self.write_result(person, out),
            Kept::Lists { lists, .. } => {
                for (place, times) in lists.get(person).into_iter().flatten() {
                    out.extend(place.to_le_bytes());
                    out.extend(times.to_le_bytes());
                }
            }
        }
    }

    /// Adds another state of the same person; `None` if the bytes are none.
    pub(super) fn merge(&mut self, person: usize, state: &[u8]) -> Option<()> {
        match &mut self.kept {
            Kept::Bits { words, bits } => {
                let own = bits.get_mut(person * *words..(person + 1) * *words)?;
                for (word, other) in own.iter_mut().zip(state.chunks_exact(size_of::<u64>())) {
                    *word |= u64::from_le_bytes(other.try_into().ok()?);
                }
            }
            Kept::Lists { .. } => {
                for entry in state.chunks_exact(size_of::<u64>() + size_of::<u32>()) {
                    let (place, times) = entry.split_first_chunk::<8>()?;
                    self.mark(person, u64::from_le_bytes(*place), u32::from_le_bytes(times.try_into().ok()?));
                }
            }
        }
        Some(())
    }

    /// Bytes in memory.
    pub(super) fn size(&self) -> usize {
        match &self.kept {
            Kept::Bits { bits, .. } => bits.capacity() * size_of::<u64>(),
            Kept::Lists { lists, entries } => {
                lists.capacity() * size_of::<Vec<(u64, u32)>>() + entries * size_of::<(u64, u32)>()
            }
        }
    }
}

/// Adds to the count of a place. Events mostly come in the order of time, so its end is looked at first.
fn add(list: &mut Vec<(u64, u32)>, place: u64, times: u32, most: u32) {
    let found = match list.last() {
        Some((last, _)) if *last < place => Err(list.len()),
        Some((last, _)) if *last == place => Ok(list.len() - 1),
        _ => list.binary_search_by_key(&place, |(place, _)| *place),
    };
    match found {
        Ok(at) => {
            if let Some((_, count)) = list.get_mut(at) {
                *count = count.saturating_add(times).min(most);
            }
        }
        Err(at) => list.insert(at, (place, times.min(most))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SHAPES: [Shape; 3] = [
        Shape { places: 130, minimum: 1 },
        Shape { places: 1_000_000_000_000, minimum: 1 },
        Shape { places: 130, minimum: 2 },
    ];

    fn places(shape: Shape, sets: &Sets, person: usize) -> Vec<u64> {
        let (mut bytes, mut places) = (Vec::new(), Vec::new());
        sets.write_result(person, &mut bytes);
        shape.read(&bytes, &mut places);
        places
    }

    #[test]
    fn places_come_back_sorted_if_they_were_marked_often_enough() {
        for shape in SHAPES {
            let mut sets = Sets::new(shape);
            sets.grow(2);
            for place in [129, 3, 129, 0, 64, 3] {
                sets.mark(1, place, 1);
            }
            let expect: &[u64] = if shape.minimum == 1 { &[0, 3, 64, 129] } else { &[3, 129] };
            assert_eq!(places(shape, &sets, 1), expect, "{shape:?}");
            assert_eq!(places(shape, &sets, 0), [0_u64; 0], "{shape:?}");
        }
    }

    #[test]
    fn a_place_beyond_the_shape_marks_nobody_else() {
        let shape = SHAPES[0];
        let mut sets = Sets::new(shape);
        sets.grow(2);
        sets.mark(0, 130, 1);
        sets.mark(0, 195, 1);
        assert_eq!(places(shape, &sets, 1), [0_u64; 0]);
    }

    #[test]
    fn states_are_merged_and_the_first_persons_are_taken() {
        for shape in SHAPES {
            let (mut sets, mut other) = (Sets::new(shape), Sets::new(shape));
            sets.grow(3);
            other.grow(1);
            sets.mark(2, 7, 1);
            other.mark(0, 7, 1);
            other.mark(0, 9, 2);
            let mut state = Vec::new();
            other.write_state(0, &mut state);
            sets.merge(2, &state).unwrap();
            let taken = sets.take_first(2);
            assert_eq!((taken.len(), sets.len()), (2, 1));
            assert_eq!(places(shape, &sets, 0), [7, 9], "{shape:?}");
            let rest = sets.take_first(1);
            assert_eq!((rest.len(), sets.len(), sets.size() < rest.size()), (1, 0, true), "{shape:?}");
        }
    }
}
