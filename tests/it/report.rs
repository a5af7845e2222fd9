//! The report pages as a reader gets them: what they hold, that they hold no path and no patient, that the same inputs
//! give the same bytes, and what a browser without a network says of them.

use crate::needs::{self, Need};
use lutra::grid::{Volume, VoxelGrid};
use lutra::io::nifti;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

fn lutra(folder: &Path, arguments: &[&str]) -> Output {
    let output = Command::new(env!("CARGO_BIN_EXE_lutra"))
        .current_dir(folder)
        .args(arguments)
        .output()
        .expect("the program starts");
    assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    output
}

fn write(folder: &Path, name: &str, text: &str) {
    std::fs::write(folder.join(name), text).expect("temporary folder");
}

/// A trunk of water in air with two kidneys and a small tumour, of four activity images and one map of decays.
fn patient(folder: &Path) {
    let grid = VoxelGrid::axis_aligned([24, 16, 14], [5.0; 3], [-57.5, -37.5, 10.0]);
    let label = |n: usize| match grid.voxel(n) {
        // x grows to the patient's right
        [16..=19, 5..=9, 4..=9] => 2_u16,
        [4..=7, 5..=9, 3..=9] => 3,
        [11..=12, 10..=11, 8..=9] => 4,
        [1..=22, 1..=14, _] => 1,
        _ => 0,
    };
    let volume = |value: &dyn Fn(u16) -> f32| Volume {
        grid: grid.clone(),
        data: (0..grid.len()).map(|n| value(label(n))).collect::<Vec<f32>>(),
    };
    nifti::write(folder.join("labels.nii"), &volume(&|l| f32::from(l)), "labels").expect("written");
    let hu = volume(&|l| match l {
        0 => -1000.0,
        1 => 0.0,
        _ => 35.0,
    });
    nifti::write(folder.join("ct.nii"), &hu, "ct").expect("written");
    for time_h in [4.0_f32, 24.0, 96.0, 168.0] {
        // not quite on the curve, so that there is a residual
        let off = 1.0 + 0.04 * (time_h / 20.0).sin();
        let activity = volume(&|l| match l {
            0 => 0.0,
            2 => off * 8.0e5 * (-time_h / 50.0).exp2(),
            3 => off * 7.0e5 * (-time_h / 60.0).exp2(),
            4 => off * 2.0e6 * (-time_h / 80.0).exp2(),
            _ => 2.0e4 * (-time_h / 40.0).exp2(),
        });
        nifti::write(folder.join(format!("t{time_h}.nii")), &activity, "activity").expect("written");
    }
    let decays = volume(&|l| match l {
        0 => 0.0,
        2 => 2.6e10,
        3 => 2.7e10,
        4 => 1.0e11,
        _ => 5.0e8,
    });
    nifti::write(folder.join("decays.nii"), &decays, "decays").expect("written");
    write(folder, "names.csv", "value,name\n1,body_remainder\n2,kidney_right\n3,kidney_left\n4,tumour <1>\n");
    let mut series = "schema = 1\nadministered_mbq = 7400\nunit = \"bq_ml\"\ndecay_correction = \"none\"\n\
                      labels = \"labels.nii\"\nlabel_names = \"names.csv\"\nrelative_error = 0.05\n"
        .to_owned();
    for time_h in [4, 24, 96, 168] {
        let _ = write!(series, "[[images]]\nfile = \"t{time_h}.nii\"\ntime_h = {time_h}\n");
    }
    write(folder, "SERIES.toml", &series);
    let mut course =
        "schema = 1\nprotocol = \"iluminet\"\nnuclide = \"lu177\"\nct = \"ct.nii\"\nlabels = \"labels.nii\"\n\
                      label_names = \"names.csv\"\n[patient]\nid = \"Doe-Jane-1961\"\n[[radiobiology]]\n\
                      alpha_beta_gy = 10.0\nrepair_half_life_h = 1.5\nalpha_per_gy = 0.3\ngeud_a = 1.0\n"
            .to_owned();
    for (date, from) in
        [("2024-01-10", "series = \"SERIES.toml\""), ("2024-03-20", "tia = \"decays.nii\"\ntia_unit = \"decays\"")]
    {
        let _ =
            write!(course, "[[cycles]]\ndate = \"{date}\"\nadministered_mbq = 7400\nprescribed_mbq = 7400\n{from}\n");
        course.push_str(
            "effective_half_life_h = { kidney_right = 50.0, kidney_left = 60.0, body_remainder = 40.0, \"tumour <1>\" = 80.0 }\n",
        );
    }
    write(folder, "COURSE.toml", &course);
}

