"""`python -m tokiflow.cli`: the command, where it is not on the PATH."""

from tokiflow.cli import main

main(prog_name="tokiflow")
