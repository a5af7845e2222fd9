//! What is known of the uncertainty of a case before and after its transport, as data.

use crate::budget::draws::Summary;
use crate::budget::{DoseBudget, DrawnDose, Part, Response, Shares, Source};
use crate::course::further::FurtherScan;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// What is known of the uncertainty of activities.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct ActivityKnown {
    /// Parts by region's name; a region without an entry is one of which nothing is known.
    pub parts: BTreeMap<String, Vec<Part>>,
    /// Standard uncertainty of the outlines' place, mm, where the images were corrected by outlines.
    pub outline_sigma_mm: Option<f64>,
    /// What one scan more would leave of the uncertainty of a region's curve, by region's name.
    #[serde(default)]
    pub further: BTreeMap<String, Vec<FurtherScan>>,
}

impl ActivityKnown {
    /// What is known of a region; nothing where there is no entry.
    pub fn of(&self, region: &str) -> &[Part] {
        self.parts.get(region).map_or(&[][..], Vec::as_slice)
    }
}

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
    /// d ln S(region <- itself) for an outline that moves outwards by 1 mm while the activity stays; 0 of a region without decays
    /// or without outside, and of one whose outline was not asked for.
    pub outline_per_mm: Vec<f64>,
    /// Gy per MBq h by target and source, with relative standard errors; 0 of a source without decays.
    pub response: Response,
}

/// A row of the matrix as a table has it.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct MatrixRow {
    /// Region that receives the dose.
    pub target: String,
    /// Region that the decays are in.
    pub source: String,
    /// Gy per MBq h.
    pub gy_per_mbq_h: f64,
    /// Relative standard error: transport only.
    pub sigma_rel: f64,
}

impl OwnResponse {
    /// The matrix as a table, by target, then source; sources without decays are left out.
    pub fn rows(&self) -> Vec<MatrixRow> {
        let pairs = (0..self.labels.len()).flat_map(|t| (0..self.labels.len()).map(move |s| (t, s)));
        let row = |(t, s): (usize, usize)| MatrixRow {
            target: self.names[t].clone(),
            source: self.names[s].clone(),
            gy_per_mbq_h: self.response.gy_per_mbq_h[t][s],
            sigma_rel: self.response.rel_sigma[t][s],
        };
        pairs.filter(|(_, s)| self.tia_mbq_h[*s] > 0.0).map(row).collect()
    }

    /// Dose of a region and its standard error, Gy.
    pub fn dose_gy(&self, target: usize) -> (f64, f64) {
        let (rows, sigmas) = (&self.response.gy_per_mbq_h[target], &self.response.rel_sigma[target]);
        let parts = rows.iter().zip(sigmas).zip(&self.tia_mbq_h).map(|((s, sigma), tia)| (s * tia, s * tia * sigma));
        let (sum, squares) =
            parts.fold((0.0, 0.0), |(sum, squares), (dose, error)| (sum + dose, squares + error * error));
        (sum, squares.sqrt())
    }
}

/// What draws through the patient's own S matrix say of each region.
#[derive(Clone, Debug, PartialEq)]
pub struct OwnBudget {
    /// Regions, masses and the matrix.
    pub matrix: OwnResponse,
    /// Parts of each region, in the matrix's order; none where nothing is known of its activity.
    pub parts: Vec<Vec<Part>>,
    /// To first order, through the matrix.
    pub shares: Vec<Shares>,
    /// Draws of each region's dose, over the dose that the matrix gives without any error.
    pub summaries: Vec<Summary>,
    /// Number of draws.
    pub draws: usize,
}

impl OwnBudget {
    /// Of a region with the dose that direct transport gives, Gy; none where the matrix has no such region.
    pub fn of(&self, label: u16, dose_gy: f64) -> Option<DoseBudget> {
        let n = self.matrix.labels.iter().position(|own| *own == label)?;
        let (parts, shares, summary) = (&self.parts[n], &self.shares[n], &self.summaries[n]);
        let drawn = DrawnDose {
            draws: self.draws,
            rel_sigma: summary.sd / summary.mean,
            first_order_rel_sigma: shares.rel_sigma,
            quantiles_gy: summary.quantiles.map(|of_one| of_one * dose_gy),
        };
        let variance = shares.variance.get(&Source::Transport).copied().unwrap_or(0.0);
        Some(DoseBudget::of(dose_gy, variance.sqrt() * dose_gy, parts).by_draws(drawn, shares))
    }
}
