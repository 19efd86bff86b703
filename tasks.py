"""The tasks: `inv --list` is the table of contents."""

from invoke import Collection

from kubeup.tasks import cluster, config, deploy, host, images, main, ssh

namespace = Collection.from_module(main)
for module in (cluster, ssh, host, images, deploy, config):
    namespace.add_collection(Collection.from_module(module), name=module.__name__.rsplit(".", 1)[-1])
