//! `lutra compare` finds and names what was planted between two dose maps, and nothing between equal ones.

use lutra::grid::{Volume, VoxelGrid};
use lutra::io::nifti;
use std::path::Path;
use std::process::{Command, Output};

fn compare(folder: &Path, extra: &[&str]) -> Output {
    let mut words = vec![
        "compare",
        "a.nii.gz",
        "b.nii.gz",
        "--labels",
        "labels.nii",
        "--label-names",
        "names.csv",
        "--out",
        "out",
        "--force",
    ];
    words.extend(extra);
    Command::new(env!("CARGO_BIN_EXE_lutra")).current_dir(folder).args(words).output().expect("the program starts")
}

fn grid() -> VoxelGrid {
    VoxelGrid::axis_aligned([30, 24, 20], [3.0; 3], [-43.5, -34.5, 100.0])
}

/// Mean dose of a voxel, from its eight parts, Gy.
fn dose(at: [f64; 3]) -> f32 {
    let part = |n: usize| std::array::from_fn(|axis| at[axis] + if n >> axis & 1 == 1 { 0.25 } else { -0.25 });
    (0..8).map(|n| point(part(n))).sum::<f32>() / 8.0
}

/// Organs of unlike size at unlike places over a low background, Gy.
fn point(at: [f64; 3]) -> f32 {
    let organs = [([8.0, 10.0, 9.0], 3.5, 5.0), ([21.0, 9.0, 8.0], 3.0, 4.6), ([13.0, 16.0, 13.0], 2.0, 25.0)];
    let sum: f64 = organs
        .iter()
        .map(|(middle, width, top)| {
            let d2: f64 = (0..3).map(|axis| (at[axis] - middle[axis]).powi(2)).sum();
            top * (-d2 / (2.0 * width * width)).exp()
        })
        .sum();
    (0.2 + sum) as f32
}

fn map(grid: &VoxelGrid, of: impl Fn([f64; 3]) -> f32) -> Volume<f32> {
    let data = (0..grid.len()).map(|n| of(grid.voxel(n).map(|i| i as f64))).collect();
    Volume { grid: grid.clone(), data }
}

fn put(folder: &Path, name: &str, volume: &Volume<f32>) {
    nifti::write(folder.join(name), volume, "dose").expect("written");
}

#[test]
fn cli_compare_prints_its_record_with_json() {
    let folder = tempfile::tempdir().expect("temporary folder");
    let folder = folder.path();
    put(folder, "a.nii.gz", &map(&grid(), dose));
    put(folder, "b.nii.gz", &map(&grid(), |at| 1.02 * dose(at)));
    put(folder, "labels.nii", &map(&grid(), |[x, _, _]| if x < 15.0 { 2.0 } else { 3.0 }));
    std::fs::write(folder.join("names.csv"), "value,name\n2,right\n3,left\n").expect("written");
    let output = compare(folder, &["--json"]);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let printed: serde_json::Value = serde_json::from_slice(&output.stdout).expect("nothing but JSON");
    let file: serde_json::Value =
        serde_json::from_str(&std::fs::read_to_string(folder.join("out/compare.json")).expect("written"))
            .expect("JSON");
    assert_eq!(printed, file);
    let histograms = std::fs::read_to_string(folder.join("out/dvh.json")).expect("written");
    assert!(histograms.contains("\"weights\": \"volume\""), "no density is known");
    assert_eq!(printed["findings"].as_array().map(Vec::len), Some(1), "{printed}");
}

/// What `compare` says of `b` beside the plain map.
fn said(b: &Volume<f32>) -> (String, serde_json::Value, String) {
    let folder = tempfile::tempdir().expect("temporary folder");
    let folder = folder.path();
    let a = map(&grid(), dose);
    put(folder, "a.nii.gz", &a);
    put(folder, "b.nii.gz", b);
    let labels = map(&grid(), |at| {
        let near = |middle: [f64; 3], r: f64| (0..3).map(|k| (at[k] - middle[k]).powi(2)).sum::<f64>() < r * r;
        if near([8.0, 10.0, 9.0], 3.5) {
            2.0
        } else if near([21.0, 9.0, 8.0], 3.0) {
            3.0
        } else if near([13.0, 16.0, 13.0], 2.0) {
            4.0
        } else {
            0.0
        }
    });
    put(folder, "labels.nii", &labels);
    std::fs::write(folder.join("names.csv"), "value,name\n2,kidney_right\n3,kidney_left\n4,tumour\n").expect("written");
    let output = compare(folder, &[]);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let read = |name: &str| std::fs::read_to_string(folder.join("out").join(name)).expect(name);
    let json = serde_json::from_str(&read("compare.json")).expect("JSON");
    for name in
        ["difference_gy.nii.gz", "difference_percent.nii.gz", "gamma_3mm_3percent.nii.gz", "dvh.csv", "compare.csv"]
    {
        assert!(folder.join("out").join(name).is_file(), "{name}");
    }
    (String::from_utf8_lossy(&output.stdout).into_owned(), json, read("report.html"))
}

