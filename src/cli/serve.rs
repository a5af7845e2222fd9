//! `lutra serve`: the built page, for this machine alone.
//!
//! Only files below one folder are handed out, only to who asks this machine by its own name, and only to be read.

use super::args::RawServe;
use super::failure::{Failure, user_error};
use super::{printer, program};
use crate::clinic::failure::AtPath;
use std::path::{Path, PathBuf};
use tiny_http::{Header, Method, Request, Response, Server};

/// The page's entry.
const INDEX: &str = "index.html";

/// What each answer says beside its content: nobody may show the page inside another, nor guess what a file is, nor learn
/// where a reader came from; threads may share memory.
const HEADERS: [(&str, &str); 7] = [
    ("Content-Security-Policy", "frame-ancestors 'none'"),
    ("X-Content-Type-Options", "nosniff"),
    ("Referrer-Policy", "no-referrer"),
    ("Cross-Origin-Opener-Policy", "same-origin"),
    ("Cross-Origin-Embedder-Policy", "require-corp"),
    ("Cross-Origin-Resource-Policy", "same-origin"),
    ("Cache-Control", "no-cache"),
];

/// Serves until it is ended.
pub(super) fn run(raw: &RawServe) -> Result<(), Failure> {
    let folder = raw.folder.clone().map_or_else(found, Ok)?;
    if !folder.join(INDEX).is_file() {
        return Err(user_error(
            format!("{}: found no {INDEX}; allowed: the folder of the built page", folder.display()),
            "Build the page with web/build, or name its folder.",
        )
        .into());
    }
    let root = folder.canonicalize().at(&folder)?;
    let server = Server::http(("127.0.0.1", raw.port)).map_err(|error| {
        user_error(
            format!("--port: found {}: {error}; allowed: a port that is free", raw.port),
            "Give another port, or --port 0 for any that is free.",
        )
    })?;
    let port = server.server_addr().to_ip().map_or(raw.port, |address| address.port());
    printer::data(&format!("http://127.0.0.1:{port}/\n"));
    printer::delivered()?;
    printer::note("the page is open to this machine alone; end with Ctrl-C");
    for request in server.incoming_requests() {
        answer(&root, port, request);
    }
    Ok(())
}

/// The page beside the program: as it is released, or as it is built.
fn found() -> Result<PathBuf, Failure> {
    let beside = program().and_then(|program| Some(program.parent()?.to_owned()));
    let places = beside.iter().flat_map(|folder| [folder.join("web"), folder.join("../web/page")]);
    places.into_iter().find(|place| place.join(INDEX).is_file()).ok_or_else(|| {
        user_error(
            "FOLDER: found none, and no built page beside the program; allowed: the folder of the built page",
            "Build the page with web/build, and name its folder.",
        )
        .into()
    })
}

/// Hands out a file, or says why not. A reader that has gone away is nobody's error.
fn answer(root: &Path, port: u16, request: Request) {
    let host = request.headers().iter().find(|header| header.field.equiv("Host"));
    let host = host.map(|header| header.value.as_str().to_owned()).unwrap_or_default();
    let read = matches!(request.method(), Method::Get | Method::Head);
    let found = match (read, of_this_machine(&host, port)) {
        (false, _) => Err(405),
        (_, false) => Err(403),
        _ => file(root, request.url()),
    };
    let content = found.and_then(|path| Ok((std::fs::read(&path).map_err(|_| 404_u16)?, kind(&path))));
    let (status, (bytes, kind)) = match content {
        Ok(content) => (200, content),
        Err(status) => (status, (format!("{status}\n").into_bytes(), "text/plain; charset=utf-8")),
    };
    let mut response = Response::from_data(bytes).with_status_code(status);
    for (name, value) in HEADERS.into_iter().chain([("Content-Type", kind)]) {
        response.add_header(Header::from_bytes(name, value).expect("a header of plain letters"));
    }
    let _gone = request.respond(response);
}

/// Whether a request was meant for this machine: a page from elsewhere that has made a name of its own lead here was not.
fn of_this_machine(host: &str, port: u16) -> bool {
    ["127.0.0.1", "localhost"].iter().any(|name| host == format!("{name}:{port}") || port == 80 && host == *name)
}

