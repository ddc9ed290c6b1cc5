"""The people and subtasks of a workspace, and how a row's names find them. Pure."""

import unicodedata
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal

from timix_assets.text.wording import count_noun, excerpt

from .rows import PATH

ACTIVE = "Active"
SEPARATOR = " / "

Caps = Mapping[tuple[str, str, str], Decimal]
"""(level, id, scope) -> hour cap; without an entry, unlimited. Scope: TM, Fix, OVH; of a subtask: hours."""


class NoMatch(Exception):  # noqa: N818  it reads as what happened
    """Nobody, nothing or too much fits; the message is the reason to refuse the row."""


@dataclass(frozen=True, slots=True)
class Person:
    id: str
    email: str
    name: str
    is_active: bool
    first_day: date | None = None
    last_day: date | None = None


@dataclass(frozen=True, slots=True)
class Subtask:
    """A subtask with the names and statuses above it, from customer to subtask. ids: of project, task and itself."""

    id: str
    names: tuple[str, str, str, str]
    statuses: tuple[str | None, str | None, str | None, str | None]
    billing_type: str | None
    task_id: str = ""
    project_id: str = ""

    @property
    def path(self) -> str:
        return SEPARATOR.join(self.names)

    @property
    def closed(self) -> str:
        """The level that is not active, with its status: `project Website is Completed`; empty when work can be logged."""
        for level, name, status in zip(PATH, self.names, self.statuses, strict=True):
            if status not in (ACTIVE, None):
                return f"{level} {name} is {status}"
        return ""

    @property
    def budgets(self) -> Iterator[tuple[str, str, str]]:
        """The caps that its hours count against."""
        scope = self.billing_type or ""
        return iter((("project", self.project_id, scope), ("task", self.task_id, scope), ("subtask", self.id, "hours")))


@dataclass(frozen=True)
class Directory:
    """Whom and what a row can name."""

    people: Sequence[Person]
    subtasks: Sequence[Subtask]
    caps: Caps = field(default_factory=dict)
    _people: dict[str, list[Person]] = field(init=False, repr=False, default_factory=lambda: defaultdict(list))
    _by_name: dict[str, list[tuple[Mapping[str, str], Subtask]]] = field(
        init=False, repr=False, default_factory=lambda: defaultdict(list)
    )
    """Folded name of any level -> (level -> folded name, subtask)."""
    _by_id: dict[str, Subtask] = field(init=False, repr=False, default_factory=dict)

    def __post_init__(self) -> None:
        for person in self.people:
            for name in {folded(person.id), folded(person.email), folded(person.name)} - {""}:
                self._people[name].append(person)
        for subtask in self.subtasks:
            self._by_id[subtask.id] = subtask
            names = dict(zip(PATH, map(folded, subtask.names), strict=True))
            for name in set(names.values()):
                self._by_name[name].append((names, subtask))

    def person(self, name: str) -> Person:
        """The person of an id, an e-mail address or a unique full name. NoMatch otherwise."""
        found = self._people.get(folded(name), [])
        found = [each for each in found if each.is_active] or found
        if not found:
            raise NoMatch(f"no person has the id, e-mail address or name “{excerpt(name)}”")
        if len(found) > 1:
            raise NoMatch(f"{len(found)} people are called “{excerpt(name)}”; use the id or the e-mail address")
        return found[0]

    def subtask(self, path: Mapping[str, str]) -> Subtask:
        """The subtask of an id, of a whole path, or of the names that a row gives. NoMatch when not exactly one fits.

        Args:
            path: Level (`customer` … `subtask`) -> name or, of the subtask, also its id or the whole path.
        """
        last = path.get("subtask", "")
        if last in self._by_id:
            return self._by_id[last]
        parts = last.split(SEPARATOR)
        names = dict(zip(PATH, parts, strict=True)) if len(parts) == len(PATH) else path
        wanted = {level: name for level, given in names.items() if (name := folded(given))}
        if not wanted:
            raise NoMatch("no customer, project, task or subtask is named")
        candidates = self._by_name.get([*wanted.values()][-1], [])
        found = [each for names_of_each, each in candidates if wanted.items() <= names_of_each.items()]
        found = [each for each in found if not each.closed] or found
        shown = excerpt(SEPARATOR.join(name for name in names.values() if name))
        if not found:
            # Columns that are joined, without the last one.
            if [*wanted] == ["subtask"] and 1 < len(parts) < len(PATH):
                wanted = dict(zip(PATH, map(folded, parts), strict=False))
            raise NoMatch(f"no subtask is at “{shown}”: {self._where_it_ends(wanted)}")
        if len(found) > 1:
            raise NoMatch(f"{count_noun(len(found), 'subtask')} fit “{shown}”: {_choice(found, wanted)}")
        return found[0]

    def by_id(self, subtask_id: str) -> Subtask | None:
        """The subtask of exactly that id."""
        return self._by_id.get(subtask_id)

    def name_of(self, user_id: str) -> str:
        """The name of a person; the id where none is known."""
        return next((person.name for person in self._people.get(folded(user_id), []) if person.id == user_id), user_id)

    def _where_it_ends(self, wanted: Mapping[str, str]) -> str:
        """The first level that does not fit: `there is no such project`; if all do, what is below them."""
        remaining = self._by_name.get(next(iter(wanted.values())), [])
        for level, name in wanted.items():
            remaining = [each for each in remaining if each[0][level] == name]
            if not remaining:
                return f"there is no such {level}"
        below = [subtask for _, subtask in remaining]
        return f"below it {'is' if len(below) == 1 else 'are'} {_choice(below, wanted)}"


