//! Time and memory of a convolution of 128^3 voxels with a kernel as large as the map, on one thread.
//!
//! `cargo run --release --example convolution`

use lutra::svalues::convolution::Convolver;
use std::time::Instant;

#[allow(clippy::print_stdout, reason = "an example says what it measured")]
fn main() {
    let edge = std::env::args().nth(1).and_then(|n| n.parse().ok()).unwrap_or(128_usize);
    let (dims, half) = ([edge; 3], [edge - 1; 3]);
    let values: Vec<f64> = (0..edge * edge * edge)
        .map(|n| {
            let [i, j, k] = [n % edge, n / edge % edge, n / (edge * edge)];
            let r2 = (i * i + j * j + k * k) as f64;
            if r2 == 0.0 { 140.0 } else { 0.1 / r2 }
        })
        .collect();
    let map: Vec<f64> = (0..values.len()).map(|n| ((n * 7919 + 13) % 101) as f64 * 1e9).collect();
    let started = Instant::now();
    let convolver = Convolver::new(&values, half, dims);
    let prepared_s = started.elapsed().as_secs_f64();
    let best_s = (0..5)
        .map(|_| {
            let started = Instant::now();
            let result = convolver.apply(&map);
            assert!(result.iter().all(|e| e.is_finite()), "a convolution of finite numbers is finite");
            started.elapsed().as_secs_f64()
        })
        .fold(f64::INFINITY, f64::min);
    let megabytes = convolver.memory_bytes() as f64 / 1e6;
    println!(
        "{edge}^3 voxels, padded to {:?}: kernel prepared in {prepared_s:.3} s, laid over the map in {best_s:.3} s (best of 5), {megabytes:.0} MB besides map and result",
        convolver.padded()
    );
}