/// The file of an address below `root`. Errors: the status of the answer.
fn file(root: &Path, url: &str) -> Result<PathBuf, u16> {
    let path = url.split(['?', '#']).next().unwrap_or_default();
    let path = decoded(path).ok_or(400_u16)?;
    let mut below = root.to_owned();
    for part in path.split('/').filter(|part| !part.is_empty() && *part != ".") {
        if part == ".." || part.contains(['\\', ':', '\0']) || part.starts_with('.') {
            return Err(403);
        }
        below.push(part);
    }
    if below.is_dir() {
        below.push(INDEX);
    }
    // a link may lead out of the folder
    let there = below.canonicalize().map_err(|_| 404_u16)?;
    if there.starts_with(root) && there.is_file() { Ok(there) } else { Err(403) }
}

/// A path with its `%` read; `None` for one that is none.
fn decoded(path: &str) -> Option<String> {
    let mut bytes = Vec::new();
    let mut rest = path.as_bytes();
    while let Some((&first, behind)) = rest.split_first() {
        rest = behind;
        if first != b'%' {
            bytes.push(first);
            continue;
        }
        let digits = rest.get(..2).and_then(|digits| std::str::from_utf8(digits).ok())?;
        bytes.push(u8::from_str_radix(digits, 16).ok()?);
        rest = &rest[2..];
    }
    String::from_utf8(bytes).ok()
}

/// What a file is, by its ending.
fn kind(path: &Path) -> &'static str {
    match path.extension().and_then(|ending| ending.to_str()) {
        Some("html") => "text/html; charset=utf-8",
        Some("js") => "text/javascript; charset=utf-8",
        Some("css") => "text/css; charset=utf-8",
        Some("wasm") => "application/wasm",
        Some("json") => "application/json",
        Some("svg") => "image/svg+xml",
        Some("png") => "image/png",
        _ => "application/octet-stream",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cli_serve_hands_out_what_lies_below_its_folder_and_nothing_else() {
        let home = tempfile::tempdir().expect("temporary folder");
        let root = home.path().join("page");
        std::fs::create_dir_all(root.join("engine")).expect("made");
        for name in ["page/index.html", "page/engine/a b.wasm", "page/.hidden", "secret.txt"] {
            std::fs::write(home.path().join(name), name).expect("written");
        }
        let root = root.canonicalize().expect("there");
        for (url, name) in [("/", INDEX), ("/index.html?x=1#y", INDEX), ("/engine/a%20b.wasm", "engine/a b.wasm")] {
            assert_eq!(file(&root, url), Ok(root.join(name)), "{url}");
        }
        for url in [
            "/../secret.txt",
            "/engine/../../secret.txt",
            "/%2e%2e/secret.txt",
            "/%2E%2E%2Fsecret.txt",
            "/..%2fsecret.txt",
            "/..%5csecret.txt",
            "/....//secret.txt",
            "/.hidden",
            "/C:/secret.txt",
            "/index.html%00.png",
        ] {
            assert_eq!(file(&root, url), Err(403), "{url}");
        }
        for (url, status) in [("/nothing", 404), ("/engine/", 404), ("/%", 400), ("/%zz", 400), ("/%ff", 400)] {
            assert_eq!(file(&root, url), Err(status), "{url}");
        }
        #[cfg(unix)]
        {
            std::os::unix::fs::symlink(home.path().join("secret.txt"), root.join("link.txt")).expect("linked");
            assert_eq!(file(&root, "/link.txt"), Err(403), "a link that leads out");
        }
    }

    #[test]
    fn cli_serve_answers_this_machine_alone() {
        assert!(of_this_machine("127.0.0.1:8177", 8177) && of_this_machine("localhost:8177", 8177));
        for host in ["", "127.0.0.1", "127.0.0.1:80", "evil.example:8177", "127.0.0.1.evil.example:8177"] {
            assert!(!of_this_machine(host, 8177), "{host}");
        }
    }
}
