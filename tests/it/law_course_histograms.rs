//! The histograms of a whole course: the practice patient, every region with its radiobiology, at every rank.

use crate::patient::write;
use lutra::clinic::course::{CourseResult, source::CourseSource, treated};
use lutra::clinic::notes::Unheard;
use lutra::clinic::practice;
use lutra::clinic::request::{EngineChoice, RunOptions, Stop};
use lutra::dose::AIR_LIMIT_G_CM3;
use lutra::dose::dvh::Dvh;
use lutra::dose::dvh::pieces::{Field, Member, region_dvh};
use lutra::io::atomic::AtomicOutputDir;
use lutra::io::inputs::Inputs;
use std::path::Path;

/// The practice patient's course, with few histories: noise is part of what the law must bear.
fn course(folder: &Path) -> CourseResult {
    let made = AtomicOutputDir::create(folder.join("patient"), false, &Inputs::default()).expect("a folder");
    practice::write(&made).expect("written");
    let patient = made.commit().expect("complete");
    let mut text = "schema = 1\nprotocol = \"iluminet\"\nct = \"ct.nii.gz\"\n[[radiobiology]]\nalpha_beta_gy = 10\n\
                    repair_half_life_h = 1.5\n"
        .to_owned();
    for (cycle, date) in (1..).zip(practice::DATES) {
        text += &format!("[[cycles]]\ndate = {date}\nadministered_mbq = 7400\nseries = \"cycle{cycle}/SERIES.toml\"\n");
        let images = practice::TIMES_H
            .map(|hour| format!("[[images]]\nfile = \"spect_{hour:03}h.nii.gz\"\ntime_h = {hour}\n"))
            .concat();
        let series = format!(
            "schema = 1\nunit = \"bq_ml\"\ndecay_correction = \"none\"\nadministered_mbq = 7400\n\
             labels = \"../labels.nii.gz\"\nlabel_names = \"../label_names.csv\"\n{images}"
        );
        write(&patient, &format!("cycle{cycle}/SERIES.toml"), &series);
    }
    write(&patient, "COURSE.toml", &text);
    let run = RunOptions { engine: EngineChoice::Cpu(None), stop: Stop::Histories(20_000), ..RunOptions::default() };
    let source = CourseSource::of_file(patient.join("COURSE.toml")).expect("a course");
    treated(source, None, &run, &mut Unheard).expect("treated")
}

/// Ranks, % of the mass: every hundredth, hottest and coldest included.
fn ranks() -> impl Iterator<Item = f64> {
    (0..=10_000).map(|rank| f64::from(rank) / 100.0)
}

/// Ranks at which the BED lies below the dose.
fn below(dose: &Dvh, bed: &Dvh) -> usize {
    let at = |dvh: &Dvh, rank: f64| dvh.dose_at_volume_gy(rank).expect("pieces");
    ranks().filter(|&rank| at(bed, rank) < at(dose, rank)).count()
}

/// The histogram of a region's BED by its own field, 0 outside of the region.
fn by_its_own_field(course: &CourseResult, label: u16) -> Dvh {
    let frame = course.frame.as_ref().expect("a frame");
    let bed = &course.accumulated.voxels.as_ref().expect("sums").bed_gy;
    let inside = |n: usize| frame.labels[n] == label;
    let own: Vec<f32> = bed.iter().enumerate().map(|(n, &gy)| if inside(n) { gy } else { 0.0 }).collect();
    let field = Field {
        grid: &frame.grid,
        dose_gy: &own,
        density_g_cm3: frame.density_g_cm3.as_deref(),
        least_density_g_cm3: AIR_LIMIT_G_CM3,
    };
    let members: Vec<Member> = (0..own.len()).filter(|&n| inside(n)).map(|n| (n, 1.0)).collect();
    region_dvh(&field, &members, &|n| f32::from(u8::from(inside(n))))
}

#[test]
fn law_no_percentile_of_bed_lies_below_that_of_dose() {
    let folder = tempfile::tempdir().expect("temporary folder");
    let course = course(folder.path());
    let found = &course.histograms;
    let names = |list: &[lutra::dose::regions::RegionHistogram]| -> Vec<String> {
        list.iter().map(|one| one.name.clone()).collect()
    };
    assert_eq!(names(&found.dose).len(), 7, "{:?}", names(&found.dose));
    assert_eq!(names(&found.dose), names(&found.bed), "every region has both");
    let mut alarms = 0;
    for (dose, bed) in found.dose.iter().zip(&found.bed) {
        assert_eq!(below(&dose.dvh, &bed.dvh), 0, "{}", dose.name);
        assert!(bed.dvh.mean_gy() > dose.dvh.mean_gy(), "{}", dose.name);
        // so does the share that receives any dose, and the drawn curve
        let top = f64::from(dose.dvh.max_gy().expect("pieces"));
        for step in 0..=1000 {
            let gy = (top * f64::from(step) / 1000.0) as f32;
            let (of_dose, of_bed) = (dose.dvh.volume_at_dose(gy), bed.dvh.volume_at_dose(gy));
            assert!(of_bed >= of_dose - 1e-9, "{}: {gy} Gy: {of_bed} of {of_dose}", dose.name);
        }
        alarms += usize::from(below(&dose.dvh, &by_its_own_field(&course, dose.label)) > 0);
    }
    // alarm: a histogram of the BED's own field, which ends at the region's edge, falls below that of dose; where the dose falls off
    // as steeply at the edge it does not show
    assert!(alarms > 0, "no region rings");
    // the tables state the same points
    for row in &course.accumulated.totals {
        for (dose, bed) in [
            (row.dose_d98_gy, row.bed_d98_gy),
            (row.dose_d50_gy, row.bed_d50_gy),
            (row.dose_d2_gy, row.bed_d2_gy),
            (Some(row.dose_gy), row.bed_gy),
        ] {
            let (dose, bed) = (dose.expect("a dose"), bed.expect("a BED"));
            assert!(bed >= dose, "{}: {bed} of {dose}", row.region);
        }
    }
    // and every voxel of a region
    let voxels = course.accumulated.voxels.as_ref().expect("sums");
    let labels = &course.frame.as_ref().expect("a frame").labels;
    for (n, &label) in labels.iter().enumerate().filter(|&(_, &label)| label > 0) {
        assert!(voxels.bed_gy[n] >= voxels.sums.sum_dose_gy[n] as f32, "voxel {n} of label {label}");
    }
}
