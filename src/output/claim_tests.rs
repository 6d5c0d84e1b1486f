use super::*;

fn folder(name: &str) -> PathBuf {
    let folder = std::env::temp_dir().join(format!("llmload-claim-{name}-{}", std::process::id()));
    let _ = fs::remove_dir_all(&folder);
    fs::create_dir_all(&folder).unwrap();
    folder
}

/// A claim that another process has left, under no lock.
fn left_by(document: &Path, holder: &Holder) {
    let lock = hidden_beside(document, "lock").unwrap();
    fs::write(lock, serde_json::to_vec(holder).unwrap()).unwrap();
}

fn refusal(document: &Path) -> String {
    match Claim::of(document) {
        Err(Unclaimed::Held(failure)) => {
            assert_eq!(failure.exit, ExitCode::Output);
            failure.to_string()
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_name_is_claimed_once_until_its_claim_is_dropped_and_nothing_is_left() {
    let folder = folder("once");
    let document = folder.join("r.json");
    let claim = Claim::of(&document).unwrap();
    let text = refusal(&document);
    assert!(text.contains("r.json: two documents of this run"), "{text}");
    drop(claim);
    drop(Claim::of(&document).unwrap());
    assert_eq!(fs::read_dir(&folder).unwrap().count(), 0);
    fs::remove_dir_all(folder).unwrap();
}

#[test]
fn one_of_many_simultaneous_claimants_gets_the_name_even_if_an_old_claim_is_left() {
    let folder = folder("many");
    let document = folder.join("r.json");
    for left in [
        None,
        Some(Holder {
            pid: 7,
            ..Holder::mine()
        }),
    ] {
        if let Some(left) = left {
            left_by(&document, &left);
        }
        let barrier = std::sync::Barrier::new(8);
        let held = std::sync::atomic::AtomicUsize::new(0);
        std::thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| {
                    barrier.wait();
                    let claim = Claim::of(&document);
                    held.fetch_add(usize::from(claim.is_ok()), std::sync::atomic::Ordering::Relaxed);
                    // Nobody gives it back before all have asked.
                    barrier.wait();
                });
            }
        });
        assert_eq!(held.into_inner(), 1);
        assert_eq!(fs::read_dir(&folder).unwrap().count(), 0);
    }
    fs::remove_dir_all(folder).unwrap();
}

#[test]
fn a_claim_of_a_process_that_was_killed_is_taken_over_but_not_that_of_another_host() {
    let folder = folder("killed");
    let document = folder.join("r.json");
    let killed = Holder {
        pid: 7,
        ..Holder::mine()
    };
    left_by(&document, &killed);
    drop(Claim::of(&document).unwrap());
    // This host before it was started again.
    left_by(
        &document,
        &Holder {
            boot: "before".to_owned(),
            ..killed.clone()
        },
    );
    drop(Claim::of(&document).unwrap());
    // A full disk has taken the name alone.
    fs::write(hidden_beside(&document, "lock").unwrap(), "").unwrap();
    drop(Claim::of(&document).unwrap());
    let elsewhere = Holder {
        host: "elsewhere\u{1b}[2J".to_owned(),
        boot: "another".to_owned(),
        pid: 7,
    };
    left_by(&document, &elsewhere);
    let text = refusal(&document);
    assert!(
        text.contains("another run is writing this file (process 7 on elsewhere"),
        "{text}"
    );
    assert!(
        text.contains(".r.json.lock") && !text.contains('\u{1b}'),
        "{text}"
    );
    fs::remove_dir_all(folder).unwrap();
}

#[test]
fn without_locks_a_claim_holds_as_long_as_its_process_runs() {
    let mine = Holder::mine();
    let of = |pid| Holder { pid, ..mine.clone() };
    assert!(!of(mine.pid).is_gone(false));
    assert!(of(u32::MAX).is_gone(false), "no process has this number");
    let container = Holder {
        host: "another".to_owned(),
        ..of(u32::MAX)
    };
    assert!(!container.is_gone(false) && container.is_gone(true));
}

#[test]
fn a_link_or_a_folder_at_the_name_of_the_claim_is_refused() {
    let folder = folder("link");
    let document = folder.join("r.json");
    let lock = hidden_beside(&document, "lock").unwrap();
    let victim = folder.join("victim");
    fs::write(&victim, "precious").unwrap();
    std::os::unix::fs::symlink(&victim, &lock).unwrap();
    assert!(matches!(Claim::of(&document), Err(Unclaimed::Failed(_))));
    assert_eq!(fs::read(&victim).unwrap(), b"precious");
    fs::remove_file(&lock).unwrap();
    fs::create_dir(&lock).unwrap();
    assert!(matches!(Claim::of(&document), Err(Unclaimed::Failed(_))));
    fs::remove_dir_all(folder).unwrap();
}
