//! `cargo xtask shaders`: writes `shaders/*.wgsl` from `src/kernel/*.rs`.
//!
//! The particle's life is written once, in a small subset of Rust: scalars, structs, loops, no closures,
//! no traits. This tool prints the same functions in WGSL and passes every float sum, difference and
//! product through the barrier `nc`, so that no shader compiler can contract or reassociate them. The rule knows no
//! exception. A result that is only compared, converted or stored passes too: compilers compute with comparisons
//! (`a + 1.0 < 3.0` becomes `a < 2.0`), put a clamp before a conversion and see through stores. Changes of sign and choices
//! are no operations of their own: they round nothing. A function of several exits is printed with one, at its end: some
//! shader compilers turn each early return into a loop of one turn, inline these into each other, and never come to an
//! end. The files it writes are committed to be read, and a test fails when they are stale.

use crate::subset::{self, Ty, World, is_cfg_test, parse_type, path_name, repository, tail};
use anyhow::{Context as _, Result, anyhow, bail};
use std::collections::BTreeMap;
use std::fmt::Write as _;
use syn::{BinOp, Expr, Item, Lit, Pat, Stmt, UnOp};

/// Modules whose WGSL is written by hand behind the same verbs.
const BY_HAND: &[&str] = &["rows", "waiting"];

/// One generated WGSL module.
pub struct Module {
    /// File stem, shared with the Rust twin.
    pub name: String,
    /// Text of the shader.
    pub wgsl: String,
}

impl Ty {
    fn wgsl(&self) -> String {
        match self {
            Ty::F32 => "f32".into(),
            Ty::U32 => "u32".into(),
            Ty::I32 => "i32".into(),
            Ty::Bool => "bool".into(),
            Ty::Unit => String::new(),
            Ty::Named(n) => n.clone(),
            Ty::Array(t, n) => format!("array<{}, {n}>", t.wgsl()),
            Ty::Ref(t) => format!("ptr<function, {}>", t.wgsl()),
            Ty::Cx | Ty::Sink => unreachable!("elided type"),
        }
    }
}

fn docs(attrs: &[syn::Attribute], out: &mut String, indent: &str) {
    for a in attrs {
        if let syn::Meta::NameValue(nv) = &a.meta
            && nv.path.is_ident("doc")
            && let Expr::Lit(l) = &nv.value
            && let Lit::Str(s) = &l.lit
        {
            let _ = writeln!(out, "{indent}//{}", s.value().trim_end());
        }
    }
}

/// Whether a `return` stands somewhere in an expression that is a statement.
fn returns_inside(e: &Expr) -> bool {
    match e {
        Expr::Return(_) => true,
        Expr::If(i) => {
            any_returns(&i.then_branch.stmts) || i.else_branch.as_ref().is_some_and(|(_, e)| returns_inside(e))
        }
        Expr::While(w) => any_returns(&w.body.stmts),
        Expr::Loop(l) => any_returns(&l.body.stmts),
        Expr::ForLoop(f) => any_returns(&f.body.stmts),
        Expr::Block(b) => any_returns(&b.block.stmts),
        _ => false,
    }
}

fn any_returns(stmts: &[Stmt]) -> bool {
    stmts.iter().any(|s| matches!(s, Stmt::Expr(e, _) if returns_inside(e)))
}

/// Whether a block ends with a `return` on every way through it.
fn always_returns(stmts: &[Stmt]) -> bool {
    match stmts.last() {
        Some(Stmt::Expr(Expr::Return(_), _)) => true,
        Some(Stmt::Expr(Expr::If(i), _)) => {
            always_returns(&i.then_branch.stmts)
                && i.else_branch.as_ref().is_some_and(|(_, e)| match e.as_ref() {
                    Expr::Block(b) => always_returns(&b.block.stmts),
                    _ => false,
                })
        }
        _ => false,
    }
}

/// Whether a function's body has more than one exit: a `return`, or branches as its last expression.
fn has_exits(stmts: &[Stmt], ret: &Ty) -> bool {
    any_returns(stmts)
        || *ret != Ty::Unit && matches!(stmts.last(), Some(Stmt::Expr(Expr::If(_) | Expr::Block(_), None)))
}

