"""Which methods a path takes.

To the router `/contacts/batch` is also a `/contacts/{contact_id}`, so that a PATCH of it would be told that
`batch` is no UUID. Here a path that the contract writes out is itself and nothing else.
"""

import re
from dataclasses import dataclass

from fastapi import FastAPI
from fastapi.routing import iter_route_contexts

from app.kit.errors import MethodNotAllowed

_PARAMETER = re.compile(r"\{[^}]*\}")


@dataclass(frozen=True, slots=True)
class Template:
    """A path of the API, such as `/contacts/{contact_id}`, and the methods it takes."""

    path: str
    pattern: re.Pattern[str]
    methods: frozenset[str]

    @property
    def last_segment(self) -> str:
        return self.path.rpartition("/")[2]

    def refusal(self) -> MethodNotAllowed:
        allowed = ", ".join(sorted(self.methods))
        return MethodNotAllowed(f"This path takes {allowed}.", headers={"Allow": allowed})

    def hides(self, other: "Template") -> bool:
        """Whether what this path stands for would also be taken for the other one."""
        return self.path != other.path and other.pattern.match(_PARAMETER.sub("0", self.path)) is not None


def templates(app: FastAPI) -> list[Template]:
    """Every path of the app; where two could be meant, the one that is written out comes first."""
    patterns: dict[str, re.Pattern[str]] = {}
    methods: dict[str, set[str]] = {}
    for context in iter_route_contexts(app.routes):
        path, pattern = context.path_format, getattr(context, "path_regex", None)
        if path is not None and pattern is not None:
            patterns[path] = pattern
            methods.setdefault(path, set()).update(context.methods or ())
    return [
        Template(path, patterns[path], frozenset(taken | {"HEAD"} if "GET" in taken else taken))
        for path, taken in sorted(methods.items(), key=lambda each: _written_out_first(each[0]))
    ]


def template_of(app: FastAPI, path: str) -> Template | None:
    """What a path means; None when there is nothing at it."""
    return next((each for each in templates(app) if each.pattern.match(path)), None)


def written_out(app: FastAPI) -> dict[str, list[Template]]:
    """By their last segment, the paths that the router could also take for another one."""
    every = templates(app)
    found: dict[str, list[Template]] = {}
    for index, template in enumerate(every):
        if any(template.hides(other) for other in every[index + 1 :]):
            found.setdefault(template.last_segment, []).append(template)
    return found


def _written_out_first(path: str) -> tuple[list[bool], str]:
    return ["{" in segment for segment in path.split("/")], path
