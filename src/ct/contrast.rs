//! Contrast agent in what should be unenhanced tissue.
//!
//! A calibration reads every HU as density. A kidney enhanced to 205 HU gets 1.14 g/cm3 instead of 1.05, and a dose that is too
//! low in the same ratio. A single voxel does not tell contrast agent from dense bone, but a region named as soft tissue does:
//! its median HU is compared with what unenhanced parenchyma has. Stones and a border that includes bone do not move the median.
//!
//! Unenhanced parenchyma at 120 kV: kidney 30 to 40 HU, liver 55 to 65 (to 75 and beyond with iron or amiodarone), spleen 45 to
//! 55, pancreas 35 to 45, salivary glands -20 to 50, muscle 50 to 60, blood 40 to 60, clotted 80; the thyroid has 80 to 130 of its
//! own iodine. Assumption: the limits below, about twice what is usual, which another tube voltage does not reach.

use crate::fault::{Setting, words};
use crate::note::Note;

/// Beginnings of words and the median above which a region of that name holds contrast agent, HU.
const LIMITS_HU: [(&str, f64); 23] = [
    ("kidney", 80.0),
    ("renal", 80.0),
    ("cortex", 80.0),
    ("medulla", 80.0),
    ("niere", 80.0),
    ("rein", 80.0),
    ("liver", 120.0),
    ("hepat", 120.0),
    ("leber", 120.0),
    ("foie", 120.0),
    ("spleen", 100.0),
    ("milz", 100.0),
    ("pancreas", 90.0),
    ("parotid", 90.0),
    ("submandib", 90.0),
    ("salivar", 90.0),
    ("muscle", 90.0),
    ("heart", 90.0),
    ("aorta", 100.0),
    ("prostat", 90.0),
    ("adrenal", 90.0),
    ("bladder", 90.0),
    ("soft", 90.0),
];

/// The median above which a region of this name holds contrast agent, HU; none of a name that says no soft tissue.
pub fn unenhanced_most_hu(region: &str) -> Option<f64> {
    let lower = region.to_lowercase();
    let words: Vec<&str> = lower.split(|c: char| !c.is_alphabetic()).collect();
    // "renal stone", "liver_calcification", "bone cortex" are none
    const HARD: [&str; 8] = ["bone", "stone", "calc", "stent", "implant", "clip", "seed", "femur"];
    if words.iter().any(|word| HARD.iter().any(|hard| word.starts_with(hard))) {
        return None;
    }
    LIMITS_HU.iter().find(|(start, _)| words.iter().any(|word| word.starts_with(start))).map(|(_, most)| *most)
}

/// A doubt about a region of soft tissue whose median is that of contrast agent; `density_g_cm3` is what the calibration
/// makes of it.
pub fn doubt(region: &str, median_hu: f64, density_g_cm3: f64) -> Option<Note> {
    let most = unenhanced_most_hu(region)?;
    (median_hu > most).then(|| {
        let text = format!(
            "half of it lies above {median_hu:.0} HU, more than the {most} HU that it can have without contrast agent; the \
             calibration takes the agent for tissue of {density_g_cm3:.3} g/cm3, and its dose is too low by as much \
             as that is too dense: give an unenhanced CT, or densities ("
        );
        Note::warning("contrast-agent", words!(text, Setting::Density, ")")).at(format!("region {region}"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn alarm_contrast_agent_in_named_soft_tissue_is_a_doubt() {
        let told = doubt("kidney_left", 205.0, 1.14).expect("a doubt");
        assert!(
            told.to_string().starts_with("region kidney_left: half of it lies above 205 HU, more than the 80 HU"),
            "{told}"
        );
        assert!(told.contains("1.140 g/cm3"), "{told}");
        for (name, hu) in [("Liver", 140.0), ("Niere links", 150.0), ("renal cortex", 190.0), ("SPLEEN", 130.0)] {
            assert!(doubt(name, hu, 1.1).is_some(), "{name}");
        }
    }

    #[test]
    fn law_unenhanced_tissue_and_other_names_raise_none() {
        for (name, hu) in [
            ("kidney_right", 38.0),
            ("liver", 75.0),
            ("liver", 110.0),
            ("parotid_left", -20.0),
            ("thyroid", 130.0),
            ("tumour_1", 205.0),
            ("bone cortex", 900.0),
            ("kidney stone", 700.0),
            ("L3", 220.0),
            ("unlabelled", 300.0),
        ] {
            assert_eq!(doubt(name, hu, 1.1), None, "{name}");
        }
    }
}
