"""What a key may write, by the role of its owner. Pure."""

from dataclasses import dataclass

from timix_assets.vendor import ROLES_WITHOUT_COST

VIEWER, MEMBER = "Viewer", "Member"


@dataclass(frozen=True, slots=True)
class KeyOwner:
    """Who the key acts for. None where /me does not say; then Timix decides."""

    user_id: str | None
    role: str | None

    @property
    def may_not_write(self) -> str:
        """Why nothing can be written with this key; empty when something can."""
        return f"the key's role is {self.role}, which may not write time entries" if self.role == VIEWER else ""

    @property
    def may_not_write_structure(self) -> str:
        """Why no customer, project, task or subtask can be written with this key; empty when they can (assumed)."""
        if self.role in (VIEWER, MEMBER):
            return f"the key's role is {self.role}, which may not write customers, projects, tasks and subtasks"
        return ""

    def refusal(self, user_id: str, *, sets_rate: bool) -> str:
        """Why this key may not write that person's entry; empty when it may."""
        if self.role == MEMBER and user_id != self.user_id:
            return "the key's role is Member, which may write its owner's entries only"
        if sets_rate and self.role in ROLES_WITHOUT_COST:
            return f"the key's role is {self.role}, which may not set rates"
        return ""
