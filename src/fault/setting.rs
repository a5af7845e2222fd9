//! What a person can set, whatever the front end.

use serde::Serialize;

/// The settings and their names in the library's sentences.
macro_rules! settings {
    ($($(#[$doc:meta])* $setting:ident = $name:literal,)+) => {
        /// Something that a person can set, and that sentences speak of.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
        #[serde(rename_all = "snake_case")]
        pub enum Setting {
            $($(#[$doc])* $setting,)+
        }

        impl Setting {
            /// All of them.
            pub const ALL: &[Self] = &[$(Self::$setting),+];

            /// The name in the library's sentences.
            pub fn name(self) -> &'static str {
                match self {
                    $(Self::$setting => $name,)+
                }
            }
        }
    };
}

settings! {
    /// Where the result goes: a file or a folder.
    Output = "output",
    /// Replace what Lutra wrote in that place.
    Force = "force",
    /// The file that states a request.
    Config = "config",
    /// The CT.
    Ct = "CT",
    /// The map of decays, or the images of activity.
    Activity = "activity",
    /// What a value of the map of decays means.
    ActivityUnit = "activity unit",
    /// The activity given, MBq.
    AdministeredMbq = "administered activity",
    /// The effective half-life for one image, h.
    EffectiveHalfLife = "effective half-life",
    /// The label map.
    Labels = "labels",
    /// The relative standard error that is aimed at.
    TargetSigma = "target sigma",
    /// The labels whose error is aimed at.
    TargetLabels = "target labels",
    /// The labels whose voxels are judged.
    JudgeLabels = "judge labels",
    /// The label that holds the decays.
    SourceLabel = "source label",
    /// The grid of the result.
    Grid = "grid",
    /// Whether decays stay with the outlines that share an image voxel.
    OutlineSharing = "outline sharing",
    /// When the activity was injected.
    InjectionTime = "injection time",
    /// To which moment an image is corrected for decay.
    DecayCorrection = "decay correction",
    /// Read an image without a unit as Bq/mL.
    AssumeBqMl = "assume Bq/mL",
    /// The half-life that the scanner used, h.
    HalfLife = "half-life",
    /// The protocol of a course.
    Protocol = "protocol",
    /// The folder that keeps the doses of a course.
    Cache = "cache",
    /// Write DICOM objects as well.
    Dicom = "DICOM",
    /// What the transport runs on.
    Engine = "engine",
    /// How many threads of the CPU work.
    Threads = "threads",
    /// The nuclide.
    Nuclide = "nuclide",
    /// The zone of the scanner's clock.
    TimeZone = "time zone",
    /// Densities in place of a CT.
    Density = "density",
    /// How many histories are followed.
    Histories = "histories",
    /// The seed of the random numbers.
    Seed = "seed",
    /// The scene of a comparison of engines.
    Scene = "scene",
    /// The history to follow step by step.
    Trace = "trace",
    /// Go on from the checkpoint of an interrupted run.
    Resume = "resume",
    /// Seconds between two checkpoints.
    Checkpoint = "checkpoint",
    /// Which part of a run is computed.
    Shard = "shard",
    /// How far the uncertainty of a dose is followed.
    Budget = "budget",
    /// What the bands of histograms hold.
    DvhBands = "DVH bands",
    /// Merge though batches are missing.
    AllowMissing = "allow missing",
    /// Take a kernel that seems not to fit.
    ForceKernel = "force kernel",
    /// The nuclide that a kernel file is for.
    KernelNuclide = "kernel nuclide",
    /// The voxel edge of a kernel file, mm.
    KernelVoxel = "kernel voxel",
    /// The unit of a kernel file.
    KernelUnit = "kernel unit",
    /// What the agreement of two images is measured by.
    Metric = "metric",
}
