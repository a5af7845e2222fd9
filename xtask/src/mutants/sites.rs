//! Where a source file can be wrong in one place: operators, negations and values that functions give back.
//!
//! The faults are those of cargo-mutants (<https://mutants.rs/mutants.html>): another operator, a `!` or `-` left out, a function
//! that gives back a plain value at once. Macros' arguments, constants, patterns and tests are left as they are.

use std::ops::Range;

use anyhow::{Context, Result};
use proc_macro2::Span;
use syn::spanned::Spanned;
use syn::visit::{self, Visit};
use syn::{BinOp, Expr, ReturnType, Type, UnOp};

/// One way in which the text at a site can be wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// Number within the tree, from 1.
    pub id: u32,
    /// What stands there instead: an expression in its place, or a statement before a function's body.
    pub text: String,
    /// As a person reads it: `< -> <=`.
    pub change: String,
}

/// An expression that may be wrong, or a function that may end at once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Site {
    /// Bytes of the expression; empty and behind the brace for a function's body.
    pub range: Range<usize>,
    /// Line of the operator or of the function's name, from 1.
    pub line: usize,
    /// Function that it lies in, with its type.
    pub function: String,
    /// The faults.
    pub faults: Vec<Fault>,
}

impl Site {
    /// Whether it stands before a function's body.
    pub fn is_body(&self) -> bool {
        self.range.is_empty()
    }
}

/// Sites of a source file, in the order of their begin, outer ones first; ids begin at `first`.
pub fn of_file(source: &str, first: u32) -> Result<Vec<Site>> {
    let file = syn::parse_file(source).context("no Rust")?;
    let mut finder = Finder { source, sites: Vec::new(), within: Vec::new(), next: first };
    finder.visit_file(&file);
    let mut sites = finder.sites;
    sites.sort_by_key(|site| (site.range.start, std::cmp::Reverse(site.range.end)));
    for (id, fault) in (first..).zip(sites.iter_mut().flat_map(|site| &mut site.faults)) {
        fault.id = id;
    }
    Ok(sites)
}

struct Finder<'a> {
    source: &'a str,
    sites: Vec<Site>,
    within: Vec<String>,
    next: u32,
}

/// Whether attributes say that an item is for tests, or that it is not compiled for this platform alone.
fn left_out(attributes: &[syn::Attribute]) -> bool {
    attributes.iter().any(|attribute| {
        let path = attribute.path();
        path.is_ident("test")
            || path.is_ident("cfg")
                && attribute.meta.require_list().is_ok_and(|list| list.tokens.to_string().contains("test"))
    })
}

/// What else an operator could be.
fn others(op: &BinOp) -> &'static [&'static str] {
    match op {
        BinOp::Eq(_) => &["!="],
        BinOp::Ne(_) => &["=="],
        BinOp::Lt(_) => &["<=", ">"],
        BinOp::Gt(_) => &[">=", "<"],
        BinOp::Le(_) => &["<", ">"],
        BinOp::Ge(_) => &[">", "<"],
        BinOp::And(_) => &["||"],
        BinOp::Or(_) => &["&&"],
        BinOp::Add(_) => &["-", "*"],
        BinOp::Sub(_) => &["+", "/"],
        BinOp::Mul(_) => &["+", "/"],
        BinOp::Div(_) => &["%", "*"],
        BinOp::Rem(_) => &["/", "+"],
        BinOp::Shl(_) => &[">>"],
        BinOp::Shr(_) => &["<<"],
        BinOp::BitAnd(_) => &["|", "^"],
        BinOp::BitOr(_) => &["&", "^"],
        BinOp::BitXor(_) => &["|", "&"],
        BinOp::AddAssign(_) => &["-=", "*="],
        BinOp::SubAssign(_) => &["+=", "/="],
        BinOp::MulAssign(_) => &["+=", "/="],
        BinOp::DivAssign(_) => &["*=", "%="],
        BinOp::BitAndAssign(_) => &["|="],
        BinOp::BitOrAssign(_) => &["&="],
        _ => &[],
    }
}

/// Plain values of a type that a function could give back at once.
fn plain_values(output: &ReturnType) -> Vec<String> {
    let ReturnType::Type(_, kind) = output else { return vec![String::new()] };
    let Type::Path(path) = kind.as_ref() else { return Vec::new() };
    let Some(last) = path.path.segments.last() else { return Vec::new() };
    let first_argument = || match &last.arguments {
        syn::PathArguments::AngleBracketed(list) => list.args.first().cloned(),
        _ => None,
    };
    let given: &[&str] = match last.ident.to_string().as_str() {
        "bool" => &["true", "false"],
        "f32" | "f64" => &["0.0", "1.0", "-1.0"],
        "u8" | "u16" | "u32" | "u64" | "u128" | "usize" => &["0", "1"],
        "i8" | "i16" | "i32" | "i64" | "i128" | "isize" => &["0", "1", "-1"],
        "String" => &["String::new()"],
        "Option" => &["None"],
        "Vec" => &["Vec::new()"],
        "Result" => match first_argument() {
            Some(syn::GenericArgument::Type(Type::Tuple(unit))) if unit.elems.is_empty() => &["Ok(())"],
            _ => &[],
        },
        _ => &[],
    };
    given.iter().map(|&value| value.to_owned()).collect()
}

