//! Doses and BED by seeded draws of everything that is uncertain.
//!
//! Each draw takes one standard normal number for everything that has an error of its own (a source, by its kind, for its
//! region or for all), moves quantities by the exponential of their standard deviation times it, lays curves again through the
//! moved scans, and turns integrals into doses by the patient's own S matrix. No transport is run again.

use std::collections::BTreeMap;

use super::part::{Kind, Part, Source};
use super::patient::{Cycle, Patient, Region};
use crate::draws::Normals;
use crate::fault::Fault;

/// Doses and BED of all draws.
#[derive(Clone, Debug, PartialEq)]
pub struct Drawn {
    /// Dose, Gy, by cycle, region, draw.
    pub dose_gy: Vec<Vec<Vec<f64>>>,
    /// BED of the whole course, Gy, by region, draw.
    pub course_bed_gy: Vec<Vec<f64>>,
    /// Dose of the whole course, Gy, by region, draw.
    pub course_dose_gy: Vec<Vec<f64>>,
    /// Draws of a curve that did not pass the moved scans and kept its integral.
    pub not_laid: usize,
}

/// What a set of draws says.
#[derive(Clone, Copy, Debug, PartialEq, serde::Serialize)]
pub struct Summary {
    /// Mean.
    pub mean: f64,
    /// Standard deviation.
    pub sd: f64,
    /// 2.5, 16, 50, 84 and 97.5 % quantiles.
    pub quantiles: [f64; 5],
}

impl Summary {
    /// Of at least one value.
    pub fn of(values: &[f64]) -> Self {
        let n = values.len() as f64;
        let mean = values.iter().sum::<f64>() / n;
        let sd = (values.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / n).sqrt();
        let mut sorted = values.to_vec();
        sorted.sort_by(f64::total_cmp);
        let at = |share: f64| sorted[((share * n) as usize).min(sorted.len() - 1)];
        Self { mean, sd, quantiles: [0.025, 0.16, 0.5, 0.84, 0.975].map(at) }
    }
}

/// Share of the draws above a limit.
pub fn probability_above(values: &[f64], limit: f64) -> f64 {
    values.iter().filter(|v| **v > limit).count() as f64 / values.len() as f64
}

/// What has an error of its own: source, cycle or none, region or none.
type Own = (Source, Kind, Option<usize>, Option<usize>);

/// Where a part's number comes from.
fn own(part: &Part, cycle: usize, region: usize) -> Own {
    let cycle = matches!(part.kind, Kind::Scan | Kind::Cycle).then_some(cycle);
    (part.source, part.kind, cycle, (!part.all_regions).then_some(region))
}

/// `count` draws with `seed`.
///
/// Errors: no cycle or draw; cycles of different regions; a matrix that is not square or holds a number below 0; an
/// uncertainty outside 0 to 1; an integral that is no number.
pub fn draw(patient: &Patient<'_>, count: usize, seed: u64) -> Result<Drawn, Fault> {
    patient.check()?;
    if count == 0 {
        return Err(Fault::invalid("budget", "draws", "0", "1 or more", "State a number of draws."));
    }
    let (cycles, regions) = (patient.cycles.len(), patient.cycles[0].regions.len());
    let mut places: BTreeMap<Own, usize> = BTreeMap::new();
    for (c, r, part) in all_parts(patient) {
        let next = places.len();
        places.entry(own(part, c, r)).or_insert(next);
    }
    let mut drawn = Drawn {
        dose_gy: vec![vec![Vec::with_capacity(count); regions]; cycles],
        course_bed_gy: vec![Vec::with_capacity(count); regions],
        course_dose_gy: vec![Vec::with_capacity(count); regions],
        not_laid: 0,
    };
    let moves = |(c, cycle): (usize, &Cycle<'_>)| -> Vec<Moves> {
        let of = |(r, region)| Moves::of(region, &|part| places[&own(part, c, r)]);
        cycle.regions.iter().enumerate().map(of).collect()
    };
    let moves: Vec<Vec<Moves>> = patient.cycles.iter().enumerate().map(moves).collect();
    let mut normals = Normals::new(seed);
    for _ in 0..count {
        let z = normals.many(places.len());
        let (mut bed, mut dose) = (vec![0.0; regions], vec![0.0; regions]);
        for (c, cycle) in patient.cycles.iter().enumerate() {
            let doses = one(cycle, &moves[c], &z, &mut normals, &mut drawn.not_laid);
            for (r, own_gy) in doses.into_iter().enumerate() {
                let alpha_beta_gy = patient.alpha_beta_gy[r] * factor(&moves[c][r].biology, &z);
                let quadratic = cycle.regions[r].g * own_gy / alpha_beta_gy;
                bed[r] += own_gy * (1.0 + quadratic);
                dose[r] += own_gy;
                drawn.dose_gy[c][r].push(own_gy);
            }
        }
        for r in 0..regions {
            drawn.course_bed_gy[r].push(bed[r]);
            drawn.course_dose_gy[r].push(dose[r]);
        }
    }
    Ok(drawn)
}

