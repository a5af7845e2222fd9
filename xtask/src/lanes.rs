//! `cargo xtask lanes`: writes `src/kernel/lanes/kernel.rs` from `src/kernel/*.rs`.
//!
//! The particle's life is printed a second time, for several histories at once in the lanes of SIMD registers. Every
//! number becomes one number a lane, every branch runs for the lanes that take it (a mask) and is passed over where
//! no lane does, a loop goes on until no lane is left, a `return` takes its lanes out of the function. What is the same
//! in all lanes by its text (constants, parameters of the batch) stays a single number. An exit from inside a loop is
//! done once behind the loop, for all lanes that took it: a history does nothing between.
//!
//! The operations and their order are those of the source, so that each lane gets the bits of the scalar kernel.
//! The text is one macro, which each instruction set fills with its own registers (`src/kernel/lanes/`).

use crate::subset::{self, Ty, World, is_cfg_test, parse_type, path_name, repository, tail};
use anyhow::{Context as _, Result, anyhow, bail};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use syn::visit::Visit;
use syn::{BinOp, Expr, Item, Lit, Pat, Stmt, UnOp};

/// Functions that the driver calls, with the parameters that differ from lane to lane.
const ROOTS: &[(&str, &[&str])] = &[("electron_birth", &["h"]), ("photon_birth", &["h"]), ("rng_for", &["history"])];

/// Functions with a shorter way to the same result: an instruction of every set, or a search that knows that the lanes
/// are neighbours (`carry.rs`).
const INSTRUCTIONS: &[(&str, &str)] =
    &[("fmin", "f_min(a, b)"), ("fmax", "f_max(a, b)"), ("source_row", "source_rows(on0, cx, h)")];

/// Branches of at least this many operations are passed over where no lane takes them; cheaper ones always run.
const WORTH_A_TEST: u32 = 14;
/// The rest of a function of at least this many operations is passed over when no lane is left.
const WORTH_A_JUMP: u32 = 40;

/// A parameter of a function.
#[derive(Clone)]
struct Param {
    name: String,
    ty: Ty,
    /// Passed by `&`.
    by_ref: bool,
    /// The same in all lanes.
    uniform: bool,
}

/// A function of the kernel.
#[derive(Clone)]
struct Function {
    params: Vec<Param>,
    ret: Ty,
    /// Whether it takes the mask of its lanes.
    masked: bool,
    /// Operations, roughly.
    cost: u32,
}

/// What a name stands for.
#[derive(Clone)]
struct Variable {
    ty: Ty,
    uniform: bool,
    /// Text of the name.
    text: String,
    /// Mask under which it was declared; parameters belong to none.
    mask: Option<usize>,
}

/// A printed expression.
#[derive(Clone)]
struct Value {
    text: String,
    ty: Ty,
    uniform: bool,
}

/// What becomes of the lanes that enter a statement.
#[derive(Clone, Copy, PartialEq)]
enum End {
    /// All go on.
    All,
    /// Some may not.
    Some,
    /// None goes on.
    None,
}

/// An exit from a loop that is done behind it.
struct Exit<'a> {
    mask: String,
    block: &'a syn::Block,
    kept: Vec<(String, Variable)>,
}

struct Loop<'a> {
    /// Number of scopes outside it.
    scopes: usize,
    /// Mask of its lanes.
    mask: usize,
    exits: Vec<Exit<'a>>,
    broken: bool,
}

struct Printer<'w, 'a> {
    world: &'w World,
    functions: &'w BTreeMap<String, Function>,
    /// Uniform parameters that get a number of each lane somewhere: function and position.
    refuted: &'w mut BTreeSet<(String, usize)>,
    scope: Vec<BTreeMap<String, Variable>>,
    loops: Vec<Loop<'a>>,
    out: String,
    depth: usize,
    serial: usize,
    /// Mask in force.
    mask: usize,
    /// Type of the function; whether it returns early; whether a value was kept already.
    ret: Ty,
    early: bool,
    kept: bool,
    uses_live: bool,
}

/// Operations of an expression or block, roughly; and what it does.
struct Survey<'w> {
    functions: &'w BTreeMap<String, Function>,
    cost: u32,
    masked: bool,
    returns: bool,
    names: BTreeSet<String>,
}

impl<'w> Survey<'w> {
    fn new(functions: &'w BTreeMap<String, Function>) -> Self {
        Self { functions, cost: 0, masked: false, returns: false, names: BTreeSet::new() }
    }
    fn block(functions: &'w BTreeMap<String, Function>, b: &syn::Block) -> Self {
        let mut s = Self::new(functions);
        s.visit_block(b);
        s
    }
    fn repeated(&mut self, f: impl FnOnce(&mut Self)) {
        let before = self.cost;
        f(self);
        self.cost = before + 4 * (self.cost - before);
        self.masked = true;
    }
}

impl<'a> Visit<'a> for Survey<'_> {
    fn visit_expr(&mut self, e: &'a Expr) {
        match e {
            Expr::Binary(_) | Expr::Unary(_) | Expr::Cast(_) => self.cost += 1,
            Expr::Index(_) => {
                self.cost += 20;
                self.masked = true;
            }
            Expr::MethodCall(m) => match m.method.to_string().as_str() {
                "wrapping_add" | "wrapping_sub" | "wrapping_mul" | "rotate_left" => self.cost += 1,
                "to_bits" => {}
                _ => {
                    self.cost += 30;
                    self.masked = true;
                }
            },
            Expr::Call(c) => {
                if let Ok(name) = path_name(&c.func)
                    && let Some(f) = self.functions.get(&name)
                {
                    self.cost += f.cost;
                    self.masked |= f.masked;
                }
            }
            Expr::If(i) => {
                self.cost += 1;
                // with the mask a branch that is dear is passed over more often
                self.masked |= Survey::block(self.functions, &i.then_branch).cost >= WORTH_A_TEST;
            }
            Expr::Return(_) => self.returns = true,
            Expr::Path(p) => {
                if let Some(s) = p.path.segments.last() {
                    self.names.insert(s.ident.to_string());
                }
            }
            Expr::While(w) => return self.repeated(|s| syn::visit::visit_expr_while(s, w)),
            Expr::Loop(l) => return self.repeated(|s| syn::visit::visit_expr_loop(s, l)),
            Expr::ForLoop(l) => return self.repeated(|s| syn::visit::visit_expr_for_loop(s, l)),
            _ => {}
        }
        syn::visit::visit_expr(self, e);
    }
}

