//! Turning a direction by a polar angle about itself and a random azimuth.

use super::math::{SinCos, recip, root};
use super::navigate::Particle;

/// Turns the particle's direction by the polar angle (cosine, sine) at the azimuth given, and renormalises to
/// first order, which keeps the length within 1e-6 over any number of turns.
pub fn turn(p: &mut Particle, cos_theta: super::Real, sin_theta: super::Real, azimuth: SinCos) {
    let sx = sin_theta * azimuth.cos;
    let sy = sin_theta * azimuth.sin;
    let perp2 = 1.0 - p.uz * p.uz;
    let mut nx = sx;
    let mut ny = sy;
    let mut nz = if p.uz > 0.0 { cos_theta } else { -cos_theta };
    if perp2 > 1.0e-4 {
        let perp = root(perp2);
        let inv = recip(perp);
        let a = sx * inv;
        let b = sy * inv;
        let az = a * p.uz;
        nx = p.ux * cos_theta + (az * p.ux - b * p.uy);
        ny = p.uy * cos_theta + (az * p.uy + b * p.ux);
        nz = p.uz * cos_theta - sx * perp;
    }
    let k = 1.5 - 0.5 * ((nx * nx + ny * ny) + nz * nz);
    p.ux = nx * k;
    p.uy = ny * k;
    p.uz = nz * k;
}
