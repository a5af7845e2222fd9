//! `lutra serve`: what it hands out and what not, over the wire.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};

/// A server, ended when dropped.
struct Served(Child, String);

impl Drop for Served {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn served(page: &Path) -> Served {
    let mut child = Command::new(env!("CARGO_BIN_EXE_lutra"))
        .args(["serve", "--port", "0", "--quiet"])
        .arg(page)
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .expect("started");
    let mut line = String::new();
    BufReader::new(child.stdout.as_mut().expect("piped")).read_line(&mut line).expect("an address");
    let address = line.trim().trim_start_matches("http://").trim_end_matches('/').to_owned();
    Served(child, address)
}

/// The answer to a request, in the words of the wire: no client tidies the path.
fn asked(served: &Served, request: &str, host: &str) -> String {
    let mut wire = TcpStream::connect(&served.1).expect("connected");
    write!(wire, "{request} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n").expect("sent");
    let mut answer = Vec::new();
    wire.read_to_end(&mut answer).expect("answered");
    String::from_utf8_lossy(&answer).into_owned()
}

fn status(answer: &str) -> &str {
    answer.split(' ').nth(1).unwrap_or_default()
}

#[test]
fn cli_serve_hands_out_the_page_to_this_machine_and_nothing_beside_it() {
    let home = tempfile::tempdir().expect("temporary folder");
    let page = home.path().join("page");
    std::fs::create_dir(&page).expect("made");
    std::fs::write(page.join("index.html"), "<p>the page").expect("written");
    std::fs::write(page.join("a.wasm"), "wasm").expect("written");
    std::fs::write(home.path().join("secret.txt"), "secret").expect("written");
    let served = served(&page);
    let own = served.1.clone();
    let answer = asked(&served, "GET /", &own);
    assert!(status(&answer) == "200" && answer.ends_with("<p>the page"), "{answer}");
    for header in [
        "Content-Security-Policy: frame-ancestors 'none'",
        "X-Content-Type-Options: nosniff",
        "Cross-Origin-Opener-Policy: same-origin",
        "Cross-Origin-Embedder-Policy: require-corp",
        "Content-Type: text/html; charset=utf-8",
    ] {
        assert!(answer.contains(header), "{header}: {answer}");
    }
    assert!(asked(&served, "GET /a.wasm", &own).contains("Content-Type: application/wasm"));
    for path in ["/../secret.txt", "/%2e%2e/secret.txt", "/..%2fsecret.txt", "//../secret.txt", "/a/../../secret.txt"] {
        let answer = asked(&served, &format!("GET {path}"), &own);
        assert!(status(&answer) == "403" && !answer.contains("secret"), "{path}: {answer}");
    }
    assert_eq!(status(&asked(&served, "GET /none", &own)), "404");
    assert_eq!(status(&asked(&served, "POST /", &own)), "405");
    assert_eq!(status(&asked(&served, "GET /", "evil.example:80")), "403", "a name that is not this machine's");
}

#[test]
fn cli_serve_refuses_a_folder_without_a_page() {
    let home = tempfile::tempdir().expect("temporary folder");
    let output = Command::new(env!("CARGO_BIN_EXE_lutra")).arg("serve").arg(home.path()).output().expect("run");
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{said}");
    assert!(said.contains("index.html") && said.contains("web/build"), "{said}");
}
