//! The patient's own S matrix: the dose of every region for the decays of every region, as they lie in the patient.
//!
//! One run a source region, each with that region's own decays where they are; the sum over the sources is the direct
//! transport's dose within statistics, since dose is linear in decays. Unlabelled voxels are a region of their own (label 0).

use super::case::{Case, ComputedPass};
use super::failure::{Failure, UserError};
use super::notes::Listener;
use super::request::RunOptions;
use super::transport;
use crate::budget::Response;
use crate::transport::emission::Emissions;
use crate::units::{DECAYS_PER_MBQ_H, GY_PER_KEV_G};
use std::collections::BTreeMap;

/// A response with the regions that it is of.
#[derive(Clone, Debug, PartialEq)]
pub struct OwnResponse {
    /// Labels, ascending; 0 for unlabelled voxels.
    pub labels: Vec<u16>,
    /// Names.
    pub names: Vec<String>,
    /// Masses, g.
    pub mass_g: Vec<f64>,
    /// Time-integrated activities, MBq h.
    pub tia_mbq_h: Vec<f64>,
    /// Gy per MBq h by target and source, with relative standard errors; 0 of a source without decays.
    pub response: Response,
}

impl OwnResponse {
    /// Dose of a region and its standard error, Gy.
    pub fn dose_gy(&self, target: usize) -> (f64, f64) {
        let (rows, sigmas) = (&self.response.gy_per_mbq_h[target], &self.response.rel_sigma[target]);
        let parts = rows.iter().zip(sigmas).zip(&self.tia_mbq_h).map(|((s, sigma), tia)| (s * tia, s * tia * sigma));
        let (sum, squares) =
            parts.fold((0.0, 0.0), |(sum, squares), (dose, error)| (sum + dose, squares + error * error));
        (sum, squares.sqrt())
    }
}

/// Transports the decays of each region of a case on their own, with the histories of `run` for each; the case is as it
/// was afterwards.
///
/// Errors: a case without decays; those of the transport.
pub fn response_of(case: &mut Case, run: &RunOptions, hear: &mut dyn Listener) -> Result<OwnResponse, Failure> {
    let voxel_cm3 = case.decays.grid.voxel_cm3();
    let mut sums: BTreeMap<u16, (f64, f64)> = BTreeMap::new();
    for ((&label, &density), &decays) in case.labels.iter().zip(&case.density_g_cm3).zip(&case.decays.data) {
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
    let whole = case.decays.data.clone();
    for (source, &label) in labels.iter().enumerate().filter(|(n, _)| decays[*n] > 0.0) {
        let own = case.labels.iter().zip(&whole).map(|(&l, &d)| if l == label { d } else { 0.0 });
        case.decays.data = own.collect();
        let computed = transport::compute(case, run, Emissions::All, hear)?;
        for (target, of) in labels.iter().enumerate().filter(|(n, _)| mass_g[*n] > 0.0) {
            let part = |pass: &ComputedPass| pass.by_label.get(of).copied().unwrap_or_default();
            let (electron, photon) = (part(&computed.electron), part(&computed.photon));
            let kev = electron.energy_kev + photon.energy_kev;
            let error = (electron.variance_kev2 + photon.variance_kev2).max(0.0).sqrt();
            let tia_mbq_h = decays[source] / DECAYS_PER_MBQ_H;
            response.gy_per_mbq_h[target][source] = kev * GY_PER_KEV_G / mass_g[target] / tia_mbq_h;
            response.rel_sigma[target][source] = if kev > 0.0 { error / kev } else { 0.0 };
        }
    }
    case.decays.data = whole;
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
        response,
    })
}
