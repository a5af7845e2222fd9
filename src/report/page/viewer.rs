//! Slices of volumes in three planes: bytes that the page's script unpacks and draws.
//!
//! Volumes are cut to the body, averaged in blocks where they would have too many voxels, rounded to 256 steps, packed
//! with zlib and written in base 64. The page says what was done. Numbers in tables are made from the full volumes.

use super::chart::colour_bar;
use super::number::tick;
use super::{ShownRegion, base64};
use crate::grid::VoxelGrid;
use crate::report::png::{Background, PictureFrame};
use flate2::Compression;
use flate2::write::ZlibEncoder;
use maud::{Markup, PreEscaped, html};
use serde_json::{Value, json};
use std::io::Write;

/// Voxels of a packed volume at most.
const MOST_VOXELS: usize = 2_000_000;
/// HU above which a voxel belongs to the body.
const BODY_HU: f32 = -500.0;

/// What a layer's bytes mean and how they look.
#[derive(Clone, Debug, PartialEq)]
pub enum Scale {
    /// From 0 to a top on a square-root scale, the inferno map; see-through where there is little.
    Root {
        /// Top, in the layer's unit.
        top: f64,
    },
    /// Steps: lower edges of the classes after the first (which is 0 and not drawn).
    Classes {
        /// Edges, ascending.
        edges: Vec<f64>,
    },
    /// From -top to top, blue over nothing to red.
    Signed {
        /// Top, in the layer's unit.
        top: f64,
    },
}

/// A volume laid over the anatomy.
#[derive(Clone, Debug)]
pub struct Layer<'a> {
    /// Name in the choice: `Absorbed dose`.
    pub name: String,
    /// Unit: `Gy`.
    pub unit: String,
    /// One value a voxel of the grid.
    pub values: &'a [f32],
    /// Scale.
    pub scale: Scale,
    /// Word for a value of 0 where 0 stands for what is not known.
    pub zero: Option<&'static str>,
}

/// What slices are made of.
#[derive(Clone, Debug)]
pub struct Scene<'a> {
    /// Where values lie.
    pub grid: &'a VoxelGrid,
    /// Anatomy.
    pub background: Background<'a>,
    /// Labels, where there are regions.
    pub labels: Option<&'a [u16]>,
    /// Label of each region of `regions`.
    pub region_labels: &'a [u16],
    /// Regions, as in the charts.
    pub regions: &'a [ShownRegion],
    /// Layers, the first shown at first.
    pub layers: Vec<Layer<'a>>,
    /// Voxel (i, j, k) to show first.
    pub start: [usize; 3],
    /// Why no anatomy is shown, where the background holds none.
    pub unseen: Option<&'static str>,
}

/// Packed slices.
#[derive(Clone, Debug)]
pub struct Viewer {
    payload: Value,
    layers: Vec<(String, String, Scale)>,
    dims: [usize; 3],
    start: [usize; 3],
    /// What was done to the volumes, in words.
    pub note: String,
    background: String,
}

/// From voxels of the grid to packed blocks in world order (right, front, head upwards).
struct Blocks<'a> {
    grid: &'a VoxelGrid,
    frame: PictureFrame,
    /// First voxel along each world axis.
    from: [usize; 3],
    /// Voxels of a block along each world axis.
    block: [usize; 3],
    /// Blocks along each world axis.
    dims: [usize; 3],
}

impl Blocks<'_> {
    /// Position in the data of the voxel at a place in world order.
    fn voxel(&self, place: [usize; 3]) -> usize {
        let mut at = [0; 3];
        for world in 0..3 {
            at[self.frame.axis[world]] = self.frame.turned(self.grid, world, place[world]);
        }
        self.grid.index(at[0], at[1], at[2])
    }

    /// Calls `each` with the voxels of every block, x fastest.
    fn each(&self, mut each: impl FnMut(&[usize])) {
        let mut voxels = Vec::new();
        let size = |world: usize| self.grid.dims[self.frame.axis[world]];
        for z in 0..self.dims[2] {
            for y in 0..self.dims[1] {
                for x in 0..self.dims[0] {
                    voxels.clear();
                    let range = |world: usize, n: usize| {
                        let low = self.from[world] + n * self.block[world];
                        low..(low + self.block[world]).min(size(world))
                    };
                    for k in range(2, z) {
                        for j in range(1, y) {
                            for i in range(0, x) {
                                voxels.push(self.voxel([i, j, k]));
                            }
                        }
                    }
                    each(&voxels);
                }
            }
        }
    }

    fn bytes(&self, of: impl Fn(&[usize]) -> u8) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(self.dims.iter().product());
        self.each(|voxels| bytes.push(of(voxels)));
        bytes
    }
}

