//! Which way of running programs works on this machine, found out by running one.
#![forbid(unsafe_code)]

use super::bubblewrap::Bubblewrap;
use super::folder::Folder;
use super::namespaces::Namespaces;
use super::{Mechanism, Sandbox, seccomp, view};
use crate::cancel::CancelToken;
use crate::error::{Error, ErrorKind, Result, bail};
use crate::eval::sandbox::{self, Command, Policy};

/// The first Linux that counts processes for each user namespace; also has all that is used here.
const OLDEST: (u32, u32) = (5, 14);

pub(super) fn detect(policy: Policy) -> Result<Sandbox> {
    match policy {
        Policy::None => Ok(Sandbox::new(Mechanism::Plain)),
        Policy::Bubblewrap => bubblewrap().map_err(advise),
        Policy::Namespaces => namespaces().map_err(advise),
        Policy::Auto => bubblewrap().or_else(|first| {
            namespaces().map_err(|second| {
                let both = format!("{first}; without bubblewrap: {second}");
                advise(Error::new(ErrorKind::BackendUnavailable, both).with_source(second))
            })
        }),
    }
}

fn bubblewrap() -> Result<Sandbox> {
    check_kernel()?;
    let bubblewrap = Bubblewrap::find(view::of_this_machine(), seccomp::program()?)?;
    probe(Mechanism::Bubblewrap(bubblewrap))
}

fn namespaces() -> Result<Sandbox> {
    check_kernel()?;
    probe(Mechanism::Namespaces(Namespaces {
        view: view::of_this_machine(),
        filter: seccomp::program()?,
    }))
}

/// Runs a program that does nothing.
fn probe(mechanism: Mechanism) -> Result<Sandbox> {
    let sandbox = Sandbox::new(mechanism);
    let folder = sandbox::Folder(Folder::in_memory(1 << 20)?);
    let command = Command::new("true", &folder);
    match sandbox.run(&command, &CancelToken::new()) {
        Ok(outcome) if outcome.end.is_success() => Ok(sandbox),
        // A machine without that program; all else worked.
        Err(e) if e.kind() == ErrorKind::NotFound => Ok(sandbox),
        Err(e) => Err(e.within(sandbox.name())),
        Ok(outcome) => bail!(
            BackendUnavailable,
            "{}: `true` was expected to succeed: {} {}",
            sandbox.name(),
            outcome.end,
            String::from_utf8_lossy(&outcome.stderr).trim()
        ),
    }
}

fn check_kernel() -> Result<()> {
    let system = rustix::system::uname();
    let release = system.release().to_string_lossy();
    match version(&release) {
        Some(found) if found < OLDEST => bail!(
            BackendUnavailable,
            "sandbox: found Linux {release}, expected {}.{} or later",
            OLDEST.0,
            OLDEST.1
        ),
        _ => Ok(()),
    }
}

/// The first two numbers of a release.
fn version(release: &str) -> Option<(u32, u32)> {
    let mut numbers = release.split(|c: char| !c.is_ascii_digit());
    Some((numbers.next()?.parse().ok()?, numbers.next()?.parse().ok()?))
}

/// Adds what can be done, as far as the machine's settings show it.
fn advise(error: Error) -> Error {
    let is = |name: &str, value: &str| {
        std::fs::read_to_string(format!("/proc/sys/{}", name.replace('.', "/")))
            .is_ok_and(|text| text.trim() == value)
    };
    let set = |name: &str, value: &str| format!("as root, `sysctl -w {name}={value}` allows that");
    let advice = if is("kernel.apparmor_restrict_unprivileged_userns", "1") {
        set("kernel.apparmor_restrict_unprivileged_userns", "0")
    } else if is("kernel.unprivileged_userns_clone", "0") {
        set("kernel.unprivileged_userns_clone", "1")
    } else if is("user.max_user_namespaces", "0") {
        set("user.max_user_namespaces", "10000")
    } else {
        "in a container, user namespaces and mounts have to be allowed (for Docker, \
         `--security-opt seccomp=unconfined --security-opt systempaths=unconfined`)"
            .to_owned()
    };
    Error::new(
        error.kind(),
        format!(
            "no sandbox: {error}. Programs run in user namespaces: {advice}. Nothing is run \
             unsandboxed unless that is asked for"
        ),
    )
    .with_source(error)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn releases() {
        assert_eq!(version("6.18.44-fc-v657"), Some((6, 18)));
        assert_eq!(version("5.4.0"), Some((5, 4)));
        assert_eq!(version("unknown"), None);
        assert!(version("5.13.1") < Some(OLDEST) && version("5.14") >= Some(OLDEST));
    }
}
