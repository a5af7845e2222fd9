//! Regions of an object, painted into one label map.
//!
//! A label map holds one region per voxel, but contours and segments may overlap. Larger regions are therefore painted
//! first and smaller ones over them: the body outline keeps what no organ claims, and a tumour overrides the organ
//! around it. The volume a region loses to others is reported.

use std::collections::{BTreeMap, BTreeSet};

use crate::grid::Volume;
use crate::io::labels::LabelNames;
use crate::note::Note;
use crate::units::rounded;

/// Regions on a grid.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Regions {
    /// One label a voxel, 0 for none.
    pub labels: Volume<u16>,
    /// Name of each label.
    pub names: LabelNames,
    /// Volumes and losses, by label.
    pub reports: Vec<RegionReport>,
    /// What a careful user should know.
    pub notes: Vec<Note>,
}

/// How one region was put on the grid.
#[derive(Clone, Debug, PartialEq)]
pub struct RegionReport {
    /// Label.
    pub label: u16,
    /// Name.
    pub name: String,
    /// Volume of the object's own contours or voxels, cm3.
    pub own_cm3: f64,
    /// Volume of the voxels it covers on the grid, cm3.
    pub grid_cm3: f64,
    /// Part of that volume taken by smaller regions, cm3.
    pub lost_cm3: f64,
    /// Part of the object's own volume outside the grid, cm3, if known exactly.
    pub outside_cm3: f64,
}

impl RegionReport {
    /// Relative change of the volume by the grid; 0 for an empty region.
    pub fn change_rel(&self) -> f64 {
        if self.own_cm3 > 0.0 { self.grid_cm3 / self.own_cm3 - 1.0 } else { 0.0 }
    }
}

/// A region to be painted.
pub(super) struct Paint {
    pub(super) label: u16,
    pub(super) name: String,
    pub(super) own_cm3: f64,
    pub(super) outside_cm3: f64,
    /// Whether it is painted below all others: the body outline.
    pub(super) below: bool,
}

/// Paints regions onto the grid of `labels`, largest first. `voxels` gives the voxels of the n-th.
pub(super) fn paint(
    mut labels: Volume<u16>,
    regions: &[Paint],
    mut notes: Vec<Note>,
    mut voxels: impl FnMut(usize) -> Vec<usize>,
) -> Regions {
    let mut order: Vec<usize> = (0..regions.len()).collect();
    order.sort_by(|&a, &b| {
        let key = |n: usize| (regions[n].below, regions[n].own_cm3);
        key(b).0.cmp(&key(a).0).then(key(b).1.total_cmp(&key(a).1)).then(a.cmp(&b))
    });
    let voxel_cm3 = labels.grid.voxel_cm3();
    let mut covered: BTreeMap<u16, usize> = BTreeMap::new();
    // Which region was painted over which.
    let mut takers: BTreeSet<(u16, u16)> = BTreeSet::new();
    for &n in &order {
        let own = voxels(n);
        let label = regions[n].label;
        covered.insert(label, own.len());
        for voxel in own {
            let before = std::mem::replace(&mut labels.data[voxel], label);
            if before != 0 && before != label {
                takers.insert((before, label));
            }
        }
    }
    let mut kept: BTreeMap<u16, usize> = BTreeMap::new();
    for &label in &labels.data {
        *kept.entry(label).or_default() += 1;
    }
    let mut reports = Vec::new();
    for region in regions {
        let of = |counts: &BTreeMap<u16, usize>| counts.get(&region.label).copied().unwrap_or(0) as f64 * voxel_cm3;
        let report = RegionReport {
            label: region.label,
            name: region.name.clone(),
            own_cm3: region.own_cm3,
            grid_cm3: of(&covered),
            lost_cm3: of(&covered) - of(&kept),
            outside_cm3: region.outside_cm3,
        };
        let at = format!("region {} {}", report.label, report.name);
        if report.grid_cm3 == 0.0 {
            notes.push(Note::warning("region-without-voxel", "no voxel of the grid").at(at));
        } else if !kept.contains_key(&report.label) {
            let names = regions.iter().filter(|other| takers.contains(&(report.label, other.label)));
            let names: Vec<String> = names.map(|other| format!("{} {}", other.label, other.name)).collect();
            notes.push(
                Note::warning(
                    "region-inside-others",
                    format!(
                        "all of its {:.3} mL lie in {}, no voxel is left and it has no dose",
                        report.grid_cm3,
                        names.join(", ")
                    ),
                )
                .at(at),
            );
        } else if report.lost_cm3 > 0.0 {
            notes.push(
                Note::warning(
                    "region-shared",
                    format!(
                        "excludes {} mL of its {} mL, contoured as smaller regions inside it",
                        rounded(report.lost_cm3, 3),
                        rounded(report.grid_cm3, 3)
                    ),
                )
                .at(at),
            );
        }
        reports.push(report);
    }
    let names = regions.iter().map(|region| (region.label, region.name.clone())).collect();
    Regions { labels, names, reports, notes }
}

/// Labels and names that a label map can carry: numbers from 1 to 65535, each once, else counted anew; a
/// name that comes twice gets its number.
pub(super) fn labels_of(numbers: &[f64], names: &[String], notes: &mut Vec<Note>) -> Vec<(u16, String)> {
    let fits = |n: &f64| n.fract() == 0.0 && (1.0..=65535.0).contains(n);
    let mut sorted: Vec<u64> = numbers.iter().map(|n| n.to_bits()).collect();
    sorted.sort_unstable();
    sorted.dedup();
    let usable = numbers.iter().all(fits) && sorted.len() == numbers.len();
    if !usable {
        notes.push(Note::warning(
            "labels-renumbered",
            "region numbers are not distinct numbers from 1 to 65535: labels counted anew",
        ));
    }
    let mut seen: BTreeMap<String, usize> = BTreeMap::new();
    names
        .iter()
        .enumerate()
        .map(|(n, name)| {
            let label = if usable { numbers[n] as u16 } else { (n + 1).min(65535) as u16 };
            let plain = if name.trim().is_empty() { format!("label_{label}") } else { name.trim().to_owned() };
            let count = seen.entry(plain.clone()).or_default();
            *count += 1;
            if *count == 1 {
                return (label, plain);
            }
            notes.push(Note::warning(
                "region-renamed",
                format!("several regions are called {plain}: one of them is {plain}_{label}"),
            ));
            (label, format!("{plain}_{label}"))
        })
        .collect()
}
