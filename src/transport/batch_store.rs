//! Results of batches as exact integers that can be stored, added and resumed.
//!
//! A `BatchStore` belongs to one run, named by its `Identity`: program and kernel, matter, activity, regions,
//! emissions, settings, seed, number and size of batches. Stores of the same run whose batches do not overlap add up
//! in any order to the store of the whole run, bit for bit: sums, squares and accounts are integers, and the sums of
//! regions are kept by batch.
//!
//! File layout, all numbers little-endian: the magic line, then blocks of (length u64, bytes): a JSON header, the
//! energies that need no sampling (f64), and for each pass the sums (i64) and squares (u128) by bin, zlib-compressed,
//! and the energy of an unfinished batch; then the SHA-256 of everything before it.

use crate::digest::finished;
use crate::fault::{Explained, Fault, FaultKind, Setting, Words, explained, words};
use crate::tally::{BatchTally, EmptyBins, Ledger, Moments, Regions};
use crate::transport::emission::Pass;
use crate::transport::identity::hash_numbers;
pub use crate::transport::identity::{Identity, InputHashes};
pub use crate::transport::plan::Shard;
use flate2::Compression;
use flate2::read::ZlibDecoder;
use flate2::write::ZlibEncoder;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::io::{self, Read, Write};

/// First bytes of a stored file; the number is raised when the layout changes.
const MAGIC: &[u8] = b"LUTRA BATCHES 1\n";

/// One batch of one pass in the list of batches done.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BatchRow {
    /// Number of the batch.
    pub number: u32,
    /// Histories.
    pub histories: u64,
    /// Energy by region, tally entries, in the order of the store's labels.
    pub regions: Vec<i128>,
}

/// The batches of one pass.
#[derive(Clone, Debug, PartialEq)]
pub struct PassStore {
    /// Which pass.
    pub pass: Pass,
    /// Sum and squares by bin.
    pub moments: Moments,
    /// The account.
    pub ledger: Ledger,
    /// Batches done, ascending in number.
    pub rows: Vec<BatchRow>,
    /// Decays of one history of weight 1 in one batch.
    pub decays_per_history: f64,
    /// keV of one tally entry of a batch mean.
    pub kev_per_entry: f64,
    /// Time in the engine, s.
    pub seconds: f64,
}

impl PassStore {
    /// Adds the whole batch `number` and gives its bins back, emptied. Errors with the first bin whose sum would pass
    /// 2^63.
    pub fn add(&mut self, number: u32, tally: BatchTally, regions: Regions<'_>) -> Result<EmptyBins, usize> {
        let BatchTally { energy, ledger, histories, .. } = tally;
        let (bins, regions) = self.moments.absorb(energy, regions)?;
        self.ledger.add(&ledger);
        self.rows.push(BatchRow { number, histories, regions });
        Ok(bins)
    }
}

/// A batch under way: the histories before `next` are in `tally`.
#[derive(Clone, Debug, PartialEq)]
pub struct PartialBatch {
    /// Which pass.
    pub pass: Pass,
    /// Number of the batch.
    pub number: u32,
    /// First history that is not in `tally`.
    pub next: u32,
    /// Tally of the histories before `next`.
    pub tally: BatchTally,
}

/// State of the uncertainty checks of a run that stops at a target uncertainty.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Looks {
    /// Batches at which the next check is due.
    pub next: u32,
    /// Checks in a row that met the goal.
    pub met: u32,
}

/// Results of the batches of a run or of a part of it.
#[derive(Clone, Debug, PartialEq)]
pub struct BatchStore {
    /// Which run.
    pub identity: Identity,
    /// Which part of it; `None`: all of it.
    pub shard: Option<Shard>,
    /// Batches that the whole run has; 0 where an uncertainty decides.
    pub planned: u32,
    /// Electron histories expected in a batch.
    pub per_batch: f64,
    /// Decays of the source.
    pub decays: f64,
    /// Energy by bin that needs no sampling, keV.
    pub local_kev: Vec<f64>,
    /// Region labels, ascending.
    pub labels: Vec<u16>,
    /// The regions' share of `local_kev`, keV.
    pub region_local_kev: Vec<f64>,
    /// Electrons, photons.
    pub passes: [PassStore; 2],
    /// The unfinished batch.
    pub partial: Option<PartialBatch>,
    /// Checks of the uncertainty.
    pub looks: Looks,
    /// Time spent so far, s.
    pub wall_seconds: f64,
}

