//! Which fault of the sources is there: `LUTRA_MUTANT` holds its number, or `record` for none and a list of those that are
//! passed by, in the file `LUTRA_MUTANT_HITS`.

use std::io::Write as _;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Mutex, OnceLock};

const NUMBERS: usize = 1;
const RECORD: u32 = u32::MAX - 1;
const UNREAD: u32 = u32::MAX;

static ACTIVE: AtomicU32 = AtomicU32::new(UNREAD);
static PASSED: [AtomicBool; NUMBERS] = [const { AtomicBool::new(false) }; NUMBERS];
static LIST: OnceLock<Mutex<std::fs::File>> = OnceLock::new();

/// Whether this fault is there.
#[inline]
pub fn on(number: u32) -> bool {
    let active = ACTIVE.load(Ordering::Relaxed);
    active == number || (active >= RECORD && seldom(active, number))
}

#[cold]
fn seldom(active: u32, number: u32) -> bool {
    if active == UNREAD {
        let asked = std::env::var("LUTRA_MUTANT").unwrap_or_default();
        let read = if asked == "record" { RECORD } else { asked.parse().unwrap_or(0) };
        ACTIVE.store(read, Ordering::Relaxed);
        return on(number);
    }
    if !PASSED[number as usize].swap(true, Ordering::Relaxed) {
        let list = LIST.get_or_init(|| {
            let path = std::env::var("LUTRA_MUTANT_HITS").expect("LUTRA_MUTANT_HITS");
            Mutex::new(std::fs::OpenOptions::new().create(true).append(true).open(path).expect("a file"))
        });
        list.lock().expect("no test panics here").write_all(&number.to_le_bytes()).expect("room");
    }
    false
}
