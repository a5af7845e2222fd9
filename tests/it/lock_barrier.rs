//! No float result of the shaders meets another float operation without the barrier `nc`.
//!
//! The check reads naga's form of the composed modules, which is what the driver is given: every sum, difference
//! and product of floats may go nowhere but into a call of `nc`; float division, remainder and built-in float
//! functions (`fma`, `sqrt`, `exp`, ...) do not occur; a whole number becomes a float only where it is seen to lie
//! within 2^24, or by name below.

use lutra::transport::emission::Pass;
use lutra::transport::gpu::shader;
use naga::{BinaryOperator as Op, Expression, Function, Handle, Literal, Module, ScalarKind, Statement};
use std::collections::{BTreeMap, BTreeSet};

/// Conversions whose bound stands in a variable or a float, with the reason why it holds.
const BOUNDED_BY_ARGUMENT: &[(&str, &str)] =
    &[("ln", "an exponent: -126 to 129"), ("exp_of", "x / ln 2 for x from -80 to 80: -116 to 116")];

/// Parses and validates; the message points into the text.
pub fn parse(text: &str) -> Result<(Module, naga::valid::ModuleInfo), String> {
    let module = naga::front::wgsl::parse_str(text).map_err(|e| e.emit_to_string(text))?;
    let info = naga::valid::Validator::new(naga::valid::ValidationFlags::all(), naga::valid::Capabilities::default())
        .validate(&module)
        .map_err(|e| e.emit_to_string(text))?;
    Ok((module, info))
}

/// One function under examination.
struct Reader<'m> {
    module: &'m Module,
    info: &'m naga::valid::FunctionInfo,
    function: &'m Function,
    name: String,
    barrier: Handle<Function>,
    /// Float sums, differences and products.
    arithmetic: BTreeSet<usize>,
    found: Vec<String>,
}

