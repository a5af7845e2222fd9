//! The doses of the Fano test (`src/validate/fano.rs`) on any engine, for the tests here and in `tests/gpu`.

use lutra::transport::Engine;
use lutra::transport::run::Silent;
use lutra::validate::{Fault, Row, Workbench, fano};

/// The doses by density of every variant, single densities.
pub fn doses(engine: &mut dyn Engine, fault: Option<Fault>, electrons: u64, photons: u64) -> Vec<Row> {
    let mut silent = Silent;
    let mut bench = Workbench::new(engine, &mut silent, 177);
    if let Some(fault) = fault {
        bench = bench.with_fault(fault);
    }
    let rows = fano::run(&mut bench, electrons, photons).expect("the problem runs").details;
    for row in &rows {
        println!("{}: {:+.3} % +- {:.3} %", row.quantity, 100.0 * row.difference, 100.0 * row.sigma);
    }
    assert_eq!(rows.len(), 30, "five variants of six densities");
    rows
}

/// Rows that differ by more than is allowed and four standard errors: of thirty rows one in five hundred tests has such a one
/// by chance.
pub fn beyond(rows: &[Row]) -> Vec<&str> {
    let far = rows.iter().filter(|row| row.difference.abs() > row.allowed + 4.0 * row.sigma);
    far.map(|row| row.quantity.as_str()).collect()
}
