//! Left and right: whether the two regions of a paired organ lie on the sides that their names say. Coordinates grow towards the
//! patient's right.

use crate::course::names::standard;
use crate::grid::Volume;
use crate::note::Note;
use crate::units::rounded;
use std::collections::BTreeMap;

/// How far apart two centroids must lie to say which is left, mm: half the width of the spine (assumption).
const LEAST_APART_MM: f64 = 20.0;

/// A side of the patient.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Side {
    Left,
    Right,
}

/// What a name is without its side, and the side; none for a name without one.
fn parted(name: &str) -> Option<(String, Side)> {
    let name = standard(name).unwrap_or(name).to_lowercase();
    let words: Vec<&str> = name.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty()).collect();
    let side = |word: &&str| match *word {
        "left" | "l" => Some(Side::Left),
        "right" | "r" => Some(Side::Right),
        _ => None,
    };
    let [one] = words.iter().filter_map(side).collect::<Vec<_>>()[..] else { return None };
    Some((words.iter().filter(|word| side(word).is_none()).copied().collect::<Vec<_>>().join("_"), one))
}

/// Mean position of each label from the patient's left to the right, mm.
fn across_mm(labels: &Volume<u16>) -> BTreeMap<u16, f64> {
    let mut sums: BTreeMap<u16, (f64, f64)> = BTreeMap::new();
    for (n, &label) in labels.data.iter().enumerate().filter(|(_, label)| **label > 0) {
        let at_mm = labels.grid.world_mm(labels.grid.voxel(n).map(|index| index as f64));
        let sum = sums.entry(label).or_default();
        *sum = (sum.0 + at_mm[0], sum.1 + 1.0);
    }
    sums.into_iter().map(|(label, (sum, count))| (label, sum / count)).collect()
}

/// A region of one side.
struct Sided<'a> {
    label: u16,
    name: &'a str,
    organ: String,
    side: Side,
}

/// Warnings for pairs of regions whose left one lies to the right of the right one.
pub fn exchanged(labels: &Volume<u16>, names: &BTreeMap<u16, String>) -> Vec<Note> {
    let named: Vec<Sided<'_>> = names
        .iter()
        .filter_map(|(&label, name)| parted(name).map(|(organ, side)| Sided { label, name, organ, side }))
        .collect();
    let of_side = |wanted: Side| named.iter().filter(move |one| one.side == wanted);
    let pairs: Vec<[&Sided<'_>; 2]> = of_side(Side::Left)
        .flat_map(|left| of_side(Side::Right).filter(|right| right.organ == left.organ).map(move |right| [left, right]))
        .collect();
    if pairs.is_empty() {
        return Vec::new();
    }
    let across = across_mm(labels);
    let doubt = |[left, right]: [&Sided<'_>; 2]| {
        let apart_mm = across.get(&left.label)? - across.get(&right.label)?;
        (apart_mm > LEAST_APART_MM).then(|| {
            let text = format!(
                "{} lies {} mm to the patient's right of {}: are the names exchanged, or is the image mirrored?",
                left.name,
                rounded(apart_mm, 3),
                right.name
            );
            Note::warning("sides-exchanged", text)
        })
    };
    pairs.into_iter().filter_map(doubt).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::grid::VoxelGrid;

    /// Two voxels 100 mm apart: label 1 at the patient's left, label 2 at the right.
    fn told(names: [&str; 2]) -> Vec<String> {
        let grid = VoxelGrid::axis_aligned([2, 1, 1], [100.0, 5.0, 5.0], [-50.0, 0.0, 0.0]);
        let names = (1..).zip(names.map(str::to_owned)).collect();
        exchanged(&Volume { grid, data: vec![1, 2] }, &names).iter().map(Note::to_string).collect()
    }

    #[test]
    fn alarm_exchanged_sides_are_told() {
        for [left, right] in [
            ["kidney_left", "kidney_right"],
            ["LK", "RK"],
            ["Parotid_L", "Parotid_R"],
            ["lung lower lobe left", "lung lower lobe right"],
        ] {
            assert_eq!(told([left, right]), [""; 0], "{left} lies left");
            let exchanged = told([right, left]);
            assert_eq!(exchanged.len(), 1, "{left}, {right}");
            let words = format!("{left} lies 100 mm to the patient's right of {right}");
            assert!(exchanged[0].starts_with(&words), "{exchanged:?}");
        }
        // no pair: nothing to compare
        for names in [["kidney_right", "liver"], ["kidney_right", "lung_left"], ["tumour_2", "tumour_1"]] {
            assert_eq!(told(names), [""; 0], "{names:?}");
        }
    }
}