impl Reader<'_> {
    fn kind(&self, e: Handle<Expression>) -> Option<ScalarKind> {
        self.info[e].ty.inner_with(&self.module.types).scalar_kind()
    }

    fn is_float(&self, e: Handle<Expression>) -> bool {
        self.kind(e) == Some(ScalarKind::Float)
            || matches!(self.info[e].ty.inner_with(&self.module.types), naga::TypeInner::Matrix { .. })
    }

    fn report(&mut self, what: impl std::fmt::Display) {
        self.found.push(format!("{}: {what}", self.name));
    }

    /// A place where a value is consumed other than by the barrier.
    fn consume(&mut self, e: Handle<Expression>, place: &str) {
        if self.arithmetic.contains(&e.index()) {
            self.report(format_args!(
                "a float result reaches {place} without the barrier: {:?}",
                self.function.expressions[e]
            ));
        }
    }

    /// Bounds of a whole number as far as they can be seen.
    fn range(&self, e: Handle<Expression>) -> (i64, i64) {
        let full = match self.kind(e) {
            Some(ScalarKind::Sint) => (i64::from(i32::MIN), i64::from(i32::MAX)),
            _ => (0, i64::from(u32::MAX)),
        };
        let fits = |(low, high): (i64, i64)| if low >= full.0 && high <= full.1 { (low, high) } else { full };
        let literal = |l: &Literal| match l {
            Literal::U32(v) => (i64::from(*v), i64::from(*v)),
            Literal::I32(v) => (i64::from(*v), i64::from(*v)),
            _ => full,
        };
        match &self.function.expressions[e] {
            Expression::Literal(l) => literal(l),
            Expression::Constant(c) => match &self.module.global_expressions[self.module.constants[*c].init] {
                Expression::Literal(l) => literal(l),
                _ => full,
            },
            Expression::Binary { op, left, right } => {
                let (a, b) = (self.range(*left), self.range(*right));
                match op {
                    Op::And if a.0 >= 0 && b.0 >= 0 => (0, a.1.min(b.1)),
                    Op::ShiftRight if b.0 == b.1 && b.0 < 32 => (a.0 >> b.0, a.1 >> b.0),
                    Op::Add => fits((a.0 + b.0, a.1 + b.1)),
                    Op::Subtract => fits((a.0 - b.1, a.1 - b.0)),
                    _ => full,
                }
            }
            Expression::As { expr, convert: Some(_), .. }
                if matches!(self.kind(*expr), Some(ScalarKind::Uint | ScalarKind::Sint)) =>
            {
                fits(self.range(*expr))
            }
            _ => full,
        }
    }

    fn expression(&mut self, handle: Handle<Expression>) {
        let place = |what: &str| what.to_string();
        match self.function.expressions[handle].clone() {
            Expression::Literal(_)
            | Expression::Constant(_)
            | Expression::Override(_)
            | Expression::ZeroValue(_)
            | Expression::FunctionArgument(_)
            | Expression::GlobalVariable(_)
            | Expression::LocalVariable(_)
            | Expression::Load { .. }
            | Expression::CallResult(_)
            | Expression::AtomicResult { .. }
            | Expression::ArrayLength(_) => {}
            Expression::Compose { components, .. } => {
                for c in components {
                    self.consume(c, "a compound value");
                }
            }
            Expression::Splat { value, .. } => self.consume(value, "a vector"),
            Expression::Swizzle { vector, .. } => self.consume(vector, "a vector's component"),
            Expression::Access { base, index } => {
                self.consume(base, "an access");
                self.consume(index, "an index");
            }
            Expression::AccessIndex { base, .. } => self.consume(base, "an access"),
            Expression::Unary { expr, .. } => self.consume(expr, "a change of sign"),
            Expression::Binary { op, left, right } => {
                if self.is_float(handle) && matches!(op, Op::Divide | Op::Modulo) {
                    self.report(format_args!("float {op:?}: drivers round it differently"));
                }
                let what = place(&format!("{op:?}"));
                self.consume(left, &what);
                self.consume(right, &what);
            }
            Expression::Select { accept, reject, .. } => {
                self.consume(accept, "a choice");
                self.consume(reject, "a choice");
            }
            Expression::Math { fun, arg, arg1, arg2, arg3 } => {
                let all = [Some(arg), arg1, arg2, arg3];
                if self.is_float(handle) || all.iter().flatten().any(|a| self.is_float(*a)) {
                    self.report(format_args!("built-in float function {fun:?}: drivers differ"));
                }
            }
            Expression::As { expr, kind, convert } => {
                self.consume(expr, "a conversion");
                let whole = matches!(self.kind(expr), Some(ScalarKind::Uint | ScalarKind::Sint));
                if kind == ScalarKind::Float && convert.is_some() && whole {
                    let (low, high) = self.range(expr);
                    let seen = low >= -(1 << 24) && high <= 1 << 24;
                    if !seen && !BOUNDED_BY_ARGUMENT.iter().any(|(f, _)| *f == self.name) {
                        self.report(format_args!(
                            "a whole number of {low} to {high} becomes a float: above 2^24 drivers round differently"
                        ));
                    }
                }
            }
            other => self.report(format_args!("outside the kernel's subset: {other:?}")),
        }
    }

    fn block(&mut self, block: &naga::Block) {
        for statement in block {
            match statement {
                Statement::Emit(_) | Statement::Break | Statement::Continue => {}
                Statement::Block(b) => self.block(b),
                Statement::If { condition, accept, reject } => {
                    self.consume(*condition, "a condition");
                    self.block(accept);
                    self.block(reject);
                }
                Statement::Loop { body, continuing, break_if } => {
                    self.block(body);
                    self.block(continuing);
                    if let Some(e) = break_if {
                        self.consume(*e, "a condition");
                    }
                }
                Statement::Return { value } => {
                    if let Some(e) = value {
                        self.consume(*e, "the caller");
                    }
                }
                Statement::Store { value, .. } => self.consume(*value, "a variable"),
                Statement::Atomic { value, .. } => self.consume(*value, "an atomic"),
                Statement::Call { function, arguments, .. } => {
                    if *function != self.barrier {
                        let callee = self.module.functions[*function].name.clone().unwrap_or_default();
                        for a in arguments {
                            self.consume(*a, &callee);
                        }
                    }
                }
                other => self.report(format_args!("outside the kernel's subset: {other:?}")),
            }
        }
    }
}

