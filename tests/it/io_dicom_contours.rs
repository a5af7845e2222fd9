//! Contours to voxels: what a plane encloses and which slices a plane stands for, against what was drawn.

use std::f64::consts::TAU;

use dicom_core::VR;
use dicom_dictionary_std::tags;
use lutra::grid::VoxelGrid;
use lutra::io::dicom::{Regions, read_rtstruct, read_seg};

use crate::io_dicom_made::{Set, put, put_ds, put_items, seg, square, write};

/// A closed line in its plane, LPS mm.
type Line = Vec<[f64; 2]>;
/// Type and points of a contour, LPS mm.
type Drawn = (&'static str, Vec<[f64; 3]>);

const PLANAR: &str = "CLOSED_PLANAR";
const XOR: &str = "CLOSEDPLANAR_XOR";
/// Distance of the slices, mm.
const STEP_MM: f64 = 3.0;

/// Slices of 3 mm at 0 to 135 mm; pixels of 1 mm with centres at whole mm from -20 to 20.
fn grid() -> VoxelGrid {
    VoxelGrid::axis_aligned([41, 41, 46], [1.0, 1.0, STEP_MM], [-20.0, -20.0, 0.0])
}

/// A structure set: regions by number and name, and items of contours by the number that they refer to.
fn structures(names: &[(u16, &str)], items: &[(u16, Vec<Drawn>)]) -> Set {
    let mut set = Set::new_empty();
    put(&mut set, tags::SOP_CLASS_UID, VR::UI, "1.2.840.10008.5.1.4.1.1.481.3");
    put(&mut set, tags::SOP_INSTANCE_UID, VR::UI, "1.2.3.7");
    put(&mut set, tags::SERIES_INSTANCE_UID, VR::UI, "1.2.3.8");
    let rois = names.iter().map(|(number, name)| {
        let mut roi = Set::new_empty();
        put(&mut roi, tags::ROI_NUMBER, VR::IS, &number.to_string());
        put(&mut roi, tags::ROI_NAME, VR::LO, name);
        roi
    });
    put_items(&mut set, tags::STRUCTURE_SET_ROI_SEQUENCE, rois.collect());
    let items = items.iter().map(|(number, contours)| {
        let contours = contours.iter().map(|(kind, points)| {
            let mut contour = Set::new_empty();
            put(&mut contour, tags::CONTOUR_GEOMETRIC_TYPE, VR::CS, kind);
            put(&mut contour, tags::NUMBER_OF_CONTOUR_POINTS, VR::IS, &points.len().to_string());
            put_ds(&mut contour, tags::CONTOUR_DATA, &points.concat());
            contour
        });
        let mut item = Set::new_empty();
        put_items(&mut item, tags::CONTOUR_SEQUENCE, contours.collect());
        put(&mut item, tags::REFERENCED_ROI_NUMBER, VR::IS, &number.to_string());
        item
    });
    put_items(&mut set, tags::ROI_CONTOUR_SEQUENCE, items.collect());
    set
}

fn read(set: &Set) -> Result<Regions, String> {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("rs.dcm");
    write(&file, set);
    read_rtstruct(&file, &grid(), None).map_err(|error| error.to_string())
}

/// One region of contours.
fn region(contours: Vec<Drawn>) -> Regions {
    read(&structures(&[(1, "kidney")], &[(1, contours)])).unwrap()
}

fn count(regions: &Regions, label: u16) -> usize {
    regions.labels.data.iter().filter(|v| **v == label).count()
}

/// The lines in one plane, at the slice of 30 mm.
fn in_plane(kind: &'static str, lines: &[Line]) -> Vec<Drawn> {
    lines.iter().map(|line| (kind, line.iter().map(|[x, y]| [*x, *y, 30.0]).collect())).collect()
}

fn plane(lines: &[Line]) -> Regions {
    region(in_plane(PLANAR, lines))
}

/// Area that a region of one plane was found to have, mm2.
fn area_mm2(regions: &Regions) -> f64 {
    regions.reports[0].own_cm3 * 1e3 / STEP_MM
}

fn noted(regions: &Regions, words: &str) -> bool {
    regions.notes.iter().any(|note| note.place == Some("region kidney".into()) && note.contains(words))
}

/// A square of half-width `half` around (x, y), LPS mm.
fn flat(x: f64, y: f64, half: f64) -> Line {
    square(x, y, 0.0, half).iter().map(|p| [p[0], p[1]]).collect()
}

/// A circle of 72 corners.
fn circle(radius: f64) -> Line {
    (0..72).map(|n| TAU * f64::from(n) / 72.0).map(|a| [0.3 + radius * a.cos(), 0.2 + radius * a.sin()]).collect()
}

fn reversed(line: &[[f64; 2]]) -> Line {
    line.iter().rev().copied().collect()
}

fn from_other_corner(line: &[[f64; 2]], n: usize) -> Line {
    line[n..].iter().chain(&line[..n]).copied().collect()
}

fn moved(line: &[[f64; 2]], x: f64, y: f64) -> Line {
    line.iter().map(|p| [p[0] + x, p[1] + y]).collect()
}

/// Each side in `parts`.
fn resampled(line: &[[f64; 2]], parts: usize) -> Line {
    let sides = line.iter().zip(line.iter().cycle().skip(1));
    let on = |a: f64, b: f64, n: usize| a + (b - a) * n as f64 / parts as f64;
    sides.flat_map(|(a, b)| (0..parts).map(move |n| [on(a[0], b[0], n), on(a[1], b[1], n)])).collect()
}

fn every_third(line: &[[f64; 2]]) -> Line {
    line.iter().step_by(3).copied().collect()
}

/// A keyhole: the outline, a channel, the hole, the channel again.
fn keyhole(outline: &[[f64; 2]], hole: &[[f64; 2]]) -> Line {
    [outline, &outline[..1], hole, &hole[..1]].concat()
}

#[test]
fn io_contours_drawn_twice_count_once() {
    let once = circle(8.6);
    let single = plane(std::slice::from_ref(&once));
    let (voxels, area) = (count(&single, 1), area_mm2(&single));
    // A polygon of n corners: n/2 r^2 sin(2 pi / n).
    assert!((area / (36.0 * 8.6f64.powi(2) * (TAU / 72.0).sin()) - 1.0).abs() < 1e-6 && single.notes.is_empty());
    let twice = [
        ("as it is", once.clone()),
        ("backwards", reversed(&once)),
        ("from another corner", from_other_corner(&once, 31)),
        ("backwards from another corner", reversed(&from_other_corner(&once, 31))),
        ("moved by a hair", moved(&once, 0.04, -0.03)),
        ("in finer steps", resampled(&once, 4)),
        ("in coarser steps", every_third(&once)),
    ];
    for (how, again) in twice {
        for lines in [[once.clone(), again.clone()], [again, once.clone()]] {
            let found = plane(&lines);
            let off = (area_mm2(&found) / area - 1.0).abs();
            println!("{how}: {} of {voxels} voxels, area off by {off:.1e}", count(&found, 1));
            // Moved or coarser, whichever comes first is kept: the coarser one cuts 1 % of the circle's area.
            // Further corners are written with six decimals: each is off by up to 0.7e-6 mm of 8.6 mm.
            let (voxels_off, most) = match how {
                "in coarser steps" | "moved by a hair" => (6, 0.02),
                "in finer steps" => (0, 2e-7),
                _ => (0, 1e-9),
            };
            assert!(count(&found, 1).abs_diff(voxels) <= voxels_off && off < most, "{how}");
            assert!(
                noted(&found, "1 contours drawn twice (planes at 30.00 mm), counted once"),
                "{how}: {:?}",
                found.notes
            );
        }
    }
    let thrice = plane(&[once.clone(), reversed(&once), once.clone()]);
    assert!(count(&thrice, 1) == voxels && noted(&thrice, "2 contours drawn twice"));
    // One contour that goes round twice, on the same corners and on a track 0.05 mm beside them.
    for second in [once.clone(), circle(8.55)] {
        let found = plane(&[[once.clone(), second].concat()]);
        assert!(count(&found, 1).abs_diff(voxels) <= 2 && (area_mm2(&found) / area - 1.0).abs() < 0.01);
        assert!(noted(&found, "drawn twice"), "{:?}", found.notes);
    }
}

#[test]
fn io_contours_region_stored_twice_in_two_items_is_one_region() {
    let drawn: Vec<Drawn> = (5..15).map(|k| (PLANAR, square(0.0, 0.0, 3.0 * f64::from(k), 5.5))).collect();
    let single = region(drawn.clone());
    assert_eq!(count(&single, 1), 10 * 11 * 11);
    for items in [vec![(1, drawn.clone())], vec![(1, drawn.clone()), (1, drawn.clone())]] {
        let wanted_twice = items.len() == 2;
        let found = read(&structures(&[(1, "kidney")], &items)).unwrap();
        assert_eq!(found.labels.data, single.labels.data);
        assert!((found.reports[0].own_cm3 - 10.0 * 11.0 * 11.0 * STEP_MM * 1e-3).abs() < 1e-9);
        assert_eq!(found.reports.len(), 1);
        assert_eq!(
            noted(&found, "10 contours drawn twice (planes at 15.00, 18.00, 21.00, 24.00, and 6 more"),
            wanted_twice
        );
        assert_eq!(noted(&found, "several items"), wanted_twice);
    }
    // One contour of ten: the slice stays.
    let mut once_more = drawn.clone();
    once_more.push(drawn[5].clone());
    assert_eq!(region(once_more).labels.data, single.labels.data);
}

#[test]
fn io_contours_holes_and_keyholes_stay_empty() {
    // 17 x 17 less 7 x 7 voxels, and an island of 3 x 3.
    let (outline, hole, island) = (flat(0.0, 0.0, 8.5), flat(0.0, 0.0, 3.5), flat(0.0, 0.0, 1.5));
    let ring = 17 * 17 - 7 * 7;
    for (a, b) in [(false, false), (false, true), (true, false), (true, true)] {
        let turn = |line: &Line, back: bool| if back { reversed(line) } else { line.clone() };
        let (outline, hole) = (turn(&outline, a), turn(&hole, b));
        let found = plane(&[hole.clone(), outline.clone(), island.clone()]);
        assert_eq!((count(&found, 1), found.notes.len()), (ring + 9, 0));
        let found = plane(&[keyhole(&outline, &hole)]);
        assert_eq!((count(&found, 1), found.notes.len()), (ring, 0), "{:?}", found.notes);
        assert!((area_mm2(&found) - ring as f64).abs() < 1e-9);
        // Both as they are stored twice: still one ring.
        let found = plane(&[keyhole(&outline, &hole), keyhole(&outline, &hole)]);
        assert_eq!(count(&found, 1), ring);
        let found = plane(&[outline.clone(), hole.clone(), outline, hole]);
        assert_eq!(count(&found, 1), ring);
    }
    // A channel of 0.02 mm that the hole's direction makes cross itself, or not.
    let mut outer = outline.clone();
    outer.push([-8.5, -8.48]);
    for hole in [hole.clone(), reversed(&hole)] {
        let open = [&hole[..], &[[hole[0][0] + 0.02, hole[0][1]]]].concat();
        let found = plane(&[[&outer[..], &open[..]].concat()]);
        assert!(count(&found, 1).abs_diff(ring) <= 17, "{}", count(&found, 1));
        assert!((area_mm2(&found) - ring as f64).abs() < 1.0, "{}", area_mm2(&found));
    }
    // A hole that touches the outline along a side is one; so is one on the outline's corner.
    for (x, y) in [(5.0, 0.0), (5.0, 5.0)] {
        let found = plane(&[outline.clone(), flat(x, y, 3.5)]);
        assert_eq!((count(&found, 1), found.notes.len()), (ring, 0));
    }
    // Two parts with a corner or a side in common are two parts.
    for (x, y) in [(17.0, 17.0), (17.0, 0.0)] {
        let found = plane(&[moved(&outline, -8.5, -8.5), moved(&outline, x - 8.5, y - 8.5)]);
        assert!((area_mm2(&found) - 2.0 * 289.0).abs() < 1e-9 && found.notes.is_empty());
    }
    // A thin wall is a wall, and a thinner one is told.
    let wall = plane(&[outline.clone(), flat(0.0, 0.0, 7.5)]);
    assert_eq!((count(&wall, 1), wall.notes.len()), (289 - 225, 0));
    let rim = plane(&[outline.clone(), flat(0.0, 0.0, 8.2)]);
    assert!(noted(&rim, "rim thinner than 0.5 mm") && (area_mm2(&rim) - 289.0 + 16.4f64.powi(2)).abs() < 1e-9);
}

#[test]
fn io_contours_that_partly_overlap_are_a_union() {
    // 11 x 11 each, 5 x 11 in common.
    let (left, right) = (flat(-3.0, 0.0, 5.5), flat(3.0, 0.0, 5.5));
    let found = plane(&[left.clone(), right.clone()]);
    assert_eq!(count(&found, 1), 17 * 11);
    assert!((area_mm2(&found) - 17.0 * 11.0).abs() < 1e-9);
    assert!(noted(&found, "contours partly overlap (planes at 30.00 mm): 55.0 mm2"), "{:?}", found.notes);
    // A hole in what both hold is a hole in their union, and an island in it is inside.
    let found = plane(&[left.clone(), right.clone(), flat(0.0, 0.0, 2.0), flat(0.0, 0.0, 1.0)]);
    assert!((area_mm2(&found) - (17.0 * 11.0 - 16.0 + 4.0)).abs() < 1e-9, "{}", area_mm2(&found));
    // Turned by 45 degrees, with crossings at no corner: areas stay exact.
    let diamond = [[9.0, 0.0], [0.0, 9.0], [-9.0, 0.0], [0.0, -9.0]].to_vec();
    let found = plane(&[flat(0.0, 0.0, 6.0), diamond]);
    // The square's 144 and four tips of 3 mm height and 6 mm base.
    assert!((area_mm2(&found) - (144.0 + 4.0 * 9.0)).abs() < 1e-9, "{}", area_mm2(&found));
}

#[test]
fn io_contours_that_cross_themselves() {
    // A figure of eight: two triangles, base 8 and height 6 each, turned in opposite directions.
    let eight = vec![[-6.0, -4.0], [6.0, 4.0], [6.0, -4.0], [-6.0, 4.0]];
    let found = plane(&[eight]);
    assert!((area_mm2(&found) - 48.0).abs() < 1e-9 && found.notes.is_empty(), "{:?}", found.notes);
    assert!(count(&found, 1).abs_diff(48) < 8);
    // A loop inside that the line goes round twice: left out as a hole is, and said.
    let loops: Line = (0..360)
        // no corner lies where the line crosses itself
        .map(|n| TAU * (f64::from(n) + 0.5) / 360.0)
        .map(|a| [(4.0 + 8.0 * a.cos()) * a.cos() - 5.0, (4.0 + 8.0 * a.cos()) * a.sin()])
        .collect();
    let found = plane(&[loops]);
    // By r = a + b cos: all (a^2 + b^2/2) pi with the inner loop counted twice.
    let twice = 0.5 * TAU * (16.0 + 32.0);
    let left_out = found.notes[0]
        .to_string()
        .split(&[' ', ':'][..])
        .filter_map(|word| word.parse::<f64>().ok())
        .next_back()
        .unwrap();
    assert!((area_mm2(&found) + 2.0 * left_out - twice).abs() < 0.2, "{} {left_out}", area_mm2(&found));
    assert!(noted(&found, "a contour crosses itself (planes at 30.00 mm)"));
}

#[test]
fn io_contours_xor_is_xor() {
    let (left, right) = (flat(-3.0, 0.0, 5.5), flat(3.0, 0.0, 5.5));
    let xor = |lines: &[Line]| region(in_plane(XOR, lines));
    let found = xor(&[left.clone(), right.clone()]);
    assert_eq!((count(&found, 1), found.notes.len()), (12 * 11, 0));
    assert_eq!(count(&xor(&[flat(0.0, 0.0, 8.5), flat(0.0, 0.0, 3.5), flat(0.0, 0.0, 1.5)]), 1), 289 - 49 + 9);
    let found = xor(&[left.clone(), right.clone(), left.clone()]);
    assert_eq!(count(&found, 1), 121);
    assert!(noted(&found, "1 contours of type CLOSEDPLANAR_XOR coincide"), "{:?}", found.notes);
    let none = xor(&[left.clone(), left.clone()]);
    assert!(
        count(&none, 1) == 0
            && none.notes.iter().any(|note| note.to_string() == "region 1 kidney: no voxel of the grid")
    );
    // Both types in one plane: where they mean the same it does not matter, where not the set is refused.
    let mixed = |inner: Line| {
        let contours = [in_plane(PLANAR, &[flat(0.0, 0.0, 8.5)]), in_plane(XOR, &[inner])].concat();
        read(&structures(&[(1, "kidney")], &[(1, contours)]))
    };
    assert_eq!(count(&mixed(flat(0.0, 0.0, 3.5)).unwrap(), 1), 289 - 49);
    for inner in [flat(6.0, 0.0, 8.5), flat(0.0, 0.0, 8.5)] {
        let error = mixed(inner).unwrap_err();
        assert!(error.contains("region kidney: CLOSED_PLANAR and CLOSEDPLANAR_XOR contours that overlap"), "{error}");
    }
}

/// Noise of less than 1 in size, the same at each call.
fn noise(n: usize) -> f64 {
    ((n * 7919 + 13) % 2001) as f64 / 1000.0 - 1.0
}

/// A region of 11 x 11 voxels in planes at these heights.
fn at_heights(heights_mm: &[f64]) -> Regions {
    region(heights_mm.iter().map(|z| (PLANAR, square(0.0, 0.0, *z, 5.5))).collect())
}

/// The slices that a region has voxels on.
fn slices(regions: &Regions) -> Vec<usize> {
    let [nx, ny, nz] = regions.labels.grid.dims;
    let filled: Vec<usize> = (0..nz)
        .map(|k| regions.labels.data[k * nx * ny..(k + 1) * nx * ny].iter().filter(|v| **v > 0).count())
        .collect();
    assert!(filled.iter().all(|n| [0, 121].contains(n)), "{filled:?}");
    (0..nz).filter(|k| filled[*k] > 0).collect()
}

#[test]
fn io_contours_planes_stand_for_the_slices_of_their_slabs() {
    // Eight planes, one every so many slices: their slabs are as long as so many slices each, so as many centres lie
    // in them wherever they begin, and noise of the files' digits changes nothing.
    for every in [0.25, 1.0 / 3.0, 0.5, 1.0, 2.0, 3.0, 4.0] {
        for offset in [0.0, 0.25, 0.5, 0.75] {
            for noise_mm in [0.0, 1e-3] {
                let planes = if every < 1.0 { 24 } else { 8 };
                let heights: Vec<f64> =
                    (0..planes).map(|n| STEP_MM * (6.0 + offset + every * n as f64) + noise_mm * noise(n)).collect();
                let found = at_heights(&heights);
                let wanted = (planes as f64 * every).round() as usize;
                let slices = slices(&found);
                assert_eq!(slices.len(), wanted, "every {every}, offset {offset}, noise {noise_mm}: {slices:?}");
                assert!(slices.windows(2).all(|pair| pair[1] == pair[0] + 1));
                let drawn_cm3 = wanted as f64 * STEP_MM * 121.0 * 1e-3;
                let own_cm3 = found.reports[0].own_cm3;
                assert!((own_cm3 / drawn_cm3 - 1.0).abs() < 1e-3 * (1.0 / every).max(1.0), "{own_cm3} {drawn_cm3}");
                assert!(!noted(&found, "gaps"), "{:?}", found.notes);
                // A plane that lies on a slice is on it, noise or not.
                if offset == 0.0 && every >= 1.0 {
                    let on = (0..planes).map(|n| 6 + (every as usize) * n);
                    assert!(on.into_iter().all(|k| slices.contains(&k)));
                }
            }
        }
    }
    // What is half way between two planes goes to the upper: slices 10 to 18 every second one are 9 to 18.
    let even: Vec<f64> = (10..20).step_by(2).map(|k| STEP_MM * k as f64).collect();
    assert_eq!(slices(&at_heights(&even)), (9..19).collect::<Vec<_>>());
}

#[test]
fn io_contours_slabs_have_no_bias() {
    // Offsets evenly over a slice, none at a tie: the middle of the voxels is that of the planes on average.
    for every in [0.5, 1.0, 2.0, 3.0] {
        let off: Vec<f64> = (0..20)
            .map(|n| {
                let offset = (f64::from(n) + 0.5) / 20.0;
                let heights: Vec<f64> = (0..6).map(|n| STEP_MM * (6.0 + offset + every * f64::from(n))).collect();
                let slices = slices(&at_heights(&heights));
                let middle = slices.iter().map(|k| STEP_MM * *k as f64).sum::<f64>() / slices.len() as f64;
                middle - 0.5 * (heights[0] + heights[5])
            })
            .collect();
        let mean = off.iter().sum::<f64>() / 20.0;
        println!("every {every} slices: middle off by {mean:+.4} mm on average");
        assert!(mean.abs() < 1e-6 && off.iter().all(|off| off.abs() <= 0.5 * STEP_MM + 1e-6), "{off:?}");
    }
}

#[test]
fn io_contours_of_odd_planes() {
    // Uneven: from half a usual step (3.1 mm) below the first to half above the last.
    let uneven = [30.0, 33.0, 36.0, 39.9, 43.0, 46.1];
    assert_eq!(slices(&at_heights(&uneven)), (10..16).collect::<Vec<_>>());
    // Stored twice, 0.1 mm apart: no slice is lost or doubled.
    let pairs: Vec<f64> = (10..20).flat_map(|k| [STEP_MM * f64::from(k), STEP_MM * f64::from(k) + 0.1]).collect();
    let found = at_heights(&pairs);
    assert_eq!(slices(&found), (10..20).collect::<Vec<_>>());
    assert!(!noted(&found, "gaps"));
    // Twice within noise: one plane, drawn twice.
    let noisy: Vec<f64> = (0..20).map(|n| STEP_MM * f64::from(10 + n / 2) + 1e-3 * noise(n as usize)).collect();
    let found = at_heights(&noisy);
    assert_eq!(slices(&found), (10..20).collect::<Vec<_>>());
    assert!(noted(&found, "10 contours drawn twice"));
    // A lone plane is one slice, on it or half way between two.
    for offset in [0.0, 0.3, 0.5, 0.7] {
        assert_eq!(slices(&at_heights(&[STEP_MM * (10.0 + offset)])).len(), 1, "{offset}");
    }
    // Beyond the last slice of the grid nothing is made up; below it the drawn volume stays and the loss shows.
    let beyond = at_heights(&[129.0, 132.0, 135.0, 138.0, 141.0]);
    assert_eq!(slices(&beyond), [43, 44, 45]);
    assert!((beyond.reports[0].change_rel() + 0.4).abs() < 1e-9);
}

#[test]
fn io_contours_regions_without_voxels_and_names_twice_are_told() {
    let cube =
        |half: f64| (10..14).map(|k| (PLANAR, square(0.0, 0.0, 3.0 * f64::from(k), half))).collect::<Vec<Drawn>>();
    // Two regions of one name and of the same contours: the second takes all of the first.
    let found = read(&structures(
        &[(1, "kidney"), (2, "kidney"), (3, "empty"), (4, "bare")],
        &[(1, cube(5.5)), (2, cube(5.5)), (3, Vec::new())],
    ))
    .unwrap();
    assert_eq!((count(&found, 1), count(&found, 2)), (0, 4 * 121));
    let told = |words: &str| found.notes.iter().any(|note| note.contains(words));
    assert!(told("region 1 kidney: all of its 1.452 mL lie in 2 kidney_2"), "{:?}", found.notes);
    assert!(told("several regions are called kidney: one of them is kidney_2"));
    assert!(told("regions without a closed contour, left out: empty, bare"));
    // Too small for a centre: named.
    let small = read(&structures(&[(1, "dot")], &[(1, vec![(PLANAR, square(0.5, 0.5, 30.0, 0.2))])])).unwrap();
    assert!(small.notes.iter().any(|note| note.to_string() == "region 1 dot: no voxel of the grid"));
    // One number for two names does not say whose the contours are.
    let error = read(&structures(&[(1, "kidney"), (1, "liver")], &[(1, cube(5.5))])).unwrap_err();
    assert!(error.contains("ROINumber (3006,0022): found 1 for both kidney and liver"), "{error}");
}

#[test]
fn io_contours_the_same_kinds_in_segmentations() {
    let grid = VoxelGrid::axis_aligned([4, 4, 4], [2.0; 3], [-6.0, -6.0, 0.0]);
    let read = |set: &Set| {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("seg.dcm");
        write(&file, set);
        read_seg(&file, &grid, None).map_err(|error| error.to_string())
    };
    let full = [1u8; 16];
    // Segments that coincide: one has no voxel left, and that is said.
    let found = read(&seg("BINARY", &[(1, 0.0, full), (2, 0.0, full)])).unwrap();
    assert!(found.notes.iter().any(|note| note.contains("region 1 liver: all of its 0.128 mL lie in 2 tumour")));
    // A frame stored twice does not say which is meant.
    let error = read(&seg("BINARY", &[(1, 0.0, full), (1, 0.0, full)])).unwrap_err();
    assert!(error.contains("liver: frames 1 and 2 at one place"), "{error}");
    let mut set = seg("BINARY", &[(1, 0.0, full)]);
    let segments = ["liver", "tumour"].map(|name| {
        let mut segment = Set::new_empty();
        crate::io_dicom_made::put_u16(&mut segment, tags::SEGMENT_NUMBER, 1);
        put(&mut segment, tags::SEGMENT_LABEL, VR::LO, name);
        segment
    });
    put_items(&mut set, tags::SEGMENT_SEQUENCE, segments.to_vec());
    let error = read(&set).unwrap_err();
    assert!(error.contains("SegmentNumber (0062,0004): found 1 for both liver and tumour"), "{error}");
}

#[test]
fn alarm_io_contours_even_odd_over_doubles_shows() {
    // What a reader would find that took all contours of a plane together by the even-odd rule.
    let line = circle(8.6);
    let right = count(&plane(&[line.clone(), line.clone()]), 1);
    let even_odd = count(&region(in_plane(XOR, &[line.clone(), line])), 1);
    assert!(right > 200 && even_odd == 0);
    let (left, right) = (flat(-3.0, 0.0, 5.5), flat(3.0, 0.0, 5.5));
    let both = [left, right];
    assert!(area_mm2(&plane(&both)) - area_mm2(&region(in_plane(XOR, &both))) > 50.0);
}

#[test]
fn alarm_io_contours_a_slice_too_many_shows() {
    // Planes a tenth of a slice farther apart fill a slice more.
    let heights = |step: f64| (0..8).map(|n| STEP_MM * (6.0 + step * f64::from(n))).collect::<Vec<_>>();
    assert_ne!(slices(&at_heights(&heights(2.1))).len(), 16);
}
