//! Perfect images, without any camera: what is in a region is found in it, although its voxels are shared.

use lutra::Nuclide;
use lutra::clinic::from_memory::Volumes;
use lutra::clinic::images::RegionMap;
use lutra::clinic::notes::Unheard;
use lutra::clinic::request::{GridChoice, RunOptions};
use lutra::clinic::series::{OpenSeries, Over};
use lutra::course::tia::{ActivityImage, Method};
use lutra::course::time_activity::Model;
use lutra::demo;
use lutra::grid::{Volume, VoxelGrid};
use lutra::source::outlines::redistribute_within;
use lutra::source::regrid::redistribute;
use lutra::source::{ActivityUnit, DecayMap, OutlineSharing};
use std::collections::BTreeMap;

/// How far a region may be off, relative: what the house asks of perfect images.
const LIMIT_REL: f64 = 3e-3;

/// The demo's abdomen with activity uniform in each region, decays per voxel, and an image of it on 4.8 mm voxels whose
/// faces are not the CT's.
struct Scene {
    made: demo::Demo,
    truth: DecayMap,
    image: DecayMap,
}

/// Voxels of air around the scene, so that the image ends where there is nothing: what an image voxel holds beyond the
/// outlines' grid is not known, and counts by volume.
const MARGIN: usize = 3;

/// The volume with the margin around it.
fn padded<T: Copy>(volume: &Volume<T>, outside: T) -> Volume<T> {
    let grid = &volume.grid;
    let first = grid.world_mm([-(MARGIN as f64); 3]);
    let mut all =
        Volume::filled(VoxelGrid::axis_aligned(grid.dims.map(|n| n + 2 * MARGIN), grid.spacing_mm, first), outside);
    let [nx, ny, nz] = grid.dims;
    let [px, py, _] = all.grid.dims;
    for k in 0..nz {
        for j in 0..ny {
            let (from, to) = ((k * ny + j) * nx, ((k + MARGIN) * py + j + MARGIN) * px + MARGIN);
            all.data[to..to + nx].copy_from_slice(&volume.data[from..from + nx]);
        }
    }
    all
}

impl Scene {
    fn new() -> Self {
        let made = demo::make(1);
        let made = demo::Demo {
            ct: padded(&made.ct, -1000.0),
            decays: padded(&made.decays, 0.0),
            labels: padded(&made.labels, 0),
            ..made
        };
        let mut sums: BTreeMap<u16, (f64, f64)> = BTreeMap::new();
        for (&label, &decays) in made.labels.data.iter().zip(&made.decays.data) {
            let sum = sums.entry(label).or_default();
            *sum = (sum.0 + decays, sum.1 + 1.0);
        }
        let uniform = made.labels.map(|label| sums[&label].0 / sums[&label].1);
        let truth = DecayMap::new(uniform, "truth").unwrap();
        let edge = 4.8;
        let cover = &made.ct.grid;
        let dims: [usize; 3] =
            std::array::from_fn(|a| (cover.dims[a] as f64 * cover.spacing_mm[a] / edge).ceil() as usize + 1);
        let first: [f64; 3] =
            std::array::from_fn(|a| cover.affine[a][3] - 0.5 * cover.spacing_mm[a] + 0.5 * edge - 1.7);
        let image = redistribute(&truth, &VoxelGrid::axis_aligned(dims, [edge; 3], first)).unwrap();
        assert!(image.lost_share() < 1e-12);
        Self { made, truth, image: image.volume }
    }

    fn names(&self) -> BTreeMap<u16, String> {
        self.made.names.iter().cloned().collect()
    }
}

/// Sums by label, but for what is outside the body.
fn by_label(labels: &[u16], values: &[f64]) -> BTreeMap<u16, f64> {
    let mut sums = BTreeMap::new();
    for (&label, &value) in labels.iter().zip(values).filter(|(label, _)| **label > 0) {
        *sums.entry(label).or_insert(0.0) += value;
    }
    sums
}

/// The largest relative deviation of a region.
fn worst(found: &BTreeMap<u16, f64>, truth: &BTreeMap<u16, f64>) -> f64 {
    truth
        .iter()
        .map(|(label, truth)| (found.get(label).copied().unwrap_or(0.0) / truth - 1.0).abs())
        .fold(0.0, f64::max)
}

#[test]
fn law_perfect_images_keep_every_region() {
    let scene = Scene::new();
    let labels = &scene.made.labels;
    let truth = by_label(&labels.data, &scene.truth.decays().data);
    let found = redistribute_within(&scene.image, labels).unwrap();
    let laid = &found.regridded.volume.decays().data;
    assert!(found.concentrations.converged());
    let off = worst(&by_label(&labels.data, laid), &truth);
    assert!(off < LIMIT_REL, "{off}");
    // the sum is that of the image
    let (all, kept) = (scene.image.total_decays(), found.regridded.volume.total_decays());
    assert!((kept / all - 1.0).abs() < 1e-12 && found.regridded.lost == 0.0, "{kept} of {all}");
    // by volume alone the limit rings
    let blind = redistribute(&scene.image, &labels.grid).unwrap().volume;
    let off = worst(&by_label(&labels.data, &blind.decays().data), &truth);
    assert!(off > 10.0 * LIMIT_REL, "{off}");
}

