//! `lutra register`: made images with a known motion, the files it writes, how others read them, and what is refused.

use crate::io_dicom_made::{CT, image, put, put_ds, write as write_dicom};
use crate::outside::{must_be_valid, python, registrars, run};
use crate::patient::{lutra, rows, stderr, stdout, write};
use dicom_core::VR;
use dicom_dictionary_std::tags;
use lutra::grid::{Volume, VoxelGrid};
use lutra::io::nifti;
use lutra::register::{Affine, agreement};
use std::path::Path;

/// Centre and half axes, mm, CT number, activity.
type Ellipsoid = ([f64; 3], [f64; 3], f64, f64);
/// Ellipsoids of a made patient.
const PARTS: [Ellipsoid; 7] = [
    ([0.0, 0.0, 0.0], [150.0, 100.0, 900.0], -90.0, 0.5),
    ([0.0, -5.0, 0.0], [132.0, 84.0, 900.0], 45.0, 0.7),
    ([-65.0, 20.0, 40.0], [58.0, 50.0, 55.0], 60.0, 4.0),
    ([65.0, -5.0, 45.0], [30.0, 36.0, 42.0], 50.0, 9.0),
    ([55.0, -40.0, -25.0], [26.0, 24.0, 46.0], 35.0, 15.0),
    ([-55.0, -40.0, -20.0], [26.0, 24.0, 44.0], 35.0, 13.0),
    ([0.0, -60.0, 0.0], [20.0, 18.0, 900.0], 260.0, 0.5),
];
const KIDNEYS: [[f64; 3]; 2] = [PARTS[4].0, PARTS[5].0];

fn grid() -> VoxelGrid {
    VoxelGrid::axis_aligned([66, 48, 44], [5.0; 3], [-162.5, -120.0, -107.5])
}

/// The patient, who lies moved: `back` leads from the image to the patient's own place.
fn made(grid: &VoxelGrid, back: &Affine, ct: bool) -> Volume<f32> {
    made_of(&PARTS, grid, back, ct)
}

/// The patient, whose kidneys lie nearer to the head by so much, mm.
fn made_with(grid: &VoxelGrid, ct: bool, kidneys_up_mm: f64) -> Volume<f32> {
    let mut parts = PARTS;
    (4..6).for_each(|n| parts[n].0[2] += kidneys_up_mm);
    made_of(&parts, grid, &Affine::IDENTITY, ct)
}

fn made_of(parts: &[Ellipsoid; 7], grid: &VoxelGrid, back: &Affine, ct: bool) -> Volume<f32> {
    let (outside, width) = if ct { (-1000.0, 4.0) } else { (0.0, 14.0) };
    let value = |n: usize| {
        let p = back.apply(grid.world_mm(grid.voxel(n).map(|v| v as f64)));
        let layer = |v: f64, (centre, half, hu, activity): &Ellipsoid| {
            let r = (0..3).map(|a| ((p[a] - centre[a]) / half[a]).powi(2)).sum::<f64>().sqrt();
            let shortest = half.iter().copied().fold(f64::INFINITY, f64::min);
            let inside = (0.5 + (1.0 - r) * shortest / width).clamp(0.0, 1.0);
            v + inside * (if ct { *hu } else { *activity } - v)
        };
        // a pattern without structure in place of noise
        let grain = ((n.wrapping_mul(2_654_435_761)) % 1000) as f64 / 1000.0 - 0.5;
        let v = parts.iter().fold(outside, layer);
        (v + grain * if ct { 20.0 } else { 0.4 * v.sqrt() }) as f32
    };
    Volume { grid: grid.clone(), data: (0..grid.len()).map(value).collect() }
}

fn motion() -> Affine {
    Affine::rigid([0.05, -0.03, 0.06], [9.0, -6.0, 12.0], [0.0, -20.0, 0.0])
}

/// The matrix of a transform.json.
fn matrix(path: &Path) -> Affine {
    let text = std::fs::read_to_string(path).expect("transform.json");
    let value: serde_json::Value = serde_json::from_str(&text).expect("JSON");
    let all: [[f64; 4]; 4] = serde_json::from_value(value["moving_from_fixed_ras_mm"].clone()).expect("4 x 4");
    Affine::from_4x4(all).expect("a transform")
}

fn errors_mm(found: &Affine) -> [f64; 2] {
    KIDNEYS.map(|at| agreement::apart_mm(found, &motion(), at))
}

/// Two activity images, the second moved, and the regions of the first.
fn spect_pair(folder: &Path) {
    let back = motion().inverse().expect("rigid");
    nifti::write(folder.join("fixed.nii"), &made(&grid(), &Affine::IDENTITY, false), "activity").expect("written");
    nifti::write(folder.join("moving.nii"), &made(&grid(), &back, false), "activity").expect("written");
    nifti::write(folder.join("kidneys.nii"), &kidneys(&Affine::IDENTITY), "labels").expect("written");
    write(folder, "names.csv", "value,name\n2,kidney_left\n3,kidney_right\n");
}

