//! Values of an image whose regions have moved by themselves, brought into one frame with their sum kept.
//!
//! Organs do not move together: a kidney slides along its surroundings. Each region's zone (the region and a margin around
//! it) takes what lies in the same zone carried by its own motion; the rest is carried by the common motion. Every source
//! voxel is dealt out once: first to the zones, in the shares of its volume that lie in each carried zone (scaled down where
//! carried zones overlap), then what is left to the rest. Two things remain where a zone has moved on its own: tissue that
//! now lies where the zone was drawn, which is not the zone's, and a gap where the zone has gone. The tissue fills the gap:
//! its sum is spread over it by volume. So the sum is kept, each region holds what lay in it, and where no zone moves by
//! itself the result is that of `deal_out` of `moved`.

use super::moved::Moved;
use super::overlap::each_overlap;
use super::sum;
use crate::grid::{Volume, VoxelGrid};

/// A zone and the source's grid as its own motion carries it into the target's frame.
pub struct Zone {
    /// The source's grid in the target's frame.
    pub carried: VoxelGrid,
    /// Value of its voxels in the map of zones; not 0.
    pub number: u16,
}

/// Values brought onto the target, and what had to be filled.
#[derive(Clone, Debug, PartialEq)]
pub struct Pieced {
    /// The values.
    pub moved: Moved,
    /// Sum of the tissue that lay where a zone is drawn and was spread over the gaps.
    pub displaced: f64,
}

/// The zones of regions: the voxels of each wanted label and those within about `margin_mm` of them, each to the region that it
/// is nearest to (of equally near ones the lowest label); 0 elsewhere.
pub fn zones(labels: &Volume<u16>, wanted: &[u16], margin_mm: f64) -> Volume<u16> {
    let grid = &labels.grid;
    let mut data: Vec<u16> = labels.data.iter().map(|l| if wanted.contains(l) { *l } else { 0 }).collect();
    let edge_mm = grid.spacing_mm.iter().sum::<f64>() / 3.0;
    let pitch = [1, grid.dims[0], grid.dims[0] * grid.dims[1]];
    for _ in 0..(margin_mm / edge_mm).round() as usize {
        let before = data.clone();
        for (index, zone) in data.iter_mut().enumerate().filter(|(_, zone)| **zone == 0) {
            let at = grid.voxel(index);
            let near = (0..3).flat_map(|axis| {
                let below = (at[axis] > 0).then(|| before[index - pitch[axis]]);
                let above = (at[axis] + 1 < grid.dims[axis]).then(|| before[index + pitch[axis]]);
                [below, above].into_iter().flatten()
            });
            *zone = near.filter(|zone| *zone > 0).min().unwrap_or(0);
        }
    }
    Volume { grid: grid.clone(), data }
}

/// What a source voxel gives to one zone.
struct Given {
    zone: usize,
    share: f64,
}

/// Deals values out: `zones` to the voxels of their number in `map`, which lies on the target grid, the rest, 0 in `map`, by
/// `common`, the source's grid in the target's frame under the common motion.
pub fn deal_out_pieces(values: &Volume<f64>, common: &VoxelGrid, zones: &[Zone], map: &Volume<u16>) -> Pieced {
    let target = &map.grid;
    let count = values.data.len();
    let wanted = |index: usize| values.data[index] != 0.0;
    let mut taken: Vec<Vec<Given>> = (0..count).map(|_| Vec::new()).collect();
    for (zone, Zone { carried, number }) in zones.iter().enumerate() {
        each_overlap(carried, target, wanted, |index, overlaps| {
            let own = overlaps.iter().filter(|(voxel, _)| map.data[*voxel] == *number);
            let share = sum(own.map(|(_, share)| *share));
            if share > 0.0 {
                taken[index].push(Given { zone, share });
            }
        });
    }
    // carried zones that overlap divide what they share
    for given in &mut taken {
        let whole = sum(given.iter().map(|g| g.share));
        if whole > 1.0 {
            given.iter_mut().for_each(|g| g.share /= whole);
        }
    }
    let mut data = vec![0.0; target.len()];
    for (zone, Zone { carried, number }) in zones.iter().enumerate() {
        each_overlap(carried, target, wanted, |index, overlaps| {
            let Some(given) = taken[index].iter().find(|g| g.zone == zone) else { return };
            let own = || overlaps.iter().filter(|(voxel, _)| map.data[*voxel] == *number);
            let whole = sum(own().map(|(_, share)| *share));
            let value = values.data[index] * given.share / whole;
            own().for_each(|&(voxel, share)| data[voxel] += value * share);
        });
    }
    let rest = Rest { values, common, map, taken: &taken };
    let (lost, displaced) = rest.deal(zones, &mut data);
    let (source, kept) = (sum(values.data.iter().copied()), sum(data.iter().copied()));
    Pieced { moved: Moved { volume: Volume { grid: target.clone(), data }, source, kept, lost }, displaced }
}