const DOSE: [&str; 16] = [
    "dose",
    "--ct",
    "ct.nii",
    "--activity",
    "decays.nii",
    "--activity-unit",
    "decays",
    "--labels",
    "labels.nii",
    "--label-names",
    "names.csv",
    "--administered-mbq",
    "7400",
    "--histories",
    "40000",
    "--force",
];

fn dose(folder: &Path, out: &str) {
    let mut words = DOSE.to_vec();
    words.extend(["--out", out, "--engine", "cpu"]);
    lutra(folder, &words);
}

fn course(folder: &Path, out: &str) {
    lutra(folder, &["course", "COURSE.toml", "--out", out, "--histories", "40000", "--engine", "cpu"]);
}

fn page(folder: &Path, out: &str) -> String {
    std::fs::read_to_string(folder.join(out).join("report.html")).expect("the report")
}

/// The page without what it says differs from run to run.
fn steady(page: &str) -> String {
    let from = page.find("<section id=\"run-facts\"").expect("the section");
    let to = from + page[from..].find("</section>").expect("its end");
    format!("{}{}", &page[..from], &page[to..])
}

/// Places and persons that a page must not name.
fn told(page: &str, folder: &Path) -> Vec<String> {
    let folder = folder.display().to_string();
    ["Doe-Jane-1961", "ct.nii", "decays.nii", "2024-01-10", "http://", "https://", folder.as_str()]
        .into_iter()
        .filter(|word| page.replace("http://www.w3.org/", "").contains(word))
        .map(str::to_owned)
        .collect()
}

#[test]
fn cli_dose_report_holds_what_it_must() {
    let folder = tempfile::tempdir().expect("temporary folder");
    let folder = folder.path();
    patient(folder);
    dose(folder, "one");
    let text = page(folder, "one");
    for wanted in [
        "No limits were checked",
        "tumour &lt;1&gt;",
        "kidney left",
        "Gy/GBq",
        "D98",
        "closes to the last unit",
        "TG-268",
        "EANM",
        "BED and EQD2: they need the tissue’s radiobiology",
        "What this report does not know",
        "id=\"volumes\"",
        "Standard error of a voxel",
        "prefers-color-scheme",
        "@media print",
        "scope=\"col\"",
    ] {
        assert!(text.contains(wanted), "{wanted}");
    }
    assert_eq!(told(&text, folder), Vec::<String>::new());
    assert!(text.len() < 15_000_000);
    let table = std::fs::read_to_string(folder.join("one/dvh.csv")).expect("the histograms");
    assert!(table.starts_with("quantity,label,region,value_gy,mass_percent,low_percent,high_percent"));
    let json: serde_json::Value =
        serde_json::from_str(&std::fs::read_to_string(folder.join("one/dvh.json")).expect("read")).expect("JSON");
    assert_eq!(json["histograms"][0]["regions"].as_array().map(Vec::len), Some(4));
    // the run's own table and the histogram file say one thing
    let mut rows = csv::Reader::from_path(folder.join("one/organs.csv")).expect("the table");
    let row: std::collections::BTreeMap<String, String> = rows.deserialize().nth(1).expect("a row").expect("a row");
    let d90: f64 = row["d90_gy"].parse().expect("a number");
    let other = json["histograms"][0]["regions"][1]["points"]["d90_gy"]["value"].as_f64().expect("a number");
    assert!((d90 / other - 1.0).abs() < 1e-6, "{d90} {other}");
    dose(folder, "two");
    assert_eq!(steady(&text), steady(&page(folder, "two")), "same inputs, same bytes");
}