/// The outlines of both kidneys, 2 and 3, of the patient who lies moved.
fn kidneys(back: &Affine) -> Volume<u16> {
    let grid = grid();
    let label = |n: usize| {
        let p = back.apply(grid.world_mm(grid.voxel(n).map(|v| v as f64)));
        let inside = |centre: [f64; 3], half: [f64; 3]| {
            (0..3).map(|a| ((p[a] - centre[a]) / half[a]).powi(2)).sum::<f64>() < 1.0
        };
        if inside(PARTS[4].0, PARTS[4].1) {
            2
        } else if inside(PARTS[5].0, PARTS[5].1) {
            3
        } else {
            0
        }
    };
    let data = (0..grid.len()).map(label).collect();
    Volume { grid, data }
}

#[test]
fn cli_register_writes_a_transform_and_what_it_is_judged_by() {
    let folder = tempfile::tempdir().expect("folder");
    spect_pair(folder.path());
    let line =
        ["register", "fixed.nii", "moving.nii", "--mask", "kidneys.nii", "--label-names", "names.csv", "--out", "out"];
    let output = lutra(folder.path(), &line);
    assert!(output.status.success(), "{}", stderr(&output));
    assert!(stdout(&output).contains("kidney_left"), "{}", stdout(&output));
    let out = folder.path().join("out");
    let found = matrix(&out.join("transform.json"));
    assert!(errors_mm(&found).iter().all(|mm| *mm < 2.0), "{:?}", errors_mm(&found));
    let table = rows(&out.join("displacement.csv"));
    assert_eq!(
        table.iter().map(|row| row["region"].as_str()).collect::<Vec<_>>(),
        ["middle of the whole", "kidney_left", "kidney_right"]
    );
    for name in
        ["transform.tfm", "metric.csv", "run.json", "before_axial.png", "after_coronal.png", "after_sagittal.png"]
    {
        assert!(out.join(name).is_file(), "{name}");
    }
    assert!(!out.join("registration.dcm").exists(), "no frames of reference");
    let page = std::fs::read_to_string(out.join("report.html")).expect("the page");
    assert_eq!(page.matches("<img src=\"data:image/png;base64,").count(), 6, "three planes, before and after");
    for wanted in ["Before, axial", "After, sagittal", "kidney left", "Remains uncertain", "Started (UTC)", "run.json"]
    {
        assert!(page.contains(wanted), "{wanted}");
    }
    assert!(!page.contains("fixed.nii") && !page.contains("moving.nii"), "a page names no file");
    // the same transform from ITK's file, read by SimpleITK
    let Some(python) = python() else { return };
    let script = format!(
        "import SimpleITK as sitk; t = sitk.ReadTransform(r'{}'); p = t.TransformPoint((-30.0, 20.0, -10.0)); print(*p)",
        out.join("transform.tfm").display()
    );
    let (fine, text) = run(python, &["-c", &script]).expect("python");
    assert!(fine, "{text}");
    let theirs: Vec<f64> = text.split_whitespace().filter_map(|word| word.parse().ok()).collect();
    let ours = found.apply([30.0, -20.0, -10.0]);
    let apart = [theirs[0] + ours[0], theirs[1] + ours[1], theirs[2] - ours[2]];
    assert!(apart.iter().all(|mm| mm.abs() < 1e-9), "{theirs:?} {ours:?}");
}

#[test]
fn cli_register_refuses_by_name() {
    let folder = tempfile::tempdir().expect("folder");
    spect_pair(folder.path());
    let far = Affine::shift([0.0, 0.0, 75.0]).inverse().expect("rigid");
    nifti::write(folder.path().join("far.nii"), &made(&grid(), &far, false), "activity").expect("written");
    let mut unclear = made(&grid(), &Affine::IDENTITY, true);
    unclear.data.iter_mut().for_each(|v| *v = v.max(-300.0));
    nifti::write(folder.path().join("unclear.nii"), &unclear, "values").expect("written");
    for (moving, part) in [
        ("far.nii", "registration"),
        ("unclear.nii", "neither a CT (air near -1000 HU) nor an activity image"),
        ("absent.nii", "absent.nii"),
    ] {
        let output = lutra(folder.path(), &["register", "fixed.nii", moving, "--out", "out"]);
        assert_eq!(output.status.code(), Some(2), "{moving}: {}", stdout(&output));
        assert!(stderr(&output).contains(part), "{moving}: {}", stderr(&output));
        assert!(!folder.path().join("out").exists(), "nothing is written");
    }
}

