#!/bin/bash
# Plants each fault of tests/planted in a copy of the tree, one line of the program made wrong, and runs the test that
# says it would notice. Prints a table: the fault, its test, what was seen. Exits with 1 if a test did not notice.
#
#   scripts/planted-faults.sh                 all faults, about half an hour on two virtual CPUs
#   scripts/planted-faults.sh NAME…           those whose name begins so
#   scripts/planted-faults.sh --list          which faults go into which build; plants nothing
#   scripts/planted-faults.sh --no-control    without the run of the same tests with nothing planted
#   scripts/planted-faults.sh --once          without planting alone what was not noticed in company
#
# A patch begins with these lines, of which the last three may be missing:
#
#   # test: suite faults::servers::name_of_the_test      (or lib …, or alone …)
#   # fault: what is wrong now, in one sentence
#   # row: the row of docs/FAULTS.md, where its test stands in several
#   # says: what the failing test prints, where several faults have the same test
#   # apart: names (or their beginnings) of faults that make this test fail as well, and go into another build
#
# Faults are built together where they change different places and their tests can be told apart. The copy and what is
# built of it stay in target/planted.
exec python3 "$(dirname "$0")/planted_faults.py" "$@"