#[test]
fn alarm_equal_maps_give_no_finding() {
    let (text, json, page) = said(&map(&grid(), dose));
    assert!(text.contains("no shift, flip or scale found") && !text.contains("FOUND"), "{text}");
    assert_eq!(json["findings"], serde_json::json!([]));
    assert_eq!(json["gamma_2mm_1percent"], 1.0);
    assert_eq!(json["regions"][0]["ratio"], 1.0);
    assert!(page.contains("No shift, flip or scale found"));
}

#[test]
fn alarm_a_shift_by_one_voxel_is_named() {
    let (text, json, page) = said(&map(&grid(), |[x, y, z]| dose([x - 1.0, y, z])));
    assert!(text.contains("FOUND: B is shifted by 1 voxel (3.00 mm) towards the patient's right"), "{text}");
    assert_eq!(json["relation"]["findings"][0]["voxels"], serde_json::json!([1, 0, 0]));
    assert_eq!(json["relation"]["findings"].as_array().map(Vec::len), Some(1), "{json}");
    assert!(page.contains("B is shifted by 1 voxel"));
}

#[test]
fn alarm_a_shift_in_the_header_is_named() {
    let mut moved = grid();
    moved.affine[2][3] += 3.0;
    let (text, _, _) = said(&map(&moved, dose));
    assert!(text.contains("towards the head"), "{text}");
    assert!(text.contains("one of the headers is wrong") && text.contains("+3.00"), "{text}");
}

#[test]
fn alarm_a_left_right_flip_is_named() {
    let (text, json, _) = said(&map(&grid(), |[x, y, z]| dose([29.0 - x, y, z])));
    assert!(text.contains("FOUND: B is mirrored left-right against A"), "{text}");
    assert_eq!(json["findings"].as_array().map(Vec::len), Some(1), "{json}");
}

#[test]
fn alarm_a_scale_of_two_percent_is_named() {
    let (text, json, _) = said(&map(&grid(), |at| 1.02 * dose(at)));
    assert!(text.contains("FOUND: B is scaled against A by +2.00 %"), "{text}");
    assert_eq!(json["findings"].as_array().map(Vec::len), Some(1), "{json}");
    let ratio = json["regions"][2]["ratio"].as_f64().expect("a number");
    assert!((ratio - 1.02).abs() < 1e-4, "{ratio}");
}

#[test]
fn law_another_axis_order_and_another_grid_are_no_fault() {
    // the same dose, stored left to right reversed with a header that says so
    let plain = grid();
    let mut turned = plain.clone();
    turned.affine[0][0] = -3.0;
    turned.affine[0][3] = plain.affine[0][3] + 29.0 * 3.0;
    let (text, _, _) = said(&map(&turned, |[x, y, z]| dose([29.0 - x, y, z])));
    assert!(text.contains("B runs LAS") && text.contains("no shift, flip or scale found"), "{text}");
    // and on a finer grid over the same place
    let fine = VoxelGrid::axis_aligned([60, 48, 40], [1.5; 3], [-44.25, -35.25, 99.25]);
    let (text, _, _) = said(&map(&fine, |at| point(at.map(|i| (i - 0.5) / 2.0))));
    assert!(text.contains("averaged over A’s grid") && text.contains("no shift, flip or scale found"), "{text}");
}

/// Dose that does not end at the borders along head-feet, Gy; a place in voxels of [`grid`].
fn column([x, y, z]: [f64; 3]) -> f32 {
    let d2 = (x - 12.0).powi(2) + (y - 13.0).powi(2);
    ((-d2 / 40.0).exp() * (1.0 + z / 10.0)) as f32
}

/// The column on another grid, its values times a factor.
fn column_on(of: &VoxelGrid, factor: f32, moved: [f64; 3]) -> Volume<f32> {
    map(of, |at| {
        let place = grid().voxel_at_mm(of.world_mm(at));
        factor * column(std::array::from_fn(|axis| place[axis] - moved[axis]))
    })
}

