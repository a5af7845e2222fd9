//! The procedural abdomen: a patient without data.
//!
//! A male-sized abdomen of 120 x 90 x 90 voxels of 3 mm, drawn from ellipsoids, cylinders and domes: skin, fat and
//! muscle wall, ribs, spine with discs and cord, two kidneys with cortex, medulla and sinus, a liver with two
//! tumours, spleen, stomach and bowel with gas, heart, great vessels, and lung bases over a domed diaphragm. It is
//! asymmetric on purpose (liver on the right, spleen and stomach on the left, right kidney lower and smaller), so
//! that a swapped or flipped axis cannot go unseen.
//!
//! The time-integrated activity is that of one therapy cycle of 7.4 GBq of 177Lu-DOTATATE. Each region has a design
//! dose by local deposition of its electrons; the values are of the size that the clinical literature gives per
//! cycle: kidneys about 0.6 Gy/GBq with the cortex hotter than the medulla, spleen 0.85 Gy/GBq, liver 0.3 Gy/GBq,
//! tumours 20 to 40 Gy, rest of the body 0.26 Gy.
//!
//! Everything is made with + - * / and sqrt on f64 and integer random numbers, so one seed gives the same bytes on
//! every machine.

use crate::grid::{Volume, VoxelGrid};
use rand_xoshiro::Xoshiro256PlusPlus;
use rand_xoshiro::rand_core::{Rng, SeedableRng};

/// Seed of the default phantom.
pub const DEFAULT_SEED: u64 = 177;
/// Administered activity the decays belong to, MBq.
pub const ADMINISTERED_MBQ: f64 = 7_400.0;
/// Standard deviation of the CT noise, HU.
pub const NOISE_SD_HU: f64 = 15.0;

const DIMS: [usize; 3] = [120, 90, 90];
const SPACING_MM: f64 = 3.0;
/// Local-deposition yield of the electrons of 177Lu: 147.4 keV per decay in tissue of 1.05 g/cm3, decays per cm3
/// and Gy. It only sets the size of the demo's activity.
const DECAYS_PER_CM3_GY: f64 = 1.05 / (147.4 * 1.602_176_634e-13);

/// Labels of the phantom; the numbers follow the order of the names in [`Demo::names`].
pub mod label {
    /// Outside the body.
    pub const OUTSIDE: u16 = 0;
    /// Fat, muscle, skin, vessels, heart: what carries no label of its own.
    pub const BODY: u16 = 1;
    /// Cortex of the right kidney.
    pub const CORTEX_RIGHT: u16 = 2;
    /// Cortex of the left kidney.
    pub const CORTEX_LEFT: u16 = 3;
    /// Liver without its tumours.
    pub const LIVER: u16 = 4;
    /// Spleen.
    pub const SPLEEN: u16 = 5;
    /// Vertebrae and discs.
    pub const SPINE: u16 = 6;
    /// Ribs.
    pub const RIBS: u16 = 7;
    /// Bases of both lungs.
    pub const LUNG: u16 = 8;
    /// Spinal cord and its canal.
    pub const CORD: u16 = 9;
    /// Stomach and bowel with their contents and gas.
    pub const BOWEL: u16 = 11;
    /// Medulla of the right kidney.
    pub const MEDULLA_RIGHT: u16 = 12;
    /// Medulla of the left kidney.
    pub const MEDULLA_LEFT: u16 = 13;
    /// Tumour in the right lobe of the liver, a sphere of 44 mm.
    pub const TUMOUR_1: u16 = 21;
    /// Tumour in the left lobe of the liver, an ellipsoid of 34 x 28 x 24 mm.
    pub const TUMOUR_2: u16 = 22;
}