/// Writes a CT as DICOM slices in the frame of reference `frame`.
fn write_ct(folder: &Path, back: &Affine, frame: &str) {
    std::fs::create_dir_all(folder).expect("folder");
    let volume = made(&grid(), back, true);
    let [nx, ny, nz] = volume.grid.dims;
    for k in 0..nz {
        // rows towards the patient's left, columns towards the back
        let pixels: Vec<u16> = (0..nx * ny)
            .map(|n| (volume.at(nx - 1 - n % nx, ny - 1 - n / nx, k) + 1024.0).clamp(0.0, 4000.0) as u16)
            .collect();
        let mut set = image(CT, "CT", [nx, ny], &pixels);
        let first = volume.grid.world_mm([nx as f64 - 1.0, ny as f64 - 1.0, k as f64]);
        for (tag, value) in [
            (tags::FRAME_OF_REFERENCE_UID, frame.to_owned()),
            (tags::SERIES_INSTANCE_UID, format!("{frame}.4")),
            (tags::SOP_INSTANCE_UID, format!("{frame}.1.{k}")),
        ] {
            put(&mut set, tag, VR::UI, &value);
        }
        put_ds(&mut set, tags::IMAGE_POSITION_PATIENT, &[-first[0], -first[1], first[2]]);
        put_ds(&mut set, tags::IMAGE_ORIENTATION_PATIENT, &[1.0, 0.0, 0.0, 0.0, 1.0, 0.0]);
        put_ds(&mut set, tags::PIXEL_SPACING, &[5.0, 5.0]);
        put_ds(&mut set, tags::SLICE_THICKNESS, &[5.0]);
        write_dicom(&folder.join(format!("{k:03}.dcm")), &set);
    }
}

#[test]
fn io_dicom_registration_of_two_cts_is_read_by_others() {
    let folder = tempfile::tempdir().expect("folder");
    write_ct(&folder.path().join("a"), &Affine::IDENTITY, "1.2.3.51");
    write_ct(&folder.path().join("b"), &motion().inverse().expect("rigid"), "1.2.3.52");
    let output = lutra(folder.path(), &["register", "a", "b", "--out", "out"]);
    assert!(output.status.success(), "{}", stderr(&output));
    let out = folder.path().join("out");
    let found = matrix(&out.join("transform.json"));
    // half a voxel of 5 mm: how well it finds a motion is tested elsewhere, here it is what others read
    assert!(errors_mm(&found).iter().all(|mm| *mm < 2.5), "{:?}", errors_mm(&found));
    let object = out.join("registration.dcm");
    must_be_valid(&object, "SpatialRegistration");
    let Some(python) = python() else { return };
    let script = format!(
        "import pydicom, json, numpy as np\n\
         d = pydicom.dcmread(r'{}')\n\
         assert d.FrameOfReferenceUID == '1.2.3.51' and d.Modality == 'REG'\n\
         item = [i for i in d.RegistrationSequence if i.FrameOfReferenceUID == '1.2.3.52'][0]\n\
         m = item.MatrixRegistrationSequence[0].MatrixSequence[0]\n\
         assert m.FrameOfReferenceTransformationMatrixType == 'RIGID'\n\
         lps = np.array([float(v) for v in m.FrameOfReferenceTransformationMatrix]).reshape(4, 4)\n\
         import SimpleITK as sitk\n\
         there = sitk.ReadTransform(r'{}')\n\
         back = sitk.AffineTransform(lps[:3, :3].ravel().tolist(), lps[:3, 3].tolist())\n\
         p = (31.0, -47.0, 12.0)\n\
         assert np.allclose(back.TransformPoint(there.TransformPoint(p)), p, atol=1e-9)\n\
         f = np.diag([-1, -1, 1, 1])\n\
         print(json.dumps((f @ lps @ f).tolist()))",
        object.display(),
        out.join("transform.tfm").display()
    );
    let (fine, text) = run(python, &["-c", &script]).expect("python");
    assert!(fine, "{text}");
    let theirs: [[f64; 4]; 4] = serde_json::from_str(text.trim()).expect("4 x 4");
    let back = found.inverse().expect("rigid").to_4x4();
    for (a, b) in theirs.as_flattened().iter().zip(back.as_flattened()) {
        assert!((a - b).abs() < 1e-10, "{theirs:?} {back:?}");
    }
}

/// The same values in a file of other bytes: the same file twice is refused.
fn again(folder: &Path, from: &str, to: &str) {
    let volume = nifti::read_as::<f32>(folder.join(from)).expect("a volume");
    nifti::write(folder.join(to), &volume, "another file").expect("written");
}