/// Whether `nc` is the barrier: the argument's bits, exclusive or with the parameter `zero`.
fn is_the_barrier(module: &Module, handle: Handle<Function>) -> bool {
    let f = &module.functions[handle];
    let zero_is_first = module.global_variables.iter().any(|(_, g)| {
        g.name.as_deref() == Some("params")
            && matches!(&module.types[g.ty].inner, naga::TypeInner::Struct { members, .. }
                if members.first().and_then(|m| m.name.as_deref()) == Some("zero"))
    });
    let load_of_zero = |e: Handle<Expression>| match &f.expressions[e] {
        Expression::Load { pointer } => match &f.expressions[*pointer] {
            Expression::AccessIndex { base, index: 0 } => matches!(&f.expressions[*base], Expression::GlobalVariable(g)
                if module.global_variables[*g].name.as_deref() == Some("params")),
            _ => false,
        },
        _ => false,
    };
    let bits_of_argument = |e: Handle<Expression>| {
        matches!(&f.expressions[e], Expression::As { expr, kind: ScalarKind::Uint, convert: None }
            if matches!(&f.expressions[*expr], Expression::FunctionArgument(0)))
    };
    let returned = f.body.iter().find_map(|s| match s {
        Statement::Return { value } => *value,
        _ => None,
    });
    let Some(value) = returned else { return false };
    let Expression::As { expr, kind: ScalarKind::Float, convert: None } = f.expressions[value] else { return false };
    let Expression::Binary { op: Op::ExclusiveOr, left, right } = f.expressions[expr] else { return false };
    zero_is_first && bits_of_argument(left) && load_of_zero(right)
}

/// Every breach of the rule in a module; empty when all is well.
pub fn breaches(text: &str) -> Vec<String> {
    let (module, info) = match parse(text) {
        Ok(parsed) => parsed,
        Err(message) => return vec![message],
    };
    let Some((barrier, _)) = module.functions.iter().find(|(_, f)| f.name.as_deref() == Some("nc")) else {
        return vec!["there is no barrier nc".into()];
    };
    let mut found = Vec::new();
    if !is_the_barrier(&module, barrier) {
        found.push("nc is not the exclusive or with params.zero".into());
    }
    let functions = module.functions.iter().map(|(h, f)| (f.name.clone().unwrap_or_default(), f, &info[h])).chain(
        module.entry_points.iter().enumerate().map(|(i, e)| (e.name.clone(), &e.function, info.get_entry_point(i))),
    );
    for (name, function, info) in functions {
        let mut reader =
            Reader { module: &module, info, function, name, barrier, arithmetic: BTreeSet::new(), found: Vec::new() };
        reader.arithmetic = function
            .expressions
            .iter()
            .filter(|(h, e)| {
                matches!(
                    e,
                    Expression::Binary { op: Op::Add | Op::Subtract | Op::Multiply | Op::Divide | Op::Modulo, .. }
                ) && reader.is_float(*h)
            })
            .map(|(h, _)| h.index())
            .collect();
        for (handle, _) in function.expressions.iter() {
            reader.expression(handle);
        }
        reader.block(&function.body);
        found.extend(reader.found);
    }
    found
}

/// Float operations by function: shows that the check had something to look at.
fn operations(text: &str) -> BTreeMap<String, usize> {
    let (module, info) = parse(text).expect("the shaders are valid");
    module
        .functions
        .iter()
        .map(|(h, f)| {
            let n = f
                .expressions
                .iter()
                .filter(|(e, x)| {
                    matches!(x, Expression::Binary { op: Op::Add | Op::Subtract | Op::Multiply, .. })
                        && info[h][*e].ty.inner_with(&module.types).scalar_kind() == Some(ScalarKind::Float)
                })
                .count();
            (f.name.clone().unwrap_or_default(), n)
        })
        .collect()
}

#[test]
fn lock_every_float_result_passes_the_barrier() {
    for pass in [Pass::Electron, Pass::Photon] {
        let found = breaches(&shader::pass_source(pass));
        assert!(found.is_empty(), "{pass:?} pass:\n{}", found.join("\n"));
    }
    let counted = operations(&shader::compose(""));
    let all: usize = counted.values().sum();
    println!("{all} float operations behind the barrier in {} functions", counted.len());
    assert!(counted["ln"] >= 20 && all > 200, "the check sees the operations: {counted:?}");
    for (name, reason) in BOUNDED_BY_ARGUMENT {
        assert!(counted.contains_key(*name), "{name} ({reason}) is a function of the kernel");
    }
}

/// The modules with one planted function.
fn planted(function: &str) -> Vec<String> {
    breaches(&shader::compose(function))
}

