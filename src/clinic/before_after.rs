//! Two images before and after the moving one is brought to the fixed one, in the squares of a checkerboard.

use crate::grid::Volume;
use crate::register::View;
use crate::report::png::Drawn;
use crate::report::png::checkerboard::{Checkerboard, checkerboards};

/// Soft-tissue window of a CT, HU.
const WINDOW_HU: [f32; 2] = [-160.0, 240.0];

/// An image to be drawn.
#[derive(Clone, Copy)]
pub struct Shown<'a> {
    /// Its values: HU, or activity in any unit.
    pub volume: &'a Volume<f32>,
    /// Whether they are CT numbers.
    pub is_ct: bool,
}

/// Where a point of the fixed frame lies in the moving one, RAS mm; none where nothing says.
pub type Place<'a> = &'a (dyn Fn([f64; 3]) -> Option<[f64; 3]> + Sync);

/// Slices of both images before (`before_axial`, ..) and after (`after_axial`, ..) the moving one is read where `place` leads,
/// through voxel `through` of the fixed one, with `lines` beside them.
pub fn before_and_after(
    [fixed, moving]: [Shown<'_>; 2],
    through: [usize; 3],
    place: Place<'_>,
    lines: &[String],
) -> Vec<Drawn> {
    let grid = &fixed.volume.grid;
    let greys = [Greys::of(fixed), Greys::of(moving)];
    let view = View::new(&moving.volume.grid, &moving.volume.data);
    let first = |n: usize| greys[0].of_value(f64::from(fixed.volume.data[n]));
    let as_it_lies: Place<'_> = &|world| Some(world);
    let boards = [
        ("before", "Before: fixed and moving image as they lie", as_it_lies),
        ("after", "After: fixed and registered moving image", place),
    ];
    let drawn = boards.map(|(stem, title, place)| {
        let second = |n: usize| {
            let world = grid.world_mm(grid.voxel(n).map(|v| v as f64));
            place(world).and_then(|there| view.value(there)).map_or(0.0, |value| greys[1].of_value(value))
        };
        checkerboards(&Checkerboard { grid, first: &first, second: &second, title, lines }, stem, through)
    });
    drawn.concat()
}

/// How values become greys.
struct Greys {
    is_ct: bool,
    top: f64,
}

impl Greys {
    fn of(image: Shown<'_>) -> Self {
        let mut values: Vec<f32> = image.volume.data.iter().step_by(7).copied().collect();
        let rank = values.len() - 1 - values.len() / 1000;
        let top = f64::from(*values.select_nth_unstable_by(rank, f32::total_cmp).1);
        Self { is_ct: image.is_ct, top: if top > 0.0 { top } else { 1.0 } }
    }

    fn of_value(&self, value: f64) -> f32 {
        if self.is_ct {
            ((value as f32 - WINDOW_HU[0]) / (WINDOW_HU[1] - WINDOW_HU[0])).clamp(0.0, 1.0)
        } else {
            (value.max(0.0) / self.top).sqrt().min(1.0) as f32
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::grid::VoxelGrid;

    /// A ball and the same ball 12 mm to the right: before, the pictures of the pair differ from those of the ball with itself;
    /// after, they do not but for the words; with a wrong transform they do.
    #[test]
    fn alarm_pictures_tell_a_wrong_transform() {
        let grid = VoxelGrid::axis_aligned([30, 30, 30], [4.0; 3], [0.0; 3]);
        let ball = |middle_x: f64| {
            let inside = |n: usize| {
                let [x, y, z] = grid.world_mm(grid.voxel(n).map(|v| v as f64));
                (x - middle_x).powi(2) + (y - 58.0).powi(2) + (z - 58.0).powi(2) < 900.0
            };
            Volume {
                grid: grid.clone(),
                data: (0..grid.len()).map(|n| f32::from(u8::from(inside(n)))).collect::<Vec<_>>(),
            }
        };
        let (here, there) = (ball(56.0), ball(68.0));
        let pictures = |moving: &Volume<f32>, by_mm: f64| {
            let pair = [&here, moving].map(|volume| Shown { volume, is_ct: false });
            before_and_after(pair, [14; 3], &|[x, y, z]| Some([x + by_mm, y, z]), &[])
        };
        let (same, found, wrong) = (pictures(&here, 0.0), pictures(&there, 12.0), pictures(&there, 8.0));
        let names: Vec<&str> = found.iter().map(|one| one.name.as_str()).collect();
        assert_eq!(names[..4], ["before_axial", "before_coronal", "before_sagittal", "after_axial"]);
        assert!(found[0].rgb != same[0].rgb && found[1].rgb != same[1].rgb, "the ball lies elsewhere");
        assert!(found[3].rgb == same[3].rgb && found[4].rgb == same[4].rgb, "brought there, it is the same ball");
        assert!(wrong[3].rgb != same[3].rgb && wrong[4].rgb != same[4].rgb);
    }
}
