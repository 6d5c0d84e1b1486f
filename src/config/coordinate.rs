//! Which run of several processes this one belongs to. It is an option and no key of the document, which is the same
//! for all and is passed on.

use crate::cli::CoordinateArgs;
use crate::coordination::{SECRET_BYTES_MIN, WAIT};
use crate::coordinator::{COORDINATE_PORT, CoordinateConfig};
use crate::error::{Mistake, Reason, quoted, shown_path};
use crate::plan::Shard;
use crate::rank::leader;
use crate::units::{Secret, check_duration, read_input};
use std::net::IpAddr;
use std::path::Path;

const SECRET_BYTES_MAX: u64 = 4096;
const MAKE_ONE: &str = "make one and give it to all ranks: `export LLMLOAD_COORDINATE_SECRET=$(openssl rand -hex 32)`, \
                        or a file that only you can read with `--coordinate-secret-file`";

/// Reads the options; `None` means that this process runs by itself. `env` looks up an environment variable.
pub(super) fn coordinate_config(
    args: &CoordinateArgs,
    shard: Option<Shard>,
    env: impl Fn(&str) -> Option<String>,
    mistakes: &mut Vec<Mistake>,
) -> Option<CoordinateConfig> {
    let mut refuse = |option: &str, reason: Reason| mistakes.push(reason.at(option, 0));
    if let Err(reason) = check_duration(args.wait_for_ranks, &WAIT) {
        refuse("--wait-for-ranks", reason);
    }
    let Some(asked) = &args.coordinate else {
        if args.coordinate_secret_file.is_some() {
            let reason = Reason::new("has no effect without `--coordinate`");
            refuse(
                "--coordinate-secret-file",
                reason.hint("add `--coordinate HOST:PORT`"),
            );
        }
        if args.gather_details {
            let reason = Reason::new("has no effect without `--coordinate`");
            let hint = "add `--coordinate HOST:PORT`; `merge` joins the details of documents";
            refuse("--gather-details", reason.hint(hint));
        }
        return None;
    };
    let leader = match &asked.host {
        Some(_) => None,
        None => leader(env),
    };
    let host = asked.host.clone().or_else(|| leader.map(|leader| leader.host));
    if host.is_none() {
        let what =
            "`auto`: MASTER_ADDR, SLURM_STEP_NODELIST, SLURM_JOB_NODELIST: none names the host of rank 0";
        let hint = "write its address as the other hosts know it: `--coordinate HOST:7117`";
        refuse("--coordinate", Reason::new(what).hint(hint));
    }
    let secret = match secret(args) {
        Ok(secret) => Some(secret),
        Err((option, reason)) => {
            refuse(option, reason);
            None
        }
    };
    let (host, shard, secret) = (host?, shard?, secret?);
    let is_any = host
        .parse::<IpAddr>()
        .is_ok_and(|address| address.is_unspecified());
    if is_any && shard.index() > 0 {
        let what = format!("{} is every address of a host, and names none", quoted(&host));
        let hint = "name the host of rank 0";
        refuse("--coordinate", Reason::new(what).hint(hint));
    }
    Some(CoordinateConfig {
        host,
        port: asked.port.unwrap_or(COORDINATE_PORT),
        shard,
        secret,
        wait: args.wait_for_ranks,
        on_loss: args.on_rank_loss,
        gather_details: args.gather_details,
    })
}

/// Returns the secret. Errors never repeat it.
fn secret(args: &CoordinateArgs) -> Result<Secret, (&'static str, Reason)> {
    const FILE: &str = "--coordinate-secret-file";
    const VARIABLE: &str = "LLMLOAD_COORDINATE_SECRET";
    let (place, secret) = match (&args.coordinate_secret_file, &args.coordinate_secret) {
        (Some(_), Some(_)) => {
            let reason = Reason::new("contradicts LLMLOAD_COORDINATE_SECRET, which has a secret as well");
            return Err((FILE, reason.hint("remove one of them")));
        }
        (Some(path), None) => (FILE, read_secret(path).map_err(|reason| (FILE, reason))?),
        (None, Some(secret)) => (VARIABLE, secret.clone()),
        (None, None) => {
            let reason = Reason::new("there is no secret by which the ranks know each other");
            return Err(("--coordinate", reason.hint(MAKE_ONE)));
        }
    };
    let bytes = secret.expose().len();
    if bytes < SECRET_BYTES_MIN {
        let what = format!("the secret has {bytes} bytes, and needs {SECRET_BYTES_MIN}");
        return Err((place, Reason::new(what).hint(MAKE_ONE)));
    }
    Ok(secret)
}

