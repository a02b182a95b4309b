//! Giving up what is not needed: captures are hostile, and whoever finds a fault in a decoder should find nothing beyond it.
//!
//! On Linux: no new privileges and no capabilities; landlock lets only the files be opened that were named; seccomp refuses what
//! reading needs none of: programs, new connections, mounts, modules and their kin. Elsewhere nothing is given up.

use std::path::{Path, PathBuf};

use clap::ValueEnum;

/// How much is insisted on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Sandbox {
    /// Nothing is given up
    Off,
    /// What the kernel can enforce is given up
    BestEffort,
    /// All of it is given up, or the command does not run
    Strict,
}

/// What a command needs.
#[derive(Clone, Debug, Default)]
pub struct Needs {
    /// Files and directories that are read.
    pub reads: Vec<PathBuf>,
    /// Files that are written; each comes to be in its directory.
    pub writes: Vec<PathBuf>,
    /// What is done on the network.
    pub network: Network,
}

/// What is done on the network.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Network {
    /// Nothing; sockets that are open already may be used.
    #[default]
    None,
    /// Names of hosts in a capture filter are resolved.
    Names,
}

impl Needs {
    /// What reading `inputs` (`-` is none) and writing to `output` needs.
    pub fn new(inputs: &[PathBuf], output: Option<&Path>) -> Self {
        let is_file = |path: &&PathBuf| path.as_path() != Path::new("-");
        Self {
            reads: inputs.iter().filter(is_file).cloned().collect(),
            writes: output.map(Path::to_path_buf).iter().filter(is_file).cloned().collect(),
            network: Network::None,
        }
    }

    /// The same with names of hosts in `filter`, if there is one.
    pub fn resolving(mut self, filter: Option<&str>) -> Self {
        if filter.is_some() {
            self.network = Network::Names;
        }
        self
    }
}

#[cfg(all(
    feature = "sandbox",
    target_os = "linux",
    any(target_arch = "x86_64", target_arch = "aarch64", target_arch = "riscv64")
))]
mod linux {
    use std::collections::BTreeMap;
    use std::path::{Path, PathBuf};

    use anyhow::{Context, bail};
    use landlock::{
        ABI, Access, AccessFs, CompatLevel, Compatible, PathBeneath, PathFd, Ruleset, RulesetAttr, RulesetCreatedAttr,
        RulesetStatus,
    };
    use rustix::thread::{CapabilitySet, CapabilitySets, capabilities, set_capabilities, set_no_new_privs};
    use seccompiler::{BpfProgram, SeccompAction, SeccompFilter, SeccompRule};

    use super::{Needs, Network, Sandbox};

    /// Files that the time zones and the resolver of this system lie in, what counts drops of an interface, and how much of the cores
    /// this process may have.
    const SYSTEM_READS: [&str; 11] = [
        "/usr/share/zoneinfo",
        "/etc/localtime",
        "/etc/hosts",
        "/etc/resolv.conf",
        "/etc/nsswitch.conf",
        "/etc/protocols",
        "/etc/services",
        "/sys/class/net",
        "/sys/devices",
        "/proc/self",
        "/sys/fs/cgroup",
    ];

    /// The version of landlock that is asked for; an older kernel enforces less of it.
    const LANDLOCK: ABI = ABI::V5;

    /// Calls that start programs, reach into other processes, or change the system.
    const REFUSED: &[i64] = &[
        libc::SYS_execve,
        libc::SYS_execveat,
        libc::SYS_ptrace,
        libc::SYS_process_vm_readv,
        libc::SYS_process_vm_writev,
        libc::SYS_pidfd_getfd,
        libc::SYS_mount,
        libc::SYS_umount2,
        libc::SYS_move_mount,
        libc::SYS_open_tree,
        libc::SYS_fsopen,
        libc::SYS_fsmount,
        libc::SYS_pivot_root,
        libc::SYS_chroot,
        libc::SYS_setns,
        libc::SYS_unshare,
        libc::SYS_init_module,
        libc::SYS_finit_module,
        libc::SYS_delete_module,
        libc::SYS_kexec_load,
        libc::SYS_bpf,
        libc::SYS_perf_event_open,
        libc::SYS_userfaultfd,
        libc::SYS_io_uring_setup,
        libc::SYS_io_uring_enter,
        libc::SYS_io_uring_register,
        libc::SYS_add_key,
        libc::SYS_request_key,
        libc::SYS_keyctl,
        libc::SYS_open_by_handle_at,
        libc::SYS_fanotify_init,
        libc::SYS_reboot,
        libc::SYS_swapon,
        libc::SYS_swapoff,
        libc::SYS_acct,
        libc::SYS_quotactl,
        libc::SYS_personality,
        libc::SYS_settimeofday,
        libc::SYS_clock_settime,
        libc::SYS_adjtimex,
        libc::SYS_clock_adjtime,
        libc::SYS_sethostname,
        libc::SYS_setdomainname,
        libc::SYS_syslog,
        libc::SYS_setuid,
        libc::SYS_setgid,
        libc::SYS_setreuid,
        libc::SYS_setregid,
        libc::SYS_setresuid,
        libc::SYS_setresgid,
        libc::SYS_setgroups,
        libc::SYS_capset,
    ];

