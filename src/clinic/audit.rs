//! Transports a case once and compares every shortcut with it.

use super::case::{Case, Computed};
use super::failure::{AtPath, Failure, OrUserError};
use super::files::write_rows;
use super::invocation::Invocation;
use super::notes::Listener;
use super::output::{self, Written};
use super::pages::{self, Further, OwnLayer};
use super::request::{AuditRequest, Stop};
use super::{from_files, kernel, room, transport};
use crate::bounds;
use crate::clock::Moment;
use crate::cores;
use crate::dose::DoseMap;
use crate::dose::dvh::Dvh;
use crate::dose::regions::RegionDose;
use crate::io::atomic::AtomicOutputDir;
use crate::report::dvh_plot::{self, PlottedCurve};
use crate::report::page::number::name;
use crate::report::page::viewer::Scale;
use crate::report::png::difference::differences;
use crate::report::png::{Drawn, Outline, Picture, hottest_voxel};
use crate::svalues::audit::{self, Audit, AuditInput, AuditPlan, Method};
use crate::svalues::kernel_file;
use crate::svalues::organ::OrganTable;
use crate::svalues::point_kernel::KernelPlan;
use crate::svalues::voxel_kernel::VoxelKernel;
use serde_json::json;
use std::io::{BufWriter, Write};

/// Default electron histories of the transport: a minute in all on two cores at 3 mm.
const HISTORIES: u64 = 5_000_000;
/// Electron histories of each point kernel of an audit: 0.3 % in the face neighbours of 3 mm voxels.
const KERNEL_HISTORIES: u64 = 60_000;
/// Photon histories of each point kernel.
const KERNEL_PHOTON_HISTORIES: u64 = 300_000;
/// Ends of the scale of difference pictures, %.
const PICTURE_TOP_PERCENT: f64 = 20.0;
/// Relative standard error of the transport above which a difference is not drawn.
const PICTURE_SIGMA_REL: f32 = 0.1;
/// Share of the highest dose below which a difference is not drawn.
const PICTURE_LEAST_SHARE: f64 = 0.01;

/// Names of the files that an audit writes beside those of a dose.
pub const FILE_NAMES: [&str; 5] =
    ["audit.csv", "audit.json", "difference_*.png", "difference_*_percent.nii.gz", "dvh_*.png"];

/// An audit with its transport.
pub struct Audited {
    /// The case.
    pub case: Case,
    /// The transport.
    pub computed: Computed,
    /// What was written, and the audit's table as text.
    pub written: Written,
}

/// Transports the case once, computes every shortcut and writes everything into `folder`.
pub fn audit_into(
    request: &AuditRequest,
    folder: AtomicOutputDir,
    invocation: &Invocation,
    words: &dyn Fn(&Audit, f64) -> String,
    hear: &mut dyn Listener,
) -> Result<Audited, Failure> {
    let case = from_files::case(&request.dose, hear)?;
    audit_case_into(request, case, folder, invocation, words, hear)
}

/// As [`audit_into`], of a case from any source ([`super::handed::HandedOver`]).
pub fn audit_case_into(
    request: &AuditRequest,
    mut case: Case,
    folder: AtomicOutputDir,
    invocation: &Invocation,
    words: &dyn Fn(&Audit, f64) -> String,
    hear: &mut dyn Listener,
) -> Result<Audited, Failure> {
    let plan = plan(request, &mut case)?;
    let mut options = request.dose.run.clone();
    if options.stop == Stop::Default {
        options.stop = Stop::Histories(HISTORIES);
    }
    room::on_disk(&folder, &case.density_g_cm3)?;
    let computed = transport::compute(&mut case, &options, request.dose.emissions, hear)?;
    let mut further = |dose: &DoseMap, rows: &[RegionDose], folder: &AtomicOutputDir, hear: &mut dyn Listener| {
        compare(request, &case, &computed, &plan, dose, rows, folder, words, hear)
    };
    let seed = request.dose.run.seed;
    let written = output::write(&case, &computed, folder, invocation, seed, &[], &mut further, hear)?;
    Ok(Audited { case, computed, written })
}

