//! The binary half of the Python package `lutra`: arguments in, requests of `lutra::clinic` made, results handed out. What is
//! computed, refused and written is the library's; what a Python user sees stands in `python/lutra`.

mod ask;
mod course;
mod dose;
mod fault;
mod more;
mod parts;
mod program;
mod register;
mod volume;
mod worker;

use pyo3::prelude::*;

/// The engine room of `lutra`.
#[pymodule]
mod _lutra {
    #[pymodule_export]
    use super::course::{Course, Decays, course, tia};
    #[pymodule_export]
    use super::dose::{Dose, arguments, demo, dose};
    #[pymodule_export]
    use super::more::{Kernel, audit, bench, cohort, compare, devices, dvh, gamma, init, inspect, kernel};
    #[pymodule_export]
    use super::more::{parity, point_kernel, practice_patient, protocols, svalue, validate};
    #[pymodule_export]
    use super::parts::{merge, shard};
    #[pymodule_export]
    use super::program::main;
    #[pymodule_export]
    use super::register::register;
    #[pymodule_export]
    use super::worker::wait_for_ended;

    use pyo3::prelude::*;

    #[pymodule_init]
    fn begin(module: &Bound<'_, PyModule>) -> PyResult<()> {
        module.add("__version__", env!("CARGO_PKG_VERSION"))
    }
}
