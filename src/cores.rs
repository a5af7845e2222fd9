//! Work on disjoint ranges of voxels, on all cores.
//!
//! What is computed never depends on the number of cores: a piece knows nothing of the others, and results come back
//! in the order of the pieces. Sums over pieces are for callers whose numbers add exactly.

use std::ops::Range;
use std::sync::Mutex;

/// Voxels below which a second thread costs more than it gains.
const LEAST: usize = 1 << 15;
/// Pieces a core: they cost unequally, and a core that has finished takes another.
const PIECES: usize = 4;

fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

/// How many voxels a piece of `count` has.
pub(crate) fn piece(count: usize) -> usize {
    let cores = cores();
    if cores == 1 || count <= LEAST { count.max(1) } else { count.div_ceil(PIECES * cores).max(LEAST) }
}

/// The ranges that `count` voxels are cut into.
pub(crate) fn ranges(count: usize) -> Vec<Range<usize>> {
    let step = piece(count);
    (0..count).step_by(step).map(|from| from..(from + step).min(count)).collect()
}

/// What `work` makes of each piece, in their order.
pub(crate) fn of_each<T: Send, R: Send>(pieces: impl IntoIterator<Item = T>, work: impl Fn(T) -> R + Sync) -> Vec<R> {
    let pieces: Vec<T> = pieces.into_iter().collect();
    let threads = cores().min(pieces.len());
    if threads < 2 {
        return pieces.into_iter().map(work).collect();
    }
    let count = pieces.len();
    let queue = Mutex::new(pieces.into_iter().enumerate());
    let (queue, work) = (&queue, &work);
    let next = || queue.lock().expect("no thread panics while it takes a piece").next();
    let take = move || {
        let mut done = Vec::new();
        while let Some((place, piece)) = next() {
            done.push((place, work(piece)));
        }
        done
    };
    let mut results: Vec<Option<R>> = (0..count).map(|_| None).collect();
    std::thread::scope(|scope| {
        let others: Vec<_> = (1..threads).map(|_| scope.spawn(take)).collect();
        let mut done = take();
        for other in others {
            done.extend(other.join().expect("a thread that works on voxels does not panic"));
        }
        for (place, result) in done {
            results[place] = Some(result);
        }
    });
    results.into_iter().map(|result| result.expect("every piece was taken")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn law_ranges_cover_every_voxel_once() {
        for count in [0, 1, LEAST, LEAST + 1, 1_000_003] {
            let ranges = ranges(count);
            assert_eq!(ranges.iter().map(ExactSizeIterator::len).sum::<usize>(), count);
            assert!(ranges.windows(2).all(|pair| pair[0].end == pair[1].start));
        }
    }

    #[test]
    fn law_results_keep_the_order_of_the_pieces() {
        let doubled = of_each(0..1000_u64, |n| 2 * n);
        assert!(doubled.iter().enumerate().all(|(n, &x)| x == 2 * n as u64));
    }
}