/// The phantom, its activity and its regions.
pub struct Demo {
    /// Noisy CT, HU, whole numbers from -1024 up.
    pub ct: Volume<f32>,
    /// Decays per voxel over all time, dimensionless, not negative.
    pub decays: Volume<f64>,
    /// Region label per voxel, 0 outside the body.
    pub labels: Volume<u16>,
    /// Label and name of every region, ascending.
    pub names: Vec<(u16, String)>,
    /// Regions made of several labels: new label, name, members; labels ascending and not used in `labels`.
    pub groups: Vec<(u16, String, Vec<u16>)>,
    /// Administered activity, MBq.
    pub administered_mbq: f64,
}

/// Makes the phantom. `seed` sets the CT noise and the place of the small-bowel loops; the organs, their labels
/// and their activity depend on it only through those loops.
pub fn make(seed: u64) -> Demo {
    let mut random = Xoshiro256PlusPlus::seed_from_u64(seed);
    let anatomy = Anatomy::new(&mut random);
    let grid = grid();
    let mut hu = Vec::with_capacity(grid.len());
    let mut labels = Vec::with_capacity(grid.len());
    let mut decays = Vec::with_capacity(grid.len());
    for k in 0..grid.dims[2] {
        for j in 0..grid.dims[1] {
            for i in 0..grid.dims[0] {
                let centre = [i, j, k].map(|n| n as f64 * SPACING_MM);
                let centre: [f64; 3] = std::array::from_fn(|axis| centre[axis] + grid.affine[axis][3]);
                let true_hu = anatomy.mean_hu(centre);
                let label = anatomy.tissue(centre).label;
                let noisy = true_hu + NOISE_SD_HU * standard_normal(&mut random);
                hu.push(noisy.round().max(-1024.0) as f32);
                labels.push(label);
                decays.push(decays_per_cm3(label, true_hu) * grid.voxel_cm3());
            }
        }
    }
    Demo {
        ct: Volume { grid: grid.clone(), data: hu },
        decays: Volume { grid: grid.clone(), data: decays },
        labels: Volume { grid, data: labels },
        names: names(),
        groups: groups(),
        administered_mbq: ADMINISTERED_MBQ,
    }
}

/// The grid: axis-aligned RAS, its middle at the origin of the world.
fn grid() -> VoxelGrid {
    let origin = DIMS.map(|n| -0.5 * (n as f64 - 1.0) * SPACING_MM);
    VoxelGrid::axis_aligned(DIMS, [SPACING_MM; 3], origin)
}

fn names() -> Vec<(u16, String)> {
    [
        (label::BODY, "body_remainder"),
        (label::CORTEX_RIGHT, "kidney_cortex_right"),
        (label::CORTEX_LEFT, "kidney_cortex_left"),
        (label::LIVER, "liver"),
        (label::SPLEEN, "spleen"),
        (label::SPINE, "spine"),
        (label::RIBS, "ribs"),
        (label::LUNG, "lung_bases"),
        (label::CORD, "spinal_cord"),
        (label::BOWEL, "stomach_and_bowel"),
        (label::MEDULLA_RIGHT, "kidney_medulla_right"),
        (label::MEDULLA_LEFT, "kidney_medulla_left"),
        (label::TUMOUR_1, "tumour_1_liver"),
        (label::TUMOUR_2, "tumour_2_liver"),
    ]
    .map(|(label, name)| (label, name.to_owned()))
    .to_vec()
}

fn groups() -> Vec<(u16, String, Vec<u16>)> {
    vec![
        (102, "kidney_right".to_owned(), vec![label::CORTEX_RIGHT, label::MEDULLA_RIGHT]),
        (103, "kidney_left".to_owned(), vec![label::CORTEX_LEFT, label::MEDULLA_LEFT]),
    ]
}

/// Design dose of a region by local deposition of its electrons, Gy for 7.4 GBq.
fn design_dose_gy(label: u16) -> f64 {
    match label {
        label::OUTSIDE => 0.0,
        label::CORTEX_RIGHT | label::CORTEX_LEFT => 5.4,
        label::MEDULLA_RIGHT | label::MEDULLA_LEFT => 2.9,
        label::LIVER => 2.2,
        label::SPLEEN => 6.3,
        label::TUMOUR_1 => 24.0,
        label::TUMOUR_2 => 34.0,
        _ => 0.26,
    }
}