/// Whether the lanes that enter a block always return.
fn always_returns(b: &syn::Block) -> bool {
    matches!(b.stmts.last(), Some(Stmt::Expr(Expr::Return(_), _)))
}

fn register(ty: &Ty) -> Result<String> {
    Ok(match ty {
        Ty::F32 => "F".into(),
        Ty::U32 => "U".into(),
        Ty::I32 => "I".into(),
        Ty::Bool => "M".into(),
        Ty::Named(n) => n.clone(),
        Ty::Array(t, n) => format!("[{}; {n} as usize]", register(t)?),
        t => bail!("{t:?} has no lanes"),
    })
}

/// Prefix of the operations of a type.
fn prefix(ty: &Ty) -> Result<&'static str> {
    Ok(match ty {
        Ty::F32 => "f",
        Ty::U32 => "u",
        Ty::I32 => "i",
        Ty::Bool => "m",
        t => bail!("no operations on {t:?}"),
    })
}

fn zero(ty: &Ty) -> Result<String> {
    Ok(match ty {
        Ty::F32 => "f_splat(0.0)".into(),
        Ty::U32 => "u_splat(0)".into(),
        Ty::I32 => "i_splat(0)".into(),
        Ty::Bool => "m_splat(false)".into(),
        Ty::Named(n) => format!("zero_{n}()"),
        Ty::Array(t, n) => format!("[{}; {n} as usize]", zero(t)?),
        t => bail!("{t:?} has no lanes"),
    })
}

fn select(ty: &Ty, mask: &str, a: &str, b: &str) -> Result<String> {
    Ok(match ty {
        Ty::Named(n) => format!("select_{n}({mask}, {a}, {b})"),
        t => format!("{}_select({mask}, {a}, {b})", prefix(t)?),
    })
}

