//! Activity to decays, and decays, labels and CT numbers from one grid to another.

#![allow(clippy::needless_range_loop)]

use lutra::grid::{Volume, VoxelGrid};
use lutra::io::{labels::LabelNames, nifti as images};
use lutra::source::regrid::{average_to, labels_to, redistribute};
use lutra::source::{ActivityMap, ActivityUnit, DecayMap, sum};

use crate::io_nifti::{orientations, rotation};
use crate::needs::shared;

fn decays(grid: &VoxelGrid, mut value: impl FnMut([f64; 3]) -> f64) -> DecayMap {
    let data = (0..grid.len()).map(|n| value(grid.world_mm(grid.voxel(n).map(|v| v as f64))));
    DecayMap::new(Volume::new(grid.clone(), data.collect()).unwrap(), "test").unwrap()
}

/// A grid of cubes around the origin, turned about an axis.
fn turned(n: usize, edge_mm: f64, axis: [f64; 3], angle_rad: f64) -> VoxelGrid {
    let turn = rotation(axis, angle_rad);
    let affine = std::array::from_fn(|row| {
        let [a, b, c] = turn[row].map(|v| v * edge_mm);
        [a, b, c, -(a + b + c) * 0.5 * (n as f64 - 1.0)]
    });
    VoxelGrid::from_affine([n; 3], affine).unwrap()
}

#[test]
fn io_activity_units() {
    let grid = VoxelGrid::axis_aligned([2, 1, 1], [10.0, 10.0, 5.0], [0.0; 3]);
    let volume = Volume::new(grid, vec![2.0, 3.0]).unwrap();
    for (name, first) in [("decays", 2.0), ("mbq_h", 7.2e9), ("bq_ml_h", 2.0 * 3600.0 * 0.5)] {
        let unit = ActivityUnit::require(Some(name)).unwrap();
        assert_eq!(unit.to_string(), name);
        let map = ActivityMap::new(volume.clone(), unit, "a").unwrap().to_decays();
        assert_eq!(map.decays().data[0], first);
        assert_eq!(map.total_decays(), 2.5 * first);
    }
    for (given, shown) in [(None, "found none"), (Some("Bq"), "found \"Bq\""), (Some(""), "found \"\"")] {
        let error = ActivityUnit::require(given).unwrap_err().to_string();
        assert!(error.contains(shown) && error.contains("mbq_h") && error.contains("bq_ml_h"), "{error}");
    }
}

#[test]
fn io_bad_activity_is_refused_with_count_and_place() {
    let grid = VoxelGrid::axis_aligned([3, 2, 2], [3.0; 3], [0.0; 3]);
    let refusal = |changes: &[(usize, f64)]| {
        let mut data = vec![0.0; 12];
        changes.iter().for_each(|&(n, v)| data[n] = v);
        let volume = Volume::new(grid.clone(), data).unwrap();
        ActivityMap::new(volume, ActivityUnit::MbqH, "tia.nii").unwrap_err().to_string()
    };
    for (changes, shown) in [
        (&[(7, f64::NAN), (9, f64::INFINITY)][..], "2 NaN or infinite values, the first in voxel [1, 0, 1]"),
        (
            &[(4, -1.0), (5, -2.5), (0, 3.0)],
            "2 negative values, the lowest -2.5 in the map's unit, the first in voxel [1, 1, 0]",
        ),
        (&[], "found 0 in all 12 voxels"),
        (&[(0, 1e300)], "found more decays"),
    ] {
        let error = refusal(changes);
        assert!(error.contains(shown) && error.contains("tia.nii"), "{error}");
    }
}

#[test]
fn io_compensated_sum_keeps_every_decay() {
    // 1 + 1e6 times 1e-10: a plain sum loses part of it to rounding.
    let values = || std::iter::once(1.0e6).chain(std::iter::repeat_n(1e-10, 1_000_000));
    assert!((sum(values()) - 1.000_000_000_1e6).abs() < 1e-9);
    assert!((values().sum::<f64>() - 1.000_000_000_1e6).abs() > 1e-5);
}