/// Decay concentration over all time, 1/cm3. Organs take it up by volume, the rest of the body by mass (density
/// taken as 1 + HU/1000 g/cm3), so that gas holds next to none.
fn decays_per_cm3(label: u16, true_hu: f64) -> f64 {
    let full = design_dose_gy(label) * DECAYS_PER_CM3_GY;
    match label {
        label::BODY | label::SPINE | label::RIBS | label::LUNG | label::CORD | label::BOWEL => {
            full * ((1.0 + true_hu * 1e-3) / 1.05).max(0.0)
        }
        _ => full,
    }
}

/// A number of mean 0 and standard deviation 1: the sum of twelve 16-bit uniforms, exact on every machine; its
/// tails end at 6.
fn standard_normal(random: &mut Xoshiro256PlusPlus) -> f64 {
    let mut sum = 0_u64;
    for _ in 0..3 {
        let word = random.next_u64();
        sum += (word & 0xffff) + (word >> 16 & 0xffff) + (word >> 32 & 0xffff) + (word >> 48);
    }
    (sum as f64 - 6.0 * 65_535.0) / 65_536.0
}

/// What fills a point: mean HU and region label.
#[derive(Clone, Copy)]
struct Tissue {
    hu: f64,
    label: u16,
}

const fn tissue(hu: f64, label: u16) -> Tissue {
    Tissue { hu, label }
}

const AIR: Tissue = tissue(-1000.0, label::OUTSIDE);
const SKIN: Tissue = tissue(45.0, label::BODY);
const FAT: Tissue = tissue(-100.0, label::BODY);
const MUSCLE: Tissue = tissue(52.0, label::BODY);
const BLOOD: Tissue = tissue(42.0, label::BODY);
const LUNG: Tissue = tissue(-810.0, label::LUNG);
const LIVER: Tissue = tissue(56.0, label::LIVER);
const SPLEEN: Tissue = tissue(47.0, label::SPLEEN);
const CORD: Tissue = tissue(30.0, label::CORD);
const GUT: Tissue = tissue(28.0, label::BOWEL);
const GAS: Tissue = tissue(-960.0, label::BOWEL);

/// An ellipsoid with axes along x, y, z, mm, whose centre may drift with height (shear per mm of z).
#[derive(Clone, Copy)]
struct Ellipsoid {
    centre: [f64; 3],
    semi: [f64; 3],
    shear_xy: [f64; 2],
}

impl Ellipsoid {
    const fn upright(centre: [f64; 3], semi: [f64; 3]) -> Self {
        Self { centre, semi, shear_xy: [0.0, 0.0] }
    }

    /// Place relative to the centre, shear taken out, mm.
    fn local(&self, p: [f64; 3]) -> [f64; 3] {
        let z = p[2] - self.centre[2];
        [p[0] - self.centre[0] - self.shear_xy[0] * z, p[1] - self.centre[1] - self.shear_xy[1] * z, z]
    }

    /// Squared radius in units of the semi-axes, each shortened by `inset` mm; below 1 inside.
    fn radius2(&self, p: [f64; 3], inset: f64) -> f64 {
        let d = self.local(p);
        (0..3).map(|axis| square(d[axis] / (self.semi[axis] - inset))).sum()
    }

    fn holds(&self, p: [f64; 3]) -> bool {
        self.radius2(p, 0.0) < 1.0
    }
}

fn square(x: f64) -> f64 {
    x * x
}

/// Place in a repeated pattern of the given period, from 0 up to the period.
fn phase(x: f64, period: f64) -> f64 {
    x - period * (x / period).floor()
}

const KIDNEY_RIGHT: Ellipsoid =
    Ellipsoid { centre: [63.0, -46.0, -36.0], semi: [29.0, 25.0, 55.0], shear_xy: [-0.24, -0.16] };
const KIDNEY_LEFT: Ellipsoid =
    Ellipsoid { centre: [-64.0, -44.0, -18.0], semi: [30.0, 26.0, 58.0], shear_xy: [0.20, -0.15] };
