//! A Slurm cluster of one node on this machine, for the length of a test: munged, slurmctld and slurmd as ordinary child
//! processes, with every file in a folder of their own.

use crate::cli_examples::wait;
use crate::needs::{self, Need};
use crate::outside;
use std::fs;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// Processors that the node says it has: jobs wait for them and not for the machine's.
const PROCESSORS: u32 = 64;
/// How long the daemons may take to begin, s. It takes 1 to 2.
const PATIENCE: Duration = Duration::from_secs(60);

pub struct Cluster {
    folder: tempfile::TempDir,
    daemons: Vec<Child>,
}

impl Cluster {
    /// The cluster; none, with SKIPPED and why, where Slurm is not installed or does not run.
    pub fn start() -> Option<Self> {
        let found = Self::begin();
        found.map_err(|why| needs::skip(Need::Workflows, &why)).ok()
    }

    fn begin() -> Result<Self, String> {
        for program in ["munged", "slurmctld", "slurmd", "sbatch"] {
            if !outside::run("sh", &["-c", &format!("command -v {program}")]).is_some_and(|(found, _)| found) {
                return Err(format!("{program} is not there (Debian: apt-get install slurm-wlm)"));
            }
        }
        let folder = tempfile::tempdir().expect("temporary folder");
        let mut cluster = Self { folder, daemons: Vec::new() };
        cluster.write_files().map_err(|e| format!("{}: {e}", cluster.folder.path().display()))?;
        let path = |name: &str| cluster.file(name).display().to_string();
        let munge = [
            "--foreground".to_owned(),
            "--force".to_owned(),
            format!("--socket={}", path("munge.socket")),
            format!("--key-file={}", path("munge.key")),
            format!("--pid-file={}", path("munge.pid")),
            format!("--log-file={}", path("munge.log")),
            format!("--seed-file={}", path("munge.seed")),
        ];
        cluster.daemon("munged", &munge)?;
        wait("munge socket", PATIENCE, || cluster.file("munge.socket").exists().then_some(()));
        let config = cluster.config().display().to_string();
        for daemon in ["slurmctld", "slurmd"] {
            cluster.daemon(daemon, &["-D".to_owned(), "-f".to_owned(), config.clone()])?;
        }
        cluster.wait_for_node()?;
        Ok(cluster)
    }

    fn write_files(&self) -> std::io::Result<()> {
        for name in ["state", "spool"] {
            fs::create_dir(self.file(name))?;
        }
        // a key for the length of the test: what it protects listens on this machine only
        let key: String = (0..64).map(|n| format!("lutra{n:03}")).collect();
        fs::write(self.file("munge.key"), key)?;
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            fs::set_permissions(self.file("munge.key"), fs::Permissions::from_mode(0o400))?;
            // the socket's folder must be open to those who sign with it
            fs::set_permissions(self.folder.path(), fs::Permissions::from_mode(0o711))?;
        }
        let ports: Vec<TcpListener> =
            (0..2).map(|_| TcpListener::bind(("127.0.0.1", 0))).collect::<std::io::Result<_>>()?;
        let port = |n: usize| ports[n].local_addr().map(|address| address.port());
        let place = self.folder.path().display();
        let said = |program: &str, flag: &str| {
            outside::run(program, &[flag]).map(|(_, text)| text.trim().to_owned()).unwrap_or_default()
        };
        let (host, user) = (said("hostname", "-s"), said("id", "-un"));
        let (control, node) = (port(0)?, port(1)?);
        let text = format!(
            "ClusterName=lutra\n\
             SlurmctldHost={host}(127.0.0.1)\n\
             SlurmUser={user}\n\
             SlurmdUser={user}\n\
             AuthType=auth/munge\n\
             AuthInfo=socket={place}/munge.socket\n\
             SlurmctldPort={control}\n\
             SlurmdPort={node}\n\
             StateSaveLocation={place}/state\n\
             SlurmdSpoolDir={place}/spool\n\
             SlurmctldPidFile={place}/slurmctld.pid\n\
             SlurmdPidFile={place}/slurmd.pid\n\
             SlurmctldLogFile={place}/slurmctld.log\n\
             SlurmdLogFile={place}/slurmd.log\n\
             ProctrackType=proctrack/linuxproc\n\
             TaskPlugin=task/none\n\
             MpiDefault=none\n\
             SchedulerType=sched/builtin\n\
             SchedulerParameters=batch_sched_delay=0,sched_interval=1,sched_min_interval=0\n\
             SelectType=select/cons_tres\n\
             SelectTypeParameters=CR_CPU\n\
             SlurmdParameters=config_overrides\n\
             AccountingStorageType=accounting_storage/none\n\
             JobAcctGatherType=jobacct_gather/none\n\
             JobCompType=jobcomp/none\n\
             NodeName={host} NodeAddr=127.0.0.1 CPUs={PROCESSORS} State=UNKNOWN\n\
             PartitionName=all Nodes=ALL Default=YES MaxTime=INFINITE State=UP\n"
        );
        fs::write(self.config(), text)
    }

    fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// What `SLURM_CONF` is to name.
    pub fn config(&self) -> PathBuf {
        self.file("slurm.conf")
    }

    /// One of Slurm's programs, set to this cluster.
    pub fn command(&self, program: &str) -> Command {
        let mut command = Command::new(program);
        command.env("SLURM_CONF", self.config()).stdin(Stdio::null());
        command
    }

    fn daemon(&mut self, program: &str, arguments: &[String]) -> Result<(), String> {
        let errors = fs::File::create(self.file(&format!("{program}.err"))).map_err(|e| e.to_string())?;
        let child = self.command(program).args(arguments).stdout(Stdio::null()).stderr(errors).spawn();
        self.daemons.push(child.map_err(|e| format!("{program} does not start: {e}"))?);
        Ok(())
    }

    fn wait_for_node(&mut self) -> Result<(), String> {
        let begun = Instant::now();
        loop {
            let sinfo =
                self.command("sinfo").args(["--noheader", "--format=%T"]).output().map_err(|e| e.to_string())?;
            if String::from_utf8_lossy(&sinfo.stdout).trim() == "idle" {
                return Ok(());
            }
            let ended = self.daemons.iter_mut().any(|daemon| daemon.try_wait().ok().flatten().is_some());
            if ended || begun.elapsed() > PATIENCE {
                let last = |name: &str| tail(&self.file(name));
                let logs = ["munged.err", "slurmctld.err", "slurmd.err"].map(last).join(" | ");
                return Err(format!("the Slurm daemons do not run here: {logs}"));
            }
            std::thread::sleep(Duration::from_millis(100));
        }
    }
}

/// The last lines of a file.
fn tail(path: &Path) -> String {
    let text = fs::read_to_string(path).unwrap_or_default();
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(4)..].join("; ")
}

impl Drop for Cluster {
    /// Jobs first, then the daemons, the newest first.
    fn drop(&mut self) {
        let _none_may_be_left = self.command("scancel").args(["--signal=KILL", "--full", "--state=RUNNING"]).output();
        for mut daemon in self.daemons.drain(..).rev() {
            // slurmd would leave its steps' managers behind if it were killed at once
            let _ = Command::new("kill").arg(daemon.id().to_string()).status();
            let begun = Instant::now();
            while daemon.try_wait().ok().flatten().is_none() {
                if begun.elapsed() > Duration::from_secs(10) {
                    let _ = daemon.kill();
                    let _ = daemon.wait();
                    break;
                }
                std::thread::sleep(Duration::from_millis(20));
            }
        }
    }
}
