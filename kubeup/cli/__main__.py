"""What `./inv` starts: invoke's own program, whose own help ends quietly as well."""

from invoke.main import program

from kubeup.cli.base import end_with_the_reader

end_with_the_reader()
program.run()
