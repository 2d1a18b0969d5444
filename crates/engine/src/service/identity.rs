//! Turns the names of a user, a group and a folder into what a worker becomes before it handles anything.

use crate::config::{Config, ConfigError};
use nix::unistd::{Gid, Group, Uid, User, chdir, chroot, getgrouplist, setgid, setgroups, setuid};
use std::ffi::CString;
use std::io;
use std::path::{Path, PathBuf};
use wirewool_ipc::process::follow_parent;

/// Who a worker is to be, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    user: Option<Uid>,
    group: Option<Gid>,
    /// All groups of the user, or the group alone.
    groups: Vec<Gid>,
    root: Option<PathBuf>,
}

impl Identity {
    /// Who is asked for, if anybody is. What cannot be goes to `wrong`. It takes root to become somebody else: anybody
    /// else stays who he is.
    pub(crate) fn look_up(config: &Config, wrong: &mut Vec<ConfigError>) -> Option<Identity> {
        let user = config.user.as_deref().and_then(|name| find("user", name, "a user of this system", user, wrong));
        let group =
            config.group.as_deref().and_then(|name| find("group", name, "a group of this system", group, wrong));
        let is_folder = |path: &str| Path::new(path).is_dir().then(|| PathBuf::from(path));
        let root = config.chroot.as_deref().and_then(|path| find("chroot", path, "a folder", is_folder, wrong));
        if config.user.is_none() && config.group.is_none() && config.chroot.is_none() {
            return None;
        }
        if !Uid::effective().is_root() {
            return None;
        }
        let gid = group.map(|group| group.gid).or(user.as_ref().map(|user| user.gid));
        let mut groups: Vec<Gid> = gid.into_iter().collect();
        if let Some(user) = &user
            && let Ok(name) = CString::new(user.name.clone())
            && let Some(gid) = gid
        {
            groups = getgrouplist(&name, gid).unwrap_or(groups);
        }
        Some(Identity { user: user.map(|user| user.uid), group: gid, groups, root })
    }

    /// Who is to own what workers are to open again, as numbers of a user and a group.
    pub fn owner(&self) -> (Option<u32>, Option<u32>) {
        (self.user.map(Uid::as_raw), self.group.map(Gid::as_raw))
    }

    /// Are the paths of others not this one's any more?
    pub fn has_own_root(&self) -> bool {
        self.root.is_some()
    }

    /// This process, a worker with a single thread, becomes that, for good.
    ///
    /// # Errors
    /// It may not. Then it is to end: it may be half of what it was.
    pub fn assume(&self) -> io::Result<()> {
        if let Some(root) = &self.root {
            chroot(root)?;
            chdir("/")?;
        }
        if let Some(group) = self.group {
            setgroups(&self.groups)?;
            setgid(group)?;
        }
        if let Some(user) = self.user {
            setuid(user)?;
        }
        follow_parent()
    }
}

fn find<T>(
    option: &'static str,
    name: &str,
    wanted: &str,
    find: impl Fn(&str) -> Option<T>,
    wrong: &mut Vec<ConfigError>,
) -> Option<T> {
    let found = find(name);
    if found.is_none() {
        wrong.push(ConfigError { option, value: format!("{name:?}"), wanted: wanted.to_owned() });
    }
    found
}

/// By its name, or by its number.
fn user(name: &str) -> Option<User> {
    let by_number = || User::from_uid(Uid::from_raw(name.parse().ok()?)).ok().flatten();
    User::from_name(name).ok().flatten().or_else(by_number)
}

fn group(name: &str) -> Option<Group> {
    let by_number = || Group::from_gid(Gid::from_raw(name.parse().ok()?)).ok().flatten();
    Group::from_name(name).ok().flatten().or_else(by_number)
}