/// A series whose second image is moved: `rigid` and `given` bring the kidneys' activity back.
#[test]
fn cli_tia_brings_moved_images_into_one_frame() {
    let folder = tempfile::tempdir().expect("folder");
    spect_pair(folder.path());
    let output = lutra(folder.path(), &["register", "fixed.nii", "moving.nii", "--out", "reg"]);
    assert!(output.status.success(), "{}", stderr(&output));
    let series = |second: &str| {
        format!(
            "schema = 1\nadministered_mbq = 7400\nunit = \"bq_ml\"\ndecay_correction = \"none\"\nlabels = \"kidneys.nii\"\n\
             label_names = \"names.csv\"\nrelative_error = 0.05\n[fit]\nmethod = \"trapezoid\"\ntail = \"physical\"\n\
             [[images]]\nfile = \"fixed.nii\"\ntime_h = 24.0\n[[images]]\nfile = \"moving.nii\"\ntime_h = 96.0\n{second}"
        )
    };
    let tia = |name: &str, second: &str| -> f64 {
        write(folder.path(), &format!("{name}.toml"), &series(second));
        let output = lutra(folder.path(), &["tia", &format!("{name}.toml"), "--out", name]);
        assert!(output.status.success(), "{name}: {}", stderr(&output));
        let table = rows(&folder.path().join(name).join("regions.csv"));
        let kidneys = table.iter().filter(|row| row["label"] != "0");
        kidneys.map(|row| row["tia_mbq_h"].parse::<f64>().expect("a number")).sum()
    };
    // the truth: both images as they would be without a motion
    std::fs::copy(folder.path().join("moving.nii"), folder.path().join("kept.nii")).expect("copied");
    again(folder.path(), "fixed.nii", "moving.nii");
    let truth = tia("truth", "");
    std::fs::copy(folder.path().join("kept.nii"), folder.path().join("moving.nii")).expect("copied");
    let unmoved = tia("unmoved", "registration = { method = \"none\" }\n") / truth - 1.0;
    let rigid = tia("rigid", "registration = { method = \"rigid\" }\n") / truth - 1.0;
    let given =
        tia("given", "registration = { method = \"given\", transform = \"reg/transform.tfm\" }\n") / truth - 1.0;
    assert!(unmoved < -0.05, "the motion costs activity: {unmoved}");
    assert!(rigid.abs() < 0.2 * unmoved.abs() && given.abs() < 0.2 * unmoved.abs(), "{unmoved} {rigid} {given}");
    // the inverse fits worse than the transform
    let found = matrix(&folder.path().join("reg/transform.json"));
    let inverse = found.inverse().expect("rigid");
    lutra::io::itk::write_transform(folder.path().join("wrong.tfm"), &inverse.to_4x4()).expect("written");
    write(folder.path(), "wrong.toml", &series("registration = { method = \"given\", transform = \"wrong.tfm\" }\n"));
    let output = lutra(folder.path(), &["tia", "wrong.toml", "--out", "wrong"]);
    assert_eq!(output.status.code(), Some(2), "{}", stdout(&output));
    assert!(stderr(&output).contains("wrong.tfm") && stderr(&output).contains("direction"), "{}", stderr(&output));
    // a mirror
    let mut mirror = Affine::IDENTITY.to_4x4();
    mirror[0][0] = -1.0;
    lutra::io::itk::write_transform(folder.path().join("wrong.tfm"), &mirror).expect("written");
    let output = lutra(folder.path(), &["tia", "wrong.toml", "--out", "wrong"]);
    assert_eq!(output.status.code(), Some(2), "{}", stdout(&output));
    assert!(stderr(&output).contains("mirrors the patient"), "{}", stderr(&output));
    // scale in a matrix for activity, whose volumes it would change; a transform that leads past the image
    let mut scaled = found.to_4x4();
    (0..3).for_each(|column| scaled[0][column] *= 1.01);
    for (matrix, part) in [
        (scaled, "a rigid transform that scales"),
        (Affine::shift([900.0, 0.0, 0.0]).to_4x4(), "overlap: found 0 % of the fixed image's points"),
    ] {
        lutra::io::itk::write_transform(folder.path().join("wrong.tfm"), &matrix).expect("written");
        let output = lutra(folder.path(), &["tia", "wrong.toml", "--out", "wrong"]);
        assert_eq!(output.status.code(), Some(2), "{}", stdout(&output));
        assert!(stderr(&output).contains(part) && stderr(&output).contains("wrong.tfm"), "{}", stderr(&output));
    }
}

/// Cycles on CTs of their own, the second moved: one dose map a cycle, summed in the course's frame.
fn two_cycles(folder: &Path) {
    let back = motion().inverse().expect("rigid");
    for (n, ct, back, frame) in [(1, "a", Affine::IDENTITY, "1.2.3.51"), (2, "b", back, "1.2.3.52")] {
        write_ct(&folder.join(ct), &back, frame);
        let labels = kidneys(&back);
        let dose = labels.map(|label| if label > 0 { 4.0_f32 } else { 0.1 });
        nifti::write(folder.join(format!("l{n}.nii")), &labels, "labels").expect("written");
        nifti::write(folder.join(format!("d{n}.nii")), &dose, "dose").expect("written");
    }
    write(folder, "names.csv", "value,name\n2,kidney_left\n3,kidney_right\n");
}

/// The course of these cycles; `second` is how the second lies.
fn course_of(second: &str) -> String {
    format!(
        "schema = 1\nprotocol = \"iluminet\"\nct = \"a\"\nlabels = \"l1.nii\"\nlabel_names = \"names.csv\"\n\
         [effective_half_life_h]\nkidney_left = 52\nkidney_right = 52\n\
         [[cycles]]\ndate = 2024-01-15\nadministered_mbq = 7400\ndose = \"d1.nii\"\n\
         [[cycles]]\ndate = 2024-03-25\nadministered_mbq = 7400\n{second}\n"
    )
}

/// `lutra course` of them: the summed dose in the middle of the left kidney, Gy, and the verdict's record; or what is refused.
fn course_run(folder: &Path, out: &str, second: &str) -> Result<(Option<f32>, serde_json::Value), String> {
    write(folder, "COURSE.toml", &course_of(second));
    let output = lutra(folder, &["course", "COURSE.toml", "--out", out]);
    if !output.status.success() {
        assert_eq!(output.status.code(), Some(2), "{}", stderr(&output));
        return Err(stderr(&output));
    }
    let record = std::fs::read_to_string(folder.join(out).join("verdict.json")).expect("the record");
    let sum = nifti::read(folder.join(out).join("dose_sum_gy.nii.gz")).ok();
    let middle = sum.map(|sum| {
        let [i, j, k] = sum.grid.voxel_at_mm(KIDNEYS[0]).map(|v| v.round() as usize);
        sum.at(i, j, k)
    });
    Ok((middle, serde_json::from_str(&record).expect("JSON")))
}