/// Why stores cannot be added.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum MergeError {
    /// Nothing to add.
    Nothing,
    /// They belong to different runs.
    Different {
        /// The output that differs.
        name: String,
        /// The output it is compared with.
        first: String,
        /// What differs.
        what: String,
        /// Its value.
        found: String,
        /// The other's.
        expected: String,
    },
    /// A batch is in two of them.
    Overlap {
        /// The output.
        name: String,
        /// The output that has it too.
        first: String,
        /// The batch.
        batch: u32,
    },
    /// Batches are lacking.
    Missing {
        /// Batches there.
        found: usize,
        /// Batches of the run.
        planned: u32,
        /// Which are lacking, by shard where the shards are known.
        missing: String,
    },
    /// It holds an unfinished batch.
    Unfinished {
        /// The output.
        name: String,
        /// The batch.
        batch: u32,
    },
    /// A tally passed 64 bits.
    Overflow {
        /// The output.
        name: String,
        /// The bin.
        bin: usize,
    },
}

explained!(MergeError);

impl Explained for MergeError {
    fn fault(&self) -> Fault {
        let of_batch = |name: &str, batch: u32, found: &str, allowed: &str, next: Words| {
            Fault::invalid(name, format!("batch {batch}"), found, allowed, next)
        };
        match self {
            Self::Nothing => {
                Fault::invalid("merge", "", "no output", "at least one", "Name the folders of the shards.")
                    .kind(FaultKind::Missing)
            }
            Self::Different { name, first, what, found, expected } => Fault::invalid(
                name,
                what,
                found,
                format!("{expected}, as in {first}"),
                "Only parts of one run can be merged: leave it out or compute it again with the same inputs, settings, \
                 seed and version.",
            )
            .kind(FaultKind::Mismatch),
            Self::Overlap { name, first, batch } => {
                let allowed = format!("once, it is already in {first}");
                of_batch(name, *batch, "a second time", &allowed, "Leave one of the two out.".into())
            }
            Self::Missing { found, planned, missing } => Fault::invalid(
                "merge",
                "",
                format!("{found} of {planned} batches, missing {missing}"),
                "all",
                words!("Add the missing outputs, or merge what is there with ", Setting::AllowMissing, "."),
            )
            .kind(FaultKind::Missing),
            Self::Unfinished { name, batch } => {
                let next = words!("Finish that run first with ", Setting::Resume, ".");
                of_batch(name, *batch, "unfinished", "whole batches", next)
            }
            Self::Overflow { name, bin } => {
                let bin = format!("tally bin {bin}");
                Fault::invalid(name, bin, "a sum above 2^63", "less", "Merge fewer outputs.").kind(FaultKind::TooLarge)
            }
        }
    }
}

impl BatchStore {
    /// Numbers of the batches that all passes with emissions have done, ascending.
    pub fn batches(&self) -> Vec<u32> {
        let lists: Vec<Vec<u32>> = self
            .passes
            .iter()
            .filter(|p| !p.rows.is_empty())
            .map(|p| p.rows.iter().map(|r| r.number).collect())
            .collect();
        lists.into_iter().min_by_key(Vec::len).unwrap_or_default()
    }

    /// SHA-256 over both passes' batches, sums and sums of squares, little-endian.
    pub fn tally_hash(&self) -> String {
        let mut hasher = Sha256::new();
        for pass in &self.passes {
            hasher.update(pass.moments.batches.to_le_bytes());
            hash_numbers(&mut hasher, &pass.moments.sum, i64::to_le_bytes);
            hash_numbers(&mut hasher, &pass.moments.squares, u128::to_le_bytes);
        }
        finished(hasher)
    }

    /// Everything except the arrays by bin.
    pub fn without_bins(&self) -> Self {
        let account = |pass: &PassStore| PassStore {
            moments: Moments { batches: pass.moments.batches, ..Moments::default() },
            rows: pass.rows.clone(),
            ..*pass
        };
        Self {
            identity: self.identity.clone(),
            local_kev: Vec::new(),
            labels: self.labels.clone(),
            region_local_kev: self.region_local_kev.clone(),
            passes: self.passes.each_ref().map(account),
            partial: None,
            ..*self
        }
    }