#[test]
fn io_the_same_grid_keeps_every_value() {
    let grid = VoxelGrid::axis_aligned([5, 4, 3], [3.0, 3.0, 4.8], [1.0, 2.0, 3.0]);
    let map = decays(&grid, |[x, y, z]| x + 10.0 * y + 100.0 * z);
    let mut near = grid.clone();
    near.affine[0][3] += 1e-5;
    let out = redistribute(&map, &near).unwrap();
    assert_eq!(out.volume.decays().data, map.decays().data);
    assert_eq!((out.kept, out.lost), (map.total_decays(), 0.0));
}

#[test]
fn io_parallel_grids_share_decays_exactly() {
    // One voxel of 4.8 mm with its low corner at -2.4: 3 mm voxels from -1.5, faces at -1.5 and 1.5.
    let from = VoxelGrid::axis_aligned([1, 1, 1], [4.8; 3], [0.0; 3]);
    let to = VoxelGrid::axis_aligned([3, 3, 3], [3.0; 3], [-3.0; 3]);
    let out = redistribute(&decays(&from, |_| 1000.0), &to).unwrap();
    let share = [0.9 / 4.8, 3.0 / 4.8, 0.9 / 4.8];
    for k in 0..3 {
        for j in 0..3 {
            for i in 0..3 {
                let want = 1000.0 * share[i] * share[j] * share[k];
                assert!((out.volume.decays().at(i, j, k) - want).abs() < 1e-10);
            }
        }
    }
    assert!(out.lost.abs() < 1e-9);
}

#[test]
fn io_decays_are_kept_across_orders_spacings_and_angles() {
    let target = VoxelGrid::axis_aligned([12, 14, 13], [2.1, 1.7, 3.3], [-12.0, -2.0, 24.0]);
    let mut worst: f64 = 0.0;
    for from in orientations() {
        let map = decays(&from, |[x, y, z]| 1e12 * (1.0 + (x * 0.3).sin().abs() + y.abs() + z * z));
        let out = redistribute(&map, &target).unwrap();
        assert!(out.lost > 0.0 && out.kept > 0.0);
        worst = worst.max(((out.kept + out.lost) / out.source - 1.0).abs());
        assert_eq!(out.kept, out.volume.total_decays());
    }
    for n in 0..24 {
        let axis = [[0.0, 0.0, 1.0], [1.0, 0.3, 0.2], [0.5, 1.0, 0.7]][n % 3];
        let from = turned(9, [2.0, 4.8, 9.0][n % 3], axis, 0.07 + 0.13 * n as f64);
        let map = decays(&from, |[x, y, z]| 1e10 * (1.0 + x.abs() + 2.0 * y.abs() + z * z));
        let to = VoxelGrid::axis_aligned([11, 12, 13], [3.0, 2.5, 4.0], [-10.0, -20.0, -9.0]);
        let out = redistribute(&map, &to).unwrap();
        worst = worst.max(((out.kept + out.lost) / out.source - 1.0).abs());
    }
    println!("largest relative difference of kept + lost from the source: {worst:.2e}");
    assert!(worst < 1e-12, "{worst}");
}

#[test]
fn io_all_48_orders_of_the_same_activity_give_the_same_decays() {
    let target = VoxelGrid::axis_aligned([6, 7, 8], [2.5, 2.5, 3.3], [-8.0, 10.0, 31.0]);
    let mut first: Option<Vec<f64>> = None;
    for from in orientations() {
        let map = decays(&from, |[x, y, z]| 100.0 + x + 3.0 * y * y + 0.1 * z * z);
        let out = redistribute(&map, &target).unwrap().volume.into_volume().data;
        let first = first.get_or_insert_with(|| out.clone());
        for (a, b) in first.iter().zip(&out) {
            assert!((a - b).abs() <= 1e-9 * a.abs().max(1.0));
        }
    }
}

#[test]
fn io_oblique_grids_share_a_uniform_activity_exactly() {
    let mut worst: f64 = 0.0;
    for (from_mm, to_mm) in [(4.8, 3.0), (3.0, 4.8), (4.0, 4.0), (9.6, 3.0), (2.0, 2.5)] {
        for (n, angle) in [0.02, 0.1, 0.3, std::f64::consts::FRAC_PI_4, 1.1].into_iter().enumerate() {
            let axis = [[0.0, 0.0, 1.0], [1.0, 1.0, 1.0], [0.2, 1.0, -0.4]][n % 3];
            let from = turned((80.0 / from_mm) as usize, from_mm, axis, angle);
            let map = decays(&from, |_| 1000.0 * from.voxel_cm3());
            let half = (36.0 / to_mm) as usize / 2;
            let edge = -(half as f64) * to_mm;
            let to = VoxelGrid::axis_aligned([2 * half + 1; 3], [to_mm; 3], [edge; 3]);
            let out = redistribute(&map, &to).unwrap();
            for value in &out.volume.decays().data {
                worst = worst.max((value / (1000.0 * to.voxel_cm3()) - 1.0).abs());
            }
        }
    }
    println!("largest relative deviation from uniform: {worst:.2e}");
    assert!(worst < 1e-9, "{worst}");
}