#[test]
fn cli_course_registers_its_cycles_and_tells_what_moved() {
    let folder = tempfile::tempdir().expect("folder");
    let at = folder.path();
    two_cycles(at);
    let moved = "dose = \"d2.nii\"\nlabels = \"l2.nii\"\nct = \"b\"\n";
    let (sum, record) =
        course_run(at, "rigid", &format!("{moved}registration = {{ method = \"rigid\" }}")).expect("runs");
    assert!((sum.expect("a sum") - 8.0).abs() < 0.01, "{sum:?}");
    let own = &record["cycles"][1]["registration"];
    let truth = agreement::length(motion().displacement_mm(KIDNEYS[0]));
    assert!((own["shift_mm"].as_f64().expect("mm") - truth).abs() < 5.0, "{own} {truth}");
    assert!(own["likeness_after"].as_f64() > own["likeness_before"].as_f64(), "{own}");
    assert!(record["cycles"][0]["registration"].is_null(), "{record}");
    let page = std::fs::read_to_string(at.join("rigid/report.html")).expect("the page");
    for part in ["Motion between images and cycles", "cycle 2, CT", "rigid, computed", "kidney left", "Residual"] {
        assert!(page.contains(part), "{part}");
    }
    // the same by a file, which is an input of the course
    assert!(lutra(at, &["register", "a", "b", "--out", "reg"]).status.success());
    let given = |name: &str| format!("{moved}registration = {{ method = \"given\", transform = \"{name}\" }}");
    let (sum, record) = course_run(at, "given", &given("reg/transform.json")).expect("runs");
    assert!((sum.expect("a sum") - 8.0).abs() < 0.01, "{sum:?}");
    let inputs = record["cycles"][1]["inputs"].as_array().expect("inputs");
    assert!(inputs.iter().any(|input| input["role"] == "transform"), "{inputs:?}");
    // stated to lie there: into the sum as it lies; without a word: out of it, and no page of motion
    again(at, "d1.nii", "d3.nii");
    let still = "dose = \"d3.nii\"\nlabels = \"l1.nii\"\n";
    let (sum, _) = course_run(at, "none", &format!("{still}registration = {{ method = \"none\" }}")).expect("runs");
    assert!((sum.expect("a sum") - 8.0).abs() < 0.01, "{sum:?}");
    let (sum, _) = course_run(at, "apart", still).expect("runs");
    assert_eq!(sum, None, "a cycle with labels of its own and no word on where it lies");
    let page = std::fs::read_to_string(at.join("apart/report.html")).expect("the page");
    assert!(!page.contains("Motion between images and cycles"));
}

/// Transforms of another pair, of the wrong direction, that scale, that lead past the image, or that are two.
#[test]
fn cli_course_refuses_transforms_by_name() {
    let folder = tempfile::tempdir().expect("folder");
    let at = folder.path();
    two_cycles(at);
    assert!(lutra(at, &["register", "a", "b", "--out", "reg"]).status.success());
    let text = std::fs::read_to_string(at.join("reg/transform.json")).expect("transform.json");
    let sound: serde_json::Value = serde_json::from_str(&text).expect("JSON");
    let refused = |name: &str, part: &str| {
        let second = format!(
            "dose = \"d2.nii\"\nlabels = \"l2.nii\"\nct = \"b\"\n\
             registration = {{ method = \"given\", transform = \"{name}\" }}"
        );
        let error = course_run(at, "out", &second).expect_err(part);
        assert!(error.contains(part) && error.contains(name.trim_end_matches('/')), "{part}: {error}");
    };
    let matrix = |change: &dyn Fn(&mut serde_json::Value)| {
        let mut wrong = sound.clone();
        change(&mut wrong);
        std::fs::write(at.join("wrong.json"), wrong.to_string()).expect("written");
    };
    matrix(&|wrong| wrong["moving"]["frame_of_reference_uid"] = "1.2.3.99".into());
    refused("wrong.json", "moving.frame_of_reference_uid: found another frame of reference than the image's");
    matrix(&|wrong| wrong["moving_from_fixed_ras_mm"] = sound["fixed_from_moving_ras_mm"].clone());
    refused("wrong.json", "direction: found the images agree worse under it");
    matrix(&|wrong| wrong["moving_from_fixed_ras_mm"][0][0] = 1.01.into());
    refused("wrong.json", "a rigid transform that scales");
    matrix(&|wrong| wrong["moving_from_fixed_ras_mm"][0][1] = 0.2.into());
    refused("wrong.json", "a rigid transform that s");
    matrix(&|wrong| wrong["moving_from_fixed_ras_mm"][0][3] = 900.0.into());
    refused("wrong.json", "overlap: found 0 % of the fixed image's points");
    std::fs::create_dir(at.join("objects")).expect("folder");
    for n in 0..2 {
        std::fs::copy(at.join("reg/registration.dcm"), at.join(format!("objects/{n}.dcm"))).expect("copied");
    }
    refused("objects", "2 objects for these two images");
}

