//! Sentences as the command line says them: what a person can set is an option.

use crate::fault::{Setting, Words};

/// The option that sets it.
pub(super) fn option(setting: Setting) -> &'static str {
    match setting {
        Setting::Output => "--out",
        Setting::Force => "--force",
        Setting::Config => "--config",
        Setting::Ct => "--ct",
        Setting::Activity => "--activity",
        Setting::ActivityUnit => "--activity-unit",
        Setting::AdministeredMbq => "--administered-mbq",
        Setting::EffectiveHalfLife => "--effective-half-life",
        Setting::Labels => "--labels",
        Setting::TargetSigma => "--target-sigma",
        Setting::TargetLabels => "--target-labels",
        Setting::JudgeLabels => "--judge-labels",
        Setting::SourceLabel => "--source-label",
        Setting::Grid => "--grid",
        Setting::OutlineSharing => "--outline-sharing",
        Setting::InjectionTime => "--injection-time",
        Setting::DecayCorrection => "--decay-correction",
        Setting::AssumeBqMl => "--assume-bq-ml",
        Setting::HalfLife => "--half-life",
        Setting::Protocol => "--protocol",
        Setting::Cache => "--cache",
        Setting::Dicom => "--dicom",
        Setting::Engine => "--engine",
        Setting::Threads => "--threads",
        Setting::Nuclide => "--nuclide",
        Setting::TimeZone => "--time-zone",
        Setting::Density => "--density",
        Setting::Histories => "--histories",
        Setting::Seed => "--seed",
        Setting::Scene => "--scene",
        Setting::Trace => "--trace",
        Setting::Resume => "--resume",
        Setting::Checkpoint => "--checkpoint",
        Setting::Shard => "--shard",
        Setting::Budget => "--budget",
        Setting::DvhBands => "--dvh-bands",
        Setting::AllowMissing => "--allow-missing",
        Setting::ForceKernel => "--force-kernel",
        Setting::KernelNuclide => "--kernel-nuclide",
        Setting::KernelVoxel => "--kernel-voxel-mm",
        Setting::KernelUnit => "--kernel-unit",
        Setting::Metric => "--metric",
    }
}

/// Words with an option for each setting.
pub(super) fn said(words: &Words) -> String {
    words.shown(option)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::args::RawArgs;
    use clap::CommandFactory;

    /// Every option that a sentence may name is one of some command.
    #[test]
    fn cli_every_setting_is_an_option() {
        let program = RawArgs::command();
        let known: Vec<String> = program
            .get_subcommands()
            .flat_map(|command| {
                command.get_arguments().chain(command.get_subcommands().flat_map(|c| c.get_arguments()))
            })
            .filter_map(|argument| argument.get_long().map(|long| format!("--{long}")))
            .collect();
        assert!(known.len() > Setting::ALL.len(), "{known:?}");
        for setting in Setting::ALL {
            assert!(known.iter().any(|long| long == option(*setting)), "{setting:?}: no {}", option(*setting));
        }
    }
}