const LIVER_RIGHT: Ellipsoid = Ellipsoid::upright([80.0, 6.0, 28.0], [66.0, 84.0, 84.0]);
const LIVER_LEFT: Ellipsoid = Ellipsoid::upright([14.0, 48.0, 50.0], [74.0, 34.0, 32.0]);
const SPLEEN_SHAPE: Ellipsoid =
    Ellipsoid { centre: [-102.0, -36.0, 40.0], semi: [27.0, 44.0, 52.0], shear_xy: [0.12, -0.10] };
const STOMACH: Ellipsoid = Ellipsoid { centre: [-58.0, 34.0, 42.0], semi: [36.0, 34.0, 44.0], shear_xy: [-0.25, 0.0] };
const HEART: Ellipsoid = Ellipsoid::upright([-24.0, 40.0, 142.0], [54.0, 42.0, 38.0]);
const GALLBLADDER: Ellipsoid =
    Ellipsoid { centre: [48.0, 50.0, -20.0], semi: [14.0, 16.0, 26.0], shear_xy: [-0.2, -0.3] };
const TUMOUR_1: Ellipsoid = Ellipsoid::upright([88.0, 22.0, 44.0], [22.0, 22.0, 22.0]);
const TUMOUR_2: Ellipsoid = Ellipsoid::upright([14.0, 50.0, 52.0], [17.0, 14.0, 12.0]);

/// The parts of the anatomy that are drawn by chance.
struct Anatomy {
    loops: Vec<Ellipsoid>,
}

impl Anatomy {
    /// Small-bowel loops: 46 ellipsoids strewn over the lower abdomen.
    fn new(random: &mut Xoshiro256PlusPlus) -> Self {
        let mut uniform = |low: f64, high: f64| low + (high - low) * ((random.next_u64() >> 40) as f64 / 16_777_216.0);
        let loops = (0..46)
            .map(|_| Ellipsoid {
                centre: [uniform(-72.0, 72.0), uniform(0.0, 66.0), uniform(-140.0, -62.0)],
                semi: [uniform(13.0, 22.0), uniform(12.0, 16.0), uniform(12.0, 17.0)],
                shear_xy: [uniform(-0.3, 0.3), 0.0],
            })
            .collect();
        Self { loops }
    }

    /// HU averaged over the eight octants of the voxel about `centre`: the CT's partial volumes.
    fn mean_hu(&self, centre: [f64; 3]) -> f64 {
        let quarter = 0.25 * SPACING_MM;
        let octant = |n: usize| {
            let p = std::array::from_fn(|axis| centre[axis] + if n >> axis & 1 == 0 { -quarter } else { quarter });
            self.tissue(p).hu
        };
        (0..8).map(octant).sum::<f64>() / 8.0
    }

    /// What fills the point `p`, mm; the first of the nested parts that holds it.
    fn tissue(&self, p: [f64; 3]) -> Tissue {
        let depth = depth_mm(p);
        if depth <= 0.0 {
            return AIR;
        }
        if depth < 2.5 {
            return SKIN;
        }
        if let Some(bone) = spine(p) {
            return bone;
        }
        let fat_mm = fat_thickness_mm(p);
        if depth < fat_mm {
            return FAT;
        }
        if depth < fat_mm + WALL_MM {
            return wall(p, depth - fat_mm);
        }
        self.inside(p)
    }

    /// What fills a point inside the muscle wall.
    fn inside(&self, p: [f64; 3]) -> Tissue {
        let diaphragm = diaphragm_z_mm(p);
        if p[2] > diaphragm {
            return chest(p, p[2] - diaphragm);
        }
        vessels(p)
            .or_else(|| kidney(p, &KIDNEY_RIGHT, label::CORTEX_RIGHT, label::MEDULLA_RIGHT, -1.0))
            .or_else(|| kidney(p, &KIDNEY_LEFT, label::CORTEX_LEFT, label::MEDULLA_LEFT, 1.0))
            .or_else(|| liver(p))
            .or_else(|| SPLEEN_SHAPE.holds(p).then_some(SPLEEN))
            .or_else(|| muscles(p))
            .or_else(|| self.gut(p))
            .unwrap_or(FAT)
    }

