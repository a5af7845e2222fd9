//! Parallel work on disjoint ranges of voxels, on all cores; two tasks at a time; and the only place that creates
//! threads.
//!
//! A system can refuse a thread (process limit, out of memory). Work without a requested number of threads then uses
//! those available; a requested number that is not available is an error ([`Refused`]).
//!
//! Results never depend on the number of cores: pieces are independent, and results are returned in the order of the
//! pieces. Sums over pieces are for callers whose numbers add exactly. A target without threads (WebAssembly) runs the
//! pieces one after another.

use std::ops::Range;
use std::sync::{Mutex, OnceLock};
use std::thread::{Builder, JoinHandle, Scope, ScopedJoinHandle};

/// Voxels below which a second thread costs more than it gains.
const LEAST: usize = 1 << 15;
/// Pieces a core: they cost unequally, and a core that has finished takes another.
const PIECES: usize = 4;

/// Most threads of one work; the largest machines have some 2000.
pub const MOST_THREADS: usize = 4096;

/// Why a work does not run on as many threads as were asked for.
#[derive(Debug)]
pub(crate) struct Refused {
    /// Threads that the system let start.
    pub(crate) started: usize,
    /// What the system said.
    pub(crate) source: std::io::Error,
}

/// Whether the target has threads.
const THREADS: bool = cfg!(not(target_family = "wasm"));

/// Threads that the machine offers, at least 1.
pub(crate) fn cores() -> usize {
    if THREADS { std::thread::available_parallelism().map_or(1, usize::from) } else { 1 }
}

/// What `here` and `there` make, at the same time; `there` on a thread of its own. Also on one core: the first may wait for
/// a device.
pub(crate) fn beside<A, B: Send>(here: impl FnOnce() -> A, there: impl FnOnce() -> B + Send) -> (A, B) {
    if !THREADS {
        return (here(), there());
    }
    // lent and not given: where no thread starts, the work is still there
    let there = Mutex::new(Some(there));
    let take = || there.lock().expect("no thread panics while it takes the work").take();
    std::thread::scope(|scope| {
        let beside = started(scope, || take().map(|there| there()));
        let here = here();
        let made = beside.ok().and_then(|thread| thread.join().expect("what runs beside does not panic"));
        (here, made.unwrap_or_else(|| take().expect("nobody took it")()))
    })
}

/// Does `work` on a thread of its own. Without threads nothing is done.
///
/// Errors: the system refuses the thread.
pub(crate) fn apart(work: impl FnOnce() + Send + 'static) -> std::io::Result<Option<JoinHandle<()>>> {
    if THREADS { Builder::new().spawn(work).map(Some) } else { Ok(None) }
}

/// Starts a thread, or says why the system refuses it.
fn started<'scope, R: Send + 'scope>(
    scope: &'scope Scope<'scope, '_>,
    work: impl FnOnce() -> R + Send + 'scope,
) -> std::io::Result<ScopedJoinHandle<'scope, R>> {
    Builder::new().spawn_scoped(scope, work)
}

/// Results of `work` on each of this many threads, which share it; without threads, one call after another. Work starts
/// only when all threads exist.
///
/// Errors: the system refuses a thread.
pub(crate) fn on_threads<R: Send>(threads: usize, work: impl Fn() -> R + Sync) -> Result<Vec<R>, Refused> {
    if !THREADS {
        return Ok((0..threads).map(|_| work()).collect());
    }
    let (all_there, work) = (OnceLock::<bool>::new(), &work);
    std::thread::scope(|scope| {
        let mut handles = Vec::new();
        let mut refused = None;
        while handles.len() < threads && refused.is_none() {
            match started(scope, || all_there.wait().then(work)) {
                Ok(handle) => handles.push(handle),
                Err(source) => refused = Some(Refused { started: handles.len(), source }),
            }
        }
        let _first_word = all_there.set(refused.is_none());
        let joined = handles.into_iter().map(|h| h.join().expect("a thread that shares work does not panic"));
        let made: Vec<R> = joined.flatten().collect();
        refused.map_or(Ok(made), Err)
    })
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
    of_each_on(cores(), pieces, work)
}

/// As [`of_each`], on at most this many threads.
pub(crate) fn of_each_on<T: Send, R: Send>(
    most: usize,
    pieces: impl IntoIterator<Item = T>,
    work: impl Fn(T) -> R + Sync,
) -> Vec<R> {
    let pieces: Vec<T> = pieces.into_iter().collect();
    let threads = if THREADS { most.min(pieces.len()) } else { 1 };
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
        let others: Vec<_> = (1..threads).map_while(|_| started(scope, take).ok()).collect();
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

    /// Two works at a time, and one on many threads, give what they give alone.
    #[test]
    fn law_works_beside_each_other_are_both_done() {
        assert_eq!(beside(|| 3, || 4), (3, 4));
        let left = Mutex::new(100);
        let take = || {
            let mut mine = 0;
            while let Some(rest) = left.lock().map(|mut n| (*n > 0).then(|| *n -= 1)).expect("no panic") {
                let () = rest;
                mine += 1;
            }
            mine
        };
        let shares = on_threads(3, take).expect("three threads");
        assert_eq!((shares.len(), shares.iter().sum::<u32>()), (3, 100));
    }

    #[test]
    fn law_results_keep_the_order_of_the_pieces() {
        let doubled = of_each(0..1000_u64, |n| 2 * n);
        assert!(doubled.iter().enumerate().all(|(n, &x)| x == 2 * n as u64));
    }
}
