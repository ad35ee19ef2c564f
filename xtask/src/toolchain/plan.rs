//! Which ways to the wasm target are tried, and in what order; it decides, and touches nothing.

use anyhow::bail;

use super::{DEBIAN_PACKAGES, TARGET};

/// A way to compile for wasm.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Way {
    /// The active toolchain has the target.
    Installed,
    /// `rustup target add`.
    Rustup,
    /// Debian's Rust with its sources, and std built from them.
    Debian,
}

impl Way {
    /// Reads the value of `HOTTAP_WASM`.
    ///
    /// # Errors
    /// There is no way of that name.
    pub(crate) fn named(name: &str) -> anyhow::Result<Self> {
        match name {
            "installed" => Ok(Self::Installed),
            "rustup" => Ok(Self::Rustup),
            "debian" => Ok(Self::Debian),
            other => bail!("HOTTAP_WASM is {other:?}; it takes installed, rustup or debian, or leave it unset"),
        }
    }
}

impl std::fmt::Display for Way {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Installed => "the installed target",
            Self::Rustup => "the target that rustup added",
            Self::Debian => "Debian's packages",
        })
    }
}

/// What was found on the machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Machine {
    /// The active toolchain's files have std for wasm.
    pub(crate) installed: bool,
    /// There is a `rustup`.
    pub(crate) rustup: bool,
    /// What Debian's packages can do here.
    pub(crate) debian: Debian,
}

/// Debian's packages on this machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Debian {
    /// All are installed.
    Present,
    /// They can be installed, and nobody need be asked: root, as in containers and CI.
    CanInstall,
    /// They could be installed by somebody with the right to.
    MayAsk,
    /// This is no Debian.
    Absent,
}

/// One thing to try.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Attempt {
    /// It is there.
    Use(Way),
    /// Let rustup add the target: no rights needed, and only the developer's own toolchain changes.
    AddWithRustup,
    /// Install the packages.
    InstallDebian,
    /// Nothing can be done without somebody: the one command to run.
    Tell(String),
}

/// The attempts in order; the last is always one that cannot fail or [`Attempt::Tell`].
pub(super) fn plan(forced: Option<Way>, machine: Machine) -> Vec<Attempt> {
    let mut attempts = Vec::new();
    let wants = |way| forced.is_none_or(|forced| forced == way);
    if wants(Way::Installed) && machine.installed {
        return vec![Attempt::Use(Way::Installed)];
    }
    if wants(Way::Rustup) && machine.rustup {
        attempts.push(Attempt::AddWithRustup);
    }
    if wants(Way::Debian) {
        match machine.debian {
            Debian::Present => {
                attempts.push(Attempt::Use(Way::Debian));
                return attempts;
            }
            Debian::CanInstall => attempts.push(Attempt::InstallDebian),
            Debian::MayAsk | Debian::Absent => {}
        }
    }
    attempts.push(Attempt::Tell(advice(forced, machine)));
    attempts
}

fn advice(forced: Option<Way>, machine: Machine) -> String {
    let rustup = format!("`rustup target add {TARGET}`");
    let debian = format!("`sudo apt-get install --no-install-recommends {}`", DEBIAN_PACKAGES.join(" "));
    let run = match (forced, machine.debian) {
        (Some(Way::Debian), Debian::Absent) => {
            return "HOTTAP_WASM=debian needs Debian's apt-get, which is not here; unset it".to_owned();
        }
        (Some(Way::Debian), _) => debian,
        (Some(_), _) => rustup,
        // rustup was tried before this and could not; without it Debian's packages are the shorter way.
        (None, Debian::Absent) if machine.rustup => format!("{rustup} where there is a network"),
        (None, Debian::Absent) => format!("{rustup} (rustup comes from rustup.rs)"),
        (None, _) => debian,
    };
    format!("the active Rust has no {TARGET}; run {run} and then this again")
}

#[cfg(test)]
mod tests {
    use super::*;

    const BARE: Machine = Machine { installed: false, rustup: false, debian: Debian::Absent };

    #[track_caller]
    fn check(forced: Option<Way>, machine: Machine, expected: &[Attempt], reason: &str) {
        let mut attempts = plan(forced, machine);
        attempts.retain(|attempt| !matches!(attempt, Attempt::Tell(_)));
        assert_eq!(attempts, expected, "{reason}");
    }

    #[track_caller]
    fn told(forced: Option<Way>, machine: Machine, to_run: &str) {
        match plan(forced, machine).pop() {
            Some(Attempt::Tell(advice)) => assert!(advice.contains(to_run), "{advice}"),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn the_first_way_that_needs_nobody_is_taken() {
        use Attempt::{AddWithRustup, InstallDebian, Use};
        let (rustup, debian) = (true, Debian::Present);
        check(None, Machine { installed: true, rustup, debian }, &[Use(Way::Installed)], "nothing is faster");
        check(
            None,
            Machine { rustup, debian, ..BARE },
            &[AddWithRustup, Use(Way::Debian)],
            "rustup may have no network",
        );
        check(None, Machine { debian, ..BARE }, &[Use(Way::Debian)], "there is no rustup");
        let debian = Debian::CanInstall;
        check(None, Machine { rustup, debian, ..BARE }, &[AddWithRustup, InstallDebian], "root may install");
        check(None, Machine { debian: Debian::MayAsk, ..BARE }, &[], "others are asked");
        check(None, BARE, &[], "nothing is there");
    }

    #[test]
    fn a_forced_way_is_the_only_one() {
        let all = Machine { installed: true, rustup: true, debian: Debian::Present };
        check(Some(Way::Installed), all, &[Attempt::Use(Way::Installed)], "installed");
        check(Some(Way::Rustup), all, &[Attempt::AddWithRustup], "also where the target is there: it is quick then");
        check(Some(Way::Debian), all, &[Attempt::Use(Way::Debian)], "debian");
        check(Some(Way::Installed), Machine { installed: false, ..all }, &[], "it is not there");
        check(Some(Way::Rustup), Machine { rustup: false, ..all }, &[], "there is no rustup");
    }

    #[test]
    fn advice_is_one_command() {
        told(None, BARE, "`rustup target add wasm32-unknown-unknown`");
        told(None, Machine { debian: Debian::MayAsk, ..BARE }, "`sudo apt-get install");
        told(Some(Way::Rustup), Machine { debian: Debian::MayAsk, ..BARE }, "`rustup target add");
        told(Some(Way::Debian), BARE, "unset it");
    }

    #[test]
    fn a_way_that_does_not_exist_is_refused_by_name() {
        let error = Way::named("nix").expect_err("there is no such way");
        assert!(error.to_string().contains("installed, rustup or debian"), "{error}");
    }
}