    /// Adds the batches of another part of the same run; `mine` and `its` name the two in errors.
    pub fn add(&mut self, other: &BatchStore, mine: &str, its: &str) -> Result<(), MergeError> {
        if let Some((what, expected, found)) = self.identity.difference(&other.identity) {
            return Err(MergeError::Different {
                name: its.to_owned(),
                first: mine.to_owned(),
                what: what.to_owned(),
                found: found.to_owned(),
                expected: expected.to_owned(),
            });
        }
        if let Some(partial) = other.partial.as_ref().or(self.partial.as_ref()) {
            let name = if other.partial.is_some() { its } else { mine };
            return Err(MergeError::Unfinished { name: name.to_owned(), batch: partial.number });
        }
        for (a, b) in self.passes.iter_mut().zip(&other.passes) {
            if let Some(row) = b.rows.iter().find(|r| a.rows.binary_search_by_key(&r.number, |r| r.number).is_ok()) {
                return Err(MergeError::Overlap { name: its.to_owned(), first: mine.to_owned(), batch: row.number });
            }
            a.moments.add(&b.moments).map_err(|bin| MergeError::Overflow { name: its.to_owned(), bin })?;
            a.ledger.add(&b.ledger);
            a.rows.extend(b.rows.iter().cloned());
            a.rows.sort_by_key(|r| r.number);
            a.seconds += b.seconds;
        }
        self.wall_seconds += other.wall_seconds;
        Ok(())
    }

    /// Whether every batch of the run is there. `shards`: number of shards that the parts were cut into, for the error
    /// message.
    pub fn complete(&self, shards: Option<u32>) -> Result<(), MergeError> {
        if let Some(partial) = &self.partial {
            return Err(MergeError::Unfinished { name: "merge".to_owned(), batch: partial.number });
        }
        let present = self.batches();
        let lacking: Vec<u32> = (0..self.planned).filter(|b| present.binary_search(b).is_err()).collect();
        if lacking.is_empty() {
            return Ok(());
        }
        let missing = match shards {
            Some(count) => {
                let mut list: Vec<u32> = lacking.iter().map(|b| b % count + 1).collect();
                list.sort_unstable();
                list.dedup();
                let words: Vec<String> = list.iter().map(|k| format!("{k}/{count}")).collect();
                format!("shard {}", words.join(", "))
            }
            None => {
                let words: Vec<String> = lacking.iter().map(u32::to_string).collect();
                format!("batch {}", words.join(", "))
            }
        };
        Err(MergeError::Missing { found: present.len(), planned: self.planned, missing })
    }
}

/// Everything but the big arrays; real numbers as their bits, so that they are read back exactly.
#[derive(Serialize, Deserialize)]
struct Header {
    serial: u64,
    identity: Identity,
    shard: Option<Shard>,
    planned: u32,
    per_batch_bits: u64,
    decays_bits: u64,
    local_bins: usize,
    labels: Vec<u16>,
    region_local_kev_bits: Vec<u64>,
    passes: Vec<PassHeader>,
    partial: Option<PartialHeader>,
    looks: Looks,
    wall_seconds_bits: u64,
}

#[derive(Serialize, Deserialize)]
struct PassHeader {
    pass: Pass,
    bins: usize,
    ledger: Ledger,
    rows: Vec<BatchRow>,
    decays_per_history_bits: u64,
    kev_per_entry_bits: u64,
    seconds_bits: u64,
}

#[derive(Serialize, Deserialize)]
struct PartialHeader {
    pass: Pass,
    number: u32,
    next: u32,
    bins: usize,
    ledger: Ledger,
    histories: u64,
}

/// Passes bytes on and hashes them.
struct Hashing<T> {
    inner: T,
    hash: Sha256,
}

impl<W: Write> Write for Hashing<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let n = self.inner.write(bytes)?;
        self.hash.update(&bytes[..n]);
        Ok(n)
    }
    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}

impl<R: Read> Read for Hashing<R> {
    fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        let n = self.inner.read(bytes)?;
        self.hash.update(&bytes[..n]);
        Ok(n)
    }
}

/// Writes blocks behind a magic line and closes them with a SHA-256.
pub(crate) struct BlockWriter<W: Write>(Hashing<W>);

impl<W: Write> BlockWriter<W> {
    pub(crate) fn new(to: W, magic: &[u8]) -> io::Result<Self> {
        let mut writer = Self(Hashing { inner: to, hash: Sha256::new() });
        writer.0.write_all(magic)?;
        Ok(writer)
    }

    pub(crate) fn plain(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.0.write_all(&(bytes.len() as u64).to_le_bytes())?;
        self.0.write_all(bytes)
    }