/// Whether an `&&` joins `let`s, and so is part of the syntax of a condition.
fn has_let(expression: &Expr) -> bool {
    match expression {
        Expr::Let(_) => true,
        Expr::Binary(binary) => has_let(&binary.left) || has_let(&binary.right),
        _ => false,
    }
}

impl Finder<'_> {
    fn text(&self, span: Span) -> &str {
        &self.source[span.byte_range()]
    }

    fn push(&mut self, range: Range<usize>, at: Span, faults: Vec<(String, String)>) {
        let faults: Vec<Fault> =
            faults.into_iter().map(|(text, change)| Fault { id: self.next, text, change }).collect();
        if !faults.is_empty() {
            let function = self.within.join("::");
            self.sites.push(Site { range, line: at.start().line, function, faults });
        }
    }

    /// A function's body with the values it could give back at once.
    fn body(&mut self, signature: &syn::Signature, block: &syn::Block) {
        if signature.constness.is_some() {
            return;
        }
        self.within.push(signature.ident.to_string());
        let start = block.brace_token.span.open().byte_range().end;
        if !block.stmts.is_empty() {
            let faults = plain_values(&signature.output).into_iter().map(|value| {
                let change = format!("gives back {}", if value.is_empty() { "at once" } else { &value });
                (format!("return {value};"), change)
            });
            let faults = faults.collect();
            self.push(start..start, signature.ident.span(), faults);
        }
        self.visit_block(block);
        self.within.pop();
    }
}

