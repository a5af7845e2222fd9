//! What a registration of two CTs of 512 x 512 x 150 voxels costs: time, and memory against the volumes'.
//!
//! `cargo bench --bench register`; docs/methods/registration.md has the figures.

use criterion::{Criterion, criterion_group, criterion_main};
use lutra::grid::{Volume, VoxelGrid};
use lutra::register::{Affine, Kind, Likeness, Settings, register};
use lutra::report::run_record::{peak_memory_bytes, reset_peak_memory};
use std::hint::black_box;

/// Ellipsoids of a made patient: centre and half axes, mm, CT number.
const PARTS: [([f64; 3], [f64; 3], f64); 6] = [
    ([0.0, 0.0, 0.0], [165.0, 110.0, 1e4], -90.0),
    ([0.0, -5.0, 0.0], [145.0, 92.0, 1e4], 45.0),
    ([-75.0, 25.0, 45.0], [70.0, 60.0, 65.0], 60.0),
    ([60.0, -45.0, -10.0], [27.0, 25.0, 55.0], 35.0),
    ([-60.0, -45.0, 0.0], [27.0, 25.0, 52.0], 35.0),
    ([0.0, -65.0, 0.0], [22.0, 20.0, 1e4], 250.0),
];

fn ct(back: &Affine) -> Volume<f32> {
    let grid = VoxelGrid::axis_aligned([512, 512, 150], [0.8, 0.8, 2.0], [-204.8, -204.8, -150.0]);
    let value = |n: usize| {
        let p = back.apply(grid.world_mm(grid.voxel(n).map(|v| v as f64)));
        let inside = |(centre, half, _): &&([f64; 3], [f64; 3], f64)| {
            (0..3).map(|a| ((p[a] - centre[a]) / half[a]).powi(2)).sum::<f64>() < 1.0
        };
        // a pattern without structure in place of noise
        let grain = (n.wrapping_mul(2_654_435_761) % 1000) as f64 / 25.0 - 20.0;
        let hu = PARTS.iter().rfind(inside).map_or(-1000.0, |part| part.2);
        (hu + grain) as f32
    };
    Volume { data: (0..grid.len()).map(value).collect(), grid }
}

#[allow(clippy::print_stdout, reason = "memory is no time: criterion has no place for it")]
fn registration(c: &mut Criterion) {
    let motion = Affine::rigid([0.05, -0.03, 0.06], [9.0, -6.0, 12.0], [0.0; 3]);
    let (fixed, moving) = (ct(&Affine::IDENTITY), ct(&motion.inverse().expect("rigid")));
    let settings = Settings::new(Kind::Rigid, Likeness::MutualInformation, [true; 2]);
    reset_peak_memory();
    let before = peak_memory_bytes();
    black_box(register(&fixed, &moving, None, &settings).expect("overlap"));
    let volumes = 4.0 * (fixed.data.len() + moving.data.len()) as f64;
    if let (Some(before), Some(after)) = (before, peak_memory_bytes()) {
        println!("memory: {:.2} x the volumes, {:.2} x before", after as f64 / volumes, before as f64 / volumes);
    }
    let mut group = c.benchmark_group("register");
    group.sample_size(10);
    group.bench_function("two CTs of 512 x 512 x 150", |b| {
        b.iter(|| register(black_box(&fixed), black_box(&moving), None, &settings).expect("overlap"));
    });
    group.finish();
}

criterion_group!(benches, registration);
criterion_main!(benches);
