"""What a machine tells of the database's service: two scripts, and what they print as data."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from kubeup.facts import apt
from kubeup.facts.compose import Compose, Tools
from kubeup.facts.datafolder import TELLS

# Everything in one login, a fact a line. $1: the service's folder, $2: its volume, $3: the image,
# $4: the compose project
LOOK = (
    TELLS
    + r"""
command -v apt-get >/dev/null && echo tool apt-get
ss -Hlx 2>/dev/null | grep -q '/docker\.sock ' && echo tool daemon
for file in compose.yaml .env tls.crt tls.key filter.sh \
  schedule.sh backup.sh client.cnf ca.crt; do
  sum=$(sha256sum "$1/$file" 2>/dev/null | cut -d' ' -f1)
  echo "file $file $sum $(stat -c %a "$1/$file" 2>/dev/null)"
done
echo "filter $(test ! -e "$1/filter.sh" || sh "$1/filter.sh" state)"
echo "schedule $(test ! -e "$1/schedule.sh" || sh "$1/schedule.sh" state)"
echo "data $(ls -A "$2" 2>/dev/null | wc -l)"
echo "wrote $(tells "$2")"
ls /usr/local/share/ca-certificates 2>/dev/null | sed -n 's/^kubeup-/certificate &/p'
ss -Hltnp "sport = :3306" 2>/dev/null | sed 's/^/port /'
command -v docker >/dev/null || exit 0
# side by side: most of the time is docker's own start
docker image inspect --format 'image {{.Id}}' "$3" 2>/dev/null &
docker ps --all --filter "label=com.docker.compose.project=$4" --format \
  'project {{.Names}} {{.Label "com.docker.compose.project.working_dir"}}' 2>/dev/null &
health='{{if .State.Health}}{{.State.Health.Status}}{{else}}none{{end}}'
container="container {{.State.Status}} $health {{.Config.Image}} {{.State.Pid}}"
docker inspect --format "$container" "$4" 2>/dev/null &
wait
exit 0
"""
)

# Which docker and compose start, and what apt would install: only where something is to be done,
# as each of these commands takes its time
TOOLS = r"""
if command -v docker >/dev/null; then
  version=$(docker version --format '{{.Server.Version}}' 2>/dev/null) ||
    version=$(docker --version)
  echo "docker $version"
fi
for command in 'docker compose' docker-compose; do
  version=$($command version --short 2>/dev/null) && echo "compose $version $command"
done
command -v apt-cache >/dev/null || exit 0
LC_ALL=C exec apt-cache policy "$@"
"""


@dataclass(frozen=True)
class ServiceState:
    """What is on the machine."""

    tools: Tools = field(default_factory=Tools)
    has_apt: bool = True
    daemon: bool = False
    files: Mapping[str, str] = field(default_factory=dict)  # name -> sha256 and mode
    holds_data: bool = False
    written_by: str = ""  # the database that wrote the data, as they tell it
    image: bool = False
    listening: tuple[str, ...] = ()  # the processes on the database's port, as ss prints them
    # containers of a compose project of our name: name -> the project's folder
    containers: Mapping[str, str] = field(default_factory=dict)
    state: str = ""
    health: str = ""
    running_image: str = ""
    pid: str = ""
    certificates: tuple[str, ...] = ()  # names of our files
    filtered: bool = False  # whether the packet filter has our rules, see `packet_filter`
    # of the timer that backs it up, see `machine_schedule`: `on` or `off`, '' where it has none
    schedule: str = ""

    @property
    def healthy(self) -> bool:
        return (self.state, self.health) == ("running", "healthy")

    @property
    def words(self) -> str:
        if not self.state:
            return "not there"
        return f"{self.state}, {self.health}"


def parse(text: str) -> ServiceState:
    """From what LOOK prints."""
    rows = defaultdict[str, list[str]](list)
    for line in text.splitlines():
        kind, *values = line.split() or [""]
        rows[kind].append(" ".join(values))
    named = (row.partition(" ") for row in rows["project"])
    # a file that is missing has neither sum nor mode
    files = dict(row.split(" ", 1) for row in rows["file"] if row.count(" ") == 2)
    without_container = ServiceState(
        has_apt="apt-get" in rows["tool"],
        daemon="daemon" in rows["tool"],
        files=files,
        holds_data=rows["data"][:1] not in ([], ["0"]),
        written_by="".join(rows["wrote"][:1]),
        image=bool(rows["image"]),
        listening=tuple(rows["port"]),
        containers={name: folder for name, _, folder in named},
        certificates=tuple(sorted(rows["certificate"])),
        filtered=rows["filter"] == ["on"],
        schedule="".join(rows["schedule"][:1]),
    )
    if not rows["container"]:
        return without_container
    # docker's Health is none for an image without a check: ours has one in the compose file
    state, health, image, pid = rows["container"][0].split(" ")
    return replace(without_container, state=state, health=health, running_image=image, pid=pid)


def parse_tools(text: str) -> Tools:
    """From what TOOLS prints."""
    docker, composes = "", list[Compose]()
    for line in text.splitlines():
        kind, _, rest = line.partition(" ")
        if kind == "docker":
            docker = docker or rest.strip()
        elif kind == "compose":
            version, _, command = rest.partition(" ")
            composes.append(Compose(command, version))
    return Tools(docker, tuple(composes), apt.policy(text).candidates)
