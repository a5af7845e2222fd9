//! Tests of the library through its public face.

#[macro_use]
mod engine_contract;

mod cli_bench;
mod cli_bounds;
mod cli_course;
mod cli_course_input;
mod cli_course_kept;
mod cli_dicom;
mod cli_dose;
mod cli_examples;
mod cli_force;
mod cli_gates;
mod cli_help;
mod cli_init;
mod cli_inspect;
mod cli_places;
mod cli_serve;
mod cli_shards;
mod cli_svalues;
mod cli_tables;
mod cli_terminal;
mod clinic_handed;
mod clinic_memory;
mod compare;
mod counting;
mod docs_book;
mod docs_glossary;
mod docs_notes;
mod dvh;
mod engine_checkpoint;
mod engine_cpu;
mod engine_double;
mod engine_lanes;
mod engine_parity;
mod engine_session;
mod engine_shards;
mod io_buffers;
mod io_dicom_aside;
mod io_dicom_contours;
mod io_dicom_counts;
mod io_dicom_hostile;
mod io_dicom_made;
mod io_dicom_shared;
mod io_dicom_stated;
mod io_dicom_unknown;
mod io_dicom_values;
mod io_hostile_text;
mod io_mutations;
mod io_nifti;
mod io_output;
mod io_source;
mod law_births;
mod law_math;
mod law_replicas;
mod law_straggling;
mod lock_barrier;
mod lock_directions;
mod lock_settings;
mod lock_shaders;
mod lock_skips;
#[path = "../needs/mod.rs"]
mod needs;
mod outlines;
mod outside;
mod patient;
mod reference_four_cycles;
mod reference_validation;
mod register;
mod report;
mod slurm;
mod small;
mod small_cli;

#[global_allocator]
static COUNTED: counting::Counting = counting::Counting;
