//! `lutra dose --config FILE` and `lutra audit --config FILE`: options from a TOML file.
//!
//! A field is an option's name with `_` for `-`. Fields become words of the command line before clap reads it, so they pass the
//! same checks and give the same messages as options. The command line overrides the file. Paths are relative to the file, as in
//! SERIES.toml and COURSE.toml.

use super::args::RawArgs;
use super::failure::{Failure, OrUserError, UserError, user_error};
use crate::clinic::files::{beside, read_text};
use crate::course::input::{filled_in, line_at, sparse};
use crate::text::parsed::plain_words;
use crate::text::slips::slip;
use clap::builder::ValueHint;
use clap::parser::ValueSource;
use clap::{Arg, ArgAction, ArgMatches, Command, CommandFactory};
use std::ffi::OsString;
use std::path::{Path, PathBuf};

/// Subcommands that take a configuration.
const COMMANDS: [&str; 2] = ["dose", "audit"];
/// Options that a configuration cannot set.
const NOT_IN_A_FILE: [&str; 4] = ["config", "help", "quiet", "json"];

/// Options that stand for each other: one on the command line puts those of the file aside.
const ALTERNATIVES: [(&str, &[&str]); 4] = [
    ("histories", &["target-sigma", "target-labels"]),
    ("target-sigma", &["histories"]),
    ("ct", &["density", "tissue", "tissue-table"]),
    ("density", &["ct"]),
];

/// The command line with the options of `--config` put in; without that option the command line itself.
pub(super) fn expand(mut words: Vec<OsString>) -> Result<Vec<OsString>, Failure> {
    let mut command = RawArgs::command();
    for name in COMMANDS {
        command = command.mut_subcommand(name, |below| below.mut_args(|arg| arg.required(false)));
    }
    // a fault of the command line itself is told by the parser that follows
    let Ok(matches) = command.clone().try_get_matches_from(&words) else { return Ok(words) };
    let Some((name, matches)) = matches.subcommand().filter(|(name, _)| COMMANDS.contains(name)) else {
        return Ok(words);
    };
    let Some(file) = matches.get_one::<PathBuf>("config") else { return Ok(words) };
    let options = command.find_subcommand(name).expect("it was matched");
    let from_file = options_of(file, options, matches)?;
    let place = words.iter().position(|word| word == name).expect("it was matched") + 1;
    words.splice(place..place, from_file);
    Ok(words)
}

/// The options of a file as words, without those that the command line gives.
fn options_of(file: &Path, command: &Command, given: &ArgMatches) -> Result<Vec<OsString>, UserError> {
    let text = read_text(&file.into())?;
    let shown = file.display().to_string();
    sparse(&text, &shown).or_user_error()?;
    filled_in(&text, &shown).or_user_error()?;
    let table: toml::Table = toml::from_str(&text).map_err(|error| {
        let at = error.span().map_or(0, |span| span.start);
        let line = 1 + text[..at].matches('\n').count();
        let slip = line_at(&text, at).and_then(|line| slip(line, false));
        let (allowed, next) = match &slip {
            Some(slip) => (slip.allowed, slip.next.as_str()),
            None => ("TOML", "Write one field a line, as in ct = \"ct.nii.gz\"."),
        };
        user_error(format!("{shown}: line {line}: found {}; allowed: {allowed}", plain_words(error.message())), next)
    })?;
    let on_command_line = |option: &str| {
        let arg = settable(command).find(|arg| arg.get_long() == Some(option));
        arg.is_some_and(|arg| given.value_source(arg.get_id().as_str()) == Some(ValueSource::CommandLine))
    };
    let mut words = Vec::new();
    for (field, value) in &table {
        let option = field.replace('_', "-");
        let Some(arg) = settable(command).find(|arg| arg.get_long() == Some(&option)) else {
            return Err(unknown(&shown, field, command));
        };
        let on_command_line = on_command_line(&option)
            || ALTERNATIVES.iter().any(|(other, aside)| aside.contains(&option.as_str()) && on_command_line(other));
        let values = values(file, field, value, arg)?;
        if on_command_line {
            continue;
        }
        match arg.get_action() {
            ArgAction::SetTrue if values == ["true"] => words.push(format!("--{option}").into()),
            ArgAction::SetTrue => {}
            _ => {
                for value in values {
                    let mut word = OsString::from(format!("--{option}="));
                    word.push(value);
                    words.push(word);
                }
            }
        }
    }
    Ok(words)
}