    /// Calls that reach other hosts. Sockets that are open already go on.
    const REFUSED_NETWORK: &[i64] = &[libc::SYS_socket, libc::SYS_connect, libc::SYS_bind, libc::SYS_listen];

    /// Gives up everything but `needs`.
    ///
    /// # Errors
    /// With [`Sandbox::Strict`]: the kernel does not enforce all of it.
    pub fn enter(sandbox: Sandbox, needs: &Needs) -> anyhow::Result<()> {
        if sandbox == Sandbox::Off {
            return Ok(());
        }
        let strict = |given_up: anyhow::Result<()>| match (sandbox, given_up) {
            (Sandbox::Strict, Err(error)) => Err(error.context("--sandbox strict")),
            (Sandbox::Off | Sandbox::BestEffort | Sandbox::Strict, _) => Ok(()),
        };
        strict(set_no_new_privs(true).context("no_new_privs"))?;
        strict(drop_capabilities().context("capabilities"))?;
        strict(restrict_files(needs).context("landlock"))?;
        strict(restrict_calls(needs).context("seccomp"))
    }

    /// Keeps what opens files of others, for root; landlock says which.
    fn drop_capabilities() -> anyhow::Result<()> {
        let kept = CapabilitySet::DAC_OVERRIDE | CapabilitySet::DAC_READ_SEARCH;
        let had = capabilities(None)?;
        let sets = CapabilitySets {
            effective: had.effective & kept,
            permitted: had.permitted & kept,
            inheritable: CapabilitySet::empty(),
        };
        Ok(set_capabilities(None, sets)?)
    }

    fn restrict_files(needs: &Needs) -> anyhow::Result<()> {
        let reading = AccessFs::from_read(LANDLOCK) & !AccessFs::Execute;
        let writing = reading | AccessFs::WriteFile | AccessFs::MakeReg | AccessFs::RemoveFile | AccessFs::Truncate;
        let mut rules: Vec<(PathBuf, _)> = SYSTEM_READS.map(|path| (PathBuf::from(path), reading)).into();
        for path in &needs.reads {
            rules.push((path.clone(), reading));
            // What the links in a directory of captures point to is read as well.
            let entries = std::fs::read_dir(path).into_iter().flatten().flatten();
            let links = entries.filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_symlink()));
            rules.extend(links.map(|link| (link.path(), reading)));
        }
        for path in &needs.writes {
            // A device or a pipe is opened as it is; a file is made beside its name and renamed.
            rules.push((path.clone(), reading | AccessFs::WriteFile | AccessFs::Truncate));
            let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
            rules.push((folder.to_path_buf(), writing));
        }
        rules.push((PathBuf::from("/dev/tty"), reading | AccessFs::WriteFile | AccessFs::IoctlDev));
        rules.push((PathBuf::from("/dev/null"), reading | AccessFs::WriteFile));
        let mut ruleset = Ruleset::default()
            .set_compatibility(CompatLevel::BestEffort)
            .handle_access(AccessFs::from_all(LANDLOCK))?
            .create()?;
        for (path, access) in rules {
            // What is not there cannot be opened, with or without a rule; the command says so itself. What has no place in
            // the file system, such as the pipe behind /dev/stdout, is not restricted.
            let Some(place) = path.canonicalize().ok().and_then(|path| PathFd::new(path).ok()) else { continue };
            let access = if path.is_dir() { access } else { access & AccessFs::from_file(LANDLOCK) };
            ruleset = ruleset.add_rule(PathBeneath::new(place, access))?;
        }
        match ruleset.restrict_self()?.ruleset {
            RulesetStatus::FullyEnforced => Ok(()),
            RulesetStatus::PartiallyEnforced => bail!("this kernel enforces only a part of it"),
            RulesetStatus::NotEnforced => bail!("this kernel has none, or has it switched off"),
        }
    }

    fn restrict_calls(needs: &Needs) -> anyhow::Result<()> {
        let network = match needs.network {
            Network::None => REFUSED_NETWORK,
            Network::Names => &[],
        };
        let rules: BTreeMap<i64, Vec<SeccompRule>> =
            REFUSED.iter().chain(network).map(|&call| (call, Vec::new())).collect();
        let refusal = SeccompAction::Errno(libc::EPERM as u32);
        let filter = SeccompFilter::new(rules, SeccompAction::Allow, refusal, std::env::consts::ARCH.try_into()?)?;
        let program: BpfProgram = filter.try_into()?;
        Ok(seccompiler::apply_filter(&program)?)
    }
}

