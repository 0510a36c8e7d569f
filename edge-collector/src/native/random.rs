//! Random bytes for requests: of the system, fetched many at a time, because two calls of it were half of a request's.

use std::cell::RefCell;

/// Bytes fetched at once: what forty events sent one by one use.
const POOL_BYTES: usize = 2048;

struct Pool {
    bytes: [u8; POOL_BYTES],
    /// How many at the front were given out. They are zero, so that what they became cannot be read off later.
    used: usize,
}

thread_local! {
    static POOL: RefCell<Pool> = const { RefCell::new(Pool { bytes: [0; POOL_BYTES], used: POOL_BYTES }) };
}

/// `N` bytes (at most [`POOL_BYTES`]) that nobody else gets.
///
/// # Errors
/// If the system has none.
pub(super) fn bytes<const N: usize>() -> Result<[u8; N], getrandom::Error> {
    const { assert!(N <= POOL_BYTES) };
    POOL.with_borrow_mut(|pool| {
        if pool.used + N > POOL_BYTES {
            // What is left is forgotten first: if the system fails half-way, nothing of it may be given out.
            pool.used = POOL_BYTES;
            getrandom::fill(&mut pool.bytes)?;
            pool.used = 0;
        }
        let mut taken = [0; N];
        let end = pool.used + N;
        if let Some(part) = pool.bytes.get_mut(pool.used..end) {
            taken.copy_from_slice(part);
            part.fill(0);
        }
        pool.used = end;
        Ok(taken)
    })
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn no_bytes_are_given_out_twice_and_none_are_zeros() {
        let of_one_thread = || (0..1000).map(|_| bytes::<32>().unwrap()).collect::<Vec<_>>();
        let other = std::thread::spawn(of_one_thread).join().unwrap();
        let all: HashSet<[u8; 32]> = of_one_thread().into_iter().chain(other).collect();
        assert_eq!(all.len(), 2000);
        // Also no halves of two requests alike: pools begin at new places.
        let halves: HashSet<&[u8]> = all.iter().flat_map(|seed| seed.chunks(16)).collect();
        assert_eq!(halves.len(), 4000);
        assert!(!all.contains(&[0; 32]));
    }

    #[test]
    fn what_was_given_out_is_no_longer_in_memory() {
        let taken = bytes::<16>().unwrap();
        POOL.with_borrow(|pool| assert!(!pool.bytes.windows(16).any(|window| window == taken)));
    }
}
