"""The tasks: `inv --list` is the table of contents."""

from invoke import Collection

from development import main as development
from kubeup.cli import cache, cluster, config, db, deploy, host, images, main, secrets, ssh, state
from kubeup.cli.process import prepare

prepare()
namespace = Collection.from_module(main)
for task in Collection.from_module(development).tasks.values():
    namespace.add_task(task)
for module in (cluster, ssh, host, images, deploy, db, secrets, state, cache, config):
    namespace.add_collection(
        Collection.from_module(module), name=module.__name__.rsplit(".", 1)[-1]
    )
