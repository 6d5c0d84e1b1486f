use super::*;

fn found(count: Option<u32>, vars: &[(&str, &str)]) -> Result<String, String> {
    let env = |name: &str| {
        vars.iter()
            .find(|(n, _)| *n == name)
            .map(|(_, v)| (*v).to_owned())
    };
    match find(count, env) {
        Ok(rank) => Ok(format!("{} {}", rank.shard, rank.from)),
        Err(reason) => Err(reason.to_string()),
    }
}

fn ok(vars: &[(&str, &str)]) -> String {
    found(None, vars).unwrap()
}

fn refused(vars: &[(&str, &str)]) -> String {
    found(None, vars).unwrap_err()
}

#[test]
fn each_engine_gives_a_number_from_0_and_a_count() {
    for (rank, count) in [
        ("SLURM_PROCID", "SLURM_NTASKS"),
        ("SLURM_PROCID", "SLURM_NPROCS"),
        ("SLURM_PROCID", "SLURM_STEP_NUM_TASKS"),
        ("OMPI_COMM_WORLD_RANK", "OMPI_COMM_WORLD_SIZE"),
        ("MV2_COMM_WORLD_RANK", "MV2_COMM_WORLD_SIZE"),
        ("PMI_RANK", "PMI_SIZE"),
        ("RANK", "WORLD_SIZE"),
    ] {
        assert_eq!(ok(&[(rank, "0"), (count, "4")]), format!("1/4 {rank}"));
        assert_eq!(ok(&[(rank, "3"), (count, "4")]), format!("4/4 {rank}"));
        let above = refused(&[(rank, "4"), (count, "4")]);
        assert!(
            above.contains(&format!("{rank} makes this number 5 of 4 shards")),
            "{above}"
        );
        let odd = refused(&[(rank, "one"), (count, "4")]);
        assert!(
            odd.contains(&format!("{rank} is `one`, which is not a whole number")),
            "{odd}"
        );
        let large = refused(&[(rank, "1"), (count, "10001")]);
        assert!(
            large.contains("the number of shards is 10001, not between 1 and 10000"),
            "{large}"
        );
    }
}

#[test]
fn an_indexed_job_counts_from_0_and_needs_a_count() {
    let index = |n| [("JOB_COMPLETION_INDEX", n)];
    assert_eq!(found(Some(4), &index("3")).unwrap(), "4/4 JOB_COMPLETION_INDEX");
    let missing = refused(&index("0"));
    assert!(
        missing.contains("set LLMLOAD_SHARDS or --shards to the job's `completions`"),
        "{missing}"
    );
    let zero = found(Some(0), &index("0")).unwrap_err();
    assert!(zero.contains("not between 1 and"), "{zero}");
}

#[test]
fn pmix_has_no_count_of_its_own() {
    let pmix = ("PMIX_RANK", "2");
    let alone = refused(&[pmix]);
    assert!(
        alone.contains("PMIX_RANK is set, and it comes without a count; set LLMLOAD_SHARDS"),
        "{alone}"
    );
    assert_eq!(found(Some(3), &[pmix]).unwrap(), "3/3 PMIX_RANK");
    let step = [pmix, ("SLURM_PROCID", "2"), ("SLURM_NTASKS", "4")];
    assert_eq!(ok(&step), "3/4 PMIX_RANK", "srun --mpi=pmix");
    let open_mpi = [pmix, ("OMPI_COMM_WORLD_RANK", "2"), ("OMPI_COMM_WORLD_SIZE", "5")];
    assert_eq!(ok(&open_mpi), "3/5 OMPI_COMM_WORLD_RANK");
}

#[test]
fn the_launcher_within_a_slurm_step_says_more_than_the_step() {
    // mpirun starts one daemon on each node by srun, or runs in the script, which is process 0 of all.
    let script = [("SLURM_PROCID", "0"), ("SLURM_NTASKS", "4")];
    let rank = |n| [("OMPI_COMM_WORLD_RANK", n), ("OMPI_COMM_WORLD_SIZE", "4")];
    assert_eq!(
        ok(&[&script[..], &rank("3")].concat()),
        "4/4 OMPI_COMM_WORLD_RANK"
    );
    let daemons = [("SLURM_PROCID", "1"), ("SLURM_NTASKS", "2")];
    assert_eq!(
        ok(&[&daemons[..], &rank("1")].concat()),
        "2/4 OMPI_COMM_WORLD_RANK"
    );
    let torchrun = [("RANK", "9"), ("WORLD_SIZE", "16")];
    assert_eq!(ok(&[&daemons[..], &torchrun].concat()), "10/16 RANK");
}