fn read_secret(path: &Path) -> Result<Secret, Reason> {
    let shown = shown_path(path);
    let read = read_input(path, SECRET_BYTES_MAX)
        .map_err(|e| Reason::new(format!("{shown} cannot be read: {e}")).hint(MAKE_ONE))?;
    let Some(bytes) = read else {
        let what = format!("{shown} is larger than the limit of {SECRET_BYTES_MAX} bytes");
        return Err(Reason::new(what).hint(MAKE_ONE));
    };
    let text = String::from_utf8(bytes)
        .map_err(|_| Reason::new(format!("{shown} is not UTF-8 text")).hint(MAKE_ONE))?;
    Ok(Secret::from(text.trim_end_matches(['\r', '\n'])))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::coordination::OnLoss;
    use crate::units::SECOND;

    const LONG: &str = "sixteen bytes at least";

    fn args(address: Option<&str>, secret: Option<&str>) -> CoordinateArgs {
        CoordinateArgs {
            coordinate: address.map(|text| text.parse().unwrap()),
            coordinate_secret_file: None,
            coordinate_secret: secret.map(Secret::from),
            wait_for_ranks: 60 * SECOND,
            on_rank_loss: OnLoss::Stop,
            gather_details: false,
        }
    }

    fn read(
        args: &CoordinateArgs,
        rank: u32,
        vars: &[(&str, &str)],
    ) -> Result<Option<CoordinateConfig>, String> {
        let mut mistakes = Vec::new();
        let env = |name: &str| {
            vars.iter()
                .find(|(n, _)| *n == name)
                .map(|(_, v)| (*v).to_owned())
        };
        let config = coordinate_config(args, Shard::new(rank, 4), env, &mut mistakes);
        match mistakes.first() {
            Some(mistake) => Err(mistake.to_string()),
            None => Ok(config),
        }
    }

    #[test]
    fn the_host_is_given_or_the_engines() {
        let found = |text: &str, vars| read(&args(Some(text), Some(LONG)), 1, vars).unwrap().unwrap();
        let given = found("node1:9", &[("MASTER_ADDR", "node7")]);
        assert_eq!((given.shown(), given.shard.index()), ("node1:9".to_owned(), 1));
        let slurm = [("SLURM_JOB_NODELIST", "gpu[3-5]")];
        assert_eq!(found("auto", &slurm).shown(), "gpu3:7117");
        assert_eq!(found("auto:8000", &slurm).shown(), "gpu3:8000");
        assert_eq!(found("[::1]:8", &[]).shown(), "[::1]:8");
        let nobody = read(&args(Some("auto"), Some(LONG)), 1, &[]).unwrap_err();
        assert!(
            nobody.contains("SLURM_JOB_NODELIST") && nobody.contains("hint: "),
            "{nobody}"
        );
        assert_eq!(
            read(&args(None, Some(LONG)), 1, &[]),
            Ok(None),
            "the variable may be set for all"
        );
    }

    #[test]
    fn a_secret_is_needed_and_never_shown() {
        let none = read(&args(Some("h:1"), None), 0, &[]).unwrap_err();
        assert!(
            none.contains("there is no secret") && none.contains("LLMLOAD_COORDINATE_SECRET"),
            "{none}"
        );
        let short = read(&args(Some("h:1"), Some("hunter2")), 0, &[]).unwrap_err();
        assert!(
            short.contains("has 7 bytes, and needs 16") && !short.contains("hunter2"),
            "{short}"
        );
        let path = std::env::temp_dir().join(format!("llmload-secret-{}", std::process::id()));
        std::fs::write(&path, format!("{LONG}\n")).unwrap();
        let mut of_file = args(Some("h:1"), None);
        of_file.coordinate_secret_file = Some(path.clone());
        let config = read(&of_file, 0, &[]).unwrap().unwrap();
        assert_eq!(config.secret.expose(), LONG);
        assert!(!format!("{config:?}").contains(LONG));
        of_file.coordinate_secret = Some(Secret::from(LONG));
        assert!(read(&of_file, 0, &[]).unwrap_err().contains("remove one of them"));
        std::fs::remove_file(&path).unwrap();
        of_file.coordinate_secret = None;
        assert!(read(&of_file, 0, &[]).unwrap_err().contains("cannot be read"));
        of_file.coordinate = None;
        let gathers = CoordinateArgs {
            gather_details: true,
            ..args(None, None)
        };
        assert!(
            read(&gathers, 0, &[])
                .unwrap_err()
                .contains("--gather-details: has no effect without")
        );
        assert!(
            read(&of_file, 0, &[])
                .unwrap_err()
                .contains("has no effect without")
        );
    }

    #[test]
    fn only_rank_0_may_name_every_address() {
        assert!(read(&args(Some("0.0.0.0:7"), Some(LONG)), 0, &[]).is_ok());
        let other = read(&args(Some("0.0.0.0:7"), Some(LONG)), 2, &[]).unwrap_err();
        assert!(other.contains("is every address of a host"), "{other}");
    }
}