#[test]
fn io_a_slow_turn_meets_the_parallel_limit() {
    // Just above the drift that counts as parallel, the oblique way gives what the exact one does.
    let to = VoxelGrid::axis_aligned([9; 3], [3.0; 3], [-12.0; 3]);
    let blob = |[x, y, z]: [f64; 3]| 1e6 * (-((x - 2.0).powi(2) + (y + 1.0).powi(2) + z * z) / 40.0).exp();
    let straight = redistribute(&decays(&turned(5, 4.8, [0.0, 0.0, 1.0], 0.0), blob), &to).unwrap();
    let turned = redistribute(&decays(&turned(5, 4.8, [0.0, 0.0, 1.0], 1e-3), blob), &to).unwrap();
    let pairs = straight.volume.decays().data.iter().zip(&turned.volume.decays().data);
    let worst = pairs.map(|(a, b)| (a - b).abs()).fold(0.0, f64::max);
    let peak = straight.volume.decays().data.iter().copied().fold(0.0, f64::max);
    println!("largest difference {:.3} % of the peak", 100.0 * worst / peak);
    assert!(worst < 0.01 * peak);
}

#[test]
fn io_activity_outside_is_counted_and_wholly_outside_refused() {
    let from = VoxelGrid::axis_aligned([4, 4, 4], [3.0; 3], [0.0; 3]);
    let map = decays(&from, |_| 10.0);
    // The target covers the lower half along x.
    let half = VoxelGrid::axis_aligned([2, 4, 4], [3.0; 3], [0.0; 3]);
    let out = redistribute(&map, &half).unwrap();
    assert!((out.lost_share() - 0.5).abs() < 1e-12);
    for angle in [0.0, 0.4] {
        let mut away = turned(4, 3.0, [0.0, 0.0, 1.0], angle);
        away.affine[2][3] += 500.0;
        let error = redistribute(&map, &away).unwrap_err().to_string();
        assert!(error.contains("all 6.4") && error.contains("outside the CT"), "{error}");
        assert!(labels_to(&Volume::filled(from.clone(), 1), &away).is_err());
        assert!(average_to(&Volume::filled(from.clone(), 1.0), &away, -1000.0).is_err());
    }
}

#[test]
fn alarm_a_shifted_activity_changes_its_decays() {
    let from = VoxelGrid::axis_aligned([6, 6, 6], [4.8; 3], [0.0; 3]);
    let to = VoxelGrid::axis_aligned([10, 10, 10], [3.0; 3], [-1.0; 3]);
    let map = decays(&from, |[x, y, z]| 1.0 + x + 2.0 * y + 5.0 * z);
    let right = redistribute(&map, &to).unwrap().volume.into_volume().data;
    let differs = |other: &VoxelGrid| {
        let data = map.decays().data.clone();
        let moved = DecayMap::new(Volume::new(other.clone(), data).unwrap(), "moved").unwrap();
        let out = redistribute(&moved, &to).unwrap().volume.into_volume().data;
        right.iter().zip(&out).filter(|(a, b)| (*a - *b).abs() > 1e-3 * a.abs().max(1e-6)).count()
    };
    assert_eq!(differs(&from), 0);
    let mut shifted = from.clone();
    shifted.affine[0][3] += 4.8;
    assert!(differs(&shifted) > 500);
    let mut swapped = from.clone();
    swapped.affine.iter_mut().for_each(|row| row.swap(0, 1));
    assert!(differs(&swapped) > 500);
}