    /// Stomach, colon and small bowel; gas rises to the front of the supine patient.
    fn gut(&self, p: [f64; 3]) -> Option<Tissue> {
        let [x, y, z] = p;
        let filled = |gas: bool| Some(if gas { GAS } else { GUT });
        let wall2 = 0.81;
        if STOMACH.holds(p) {
            return filled(STOMACH.radius2(p, 0.0) < wall2 && y > STOMACH.centre[1] + 13.0);
        }
        // Haustra: the colon's radius swells and narrows along its length.
        let swell = |along: f64| {
            let s = phase(along, 36.0) / 18.0 - 1.0;
            1.06 - 0.22 * s * s
        };
        let ascending = (square(x - 96.0) + square(y - 8.0)) / square(24.0 * swell(z));
        if z < -62.0 && ascending < 1.0 {
            return filled(ascending < wall2 && y > 15.0);
        }
        let descending = (square(x + 112.0) + square(y + 14.0)) / square(15.0 * swell(z + 9.0));
        if z < 2.0 && descending < 1.0 {
            return filled(descending < 0.6 && y > -10.0);
        }
        let sag = -42.0 + 0.002_2 * square(x - 10.0).min(9000.0);
        let transverse = (square(z - sag) + square(y - 62.0)) / square(19.0 * swell(x + 5.0));
        if x.abs() < 104.0 && transverse < 1.0 {
            return filled(transverse < wall2 && y > 66.0);
        }
        self.loops.iter().find(|piece| piece.holds(p)).map(|piece| {
            let pocket = piece.semi[0] > 20.0 && piece.radius2(p, 0.0) < 0.6 && y > piece.centre[1] + 3.0;
            if pocket { GAS } else { GUT }
        })
    }
}

const WALL_MM: f64 = 13.0;

/// Depth under the skin, mm, measured along the ray to the axis; not above 0 outside. The cross section is an
/// ellipse a little squared off, wider at the ribs than at the waist, and fuller on the right.
fn depth_mm(p: [f64; 3]) -> f64 {
    let [x, y, z] = p;
    let height = z / 135.0;
    let half_width = 158.0 + 6.0 * height + 4.0 * height * height + if x > 0.0 { 3.0 } else { 0.0 };
    let half_depth = if y > 0.0 { 112.0 - 3.0 * height } else { 108.0 + 2.0 * height };
    let (u, v) = (square(x / half_width), square(y / half_depth));
    let radius = (u + v - 0.32 * u * v).max(1e-12).sqrt();
    (square(x) + square(y)).sqrt() * (1.0 / radius - 1.0) + if radius < 1e-5 { 100.0 } else { 0.0 }
}

/// Thickness of skin and fat together, mm: more at the flanks and the back, less over the ribs.
fn fat_thickness_mm(p: [f64; 3]) -> f64 {
    let flank = (p[0].abs() / 160.0).min(1.0);
    let low = ((60.0 - p[2]) / 195.0).clamp(0.0, 1.0);
    12.0 + 5.0 * flank * low + if p[1] > 0.0 { 7.0 * low * (1.0 - flank) } else { 2.0 }
}

/// The muscle wall at `depth` mm under its outer face, with the ribs in it.
fn wall(p: [f64; 3], depth: f64) -> Tissue {
    let [x, y, z] = p;
    // Ribs fall towards the front by 0.55 mm per mm and end in a costal margin that rises towards the middle.
    let along = phase(z + 0.55 * y + 9.0, 31.0);
    let margin = if y > 0.0 { -6.0 + 1.15 * (y - 0.35 * (x.abs() - 60.0)).max(0.0) } else { -24.0 + 0.2 * (y + 100.0) };
    let rib = z > margin && along < 12.0 && (2.5..10.5).contains(&depth);
    let spongy = (2.5..9.5).contains(&along) && (4.6..8.4).contains(&depth);
    match (rib, spongy) {
        (true, true) => tissue(230.0, label::RIBS),
        (true, false) => tissue(640.0, label::RIBS),
        (false, _) => MUSCLE,
    }
}