    /// Numbers, compressed.
    pub(crate) fn packed<T: Copy, const N: usize>(
        &mut self,
        numbers: &[T],
        bytes: impl Fn(T) -> [u8; N],
    ) -> io::Result<()> {
        let mut encoder = ZlibEncoder::new(Vec::new(), Compression::fast());
        let mut buffer = Vec::with_capacity(N * 4096);
        for chunk in numbers.chunks(4096) {
            buffer.clear();
            chunk.iter().for_each(|&x| buffer.extend_from_slice(&bytes(x)));
            encoder.write_all(&buffer)?;
        }
        self.plain(&encoder.finish()?)
    }

    pub(crate) fn close(self) -> io::Result<W> {
        let Hashing { mut inner, hash } = self.0;
        inner.write_all(&hash.finalize())?;
        inner.flush()?;
        Ok(inner)
    }
}

/// Reads what [`BlockWriter`] wrote.
pub(crate) struct BlockReader<R: Read>(Hashing<R>);

fn damaged(what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what.to_owned())
}

/// An error of unpacking, in place of the library's own words.
fn unpacked(error: io::Error) -> io::Error {
    match error.kind() {
        io::ErrorKind::InvalidInput | io::ErrorKind::InvalidData => damaged("its packed numbers are damaged"),
        _ => error,
    }
}

impl<R: Read> BlockReader<R> {
    /// A plain block as the value that was written.
    pub(crate) fn head<T: serde::de::DeserializeOwned>(&mut self) -> io::Result<T> {
        serde_json::from_slice(&self.plain()?).map_err(|_| damaged("its head is not as Lutra writes it"))
    }

    pub(crate) fn new(from: R, magic: &[u8]) -> io::Result<Self> {
        let mut reader = Self(Hashing { inner: from, hash: Sha256::new() });
        let mut found = vec![0; magic.len()];
        reader.0.read_exact(&mut found)?;
        if found != magic {
            return Err(damaged("another kind or version of file"));
        }
        Ok(reader)
    }

    fn block(&mut self) -> io::Result<io::Take<&mut Hashing<R>>> {
        let mut length = [0; 8];
        self.0.read_exact(&mut length)?;
        Ok((&mut self.0).take(u64::from_le_bytes(length)))
    }

    pub(crate) fn plain(&mut self) -> io::Result<Vec<u8>> {
        let mut block = self.block()?;
        let expected = block.limit();
        let mut bytes = Vec::new();
        block.read_to_end(&mut bytes)?;
        if bytes.len() as u64 != expected { Err(damaged("the file ends early")) } else { Ok(bytes) }
    }

    pub(crate) fn packed<T, const N: usize>(
        &mut self,
        count: usize,
        number: impl Fn([u8; N]) -> T,
    ) -> io::Result<Vec<T>> {
        let mut block = self.block()?;
        let mut decoder = ZlibDecoder::new(&mut block);
        let mut numbers = Vec::new();
        let mut buffer = vec![0u8; N * 4096];
        while numbers.len() < count {
            let wanted = (count - numbers.len()).min(4096);
            decoder.read_exact(&mut buffer[..N * wanted]).map_err(unpacked)?;
            numbers.extend(buffer[..N * wanted].as_chunks::<N>().0.iter().map(|&bytes| number(bytes)));
        }
        if decoder.read(&mut [0]).map_err(unpacked)? != 0 {
            return Err(damaged("more numbers than announced"));
        }
        drop(decoder);
        io::copy(&mut block, &mut io::sink())?;
        Ok(numbers)
    }

    /// The SHA-256 of all read so far.
    pub(crate) fn hash(&self) -> String {
        finished(self.0.hash.clone())
    }

    /// Compares the checksum at the end.
    pub(crate) fn close(self) -> io::Result<()> {
        let Hashing { mut inner, hash } = self.0;
        let mut stored = [0; 32];
        inner.read_exact(&mut stored)?;
        if stored[..] != hash.finalize()[..] {
            return Err(damaged("the checksum does not fit: some byte has changed"));
        }
        Ok(())
    }
}