#[test]
fn io_labels_follow_the_majority_and_report_volumes() {
    // 1 mm labels onto 2 mm: 5 of 8 against 3 of 8.
    let from = VoxelGrid::axis_aligned([2, 2, 2], [1.0; 3], [0.0; 3]);
    let to = VoxelGrid::axis_aligned([1, 1, 1], [2.0; 3], [0.5; 3]);
    let labels = Volume::new(from.clone(), vec![7, 3, 7, 3, 7, 3, 7, 7]).unwrap();
    let out = labels_to(&labels, &to).unwrap();
    assert_eq!(out.volume.data, [7]);
    let volumes: Vec<_> = out.changes.iter().map(|c| (c.label, c.before_cm3, c.after_cm3)).collect();
    assert_eq!(volumes, [(3, 0.003, 0.0), (7, 0.005, 0.008)]);
    // A finer, flipped, oblique grid: a ball of 20 mm keeps its volume.
    let from = VoxelGrid::axis_aligned([40; 3], [2.0; 3], [-39.0; 3]);
    let ball = Volume::new(
        from.clone(),
        (0..from.len())
            .map(|n| {
                let [x, y, z] = from.world_mm(from.voxel(n).map(|v| v as f64));
                u16::from(x * x + y * y + z * z < 400.0) * 5
            })
            .collect(),
    )
    .unwrap();
    for (to, limit) in [
        (turned(50, 1.5, [0.0, 0.0, 1.0], 0.0), 0.03),
        (turned(50, 1.5, [0.3, 0.4, 1.0], 0.5), 0.03),
        (turned(25, 3.2, [0.3, 0.4, 1.0], 2.5), 0.03),
        (turned(25, 3.2, [0.0, 0.0, 1.0], 0.0), 0.03),
    ] {
        let out = labels_to(&ball, &to).unwrap();
        println!("ball: volume changes by {:+.3} %", 100.0 * out.changes[0].change_rel());
        assert!(out.changes.len() == 1 && out.changes[0].change_rel().abs() < limit);
    }
    let same = labels_to(&ball, &from).unwrap();
    assert_eq!(same.volume, ball);
}

#[test]
fn io_ct_numbers_are_averaged_by_overlap() {
    let from = VoxelGrid::axis_aligned([4, 2, 2], [2.0; 3], [0.0; 3]);
    let ct = Volume::new(from.clone(), (0..16).map(|n| if n % 4 < 2 { -100.0 } else { 100.0 }).collect()).unwrap();
    let to = VoxelGrid::axis_aligned([3, 1, 1], [4.0; 3], [0.0, 1.0, 1.0]);
    let out = average_to(&ct, &to, -1000.0).unwrap();
    // The first voxel hangs over the left edge: the mean of what is there.
    assert_eq!(out.volume.data, [-100.0, 50.0, 100.0].map(|v: f32| v));
    let cover = from.isotropic_cover(3.0).unwrap();
    assert_eq!((cover.dims, cover.spacing_mm), ([3, 2, 2], [3.0; 3]));
    assert_eq!(cover.world_mm([1.0, 0.5, 0.5]), [3.0, 1.0, 1.0]);
    assert_eq!(average_to(&ct, &cover, -1000.0).unwrap().uncovered, 0);
    // A linear ramp stays a linear ramp on an oblique grid.
    let from = VoxelGrid::axis_aligned([40; 3], [2.0; 3], [-39.0; 3]);
    let ramp = |[x, y, z]: [f64; 3]| 3.0 * x - 2.0 * y + z;
    let data = (0..from.len()).map(|n| ramp(from.world_mm(from.voxel(n).map(|v| v as f64))) as f32);
    let ct = Volume::new(from.clone(), data.collect()).unwrap();
    let to = turned(10, 4.0, [0.3, 0.4, 1.0], 0.5);
    let out = average_to(&ct, &to, -1000.0).unwrap().volume;
    let worst = (0..to.len())
        .map(|n| (f64::from(out.data[n]) - ramp(to.world_mm(to.voxel(n).map(|v| v as f64)))).abs())
        .fold(0.0, f64::max);
    println!("largest deviation from a ramp of 7.5 HU a voxel: {worst:.2} HU");
    assert!(worst < 1.5, "{worst}");
}

