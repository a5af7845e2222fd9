//! The frame in which cycle doses are summed by voxel.

use super::parts::Computed;
use crate::clinic::failure::UserError;
use crate::clinic::files::beside;
use crate::clinic::images::{self, Anatomy, RegionMap};
use crate::clinic::shelf::Shelf;
use crate::course::accumulate::CycleDose;
use crate::course::file::{Course, CourseCycle};
use crate::course::frame::{IDENTITY, resample};
use crate::grid::VoxelGrid;
use crate::io::dicom::{self, Origin};
use crate::note::Note;
use crate::place::Place;
use std::collections::BTreeMap;
use std::sync::Arc;

/// The course's frame, in which voxel sums are formed.
pub struct Frame {
    /// Its grid.
    pub grid: VoxelGrid,
    /// Label of each voxel.
    pub labels: Vec<u16>,
    /// Names of the labels.
    pub names: BTreeMap<u16, String>,
    /// Mass density, g/cm3, where known.
    pub density_g_cm3: Option<Vec<f32>>,
    /// Kind of coordinates.
    pub form_code: i16,
    /// The image that defines its frame of reference, if from DICOM.
    pub origin: Option<Origin>,
}

/// Whether a cycle is already in the course's frame: it uses the course's anatomy.
fn in_frame(cycle: &CourseCycle) -> bool {
    cycle.transform.is_none() && cycle.ct.is_none() && cycle.labels.is_none()
}

impl Frame {
    /// The frame: that of the first map with the course's own anatomy. If every cycle has its own, the course's labels
    /// define it; if the course has none, the first cycle without a transform. `None` without any map.
    pub fn of(
        path: &Place,
        course: &Course,
        computed: &[Computed],
        shelf: &mut Shelf,
        warnings: &mut Vec<Note>,
    ) -> Result<Option<Self>, UserError> {
        let maps = || course.cycles.iter().zip(computed).filter_map(|(cycle, one)| Some((cycle, one.map.as_ref()?)));
        let Some((_, any)) = maps().next() else { return Ok(None) };
        let stated = course.ct.is_some() || course.labels.is_some();
        let own = maps().find(|(cycle, _)| in_frame(cycle));
        let first = || maps().find(|(cycle, _)| !stated && cycle.transform.is_none());
        if let Some((_, map)) = own.or_else(first) {
            return Ok(Some(Self {
                grid: map.dose_gy.grid.clone(),
                labels: map.labels.clone(),
                names: map.names.clone(),
                density_g_cm3: map.density_g_cm3.clone(),
                form_code: map.form_code,
                origin: map.origin.clone(),
            }));
        }
        let Some(labels) = &course.labels else {
            warnings.push(Note::warning(
                "no-course-frame",
                "every cycle has its own anatomy and the course has no labels: there is no frame for voxel sums",
            ));
            return Ok(None);
        };
        let labels = beside(path, labels);
        let names = course.label_names.as_ref().map(|name| beside(path, name));
        let (opened, origin) = match &course.ct {
            Some(ct) => {
                let ct = beside(path, ct);
                (shelf.regions(&labels, names.as_ref(), &ct)?, shelf.ct(&ct)?.image.origin.clone())
            }
            None if dicom::is_dicom(&labels) => {
                return Err(UserError::invalid(
                    &labels,
                    "ct",
                    "none",
                    "the CT of the course's frame",
                    "Name the CT that the regions were drawn on as ct of the course.",
                ));
            }
            None => {
                let anatomy = Anatomy { grid: &any.dose_gy.grid, origin: None };
                (Arc::new(images::open_regions(&labels, names.as_ref(), &anatomy)?), None)
            }
        };
        warnings.extend(opened.warnings.iter().cloned());
        let RegionMap { labels, names, .. } = &opened.map;
        let present: BTreeMap<u16, String> = labels
            .data
            .iter()
            .filter(|label| **label > 0)
            .map(|label| (*label, names.get(label).cloned().unwrap_or_else(|| format!("label_{label}"))))
            .collect();
        warnings.push(Note::warning(
            "frame-without-density",
            "the course's frame has labels but no density: histograms weigh voxels by volume",
        ));
        Ok(Some(Self {
            grid: labels.grid.clone(),
            labels: labels.data.clone(),
            names: present,
            density_g_cm3: None,
            form_code: 1,
            origin,
        }))
    }
}

/// The cycles for accumulation: every map that lies in the course's frame or has a transform to it, on its grid.
pub fn cycle_doses(
    course: &Course,
    days: &[String],
    computed: &[Computed],
    frame: Option<&Frame>,
    warnings: &mut Vec<Note>,
) -> Vec<CycleDose> {
    let stated = course.ct.is_some() || course.labels.is_some();
    let mut first_apart = true;
    let mut cycles = Vec::new();
    for (index, (cycle, one)) in course.cycles.iter().zip(computed).enumerate() {
        let dose_gy = one.map.as_ref().zip(frame).and_then(|(map, frame)| {
            // where the course states no anatomy, its frame is that of the first cycle without a transform
            let gives_frame = !stated && cycle.transform.is_none() && std::mem::take(&mut first_apart);
            if cycle.transform.is_none() && !in_frame(cycle) && !gives_frame {
                let text = format!(
                    "cycle {} has its own CT or labels and no transform to the course's frame: it stays out of voxel sums",
                    index + 1
                );
                warnings.push(Note::warning("cycle-out-of-frame", text));
                return None;
            }
            let (moved, outside) = resample(&map.dose_gy, &frame.grid, &cycle.transform.unwrap_or(IDENTITY))?;
            if outside > 0 {
                let text = format!(
                    "its dose map does not reach {outside} voxels of the course's grid"
                );
                warnings.push(Note::warning("map-not-covering", text).at(format!("cycle {}", index + 1)));
            }
            Some(moved.data)
        });
        cycles.push(CycleDose {
            date: days[index].clone(),
            administered_gbq: cycle.administered_mbq / 1000.0,
            regions: one.regions.clone(),
            dose_gy,
        });
    }
    cycles
}
