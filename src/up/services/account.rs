//! The account that the private servers run under: the caller's own, or an unprivileged one for root.

use std::os::unix::fs::{PermissionsExt, chown};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, bail};

/// Accounts that root may hand the servers to, in order of preference. Postgres refuses to run as root.
const UNPRIVILEGED: [&str; 3] = ["postgres", "redis", "nobody"];

#[derive(Clone, Debug)]
pub(super) struct Account {
    name: String,
    /// User and group id to change to; absent when the caller is not root.
    ids: Option<(u32, u32)>,
}

impl Account {
    pub(super) fn is_root() -> Result<bool> {
        Ok(id(&["-u"])?.context("ask `id` for the user id")? == 0)
    }

    pub(super) fn choose() -> Result<Self> {
        if !Self::is_root()? {
            return Ok(Self { name: "of the caller".to_owned(), ids: None });
        }
        for name in UNPRIVILEGED {
            if let (Some(user), Some(group)) = (id(&["-u", name])?, id(&["-g", name])?)
                && user != 0
            {
                return Ok(Self { name: name.to_owned(), ids: Some((user, group)) });
            }
        }
        bail!(
            "Postgres does not run as root and none of the accounts {} exists: run as another user",
            UNPRIVILEGED.join(", ")
        )
    }

    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// A command that will run as this account, without its caller's supplementary groups.
    pub(super) fn command(&self, program: impl AsRef<std::ffi::OsStr>) -> Command {
        let mut command = Command::new(program);
        if let Some((user, group)) = self.ids {
            command.uid(user).gid(group);
        }
        command
    }

    /// Hands `path` to the account, closed to everybody else.
    pub(super) fn own(&self, path: &Path) -> Result<()> {
        if let Some((user, group)) = self.ids {
            chown(path, Some(user), Some(group))
                .with_context(|| format!("hand {} to the account {}", path.display(), self.name))?;
        }
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o700))
            .with_context(|| format!("close {} to other accounts", path.display()))
    }

    pub(super) fn can_work_in(&self, dir: &Path) -> Result<bool> {
        let status = self
            .command("/bin/sh")
            .args(["-c", r#"cd "$1" 2>/dev/null && test -w ."#, "sh"])
            .arg(dir)
            .current_dir("/")
            .status()
            .with_context(|| format!("run a shell as the account {}", self.name))?;
        Ok(status.success())
    }
}

/// What `id` prints for the arguments; `None` when it knows no such account.
fn id(arguments: &[&str]) -> Result<Option<u32>> {
    let output = Command::new("id").args(arguments).output().context("run `id`")?;
    if !output.status.success() {
        return Ok(None);
    }
    let text = String::from_utf8_lossy(&output.stdout);
    Ok(Some(text.trim().parse().with_context(|| format!("read the answer of `id`: {text}"))?))
}