impl<'a> Printer<'_, 'a> {
    fn line(&mut self, text: &str) {
        for _ in 0..self.depth {
            self.out.push_str("    ");
        }
        self.out.push_str(text);
        self.out.push('\n');
    }

    fn fresh(&mut self) -> usize {
        self.serial += 1;
        self.serial
    }

    fn on(&self) -> String {
        format!("on{}", self.mask)
    }

    fn lookup(&self, name: &str) -> Option<Variable> {
        self.scope.iter().rev().find_map(|s| s.get(name).cloned()).or_else(|| {
            let ty = self.world.constants.get(name)?.clone();
            Some(Variable { ty, uniform: true, text: name.to_string(), mask: None })
        })
    }

    fn declare(&mut self, name: &str, variable: Variable) {
        self.scope.last_mut().expect("a scope is open").insert(name.to_string(), variable);
    }

    /// The value with one number a lane.
    fn spread(&self, v: Value) -> Result<String> {
        Ok(if v.uniform && !matches!(v.ty, Ty::Named(_)) {
            format!("{}_splat({})", prefix(&v.ty)?, v.text)
        } else {
            v.text
        })
    }

    fn lanes_of(&mut self, e: &'a Expr, want: Option<&Ty>) -> Result<(String, Ty)> {
        let v = self.expr(e, want)?;
        let ty = v.ty.clone();
        Ok((self.spread(v)?, ty))
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

    fn expr(&mut self, e: &'a Expr, want: Option<&Ty>) -> Result<Value> {
        let lane = |text: String, ty: Ty| Value { text, ty, uniform: false };
        let one = |text: String, ty: Ty| Value { text, ty, uniform: true };
        Ok(match e {
            Expr::Lit(l) => match &l.lit {
                Lit::Float(f) => {
                    let v: f32 = f.base10_digits().parse()?;
                    one(format!("{v:?}f32"), Ty::F32)
                }
                Lit::Int(i) => {
                    let ty = match i.suffix() {
                        "u32" | "usize" => Ty::U32,
                        "i32" => Ty::I32,
                        "" => want.cloned().unwrap_or(Ty::U32),
                        s => bail!("literal suffix {s}"),
                    };
                    let v: u64 = i.base10_digits().parse()?;
                    match ty {
                        Ty::U32 => one(format!("{v}u32"), Ty::U32),
                        Ty::I32 => one(format!("{v}i32"), Ty::I32),
                        t => bail!("integer literal as {t:?}"),
                    }
                }
                Lit::Bool(b) => one(b.value.to_string(), Ty::Bool),
                _ => bail!("literal"),
            },
            Expr::Paren(p) => self.expr(&p.expr, want)?,
            Expr::Path(_) => {
                let name = path_name(e)?;
                let v = self.lookup(&name).ok_or_else(|| anyhow!("unknown name {name}"))?;
                Value { text: v.text, ty: v.ty, uniform: v.uniform }
            }
            Expr::Reference(r) => {
                let v = self.expr(&r.expr, None)?;
                if r.mutability.is_some() {
                    lane(format!("&mut {}", v.text), Ty::Ref(Box::new(v.ty)))
                } else {
                    lane(format!("&{}", v.text), v.ty)
                }
            }
            Expr::Field(f) => {
                let syn::Member::Named(name) = &f.member else { bail!("tuple field") };
                let name = name.to_string();
                let base = self.expr(&f.base, None)?;
                let ty = self.field_type(&base.ty, &name)?;
                let uniform = base.ty == Ty::Cx || base.uniform;
                Value { text: format!("{}.{name}", base.text), ty, uniform }
            }
            Expr::Index(i) => {
                let base = self.expr(&i.expr, None)?;
                let (index, _) = self.lanes_of(&i.index, Some(&Ty::U32))?;
                let on = self.on();
                match base.ty {
                    Ty::Array(t, _) => match t.as_ref() {
                        Ty::Named(n) => lane(format!("get_{n}({on}, &{}, {index})", base.text), *t),
                        t => bail!("array of {t:?}"),
                    },
                    t => lane(format!("gather_{}({on}, {}, {index})", prefix(&t)?, base.text), t),
                }
            }
            Expr::Cast(c) => {
                let v = self.expr(&c.expr, None)?;
                let to = parse_type(&c.ty)?;
                if v.ty == to {
                    v
                } else if v.uniform {
                    one(format!("({} as {})", v.text, scalar(&to)?), to)
                } else {
                    let (a, b) = (prefix(&to)?, prefix(&v.ty)?);
                    lane(format!("{a}_of_{b}({})", v.text), to)
                }
            }
            Expr::Unary(u) => {
                let v = self.expr(&u.expr, want)?;
                match u.op {
                    UnOp::Neg(_) if v.uniform => one(format!("(-{})", v.text), v.ty),
                    UnOp::Neg(_) => lane(format!("{}_neg({})", prefix(&v.ty)?, v.text), v.ty),
                    UnOp::Not(_) if v.uniform => one(format!("!{}", v.text), v.ty),
                    UnOp::Not(_) => lane(format!("{}_not({})", prefix(&v.ty)?, v.text), v.ty),
                    UnOp::Deref(_) => match v.ty {
                        Ty::Ref(t) => lane(format!("*{}", v.text), *t),
                        // behind a shared reference, whose type is that of what it refers to
                        t => lane(format!("*{}", v.text), t),
                    },
                    _ => bail!("unary operator"),
                }
            }
            Expr::Binary(b) => self.binary(b, want)?,
            Expr::Call(c) => {
                let name = path_name(&c.func)?;
                if name == "from_bits" {
                    let v = self.expr(&c.args[0], Some(&Ty::U32))?;
                    return Ok(if v.uniform {
                        one(format!("f32::from_bits({})", v.text), Ty::F32)
                    } else {
                        lane(format!("f_from_bits({})", v.text), Ty::F32)
                    });
                }
                let f = self.functions.get(&name).cloned().ok_or_else(|| anyhow!("unknown function {name}"))?;
                let mut args = Vec::new();
                if f.masked {
                    args.push(self.on());
                }
                for (n, (a, p)) in c.args.iter().zip(&f.params).enumerate() {
                    if p.ty == Ty::Cx || p.ty == Ty::Sink {
                        args.push(path_name(a)?);
                        continue;
                    }
                    let v = self.expr(a, Some(&p.ty))?;
                    let fits = v.ty == p.ty || matches!(&v.ty, Ty::Ref(t) if **t == p.ty && p.by_ref);
                    if !fits {
                        bail!("argument {} of {name}: {:?} where {:?} is due", v.text, v.ty, p.ty);
                    }
                    if p.uniform && !v.uniform {
                        self.refuted.insert((name.clone(), n));
                    }
                    args.push(if p.uniform { v.text } else { self.spread(v)? });
                }
                lane(format!("{name}({})", args.join(", ")), f.ret)
            }
            Expr::MethodCall(m) => {
                let method = m.method.to_string();
                let v = self.expr(&m.receiver, None)?;
                if v.ty == Ty::Sink {
                    let mut args = vec![self.on()];
                    for a in &m.args {
                        let v = self.expr(a, None)?;
                        args.push(if method == "flag" { v.text } else { self.spread(v)? });
                    }
                    return Ok(lane(format!("{}.{method}({})", v.text, args.join(", ")), Ty::Unit));
                }
                match method.as_str() {
                    "wrapping_add" | "wrapping_sub" | "wrapping_mul" => {
                        let a = self.expr(&m.args[0], Some(&v.ty))?;
                        let ty = v.ty.clone();
                        if v.uniform && a.uniform {
                            return Ok(one(format!("{}.{method}({})", v.text, a.text), ty));
                        }
                        let (x, y) = (self.spread(v)?, self.spread(a)?);
                        lane(format!("{}_{}({x}, {y})", prefix(&ty)?, &method["wrapping_".len()..]), ty)
                    }
                    "rotate_left" => {
                        let k = literal(&m.args[0])?;
                        lane(format!("u_rotl::<{k}>({})", self.spread(v)?), Ty::U32)
                    }
                    "to_bits" if v.uniform => one(format!("{}.to_bits()", v.text), Ty::U32),
                    "to_bits" => lane(format!("f_bits({})", v.text), Ty::U32),
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
                    let (text, _) = self.lanes_of(&v.expr, Some(ty))?;
                    args.push(format!("{f}: {text}"));
                }
                lane(format!("{name} {{ {} }}", args.join(", ")), Ty::Named(name))
            }
            Expr::If(i) => {
                let c = self.expr(&i.cond, None)?;
                let (a, ta) = self.lanes_of(tail(&i.then_branch)?, want)?;
                let els = &i.else_branch.as_ref().context("if expression without else")?.1;
                let (b, tb) = match els.as_ref() {
                    Expr::Block(b) => self.lanes_of(tail(&b.block)?, want)?,
                    e => self.lanes_of(e, want)?,
                };
                if ta != tb {
                    bail!("branches differ: {ta:?}, {tb:?}");
                }
                if c.uniform {
                    lane(format!("(if {} {{ {a} }} else {{ {b} }})", c.text), ta)
                } else {
                    lane(select(&ta, &c.text, &a, &b)?, ta)
                }
            }
            other => bail!("expression outside the kernel's subset: {}", quote::quote!(#other)),
        })
    }

    fn binary(&mut self, b: &'a syn::ExprBinary, want: Option<&Ty>) -> Result<Value> {
        use BinOp::*;
        if let Shl(_) | Shr(_) = b.op {
            let v = self.expr(&b.left, want)?;
            let (name, sign) = if matches!(b.op, Shl(_)) { ("shl", "<<") } else { ("shr", ">>") };
            let k = literal(&b.right)?;
            return Ok(if v.uniform {
                Value { text: format!("({} {sign} {k})", v.text), ..v }
            } else {
                Value { text: format!("{}_{name}::<{k}>({})", prefix(&v.ty)?, v.text), ..v }
            });
        }
        let (l, r) = if matches!(b.left.as_ref(), Expr::Lit(_)) {
            let r = self.expr(&b.right, want)?;
            (self.expr(&b.left, Some(&r.ty))?, r)
        } else {
            let l = self.expr(&b.left, want)?;
            let r = self.expr(&b.right, Some(&l.ty.clone()))?;
            (l, r)
        };
        let (name, sign, compares) = match b.op {
            Add(_) => ("add", "+", false),
            Sub(_) => ("sub", "-", false),
            Mul(_) => ("mul", "*", false),
            Div(_) => ("div", "/", false),
            BitAnd(_) => ("and", "&", false),
            BitOr(_) => ("or", "|", false),
            BitXor(_) => ("xor", "^", false),
            And(_) => ("and", "&&", true),
            Or(_) => ("or", "||", true),
            Eq(_) => ("eq", "==", true),
            Ne(_) => ("ne", "!=", true),
            Lt(_) => ("lt", "<", true),
            Le(_) => ("le", "<=", true),
            Gt(_) => ("gt", ">", true),
            Ge(_) => ("ge", ">=", true),
            _ => bail!("operator: write `x = x + y`"),
        };
        if l.ty != r.ty {
            bail!("{} {sign} {}: {:?} with {:?}", l.text, r.text, l.ty, r.ty);
        }
        if name == "div" && l.ty == Ty::F32 {
            bail!("float division is not the same on every driver: use recip ({} / {})", l.text, r.text);
        }
        if matches!(b.op, And(_) | Or(_)) {
            // both sides are evaluated in all lanes
            let mut s = Survey::new(self.functions);
            s.visit_expr(&b.right);
            if s.masked {
                bail!("the right side of {sign} looks something up or changes something: give it a name before");
            }
        }
        let ty = if compares { Ty::Bool } else { l.ty.clone() };
        if l.uniform && r.uniform {
            return Ok(Value { text: format!("({} {sign} {})", l.text, r.text), ty, uniform: true });
        }
        let p = prefix(&l.ty)?;
        let (x, y) = (self.spread(l)?, self.spread(r)?);
        Ok(Value { text: format!("{p}_{name}({x}, {y})"), ty, uniform: false })
    }

    /// Statements under the mask in force.
    fn statements(&mut self, stmts: &'a [Stmt], is_tail: bool) -> Result<End> {
        self.scope.push(BTreeMap::new());
        self.depth += 1;
        let top = self.scope.len() == 2;
        let loop_body = self.loops.last().is_some_and(|l| l.mask == self.mask && l.scopes + 1 == self.scope.len());
        let mut end = End::All;
        for (i, s) in stmts.iter().enumerate() {
            if end == End::None {
                bail!("a statement that is never reached");
            }
            let e = self.statement(s, is_tail && i + 1 == stmts.len())?;
            if e != End::All {
                end = e;
            }
            if e == End::Some && (top || loop_body) {
                let mut rest = Survey::new(self.functions);
                stmts[i + 1..].iter().for_each(|s| rest.visit_stmt(s));
                if rest.cost >= WORTH_A_JUMP {
                    let label = if top { "'f".to_string() } else { format!("'l{}", self.mask) };
                    let text = format!("if !m_any({}) {{ break {label}; }}", self.on());
                    self.line(&text);
                }
            }
        }
        self.depth -= 1;
        self.scope.pop();
        Ok(end)
    }

    fn statement(&mut self, s: &'a Stmt, is_tail: bool) -> Result<End> {
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
                let init = l.init.as_ref().with_context(|| format!("{name}: a variable needs a value"))?;
                let v = self.expr(&init.expr, annotated.as_ref())?;
                let (ty, uniform) = (v.ty.clone(), v.uniform && !mutable);
                let text = if uniform { v.text } else { self.spread(v)? };
                let word = if mutable { "let mut" } else { "let" };
                self.line(&format!("{word} {name} = {text};"));
                let mask = Some(self.mask);
                self.declare(&name, Variable { ty, uniform, text: name.clone(), mask });
                Ok(End::All)
            }
            Stmt::Expr(e, semi) => self.statement_expr(e, is_tail && semi.is_none()),
            Stmt::Item(_) => bail!("item inside a function"),
            Stmt::Macro(_) => bail!("macro inside a kernel function"),
        }
    }

    /// The function gives `value` to the lanes in force, and they leave it.
    fn give(&mut self, value: Option<&'a Expr>) -> Result<()> {
        if let Some(e) = value {
            let ret = self.ret.clone();
            let (text, ty) = self.lanes_of(e, Some(&ret))?;
            if ty != ret {
                bail!("{text} is {ty:?}, the function gives {ret:?}");
            }
            let on = self.on();
            // what lanes hold that have not returned does not matter
            let text = if self.kept || !self.loops.is_empty() { select(&ret, &on, &text, "ret")? } else { text };
            self.kept = true;
            self.line(&format!("ret = {text};"));
        }
        if self.uses_live {
            let text = format!("live = m_andnot(live, {});", self.on());
            self.line(&text);
        }
        Ok(())
    }

    /// A block for the lanes of mask `on{mask}`, behind a test where it is worth one.
    fn branch(&mut self, mask: usize, block: &'a syn::Block) -> Result<End> {
        let outer = std::mem::replace(&mut self.mask, mask);
        let cost = Survey::block(self.functions, block).cost;
        let end = if cost >= WORTH_A_TEST {
            self.line(&format!("if m_any(on{mask}) {{"));
            let end = self.statements(&block.stmts, false)?;
            self.line("}");
            end
        } else {
            self.line("{");
            let end = self.statements(&block.stmts, false)?;
            self.line("}");
            end
        };
        self.mask = outer;
        Ok(end)
    }

    fn if_statement(&mut self, i: &'a syn::ExprIf) -> Result<End> {
        let c = self.expr(&i.cond, None)?;
        if c.ty != Ty::Bool {
            bail!("condition {}", c.text);
        }
        if c.uniform {
            return self.uniform_if(&c.text, i);
        }
        let outer = self.mask;
        let taken = self.fresh();
        // an exit from the body of a loop waits until the loop is over
        let body = self.loops.last().is_some_and(|l| l.mask == outer);
        let survey = Survey::block(self.functions, &i.then_branch);
        if body && i.else_branch.is_none() && always_returns(&i.then_branch) && survey.cost >= 2 * WORTH_A_TEST {
            return self.exit_later(taken, &c.text, &i.then_branch, &survey.names);
        }
        self.line(&format!("let took{taken} = m_and(on{outer}, {});", c.text));
        self.line(&format!("let mut on{taken} = took{taken};"));
        let then_end = self.branch(taken, &i.then_branch)?;
        let else_end = match &i.else_branch {
            None => None,
            Some((_, e)) => {
                let other = self.fresh();
                self.line(&format!("let mut on{other} = m_andnot(on{outer}, took{taken});"));
                let end = match e.as_ref() {
                    Expr::Block(b) => self.branch(other, &b.block)?,
                    Expr::If(i) => {
                        self.line(&format!("if m_any(on{other}) {{"));
                        let before = std::mem::replace(&mut self.mask, other);
                        self.depth += 1;
                        let end = self.if_statement(i)?;
                        self.depth -= 1;
                        self.mask = before;
                        self.line("}");
                        end
                    }
                    _ => bail!("else branch"),
                };
                Some((other, end))
            }
        };
        let gone = format!("m_andnot(on{outer}, took{taken})");
        match (then_end, else_end) {
            (End::All, None | Some((_, End::All))) => return Ok(End::All),
            (End::None, None) => self.line(&format!("on{outer} = {gone};")),
            (End::Some, None) => self.line(&format!("on{outer} = m_or({gone}, on{taken});")),
            (End::None, Some((_, End::None))) => return Ok(End::None),
            (End::None, Some((other, _))) => self.line(&format!("on{outer} = on{other};")),
            (_, Some((_, End::None))) => self.line(&format!("on{outer} = on{taken};")),
            (_, Some((other, _))) => self.line(&format!("on{outer} = m_or(on{taken}, on{other});")),
        }
        Ok(End::Some)
    }

    fn uniform_if(&mut self, condition: &str, i: &'a syn::ExprIf) -> Result<End> {
        self.line(&format!("if {condition} {{"));
        let mask = self.mask;
        let gone = |p: &mut Self, end: End| {
            if end == End::None {
                p.depth += 1;
                p.line(&format!("on{mask} = m_splat(false);"));
                p.depth -= 1;
            }
        };
        let a = self.statements(&i.then_branch.stmts, false)?;
        gone(self, a);
        let b = match &i.else_branch {
            None => End::All,
            Some((_, e)) => {
                self.line("} else {");
                let b = match e.as_ref() {
                    Expr::Block(b) => self.statements(&b.block.stmts, false)?,
                    Expr::If(i) => self.if_statement(i)?,
                    _ => bail!("else branch"),
                };
                gone(self, b);
                b
            }
        };
        self.line("}");
        Ok(if a == b { a } else { End::Some })
    }

    /// Takes the lanes out of the loop; what they do at their exit follows behind it.
    fn exit_later(
        &mut self,
        number: usize,
        condition: &str,
        block: &'a syn::Block,
        names: &BTreeSet<String>,
    ) -> Result<End> {
        let outer = self.mask;
        self.line(&format!("let took{number} = m_and(on{outer}, {condition});"));
        self.line(&format!("exit{number} = m_or(exit{number}, took{number});"));
        let inside = self.loops.last().expect("in a loop").scopes;
        let mut kept = Vec::new();
        for name in names {
            let Some(variable) = self.scope[inside..].iter().rev().find_map(|s| s.get(name).cloned()) else { continue };
            let value = Value { text: variable.text.clone(), ty: variable.ty.clone(), uniform: variable.uniform };
            let text = format!("{name}_{number}");
            let value = self.spread(value)?;
            let chosen = select(&variable.ty, &format!("took{number}"), &value, &text)?;
            self.line(&format!("{text} = {chosen};"));
            kept.push((name.clone(), Variable { uniform: false, text, mask: None, ..variable }));
        }
        self.line(&format!("on{outer} = m_andnot(on{outer}, took{number});"));
        let exit = Exit { mask: number.to_string(), block, kept };
        self.loops.last_mut().expect("in a loop").exits.push(exit);
        Ok(End::Some)
    }

    /// A loop: `head` opens it, `condition` takes lanes out.
    fn repeat(&mut self, head: &str, condition: Option<&'a Expr>, body: &'a syn::Block, bare: bool) -> Result<End> {
        let outer = self.mask;
        let number = self.fresh();
        let returns = Survey::block(self.functions, body).returns;
        self.line(&format!("let mut on{number} = on{outer};"));
        let before = std::mem::take(&mut self.out);
        self.mask = number;
        self.loops.push(Loop { scopes: self.scope.len(), mask: number, exits: Vec::new(), broken: false });
        self.line(&format!("'l{number}: {head} {{"));
        self.depth += 1;
        if let Some(e) = condition {
            let c = self.expr(e, None)?;
            let c = self.spread(c)?;
            self.line(&format!("on{number} = m_and(on{number}, {c});"));
        }
        self.line(&format!("if !m_any(on{number}) {{ break; }}"));
        self.depth -= 1;
        let end = self.statements(&body.stmts, false)?;
        if end == End::None {
            bail!("a loop that runs once");
        }
        self.line("}");
        let text = std::mem::replace(&mut self.out, before);
        let done = self.loops.pop().expect("pushed above");
        self.mask = outer;
        for exit in &done.exits {
            self.line(&format!("let mut exit{} = m_splat(false);", exit.mask));
            for (_, v) in &exit.kept {
                let z = zero(&v.ty)?;
                self.line(&format!("let mut {} = {z};", v.text));
            }
        }
        self.out.push_str(&text);
        for exit in done.exits {
            let mask = self.fresh();
            self.line(&format!("let mut on{mask} = exit{};", exit.mask));
            self.scope.push(exit.kept.into_iter().collect());
            self.branch(mask, exit.block)?;
            self.scope.pop();
        }
        if bare && !done.broken {
            return Ok(End::None);
        }
        if returns {
            self.line(&format!("on{outer} = m_and(on{outer}, live);"));
            return Ok(End::Some);
        }
        Ok(End::All)
    }

    fn statement_expr(&mut self, e: &'a Expr, is_tail: bool) -> Result<End> {
        match e {
            Expr::If(i) if !(is_tail && self.ret != Ty::Unit) => self.if_statement(i),
            Expr::While(w) => self.repeat("loop", Some(&w.cond), &w.body, false),
            Expr::Loop(l) => self.repeat("loop", None, &l.body, true),
            Expr::ForLoop(f) => {
                let name = match f.pat.as_ref() {
                    Pat::Ident(p) => p.ident.to_string(),
                    Pat::Wild(_) => "_".to_string(),
                    _ => bail!("loop pattern"),
                };
                let Expr::Range(r) = f.expr.as_ref() else { bail!("for over something that is no range") };
                let a = self.expr(r.start.as_ref().context("range start")?, Some(&Ty::U32))?;
                let b = self.expr(r.end.as_ref().context("range end")?, Some(&Ty::U32))?;
                if !(a.uniform && b.uniform) {
                    bail!("a range that differs from lane to lane: use while");
                }
                let variable = Variable { ty: Ty::U32, uniform: true, text: name.clone(), mask: None };
                self.scope.push(BTreeMap::from([(name.clone(), variable)]));
                let end = self.repeat(&format!("for {name} in {}..{}", a.text, b.text), None, &f.body, false);
                self.scope.pop();
                end
            }
            Expr::Break(_) => {
                self.loops.last_mut().context("break outside a loop")?.broken = true;
                Ok(End::None)
            }
            Expr::Return(r) => {
                self.give(r.expr.as_deref())?;
                Ok(End::None)
            }
            Expr::Assign(a) => {
                let place = self.expr(&a.left, None)?;
                if place.uniform {
                    bail!("{} is the same in all lanes", place.text);
                }
                let (value, ty) = self.lanes_of(&a.right, Some(&place.ty))?;
                if ty != place.ty {
                    bail!("{} = {value}: {:?} from {ty:?}", place.text, place.ty);
                }
                let on = self.on();
                if let Expr::Index(i) = a.left.as_ref() {
                    let base = self.expr(&i.expr, None)?;
                    let (index, _) = self.lanes_of(&i.index, Some(&Ty::U32))?;
                    let Ty::Named(n) = &place.ty else { bail!("array of {:?}", place.ty) };
                    self.line(&format!("put_{n}({on}, &mut {}, {index}, {value});", base.text));
                    return Ok(End::All);
                }
                let root = self.lookup(&root(&a.left)?).context("unknown name")?;
                let value = if root.mask == Some(self.mask) { value } else { select(&ty, &on, &value, &place.text)? };
                self.line(&format!("{} = {value};", place.text));
                Ok(End::All)
            }
            e => {
                if is_tail && self.ret != Ty::Unit {
                    if self.early {
                        self.give(Some(e))?;
                    } else {
                        let ret = self.ret.clone();
                        let (text, ty) = self.lanes_of(e, Some(&ret))?;
                        if ty != ret {
                            bail!("{text} is {ty:?}, the function gives {ret:?}");
                        }
                        self.line(&text);
                    }
                    return Ok(End::None);
                }
                let v = self.expr(e, None)?;
                self.line(&if v.ty == Ty::Unit { format!("{};", v.text) } else { format!("let _ = {};", v.text) });
                Ok(End::All)
            }
        }
    }
}

