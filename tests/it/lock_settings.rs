//! Sentences name what a person can set by its type: no text outside `src/cli` names an option of the command line.

use crate::lock_directions::{source_texts, without_tests};
use proc_macro2::{Delimiter, TokenStream, TokenTree};

/// Whether a text names an option: two dashes and a letter, where no dash or letter stands before.
fn names_an_option(text: &str) -> bool {
    text.match_indices("--").any(|(at, _)| {
        let before = text[..at].chars().next_back();
        let after = text[at + 2..].chars().next();
        before.is_none_or(|c| c != '-' && !c.is_alphanumeric()) && after.is_some_and(|c| c.is_ascii_lowercase())
    })
}

/// Whether the inside of a bracket is that of a doc comment.
fn is_doc(inside: TokenStream) -> bool {
    matches!(inside.into_iter().next(), Some(TokenTree::Ident(first)) if first == "doc")
}

/// The texts among the tokens, doc comments left out.
fn texts(tokens: TokenStream, found: &mut Vec<String>) {
    for tree in tokens {
        match tree {
            TokenTree::Group(group) if group.delimiter() == Delimiter::Bracket && is_doc(group.stream()) => {}
            TokenTree::Group(group) => texts(group.stream(), found),
            TokenTree::Literal(literal) => found.push(literal.to_string()),
            TokenTree::Ident(_) | TokenTree::Punct(_) => {}
        }
    }
}

/// Texts of a source that name an option, outside its tests.
fn options(source: &str) -> Vec<String> {
    let tokens: TokenStream = source.parse().expect("a source is made of tokens");
    let mut found = Vec::new();
    texts(without_tests(tokens).into_iter().collect(), &mut found);
    found.retain(|text| text.starts_with(['"', 'r', 'b', 'c']) && names_an_option(&text.replace("\\n", "\n")));
    found
}

#[test]
fn lock_only_the_command_line_names_its_options() {
    let (own, others): (Vec<_>, Vec<_>) = source_texts().into_iter().partition(|(path, _)| path.starts_with("cli/"));
    assert!(others.len() > 100, "the walk finds the library");
    assert!(own.iter().map(|(_, text)| options(text).len()).sum::<usize>() > 50, "options are recognised");
    let found: Vec<String> = others
        .iter()
        .flat_map(|(path, text)| options(text).into_iter().map(move |text| format!("{path}: {text}")))
        .collect();
    assert!(found.is_empty(), "texts of the library that name an option:\n{}", found.join("\n"));
}

#[test]
fn alarm_an_option_in_a_text_is_seen() {
    for text in [
        r#"const S: &str = "--out";"#,
        r#"fn f() -> String { format!("Choose another --out, {x}") }"#,
        r#"fn f() { words!["give (--force)"]; }"#,
        r##"const S: &str = r#"lutra dose "--config" x"#;"##,
        r#"#[error("{what}: use --engine cpu")] struct E;"#,
        r#"fn f() { a!(b!(["x\n--labels"])) }"#,
    ] {
        let seen = options(text);
        assert_eq!(seen.len(), 1, "{text}: {seen:?}");
    }
    for text in [
        "/// Choose another `--out`.\nfn f() {}",
        "//! `--out`\n// --out\nfn f() {}",
        r#"const S: &str = "a -- b, a--b, <!-- c -->, ---d, 1--2";"#,
        r#"#[cfg(test)] mod tests { const S: &str = "--out"; }"#,
        "fn f() { let x = a --b; }",
    ] {
        assert_eq!(options(text), [""; 0], "{text}");
    }
}
