//! Long line lists made short enough to carry, the energy per decay kept.
//!
//! A cascade through the outer shells gives over a thousand Auger lines; an electron below 12 keV
//! has a range under 3 um in water, so their exact energies cannot matter in voxels.

use super::{Line, line_energy_kev};

/// Lines below this energy become one line of this energy, keV.
const LUMP_KEV: f64 = 0.1;
/// Lines weaker than this (per decay) join their nearest neighbour.
const WEAK_PER_DECAY: f64 = 1e-6;
/// A list no longer than this is left as it stands.
const MAX_LINES: usize = 150;
/// Below this energy near neighbours merge first, keV.
const SOFT_KEV: f64 = 12.0;
/// Width of a merged group below `SOFT_KEV`, keV.
const SOFT_WIDTH_KEV: f64 = 0.05;
/// Widths of merged groups relative to their energy, tried in turn while a list is too long.
const RELATIVE_WIDTHS: [f64; 5] = [0.0, 0.01, 0.02, 0.04, 0.08];

/// The list sorted by energy, without lines below 0.1 keV or under 1e-6 per decay, and merged where
/// it holds more than 150 lines; the sum of energy x yield is kept. A merged line carries the sum of
/// the yields and the mean energy.
pub(super) fn condense(mut lines: Vec<Line>) -> Vec<Line> {
    lines.sort_by(|a, b| a.energy_kev.total_cmp(&b.energy_kev));
    let lines = join_weak(lump_soft(lines));
    let mut merged = lines.clone();
    for width_rel in RELATIVE_WIDTHS {
        if merged.len() <= MAX_LINES {
            break;
        }
        merged = merge(&lines, width_rel);
    }
    merged
}

/// Lines below `LUMP_KEV` replaced by one of that energy and the same energy per decay.
fn lump_soft(lines: Vec<Line>) -> Vec<Line> {
    let first = lines.partition_point(|l| l.energy_kev < LUMP_KEV);
    let energy_kev = line_energy_kev(&lines[..first]);
    let lump = Line {
        energy_kev: LUMP_KEV,
        yield_per_decay: energy_kev / LUMP_KEV,
        label: format!("energy of {first} lines below {LUMP_KEV} keV"),
    };
    let kept = lines.into_iter().skip(first);
    if energy_kev > 0.0 { std::iter::once(lump).chain(kept).collect() } else { kept.collect() }
}

/// Weak lines removed, their energy given to the nearest line that stays (in yield).
fn join_weak(lines: Vec<Line>) -> Vec<Line> {
    let (weak, mut kept): (Vec<Line>, Vec<Line>) = lines.into_iter().partition(|l| l.yield_per_decay < WEAK_PER_DECAY);
    if kept.is_empty() {
        return weak;
    }
    for line in weak {
        let above = kept.partition_point(|k| k.energy_kev < line.energy_kev).min(kept.len() - 1);
        let below = above.saturating_sub(1);
        let distance = |i: usize| (kept[i].energy_kev - line.energy_kev).abs();
        let nearest = if distance(below) < distance(above) { below } else { above };
        kept[nearest].yield_per_decay += line.yield_per_decay * line.energy_kev / kept[nearest].energy_kev;
    }
    kept
}

/// Neighbours within a group width of the group's first line merged.
fn merge(lines: &[Line], width_rel: f64) -> Vec<Line> {
    let mut merged: Vec<Line> = Vec::new();
    let mut group: Vec<&Line> = Vec::new();
    for line in lines {
        if let Some(first) = group.first() {
            let soft_kev = if first.energy_kev < SOFT_KEV { SOFT_WIDTH_KEV } else { 0.0 };
            if line.energy_kev - first.energy_kev >= f64::max(soft_kev, width_rel * first.energy_kev) {
                merged.push(mean_line(&group));
                group.clear();
            }
        }
        group.push(line);
    }
    if !group.is_empty() {
        merged.push(mean_line(&group));
    }
    merged
}