fn scalar(ty: &Ty) -> Result<&'static str> {
    Ok(match ty {
        Ty::F32 => "f32",
        Ty::U32 => "u32",
        Ty::I32 => "i32",
        t => bail!("cast to {t:?}"),
    })
}

fn literal(e: &Expr) -> Result<u32> {
    match e {
        Expr::Lit(l) => match &l.lit {
            Lit::Int(i) => Ok(i.base10_parse()?),
            _ => bail!("a number is due"),
        },
        Expr::Paren(p) => literal(&p.expr),
        _ => bail!("shifts are by literal numbers"),
    }
}

/// The variable that an assignment changes.
fn root(e: &Expr) -> Result<String> {
    match e {
        Expr::Field(f) => root(&f.base),
        Expr::Unary(u) => root(&u.expr),
        Expr::Paren(p) => root(&p.expr),
        Expr::Index(i) => root(&i.expr),
        e => path_name(e),
    }
}

fn docs(attrs: &[syn::Attribute], out: &mut String, indent: &str) {
    for a in attrs {
        if let syn::Meta::NameValue(nv) = &a.meta
            && nv.path.is_ident("doc")
            && let Expr::Lit(l) = &nv.value
            && let Lit::Str(s) = &l.lit
        {
            let _ = writeln!(out, "{indent}///{}", s.value().trim_end());
        }
    }
}