/// What `compare` says of two columns: a low region, one in the middle that crosses slice 17, and a high one.
fn said_of_columns(a: &Volume<f32>, b: &Volume<f32>) -> (String, serde_json::Value, String) {
    let folder = tempfile::tempdir().expect("temporary folder");
    let folder = folder.path();
    put(folder, "a.nii.gz", a);
    put(folder, "b.nii.gz", b);
    let labels = map(&grid(), |[x, y, z]| match z as usize {
        _ if !((8.0..16.0).contains(&x) && (9.0..17.0).contains(&y)) => 0.0,
        4..8 => 1.0,
        15..18 => 2.0,
        18..20 => 3.0,
        _ => 0.0,
    });
    put(folder, "labels.nii", &labels);
    std::fs::write(folder.join("names.csv"), "value,name\n1,low\n2,across\n3,high\n").expect("written");
    let output = compare(folder, &[]);
    let words = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{words}");
    let read = |name: &str| std::fs::read_to_string(folder.join("out").join(name)).expect(name);
    (words, serde_json::from_str(&read("compare.json")).expect("JSON"), read("report.html"))
}

/// The grid with slices cut off at the feet and the head.
fn cut(below: usize, above: usize) -> VoxelGrid {
    let mut cut = grid();
    cut.dims[2] -= below + above;
    cut.affine[2][3] += 3.0 * below as f64;
    cut
}

/// Grids that reach 17 of the 20 slices: the lower ones, in whatever way they are laid.
fn shorter() -> [(&'static str, VoxelGrid); 4] {
    let mut beside = cut(0, 3);
    (0..3).for_each(|axis| beside.affine[axis][3] -= 1.2);
    // centres of slices lie at 100, 103 ...; slice 16 ends at 149.5
    let coarser = VoxelGrid::axis_aligned([25, 20, 13], [4.0, 4.0, 4.0], [-46.0, -37.0, 100.0]);
    let finer = VoxelGrid::axis_aligned([60, 48, 34], [1.5; 3], [-44.25, -35.25, 99.25]);
    [("cut", cut(0, 3)), ("beside", beside), ("coarser", coarser), ("finer", finer)]
}

#[test]
fn law_what_only_one_map_reaches_is_left_out() {
    let whole = column_on(&grid(), 1.0, [0.0; 3]);
    for (name, short) in shorter() {
        let part = column_on(&short, 1.0, [0.0; 3]);
        for (a, b, which) in [(&whole, &part, "B"), (&part, &whole, "A")] {
            let (text, json, page) = said_of_columns(a, b);
            let what = format!("{name}, {which} is shorter: {text}");
            assert!(!text.contains("FOUND") && text.contains("no shift, flip or scale found"), "{what}");
            assert!(text.contains(&format!("LEFT OUT: {which} reaches 8")), "{what}");
            if name == "cut" {
                assert!(text.contains(&format!("LEFT OUT: {which} reaches 85.00 %")), "{what}");
            }
            let factor = json["relation"]["factor"].as_f64().expect("a number");
            assert!((factor - 1.0).abs() < 0.01, "{what}");
            let share =
                |n: usize| json["regions"][n][format!("{}_reaches", which.to_lowercase())].as_f64().expect("a share");
            assert!(share(0) == 1.0 && (share(1) - 2.0 / 3.0).abs() < 1e-9 && share(2) == 0.0, "{what}");
            assert!(!text.contains("region low:"), "{what}");
            assert!(text.contains(&format!("region across: {which} reaches 66.67 % of it")), "{what}");
            assert!(text.contains(&format!("region high: {which} does not reach it; it has no numbers")), "{what}");
            for (n, field) in [(0, "ratio"), (1, "ratio")] {
                let ratio = json["regions"][n][field].as_f64().expect("a number");
                assert!((ratio - 1.0).abs() < 0.02, "{what}");
            }
            assert!(json["regions"][2]["ratio"].is_null() && json["regions"][2]["a_d98_gy"].is_null(), "{what}");
            let passing = json["gamma_3mm_3percent"].as_f64().expect("a share");
            assert!(passing > 0.99, "{what}: {passing}");
            assert!(page.contains("does not reach it"), "{what}");
        }
    }
}

#[test]
fn law_maps_cut_at_both_ends_are_judged_in_what_both_reach() {
    let (a, b) = (column_on(&cut(0, 4), 1.0, [0.0; 3]), column_on(&cut(4, 0), 1.0, [0.0; 3]));
    let (text, json, _) = said_of_columns(&a, &b);
    assert!(text.contains("B reaches 75.00 %") && text.contains("A reaches 75.00 %"), "{text}");
    assert!(!text.contains("FOUND") && json["gamma_2mm_1percent"] == 1.0, "{text}");
    assert!(text.contains("region high: A does not reach it"), "{text}");
}

#[test]
fn alarm_what_is_wrong_is_found_in_what_both_reach() {
    let whole = column_on(&grid(), 1.0, [0.0; 3]);
    let (text, ..) = said_of_columns(&whole, &column_on(&cut(2, 3), 1.02, [0.0; 3]));
    assert!(text.contains("FOUND: B is scaled against A by +2.00 %"), "{text}");
    let (text, ..) = said_of_columns(&whole, &column_on(&cut(2, 3), 1.0, [1.0, 0.0, 0.0]));
    assert!(text.contains("FOUND: B is shifted by 1 voxel (3.00 mm) towards the patient's right"), "{text}");
    // what is not reached counted as cold: the fault that the tests above must see
    let mut cold = column_on(&grid(), 1.0, [0.0; 3]);
    let slices = 17 * grid().dims[0] * grid().dims[1];
    cold.data[slices..].fill(0.0);
    let (text, ..) = said_of_columns(&whole, &cold);
    assert!(text.contains("FOUND") && !text.contains("LEFT OUT"), "{text}");
}

/// Gamma of a map of 1 Gy against one hot voxel of 1 mm: every voxel within the distance passes.
#[test]
fn law_gamma_holds_every_voxel_within_the_distance() {
    let folder = tempfile::tempdir().expect("temporary folder");
    let folder = folder.path();
    let grid = VoxelGrid::axis_aligned([11; 3], [1.0; 3], [0.0; 3]);
    put(folder, "a.nii.gz", &map(&grid, |_| 1.0));
    put(folder, "b.nii.gz", &map(&grid, |at| f32::from(u8::from(at == [5.0; 3]))));
    put(folder, "labels.nii", &map(&grid, |_| 1.0));
    std::fs::write(folder.join("names.csv"), "value,name\n1,all\n").expect("written");
    assert!(compare(folder, &[]).status.success());
    let text = std::fs::read_to_string(folder.join("out/compare.json")).expect("written");
    let json: serde_json::Value = serde_json::from_str(&text).expect("JSON");
    for (field, voxels) in [("gamma_2mm_1percent", 33.0), ("gamma_3mm_3percent", 123.0)] {
        let found = json[field].as_f64().expect("a share");
        assert!((found - voxels / 1331.0).abs() < 1e-9, "{field}: {found}");
    }
}

#[test]
fn cli_compare_refuses_what_it_cannot_compare() {
    let folder = tempfile::tempdir().expect("temporary folder");
    let folder = folder.path();
    put(folder, "a.nii.gz", &map(&grid(), dose));
    put(folder, "labels.nii", &map(&grid(), |_| 1.0));
    std::fs::write(folder.join("names.csv"), "value,name\n1,all\n").expect("written");
    let far = VoxelGrid::axis_aligned([4, 4, 4], [3.0; 3], [5000.0; 3]);
    for (b, wanted) in [
        (map(&far, |_| 1.0), "overlaps"),
        (map(&grid(), |_| 0.0), "no dose above 0"),
        (map(&grid(), |_| f32::NAN), "NaN"),
    ] {
        put(folder, "b.nii.gz", &b);
        let output = compare(folder, &[]);
        let text = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(2), "{text}");
        assert!(text.contains(wanted) && text.contains("hint:"), "{text}");
        assert!(!folder.join("out").exists(), "nothing is left behind");
    }
}

