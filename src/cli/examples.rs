//! Examples under the help of each subcommand. Every line that starts with two blanks and `lutra` is parsed by a test;
//! those that need no data are run by it.

/// A heading like those of the options, and the lines under it.
macro_rules! examples {
    ($($line:literal),+ $(,)?) => {
        concat!("\x1b[1m\x1b[4mExamples:\x1b[0m", $("\n  ", $line),+)
    };
}

pub(super) const TOP: &str = examples!(
    "lutra demo",
    "lutra init dose patient",
    "lutra dose --config dose.toml --out result",
    "lutra help dose",
    "",
    "The manual is docs/SUMMARY.md. Research software: it supports judgement and is not a medical device.",
);

pub(super) const DEMO: &str = examples!(
    "lutra demo",
    "lutra demo --seconds 20 --out demo-20s --force",
    "lutra demo --histories 1e5 --engine cpu --out demo-cpu --json",
    "lutra demo --practice --out practice",
);

pub(super) const DOSE: &str = examples!(
    "lutra dose --ct ct.nii.gz --activity tia.nii.gz --activity-unit bq_ml_h --out result",
    "",
    "until the voxels of the kidneys (labels 2 and 3) are known to 2 %:",
    "lutra dose --ct ct.nii.gz --activity tia.nii.gz --activity-unit bq_ml_h --labels organs.nii.gz \\",
    "    --label-names organs.csv --target-sigma 0.02 --target-labels 2,3 --out result",
    "",
    "options from a file, as `lutra init dose` writes it:",
    "lutra dose --config dose.toml --out result",
    "",
    "density and tissue in place of a CT, and another nuclide:",
    "lutra dose --density rho.nii.gz --tissue index.nii.gz --tissue-table tissues.csv \\",
    "    --activity decays.nii.gz --activity-unit decays --nuclide tb161 --out result",
    "",
    "one of four parts on this machine:",
    "lutra dose --config dose.toml --histories 1e8 --shard 1/4 --out part1",
);

pub(super) const MERGE: &str =
    examples!("lutra merge part1 part2 part3 part4 --out whole", "lutra merge part1 part3 --allow-missing --out half",);

pub(super) const TIA: &str =
    examples!("lutra tia cycle1/SERIES.toml --out cycle1-tia", "lutra tia cycle1/SERIES.toml --out cycle1-tia --json",);

pub(super) const REGISTER: &str = examples!(
    "lutra register ct-cycle1.nii.gz ct-cycle2.nii.gz --out motion",
    "",
    "the kidneys alone, which do not move as the spine does:",
    "lutra register spect-024h.nii.gz spect-168h.nii.gz --mask kidneys.nii.gz --out motion",
);

pub(super) const CALIBRATE: &str = examples!(
    "lutra calibrate phantom/PHANTOM.toml --out calibration.toml",
    "",
    "recovery by volume from the inserts of a phantom:",
    "lutra calibrate --recovery phantom/SPHERES.toml --out recovery.toml",
);

pub(super) const COURSE: &str = examples!(
    "lutra course patient/COURSE.toml --out course",
    "lutra course patient/COURSE.toml --out course --force --histories 2e6",
    "",
    "a virtual cohort, without any data:",
    "lutra course --simulate --patients 2000",
);

pub(super) const INSPECT: &str = examples!(
    "lutra inspect dicom-folder",
    "lutra inspect ct.nii.gz --json",
    "lutra inspect spect --decay-correction none --half-life 159.53",
);

pub(super) const AUDIT: &str = examples!(
    "lutra audit --ct ct.nii.gz --activity tia.nii.gz --activity-unit bq_ml_h --labels organs.nii.gz --out audit",
    "",
    "a kernel of one's own, and a tolerance of 3 %:",
    "lutra audit --config dose.toml --kernel vsv.txt --kernel-unit 'mGy/(MBq s)' \\",
    "    --kernel-voxel-mm 4.8 --tolerance 0.03 --out audit",
);