fn print_function<'a>(
    f: &'a syn::ItemFn,
    world: &World,
    functions: &BTreeMap<String, Function>,
    refuted: &mut BTreeSet<(String, usize)>,
) -> Result<String> {
    let name = f.sig.ident.to_string();
    let info = functions[&name].clone();
    let mut survey = Survey::new(functions);
    survey.visit_block(&f.block);
    let mut p = Printer::<'_, 'a> {
        world,
        functions,
        refuted,
        scope: vec![BTreeMap::new()],
        loops: Vec::new(),
        out: String::new(),
        depth: 2,
        serial: 0,
        mask: 0,
        ret: info.ret.clone(),
        early: survey.returns,
        kept: false,
        uses_live: returns_in_loop(&f.block),
    };
    let mut args = Vec::new();
    if info.masked {
        args.push("on0: M".to_string());
    }
    for q in &info.params {
        let ty = match &q.ty {
            Ty::Cx => "&Context<'_>".to_string(),
            Ty::Sink => "&mut Out".to_string(),
            Ty::Ref(t) => format!("&mut {}", register(t)?),
            t if q.uniform => scalar(t)?.to_string(),
            t if q.by_ref => format!("&{}", register(t)?),
            t => register(t)?,
        };
        args.push(format!("{}: {ty}", q.name));
        let variable = Variable { ty: q.ty.clone(), uniform: q.uniform, text: q.name.clone(), mask: None };
        p.declare(&q.name, variable);
    }
    let arrow = if info.ret == Ty::Unit { String::new() } else { format!(" -> {}", register(&info.ret)?) };
    if let Some((_, body)) = INSTRUCTIONS.iter().find(|(n, _)| *n == name) {
        return Ok(format!("        pub fn {name}({}){arrow} {{\n            {body}\n        }}\n\n", args.join(", ")));
    }
    let value = p.early && info.ret != Ty::Unit;
    p.statements(&f.block.stmts, true).with_context(|| format!("function {name}"))?;
    let body = std::mem::take(&mut p.out);
    p.depth = 3;
    p.line(if info.masked { "let mut on0 = on0;" } else { "let mut on0 = m_splat(true);" });
    if p.uses_live {
        p.line("let mut live = on0;");
    }
    if value {
        let z = zero(&info.ret)?;
        p.line(&format!("let mut ret = {z};"));
    }
    if p.early {
        p.line("'f: {");
        let text: String = body.lines().map(|l| format!("    {l}\n")).collect();
        p.out.push_str(&text);
        p.line("}");
    } else {
        p.out.push_str(&body);
    }
    if value {
        p.line("ret");
    }
    Ok(format!("        pub fn {name}({}){arrow} {{\n{}        }}\n\n", args.join(", "), p.out))
}