/// What `lutra inspect` says of frames of reference: which images share one, and where a registration object leads.
#[test]
fn cli_inspect_says_which_images_share_a_frame_of_reference() {
    let folder = tempfile::tempdir().expect("folder");
    let at = folder.path();
    write_ct(&at.join("a"), &Affine::IDENTITY, "1.2.3.51");
    write_ct(&at.join("b"), &motion().inverse().expect("rigid"), "1.2.3.52");
    let said = || stdout(&lutra(at, &["inspect", "."]));
    let text = said();
    assert!(
        text.contains("Frames of reference\n    frame 1: #1\n    frame 2: #2; no registration object leads"),
        "{text}"
    );
    assert!(!text.contains("1.2.3.5"), "UIDs stay out: {text}");
    assert!(lutra(at, &["register", "a", "b", "--out", "reg"]).status.success());
    let text = said();
    assert!(text.contains("frame 2: #2\n    #3: a registration between frames 1 and 2"), "{text}");
    // one frame for both
    write_ct(&at.join("b"), &motion().inverse().expect("rigid"), "1.2.3.51");
    std::fs::remove_dir_all(at.join("reg")).expect("removed");
    let text = said();
    assert!(text.contains("frame 1: #1") && !text.contains("frame 2"), "{text}");
}

/// Volumes of the displacement along x, y, z of a map, RAS mm, on the fixed grid.
fn displacements(map: impl Fn([f64; 3]) -> [f64; 3]) -> [Volume<f32>; 3] {
    let grid = grid();
    let by = |n: usize| {
        let at = grid.world_mm(grid.voxel(n).map(|v| v as f64));
        let to = map(at);
        [0, 1, 2].map(|axis| (to[axis] - at[axis]) as f32)
    };
    let all: Vec<[f32; 3]> = (0..grid.len()).map(by).collect();
    [0, 1, 2].map(|axis| Volume { grid: grid.clone(), data: all.iter().map(|v| v[axis]).collect() })
}

/// Writes a NIfTI field of vectors with this intent: RAS for 1006, LPS for 1007.
fn write_nifti_field(path: &Path, field: &[Volume<f32>; 3], intent: i16) {
    let planes = [0, 1, 2].map(|axis| {
        let sign: f32 = if intent == 1007 && axis < 2 { -1.0 } else { 1.0 };
        let plane = path.with_extension(format!("{axis}.nii"));
        let turned = field[axis].map(|v| sign * v);
        nifti::write(&plane, &turned, "displacement").expect("written");
        std::fs::read(&plane).expect("bytes")
    });
    let [mut bytes, y, z] = planes;
    for (at, value) in [(40, 5_i16), (48, 1), (50, 3), (68, intent)] {
        bytes[at..at + 2].copy_from_slice(&value.to_le_bytes());
    }
    bytes.extend_from_slice(&y[352..]);
    bytes.extend_from_slice(&z[352..]);
    std::fs::write(path, bytes).expect("written");
}

/// Writes a MetaImage field, LPS, as ITK does.
fn write_meta_field(path: &Path, field: &[Volume<f32>; 3]) {
    let grid = &field[0].grid;
    let [nx, ny, nz] = grid.dims;
    let [x, y, z] = grid.world_mm([0.0; 3]);
    let head = format!(
        "ObjectType = Image\nNDims = 3\nBinaryData = True\nBinaryDataByteOrderMSB = False\nCompressedData = False\n\
         TransformMatrix = -1 0 0 0 -1 0 0 0 1\nOffset = {} {} {z}\nCenterOfRotation = 0 0 0\nAnatomicalOrientation = RAI\n\
         ElementSpacing = 5 5 5\nDimSize = {nx} {ny} {nz}\nElementNumberOfChannels = 3\nElementType = MET_FLOAT\n\
         ElementDataFile = LOCAL\n",
        -x, -y
    );
    let mut bytes = head.into_bytes();
    for n in 0..grid.len() {
        for (axis, plane) in field.iter().enumerate() {
            let sign: f32 = if axis < 2 { -1.0 } else { 1.0 };
            bytes.extend((sign * plane.data[n]).to_le_bytes());
        }
    }
    std::fs::write(path, bytes).expect("written");
}

/// A series of the fixed and the moving image; `second` states how the second is brought into the frame of the first.
fn pair_series(second: &str) -> String {
    format!(
        "schema = 1\nadministered_mbq = 7400\nunit = \"bq_ml\"\ndecay_correction = \"none\"\nlabels = \"kidneys.nii\"\n\
         label_names = \"names.csv\"\nrelative_error = 0.05\n[fit]\nmethod = \"trapezoid\"\ntail = \"physical\"\n\
         [[images]]\nfile = \"fixed.nii\"\ntime_h = 24.0\n[[images]]\nfile = \"moving.nii\"\ntime_h = 96.0\n{second}"
    )
}

