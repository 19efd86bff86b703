"""The tasks: `inv --list` is the table of contents."""

from invoke import Collection

from kubeup.tasks import cluster, config, db, deploy, host, images, main, secrets, ssh

namespace = Collection.from_module(main)
for module in (cluster, ssh, host, images, deploy, db, secrets, config):
    namespace.add_collection(Collection.from_module(module), name=module.__name__.rsplit(".", 1)[-1])