impl<'ast> Visit<'ast> for Finder<'_> {
    fn visit_item_mod(&mut self, item: &'ast syn::ItemMod) {
        if !left_out(&item.attrs) {
            visit::visit_item_mod(self, item);
        }
    }

    fn visit_item_fn(&mut self, item: &'ast syn::ItemFn) {
        if !left_out(&item.attrs) {
            self.body(&item.sig, &item.block);
        }
    }

    fn visit_impl_item_fn(&mut self, item: &'ast syn::ImplItemFn) {
        if !left_out(&item.attrs) {
            self.body(&item.sig, &item.block);
        }
    }

    fn visit_item_impl(&mut self, item: &'ast syn::ItemImpl) {
        if left_out(&item.attrs) {
            return;
        }
        let name = self.text(item.self_ty.span()).to_owned();
        self.within.push(name);
        visit::visit_item_impl(self, item);
        self.within.pop();
    }

    fn visit_trait_item_fn(&mut self, item: &'ast syn::TraitItemFn) {
        if let Some(block) = &item.default {
            self.body(&item.sig, block);
        }
    }

    fn visit_item_const(&mut self, _: &'ast syn::ItemConst) {}
    fn visit_impl_item_const(&mut self, _: &'ast syn::ImplItemConst) {}
    fn visit_trait_item_const(&mut self, _: &'ast syn::TraitItemConst) {}
    fn visit_item_static(&mut self, _: &'ast syn::ItemStatic) {}
    fn visit_item_macro(&mut self, _: &'ast syn::ItemMacro) {}
    fn visit_expr_const(&mut self, _: &'ast syn::ExprConst) {}
    fn visit_type(&mut self, _: &'ast Type) {}
    fn visit_pat(&mut self, _: &'ast syn::Pat) {}
    fn visit_attribute(&mut self, _: &'ast syn::Attribute) {}
    fn visit_variant(&mut self, _: &'ast syn::Variant) {}
    fn visit_generic_argument(&mut self, _: &'ast syn::GenericArgument) {}

    fn visit_expr_repeat(&mut self, repeat: &'ast syn::ExprRepeat) {
        // the length is a constant
        self.visit_expr(&repeat.expr);
    }

    fn visit_expr_binary(&mut self, binary: &'ast syn::ExprBinary) {
        if !has_let(&binary.left) && !has_let(&binary.right) {
            let (left, right) = (self.text(binary.left.span()).to_owned(), self.text(binary.right.span()).to_owned());
            let op = self.text(binary.op.span()).to_owned();
            let faults = others(&binary.op).iter().map(|other| {
                // both sides keep what binds them
                (format!("({left}) {other} ({right})"), format!("{op} -> {other}"))
            });
            let assigns = op.ends_with('=') && !["==", "!=", "<=", ">="].contains(&op.as_str());
            let faults = match assigns {
                true => faults.map(|(text, change)| (text.replacen(&format!("({left})"), &left, 1), change)).collect(),
                false => faults.collect(),
            };
            self.push(binary.span().byte_range(), binary.op.span(), faults);
        }
        visit::visit_expr_binary(self, binary);
    }

    fn visit_expr_unary(&mut self, unary: &'ast syn::ExprUnary) {
        let of_literal = matches!(unary.expr.as_ref(), Expr::Lit(_));
        let sign = match unary.op {
            UnOp::Not(_) => Some("!"),
            UnOp::Neg(_) if !of_literal => Some("-"),
            _ => None,
        };
        if let Some(sign) = sign {
            let kept = self.text(unary.expr.span()).to_owned();
            self.push(
                unary.span().byte_range(),
                unary.op.span(),
                vec![(format!("({kept})"), format!("without {sign}"))],
            );
        }
        visit::visit_expr_unary(self, unary);
    }
}

/// The source with every fault in it, each behind a question whether it is the one that is asked for; and the bytes of the new
/// text that belong to each site.
///
/// One fault is there at a time, so that what stands in a faulty expression is the text as it was.
pub fn with_faults(source: &str, sites: &[Site]) -> (String, Vec<Range<usize>>) {
    // closings of inner sites come before those of outer ones, openings after
    let mut edits: Vec<(usize, bool, usize, usize, String)> = Vec::new();
    for (n, site) in sites.iter().enumerate() {
        let asked = |fault: &Fault| format!("crate::mutant::on({})", fault.id);
        if site.is_body() {
            let text: String =
                site.faults.iter().map(|fault| format!(" if {} {{ {} }}", asked(fault), fault.text)).collect();
            edits.push((site.range.start, true, 0, n, text));
            continue;
        }
        let faults: String =
            site.faults.iter().map(|fault| format!("if {} {{ {} }} else ", asked(fault), fault.text)).collect();
        let length = site.range.len();
        edits.push((site.range.start, true, usize::MAX - length, n, format!("({faults}{{ ")));
        edits.push((site.range.end, false, length, n, " })".to_owned()));
    }
    edits.sort_by_key(|edit| (edit.0, edit.1, edit.2, edit.3));
    let mut out = String::with_capacity(2 * source.len());
    let mut ranges = vec![0..0; sites.len()];
    let mut at = 0;
    for (position, opens, _, site, text) in edits {
        out.push_str(&source[at..position]);
        at = position;
        if opens {
            ranges[site].start = out.len();
        }
        out.push_str(&text);
        ranges[site].end = out.len();
    }
    out.push_str(&source[at..]);
    (out, ranges)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SOURCE: &str = "const C: u32 = 1 + 2;\nstruct S;\nimpl S {\n    /// Says.\n    fn f(a: f64, b: f64) -> bool {\n        \
                          if let Some(c) = g() && c > 1.0 { return !(a < b); }\n        let mut n = [0; 1 + 1];\n        n[0] += 1;\n        \
                          a * -b + 2.0 >= b && true\n    }\n}\n#[cfg(test)]\nmod tests { fn f() -> u32 { 1 + 1 } }\n";

    #[test]
    fn faults_of_code_are_found_and_those_of_tests_and_constants_are_not() {
        let sites = of_file(SOURCE, 7).expect("Rust");
        let found: Vec<(&str, usize, Vec<&str>)> = sites
            .iter()
            .map(|site| (&SOURCE[site.range.clone()], site.line, site.faults.iter().map(|f| &*f.change).collect()))
            .collect();
        assert_eq!(
            found,
            [
                ("", 5, vec!["gives back true", "gives back false"]),
                ("c > 1.0", 6, vec!["> -> >=", "> -> <"]),
                ("!(a < b)", 6, vec!["without !"]),
                ("a < b", 6, vec!["< -> <=", "< -> >"]),
                ("n[0] += 1", 8, vec!["+= -> -=", "+= -> *="]),
                ("a * -b + 2.0 >= b && true", 9, vec!["&& -> ||"]),
                ("a * -b + 2.0 >= b", 9, vec![">= -> >", ">= -> <"]),
                ("a * -b + 2.0", 9, vec!["+ -> -", "+ -> *"]),
                ("a * -b", 9, vec!["* -> +", "* -> /"]),
                ("-b", 9, vec!["without -"]),
            ]
        );
        assert!(sites.iter().all(|site| site.function == "S::f"));
        let ids: Vec<u32> = sites.iter().flat_map(|site| &site.faults).map(|fault| fault.id).collect();
        assert_eq!(ids, (7..7 + ids.len() as u32).collect::<Vec<_>>());
    }

    #[test]
    fn a_source_with_its_faults_is_rust_and_nests() {
        let sites = of_file(SOURCE, 1).expect("Rust");
        let (text, ranges) = with_faults(SOURCE, &sites);
        syn::parse_file(&text).expect("Rust");
        for (site, range) in sites.iter().zip(&ranges) {
            assert!(text[range.clone()].contains(&format!("on({})", site.faults[0].id)), "{}", &text[range.clone()]);
        }
        let one = of_file("fn f(a: u8, b: u8) -> &'static str { g(a + b * 2) }", 1).expect("Rust");
        assert_eq!(
            with_faults("fn f(a: u8, b: u8) -> &'static str { g(a + b * 2) }", &one).0,
            "fn f(a: u8, b: u8) -> &'static str { g((if crate::mutant::on(1) { (a) - (b * 2) } else if crate::mutant::on(2) \
             { (a) * (b * 2) } else { a + (if crate::mutant::on(3) { (b) + (2) } else if crate::mutant::on(4) { (b) / (2) } \
             else { b * 2 }) })) }"
        );
    }
}
