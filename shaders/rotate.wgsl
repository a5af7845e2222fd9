// Turning a direction by a polar angle about itself and a random azimuth.
// Twin: src/kernel/rotate.rs, from which `cargo xtask shaders` writes this file.

// Turns the particle's direction by the polar angle (cosine, sine) at the azimuth given, and renormalises to
// first order, which keeps the length within 1e-6 over any number of turns.
fn turn(p: ptr<function, Particle>, cos_theta: f32, sin_theta: f32, azimuth: SinCos) {
  let sx = nc(sin_theta * azimuth.cos);
  let sy = nc(sin_theta * azimuth.sin);
  let perp2 = nc(1.0f - nc((*p).uz * (*p).uz));
  var nx = sx;
  var ny = sy;
  var nz = select((-cos_theta), cos_theta, ((*p).uz > 0.0f));
  if (perp2 > 0.0001f) {
    let perp = root(perp2);
    let inv = recip(perp);
    let a = nc(sx * inv);
    let b = nc(sy * inv);
    let az = nc(a * (*p).uz);
    nx = nc(nc((*p).ux * cos_theta) + nc(nc(az * (*p).ux) - nc(b * (*p).uy)));
    ny = nc(nc((*p).uy * cos_theta) + nc(nc(az * (*p).uy) + nc(b * (*p).ux)));
    nz = nc(nc((*p).uz * cos_theta) - nc(sx * perp));
  }
  let k = nc(1.5f - nc(0.5f * nc(nc(nc(nx * nx) + nc(ny * ny)) + nc(nz * nz))));
  (*p).ux = nc(nx * k);
  (*p).uy = nc(ny * k);
  (*p).uz = nc(nz * k);
}

