//! The kernel's subset of Rust, as every printer reads it: types, declarations, the modules in order.

use anyhow::{Context as _, Result, bail};
use std::collections::BTreeMap;
use syn::{Expr, Item, Lit, Stmt};

/// Kernel modules in the order in which WGSL sees them: a module uses only what stands before it.
pub const MODULES: &[&str] = &[
    "math",
    "rng",
    "context",
    "tables",
    "rows",
    "navigate",
    "rotate",
    "source",
    "skin",
    "elastic",
    "straggling",
    "moller",
    "waiting",
    "electron",
    "compton",
    "rayleigh",
    "photon",
];

/// Type of a value in the kernel.
#[derive(Clone, Debug, PartialEq)]
pub enum Ty {
    F32,
    U32,
    I32,
    Bool,
    Unit,
    Named(String),
    Array(Box<Ty>, String),
    Ref(Box<Ty>),
    Cx,
    Sink,
}

/// What the modules declare, by name.
#[derive(Default)]
pub struct World {
    pub functions: BTreeMap<String, (Vec<Ty>, Ty)>,
    pub structs: BTreeMap<String, Vec<(String, Ty)>>,
    pub constants: BTreeMap<String, Ty>,
    /// Fields of the context that are buffers or uniforms: name to element type.
    pub context: BTreeMap<String, Ty>,
}

pub fn parse_type(ty: &syn::Type) -> Result<Ty> {
    Ok(match ty {
        syn::Type::Path(p) => {
            let name = p.path.segments.last().context("empty path")?.ident.to_string();
            match name.as_str() {
                "Real" | "f32" => Ty::F32,
                "u32" | "usize" => Ty::U32,
                "i32" => Ty::I32,
                "bool" => Ty::Bool,
                "Context" => Ty::Cx,
                "S" => Ty::Sink,
                _ => Ty::Named(name),
            }
        }
        syn::Type::Reference(r) => match parse_type(&r.elem)? {
            Ty::Cx => Ty::Cx,
            Ty::Sink => Ty::Sink,
            t if r.mutability.is_some() => Ty::Ref(Box::new(t)),
            t => t,
        },
        syn::Type::Slice(s) => parse_type(&s.elem)?,
        syn::Type::Array(a) => {
            let n = match &a.len {
                Expr::Lit(l) => match &l.lit {
                    Lit::Int(i) => i.base10_digits().to_string(),
                    _ => bail!("array length"),
                },
                Expr::Cast(c) => path_name(&c.expr)?,
                e => path_name(e)?,
            };
            Ty::Array(Box::new(parse_type(&a.elem)?), n)
        }
        _ => bail!("type outside the kernel's subset"),
    })
}

pub fn path_name(e: &Expr) -> Result<String> {
    match e {
        Expr::Path(p) => Ok(p.path.segments.last().context("empty path")?.ident.to_string()),
        _ => bail!("expected a name"),
    }
}

pub fn is_cfg_test(attrs: &[syn::Attribute]) -> bool {
    attrs.iter().any(|a| a.path().is_ident("cfg"))
}

pub fn tail(b: &syn::Block) -> Result<&Expr> {
    match b.stmts.as_slice() {
        [Stmt::Expr(e, None)] => Ok(e),
        _ => bail!("an if expression needs one expression a branch"),
    }
}

pub fn collect(file: &syn::File, world: &mut World) -> Result<()> {
    for item in &file.items {
        match item {
            Item::Const(c) => {
                world.constants.insert(c.ident.to_string(), parse_type(&c.ty)?);
            }
            Item::Struct(s) if s.ident == "Context" => {
                for f in &s.fields {
                    let name = f.ident.as_ref().context("field name")?.to_string();
                    world.context.insert(name, parse_type(&f.ty)?);
                }
            }
            Item::Struct(s) if !is_cfg_test(&s.attrs) => {
                let mut fields = Vec::new();
                for f in &s.fields {
                    fields.push((f.ident.as_ref().context("field name")?.to_string(), parse_type(&f.ty)?));
                }
                world.structs.insert(s.ident.to_string(), fields);
            }
            Item::Fn(f) => {
                let mut params = Vec::new();
                for p in &f.sig.inputs {
                    let syn::FnArg::Typed(p) = p else { bail!("self in the kernel") };
                    params.push(parse_type(&p.ty)?);
                }
                let ret = match &f.sig.output {
                    syn::ReturnType::Default => Ty::Unit,
                    syn::ReturnType::Type(_, t) => parse_type(t)?,
                };
                world.functions.insert(f.sig.ident.to_string(), (params, ret));
            }
            _ => {}
        }
    }
    Ok(())
}

/// What one module of the kernel holds, by its name.
pub struct SourceFile {
    /// File stem.
    pub name: &'static str,
    /// Its text, parsed.
    pub file: syn::File,
}

/// The kernel's modules under `kernel_dir`, in order, and what they declare.
pub fn read(kernel_dir: &std::path::Path) -> Result<(Vec<SourceFile>, World)> {
    let mut world = World::default();
    // what stands beside the modules, in `kernel/mod.rs`
    world.constants.insert("NO_HOME".into(), Ty::U32);
    let mut files = Vec::new();
    for name in MODULES {
        let path = kernel_dir.join(format!("{name}.rs"));
        let text = std::fs::read_to_string(&path).with_context(|| path.display().to_string())?;
        let file = syn::parse_file(&text).with_context(|| path.display().to_string())?;
        collect(&file, &mut world).with_context(|| path.display().to_string())?;
        files.push(SourceFile { name, file });
    }
    Ok((files, world))
}

/// Folder of the repository.
pub fn repository() -> Result<std::path::PathBuf> {
    Ok(std::path::Path::new(env!("CARGO_MANIFEST_DIR")).parent().context("xtask lies in the repository")?.to_path_buf())
}