/// `lutra tia` of such a series: the kidneys' integral, MBq h, and the record of registrations; or what is refused.
fn pair_tia(folder: &Path, name: &str, second: &str) -> Result<(f64, serde_json::Value), String> {
    write(folder, &format!("{name}.toml"), &pair_series(second));
    let output = lutra(folder, &["tia", &format!("{name}.toml"), "--out", name]);
    if !output.status.success() {
        assert_eq!(output.status.code(), Some(2), "{name}: {}", stderr(&output));
        assert!(!folder.join(name).exists(), "nothing is written");
        return Err(stderr(&output));
    }
    let table = rows(&folder.join(name).join("regions.csv"));
    let kidneys = table.iter().filter(|row| row["label"] != "0");
    let sum = kidneys.map(|row| row["tia_mbq_h"].parse::<f64>().expect("a number")).sum();
    let text = std::fs::read_to_string(folder.join(name).join("tia.json")).expect("record");
    let record: serde_json::Value = serde_json::from_str(&text).expect("JSON");
    Ok((sum, record["registrations"].clone()))
}

/// Displacement fields of each kind do what the matrix does; what is no map of this pair is refused by name.
#[test]
fn cli_tia_takes_displacement_fields() {
    let folder = tempfile::tempdir().expect("folder");
    spect_pair(folder.path());
    let there = motion();
    lutra::io::itk::write_transform(folder.path().join("truth.tfm"), &there.to_4x4()).expect("written");
    let given = |name: &str| {
        pair_tia(folder.path(), "out", &format!("registration = {{ method = \"given\", transform = \"{name}\" }}\n"))
            .inspect(|_| std::fs::remove_dir_all(folder.path().join("out")).expect("removed"))
    };
    let (matrix, _) = given("truth.tfm").expect("a matrix");
    let field = displacements(|p| there.apply(p));
    write_nifti_field(&folder.path().join("ras.nii"), &field, 1006);
    write_nifti_field(&folder.path().join("lps.nii"), &field, 1007);
    write_meta_field(&folder.path().join("field.mha"), &field);
    for name in ["ras.nii", "lps.nii", "field.mha"] {
        let (found, record) = given(name).expect(name);
        assert!((found / matrix - 1.0).abs() < 1e-3, "{name}: {found} {matrix}");
        let median = record[0]["jacobians"]["median"].as_f64().expect("a spread");
        assert!((median - 1.0).abs() < 1e-3, "{record}");
    }
    // the wrong direction, the wrong convention, a fold, another place, an unknown intent, HDF5
    let back = there.inverse().expect("rigid");
    write_meta_field(&folder.path().join("back.mha"), &displacements(|p| back.apply(p)));
    let fold = displacements(|[x, y, z]| [x - 20.0 * (x / 8.0).sin(), y, z]);
    write_meta_field(&folder.path().join("fold.mha"), &fold);
    let mut far = field.clone();
    far.iter_mut().for_each(|plane| plane.grid.affine[2][3] += 150.0);
    write_meta_field(&folder.path().join("far.mha"), &far);
    write_nifti_field(&folder.path().join("fsl.nii"), &field, 2006);
    std::fs::copy(folder.path().join("fixed.nii"), folder.path().join("scalar.nii")).expect("copied");
    std::fs::write(folder.path().join("t.h5"), b"\x89HDF\r\n").expect("written");
    for (name, part) in [
        ("back.mha", "direction: found the images agree worse under it"),
        ("fold.mha", "displacement (Jacobian): found"),
        ("far.mha", "displacement grid: found a field that holds"),
        ("fsl.nii", "intent_code: found 2006, a field of FSL"),
        ("scalar.nii", "dimensions: found 3 dimensions"),
        ("t.h5", "an ITK transform in HDF5"),
    ] {
        let error = given(name).expect_err(name);
        assert!(error.contains(part) && error.contains(name), "{name}: {error}");
    }
    let both = "registration = { method = \"given\", transform = \"field.mha\", by_region = [\"kidney_left\"] }\n";
    let error = pair_tia(folder.path(), "out", both).expect_err("a field moves regions already");
    assert!(error.contains("by_region") && error.contains("displacement field"), "{error}");
}

/// SimpleITK's own files of a field are read as it applies them.
#[test]
fn io_displacement_fields_of_simpleitk_are_read() {
    let Some(python) = python() else { return };
    let folder = tempfile::tempdir().expect("folder");
    let script = format!(
        "import SimpleITK as sitk, os\n\
         os.chdir(r'{}')\n\
         t = sitk.Euler3DTransform((10.0, -4.0, 7.0), 0.05, -0.03, 0.06, (3.0, -5.0, 8.0))\n\
         f = sitk.TransformToDisplacementField(t, sitk.sitkVectorFloat64, (20, 18, 16), (-40.0, -35.0, -30.0), \
         (4.0, 4.5, 5.0), (0, 1, 0, 1, 0, 0, 0, 0, -1))\n\
         for name in ('a.mha', 'b.nii', 'c.nii.gz'): sitk.WriteImage(f, name)\n\
         sitk.WriteImage(f, 'd.mha', True)\n\
         print(*t.TransformPoint((-36.0, -26.0, -40.0)))",
        folder.path().display()
    );
    let (fine, text) = run(python, &["-c", &script]).expect("python");
    assert!(fine, "{text}");
    let line = text.lines().last().unwrap_or_default();
    let theirs: Vec<f64> = line.split_whitespace().filter_map(|word| word.parse().ok()).collect();
    for name in ["a.mha", "b.nii", "c.nii.gz", "d.mha"] {
        let path = folder.path().join(name);
        let read = lutra::io::displacement::read_field(&path.as_path().into()).expect(name);
        let field = lutra::register::Displacement::new(read.grid, read.vectors).expect("a field");
        let [x, y, z] = field.apply([36.0, 26.0, -40.0]).expect("inside");
        let apart = [theirs[0] + x, theirs[1] + y, theirs[2] - z];
        assert!(apart.iter().all(|mm| mm.abs() < 1e-4), "{name}: {theirs:?} {x} {y} {z}");
    }
}