#[test]
fn a_slurm_array_may_have_any_start_and_step() {
    let array = |id, min, step, count| {
        [
            ("SLURM_ARRAY_TASK_ID", id),
            ("SLURM_ARRAY_TASK_MIN", min),
            ("SLURM_ARRAY_TASK_STEP", step),
            ("SLURM_ARRAY_TASK_COUNT", count),
        ]
    };
    assert_eq!(ok(&array("2", "1", "1", "4")), "2/4 SLURM_ARRAY_TASK_ID");
    assert_eq!(ok(&array("0", "0", "", "4")), "1/4 SLURM_ARRAY_TASK_ID");
    assert_eq!(ok(&array("7", "1", "2", "4")), "4/4 SLURM_ARRAY_TASK_ID");
    assert_eq!(
        found(Some(4), &array("7", "1", "2", "4")).unwrap(),
        "4/4 SLURM_ARRAY_TASK_ID"
    );
    let gap = refused(&array("9", "1", "1", "4"));
    assert!(gap.contains("have no gaps"), "{gap}");
    let uneven = refused(&array("6", "1", "2", "4"));
    assert!(uneven.contains("number the array evenly"), "{uneven}");
    let both = found(Some(3), &array("1", "1", "1", "4")).unwrap_err();
    assert!(
        both.contains("SLURM_ARRAY_TASK_COUNT is 4, but --shards is 3"),
        "{both}"
    );
    let missing = refused(&[("SLURM_ARRAY_TASK_ID", "1")]);
    assert!(missing.contains("SLURM_ARRAY_TASK_COUNT"), "{missing}");
    // The script of each task is process 0 of 1.
    let script = [("SLURM_PROCID", "0"), ("SLURM_NTASKS", "1")];
    assert_eq!(
        ok(&[&array("3", "1", "1", "4")[..], &script].concat()),
        "3/4 SLURM_ARRAY_TASK_ID"
    );
    assert_eq!(
        ok(&[&array("3", "1", "1", "4")[..], &script[..1]].concat()),
        "3/4 SLURM_ARRAY_TASK_ID"
    );
}

#[test]
fn engines_that_contradict_each_other_are_refused_with_both_numbers() {
    let steps_of_an_array = refused(&[
        ("SLURM_PROCID", "1"),
        ("SLURM_NTASKS", "2"),
        ("SLURM_ARRAY_TASK_ID", "3"),
        ("SLURM_ARRAY_TASK_COUNT", "4"),
    ]);
    for part in [
        "SLURM_PROCID (number 1 from 0, SLURM_NTASKS 2)",
        "SLURM_ARRAY_TASK_ID (number 3 from 0, SLURM_ARRAY_TASK_COUNT 4)",
        "contradict each other",
        "`--rank R --ranks N`",
    ] {
        assert!(steps_of_an_array.contains(part), "{steps_of_an_array}");
    }
    let launchers = refused(&[
        ("RANK", "0"),
        ("WORLD_SIZE", "2"),
        ("OMPI_COMM_WORLD_RANK", "1"),
        ("OMPI_COMM_WORLD_SIZE", "2"),
    ]);
    assert!(launchers.contains("contradict"), "{launchers}");
    let counts = refused(&[
        ("PMI_RANK", "1"),
        ("PMI_SIZE", "2"),
        ("OMPI_COMM_WORLD_RANK", "1"),
        ("OMPI_COMM_WORLD_SIZE", "3"),
    ]);
    assert!(counts.contains("contradict"), "{counts}");
    let agree = [("RANK", "1"), ("WORLD_SIZE", "4"), ("JOB_COMPLETION_INDEX", "1")];
    assert_eq!(ok(&agree), "2/4 RANK");
}

#[test]
fn without_an_engine_nothing_is_found() {
    let none = refused(&[("RANK", "3")]);
    assert!(
        none.contains("no engine's variables are set") && none.contains("`--shard K/N`"),
        "{none}"
    );
    assert!(refused(&[]).contains("JOB_COMPLETION_INDEX"));
    let no_count = refused(&[("OMPI_COMM_WORLD_RANK", "0")]);
    assert!(
        no_count.contains("OMPI_COMM_WORLD_RANK is set, but OMPI_COMM_WORLD_SIZE is not"),
        "{no_count}"
    );
}
