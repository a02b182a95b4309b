//! Root opens the interface and does nothing else: whoever reads frames is somebody who may do little.

/// Whether files are written while it runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Files {
    /// They are.
    Written,
    /// They are not.
    None,
}

/// Becomes the user that called sudo, and without sudo nobody. Without sudo and with files to write it stays root and drops
/// every capability: it may write what belongs to root, and no more.
///
/// # Errors
/// The system does not let go of privileges: in some containers root is the only user.
#[cfg(target_os = "linux")]
pub fn drop_to_caller(files: Files) -> anyhow::Result<()> {
    use anyhow::Context;
    use rustix::process::{Gid, Uid, geteuid};
    use rustix::thread::{
        CapabilitySet, CapabilitySets, set_capabilities, set_thread_groups, set_thread_res_gid, set_thread_res_uid,
    };

    /// The user and group that own nothing.
    const NOBODY: u32 = 65_534;

    // The only thread so far is this one, and others inherit what it is.
    let of = |variable: &str| std::env::var(variable).ok()?.parse::<u32>().ok().filter(|&id| id != u32::MAX);
    let target = match (of("SUDO_UID"), of("SUDO_GID"), files) {
        _ if !geteuid().is_root() => None,
        (Some(user), Some(group), _) => Some((user, group)),
        (_, _, Files::None) => Some((NOBODY, NOBODY)),
        (_, _, Files::Written) => None,
    };
    let became = target.map_or(Ok(()), |(user, group)| {
        let (uid, gid) = (Uid::from_raw(user), Gid::from_raw(group));
        set_thread_groups(&[])
            .and_then(|()| set_thread_res_gid(gid, gid, gid))
            .and_then(|()| set_thread_res_uid(uid, uid, uid))
            .with_context(|| format!("cannot become user {user}"))
    });
    let none = CapabilitySet::empty();
    let sets = CapabilitySets { effective: none, permitted: none, inheritable: none };
    set_capabilities(None, sets).context("cannot drop capabilities")?;
    became
}

/// Only Linux has these means.
///
/// # Errors
/// Never.
#[cfg(not(target_os = "linux"))]
pub fn drop_to_caller(_: Files) -> anyhow::Result<()> {
    Ok(())
}