/// Spine: bodies and discs every 36 mm, a canal with the cord, arch, transverse and spinous processes.
fn spine(p: [f64; 3]) -> Option<Tissue> {
    let [x, y, z] = p;
    // A slight lordosis and a slight bend to the left.
    let height = z / 135.0;
    let dx = x + 3.5 * height * height;
    let dy = y + 56.0 + 5.0 * height * height;
    let level = phase(z + 4.0, 36.0);
    let disc = level < 8.0;
    let waist = 1.0 - 0.07 * (1.0 - square((level - 22.0) / 14.0)).max(0.0);
    let body = (square(dx / 24.0) + square(dy / 17.5)) / square(waist);
    let canal = square(dx / 11.0) + square((dy + 26.0) / 9.0);
    let arch = square(dx / 17.0) + square((dy + 27.0) / 14.5);
    let process = !disc && level < 28.0;
    let spinous = process && dx.abs() < 3.6 && dy > -52.0 && dy < -38.0;
    let transverse = (14.0..24.0).contains(&level) && dx.abs() < 40.0 && (dy + 25.0).abs() < 4.5;
    if canal < 1.0 {
        Some(if canal < 0.55 { CORD } else { tissue(8.0, label::CORD) })
    } else if body < 1.0 {
        let end_plate = (8.0..11.0).contains(&level) || level > 33.0;
        Some(match (disc, body > 0.76 || end_plate) {
            (true, _) => tissue(85.0, label::SPINE),
            (false, true) => tissue(430.0, label::SPINE),
            (false, false) => tissue(175.0, label::SPINE),
        })
    } else if (arch < 1.0 && process) || spinous || transverse {
        Some(tissue(480.0, label::SPINE))
    } else {
        None
    }
}

/// Psoas beside the spine and the back muscles behind it.
fn muscles(p: [f64; 3]) -> Option<Tissue> {
    let [x, y, z] = p;
    let growth = ((40.0 - z) / 175.0).clamp(0.0, 1.0);
    let psoas = square((x.abs() - 34.0) / (6.0 + 15.0 * growth)) + square((y + 56.0) / (9.0 + 15.0 * growth));
    let back = square((x.abs() - 33.0) / 32.0) + square((y + 91.0) / 17.0);
    (back < 1.0 || (z < 40.0 && psoas < 1.0)).then_some(MUSCLE)
}

/// Aorta left of the midline and vena cava right of it.
fn vessels(p: [f64; 3]) -> Option<Tissue> {
    let [x, y, z] = p;
    let aorta = square(x + 9.0) + square(y + 25.0 + 0.04 * z) < square(10.5);
    let cava = square((x - 19.0) / 13.0) + square((y + 24.0 - 0.05 * z) / 10.0) < 1.0;
    (aorta || cava).then_some(BLOOD)
}

/// Height of the top of the diaphragm, mm: two domes, the right one higher, and the central tendon between them.
fn diaphragm_z_mm(p: [f64; 3]) -> f64 {
    let [x, y, _] = p;
    let right = 116.0 - (square(x - 72.0) + square(y - 12.0)) / 78.0;
    let left = 102.0 - (square(x + 70.0) + square(y - 10.0)) / 78.0;
    let tendon = 94.0 - (square(x - 4.0) + square(y - 36.0)) / 64.0;
    right.max(left).max(tendon).max(6.0)
}

/// Above the diaphragm, whose muscle is 4 mm thick: heart, great vessels, lung.
fn chest(p: [f64; 3], above_mm: f64) -> Tissue {
    if let Some(vessel) = vessels(p) {
        return vessel;
    }
    if HEART.holds(p) {
        return BLOOD;
    }
    if above_mm < 4.0 {
        return MUSCLE;
    }
    if let Some(muscle) = muscles(p) {
        return muscle;
    }
    let mediastinum = p[0].abs() < 22.0 && p[1] > -42.0;
    if mediastinum { FAT } else { LUNG }
}