#[test]
fn cli_course_report_holds_what_it_must() {
    let folder = tempfile::tempdir().expect("temporary folder");
    let folder = folder.path();
    patient(folder);
    course(folder, "one");
    let text = page(folder, "one");
    let wanted = [
        "permits another cycle of",
        "25 to 29 Gy",
        "38 to 42 Gy",
        "predicted",
        "EUBED",
        "Cumulative BED",
        "kidney left, cycle 1",
        "Time after injection, h",
        "residual, %",
        "CONTINUE: The BED of the kidneys",
        "<caption>Rules</caption>",
        "integrated by a fit of each region",
        "names are in verdict.json",
        "Transport of cycle 1",
        "Transport of cycle 2",
        "cycle 2, electrons",
        "Lea-Catcheside",
        "Lu-177 · 2 cycles",
        "left out of this page on purpose",
    ];
    let missing: Vec<&str> = wanted.into_iter().filter(|words| !text.contains(words)).collect();
    assert!(missing.is_empty(), "{missing:?}");
    for not in ["run.json", "Rules for entering", "stated effective half-life"] {
        assert!(!text.contains(not), "{not}");
    }
    let place = |id: &str| text.find(&format!("<section id=\"{id}\"")).unwrap_or_else(|| panic!("{id}"));
    assert!(
        place("summary") < place("signature") && place("signature") < place("warnings"),
        "signed on the first sheet"
    );
    assert_eq!(told(&text, folder), Vec::<String>::new());
    course(folder, "two");
    assert_eq!(steady(&text), steady(&page(folder, "two")), "same inputs, same bytes");
    let totals = std::fs::read_to_string(folder.join("one/cumulative.csv")).expect("the table");
    let json = std::fs::read_to_string(folder.join("one/dvh.json")).expect("read");
    assert!(totals.contains("kidney_left") && json.contains("cumulative BED"));
}

/// A kidney that falls no faster than physical decay: its fit ends at a limit, and course page and verdict say so.
#[test]
fn cli_course_report_tells_of_a_fit_at_its_limit() {
    let folder = tempfile::tempdir().expect("temporary folder");
    let folder = folder.path();
    patient(folder);
    let labels = nifti::read_labels(folder.join("labels.nii")).expect("labels");
    for (n, time_h) in [4, 24, 96, 168].into_iter().enumerate() {
        let name = folder.join(format!("t{time_h}.nii"));
        let image = nifti::read(&name).expect("the image");
        let flat = 5.0e5 - 1.0e3 * n as f64;
        let data = labels.data.iter().zip(&image.data).map(|(l, a)| if *l == 2 { flat } else { f64::from(*a) });
        nifti::write(&name, &Volume { grid: image.grid.clone(), data: data.collect::<Vec<f64>>() }, "a")
            .expect("written");
    }
    course(folder, "one");
    let words = "region kidney_right: the fit ends at physical decay";
    let verdict = std::fs::read_to_string(folder.join("one/verdict.json")).expect("the verdict");
    assert!(verdict.contains(words), "{verdict}");
    assert!(page(folder, "one").contains(words));
}

#[test]
fn alarm_a_path_or_a_patient_in_a_page_is_seen() {
    let folder = Path::new("/somewhere/Doe");
    for word in ["Doe-Jane-1961", "/somewhere/Doe/ct.nii", "https://example.org"] {
        assert!(!told(&format!("<p>{word}</p>"), folder).is_empty(), "{word}");
    }
    let changed = "<section id=\"run-facts\">a</section>b";
    assert_ne!(steady(changed), steady("<section id=\"run-facts\">a</section>c"));
    assert_eq!(steady(changed), steady("<section id=\"run-facts\">x</section>b"));
}

/// The folder of the browser check with its packages, made once in the target folder; else why it cannot run here.
fn browser_check() -> Result<PathBuf, String> {
    let node = Command::new("node").arg("--version").output();
    if !node.is_ok_and(|output| output.status.success()) {
        return Err("node is not installed (Debian: apt-get install nodejs npm)".into());
    }
    let places = ["/usr/bin/chromium", "/usr/bin/chromium-browser", "/usr/bin/google-chrome"];
    if std::env::var_os("LUTRA_BROWSER").is_none() && !places.iter().any(|place| Path::new(place).exists()) {
        return Err("no Chromium is installed (Debian: apt-get install chromium)".into());
    }
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/browser");
    let place = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("browser");
    std::fs::create_dir_all(&place).map_err(|error| format!("{}: {error}", place.display()))?;
    let read = |path: PathBuf| std::fs::read(path).ok();
    let lock = "package-lock.json";
    let fresh = read(place.join(lock)).is_some_and(|kept| Some(kept) == read(source.join(lock)));
    for name in ["check.mjs", "package.json", lock] {
        std::fs::copy(source.join(name), place.join(name)).map_err(|error| format!("{name}: {error}"))?;
    }
    let packages = ["axe-core/axe.min.js", "playwright-core/package.json"];
    if !fresh || packages.iter().any(|name| !place.join("node_modules").join(name).is_file()) {
        let done = Command::new("npm").args(["ci", "--no-audit", "--no-fund"]).current_dir(&place).output();
        if !done.is_ok_and(|output| output.status.success()) {
            let _ = std::fs::remove_file(place.join(lock));
            return Err("the packages of tests/browser cannot be installed (npm ci)".into());
        }
    }
    Ok(place)
}