/// Cycle, region and part of everything.
pub(super) fn all_parts<'a>(patient: &'a Patient<'_>) -> impl Iterator<Item = (usize, usize, &'a Part)> {
    let regions =
        |(c, cycle): (usize, &'a Cycle<'_>)| cycle.regions.iter().enumerate().map(move |(r, region)| (c, r, region));
    patient
        .cycles
        .iter()
        .enumerate()
        .flat_map(regions)
        .flat_map(|(c, r, region)| region.parts.iter().map(move |part| (c, r, part)))
}

/// Which numbers of a draw move a region, and by how much of their standard deviation.
struct Moves {
    activity: Vec<(usize, f64)>,
    response: Vec<(usize, f64)>,
    biology: Vec<(usize, f64)>,
}

impl Moves {
    /// `place` is where a part's number stands.
    fn of(region: &Region<'_>, place: &dyn Fn(&Part) -> usize) -> Self {
        let (biology, others): (Vec<&Part>, Vec<&Part>) =
            region.parts.iter().filter(|part| !region.laid_again(part)).partition(|p| p.source == Source::Radiobiology);
        let by = |parts: &[&Part], on: &dyn Fn(&Part) -> f64| -> Vec<(usize, f64)> {
            let moved = parts.iter().map(|part| (place(part), on(part) * part.log_sd()));
            moved.filter(|(_, size)| *size != 0.0).collect()
        };
        Self {
            activity: by(&others, &|part| part.on_activity),
            response: by(&others, &|part| part.on_response),
            biology: by(&biology, &|_| 1.0),
        }
    }
}

/// The factor by which a draw moves something.
fn factor(moves: &[(usize, f64)], z: &[f64]) -> f64 {
    moves.iter().map(|(place, size)| size * z[*place]).sum::<f64>().exp()
}

/// Doses of one cycle in one draw, Gy.
fn one(cycle: &Cycle<'_>, moves: &[Moves], z: &[f64], normals: &mut Normals, not_laid: &mut usize) -> Vec<f64> {
    let mut tia = Vec::with_capacity(cycle.regions.len());
    for (r, region) in cycle.regions.iter().enumerate() {
        tia.push(laid(region, normals, not_laid) * factor(&moves[r].activity, z));
    }
    let response = &cycle.response;
    (0..cycle.regions.len())
        .map(|target| {
            let row = response.gy_per_mbq_h[target].iter().zip(&response.rel_sigma[target]).zip(&tia);
            let sum: f64 = row.map(|((s, sigma), tia)| s * tia * (sigma * normals.one()).exp()).sum();
            sum * factor(&moves[target].response, z)
        })
        .collect()
}

/// The integral through scans that are moved one by one.
fn laid(region: &Region<'_>, normals: &mut Normals, not_laid: &mut usize) -> f64 {
    let variance: f64 = region.of_scans().map(|part| (part.on_activity * part.log_sd()).powi(2)).sum();
    let Some(integral) = region.reintegrate.as_ref().filter(|_| variance > 0.0) else { return region.tia_mbq_h };
    let sigma = variance.sqrt();
    let factors: Vec<f64> = (0..region.scans).map(|_| (sigma * normals.one()).exp()).collect();
    integral(&factors).unwrap_or_else(|| {
        *not_laid += 1;
        region.tia_mbq_h
    })
}