/// What no zone has taken.
struct Rest<'a> {
    values: &'a Volume<f64>,
    common: &'a VoxelGrid,
    map: &'a Volume<u16>,
    taken: &'a [Vec<Given>],
}

impl Rest<'_> {
    /// Deals the rest out by the common motion and fills the gaps. What falls outside, and what was spread over gaps.
    fn deal(&self, zones: &[Zone], data: &mut [f64]) -> (f64, f64) {
        let mut lost = Vec::new();
        let mut pools = vec![Vec::new(); zones.len()];
        let mut landed = vec![Vec::new(); zones.len()];
        let mut gaps: Vec<Vec<(usize, f64)>> = vec![Vec::new(); zones.len()];
        each_overlap(
            self.common,
            &self.map.grid,
            |_| true,
            |index, overlaps| {
                let (value, given) = (self.values.data[index], &self.taken[index]);
                let left = 1.0 - sum(given.iter().map(|g| g.share)).min(1.0);
                let inside = sum(overlaps.iter().map(|(_, share)| *share));
                let open = || overlaps.iter().filter(|(voxel, _)| self.map.data[*voxel] == 0);
                // outside the field of view is no zone
                let room = sum(open().map(|(_, share)| *share)) + (1.0 - inside).max(0.0);
                let part = if room > 0.0 { (left / room).min(1.0) } else { 0.0 };
                lost.push(value * part * (1.0 - inside).max(0.0));
                for &(voxel, share) in open() {
                    data[voxel] += value * part * share;
                    if part < 1.0 {
                        let whole = sum(given.iter().map(|g| g.share));
                        given.iter().for_each(|g| gaps[g.zone].push((voxel, share * (1.0 - part) * g.share / whole)));
                    }
                }
                let over = left - part * room;
                if over > 0.0 && value != 0.0 {
                    self.displaced(overlaps, zones, value * over, &mut pools, &mut landed);
                }
            },
        );
        let mut displaced = Vec::new();
        for ((pool, gap), landed) in pools.iter().zip(&gaps).zip(&landed) {
            let amount = sum(pool.iter().copied());
            let (into, volume) = match sum(gap.iter().map(|(_, v)| *v)) {
                volume if volume > 0.0 => (gap, volume),
                // no gap to fill: it stays where it lies
                _ => (landed, sum(landed.iter().map(|(_, v)| *v))),
            };
            into.iter().for_each(|&(voxel, share)| data[voxel] += amount * share / volume);
            displaced.push(amount);
        }
        (sum(lost), sum(displaced))
    }

    /// Puts an amount that lands in zones into their pools, by the volumes that it lands in.
    fn displaced(
        &self,
        overlaps: &[(usize, f64)],
        zones: &[Zone],
        amount: f64,
        pools: &mut [Vec<f64>],
        landed: &mut [Vec<(usize, f64)>],
    ) {
        let closed = || overlaps.iter().filter(|(voxel, _)| self.map.data[*voxel] != 0);
        let whole = sum(closed().map(|(_, share)| *share));
        for &(voxel, share) in closed() {
            let zone = zones.iter().position(|zone| zone.number == self.map.data[voxel]);
            if let Some(zone) = zone {
                pools[zone].push(amount * share / whole);
                landed[zone].push((voxel, share));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::moved::deal_out;

    fn grid() -> VoxelGrid {
        VoxelGrid::axis_aligned([24, 22, 26], [4.0; 3], [-46.0, -42.0, -50.0])
    }

    fn shifted(by: [f64; 3]) -> VoxelGrid {
        let mut grid = grid();
        (0..3).for_each(|axis| grid.affine[axis][3] += by[axis]);
        grid
    }

    /// A hot box at `middle_mm` on a background.
    fn image(middle_mm: [f64; 3]) -> Volume<f64> {
        let grid = grid();
        let inside = |n: usize| {
            let at = grid.world_mm(grid.voxel(n).map(|v| v as f64));
            (0..3).all(|axis| (at[axis] - middle_mm[axis]).abs() < 12.0)
        };
        let data = (0..grid.len()).map(|n| if inside(n) { 30.0 } else { 1.0 }).collect();
        Volume { grid, data }
    }

    fn zone_of(image: &Volume<f64>) -> Volume<u16> {
        Volume { grid: image.grid.clone(), data: image.data.iter().map(|v| u16::from(*v > 2.0)).collect() }
    }

    fn in_zone(map: &Volume<u16>, moved: &Moved) -> f64 {
        moved.volume.data.iter().zip(&map.data).filter(|(_, z)| **z == 1).map(|(v, _)| *v).sum()
    }

    /// Zones grow alike and stop where they meet.
    #[test]
    fn law_zones_are_regions_with_a_margin() {
        let mut labels = Volume { grid: grid(), data: vec![0_u16; grid().len()] };
        let at = |i: usize| grid().index(i, 10, 10);
        (labels.data[at(5)], labels.data[at(9)], labels.data[at(20)]) = (2, 3, 7);
        let zones = zones(&labels, &[2, 3], 8.0);
        let row: Vec<u16> = (0..24).map(|i| zones.data[at(i)]).collect();
        assert_eq!(row[..12], [0, 0, 0, 2, 2, 2, 2, 2, 3, 3, 3, 3]);
        assert_eq!(row[20], 0, "a region that moves with the rest");
        assert_eq!(zones.data[grid().index(5, 12, 10)], 2);
        assert_eq!(zones.data[grid().index(5, 12, 11)], 0);
    }

    /// A zone that moves as everything does is no zone.
    #[test]
    fn law_a_zone_with_the_common_motion_changes_nothing() {
        let (fixed, by) = (image([0.0; 3]), [-3.0, 1.3, 5.5]);
        let map = zone_of(&fixed);
        let pieced = deal_out_pieces(&fixed, &shifted(by), &[Zone { carried: shifted(by), number: 1 }], &map);
        let plain = deal_out(&Volume { grid: shifted(by), data: fixed.data.clone() }, &grid());
        for (a, b) in pieced.moved.volume.data.iter().zip(&plain.volume.data) {
            assert!((a - b).abs() < 1e-9, "{a} {b}");
        }
        assert!((pieced.moved.lost - plain.lost).abs() < 1e-9 && pieced.displaced.abs() < 1e-9);
    }

    /// A box that has moved by 13 mm in a body that lies still is brought back whole; the sum is kept; the gap is filled.
    #[test]
    fn law_a_zone_takes_what_lies_in_it() {
        let (fixed, moving) = (image([0.0; 3]), image([1.0, 0.5, 16.0]));
        let map = zone_of(&fixed);
        let own = Zone { carried: shifted([0.0, 0.0, -16.0]), number: 1 };
        let pieced = deal_out_pieces(&moving, &grid(), &[own], &map);
        let Moved { kept, lost, source, .. } = pieced.moved;
        assert!(((kept + lost) / source - 1.0).abs() < 1e-12 && lost.abs() < 1e-9, "{kept} {lost} {source}");
        let (found, truth) =
            (in_zone(&map, &pieced.moved), in_zone(&map, &Moved { volume: fixed.clone(), ..pieced.moved.clone() }));
        assert!((found / truth - 1.0).abs() < 1e-9, "{found} {truth}");
        // the tissue of 1 a voxel that lay where the box was drawn lies where the box has been
        for (v, z) in pieced.moved.volume.data.iter().zip(&map.data) {
            assert!(*z == 1 || (v - 1.0).abs() < 1e-9, "{v}");
        }
        assert!(pieced.displaced > 0.0);
    }

    /// Without the zone's own motion the box is missed.
    #[test]
    fn alarm_a_zone_without_its_motion_misses() {
        let (fixed, moving) = (image([0.0; 3]), image([1.0, 0.5, 16.0]));
        let map = zone_of(&fixed);
        let still = deal_out_pieces(&moving, &grid(), &[Zone { carried: grid(), number: 1 }], &map);
        let truth = in_zone(&map, &Moved { volume: fixed, ..still.moved.clone() });
        assert!(in_zone(&map, &still.moved) < 0.6 * truth);
    }
}