#[test]
fn io_the_liver_case_agrees_on_both_grids() {
    let Some(home) = shared("cases/liver-ct") else {
        return;
    };
    let read = |path: &str| {
        let volume = images::read_as::<f64>(home.join(path)).unwrap();
        ActivityMap::new(volume, ActivityUnit::Decays, path).unwrap().to_decays()
    };
    let (fine, coarse) = (read("g30/tia_true.nii.gz"), read("g48/tia_true.nii.gz"));
    assert_eq!(fine.grid().spacing_mm, [3.0; 3]);
    assert_eq!(coarse.grid().spacing_mm, [4.8; 3]);
    // Fine to coarse: exact, so it gives the coarse map itself wherever that was made the same way.
    let out = redistribute(&fine, coarse.grid()).unwrap();
    println!(
        "3.0 -> 4.8 mm: source {:.9e}, kept {:.9e}, lost {:.3e}; the 4.8 mm file holds {:.9e}",
        out.source,
        out.kept,
        out.lost,
        coarse.total_decays()
    );
    assert!(((out.kept + out.lost) / out.source - 1.0).abs() < 1e-12);
    let pairs = || out.volume.decays().data.iter().zip(&coarse.decays().data);
    let peak = coarse.decays().data.iter().copied().fold(0.0, f64::max);
    let worst = pairs().map(|(a, b)| (a - b).abs()).fold(0.0, f64::max) / peak;
    println!("largest difference from the 4.8 mm file: {:.2e} of its peak", worst);
    // Coarse to fine.
    let back = redistribute(&coarse, fine.grid()).unwrap();
    println!("4.8 -> 3.0 mm: source {:.9e}, kept {:.9e}, lost {:.3e}", back.source, back.kept, back.lost);
    assert!(((back.kept + back.lost) / back.source - 1.0).abs() < 1e-12);
    assert!(back.lost_share() < 0.05);
    assert!(worst < 1e-5, "{worst}");
    // Onto the fine grid turned by 20 degrees about its middle.
    let mut oblique = fine.grid().clone();
    let middle = oblique.world_mm(oblique.dims.map(|n| 0.5 * (n as f64 - 1.0)));
    let turn = rotation([0.1, 0.2, 1.0], 0.35);
    for row in 0..3 {
        oblique.affine[row][3] = middle[row];
        for axis in 0..3 {
            oblique.affine[row][axis] = 3.0 * turn[row][axis];
            oblique.affine[row][3] -= 1.5 * turn[row][axis] * (oblique.dims[axis] as f64 - 1.0);
        }
    }
    let start = std::time::Instant::now();
    let out = redistribute(&coarse, &oblique).unwrap();
    println!(
        "4.8 -> 3.0 mm turned: kept {:.9e}, lost {:.3} %, {:.2} s",
        out.kept,
        100.0 * out.lost_share(),
        start.elapsed().as_secs_f64()
    );
    assert!(((out.kept + out.lost) / out.source - 1.0).abs() < 1e-12);
}

#[test]
fn io_every_shared_image_is_read() {
    let Some(cases) = shared("cases") else { return };
    let Some(refs) = shared("refs") else { return };
    let mut folders = vec![cases.clone(), refs];
    let mut read = 0;
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            if path.is_dir() {
                folders.push(path);
            } else if name.ends_with(".nii.gz") {
                let image = images::read_image::<f32>(&path).unwrap_or_else(|e| panic!("{e}"));
                assert!(image.volume.grid.orientation().is_canonical());
                if name.starts_with("labels") {
                    images::read_labels(&path).unwrap();
                }
                read += 1;
            }
        }
    }
    println!("{read} images read");
    assert!(read > 50);
    let names = LabelNames::read(cases.join("liver-ct/case.json")).unwrap();
    assert_eq!(names.get(2), Some("kidney_right"));
    assert_eq!(names.len(), 17);
}

#[test]
fn io_labels_of_the_liver_case_between_grids() {
    let Some(home) = shared("cases/liver-ct") else {
        return;
    };
    let fine = images::read_labels(home.join("g30/labels.nii.gz")).unwrap();
    let coarse = images::read_labels(home.join("g48/labels.nii.gz")).unwrap();
    let out = labels_to(&fine, &coarse.grid).unwrap();
    let agree = out.volume.data.iter().zip(&coarse.data).filter(|(a, b)| a == b).count();
    println!("{:.3} % of voxels agree", 100.0 * agree as f64 / coarse.data.len() as f64);
    for change in &out.changes {
        println!(
            "label {:3}: {:10.3} -> {:10.3} cm3 ({:+.2} %)",
            change.label,
            change.before_cm3,
            change.after_cm3,
            100.0 * change.change_rel()
        );
    }
    assert!(agree as f64 > 0.98 * coarse.data.len() as f64);
}