fn browse(checks: &Path, options: &[&str], reports: &[PathBuf]) -> (bool, String) {
    let script = checks.join("check.mjs");
    let output = Command::new("node").arg(script).args(options).args(reports).output().expect("node starts");
    let text = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    (output.status.success(), text)
}

/// Runs on the shared cases, where they are there: a dose on a liver CT and a course of four cycles.
fn shared_runs(folder: &Path) -> Vec<&'static str> {
    let (Some(liver), Some(cycles)) = (needs::shared("cases/liver-ct"), needs::shared("cases/liver-ct-4cycles")) else {
        return Vec::new();
    };
    let at = |place: &Path, name: &str| place.join(name).display().to_string();
    let (ct, tia) = (at(&liver, "g48/ct.nii.gz"), at(&liver, "g48/tia_blur12.nii.gz"));
    let (labels, names) = (at(&liver, "g48/labels.nii.gz"), at(&liver, "case.json"));
    let scene = ["--ct", &ct, "--activity", &tia, "--activity-unit", "decays", "--labels", &labels];
    let rest = ["--label-names", &names, "--administered-mbq", "7400", "--histories", "1e5", "--engine", "cpu"];
    lutra(folder, &[&["dose"], &scene[..], &rest, &["--out", "liver"]].concat());
    let place = cycles.display();
    let mut text = format!(
        "schema = 1\nprotocol = \"iluminet\"\nct = \"{place}/ct.nii.gz\"\nlabels = \"{place}/labels.nii.gz\"\n\
         label_names = \"{place}/case.json\"\n[effective_half_life_h]\nkidney_left = 50.0\nkidney_right = 50.0\n"
    );
    for (n, date) in ["2024-01-10", "2024-03-06", "2024-05-01", "2024-07-03"].into_iter().enumerate() {
        let _ = write!(
            text,
            "[[cycles]]\ndate = {date}\nadministered_mbq = 7400\ntia = \"{place}/cycle{}/tia_true.nii.gz\"\n\
             tia_unit = \"decays\"\n",
            n + 1
        );
    }
    write(folder, "FOUR.toml", &text);
    lutra(folder, &["course", "FOUR.toml", "--out", "four", "--histories", "5e4", "--engine", "cpu"]);
    vec!["liver", "four"]
}

/// The table of `lutra tia` says that its uncertainty is the fit's scatter, and what it leaves out.
#[test]
fn cli_tia_says_what_its_uncertainty_holds() {
    let folder = tempfile::tempdir().expect("temporary folder");
    let folder = folder.path();
    patient(folder);
    let output = lutra(folder, &["tia", "SERIES.toml", "--out", "t"]);
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    for wanted in
        ["u fit (%)", "by the scatter about the curve alone", "calibration, partial volume and outline are not in it"]
    {
        assert!(said.contains(wanted), "{wanted}: {said}");
    }
}

#[test]
fn io_one_time_integrated_activity_stands_on_terminal_page_and_in_files() {
    use crate::patient::{number, rows, stdout};
    let folder = tempfile::tempdir().expect("temporary folder");
    let folder = folder.path();
    crate::cli_dicom::study(&folder.join("study"));
    let arguments = ["--engine", "cpu", "--histories", "4000"];
    let images = ["dose", "--ct", "study", "--activity", "study", "--labels", "study", "--out", "d"];
    let output = lutra(folder, &[&images[..], &arguments].concat());
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(!said.contains("MBq h"), "the table alone states it: {said}");
    lutra(folder, &[&["course", "study", "--out", "c"][..], &arguments].concat());
    let (dose_page, course_page) = (page(folder, "d"), page(folder, "c"));
    let cycles = rows(&folder.join("c/cycles.csv"));
    for organ in rows(&folder.join("d/organs.csv")) {
        let name = &organ["name"];
        let tia_mbq_h = number(&organ, "decays") / 3.6e9;
        let table = stdout(&output);
        let line = table.lines().find(|line| line.split_whitespace().nth(1) == Some(name.as_str())).expect("a line");
        assert_eq!(line.split_whitespace().nth(3), Some(&*lutra::units::rounded(tia_mbq_h, 4)), "{line}");
        let words = lutra::clinic::pages::blocks::mbq_h_words(number(&organ, "decays"));
        assert!(dose_page.contains(&format!(">{words}<")), "{name}: {words}");
        let cycle = cycles.iter().find(|row| row["region"] == *name).expect("a row");
        let of_course = number(cycle, "tia_mbq_h");
        assert!((of_course / tia_mbq_h - 1.0).abs() < 1e-9, "{name}: {of_course} {tia_mbq_h}");
        let words = lutra::report::page::number::significant(of_course, 4);
        assert!(course_page.contains(&format!(">{words}<")), "{name}: {words}");
        // alarm: another number is seen
        let other = lutra::report::page::number::significant(1.01 * of_course, 4);
        assert!(!course_page.contains(&format!(">{other}<")), "{name}: {other}");
    }
}