pub(super) const KERNEL: &str = examples!(
    "lutra kernel --voxel-mm 4.8 --out kernel.csv",
    "lutra kernel --voxel-mm 2,2,3 --half 8 --tissue lung --density 0.26 --histories 2e4 --out lung.nii.gz",
);

pub(super) const DPK: &str = examples!(
    "lutra dpk --out lu177-soft.csv",
    "lutra dpk --tissue water --density 1 --nuclide y90 --histories 2e4 --out y90-water.csv",
);

pub(super) const SVALUE: &str = examples!(
    "lutra svalue --ct ct.nii.gz --labels organs.nii.gz --label-names organs.csv --source-label 2,3 --out s-values.csv",
);

pub(super) const KINETICS_LIST: &str = examples!("lutra kinetics list", "lutra kinetics list --json");

pub(super) const MARROW: &str = examples!(
    "lutra marrow MARROW.toml --dose result --out marrow",
    "lutra marrow MARROW.toml --dose result --out marrow --json",
);

pub(super) const KINETICS_LEARN: &str =
    examples!("lutra kinetics learn results/p1 results/p2 results/p3 results/p4 results/p5 --out own.toml",);

pub(super) const KINETICS_PLAN: &str = examples!(
    "lutra kinetics plan --organ kidney --scans 2",
    "lutra kinetics plan --organ tumour --times 24,72,96,168 --prior own.toml",
);

pub(super) const DEVICES: &str = examples!("lutra devices", "lutra devices --json");

pub(super) const SERVE: &str = examples!("lutra serve", "lutra serve target/web/page --port 8200");

pub(super) const PARITY: &str = examples!(
    "lutra parity --histories 2e4",
    "lutra parity --scene ct.nii.gz decays.nii.gz --devices cpu:1,gpu:0",
    "lutra parity --trace photon:1:77 --devices cpu",
);

pub(super) const BENCH: &str = examples!(
    "lutra bench --out bench",
    "",
    "a case of one's own, judged by the voxels of labels 2 and 3, on one thread:",
    "lutra bench --ct ct.nii.gz --activity tia.nii.gz --activity-unit bq_ml_h --labels organs.nii.gz \\",
    "    --judge-labels 2,3 --engine cpu --threads 1 --out bench-case",
    "",
    "whether cost is flat in the number of voxels and linear in histories:",
    "lutra bench --scaling --grids 64,128 --histories 1e6 --out bench-scaling",
);

pub(super) const VALIDATE: &str =
    examples!("lutra validate --quick --out validation", "lutra validate --out validation-full --engine gpu",);

pub(super) const VERIFY: &str = examples!(
    "lutra verify --out verify",
    "",
    "after an update, and against another site:",
    "lutra verify --out verify-new --against verify/verify.json",
);

pub(super) const INIT_DOSE: &str = examples!(
    "lutra init dose patient",
    "lutra init dose patient --out settings.toml",
    "",
    "Every guess is written down with its reason; a line with \"?\" is for a person to fill in, and `lutra dose`",
    "refuses the file by the name of that line until it is.",
);

pub(super) const INIT_COURSE: &str = examples!(
    "lutra init course patient",
    "lutra init course patient --protocol iluminet",
    "lutra init course study --out plan",
    "",
    "Every guess is written down with its reason; a line with \"?\" is for a person to fill in, and `lutra course`",
    "refuses the file by the name of that line until it is.",
);

pub(super) const COMPLETIONS: &str = examples!(
    "lutra completions bash",
    "",
    "bash: lutra completions bash > ~/.local/share/bash-completion/completions/lutra",
    "zsh:  lutra completions zsh > a folder of $fpath, under the name _lutra",
    "fish: lutra completions fish > ~/.config/fish/completions/lutra.fish",
);

pub(super) const MAN: &str = examples!("lutra man --out man", "", "man -l man/lutra-dose.1 shows a page.");
