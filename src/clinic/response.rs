//! The patient's own S matrix: the dose of every region for the decays of every region, as they lie in the patient.
//!
//! One run a source region, each with that region's own decays where they are; the sum over the sources is the direct
//! transport's dose within statistics, since dose is linear in decays. Unlabelled voxels are a region of their own (label 0).
//!
//! With outlines, two further runs a source region, of the shells outside and inside its outline, tell what an outline does whose
//! activity stays: with half a voxel of each shell added or taken away, source and target alike,
//!
//!   D+/A+ = [E_r(A) + (E_r(B) + E_o(A) + E_o(B))/2] / (m_r + m_o/2) / (A + B/2)      [methods/uncertainty.md eq. 7]
//!   D-/A- = [E_r(A) - (E_r(C) + E_i(A) - E_i(C))/2] / (m_r - m_i/2) / (A - C/2)
//!
//! E_x(..) energy in region r, shell o outside, shell i inside for the decays of these runs: A of the region, B of the outer shell at
//! the region's mean concentration, C of the inner shell as it is. The half of a shell that is source is the half that is target.

use super::case::{Case, Computed, ComputedPass};
use super::failure::{Failure, UserError};
pub use super::known::OwnResponse;
use super::notes::Listener;
use super::request::RunOptions;
use super::transport;
use crate::budget::Response;
use crate::dose::AIR_LIMIT_G_CM3;
use crate::transport::emission::Emissions;
use crate::units::{DECAYS_PER_MBQ_H, GY_PER_KEV_G};
use std::collections::{BTreeMap, BTreeSet};

/// Transports the decays of each region of a case on their own, with the histories of `run` for each, and of the labels in
/// `outlines` those of the shells on both sides of its outline too; the case is as it was afterwards.
///
/// Errors: a case without decays; those of the transport.
pub fn response_of(
    case: &mut Case,
    run: &RunOptions,
    outlines: &[u16],
    hear: &mut dyn Listener,
) -> Result<OwnResponse, Failure> {
    let whole = case.decays.data.clone();
    let made = made(case, &whole, run, outlines, hear);
    case.decays.data = whole;
    made
}

fn made(
    case: &mut Case,
    whole: &[f64],
    run: &RunOptions,
    outlines: &[u16],
    hear: &mut dyn Listener,
) -> Result<OwnResponse, Failure> {
    let voxel_cm3 = case.decays.grid.voxel_cm3();
    let mut sums: BTreeMap<u16, (f64, f64)> = BTreeMap::new();
    for ((&label, &density), &decays) in case.labels.iter().zip(&case.density_g_cm3).zip(whole) {
        let sum = sums.entry(label).or_default();
        sum.0 += f64::from(density) * voxel_cm3;
        sum.1 += decays;
    }
    if !sums.values().any(|sum| sum.1 > 0.0) {
        let next = "Give a map of decays.";
        return Err(UserError::invalid("response", "decays", "none in any region", "decays above 0", next).into());
    }
    let labels: Vec<u16> = sums.keys().copied().collect();
    let (mass_g, decays): (Vec<f64>, Vec<f64>) = sums.values().copied().unzip();
    let size = labels.len();
    let mut response = Response { gy_per_mbq_h: vec![vec![0.0; size]; size], rel_sigma: vec![vec![0.0; size]; size] };
    let mut per_mm = vec![0.0; size];
    for (source, &label) in labels.iter().enumerate().filter(|(n, _)| decays[*n] > 0.0) {
        case.decays.data = case.labels.iter().zip(whole).map(|(&l, &d)| if l == label { d } else { 0.0 }).collect();
        let computed = transport::compute(case, run, Emissions::All, hear)?;
        for (target, of) in labels.iter().enumerate().filter(|(n, _)| mass_g[*n] > 0.0) {
            let part = |pass: &ComputedPass| pass.by_label.get(of).copied().unwrap_or_default();
            let (electron, photon) = (part(&computed.electron), part(&computed.photon));
            let kev = electron.energy_kev + photon.energy_kev;
            let error = (electron.variance_kev2 + photon.variance_kev2).max(0.0).sqrt();
            let tia_mbq_h = decays[source] / DECAYS_PER_MBQ_H;
            // photons far from the source may leave a sum below 0 by statistics: no response can
            response.gy_per_mbq_h[target][source] = kev.max(0.0) * GY_PER_KEV_G / mass_g[target] / tia_mbq_h;
            response.rel_sigma[target][source] = if kev > 0.0 { error / kev } else { 0.0 };
        }
        if outlines.contains(&label) {
            let own = Tagged { kev: energy_kev(&computed), decays: decays[source] };
            per_mm[source] = outline_per_mm(case, whole, (label, &own), run, hear)?;
        }
    }
    let name = |label: &u16| match case.names.get(label) {
        Some(name) => name.clone(),
        None if *label == 0 => "unlabelled".to_owned(),
        None => format!("label_{label}"),
    };
    Ok(OwnResponse {
        names: labels.iter().map(name).collect(),
        tia_mbq_h: decays.iter().map(|d| d / DECAYS_PER_MBQ_H).collect(),
        labels,
        mass_g,
        outline_per_mm: per_mm,
        response,
    })
}

