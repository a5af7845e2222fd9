//! A patient as draws see him: cycles of regions with their integrals and sources, and the response between regions.

use super::part::{Kind, Part, Source};
use crate::fault::Fault;

/// The integral of a region, MBq h, with the activity of each scan times a factor; none where no curve passes.
pub type Reintegrate<'a> = Box<dyn Fn(&[f64]) -> Option<f64> + Send + Sync + 'a>;

/// A region in one cycle.
pub struct Region<'a> {
    /// Name.
    pub name: String,
    /// Time-integrated activity, MBq h.
    pub tia_mbq_h: f64,
    /// Number of its scans.
    pub scans: usize,
    /// How its integral follows the scans; none where parts of kind `Scan` stand for the integral themselves.
    pub reintegrate: Option<Reintegrate<'a>>,
    /// Sources.
    pub parts: Vec<Part>,
    /// Lea-Catcheside factor.
    pub g: f64,
}

/// Dose of each region for a decay in each: the patient's own S matrix.
#[derive(Clone, Debug, PartialEq)]
pub struct Response {
    /// Gy per MBq h by target, then source.
    pub gy_per_mbq_h: Vec<Vec<f64>>,
    /// Relative standard errors of its transport, likewise.
    pub rel_sigma: Vec<Vec<f64>>,
}

/// One cycle.
pub struct Cycle<'a> {
    /// Regions, in the response's order.
    pub regions: Vec<Region<'a>>,
    /// Response.
    pub response: Response,
}

/// A course as draws see it.
pub struct Patient<'a> {
    /// Cycles, each with the same regions.
    pub cycles: Vec<Cycle<'a>>,
    /// alpha/beta, Gy, for each region.
    pub alpha_beta_gy: Vec<f64>,
}

impl Cycle<'_> {
    /// Dose of a region, Gy.
    pub fn dose_gy(&self, target: usize) -> f64 {
        self.response.gy_per_mbq_h[target].iter().zip(&self.regions).map(|(s, region)| s * region.tia_mbq_h).sum()
    }
}

impl Patient<'_> {
    /// Refuses what is no patient: see the errors of [`super::draws::draw`].
    pub(super) fn check(&self) -> Result<(), Fault> {
        let next = "Give the regions of the course in one order.";
        let wrong = |place: String, field: &str, found: String, allowed: String| {
            Err(Fault::invalid(place, field, found, allowed, next))
        };
        let Some(first) = self.cycles.first() else {
            return wrong("course".to_owned(), "cycles", "none".to_owned(), "at least one".to_owned());
        };
        let count = first.regions.len();
        if self.alpha_beta_gy.len() != count || self.alpha_beta_gy.iter().any(|v| v.is_nan() || *v <= 0.0) {
            let found = format!("{:?}", self.alpha_beta_gy);
            return wrong("course".to_owned(), "alpha/beta", found, format!("{count} values above 0 Gy"));
        }
        for (n, cycle) in self.cycles.iter().enumerate() {
            let place = format!("cycle {}", n + 1);
            let names = |cycle: &Cycle<'_>| cycle.regions.iter().map(|r| r.name.clone()).collect::<Vec<_>>();
            if names(cycle) != names(first) {
                return wrong(place, "regions", names(cycle).join(", "), names(first).join(", "));
            }
            let square = |rows: &[Vec<f64>]| rows.len() == count && rows.iter().all(|row| row.len() == count);
            let Response { gy_per_mbq_h, rel_sigma } = &cycle.response;
            if !square(gy_per_mbq_h) || !square(rel_sigma) {
                return wrong(place, "S matrix", format!("{} rows", gy_per_mbq_h.len()), format!("{count} x {count}"));
            }
            let all = gy_per_mbq_h.iter().flatten().chain(rel_sigma.iter().flatten());
            if let Some(bad) = all.clone().find(|v| !(**v >= 0.0 && v.is_finite())) {
                return wrong(place, "S matrix", bad.to_string(), "numbers not below 0".to_owned());
            }
            for region in &cycle.regions {
                region.check(&format!("{place}, {}", region.name))?;
            }
        }
        Ok(())
    }
}

impl Region<'_> {
    fn check(&self, place: &str) -> Result<(), Fault> {
        let wrong = |field: &str, found: String, allowed: &str| Err(Fault::invalid(place, field, found, allowed, ""));
        if !(self.tia_mbq_h >= 0.0 && self.tia_mbq_h.is_finite()) {
            return wrong("time-integrated activity", format!("{} MBq h", self.tia_mbq_h), "0 MBq h or more");
        }
        if !(0.0..=1.0 + 1e-9).contains(&self.g) {
            return wrong("Lea-Catcheside factor", self.g.to_string(), "0 to 1");
        }
        self.parts.iter().try_for_each(|part| part.check(place))
    }

    /// The parts drawn for each scan, where the region's curve is laid again.
    pub(super) fn of_scans(&self) -> impl Iterator<Item = &Part> {
        self.parts.iter().filter(|part| self.laid_again(part))
    }

    /// Whether a part moves scans one by one.
    pub(super) fn laid_again(&self, part: &Part) -> bool {
        part.kind == Kind::Scan && self.reintegrate.is_some() && part.source != Source::Transport
    }

    /// d ln TIA / d ln activity of each scan, by differences.
    pub(super) fn levers(&self) -> Vec<f64> {
        const STEP: f64 = 1e-3;
        let Some(integral) = &self.reintegrate else { return Vec::new() };
        let mut factors = vec![1.0; self.scans];
        (0..self.scans)
            .map(|scan| {
                let mut at = |by: f64| {
                    factors[scan] = by.exp();
                    let ln = integral(&factors).map(f64::ln);
                    factors[scan] = 1.0;
                    ln
                };
                at(STEP).zip(at(-STEP)).map_or(0.0, |(up, down)| (up - down) / (2.0 * STEP))
            })
            .collect()
    }
}