/// One line for a group: summed yield, mean energy, label of the strongest. `group` is not empty.
fn mean_line(group: &[&Line]) -> Line {
    let yield_per_decay: f64 = group.iter().map(|l| l.yield_per_decay).sum();
    let energy_kev = group.iter().map(|l| l.energy_kev * l.yield_per_decay).sum::<f64>() / yield_per_decay;
    let strongest = group.iter().fold(group[0], |a, b| if b.yield_per_decay > a.yield_per_decay { b } else { a });
    let label = match group.len() {
        1 => strongest.label.clone(),
        n => format!("{} and {} near it", strongest.label, n - 1),
    };
    Line { energy_kev, yield_per_decay, label }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(energy_kev: f64, yield_per_decay: f64) -> Line {
        Line { energy_kev, yield_per_decay, label: "x".to_owned() }
    }

    /// A list of which every stage has its share: soft lines, weak lines, more lines than are kept.
    fn long() -> Vec<Line> {
        let mut list: Vec<Line> = (1..=800).map(|i| line(0.013 * f64::from(i), 1e-3 / f64::from(i))).collect();
        list.extend((0..40).map(|i| line(20.0 + 3.0 * f64::from(i), if i % 3 == 0 { 5e-7 } else { 1e-3 })));
        list
    }

    /// What a way of condensing does wrong.
    fn faults(condense: impl Fn(Vec<Line>) -> Vec<Line>) -> Vec<String> {
        let before = line_energy_kev(&long());
        let after = condense(long());
        let mut faults = Vec::new();
        if after.len() > MAX_LINES {
            faults.push(format!("{} lines", after.len()));
        }
        // sums of a thousand f64
        let off = line_energy_kev(&after) / before - 1.0;
        if off.abs() > 1e-12 {
            faults.push(format!("energy off by {off:e}"));
        }
        if !after.iter().all(|l| l.yield_per_decay >= WEAK_PER_DECAY && l.energy_kev >= LUMP_KEV) {
            faults.push("soft or weak lines are left".to_owned());
        }
        if !after.windows(2).all(|l| l[0].energy_kev <= l[1].energy_kev) {
            faults.push("not sorted".to_owned());
        }
        faults
    }

    #[test]
    fn law_condensing_keeps_the_energy() {
        assert_eq!(faults(condense), Vec::<String>::new());
    }

    /// The same stages, each with a fault of its own.
    #[test]
    fn alarm_each_stage_of_condensing_rings() {
        let stages = |lump: fn(Vec<Line>) -> Vec<Line>, join: fn(Vec<Line>) -> Vec<Line>, width_rel: f64| {
            faults(|lines| merge(&join(lump(lines)), width_rel))
        };
        assert_eq!(stages(lump_soft, join_weak, 0.02), Vec::<String>::new(), "the stages themselves are sound");
        let lost = |lines: Vec<Line>| lines.into_iter().filter(|l| l.energy_kev >= LUMP_KEV).collect();
        assert!(stages(lost, join_weak, 0.02)[0].contains("energy"), "soft lines are lost");
        let lost = |lines: Vec<Line>| lines.into_iter().filter(|l| l.yield_per_decay >= WEAK_PER_DECAY).collect();
        assert!(stages(lump_soft, lost, 0.02)[0].contains("energy"), "weak lines are lost");
        let yields = |mut lines: Vec<Line>| {
            let weak: f64 =
                lines.iter().filter(|l| l.yield_per_decay < WEAK_PER_DECAY).map(|l| l.yield_per_decay).sum();
            lines.retain(|l| l.yield_per_decay >= WEAK_PER_DECAY);
            lines[0].yield_per_decay += weak;
            lines
        };
        assert!(
            stages(lump_soft, yields, 0.02)[0].contains("energy"),
            "the yield of weak lines is kept, not their energy"
        );
        let kept = |lines: Vec<Line>| lines;
        assert!(stages(kept, kept, 0.02).iter().any(|fault| fault.contains("soft or weak")));
        assert!(stages(lump_soft, join_weak, 0.0).iter().any(|fault| fault.contains("lines")), "nothing is merged");
    }

    #[test]
    fn law_short_lists_stand() {
        let list = vec![line(1.0, 0.4), line(1.01, 0.1), line(200.0, 0.2)];
        assert_eq!(condense(list.clone()), list);
        assert_eq!(condense(vec![line(200.0, 1e-9)]).len(), 1);
        assert!(condense(Vec::new()).is_empty());
    }
}