def _choice(found: Sequence[Subtask], wanted: Mapping[str, str]) -> str:
    """Some subtasks by the names that a row lacks, and what to do: `Design (sub-1), Test (sub-2); name the subtask too, …`."""
    lacking = [level for level in PATH if level not in wanted]
    shown = []
    for each in found[:3]:
        names = SEPARATOR.join(name for level, name in zip(PATH, each.names, strict=True) if level in lacking)
        shown.append(f"{excerpt(names)} ({each.id})" if names else each.id)
    more = ", …" if len(found) > 3 else ""
    levels = " and ".join(part for part in (", ".join(lacking[:-1]), *lacking[-1:]) if part)
    name = f"the {levels} too, or the id" if lacking else "the id"
    return f"{', '.join(shown)}{more}; name {name}, in a column or under `values` of the field subtask in a mapping"


def folded(name: str) -> str:
    """Names are compared as they look: without case and invisible marks, with single blanks, in one Unicode form."""
    visible = "".join(letter for letter in name if unicodedata.category(letter) != "Cf")
    return " ".join(unicodedata.normalize("NFC", visible).split()).casefold()


def subtasks_of(
    customers: Iterable[Mapping[str, str | None]],
    projects: Iterable[Mapping[str, str | None]],
    tasks: Iterable[Mapping[str, str | None]],
    subtasks: Iterable[Mapping[str, str | None]],
) -> list[Subtask]:
    """The subtasks with what stands above each, from the rows of the four tables."""
    customer_of, project_of, task_of = ({row["id"]: row for row in rows} for rows in (customers, projects, tasks))
    nothing: Mapping[str, str | None] = {}
    found = []
    for row in subtasks:
        task = task_of.get(row["task_id"], nothing)
        project = project_of.get(task.get("project_id"), nothing)
        levels = (customer_of.get(project.get("customer_id"), nothing), project, task, row)
        customer_name, project_name, task_name, name = (level.get("name") or "" for level in levels)
        customer_status, project_status, task_status, status = (level.get("status") for level in levels)
        found.append(
            Subtask(
                row["id"] or "",
                (customer_name, project_name, task_name, name),
                (customer_status, project_status, task_status, status),
                row["billing_type"],
                task.get("id") or "",
                project.get("id") or "",
            )
        )
    return found