/// Reads kernels and tables; doubts about them become warnings of the run.
fn plan(request: &AuditRequest, case: &mut Case) -> Result<AuditPlan, Failure> {
    let mut user_kernels: Vec<VoxelKernel> = Vec::new();
    for path in &request.kernels {
        for raw in kernel_file::read(path).map_err(kernel::failure)? {
            let spacing = Some(case.decays.grid.spacing_mm);
            let (kernel, doubts) =
                raw.interpret(&case.nuclide.name, spacing, &request.declared).map_err(kernel::failure)?;
            case.warnings.extend(doubts);
            let inside_kev: f64 = kernel.energy_within_kev(kernel.half).iter().sum();
            match bounds::kernel_energy(&kernel.name, inside_kev, case.nuclide.emitted_kev_per_decay()) {
                Err(fault) if request.declared.force => {
                    case.warnings.push(kernel_file::taken_all_the_same(&fault));
                }
                checked => checked.or_user_error()?,
            }
            user_kernels.push(kernel);
        }
    }
    let mut organ_tables = vec![OrganTable::adult(&request.phantom)];
    for path in &request.s_tables {
        organ_tables.extend(OrganTable::read(path).map_err(kernel::failure)?);
    }
    Ok(AuditPlan {
        tolerance_rel: request.tolerance_rel,
        kernels: KernelPlan {
            electron_histories: KERNEL_HISTORIES,
            photon_histories: KERNEL_PHOTON_HISTORIES,
            seed: request.dose.run.seed,
            ..KernelPlan::default()
        },
        user_kernels,
        organ_tables,
        threads: request.dose.run.threads.unwrap_or_else(cores::cores),
    })
}

#[allow(clippy::too_many_arguments, reason = "everything that a shortcut is held against, once")]
fn compare(
    request: &AuditRequest,
    case: &Case,
    computed: &Computed,
    plan: &AuditPlan,
    dose: &DoseMap,
    rows: &[RegionDose],
    folder: &AtomicOutputDir,
    words: &dyn Fn(&Audit, f64) -> String,
    hear: &mut dyn Listener,
) -> Result<Further, Failure> {
    let photon = &computed.photon.by_label;
    let region_energy = computed
        .electron
        .by_label
        .iter()
        .map(|(label, e)| {
            let p = photon.get(label).copied().unwrap_or_default();
            (*label, (e.energy_kev + p.energy_kev, e.variance_kev2 + p.variance_kev2))
        })
        .collect();
    let input = AuditInput {
        grid: &case.decays.grid,
        density_g_cm3: &case.density_g_cm3,
        labels: &case.labels,
        names: &case.names,
        decays: &case.decays.data,
        nuclide: &case.nuclide,
        transport: dose,
        region_energy: &region_energy,
    };
    let started = Moment::now();
    let mut engine = transport::engine(&request.dose.run, hear)?;
    let audit = audit::run(&input, plan, engine.as_mut(), &mut |what| {
        hear.info("audit-step", format!("{:6.1} s  audit: {what}", started.seconds()));
    })
    .map_err(kernel::failure)?;
    hear.info("audit-step", format!("{:6.1} s  audit: tables and pictures", started.seconds()));
    write_tables(&audit, folder)?;
    write_pictures(case, &audit, dose, rows, folder)?;
    Ok(Further {
        text: words(&audit, request.tolerance_rel),
        sections: vec![pages::audit::section(&audit, rows, request.tolerance_rel)],
        layers: layers(&audit, dose),
        headline: Some(("Audit of dose shortcuts", pages::audit::banner(&audit, request.tolerance_rel))),
    })
}

fn write_tables(audit: &Audit, folder: &AtomicOutputDir) -> Result<(), Failure> {
    write_rows(&folder.file("audit.csv"), &audit.rows)?;
    let rows: Vec<_> =
        audit.rows.iter().zip(&audit.terms).map(|(row, terms)| json!({ "row": row, "terms": terms })).collect();
    let methods: Vec<_> =
        audit.methods.iter().map(|m| json!({ "name": m.name, "description": m.description })).collect();
    let record = json!({ "methods": methods, "rows": rows, "kernels": audit.kernels, "kernel_runs": audit.provenance });
    let path = folder.file("audit.json");
    let mut file = BufWriter::new(path.create().at(&path)?);
    serde_json::to_writer_pretty(&mut file, &record).at(&path)?;
    file.flush().at(&path)
}