/// How the function that is being printed ends.
#[derive(Clone, Copy, PartialEq)]
enum Exit {
    /// By its last expression alone.
    Plain,
    /// Its exits set `result_` (if it has a value) and what would follow stands in an `else`.
    Merged,
    /// The same inside a loop, where an exit leaves the loop as well.
    Loop,
    /// About to enter a loop before other statements.
    BeforeLoop,
    /// Inside it: an exit also sets `left_`, on which what follows the loop depends.
    LoopBefore,
}

struct Printer<'w> {
    world: &'w World,
    scope: Vec<BTreeMap<String, Ty>>,
    out: String,
    depth: usize,
    exit: Exit,
}

impl Printer<'_> {
    fn line(&mut self, text: &str) {
        for _ in 0..self.depth {
            self.out.push_str("  ");
        }
        self.out.push_str(text);
        self.out.push('\n');
    }

    fn lookup(&self, name: &str) -> Option<Ty> {
        self.scope.iter().rev().find_map(|s| s.get(name).cloned()).or_else(|| self.world.constants.get(name).cloned())
    }

    fn declare(&mut self, name: &str, ty: Ty) {
        self.scope.last_mut().expect("a scope is open").insert(name.to_string(), ty);
    }

    fn field_type(&self, base: &Ty, field: &str) -> Result<Ty> {
        let base = match base {
            Ty::Ref(t) => t.as_ref(),
            t => t,
        };
        match base {
            Ty::Cx => self.world.context.get(field).cloned().ok_or_else(|| anyhow!("the context has no field {field}")),
            Ty::Named(n) => self
                .world
                .structs
                .get(n)
                .and_then(|f| f.iter().find(|(k, _)| k == field))
                .map(|(_, t)| t.clone())
                .ok_or_else(|| anyhow!("{n} has no field {field}")),
            t => bail!("field {field} of {t:?}"),
        }
    }

    /// Prints an expression; returns its text and type. `want` types a bare integer literal.
    fn expr(&mut self, e: &Expr, want: Option<&Ty>) -> Result<(String, Ty)> {
        Ok(match e {
            Expr::Lit(l) => match &l.lit {
                Lit::Float(f) => {
                    let v: f32 = f.base10_digits().parse()?;
                    (format!("{v:?}f"), Ty::F32)
                }
                Lit::Int(i) => {
                    let suffix = i.suffix();
                    let ty = match suffix {
                        "u32" | "usize" => Ty::U32,
                        "i32" => Ty::I32,
                        "" => want.cloned().unwrap_or(Ty::U32),
                        s => bail!("literal suffix {s}"),
                    };
                    let v: u64 = i.base10_digits().parse()?;
                    match ty {
                        Ty::U32 => (format!("{v}u"), Ty::U32),
                        Ty::I32 => (format!("{v}i"), Ty::I32),
                        t => bail!("integer literal as {t:?}"),
                    }
                }
                Lit::Bool(b) => (b.value.to_string(), Ty::Bool),
                _ => bail!("literal"),
            },
            Expr::Paren(p) => {
                let (s, t) = self.expr(&p.expr, want)?;
                if s.starts_with('(') || s.starts_with("nc(") { (s, t) } else { (format!("({s})"), t) }
            }
            Expr::Path(p) => {
                let name = p.path.segments.last().context("path")?.ident.to_string();
                let ty = self.lookup(&name).ok_or_else(|| anyhow!("unknown name {name}"))?;
                (name, ty)
            }
            Expr::Reference(r) => {
                let (s, t) = self.expr(&r.expr, None)?;
                if r.mutability.is_some() { (format!("&{s}"), Ty::Ref(Box::new(t))) } else { (s, t) }
            }
            Expr::Field(f) => {
                let name = match &f.member {
                    syn::Member::Named(n) => n.to_string(),
                    syn::Member::Unnamed(_) => bail!("tuple field"),
                };
                let (base, base_ty) = self.expr(&f.base, None)?;
                let ty = self.field_type(&base_ty, &name)?;
                match base_ty {
                    Ty::Cx => (name, ty),
                    Ty::Ref(_) => (format!("(*{base}).{name}"), ty),
                    _ => (format!("{base}.{name}"), ty),
                }
            }
            Expr::Index(i) => {
                let (base, ty) = self.expr(&i.expr, None)?;
                let (index, _) = self.expr(&i.index, Some(&Ty::U32))?;
                let elem = match ty {
                    Ty::Array(t, _) => *t,
                    t => t,
                };
                (format!("{base}[{index}]"), elem)
            }
            Expr::Cast(c) => {
                let (s, from) = self.expr(&c.expr, None)?;
                let to = parse_type(&c.ty)?;
                if from == to { (s, to) } else { (format!("{}({s})", to.wgsl()), to) }
            }
            Expr::Unary(u) => match u.op {
                UnOp::Neg(_) => {
                    let (s, t) = self.expr(&u.expr, want)?;
                    (format!("(-{s})"), t)
                }
                UnOp::Not(_) => {
                    let (s, t) = self.expr(&u.expr, want)?;
                    (if t == Ty::Bool { format!("!({s})") } else { format!("(~{s})") }, t)
                }
                UnOp::Deref(_) => {
                    let (s, t) = self.expr(&u.expr, want)?;
                    match t {
                        Ty::Ref(t) => (format!("(*{s})"), *t),
                        _ => bail!("dereference of a value"),
                    }
                }
                _ => bail!("unary operator"),
            },
            Expr::Binary(b) => self.binary(b, want)?,
            Expr::Call(c) => {
                let name = path_name(&c.func)?;
                if name == "from_bits" {
                    let (s, _) = self.expr(&c.args[0], Some(&Ty::U32))?;
                    return Ok((format!("bitcast<f32>({s})"), Ty::F32));
                }
                let (params, ret) =
                    self.world.functions.get(&name).cloned().ok_or_else(|| anyhow!("unknown function {name}"))?;
                let mut args = Vec::new();
                for (a, p) in c.args.iter().zip(&params) {
                    if matches!(p, Ty::Cx | Ty::Sink) {
                        continue;
                    }
                    let (mut s, mut t) = self.expr(a, Some(p))?;
                    if let Ty::Ref(inner) = &t
                        && **inner == *p
                    {
                        s = format!("(*{s})");
                        t = p.clone();
                    }
                    if t != *p {
                        bail!("argument {s} of {name}: {t:?} where {p:?} is due");
                    }
                    args.push(s);
                }
                (format!("{name}({})", args.join(", ")), ret)
            }
            Expr::MethodCall(m) => {
                let method = m.method.to_string();
                if let Expr::Path(_) = m.receiver.as_ref() {
                    let (_, t) = self.expr(&m.receiver, None)?;
                    if t == Ty::Sink {
                        let mut args = Vec::new();
                        for a in &m.args {
                            args.push(self.expr(a, None)?.0);
                        }
                        return Ok((format!("sink_{method}({})", args.join(", ")), Ty::Unit));
                    }
                }
                let (s, t) = self.expr(&m.receiver, None)?;
                match method.as_str() {
                    "wrapping_add" | "wrapping_sub" | "wrapping_mul" => {
                        let op = match method.as_str() {
                            "wrapping_add" => "+",
                            "wrapping_sub" => "-",
                            _ => "*",
                        };
                        let (a, _) = self.expr(&m.args[0], Some(&t))?;
                        (format!("({s} {op} {a})"), t)
                    }
                    "rotate_left" => {
                        let (a, _) = self.expr(&m.args[0], Some(&Ty::U32))?;
                        (format!("rotate_left({s}, {a})"), t)
                    }
                    "to_bits" => (format!("bitcast<u32>({s})"), Ty::U32),
                    other => bail!("method {other}"),
                }
            }
            Expr::Struct(s) => {
                let name = s.path.segments.last().context("struct")?.ident.to_string();
                let fields = self.world.structs.get(&name).cloned().ok_or_else(|| anyhow!("unknown struct {name}"))?;
                let mut args = Vec::new();
                for (f, ty) in &fields {
                    let v = s
                        .fields
                        .iter()
                        .find(|v| matches!(&v.member, syn::Member::Named(n) if n == f))
                        .ok_or_else(|| anyhow!("{name}: field {f} missing"))?;
                    args.push(self.expr(&v.expr, Some(ty))?.0);
                }
                (format!("{name}({})", args.join(", ")), Ty::Named(name))
            }
            Expr::If(i) => {
                let (c, _) = self.expr(&i.cond, None)?;
                let (a, ta) = self.expr(tail(&i.then_branch)?, want)?;
                let els = &i.else_branch.as_ref().context("if expression without else")?.1;
                let (b, tb) = match els.as_ref() {
                    Expr::Block(b) => self.expr(tail(&b.block)?, want)?,
                    e => self.expr(e, want)?,
                };
                if ta != tb {
                    bail!("branches differ: {ta:?}, {tb:?}");
                }
                (format!("select({b}, {a}, {c})"), ta)
            }
            other => bail!("expression outside the kernel's subset: {}", quote::quote!(#other)),
        })
    }

    fn binary(&mut self, b: &syn::ExprBinary, want: Option<&Ty>) -> Result<(String, Ty)> {
        use BinOp::*;
        // Type the side that is not a bare literal first.
        let (lhs, rhs) = {
            let left_literal = matches!(b.left.as_ref(), Expr::Lit(_));
            if left_literal {
                let r = self.expr(&b.right, want)?;
                let l = self.expr(&b.left, Some(&r.1))?;
                (l, r)
            } else {
                let l = self.expr(&b.left, want)?;
                let w = if matches!(b.op, Shl(_) | Shr(_)) { Ty::U32 } else { l.1.clone() };
                let r = self.expr(&b.right, Some(&w))?;
                (l, r)
            }
        };
        let (op, kind) = match b.op {
            Add(_) => ("+", 0),
            Sub(_) => ("-", 0),
            Mul(_) => ("*", 0),
            Div(_) => ("/", 3),
            Rem(_) => ("%", 3),
            BitAnd(_) => ("&", 1),
            BitOr(_) => ("|", 1),
            BitXor(_) => ("^", 1),
            Shl(_) => ("<<", 1),
            Shr(_) => (">>", 1),
            And(_) => ("&&", 2),
            Or(_) => ("||", 2),
            Eq(_) => ("==", 2),
            Ne(_) => ("!=", 2),
            Lt(_) => ("<", 2),
            Le(_) => ("<=", 2),
            Gt(_) => (">", 2),
            Ge(_) => (">=", 2),
            AddAssign(_) | SubAssign(_) | MulAssign(_) | BitXorAssign(_) | BitOrAssign(_) | BitAndAssign(_)
            | ShlAssign(_) | ShrAssign(_) => {
                let op = match b.op {
                    AddAssign(_) => "+",
                    SubAssign(_) => "-",
                    MulAssign(_) => "*",
                    BitXorAssign(_) => "^",
                    BitOrAssign(_) => "|",
                    BitAndAssign(_) => "&",
                    ShlAssign(_) => "<<",
                    _ => ">>",
                };
                let value = format!("{} {op} {}", lhs.0, rhs.0);
                let value = if lhs.1 == Ty::F32 { format!("nc({value})") } else { value };
                return Ok((format!("{} = {value}", lhs.0), Ty::Unit));
            }
            _ => bail!("operator"),
        };
        if kind == 3 && lhs.1 == Ty::F32 {
            bail!("float division is not the same on every driver: use recip ({} / {})", lhs.0, rhs.0);
        }
        if kind != 1 && lhs.1 != rhs.1 {
            bail!("{} {op} {}: {:?} with {:?}", lhs.0, rhs.0, lhs.1, rhs.1);
        }
        Ok(if kind == 2 {
            (format!("({} {op} {})", lhs.0, rhs.0), Ty::Bool)
        } else if lhs.1 == Ty::F32 {
            (format!("nc({} {op} {})", lhs.0, rhs.0), Ty::F32)
        } else {
            (format!("({} {op} {})", lhs.0, rhs.0), lhs.1)
        })
    }

    fn block(&mut self, stmts: &[Stmt], returns: bool) -> Result<()> {
        self.scope.push(BTreeMap::new());
        self.depth += 1;
        self.statements(stmts, returns)?;
        self.depth -= 1;
        self.scope.pop();
        Ok(())
    }

    /// Statements of one block; what stands behind an exit goes into an `else`.
    fn statements(&mut self, stmts: &[Stmt], returns: bool) -> Result<()> {
        for (i, s) in stmts.iter().enumerate() {
            let rest = &stmts[i + 1..];
            match s {
                Stmt::Expr(e, _) if self.exit == Exit::Merged && !rest.is_empty() && returns_inside(e) => {
                    match e {
                        Expr::If(branch) => {
                            if branch.else_branch.is_some() || !always_returns(&branch.then_branch.stmts) {
                                bail!("a branch that returns on some of its ways only");
                            }
                            let (c, _) = self.expr(&branch.cond, None)?;
                            match branch.then_branch.stmts.as_slice() {
                                [Stmt::Expr(Expr::Return(r), _)] if r.expr.is_none() => {
                                    self.line(&format!("if !{c} {{"));
                                }
                                then => {
                                    self.line(&format!("if {c} {{"));
                                    self.block(then, false)?;
                                    self.line("} else {");
                                }
                            }
                        }
                        Expr::While(_) | Expr::ForLoop(_) => {
                            self.line("var left_ = false;");
                            self.exit = Exit::BeforeLoop;
                            self.statement_expr(e, false)?;
                            self.exit = Exit::Merged;
                            self.line("if !left_ {");
                        }
                        _ => bail!("a return before other statements, neither in an if nor in a loop with an end"),
                    }
                    self.block(rest, returns)?;
                    self.line("}");
                    return Ok(());
                }
                _ => self.statement(s, returns && rest.is_empty())?,
            }
        }
        Ok(())
    }

    /// The body of a loop, in which an exit leaves the loop too.
    fn loop_body(&mut self, stmts: &[Stmt]) -> Result<()> {
        let outside = self.exit;
        if any_returns(stmts) {
            self.exit = match outside {
                Exit::Merged => Exit::Loop,
                Exit::BeforeLoop => Exit::LoopBefore,
                _ => bail!("a return inside a loop inside a loop"),
            };
        }
        self.block(stmts, false)?;
        self.exit = outside;
        Ok(())
    }

    /// Leaves the function with a value, or without one.
    fn leave(&mut self, value: Option<&str>) {
        match (self.exit, value) {
            (Exit::Plain, Some(v)) => self.line(&format!("return {v};")),
            (Exit::Plain, None) => self.line("return;"),
            (_, Some(v)) => self.line(&format!("result_ = {v};")),
            (_, None) => {}
        }
        if self.exit == Exit::LoopBefore {
            self.line("left_ = true;");
        }
        if matches!(self.exit, Exit::Loop | Exit::LoopBefore) {
            self.line("break;");
        }
    }

    fn statement(&mut self, s: &Stmt, is_tail: bool) -> Result<()> {
        match s {
            Stmt::Local(l) => {
                let (name, mutable, annotated) = match &l.pat {
                    Pat::Ident(p) => (p.ident.to_string(), p.mutability.is_some(), None),
                    Pat::Type(t) => match t.pat.as_ref() {
                        Pat::Ident(p) => (p.ident.to_string(), p.mutability.is_some(), Some(parse_type(&t.ty)?)),
                        _ => bail!("pattern"),
                    },
                    _ => bail!("pattern"),
                };
                let keyword = if mutable { "var" } else { "let" };
                match &l.init {
                    Some(init) => {
                        let (v, t) = self.expr(&init.expr, annotated.as_ref())?;
                        self.line(&format!("{keyword} {name} = {v};"));
                        self.declare(&name, annotated.unwrap_or(t));
                    }
                    None => {
                        let t = annotated.context("a variable without value needs a type")?;
                        self.line(&format!("var {name}: {};", t.wgsl()));
                        self.declare(&name, t);
                    }
                }
            }
            Stmt::Expr(e, semi) => self.statement_expr(e, is_tail && semi.is_none())?,
            Stmt::Item(_) => bail!("item inside a function"),
            Stmt::Macro(_) => bail!("macro inside a kernel function"),
        }
        Ok(())
    }

    fn statement_expr(&mut self, e: &Expr, is_tail: bool) -> Result<()> {
        match e {
            Expr::If(i) => {
                let (c, _) = self.expr(&i.cond, None)?;
                self.line(&format!("if {c} {{"));
                self.block(&i.then_branch.stmts, is_tail)?;
                let mut rest = i.else_branch.as_ref();
                while let Some((_, e)) = rest {
                    match e.as_ref() {
                        Expr::If(i) => {
                            let (c, _) = self.expr(&i.cond, None)?;
                            self.line(&format!("}} else if {c} {{"));
                            self.block(&i.then_branch.stmts, is_tail)?;
                            rest = i.else_branch.as_ref();
                        }
                        Expr::Block(b) => {
                            self.line("} else {");
                            self.block(&b.block.stmts, is_tail)?;
                            rest = None;
                        }
                        _ => bail!("else branch"),
                    }
                }
                self.line("}");
            }
            Expr::While(w) => {
                let (c, _) = self.expr(&w.cond, None)?;
                self.line(&format!("while {c} {{"));
                self.loop_body(&w.body.stmts)?;
                self.line("}");
            }
            Expr::Loop(l) => {
                self.line("loop {");
                self.loop_body(&l.body.stmts)?;
                self.line("}");
            }
            Expr::ForLoop(f) => {
                let name = match f.pat.as_ref() {
                    Pat::Ident(p) => p.ident.to_string(),
                    Pat::Wild(_) => "count_".to_string(),
                    _ => bail!("loop pattern"),
                };
                let Expr::Range(r) = f.expr.as_ref() else { bail!("for over something that is no range") };
                let (a, _) = self.expr(r.start.as_ref().context("range start")?, Some(&Ty::U32))?;
                let (b, _) = self.expr(r.end.as_ref().context("range end")?, Some(&Ty::U32))?;
                self.line(&format!("for (var {name} = {a}; {name} < {b}; {name} += 1u) {{"));
                self.scope.push(BTreeMap::from([(name, Ty::U32)]));
                self.loop_body(&f.body.stmts)?;
                self.scope.pop();
                self.line("}");
            }
            Expr::Break(_) => self.line("break;"),
            Expr::Continue(_) => self.line("continue;"),
            Expr::Return(r) => match &r.expr {
                Some(e) => {
                    let (v, _) = self.expr(e, None)?;
                    self.leave(Some(&v));
                }
                None => self.leave(None),
            },
            Expr::Assign(a) => {
                let (l, t) = self.expr(&a.left, None)?;
                let (r, tr) = self.expr(&a.right, Some(&t))?;
                if t != tr {
                    bail!("{l} = {r}: {t:?} from {tr:?}");
                }
                self.line(&format!("{l} = {r};"));
            }
            Expr::Block(b) => {
                self.line("{");
                self.block(&b.block.stmts, is_tail)?;
                self.line("}");
            }
            e => {
                let (v, t) = self.expr(e, None)?;
                if is_tail && t != Ty::Unit {
                    self.leave(Some(&v));
                } else if matches!(e, Expr::Call(_)) && t != Ty::Unit {
                    self.line(&format!("_ = {v};"));
                } else {
                    self.line(&format!("{v};"));
                }
            }
        }
        Ok(())
    }
}

fn print(name: &str, file: &syn::File, world: &World) -> Result<String> {
    let mut out = String::new();
    docs(&file.attrs, &mut out, "");
    let _ = writeln!(out, "// Twin: src/kernel/{name}.rs, from which `cargo xtask shaders` writes this file.\n");
    for item in &file.items {
        match item {
            Item::Const(c) => {
                docs(&c.attrs, &mut out, "");
                let ty = parse_type(&c.ty)?;
                let mut p =
                    Printer { world, scope: vec![BTreeMap::new()], out: String::new(), depth: 0, exit: Exit::Plain };
                let (v, _) = p.expr(&c.expr, Some(&ty)).with_context(|| format!("constant {}", c.ident))?;
                if v.contains("nc(") {
                    bail!("constant {}: write the value, not a sum", c.ident);
                }
                let _ = writeln!(out, "const {}: {} = {v};\n", c.ident, ty.wgsl());
            }
            Item::Struct(s) if s.ident != "Context" && !is_cfg_test(&s.attrs) => {
                docs(&s.attrs, &mut out, "");
                let _ = writeln!(out, "struct {} {{", s.ident);
                for (f, (n, t)) in s.fields.iter().zip(&world.structs[&s.ident.to_string()]) {
                    docs(&f.attrs, &mut out, "  ");
                    let _ = writeln!(out, "  {n}: {},", t.wgsl());
                }
                out.push_str("}\n\n");
            }
            Item::Fn(f) => {
                docs(&f.attrs, &mut out, "");
                let fname = f.sig.ident.to_string();
                let (params, ret) = &world.functions[&fname];
                let mut p =
                    Printer { world, scope: vec![BTreeMap::new()], out: String::new(), depth: 0, exit: Exit::Plain };
                let mut args = Vec::new();
                for (input, ty) in f.sig.inputs.iter().zip(params) {
                    let syn::FnArg::Typed(input) = input else { bail!("self") };
                    let Pat::Ident(n) = input.pat.as_ref() else { bail!("{fname}: parameter pattern") };
                    p.declare(&n.ident.to_string(), ty.clone());
                    if !matches!(ty, Ty::Cx | Ty::Sink) {
                        args.push(format!("{}: {}", n.ident, ty.wgsl()));
                    }
                }
                if has_exits(&f.block.stmts, ret) {
                    p.exit = Exit::Merged;
                }
                p.depth = 1;
                let merged = p.exit == Exit::Merged && *ret != Ty::Unit;
                if merged {
                    p.line(&format!("var result_: {};", ret.wgsl()));
                }
                p.depth = 0;
                p.block(&f.block.stmts, true).with_context(|| format!("function {fname} of {name}.rs"))?;
                if merged {
                    p.depth = 1;
                    p.line("return result_;");
                }
                let arrow = if *ret == Ty::Unit { String::new() } else { format!(" -> {}", ret.wgsl()) };
                let _ = writeln!(out, "fn {fname}({}){arrow} {{\n{}}}\n", args.join(", "), p.out);
            }
            _ => {}
        }
    }
    Ok(out)
}

/// The WGSL of every kernel module, in order, from the Rust sources under `kernel_dir`.
pub fn generate(kernel_dir: &std::path::Path) -> Result<Vec<Module>> {
    let (files, world) = subset::read(kernel_dir)?;
    let printed = files.iter().filter(|s| !BY_HAND.contains(&s.name));
    printed.map(|s| Ok(Module { name: s.name.to_string(), wgsl: print(s.name, &s.file, &world)? })).collect()
}

/// Writes every generated shader.
pub fn write() -> Result<()> {
    let root = repository()?;
    for module in generate(&root.join("src/kernel"))? {
        std::fs::write(root.join(format!("shaders/{}.wgsl", module.name)), module.wgsl)?;
    }
    Ok(())
}

/// The committed text that the driver compiles for an entry point: the modules in the engine's order, then the entry point.
pub fn composed(entry: &str) -> Result<String> {
    let root = repository()?;
    let order = std::fs::read_to_string(root.join("src/transport/gpu/shader.rs"))?;
    let mut text = String::new();
    let modules = order.lines().filter_map(|line| line.trim().strip_prefix("(\"")?.split('"').next());
    for name in modules.chain([entry]) {
        let path = root.join(format!("shaders/{name}.wgsl"));
        text.push_str(&std::fs::read_to_string(&path).with_context(|| path.display().to_string())?);
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::subset::collect;

    /// The committed shaders are what the kernel's source says today.
    #[test]
    fn lock_shaders_are_fresh() {
        let root = repository().unwrap();
        for module in generate(&root.join("src/kernel")).unwrap() {
            let path = root.join(format!("shaders/{}.wgsl", module.name));
            let committed = std::fs::read_to_string(&path).unwrap();
            assert!(committed == module.wgsl, "{} is stale: run `cargo xtask shaders` and commit", path.display());
        }
    }

    fn one(source: &str) -> String {
        let file = syn::parse_file(source).unwrap();
        let mut world = World::default();
        collect(&file, &mut world).unwrap();
        print("one", &file, &world).unwrap()
    }

    /// Sums, differences and products of floats pass the barrier, integers do not.
    #[test]
    fn law_every_float_operation_passes_the_barrier() {
        let text = one("fn f(a: Real, b: Real, n: u32) -> Real { let m = n * 3u32 + 1u32; a * b + a - (m as Real) }");
        assert!(text.contains("nc(nc(nc(a * b) + a) - (f32(m)))"), "{text}");
        assert!(text.contains("let m = ((n * 3u) + 1u);"), "{text}");
    }

    /// The lines of a function, without their indentation.
    fn lines(source: &str) -> Vec<String> {
        one(source).lines().skip(1).map(|l| l.trim().to_string()).filter(|l| !l.is_empty()).collect()
    }

    /// A function leaves at its end, whatever its exits were.
    #[test]
    fn law_functions_have_one_exit() {
        let branches = lines("fn f(a: u32) -> u32 { if a > 2u32 { return 7; } let b = a + 1u32; b }");
        let expected = [
            "var result_: u32;",
            "if (a > 2u) {",
            "result_ = 7u;",
            "} else {",
            "let b = (a + 1u);",
            "result_ = b;",
            "}",
        ];
        assert_eq!(branches[1..8], expected);
        assert_eq!(branches[8..], ["return result_;", "}"]);
        let nothing = lines("fn f(a: &mut u32) { if *a > 2u32 { return; } *a = 1; }");
        assert_eq!(nothing[1..], ["if !((*a) > 2u) {", "(*a) = 1u;", "}", "}"]);
        let looped = lines("fn f(a: u32) -> u32 { for i in 0..9u32 { if i > a { return i; } } a }");
        let expected = [
            "var result_: u32;",
            "var left_ = false;",
            "for (var i = 0u; i < 9u; i += 1u) {",
            "if (i > a) {",
            "result_ = i;",
            "left_ = true;",
            "break;",
            "}",
            "}",
            "if !left_ {",
            "result_ = a;",
            "}",
            "return result_;",
            "}",
        ];
        assert_eq!(looped[1..], expected);
        let endless = lines("fn f(a: u32) -> u32 { let mut i = a; loop { i += 1u32; if i > 9u32 { return i; } } }");
        assert!(endless.contains(&"break;".to_string()) && !endless.iter().any(|l| l.contains("left_")), "{endless:?}");
        assert_eq!(lines("fn f(a: u32) -> u32 { a + 1u32 }")[1..], ["return (a + 1u);", "}"]);
        let root = repository().unwrap();
        for module in generate(&root.join("src/kernel")).unwrap() {
            for function in module.wgsl.split("\nfn ").skip(1) {
                let function = function.split("\n}\n").next().unwrap();
                let exits = function.matches("return").count();
                assert!(exits <= 1, "{exits} exits in {}: {function}", module.name);
                assert!(exits == 0 || function.lines().last().unwrap().starts_with("  return "), "{function}");
            }
        }
    }

    /// Ways out that cannot be printed as one are refused.
    #[test]
    fn alarm_exits_outside_the_subset_are_refused() {
        for source in [
            "fn f(a: u32) -> u32 { if a > 2u32 { if a > 3u32 { return 7; } } a }",
            "fn f(a: u32) -> u32 { if a > 2u32 { return 7; } else { } a }",
            "fn f(a: u32) -> u32 { for i in 0..9u32 { for k in 0..9u32 { if k > i { return k; } } } a }",
            "fn f(a: u32) -> u32 { loop { if a > 2u32 { return 7; } break; } a }",
        ] {
            let file = syn::parse_file(source).unwrap();
            let mut world = World::default();
            collect(&file, &mut world).unwrap();
            assert!(print("one", &file, &world).is_err(), "{source}");
        }
    }

    /// Float division, methods and mixed types are refused by name.
    #[test]
    fn alarm_constructs_outside_the_subset_are_refused() {
        for source in [
            "fn f(a: Real) -> Real { a / 2.0 }",
            "fn f(a: Real) -> Real { a.sqrt() }",
            "fn f(a: Real, n: u32) -> Real { a * n }",
        ] {
            let file = syn::parse_file(source).unwrap();
            let mut world = World::default();
            collect(&file, &mut world).unwrap();
            assert!(print("one", &file, &world).is_err(), "{source}");
        }
    }
}