#[test]
fn io_reports_pass_in_a_browser_without_a_network_and_faults_ring() {
    let checks = match browser_check() {
        Ok(checks) => checks,
        Err(why) => {
            needs::skip(Need::Browser, &why);
            return;
        }
    };
    let folder = tempfile::tempdir().expect("temporary folder");
    let folder = folder.path();
    patient(folder);
    dose(folder, "dose");
    course(folder, "course");
    lutra(
        folder,
        &[
            "compare",
            "dose/dose_gy.nii.gz",
            "dose/dose_electron_gy.nii.gz",
            "--labels",
            "labels.nii",
            "--out",
            "compare",
        ],
    );
    lutra(folder, &["demo", "--out", "demo", "--histories", "1e5", "--engine", "cpu"]);
    let mut names = vec!["demo", "dose", "course", "compare"];
    names.extend(shared_runs(folder));
    let reports: Vec<PathBuf> = names.iter().map(|name| folder.join(name).join("report.html")).collect();
    let (good, text) = browse(&checks, &[], &reports);
    println!("{text}");
    assert!(good, "{text}");
    assert_eq!(text.matches("\"findings\":[]").count(), 2 * names.len(), "every report in light and dark: {text}");
    // a course prints its summary on the first sheet and needs six at most, with four cycles too
    let courses: Vec<PathBuf> = names
        .iter()
        .filter(|name| ["course", "four"].contains(name))
        .map(|name| folder.join(name).join("report.html"))
        .collect();
    let (good, text) = browse(&checks, &["--light", "--sheets", "6"], &courses);
    assert!(good, "{text}");
    // alarm: a limit that no course keeps
    let (good, text) = browse(&checks, &["--light", "--sheets", "1"], &courses[..1]);
    assert!(!good && text.contains("sheets, at most 1 are allowed"), "{text}");

    // planted faults, each of which must be found
    let whole = page(folder, "dose");
    let policy = "http-equiv=\"Content-Security-Policy\"";
    assert!(whole.contains(policy));
    let open = whole.replace(policy, "name=\"policy\"");
    let faults = [
        ("request", open.replace("</main>", "<img alt=\"\" src=\"http://127.0.0.1:9/a.png\"></main>"), "another place"),
        ("error", open.replace("</main>", "<script>throw new Error(\"planted\")</script></main>"), "planted"),
        (
            "contrast",
            open.replace("</main>", "<p style=\"color:#ccc;background:#fff\">too pale to read</p></main>"),
            "color-contrast",
        ),
        (
            "slider",
            open.replace("this.at[PLANES[slider.dataset.plane].normal] = Number(slider.value);", ""),
            "does not move",
        ),
        ("policy", whole.replace("</main>", "<script>1</script></main>"), "console error"),
        ("planes", open.replace("@media screen and (max-width", "@media (max-width"), "not side by side"),
        (
            "signature",
            open.replace("<section id=\"signature\"", "<p style=\"height:300mm\"></p><section id=\"signature\""),
            "the signature ends",
        ),
    ];
    let mut planted = Vec::new();
    for (name, fault, _) in &faults {
        assert_ne!(*fault, whole, "{name} is planted");
        planted.push(folder.join(format!("{name}.html")));
        std::fs::write(planted.last().expect("pushed"), fault).expect("written");
    }
    let (good, text) = browse(&checks, &["--light"], &planted);
    assert!(!good, "{text}");
    for (name, _, wanted) in faults {
        let own = |line: &&str| line.contains(&format!("\"report\":\"{name}.html\""));
        let said: Vec<&str> = text.lines().filter(own).collect();
        assert!(said.len() == 1 && said[0].contains(wanted), "{name}: {text}");
    }
}