/// Whether some `return` stands in a loop.
fn returns_in_loop(b: &syn::Block) -> bool {
    struct Look {
        depth: u32,
        found: bool,
    }
    impl<'a> Visit<'a> for Look {
        fn visit_expr(&mut self, e: &'a Expr) {
            let loops = matches!(e, Expr::While(_) | Expr::Loop(_) | Expr::ForLoop(_));
            self.depth += u32::from(loops);
            self.found |= self.depth > 0 && matches!(e, Expr::Return(_));
            syn::visit::visit_expr(self, e);
            self.depth -= u32::from(loops);
        }
    }
    let mut look = Look { depth: 0, found: false };
    look.visit_block(b);
    look.found
}

/// What the functions take and cost.
fn functions(files: &[subset::SourceFile], world: &World) -> Result<BTreeMap<String, Function>> {
    let mut all = BTreeMap::new();
    for item in files.iter().flat_map(|s| &s.file.items) {
        let Item::Fn(f) = item else { continue };
        let name = f.sig.ident.to_string();
        let (types, ret) = &world.functions[&name];
        let mut params = Vec::new();
        let mut changes = false;
        let roots = ROOTS.iter().find(|(n, _)| *n == name).map_or(&[][..], |(_, lanes)| *lanes);
        for (input, ty) in f.sig.inputs.iter().zip(types) {
            let syn::FnArg::Typed(input) = input else { bail!("self") };
            let Pat::Ident(n) = input.pat.as_ref() else { bail!("{name}: parameter pattern") };
            let n = n.ident.to_string();
            changes |= matches!(ty, Ty::Ref(_) | Ty::Sink);
            let uniform = matches!(ty, Ty::F32 | Ty::U32 | Ty::I32) && !roots.contains(&n.as_str());
            let by_ref = matches!(input.ty.as_ref(), syn::Type::Reference(r) if r.mutability.is_none());
            params.push(Param { name: n, ty: ty.clone(), by_ref, uniform });
        }
        let survey = Survey::block(&all, &f.block);
        let cost = if INSTRUCTIONS.iter().any(|(n, _)| *n == name) { 1 } else { survey.cost };
        let masked = changes || survey.masked;
        all.insert(name, Function { params, ret: ret.clone(), masked, cost });
    }
    Ok(all)
}