fn mean(values: &[f32], voxels: &[usize]) -> f32 {
    voxels.iter().map(|&n| values[n]).sum::<f32>() / voxels.len().max(1) as f32
}

/// Packs bytes: each the difference to the one before along x, then zlib, then base 64.
fn packed(bytes: &[u8]) -> String {
    let mut before = 0_u8;
    let differences: Vec<u8> = bytes
        .iter()
        .map(|&byte| {
            let difference = byte.wrapping_sub(before);
            before = byte;
            difference
        })
        .collect();
    let mut encoder = ZlibEncoder::new(Vec::new(), Compression::new(6));
    // writing to memory does not fail
    let bytes = encoder.write_all(&differences).and_then(|()| encoder.finish()).unwrap_or_default();
    base64(&bytes)
}

impl Viewer {
    /// Packs a scene.
    pub fn new(scene: &Scene<'_>) -> Self {
        let frame = PictureFrame::of(scene.grid);
        let hu = |n: usize| match scene.background {
            Background::Hu(hu) => hu[n],
            Background::Density(density) => 1000.0 * (density[n] - 1.0),
        };
        let size: [usize; 3] = std::array::from_fn(|world| scene.grid.dims[frame.axis[world]]);
        let (from, to) = body(scene, &frame, size, &hu);
        let count: [usize; 3] = std::array::from_fn(|world| to[world] - from[world]);
        // blocks of 1, 2, 3, ... voxels, the finest axes first, until the volume is small enough
        let mut block = [1_usize; 3];
        let spacing: [f64; 3] = std::array::from_fn(|world| scene.grid.spacing_mm[frame.axis[world]]);
        let dims_of = |block: [usize; 3]| -> [usize; 3] { std::array::from_fn(|w| count[w].div_ceil(block[w])) };
        while dims_of(block).iter().product::<usize>() > MOST_VOXELS {
            let edge = |world: usize| block[world] as f64 * spacing[world];
            let finest = (0..3).filter(|&w| dims_of(block)[w] > 1).min_by(|&a, &b| edge(a).total_cmp(&edge(b)));
            block[finest.unwrap_or(0)] += 1;
        }
        let dims = dims_of(block);
        let blocks = Blocks { grid: scene.grid, frame, from, block, dims };
        let grey = |voxels: &[usize]| {
            let level = voxels.iter().map(|&n| hu(n)).sum::<f32>() / voxels.len().max(1) as f32;
            ((level + 160.0) / 400.0 * 255.0).round().clamp(0.0, 255.0) as u8
        };
        let mut layers = vec![];
        for layer in &scene.layers {
            let bytes = blocks.bytes(|voxels| level(&layer.scale, mean(layer.values, voxels)));
            let mut words = words(&layer.scale);
            if let (Some(word), Some(first)) = (layer.zero, words.first_mut()) {
                *first = word.to_owned();
            }
            layers.push(json!({
                "name": layer.name, "unit": layer.unit, "data": packed(&bytes), "look": look(&layer.scale), "words": words,
            }));
        }
        let number = |label: u16| {
            scene.region_labels.iter().take(255).position(|&known| known == label).map_or(0, |n| n as u8 + 1)
        };
        let labels = scene.labels.map(|labels| {
            packed(&blocks.bytes(|voxels| {
                // the label of the block's middle voxel
                number(labels[voxels[voxels.len() / 2]])
            }))
        });
        let place = |world: usize, at: usize| blocks.frame.turned(scene.grid, world, at);
        let start: [usize; 3] = std::array::from_fn(|world| {
            let at = place(world, scene.start[blocks.frame.axis[world]]);
            (at.saturating_sub(from[world]) / block[world]).min(dims[world] - 1)
        });
        let origin: [f64; 3] = std::array::from_fn(|world| {
            // world coordinate of the first block's middle, along the nearest axis
            let axis = blocks.frame.axis[world];
            let at = |n: f64| {
                let index = if blocks.frame.reversed[world] { scene.grid.dims[axis] as f64 - 1.0 - n } else { n };
                let middle = scene.grid.dims.map(|n| 0.5 * (n as f64 - 1.0));
                let mut voxel = middle;
                voxel[axis] = index;
                scene.grid.world_mm(voxel)[world]
            };
            at(from[world] as f64 + 0.5 * (block[world] as f64 - 1.0))
        });
        let edge: [f64; 3] = std::array::from_fn(|world| block[world] as f64 * spacing[world]);
        let payload = json!({
            "dims": dims, "mm": edge.map(|mm| (mm * 1e4).round() / 1e4), "origin": origin.map(|mm| (mm * 100.0).round() / 100.0),
            "grey": packed(&blocks.bytes(grey)), "labels": labels, "layers": layers, "start": start,
            "regions": scene.regions.iter().map(|region| json!({"name": region.name, "colour": region.colour})).collect::<Vec<_>>(),
        });
        let whole = size == count && block == [1; 3];
        let note = if whole {
            "All voxels are shown, rounded to 256 steps.".to_owned()
        } else {
            let cut = if size == count {
                String::new()
            } else {
                format!(
                    "cut to the body ({} × {} × {} of {} × {} × {} voxels)",
                    count[0], count[1], count[2], size[0], size[1], size[2]
                )
            };
            let averaged = if block == [1; 3] {
                String::new()
            } else {
                format!("averaged over blocks of {} × {} × {} voxels", block[0], block[1], block[2])
            };
            let parts: Vec<String> = [cut, averaged].into_iter().filter(|part| !part.is_empty()).collect();
            format!(
                "For this page the volumes are {}, and rounded to 256 steps; the files beside it hold them in full.",
                parts.join(" and ")
            )
        };
        Self {
            payload,
            layers: scene.layers.iter().map(|l| (l.name.clone(), l.unit.clone(), l.scale.clone())).collect(),
            dims,
            start,
            note,
            background: match (scene.unseen, scene.background) {
                (Some(why), _) => format!("No anatomy is shown: {why}."),
                (None, Background::Hu(_)) => "Grey: CT, −160 to 240 HU.".to_owned(),
                (None, Background::Density(_)) => "Grey: mass density, 0.84 to 1.24 g/cm³.".to_owned(),
            },
        }
    }

