"""The tasks: `inv --list` is the table of contents."""

from invoke import Collection

from kubeup.tasks import cluster, config, db, deploy, host, images, main, secrets, ssh, state
from kubeup.tasks.base import end_with_the_reader

end_with_the_reader()
namespace = Collection.from_module(main)
for module in (cluster, ssh, host, images, deploy, db, secrets, config, state):
    namespace.add_collection(Collection.from_module(module), name=module.__name__.rsplit(".", 1)[-1])