/// Energy by voxel, keV, of a run with so many decays.
struct Tagged {
    kev: Vec<f64>,
    decays: f64,
}

fn energy_kev(computed: &Computed) -> Vec<f64> {
    computed.electron.energy_kev.iter().zip(&computed.photon.energy_kev).map(|(e, p)| e + p).collect()
}

/// The shells of a region: its neighbours across faces that are no air, and its own voxels that have a neighbour outside.
fn shells(case: &Case, label: u16) -> [Vec<usize>; 2] {
    let [nx, ny, nz] = case.decays.grid.dims;
    let (mut outer, mut inner) = (BTreeSet::new(), BTreeSet::new());
    for n in (0..case.labels.len()).filter(|&n| case.labels[n] == label) {
        let (i, j, k) = (n % nx, n / nx % ny, n / (nx * ny));
        let beside = [
            (i > 0).then(|| n - 1),
            (i + 1 < nx).then(|| n + 1),
            (j > 0).then(|| n - nx),
            (j + 1 < ny).then(|| n + nx),
            (k > 0).then(|| n - nx * ny),
            (k + 1 < nz).then(|| n + nx * ny),
        ];
        for other in beside.into_iter().flatten().filter(|&other| case.labels[other] != label) {
            inner.insert(n);
            if f64::from(case.density_g_cm3[other]) >= AIR_LIMIT_G_CM3 {
                outer.insert(other);
            }
        }
    }
    [outer, inner].map(|set| set.into_iter().collect())
}

/// d ln S(region <- itself) for 1 mm outwards: eq. 7.
fn outline_per_mm(
    case: &mut Case,
    whole: &[f64],
    (label, own): (u16, &Tagged),
    run: &RunOptions,
    hear: &mut dyn Listener,
) -> Result<f64, Failure> {
    let [outer, inner] = shells(case, label);
    let members: Vec<usize> = (0..case.labels.len()).filter(|&n| case.labels[n] == label).collect();
    let of_inner: f64 = inner.iter().map(|&n| whole[n]).sum();
    if outer.is_empty() || of_inner <= 0.0 {
        return Ok(0.0);
    }
    let mean = own.decays / members.len() as f64;
    let mut tagged = |voxels: &[usize], decays: &dyn Fn(usize) -> f64| -> Result<Tagged, Failure> {
        case.decays.data = vec![0.0; whole.len()];
        voxels.iter().for_each(|&n| case.decays.data[n] = decays(n));
        let sum = voxels.iter().map(|&n| decays(n)).sum();
        Ok(Tagged { kev: energy_kev(&transport::compute(case, run, Emissions::All, hear)?), decays: sum })
    };
    let grown = tagged(&outer, &|_| mean)?;
    let shrunk = tagged(&inner, &|n| whole[n])?;
    let mass = |voxels: &[usize]| voxels.iter().map(|&n| f64::from(case.density_g_cm3[n])).sum::<f64>();
    let kev = |of: &Tagged, voxels: &[usize]| voxels.iter().map(|&n| of.kev[n]).sum::<f64>();
    // half a voxel outwards (sign 1) or inwards (-1): of the shell's source and of its place as a target
    let ln_dose = |sign: f64, shell: &Tagged, place: &[usize]| {
        let half = 0.5 * sign;
        // the half of a shell that is source is the half that is target: its own energy counts half, not a quarter
        let energy = kev(own, &members) + half * (kev(shell, &members) + kev(own, place)) + 0.5 * kev(shell, place);
        (energy / (mass(&members) + half * mass(place)) / (own.decays + half * shell.decays)).ln()
    };
    let edge_mm = 10.0 * case.decays.grid.voxel_cm3().cbrt();
    Ok((ln_dose(1.0, &grown, &outer) - ln_dose(-1.0, &shrunk, &inner)) / edge_mm)
}