/// Outlines moved by one voxel of the CT, and rings of a voxel that were given to the wrong region, break the same limit.
#[test]
fn alarm_wrong_outlines_break_exactness() {
    let scene = Scene::new();
    let labels = &scene.made.labels;
    let truth = by_label(&labels.data, &scene.truth.decays().data);
    let mut moved = labels.clone();
    moved.data.rotate_right(1);
    let mut ringed = labels.clone();
    let pitch = [1, labels.grid.dims[0], labels.grid.dims[0] * labels.grid.dims[1]];
    for n in pitch[2]..labels.data.len() - pitch[2] {
        let tumour = demo::label::TUMOUR_1;
        if labels.data[n] != tumour
            && pitch.iter().any(|&p| labels.data[n - p] == tumour || labels.data[n + p] == tumour)
        {
            ringed.data[n] = tumour;
        }
    }
    for wrong in [moved, ringed] {
        let found = redistribute_within(&scene.image, &wrong).unwrap();
        let off = worst(&by_label(&wrong.data, &found.regridded.volume.decays().data), &truth);
        assert!(off > LIMIT_REL, "{off}");
    }
}

/// From volumes in memory to a case, and from images over time to decays: the same shares.
#[test]
fn law_dose_and_series_measure_by_shares() {
    let scene = Scene::new();
    let (labels, names) = (&scene.made.labels, scene.names());
    let truth = by_label(&labels.data, &scene.truth.decays().data);
    let nuclide = Nuclide::load("lu177").unwrap();
    let case = Volumes {
        ct_hu: scene.made.ct.clone(),
        activity: scene.image.decays().clone(),
        unit: ActivityUnit::Decays,
        labels: Some(labels.clone()),
        names: names.clone(),
        nuclide: nuclide.clone(),
        administered_mbq: Some(scene.made.administered_mbq),
        grid: GridChoice::Scene,
    };
    let case = case.into_case(&RunOptions::default(), &mut Unheard).unwrap();
    let off = worst(&by_label(&case.labels, &case.decays.data), &truth);
    assert!(off < LIMIT_REL, "{off}");
    let doubted = |code: &str| case.warnings.iter().any(|note| note.code == code);
    assert!(!doubted("outlines-miss-image") && !doubted("sharing-not-converged"), "{:?}", case.warnings);

    // three images with a half-life of 60 h; the first constant makes the decays those of the image
    let half_life_h = 60.0;
    let rate = std::f64::consts::LN_2 / half_life_h;
    let image = |time_h: f64| ActivityImage {
        name: format!("image at {time_h} h"),
        time_h,
        activity_mbq: scene.image.decays().map(|decays| decays / 3.6e9 * rate * (-time_h / half_life_h).exp2()),
        rel_sigma: None,
    };
    let regions = RegionMap { labels: labels.clone(), names, inputs: Vec::new() };
    let tia = |sharing: OutlineSharing| {
        let images = vec![image(24.0), image(72.0), image(168.0)];
        let mbq = scene.made.administered_mbq;
        let mut series = OpenSeries::of_volumes("made", images, &nuclide, mbq, Method::Model(Model::Mono)).unwrap();
        let over = Over { regions: Some(&regions), ct_hu: Some(&scene.made.ct), sharing };
        let map = series.integrate(&over, &BTreeMap::new(), &mut Unheard).unwrap();
        let curves = map.regions.iter().filter(|region| region.label > 0);
        let curves: BTreeMap<u16, f64> =
            curves.map(|region| (region.label, region.integral.as_ref().unwrap().decays())).collect();
        let sum: f64 = map.regions.iter().map(|region| region.map_decays).sum();
        assert!((map.decays.data.iter().sum::<f64>() / sum - 1.0).abs() < 1e-9);
        (curves, DecayMap::new(map.decays, "map").unwrap())
    };
    let (curves, map) = tia(OutlineSharing::On);
    let off = worst(&curves, &truth);
    assert!(off < LIMIT_REL, "{off}");
    let laid = redistribute_within(&map, labels).unwrap().regridded.volume;
    let off = worst(&by_label(&labels.data, &laid.decays().data), &truth);
    assert!(off < LIMIT_REL, "{off}");
    let off = worst(&tia(OutlineSharing::Off).0, &truth);
    assert!(off > 10.0 * LIMIT_REL, "by majority: {off}");
}

/// Outlines of another place: nothing is moved, and a note says so.
#[test]
fn io_outlines_beside_the_image_move_nothing() {
    let scene = Scene::new();
    let grid = &scene.made.labels.grid;
    // the organ's label in one corner, where the image holds nothing
    let mut labels = Volume::filled(grid.clone(), 0);
    labels.data[0] = 4;
    let case = |labels: Option<Volume<u16>>| {
        let volumes = Volumes {
            ct_hu: scene.made.ct.map(|hu| hu.max(-700.0)),
            activity: scene.image.decays().clone(),
            unit: ActivityUnit::Decays,
            labels,
            names: BTreeMap::new(),
            nuclide: Nuclide::load("lu177").unwrap(),
            administered_mbq: Some(scene.made.administered_mbq),
            grid: GridChoice::Scene,
        };
        volumes.into_case(&RunOptions::default(), &mut Unheard).unwrap()
    };
    let with = case(Some(labels));
    assert!(with.warnings.iter().any(|note| note.code == "outlines-miss-image"), "{:?}", with.warnings);
    assert_eq!(with.decays.data, case(None).decays.data);
}
