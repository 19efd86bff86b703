"""What `./inv` starts: invoke's own program, whose own help is printed like ours."""

from invoke.main import program

from kubeup.cli.process import prepare

prepare()
program.run()