/// Kidneys that move in a body that lies still: by region they are brought back, by one matrix they are not.
#[test]
fn cli_tia_carries_regions_by_their_own_motion() {
    let folder = tempfile::tempdir().expect("folder");
    spect_pair(folder.path());
    // half of the activity is left at the second scan
    let write_half = |image: &Volume<f32>| {
        nifti::write(folder.path().join("moving.nii"), &image.map(|v| 0.5 * v), "activity").expect("written");
    };
    write_half(&made(&grid(), &Affine::IDENTITY, false));
    let (truth, _) = pair_tia(folder.path(), "truth", "").expect("unmoved");
    write_half(&made_with(&grid(), false, 15.0));
    let cost = |name: &str, registration: &str| {
        let (found, record) = pair_tia(folder.path(), name, &format!("registration = {registration}\n")).expect(name);
        (found / truth - 1.0, record)
    };
    let (without, _) = cost("without", "{ method = \"none\" }");
    let budget = |name: &str| {
        let text = std::fs::read_to_string(folder.path().join(name).join("tia.json")).expect("record");
        let record: serde_json::Value = serde_json::from_str(&text).expect("JSON");
        record["budget"]["kidney_left"].clone()
    };
    let part = |name: &str| {
        let parts = budget(name)["parts"].as_array().expect("parts").clone();
        parts.iter().find(|part| part["source"] == "registration").and_then(|part| part["rel_sigma"].as_f64())
    };
    assert_eq!(part("without"), None, "nobody knows how far an image lies off that is stated to lie there");
    assert!(budget("without")["not_known"].to_string().contains("registration"));
    let named = "by_region = [\"kidney_left\", \"kidney_right\"]";
    let (with, record) = cost("with", &format!("{{ method = \"rigid\", {named} }}"));
    assert!(without < -0.05, "{without}");
    assert!(with.abs() < 0.2 * without.abs(), "{without} {with}");
    for region in record[0]["regions"].as_array().expect("regions") {
        let z = region["displacement_mm"][2].as_f64().expect("mm");
        assert!((z - 15.0).abs() < 2.0 && region["residual_mm"].as_f64().expect("mm") < 2.0, "{record}");
    }
    assert_eq!(record[0]["followed"].as_array().map(Vec::len), Some(0), "{record}");
    let page = std::fs::read_to_string(folder.path().join("with/motion.html")).expect("the page");
    assert!(page.contains("by itself") && page.contains("96 h") && !page.contains("moving.nii"), "{page}");
    let left = part("with").expect("a part");
    assert!(left > 0.0 && left < 0.05, "{left}");
    let error = pair_tia(folder.path(), "out", "registration = { method = \"rigid\", by_region = [\"spleen\"] }\n")
        .expect_err("no such region");
    assert!(error.contains("by_region: found \"spleen\"") && error.contains("kidney_left"), "{error}");
}

/// `tests/registration/compare.py` by Lutra, SimpleITK and itk-elastix: whether it is content, and what it says.
fn compared(python: &str, options: &[&str]) -> (bool, String) {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/registration/compare.py");
    let all = [&[script, env!("CARGO_BIN_EXE_lutra")][..], options].concat();
    run(python, &all).expect("python")
}

/// Known motions of made patients, CT and activity: Lutra is within its limits and no other program is better. Two motions of
/// each; ten, and those of a patient, stand in docs/methods/registration.md.
#[test]
fn reference_other_programs_register_no_better() {
    let Some(python) = registrars() else { return };
    let (fine, text) = compared(python, &["--motions", "2", "--sets", "made-CT,made-SPECT"]);
    assert!(fine, "{text}");
    for part in ["made CT: error at the kidneys", "made SPECT: error at the kidneys", "SimpleITK", "itk-elastix"] {
        assert!(text.contains(part), "{part}: {text}");
    }
}

/// An image that Lutra reads half a voxel off is told by the comparison.
#[test]
fn alarm_other_programs_register_better_than_half_a_voxel_off() {
    let Some(python) = registrars() else { return };
    let (fine, text) = compared(python, &["--motions", "1", "--sets", "made-SPECT", "--half-a-voxel-off"]);
    assert!(!fine && text.contains("made SPECT: error at the kidneys"), "{text}");
}