/// A kidney: 6 mm of cortex, medulla crossed by columns of cortex, and a sinus of fat towards the midline, which
/// lies at `inward` (+1 or -1) times x.
fn kidney(p: [f64; 3], shape: &Ellipsoid, cortex: u16, medulla: u16, inward: f64) -> Option<Tissue> {
    if !shape.holds(p) {
        return None;
    }
    let [x, y, z] = shape.local(p);
    let sinus = square((x * inward - 16.0) / 19.0) + square(y / 10.0) + square(z / 29.0);
    if sinus < 1.0 {
        let pelvis = sinus < 0.25;
        return Some(if pelvis { tissue(8.0, label::BODY) } else { FAT });
    }
    let column = phase(z + 2.5, 19.0) < 5.0;
    let core = shape.radius2(p, 6.0) < 1.0 && !column;
    Some(if core { tissue(30.0, medulla) } else { tissue(38.0, cortex) })
}

/// Liver of two lobes with its tumours and the gallbladder.
fn liver(p: [f64; 3]) -> Option<Tissue> {
    if GALLBLADDER.holds(p) {
        return Some(tissue(10.0, label::BODY));
    }
    // The lower face slopes up towards the left and the back, where the kidney lies.
    let lower_face = -52.0 + 0.5 * (96.0 - p[0]).max(0.0) + 0.35 * (10.0 - p[1]).max(0.0);
    let right = LIVER_RIGHT.holds(p) && p[2] > lower_face && p[0] > 12.0;
    if !right && !LIVER_LEFT.holds(p) {
        return None;
    }
    Some(if TUMOUR_1.holds(p) {
        tissue(42.0, label::TUMOUR_1)
    } else if TUMOUR_2.holds(p) {
        tissue(40.0, label::TUMOUR_2)
    } else {
        LIVER
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use sha2::{Digest, Sha256};

    fn volume_ml(demo: &Demo, labels: &[u16]) -> f64 {
        let voxels = demo.labels.data.iter().filter(|label| labels.contains(label)).count();
        voxels as f64 * demo.labels.grid.voxel_cm3()
    }

    fn digest(demo: &Demo) -> String {
        let mut hash = Sha256::new();
        for n in 0..demo.ct.data.len() {
            hash.update(demo.ct.data[n].to_le_bytes());
            hash.update(demo.labels.data[n].to_le_bytes());
            hash.update(demo.decays.data[n].to_le_bytes());
        }
        crate::digest::finished(hash)
    }

    #[test]
    fn law_organ_volumes_are_those_of_a_man() {
        let demo = make(DEFAULT_SEED);
        // Density 1.05 g/cm3 for the organs' masses.
        let range = |labels: &[u16], low_g: f64, high_g: f64| {
            let mass_g = 1.05 * volume_ml(&demo, labels);
            assert!((low_g..high_g).contains(&mass_g), "labels {labels:?}: {mass_g:.0} g, wanted {low_g} to {high_g}");
        };
        range(&[label::CORTEX_RIGHT, label::MEDULLA_RIGHT], 120.0, 220.0);
        range(&[label::CORTEX_LEFT, label::MEDULLA_LEFT], 120.0, 220.0);
        range(&[label::LIVER, label::TUMOUR_1, label::TUMOUR_2], 1200.0, 2000.0);
        range(&[label::SPLEEN], 120.0, 300.0);
        range(&[label::TUMOUR_1], 42.0, 52.0);
        range(&[label::TUMOUR_2], 11.0, 15.0);
        range(&[label::SPINE], 350.0, 900.0);
        range(&[label::LUNG], 500.0, 2500.0);
        range(&[label::CORD], 30.0, 110.0);
        let cortex =
            volume_ml(&demo, &[label::CORTEX_LEFT]) / volume_ml(&demo, &[label::CORTEX_LEFT, label::MEDULLA_LEFT]);
        assert!((0.6..0.8).contains(&cortex), "cortex share {cortex}");
        let present: std::collections::BTreeSet<u16> = demo.labels.data.iter().copied().collect();
        for (label, name) in &demo.names {
            assert!(present.contains(label), "{name} has no voxel");
        }
    }

    #[test]
    fn law_activity_gives_the_design_doses() {
        let demo = make(DEFAULT_SEED);
        let local_dose_gy = |labels: &[u16]| {
            let decays: f64 = (0..demo.decays.data.len())
                .filter(|&n| labels.contains(&demo.labels.data[n]))
                .map(|n| demo.decays.data[n])
                .sum();
            decays / (volume_ml(&demo, labels) * DECAYS_PER_CM3_GY)
        };
        for kidney in [[label::CORTEX_RIGHT, label::MEDULLA_RIGHT], [label::CORTEX_LEFT, label::MEDULLA_LEFT]] {
            let dose = local_dose_gy(&kidney);
            assert!((4.3..5.0).contains(&dose), "kidney {dose} Gy");
        }
        assert!((local_dose_gy(&[label::TUMOUR_1]) - 24.0).abs() < 1e-9);
        // The 7.4 GBq decay 6.13e15 times in all (mean life 230.06 h); a patient keeps 5 to 15 % of that.
        let total: f64 = demo.decays.data.iter().sum();
        let share = total / (ADMINISTERED_MBQ * 1e6 * 230.06 * 3600.0);
        assert!((0.05..0.15).contains(&share), "share of all decays {share}");
        assert!(demo.decays.data.iter().all(|&d| d >= 0.0));
        let outside: f64 =
            (0..demo.decays.data.len()).filter(|&n| demo.labels.data[n] == 0).map(|n| demo.decays.data[n]).sum();
        assert_eq!(outside, 0.0, "no activity outside the body");
    }

    #[test]
    fn law_phantom_is_asymmetric_under_every_flip() {
        let demo = make(DEFAULT_SEED);
        let [nx, ny, nz] = demo.labels.grid.dims;
        let grid = &demo.labels.grid;
        for axis in 0..3 {
            let mut differ = 0;
            for k in 0..nz {
                for j in 0..ny {
                    for i in 0..nx {
                        let mut flipped = [i, j, k];
                        flipped[axis] = grid.dims[axis] - 1 - flipped[axis];
                        let there = grid.index(flipped[0], flipped[1], flipped[2]);
                        differ += usize::from(demo.labels.data[grid.index(i, j, k)] != demo.labels.data[there]);
                    }
                }
            }
            assert!(differ > grid.len() / 20, "flip of axis {axis} changes only {differ} voxels");
        }
    }

    #[test]
    fn law_same_seed_same_phantom_everywhere() {
        let first = digest(&make(DEFAULT_SEED));
        assert_eq!(first, digest(&make(DEFAULT_SEED)));
        // Changed on purpose only: the demo's published figures belong to this phantom.
        assert_eq!(first, "160e78f45df1f9dd2a9d906c46d59968ae8e07dfe270999f9e3f6a2e5c24c914");
        assert_ne!(first, digest(&make(DEFAULT_SEED + 1)), "another seed gives another phantom");
    }

    #[test]
    fn law_noise_has_the_stated_spread() {
        let mut random = Xoshiro256PlusPlus::seed_from_u64(1);
        let draws: Vec<f64> = (0..100_000).map(|_| standard_normal(&mut random)).collect();
        let mean = draws.iter().sum::<f64>() / draws.len() as f64;
        let variance = draws.iter().map(|x| square(x - mean)).sum::<f64>() / draws.len() as f64;
        // 5 standard errors: 1/sqrt(N) for the mean; the excess kurtosis -0.1 of the sum lowers that of the variance.
        assert!(mean.abs() < 0.016, "mean {mean}");
        assert!((variance - 1.0).abs() < 0.023, "variance {variance}");
    }
}
