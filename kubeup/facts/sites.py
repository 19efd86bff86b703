"""What a site answers when it is asked for a file that will be needed."""

from __future__ import annotations

from dataclasses import dataclass

YES, NO, UNKNOWN = "yes", "no", "unknown"
# what a registry may give for an image (OCI image-spec, and Docker's older names): without them it
# may answer in a form of 2014
MANIFESTS = (
    "application/vnd.oci.image.index.v1+json",
    "application/vnd.docker.distribution.manifest.list.v2+json",
    "application/vnd.oci.image.manifest.v1+json",
    "application/vnd.docker.distribution.manifest.v2+json",
)


@dataclass(frozen=True)
class Question:
    """A file to ask for.

    `sum`: it has to be a published sha256. `accept`: media types, of which one has to come. `name`
    stands for the address in what people read, where that is long.
    """

    url: str
    sum: bool = False
    accept: tuple[str, ...] = ()
    name: str = ""

    @property
    def shown(self) -> str:
        return self.name or self.url


@dataclass(frozen=True)
class Answer:
    """What came of a question, and that in words.

    `kind` is yes, no (the site answered with an error) or unknown (no answer came).
    """

    kind: str
    detail: str

    @property
    def yes(self) -> bool:
        return self.kind == YES


def manifest(registry: str, repository: str, reference: str) -> Question:
    """Whether a registry has an image, by tag or digest: its manifest is what a pull asks first."""
    return Question(
        f"https://{registry}/v2/{repository}/manifests/{reference}",
        accept=MANIFESTS,
        name=f"the image {repository}",
    )


def site(url: str) -> str:
    """The host, and the port where it is not the usual one."""
    return url.partition("://")[2].partition("/")[0].rpartition("@")[2]


def answered(question: Question) -> Answer:
    return Answer(YES, f"{site(question.url)} answers")


def refused(question: Question, words: str, url: str = "") -> Answer:
    """`url`: where redirects led to."""
    return Answer(NO, f"{site(url or question.url)} answered {words} for {question.shown}")


def silent(question: Question, words: str) -> Answer:
    """Tells nothing about the site: the next command asks again."""
    return Answer(UNKNOWN, f"{site(question.url)} gave no answer for {question.shown} ({words})")