/// Options that a file may set.
fn settable(command: &Command) -> impl Iterator<Item = &Arg> {
    command.get_arguments().filter(|arg| arg.get_long().is_some_and(|long| !NOT_IN_A_FILE.contains(&long)))
}

fn unknown(shown: &str, field: &str, command: &Command) -> UserError {
    let mut known: Vec<String> = settable(command).filter_map(|a| a.get_long()).map(|l| l.replace('-', "_")).collect();
    known.sort();
    let near = known
        .iter()
        .map(|name| (strsim::osa_distance(name, field), name))
        .min()
        .filter(|(distance, name)| *distance <= 1 + name.len() / 4)
        .map_or_else(
            || "Fields are the options of the command with _ for -.".to_owned(),
            |(_, name)| format!("Did you mean {name}?"),
        );
    user_error(format!("{shown}: {field}: found an unknown field; allowed: {}", known.join(", ")), near)
}

/// A field's values as words: paths beside the file, flags as `true` and `false`.
fn values(file: &Path, field: &str, value: &toml::Value, arg: &Arg) -> Result<Vec<OsString>, UserError> {
    let refused = |found: &str, allowed: &str, hint: &str| {
        user_error(format!("{}: {field}: found {found}; allowed: {allowed}", file.display()), hint)
    };
    let is_flag = !arg.get_action().takes_values();
    let word = |value: &toml::Value| -> Result<OsString, UserError> {
        match value {
            toml::Value::String(_) | toml::Value::Integer(_) | toml::Value::Float(_) if is_flag => {
                Err(refused(&value.to_string(), "true or false", "This option is a switch."))
            }
            toml::Value::String(text) => Ok(path_or_text(file, text, arg)),
            toml::Value::Integer(number) => Ok(number.to_string().into()),
            toml::Value::Float(number) => Ok(number.to_string().into()),
            toml::Value::Boolean(on) if is_flag => Ok(on.to_string().into()),
            other => Err(refused(&other.to_string(), "text or a number", "Write it as on the command line.")),
        }
    };
    match value {
        toml::Value::Array(many) if takes_many(arg) => many.iter().map(word).collect(),
        toml::Value::Array(many) if !many.is_empty() => {
            // 2,3,21 and 2,2,3 are lists on the command line too
            let words: Vec<OsString> = many.iter().map(word).collect::<Result<_, _>>()?;
            let words: Vec<String> = words.iter().map(|word| word.to_string_lossy().into_owned()).collect();
            Ok(vec![words.join(",").into()])
        }
        one => Ok(vec![word(one)?]),
    }
}

fn takes_many(arg: &Arg) -> bool {
    arg.get_num_args().is_some_and(|range| range.max_values() > 1)
}