#[cfg(all(
    feature = "sandbox",
    target_os = "linux",
    any(target_arch = "x86_64", target_arch = "aarch64", target_arch = "riscv64")
))]
pub use linux::enter;

#[cfg(not(all(
    feature = "sandbox",
    target_os = "linux",
    any(target_arch = "x86_64", target_arch = "aarch64", target_arch = "riscv64")
)))]
pub fn enter(sandbox: Sandbox, _: &Needs) -> anyhow::Result<()> {
    if sandbox == Sandbox::Strict {
        anyhow::bail!(
            "--sandbox strict: there is no sandbox on this system, or it was not built in (cargo feature \"sandbox\")"
        );
    }
    Ok(())
}

#[cfg(all(
    test,
    feature = "sandbox",
    target_os = "linux",
    any(target_arch = "x86_64", target_arch = "aarch64", target_arch = "riscv64")
))]
mod tests {
    use std::fs::{self, File};
    use std::io::ErrorKind;
    use std::net::UdpSocket;
    use std::process::Command;

    use super::*;

    /// The error of what must not succeed.
    fn refused<T>(attempt: std::io::Result<T>) -> ErrorKind {
        attempt.err().map_or(ErrorKind::Other, |error| error.kind())
    }

    #[test]
    fn inside_only_what_was_named_can_be_opened_and_nothing_be_started() {
        let folder = std::env::temp_dir().join(format!("lastack-sandbox-{}", std::process::id()));
        fs::create_dir_all(folder.join("out")).unwrap();
        let (named, other) = (folder.join("named"), folder.join("other"));
        fs::write(&named, "yes").unwrap();
        fs::write(&other, "no").unwrap();
        let output = folder.join("out/result");
        // What a thread gives up, it gives up for itself.
        let inside = std::thread::spawn({
            let (named, other, output) = (named.clone(), other.clone(), output.clone());
            move || {
                let needs = Needs::new(std::slice::from_ref(&named), Some(&output));
                if let Err(error) = enter(Sandbox::Strict, &needs) {
                    eprintln!("skipped: {error:#}");
                    return false;
                }
                assert_eq!(fs::read_to_string(&named).unwrap(), "yes");
                fs::write(output.with_extension("partial"), "done").unwrap();
                fs::rename(output.with_extension("partial"), &output).unwrap();
                let denied = ErrorKind::PermissionDenied;
                assert_eq!(refused(File::open(&other)), denied);
                assert_eq!(refused(fs::write(&named, "changed")), denied);
                assert_eq!(refused(fs::remove_file(&other)), denied);
                assert_eq!(refused(UdpSocket::bind("127.0.0.1:0")), denied);
                assert_eq!(refused(Command::new("true").status()), denied);
                true
            }
        });
        if inside.join().unwrap() {
            assert_eq!(fs::read_to_string(&output).unwrap(), "done");
        }
        fs::remove_dir_all(&folder).unwrap();
    }

    #[test]
    fn nothing_is_given_up_when_nobody_wants_it() {
        let inside = std::thread::spawn(|| {
            enter(Sandbox::Off, &Needs::default()).unwrap();
            File::open(env!("CARGO_MANIFEST_DIR")).is_ok() && UdpSocket::bind("127.0.0.1:0").is_ok()
        });
        assert!(inside.join().unwrap());
    }
}
