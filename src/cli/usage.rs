//! What a wrong command line says: the parser's own words, with the option that is meant where the parser guesses another.

use clap::Error;
use clap::error::{ContextKind, ContextValue, ErrorKind};

/// Options under the name that another command has for them: as given, as the command has it, and a word of its usage.
const MEANT: [(&str, &str, &str); 1] = [("--labels", "--mask", "register")];

/// The error with the option that is meant.
pub(super) fn advised(mut error: Error) -> Error {
    let text = |kind| match error.get(kind) {
        Some(ContextValue::String(text)) => text.clone(),
        Some(ContextValue::StyledStr(text)) => text.to_string(),
        _ => String::new(),
    };
    let (given, usage) = (text(ContextKind::InvalidArg), text(ContextKind::Usage));
    let meant = MEANT.iter().find(|(from, _, command)| given == *from && usage.contains(command));
    if let Some((_, to, _)) = meant.filter(|_| error.kind() == ErrorKind::UnknownArgument) {
        error.insert(ContextKind::SuggestedArg, ContextValue::String((*to).to_owned()));
    }
    error
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::args::RawArgs;
    use clap::Parser;

    #[test]
    fn alarm_labels_of_a_registration_are_its_mask() {
        let told = |line: &[&str]| {
            let error = RawArgs::try_parse_from([&["lutra"], line].concat()).expect_err("refused");
            advised(error).to_string()
        };
        let said = told(&["register", "a", "b", "--labels", "c", "--out", "d"]);
        assert!(said.contains("exists: '--mask'"), "{said}");
        // an option of no command keeps the parser's own words
        assert!(!told(&["register", "a", "b", "--layers", "c", "--out", "d"]).contains("--mask"));
    }
}