/// Text as it stands, a path beside the file. An option that takes a name or a file takes the file where it is there.
fn path_or_text(file: &Path, text: &str, arg: &Arg) -> OsString {
    let path = beside(&file.into(), text).to_path_buf();
    let names = arg.get_value_names().unwrap_or_default();
    let name_or_file = names.iter().any(|name| name.as_str().contains("FILE")) && path.is_file();
    if arg.get_value_hint() == ValueHint::AnyPath || name_or_file { path.into_os_string() } else { text.into() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::args::RawCommand;
    use crate::cli::options::said;
    use crate::clinic::failure::Failure as Ended;
    use crate::clinic::request::{DoseRequest, SceneInput, Stop};
    use clap::Parser;

    fn with(config: &str, line: &str) -> Result<DoseRequest, String> {
        let folder = tempfile::tempdir().expect("temporary folder");
        let file = folder.path().join("dose.toml");
        std::fs::write(&file, config).expect("written");
        let mut words: Vec<OsString> = ["lutra", "dose", "--config"].map(OsString::from).to_vec();
        words.push(file.into_os_string());
        words.extend(line.split_whitespace().map(OsString::from));
        let told = |failure: Failure| match failure {
            Failure::Request(Ended::User(error)) => {
                format!("{} | {}", said(&error.message()), error.next.as_ref().map(said).unwrap_or_default())
            }
            other => format!("{other:?}"),
        };
        let words = expand(words).map_err(told)?;
        match RawArgs::try_parse_from(words).map_err(|error| error.to_string())?.command {
            RawCommand::Dose(raw) => raw.check().map_err(|error| error.to_string()),
            _ => unreachable!("the line says dose"),
        }
    }

    const PLAIN: &str = "ct = \"ct.nii\"\nactivity = \"a.nii\"\nactivity_unit = \"decays\"\nadministered_mbq = 7400\n";

    #[test]
    fn cli_config_gives_options_and_the_command_line_comes_first() {
        let config = format!("{PLAIN}labels = \"l.nii\"\ntarget_sigma = 0.02\ntarget_labels = [3, 2]\nforce = true\n");
        let request = with(&config, "--out o --seed 5").expect("sound");
        let SceneInput::Ct(ct) = &request.scene else { panic!("a CT") };
        assert!(ct.path().is_absolute() && ct.path().ends_with("ct.nii"), "beside the file: {}", ct.display());
        assert_eq!((request.administered_mbq, request.force, request.run.seed), (Some(7400.0), true, 5));
        assert_eq!(request.run.stop, Stop::TargetSigma { sigma_rel: 0.02, labels: vec![2, 3] });
        assert_eq!(request.out, PathBuf::from("o"));
        assert!(request.config.is_some());
        let request = with(&config, "--out o --administered-mbq 5000 --ct other.nii").expect("sound");
        assert_eq!(request.administered_mbq, Some(5000.0));
        assert_eq!(request.scene, SceneInput::Ct("other.nii".into()), "as given, not beside the file");
        assert_eq!(request.nuclide, "lu177".into());
        let request = with(&config, "--out o --histories 5000").expect("another way to stop puts the file's aside");
        assert_eq!(request.run.stop, Stop::Histories(5000));
    }

    #[test]
    fn cli_config_refuses_by_file_and_field() {
        for (config, parts) in [
            (
                "activity_unit = \"?\"\nct = \"c\"\nadministered_mbq = \"?\"",
                &["dose.toml", "line 1: activity_unit", "administered_mbq (line 3)"][..],
            ),
            ("activty = \"a\"", &["dose.toml", "activty: found an unknown field", "Did you mean activity?"]),
            ("config = \"a\"", &["config: found an unknown field"]),
            ("force = 3", &["force: found 3; allowed: true or false"]),
            ("ct = true", &["ct: found true; allowed: text or a number"]),
            ("ct = ", &["dose.toml: line 1: found"]),
            (
                "ct = \"c\"\nadministered_mbq = 7,4",
                &["line 2: found", "a number with a decimal point", "Write 7.4, with"],
            ),
            ("administered_mbq = 7 400", &["line 1: found", "a number in one piece", "Write 7400, without"]),
            ("administered_mbq = 7400 MBq", &["a number without a unit", "Write 7400 alone"]),
            ("ct = \"c\"\nactivity = \"a\"\nout = \"o\"\nactivity_unit = \"bq\"", &["bq"]),
            ("ct = \"c\"\nout = \"o\"\nactivity_unit = \"decays\"", &["--activity"]),
        ] {
            let message = with(config, "").expect_err(config);
            assert!(parts.iter().all(|part| message.contains(part)), "{config}: {message}");
        }
    }
}