#[test]
fn alarm_each_kind_of_breach_is_seen() {
    assert!(
        planted("fn planted(a: f32, b: f32) -> f32 { return nc(nc(a * b) + a); }").is_empty(),
        "a sound function passes"
    );
    let cases = [
        (
            "a product into a sum",
            "fn planted(a: f32, b: f32) -> f32 { return nc(a * b + a); }",
            "Add without the barrier",
        ),
        ("a bare return", "fn planted(a: f32, b: f32) -> f32 { return a * b; }", "the caller without the barrier"),
        (
            "a bare variable",
            "fn planted(a: f32, b: f32) -> f32 { var c = a; c = a - b; return c; }",
            "a variable without",
        ),
        ("a bare argument", "fn planted(a: f32, b: f32) -> f32 { return root(a + b); }", "root without the barrier"),
        ("a bare comparison", "fn planted(a: f32, b: f32) -> bool { return a + b < a; }", "Less without the barrier"),
        ("a bare conversion", "fn planted(a: f32) -> u32 { return u32(a * 2.0); }", "a conversion without"),
        ("a sign", "fn planted(a: f32, b: f32) -> f32 { return nc(-(a * b)); }", "a change of sign without"),
        ("a choice", "fn planted(a: f32, b: f32) -> f32 { return select(a, a * b, b > a); }", "a choice without"),
        ("a struct", "fn planted(a: f32, b: f32) -> SinCos { return SinCos(a * b, a); }", "a compound value without"),
        (
            "a bare compound assignment",
            "fn planted(a: f32) -> f32 { var c = a; c += a; return c; }",
            "a variable without",
        ),
        ("a vector", "fn planted(a: vec2<f32>) -> vec2<f32> { return a * a; }", "the caller without"),
        ("fma", "fn planted(a: f32, b: f32) -> f32 { return nc(fma(a, b, a)); }", "built-in float function Fma"),
        ("sqrt", "fn planted(a: f32) -> f32 { return nc(sqrt(a)); }", "built-in float function Sqrt"),
        ("exp", "fn planted(a: f32) -> f32 { return exp(a); }", "built-in float function Exp"),
        ("min", "fn planted(a: f32, b: f32) -> f32 { return min(a, b); }", "built-in float function Min"),
        ("dot", "fn planted(a: vec2<f32>) -> f32 { return nc(dot(a, a)); }", "built-in float function Dot"),
        ("a division", "fn planted(a: f32, b: f32) -> f32 { return nc(a / b); }", "float Divide"),
        ("a remainder", "fn planted(a: f32, b: f32) -> f32 { return nc(a % b); }", "float Modulo"),
        ("a whole number above 2^24", "fn planted(n: u32) -> f32 { return f32(n); }", "becomes a float"),
        (
            "a whole number after a shift too few",
            "fn planted(n: u32) -> f32 { return f32(n >> 7u); }",
            "becomes a float",
        ),
    ];
    for (what, text, message) in cases {
        let found = planted(text);
        assert!(found.iter().any(|f| f.contains(message)), "{what} is not seen: {found:?}");
        assert!(
            found.iter().all(|f| f.starts_with("planted: ")),
            "{what}: only the planted function is at fault: {found:?}"
        );
    }
    assert!(planted("fn planted(n: u32) -> f32 { return f32(n >> 8u); }").is_empty(), "24 bits are exact");
}

#[test]
fn alarm_a_barrier_that_is_none_is_seen() {
    let sound = shader::compose("");
    for (from, to) in [
        ("return bitcast<f32>(bitcast<u32>(x) ^ params.zero);", "return x;"),
        ("^ params.zero)", "^ params.nx)"),
        ("^ params.zero)", "^ 0u)"),
    ] {
        let text = sound.replacen(from, to, 1);
        assert_ne!(text, sound, "the fault is planted");
        assert!(breaches(&text).iter().any(|f| f.contains("nc is not")), "{to} passes for the barrier");
    }
}

#[test]
fn alarm_one_barrier_taken_away_is_seen() {
    let sound = shader::compose("");
    let text = sound.replacen("result_ = nc(x * rsqrt(x));", "result_ = x * rsqrt(x);", 1);
    assert_ne!(text, sound, "the fault is planted");
    assert_eq!(breaches(&text).len(), 1);
}