/// A method's name as part of a file name.
fn plain(name: &str) -> String {
    let kept = name.chars().map(|c| if c.is_ascii_alphanumeric() || c == '.' { c } else { '_' });
    kept.collect::<String>().trim_matches('_').to_owned()
}

/// Difference to transport, %; 0 where the transported dose is negligible.
fn difference(method: &Method, dose: &DoseMap, least_gy: f32) -> Vec<f32> {
    let percent = |(theirs, ours): (&f32, &f32)| if *ours > least_gy { 100.0 * (theirs / ours - 1.0) } else { 0.0 };
    method.dose.dose_gy.iter().zip(&dose.dose_gy).map(percent).collect()
}

/// Differences to transport as layers of the report's slices; blank where the transport itself is uncertain.
fn layers(audit: &Audit, dose: &DoseMap) -> Vec<OwnLayer> {
    let least_gy = (PICTURE_LEAST_SHARE * crate::report::png::scale_top_gy(&dose.dose_gy)) as f32;
    let known = |(p, &sigma): (f32, &f32)| if sigma <= PICTURE_SIGMA_REL { p } else { 0.0 };
    audit
        .methods
        .iter()
        .filter(|method| method.by_voxel)
        .map(|method| OwnLayer {
            name: format!("{} against transport", name(&method.name)),
            unit: "%".into(),
            values: difference(method, dose, least_gy).into_iter().zip(&dose.sigma_rel).map(known).collect(),
            scale: Scale::Signed { top: PICTURE_TOP_PERCENT },
        })
        .collect()
}

fn write_pictures(
    case: &Case,
    audit: &Audit,
    dose: &DoseMap,
    rows: &[RegionDose],
    folder: &AtomicOutputDir,
) -> Result<(), Failure> {
    let outlines: Vec<Outline> = rows
        .iter()
        .map(|row| Outline { label: row.label, name: row.name.clone(), dose_gy: Some(row.dose_gy) })
        .collect();
    let background = case.background();
    let top = crate::report::png::scale_top_gy(&dose.dose_gy);
    let least_gy = (PICTURE_LEAST_SHARE * top) as f32;
    for method in audit.methods.iter().filter(|m| m.by_voxel) {
        let percent = difference(method, dose, least_gy);
        let picture = Picture {
            grid: &case.decays.grid,
            background,
            dose_gy: &dose.dose_gy,
            labels: Some(&case.labels),
            outlines: &outlines,
            title: &method.name,
        };
        let stem = format!("difference_{}", plain(&method.name));
        // a voxel with a large transport uncertainty shows noise, not a difference
        let known =
            percent.iter().zip(&dose.sigma_rel).map(|(&p, &sigma)| if sigma <= PICTURE_SIGMA_REL { p } else { 0.0 });
        let shown: Vec<f32> = known.collect();
        let drawn = differences(&picture, &shown, PICTURE_TOP_PERCENT, &stem, hottest_voxel(&picture));
        output::write_drawn(folder, &drawn)?;
        let name = format!("{stem}_percent.nii.gz");
        output::write_map(case, &percent, folder, &name, "difference to transport, %")?;
    }
    for row in rows {
        let voxels: Vec<usize> = (0..case.labels.len()).filter(|&n| case.labels[n] == row.label).collect();
        let dvh = |map: &DoseMap| Dvh::new(voxels.iter().map(|&n| map.dose_gy[n]).collect());
        let mut curves = vec![PlottedCurve { name: "transport".to_owned(), dvh: dvh(dose) }];
        let others = audit.methods.iter().filter(|m| m.by_voxel);
        curves.extend(others.map(|m| PlottedCurve { name: m.name.clone(), dvh: dvh(&m.dose) }));
        let name = format!("dvh_{}_{}", row.label, plain(&row.name));
        output::write_drawn(folder, &[Drawn::of(name, dvh_plot::draw(&row.name, &curves))])?;
    }
    Ok(())
}