/// Writes a store; `serial` tells checkpoints of one run apart.
pub fn write_store(to: impl Write, store: &BatchStore, serial: u64) -> io::Result<()> {
    let header = Header {
        serial,
        identity: store.identity.clone(),
        shard: store.shard,
        planned: store.planned,
        per_batch_bits: store.per_batch.to_bits(),
        decays_bits: store.decays.to_bits(),
        local_bins: store.local_kev.len(),
        labels: store.labels.clone(),
        region_local_kev_bits: store.region_local_kev.iter().map(|x| x.to_bits()).collect(),
        passes: store
            .passes
            .iter()
            .map(|p| PassHeader {
                pass: p.pass,
                bins: p.moments.sum.len(),
                ledger: p.ledger,
                rows: p.rows.clone(),
                decays_per_history_bits: p.decays_per_history.to_bits(),
                kev_per_entry_bits: p.kev_per_entry.to_bits(),
                seconds_bits: p.seconds.to_bits(),
            })
            .collect(),
        partial: store.partial.as_ref().map(|p| PartialHeader {
            pass: p.pass,
            number: p.number,
            next: p.next,
            bins: p.tally.energy.len(),
            ledger: p.tally.ledger,
            histories: p.tally.histories,
        }),
        looks: store.looks,
        wall_seconds_bits: store.wall_seconds.to_bits(),
    };
    let mut writer = BlockWriter::new(to, MAGIC)?;
    writer.plain(&serde_json::to_vec(&header)?)?;
    writer.packed(&store.local_kev, f64::to_le_bytes)?;
    for pass in &store.passes {
        writer.packed(&pass.moments.sum, i64::to_le_bytes)?;
        writer.packed(&pass.moments.squares, u128::to_le_bytes)?;
    }
    let under_way = store.partial.as_ref().map(|p| &p.tally.energy[..]).unwrap_or_default();
    writer.packed(under_way, i64::to_le_bytes)?;
    writer.close()?;
    Ok(())
}

/// Reads a store and its serial number. Errors: unreadable; any byte changed.
pub fn read_store(from: impl Read) -> io::Result<(BatchStore, u64)> {
    let mut reader = BlockReader::new(from, MAGIC)?;
    let header: Header = reader.head()?;
    let local_kev = reader.packed(header.local_bins, f64::from_le_bytes)?;
    let mut passes = Vec::new();
    for p in header.passes {
        let batches = p.rows.len() as u64;
        let sum = reader.packed(p.bins, i64::from_le_bytes)?;
        let squares = reader.packed(p.bins, u128::from_le_bytes)?;
        passes.push(PassStore {
            pass: p.pass,
            moments: Moments { batches, sum, squares },
            ledger: p.ledger,
            rows: p.rows,
            decays_per_history: f64::from_bits(p.decays_per_history_bits),
            kev_per_entry: f64::from_bits(p.kev_per_entry_bits),
            seconds: f64::from_bits(p.seconds_bits),
        });
    }
    let energy = reader.packed(header.partial.as_ref().map_or(0, |p| p.bins), i64::from_le_bytes)?;
    reader.close()?;
    let passes: [PassStore; 2] = passes.try_into().map_err(|_| damaged("not two passes"))?;
    let store = BatchStore {
        identity: header.identity,
        shard: header.shard,
        planned: header.planned,
        per_batch: f64::from_bits(header.per_batch_bits),
        decays: f64::from_bits(header.decays_bits),
        local_kev,
        labels: header.labels,
        region_local_kev: header.region_local_kev_bits.into_iter().map(f64::from_bits).collect(),
        passes,
        partial: header.partial.map(|p| PartialBatch {
            pass: p.pass,
            number: p.number,
            next: p.next,
            tally: BatchTally { energy, ledger: p.ledger, histories: p.histories, flags: 0 },
        }),
        looks: header.looks,
        wall_seconds: f64::from_bits(header.wall_seconds_bits),
    };
    Ok((store, header.serial))
}

/// Adds stores given with their names, in any order. `allow_missing`: whether batches may be lacking.
pub fn merge(
    parts: impl IntoIterator<Item = Result<(String, BatchStore), MergeError>>,
    allow_missing: bool,
) -> Result<BatchStore, MergeError> {
    let mut parts = parts.into_iter();
    let (first, mut whole) = parts.next().ok_or(MergeError::Nothing)??;
    let mut shards = whole.shard.map(|s| s.count);
    // which store holds which batch, for error messages
    let mut bringer: BTreeMap<u32, String> = whole.batches().into_iter().map(|b| (b, first.clone())).collect();
    for part in parts {
        let (name, part) = part?;
        whole.add(&part, &first, &name).map_err(|error| match error {
            MergeError::Overlap { name, batch, first } => {
                MergeError::Overlap { first: bringer.get(&batch).cloned().unwrap_or(first), name, batch }
            }
            other => other,
        })?;
        bringer.extend(part.batches().into_iter().map(|b| (b, name.clone())));
        if part.shard.map(|s| s.count) != shards {
            shards = None;
        }
    }
    whole.shard = None;
    if !allow_missing {
        whole.complete(shards)?;
    }
    Ok(whole)
}