/// Helpers of a struct: all lanes zero, lanes of two chosen by a mask, lanes dealt from another.
fn print_struct(s: &syn::ItemStruct, world: &World, in_arrays: bool, out: &mut String) -> Result<()> {
    let name = s.ident.to_string();
    let fields = &world.structs[&name];
    docs(&s.attrs, out, "        ");
    let _ = writeln!(out, "        #[derive(Clone, Copy)]\n        #[repr(C)]\n        pub struct {name} {{");
    for (f, (n, t)) in s.fields.iter().zip(fields) {
        docs(&f.attrs, out, "            ");
        let _ = writeln!(out, "            pub {n}: {},", register(t)?);
    }
    out.push_str("        }\n\n");
    let mut helper = |doc: &str, head: String, value: &dyn Fn(&str, &Ty) -> Result<String>| -> Result<()> {
        let _ = writeln!(
            out,
            "        /// {doc}\n        #[inline]\n        $(#[$features])*\n        pub fn {head} -> {name} {{"
        );
        let _ = writeln!(out, "            {name} {{");
        for (n, t) in fields {
            let _ = writeln!(out, "                {n}: {},", value(n, t)?);
        }
        out.push_str("            }\n        }\n\n");
        Ok(())
    };
    helper("All lanes 0.", format!("zero_{name}()"), &|_, t| zero(t))?;
    if fields.iter().any(|(_, t)| matches!(t, Ty::Array(..))) {
        return Ok(());
    }
    helper(
        "Lanes of `a` where the mask is set, else of `b`.",
        format!("select_{name}(on: M, a: {name}, b: {name})"),
        &|n, t| select(t, "on", &format!("a.{n}"), &format!("b.{n}")),
    )?;
    if matches!(name.as_str(), "Particle" | "Rng") {
        helper(
            "Where the mask is set, lane `from[i]` of `a` in lane i, else `b`.",
            format!("deal_{name}(on: M, a: &{name}, from: U, b: {name})"),
            &|n, t| {
                let p = prefix(t)?;
                Ok(format!("{p}_select(on, {p}_permute(a.{n}, from), b.{n})"))
            },
        )?;
    }
    if in_arrays {
        let _ = writeln!(
            out,
            "        /// Entry `index[i]` of lane i, for the lanes of the mask.\n        #[inline(never)]\n        $(#[$features])*\n        \
             pub fn get_{name}(on: M, list: &[{name}], index: U) -> {name} {{\n            \
             let mut value = zero_{name}();\n            \
             for lane in lanes_in(on) {{\n                let entry = &list[u_lane(&index, lane) as usize];"
        );
        for (n, t) in fields {
            let p = prefix(t)?;
            let _ = writeln!(out, "                {p}_put_lane(&mut value.{n}, lane, {p}_lane(&entry.{n}, lane));");
        }
        out.push_str("            }\n            value\n        }\n\n");
        let _ = writeln!(
            out,
            "        /// Puts lane i of `value` into entry `index[i]`, for the lanes of the mask.\n        #[inline(never)]\n        $(#[$features])*\n        \
             pub fn put_{name}(on: M, list: &mut [{name}], index: U, value: {name}) {{\n            \
             for lane in lanes_in(on) {{\n                let entry = &mut list[u_lane(&index, lane) as usize];"
        );
        for (n, t) in fields {
            let p = prefix(t)?;
            let _ = writeln!(out, "                {p}_put_lane(&mut entry.{n}, lane, {p}_lane(&value.{n}, lane));");
        }
        out.push_str("            }\n        }\n\n");
    }
    Ok(())
}

