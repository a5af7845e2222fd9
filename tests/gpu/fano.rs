//! Fano's theorem on the adapter: see `src/validate/fano.rs`.

use crate::adapter;
use crate::fano_doses::{beyond, doses};

#[test]
fn law_the_dose_is_the_same_at_every_density_on_the_adapter() {
    adapter::shared(|gpu| {
        let rows = doses(gpu, None, 100_000, 100_000);
        assert_eq!(beyond(&rows), Vec::<&str>::new());
    });
}