#[test]
fn io_an_rt_dose_of_the_same_map_gives_no_finding() {
    use lutra::io::dicom::{DoseDepth, DoseOptions, DoseType, write_rtdose};
    let folder = tempfile::tempdir().expect("temporary folder");
    let folder = folder.path();
    put(folder, "a.nii.gz", &map(&grid(), dose));
    put(folder, "labels.nii", &map(&grid(), |[x, _, _]| if x < 12.0 { 2.0 } else { 3.0 }));
    std::fs::write(folder.join("names.csv"), "value,name\n2,one\n3,other\n").expect("written");
    let options = DoseOptions {
        dose_type: DoseType::Physical,
        depth: DoseDepth::Bits32,
        description: "dose".into(),
        comment: String::new(),
        deidentify: true,
        created: None,
    };
    for (factor, wanted) in [(1.0, "no shift, flip or scale found"), (1.02, "scaled against A by +2.00 %")] {
        let other = map(&grid(), dose).map(|gy| f64::from(gy) * factor);
        write_rtdose(folder.join("b.dcm"), &other, None, &options).expect("written");
        let output = Command::new(env!("CARGO_BIN_EXE_lutra"))
            .current_dir(folder)
            .args(["compare", "a.nii.gz", "b.dcm", "--labels", "labels.nii", "--out", "out", "--force"])
            .output()
            .expect("the program starts");
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(text.contains(wanted), "{text}{}", String::from_utf8_lossy(&output.stderr));
    }
}