    /// The markup, with the data.
    pub fn markup(&self) -> Markup {
        // "</" cannot end the script element early: JSON may write "/" as "\/"
        let data = self.payload.to_string().replace("</", "<\\/");
        let planes = [("axial", "Axial", 2_usize), ("coronal", "Coronal", 1), ("sagittal", "Sagittal", 0)];
        html! {
            div .viewer hidden {
                div .controls {
                    @if self.layers.len() > 1 {
                        fieldset {
                            legend { "Colour shows" }
                            @for (n, (name, unit, _)) in self.layers.iter().enumerate() {
                                label { input type="radio" name="layer" value=(n) checked[n == 0]; (titled(name, unit)) }
                            }
                        }
                    }
                    fieldset {
                        legend { "Over the anatomy" }
                        label { "Strength " input type="range" #opacity min="0" max="100" value="72"; }
                        label { input type="checkbox" #contours checked; "Outlines" }
                    }
                }
                div .planes {
                    @for (id, name, axis) in planes {
                        div .plane {
                            h3 { (name) }
                            canvas role="img" data-plane=(id) aria-label=(format!("{name} slice")) {}
                            label for=(format!("slice-{id}")) .visually-hidden { (name) " slice" }
                            input type="range" id=(format!("slice-{id}")) data-plane=(id) min="0" max=(self.dims[axis] - 1)
                                value=(self.start[axis]) aria-describedby=(format!("place-{id}"));
                            p .place id=(format!("place-{id}")) data-plane=(id) {}
                        }
                    }
                }
                p .readout role="status" { "Point at a slice to read it; click to move the other two planes there." }
                div .bars {
                    @for (n, (name, unit, scale)) in self.layers.iter().enumerate() {
                        (colour_bar(&n.to_string(), &titled(name, unit), &stops(scale), &marks(scale), n == 0))
                    }
                }
            }
            p .viewer-missing { "The slices need a browser with JavaScript; the volumes lie beside this page as NIfTI files." }
            p .note { (self.background) " The patient’s right is on the left of axial and coronal slices, the front on the left of sagittal ones. " (self.note) }
            script type="application/json" #volumes { (PreEscaped(data)) }
        }
    }
}

/// A layer's name, with its unit where it has one.
fn titled(name: &str, unit: &str) -> String {
    if unit.is_empty() { name.to_owned() } else { format!("{name}, {unit}") }
}

/// The box of the body in world order: first voxel and one past the last.
fn body(
    scene: &Scene<'_>,
    frame: &PictureFrame,
    size: [usize; 3],
    hu: &dyn Fn(usize) -> f32,
) -> ([usize; 3], [usize; 3]) {
    let (mut low, mut high) = (size, [0; 3]);
    for n in 0..scene.grid.len() {
        let labelled = scene.labels.is_some_and(|labels| labels[n] != 0);
        if labelled || hu(n) > BODY_HU {
            let voxel = scene.grid.voxel(n);
            for world in 0..3 {
                let at = frame.turned(scene.grid, world, voxel[frame.axis[world]]);
                low[world] = low[world].min(at);
                high[world] = high[world].max(at + 1);
            }
        }
    }
    if low[0] >= high[0] {
        return ([0; 3], size);
    }
    (low.map(|n| n.saturating_sub(1)), std::array::from_fn(|world| (high[world] + 1).min(size[world])))
}

/// A value as a byte.
fn level(scale: &Scale, value: f32) -> u8 {
    match scale {
        Scale::Root { top } => ((f64::from(value.max(0.0)) / top).sqrt() * 255.0).round().min(255.0) as u8,
        Scale::Classes { edges } => {
            if value > 0.0 {
                edges.partition_point(|edge| f64::from(value) >= *edge) as u8 + 1
            } else {
                0
            }
        }
        Scale::Signed { top } => (128.0 + (f64::from(value) / top * 127.0).round()).clamp(1.0, 255.0) as u8,
    }
}

/// Value of a byte, for reading a voxel.
fn words(scale: &Scale) -> Vec<String> {
    match scale {
        Scale::Root { top } => (0..256)
            .map(|n| {
                let value = top * (f64::from(n) / 255.0).powi(2);
                let text = super::number::significant(value, 2);
                if n == 255 { format!("{text} or more") } else { text }
            })
            .collect(),
        Scale::Classes { edges } => {
            let mut words = vec!["none".to_owned()];
            words.extend((0..=edges.len()).map(|n| match (n.checked_sub(1).map(|m| edges[m]), edges.get(n)) {
                (None, Some(to)) => format!("below {}", tick(*to)),
                (Some(from), Some(to)) => format!("{} to {}", tick(from), tick(*to)),
                (Some(from), None) => format!("{} or more", tick(from)),
                (None, None) => "some".to_owned(),
            }));
            words
        }
        Scale::Signed { top } => {
            (0..256).map(|n| super::number::significant(top * (f64::from(n) - 128.0) / 127.0, 2)).collect()
        }
    }
}

fn rgb(colour: colorous::Color) -> [u8; 3] {
    [colour.r, colour.g, colour.b]
}

/// Colour of a class: a sequence that stays apart in grey.
fn class_colour(number: usize, classes: usize) -> [u8; 3] {
    rgb(colorous::VIRIDIS.eval_continuous(if classes > 1 { number as f64 / (classes - 1) as f64 } else { 0.5 }))
}

/// Colour and opacity of every byte as hexadecimal, red green blue alpha.
fn look(scale: &Scale) -> String {
    let of = |byte: u32| -> ([u8; 3], f64) {
        match scale {
            Scale::Root { .. } => {
                let root = f64::from(byte) / 255.0;
                let rise = ((root * root - 0.008) / 0.032).clamp(0.0, 1.0);
                (rgb(colorous::INFERNO.eval_continuous(root)), rise * rise * (3.0 - 2.0 * rise))
            }
            Scale::Classes { edges } => {
                let classes = edges.len() + 1;
                if byte == 0 {
                    ([0; 3], 0.0)
                } else {
                    (class_colour(byte as usize - 1, classes.max(byte as usize)), 1.0)
                }
            }
            Scale::Signed { .. } => {
                let share = (f64::from(byte) - 128.0) / 127.0;
                (
                    rgb(colorous::RED_BLUE.eval_continuous((0.5 - 0.5 * share).clamp(0.0, 1.0))),
                    (2.0 * share.abs()).min(1.0),
                )
            }
        }
    };
    (0..256)
        .map(|byte| {
            let ([r, g, b], alpha) = of(byte);
            format!("{r:02x}{g:02x}{b:02x}{:02x}", (255.0 * alpha).round() as u8)
        })
        .collect()
}

fn stops(scale: &Scale) -> Vec<(f64, [u8; 3])> {
    match scale {
        Scale::Root { .. } => (0..=16)
            .map(|n| f64::from(n) / 16.0)
            .map(|share| (share, rgb(colorous::INFERNO.eval_continuous(share))))
            .collect(),
        Scale::Classes { edges } => {
            let classes = edges.len() + 1;
            (0..classes)
                .flat_map(|n| {
                    let colour = class_colour(n, classes);
                    let end = |m: usize| m as f64 / classes as f64;
                    [(end(n), colour), (end(n + 1), colour)]
                })
                .collect()
        }
        Scale::Signed { .. } => (0..=16)
            .map(|n| f64::from(n) / 16.0)
            .map(|share| (share, rgb(colorous::RED_BLUE.eval_continuous(1.0 - share))))
            .collect(),
    }
}

fn marks(scale: &Scale) -> Vec<(f64, String)> {
    match scale {
        Scale::Root { top } => {
            let decade = 10_f64.powf(top.log10().floor());
            let mut marks = vec![(1.0, tick(*top))];
            for value in [5.0, 2.0, 1.0, 0.5, 0.2, 0.1, 0.05].map(|digit| digit * decade) {
                let place = (value / top).sqrt();
                if value < *top && marks.iter().all(|mark: &(f64, String)| mark.0 - place > 0.09) && place > 0.08 {
                    marks.push((place, tick(value)));
                }
            }
            marks.push((0.0, "0".to_owned()));
            marks.reverse();
            marks
        }
        Scale::Classes { edges } => {
            let classes = (edges.len() + 1) as f64;
            edges.iter().enumerate().map(|(n, edge)| ((n + 1) as f64 / classes, tick(*edge))).collect()
        }
        Scale::Signed { top } => [-1.0, -0.5, 0.0, 0.5, 1.0]
            .map(|share| {
                let sign = if share > 0.0 { "+" } else { "" };
                (0.5 + 0.5 * share, format!("{sign}{}", tick(share * top)))
            })
            .to_vec(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use flate2::read::ZlibDecoder;
    use std::io::Read;

    fn unpacked(text: &str) -> Vec<u8> {
        let letters = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
        let mut bytes = Vec::new();
        for chunk in text.as_bytes().chunks(4) {
            let value = |n: usize| letters.iter().position(|&l| l == chunk[n]).unwrap_or(0) as u32;
            let word = value(0) << 18 | value(1) << 12 | value(2) << 6 | value(3);
            let count = 3 - chunk.iter().filter(|&&l| l == b'=').count();
            bytes.extend_from_slice(&word.to_be_bytes()[1..=count]);
        }
        let mut plain = Vec::new();
        ZlibDecoder::new(&bytes[..]).read_to_end(&mut plain).expect("zlib");
        let mut before = 0_u8;
        for byte in &mut plain {
            before = before.wrapping_add(*byte);
            *byte = before;
        }
        plain
    }

    #[test]
    fn law_packed_dose_comes_back_within_a_step_in_world_order() {
        // index axes run S, R, A with the second reversed; the dose names the world place
        let mut grid = VoxelGrid::axis_aligned([4, 3, 5], [2.0, 3.0, 4.0], [0.0; 3]);
        grid.affine = [[0.0, -3.0, 0.0, 6.0], [0.0, 0.0, 4.0, 0.0], [2.0, 0.0, 0.0, 0.0]];
        let world = |n: usize| grid.world_mm(grid.voxel(n).map(|i| i as f64));
        let dose: Vec<f32> =
            (0..grid.len()).map(|n| (world(n)[0] + 10.0 * world(n)[1] + 0.1 * world(n)[2]) as f32).collect();
        let hu = vec![0.0_f32; grid.len()];
        let top = 170.0;
        let viewer = Viewer::new(&Scene {
            grid: &grid,
            background: Background::Hu(&hu),
            labels: None,
            region_labels: &[],
            regions: &[],
            layers: [None, Some("not known")]
                .map(|zero| Layer {
                    name: "Dose".into(),
                    unit: "Gy".into(),
                    values: &dose,
                    scale: Scale::Root { top },
                    zero,
                })
                .to_vec(),
            start: [1, 0, 2],
            unseen: None,
        });
        assert_eq!(viewer.payload["dims"], json!([3, 5, 4]));
        assert_eq!(viewer.payload["origin"], json!([0.0, 0.0, 0.0]));
        assert_eq!(viewer.payload["start"], json!([2, 2, 1]), "index (1, 0, 2) is x 6, y 8, z 2 mm");
        let bytes = unpacked(viewer.payload["layers"][0]["data"].as_str().expect("text"));
        for (n, byte) in bytes.iter().enumerate() {
            let (x, y, z) = (n % 3, n / 3 % 5, n / 15);
            let wanted = 3.0 * x as f64 + 40.0 * y as f64 + 0.2 * z as f64;
            let found = top * (f64::from(*byte) / 255.0).powi(2);
            assert!((found - wanted).abs() < 0.5 / 255.0 * 2.0 * (wanted * top).sqrt() + 0.01, "{found} for {wanted}");
        }
        assert!(viewer.note.starts_with("All voxels"));
        let word = |layer: usize, byte: usize| viewer.payload["layers"][layer]["words"][byte].clone();
        assert_eq!((word(0, 0), word(1, 0)), (json!("0"), json!("not known")), "0 of a BED that nobody can state");
        assert_eq!(word(0, 200), word(1, 200));
    }

    #[test]
    fn law_large_volumes_are_averaged_and_it_is_said() {
        let grid = VoxelGrid::axis_aligned([200, 200, 120], [1.0; 3], [0.0; 3]);
        let dose: Vec<f32> = (0..grid.len()).map(|n| (n % 2) as f32).collect();
        let hu = vec![0.0_f32; grid.len()];
        let viewer = Viewer::new(&Scene {
            grid: &grid,
            background: Background::Hu(&hu),
            labels: None,
            region_labels: &[],
            regions: &[],
            layers: vec![Layer {
                name: "D".into(),
                unit: "Gy".into(),
                values: &dose,
                scale: Scale::Root { top: 1.0 },
                zero: None,
            }],
            start: [0; 3],
            unseen: Some("none was given"),
        });
        assert!(viewer.dims.iter().product::<usize>() <= MOST_VOXELS);
        assert!(viewer.note.contains("averaged over blocks of"), "{}", viewer.note);
        // alarm: what is not there is not named, and a layer without a unit has no comma behind it
        assert_eq!(viewer.background, "No anatomy is shown: none was given.");
        assert_eq!((titled("Gamma", "").as_str(), titled("A", "Gy").as_str()), ("Gamma", "A, Gy"));
    }

    #[test]
    fn law_bytes_mean_what_they_say() {
        let classes = Scale::Classes { edges: vec![1.0, 5.0] };
        assert_eq!([0.0, 0.5, 1.0, 4.9, 7.0].map(|value| level(&classes, value)), [0, 1, 2, 2, 3]);
        assert_eq!(words(&classes), ["none", "below 1", "1 to 5", "5 or more"]);
        let signed = Scale::Signed { top: 10.0 };
        assert_eq!([-20.0, 0.0, 10.0].map(|value| level(&signed, value)), [1, 128, 255]);
        assert_eq!(words(&signed)[255], "10");
        for scale in [classes, signed, Scale::Root { top: 40.0 }] {
            assert_eq!(look(&scale).len(), 256 * 8);
        }
    }
}
