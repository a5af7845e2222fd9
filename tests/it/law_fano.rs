//! Fano's theorem on the CPU: see `src/validate/fano.rs`. The command `lutra validate` runs it with more histories and on any
//! engine; tests/gpu runs it on adapters.

use crate::fano_doses::{beyond, doses};
use lutra::transport::cpu::CpuEngine;
use lutra::validate::Fault;

#[test]
fn law_the_dose_is_the_same_at_every_density() {
    let rows = doses(&mut CpuEngine::new(0), None, 3_000_000, 1_000_000);
    assert_eq!(beyond(&rows), Vec::<&str>::new());
    // what the statistics can see
    let sees =
        |what: &str, most: f64| rows.iter().filter(|row| row.quantity.starts_with(what)).all(|row| row.sigma < most);
    assert!(sees("electrons", 0.003) && sees("photons", 0.008), "more histories");
}

#[test]
fn alarm_thin_voxels_flown_through_as_if_denser_ring() {
    let rows = doses(&mut CpuEngine::new(0), Some(Fault::ThinVoxels(1.05)), 1_000_000, 1_000_000);
    let found = beyond(&rows);
    for what in ["electrons, 0.05", "photons of 15 keV, 0.05"] {
        assert!(found.iter().any(|name| name.starts_with(what)), "{what}: {found:?}");
    }
}
