//! Images of which some lie in memory give the integers of the files.

use crate::patient::patient;
use lutra::Volume;
use lutra::clinic::dose::{DoseResult, dose};
use lutra::clinic::handed::HandedOver;
use lutra::clinic::notes::Unheard;
use lutra::clinic::request::{ActivityChoice, DoseRequest, EngineChoice, RunOptions, Stop};
use lutra::io::nifti;
use lutra::source::ActivityUnit;
use lutra::transport::emission::Emissions;
use std::path::Path;

/// The request in files, and all of its images in memory.
fn made(folder: &Path) -> (DoseRequest, HandedOver) {
    patient(folder);
    let labels = nifti::read_labels(folder.join("labels.nii")).expect("labels");
    let activity = labels.map(|label| [1e9, 1e12, 1.2e12][usize::from(label) - 1]);
    nifti::write(folder.join("decays.nii"), &activity, "decays").expect("written");
    let run = RunOptions { engine: EngineChoice::Cpu(None), stop: Stop::Histories(4000), ..RunOptions::default() };
    let files = DoseRequest {
        labels: Some(folder.join("labels.nii").into()),
        run,
        ..DoseRequest::of_decays(folder.join("ct.nii"), folder.join("decays.nii"))
    };
    let ct_hu = Some(nifti::read(folder.join("ct.nii")).expect("the CT"));
    let activity = Some((activity, ActivityUnit::Decays));
    (files, HandedOver { ct_hu, activity, labels: Some(labels), names: Default::default() })
}

fn hash(request: &DoseRequest, handed: HandedOver) -> String {
    let case = handed.case(request.clone(), &mut Unheard).expect("a case");
    let result = DoseResult::of(case, &request.run, Emissions::All, &mut Unheard).expect("a dose");
    result.computed.tally_sha256
}

/// The affine as a program makes it that kept voxel edges and cosines apart in single precision.
fn rounded<T>(mut volume: Volume<T>, off: f64) -> Volume<T> {
    volume.grid.affine.iter_mut().flatten().for_each(|value| *value *= 1.0 + off);
    volume.grid = lutra::VoxelGrid::from_affine(volume.grid.dims, volume.grid.affine).expect("a grid");
    volume
}

#[test]
fn engine_images_in_memory_and_in_files_mix() {
    let folder = tempfile::tempdir().expect("temporary folder");
    let (files, handed) = made(folder.path());
    let wanted = dose(&files, &mut Unheard).expect("from files").computed.tally_sha256;
    let none = HandedOver::default;
    let decays = DoseRequest { activity: ActivityChoice::Decays, ..files.clone() };
    for (which, request, given) in [
        ("all", &decays, handed.clone()),
        ("none", &files, none()),
        ("CT", &files, HandedOver { ct_hu: handed.ct_hu.clone(), ..none() }),
        ("activity", &decays, HandedOver { activity: handed.activity.clone(), ..none() }),
        ("labels", &files, HandedOver { labels: handed.labels.clone(), ..none() }),
    ] {
        assert_eq!(hash(request, given), wanted, "{which} in memory");
    }
    let ct = |off| HandedOver { ct_hu: handed.ct_hu.clone().map(|ct| rounded(ct, off)), ..none() };
    assert_eq!(hash(&files, ct(2e-8)), wanted, "single precision does not tell");
    // alarm: voxels that are larger by more than rounding
    assert_ne!(hash(&files, ct(1e-4)), wanted);
}

#[test]
fn engine_names_in_memory_go_before_those_of_files() {
    let folder = tempfile::tempdir().expect("temporary folder");
    let (files, handed) = made(folder.path());
    let names = [(2, "kidney_left".to_owned())];
    for given in [
        HandedOver { names: names.clone().into(), ..HandedOver::default() },
        HandedOver { names: names.into(), labels: handed.labels, ..HandedOver::default() },
    ] {
        let case = given.case(files.clone(), &mut Unheard).expect("a case");
        assert_eq!(case.names[&2], "kidney_left");
    }
}