/// The text of `src/kernel/lanes/kernel.rs`.
pub fn generate(kernel_dir: &std::path::Path) -> Result<String> {
    let (files, world) = subset::read(kernel_dir)?;
    let mut all = functions(&files, &world)?;
    // what is the same in all lanes: assumed, until a call says otherwise
    loop {
        let mut refuted = BTreeSet::new();
        let mut text = String::new();
        for source in &files {
            for item in &source.file.items {
                if let Item::Fn(f) = item {
                    docs(&f.attrs, &mut text, "        ");
                    text.push_str("        #[inline]\n        $(#[$features])*\n");
                    text.push_str(
                        &print_function(f, &world, &all, &mut refuted)
                            .with_context(|| format!("src/kernel/{}.rs", source.name))?,
                    );
                }
            }
        }
        if refuted.is_empty() {
            return whole(&files, &world, &text);
        }
        for (name, n) in refuted {
            all.get_mut(&name).expect("a known function").params[n].uniform = false;
        }
    }
}

fn whole(files: &[subset::SourceFile], world: &World, functions: &str) -> Result<String> {
    let mut out = String::from(
        "//! The particle's life in lanes: printed from `src/kernel/*.rs` by `cargo xtask lanes`. Do not edit.\n\
         //!\n\
         //! `on0`, `on1`, ... are masks: the lanes for which a piece of text counts. The registers (`F`, `U`, `I`, `M`), the\n\
         //! operations on them and the sink `Out` are those of the module that fills this text in.\n\n\
         macro_rules! lanes_kernel {\n    ($(#[$features:meta])*) => {\n",
    );
    out.push_str("        use crate::kernel::NO_HOME;\n        use crate::kernel::single::context::Context;\n");
    for source in files {
        let names: Vec<String> = source
            .file
            .items
            .iter()
            .filter_map(|i| if let Item::Const(c) = i { Some(c.ident.to_string()) } else { None })
            .collect();
        if !names.is_empty() {
            let _ = writeln!(out, "        use crate::kernel::single::{}::{{{}}};", source.name, names.join(", "));
        }
    }
    out.push('\n');
    let arrays: BTreeSet<String> = world
        .structs
        .values()
        .flatten()
        .filter_map(|(_, t)| match t {
            Ty::Array(t, _) => match t.as_ref() {
                Ty::Named(n) => Some(n.clone()),
                _ => None,
            },
            _ => None,
        })
        .collect();
    for item in files.iter().flat_map(|s| &s.file.items) {
        if let Item::Struct(s) = item
            && s.ident != "Context"
            && s.ident != "Params"
            && !is_cfg_test(&s.attrs)
        {
            print_struct(s, world, arrays.contains(&s.ident.to_string()), &mut out)?;
        }
    }
    out.push_str(functions);
    out.push_str("    };\n}\npub(super) use lanes_kernel;\n");
    Ok(out)
}

/// Writes the generated file.
pub fn write() -> Result<()> {
    let root = repository()?;
    std::fs::write(root.join("src/kernel/lanes/kernel.rs"), generate(&root.join("src/kernel"))?)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The committed text is what the kernel's source says today.
    #[test]
    fn lock_lanes_are_fresh() {
        let root = repository().unwrap();
        let path = root.join("src/kernel/lanes/kernel.rs");
        let committed = std::fs::read_to_string(&path).unwrap();
        let fresh = generate(&root.join("src/kernel")).unwrap();
        assert!(committed == fresh, "{} is stale: run `cargo xtask lanes` and commit", path.display());
    }

    /// The text of a file whose arguments are the same in all lanes until a caller says otherwise.
    fn one(source: &str) -> Result<String> {
        printed(source, true)
    }

    /// The text of a file whose arguments differ from lane to lane.
    fn varied(source: &str) -> Result<String> {
        printed(source, false)
    }

    fn printed(source: &str, uniform: bool) -> Result<String> {
        let file = syn::parse_file(source)?;
        let mut world = World::default();
        subset::collect(&file, &mut world)?;
        let sources = [subset::SourceFile { name: "one", file }];
        let mut all = functions(&sources, &world)?;
        if !uniform {
            all.values_mut().flat_map(|f| &mut f.params).for_each(|p| p.uniform = false);
        }
        loop {
            let (mut refuted, mut text) = (BTreeSet::new(), String::new());
            for item in &sources[0].file.items {
                if let Item::Fn(f) = item {
                    text.push_str(&print_function(f, &world, &all, &mut refuted)?);
                }
            }
            if refuted.is_empty() {
                return Ok(text);
            }
            for (name, n) in refuted {
                all.get_mut(&name).unwrap().params[n].uniform = false;
            }
        }
    }

    /// An early return takes its lanes out; what they got stays theirs.
    #[test]
    fn law_returns_take_their_lanes_out() {
        let text =
            varied("fn g(a: Real) -> Real { f(a * a) }\nfn f(x: Real) -> Real { if x < 1.0 { return 0.0; } x * x }");
        // `f` stands behind its caller: unknown while the caller is surveyed, known when it is printed
        let text = text.unwrap();
        assert!(text.contains("let took1 = m_and(on0, f_lt(x, f_splat(1.0f32)));"), "{text}");
        assert!(text.contains("on0 = m_andnot(on0, took1);"), "{text}");
        assert!(text.contains("ret = f_select(on0, f_mul(x, x), ret);"), "{text}");
    }

    /// What no lane of a branch may change is kept.
    #[test]
    fn law_assignments_in_branches_are_masked() {
        let text = varied(
            "fn f(x: Real, y: Real) -> Real { let mut z = x * y; if z > 1.0 { z = x; } z }\n\
                        fn g(a: Real) -> Real { f(a + 1.0, a) }",
        )
        .unwrap();
        assert!(text.contains("z = f_select(on1, x, z);"), "{text}");
        assert!(text.contains("f(f_add(a, f_splat(1.0f32)), a)") || text.contains("f((a + 1.0f32), a)"), "{text}");
    }

    /// Constructs that lanes cannot follow are refused.
    #[test]
    fn alarm_constructs_outside_the_subset_are_refused() {
        for source in [
            "fn f(a: Real) -> Real { a / 2.0 }",
            "fn f(a: Real) -> Real { a.sqrt() }",
            "fn f(a: u32, n: u32) -> u32 { a << n }",
            "fn f(a: Real, n: u32) -> Real { a * n }",
            "fn f(a: Real) -> Real { let mut b = a; b += 1.0; b }",
        ] {
            assert!(one(source).is_err(), "{source}");
        }
    }
}
