"""The documented API over a workspace: lists, single rows, writes, invoice actions, reports and their CSV exports."""

import json
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from timix_assets.contract.endpoints import BY_NAME, ENDPOINTS
from timix_assets.contract.schema import Endpoint, Shape
from timix_assets.documented import LARGEST_PAGE

from . import reports
from .answers import Answer, Asked, Cut, Page, refusal
from .faults import Stage, Struck
from .keys import Key
from .wire import Sight, body, record
from .workspace import Workspace
from .writing import Missing, Refused

Row = dict[str, Any]
Handler = Callable[[Request], Awaitable[Response]]

PREFIX = "/api/integration/v1"
USUAL_PAGE = 50


@dataclass
class Api:
    """The endpoints. A request's scope brings `key`, `asked` and `struck` (its faults), which the gate put there."""

    workspace: Workspace
    plan: str
    read_only: bool = False
    _reports: dict[tuple[object, ...], list[Row]] = field(default_factory=dict)
    _reports_version: int = 0

    def routes(self) -> list[Route]:
        """One route per path of the contract, and the row, write and export paths that follow from it."""
        routes: list[Route] = []
        for endpoint in ENDPOINTS:
            routes.append(self._route(endpoint, "", self._get(endpoint), "GET"))
            if endpoint.csv_path:
                export = endpoint.csv_path.removeprefix(endpoint.path)
                routes.append(self._route(endpoint, export, self._export(endpoint), "GET"))
            if endpoint.shape is Shape.LIST:
                routes.append(self._route(endpoint, "/{id}", self._one(endpoint), "GET"))
            if endpoint.writable:
                routes.append(self._route(endpoint, "", self._create(endpoint), "POST"))
                routes.append(self._route(endpoint, "/{id}", self._update(endpoint), "PUT"))
                routes.append(self._route(endpoint, "/{id}", self._delete(endpoint), "DELETE"))
                routes.append(self._route(endpoint, "/{id}/restore", self._restore(endpoint), "POST"))
        invoices = BY_NAME["invoices"]
        routes.append(self._route(invoices, "/{id}/issue", self._invoice(self.workspace.issue), "POST"))
        routes.append(self._route(invoices, "/{id}/void", self._invoice(self.workspace.void), "POST"))
        return routes

    def _route(
        self, endpoint: Endpoint, rest: str, answer: Callable[[Request], Answer | Awaitable[Answer]], method: str
    ) -> Route:
        async def handle(request: Request) -> Response:
            if method != "GET" and (refused := self._may_not_write(request.scope["key"], endpoint)):
                return respond(refused)
            try:
                with self.workspace.lock:
                    given = answer(request)
                return respond(given if isinstance(given, Answer) else await given)
            except Refused as broken:
                return respond(refusal(422, str(broken)))
            except Missing as missing:
                return respond(refusal(404, str(missing)))

        return Route(f"{PREFIX}{endpoint.path}{rest}", handle, methods=[method])

    def _may_not_write(self, key: Key, endpoint: Endpoint) -> Answer | None:
        if self.read_only:
            return refusal(403, "The trial has ended; the workspace is read-only.")
        if not key.may_write(endpoint.name):
            return refusal(403, f"The role {key.role} may not change {endpoint.path}.")
        return None

    def _get(self, endpoint: Endpoint) -> Callable[[Request], Answer]:
        if endpoint.shape is Shape.OBJECT:
            return lambda request: self._object(endpoint, request)
        if endpoint.shape is Shape.LIST:
            return lambda request: self._list(endpoint, request)
        return lambda request: self._report(endpoint, request)

    def _object(self, endpoint: Endpoint, request: Request) -> Answer:
        key, struck = _context(request)
        row = self._identity(key) if endpoint.name == "me" else self._organization(key)
        return Answer(200, body(struck.bend(Stage.RECORD, [record(endpoint, row)])[0]))

    def _organization(self, key: Key) -> Row:
        other = {"id": f"org-{key.organization}", "name": key.organization} if key.organization else {}
        return self.workspace.organization | {"plan": self.plan} | other

    def _identity(self, key: Key) -> Row:
        """/me: the first active person of the key's role, or the owner in that role."""
        organization = self._organization(key)
        users = self.workspace.rows("org_users")
        user = next((u for u in users if u["role"] == key.role and u["status"] == "Active"), users[0])
        writes = ["write"] if key.may_write("customers") else []
        return {
            "user_id": user["id"],
            "email": user["email"],
            "name": user["name"],
            "role": key.role,
            "organization_id": organization["id"],
            "organization_name": organization["name"],
            "plan": self.plan,
            "permissions": ["read", *writes, *(["financials"] if key.sight is Sight.EVERYTHING else [])],
            "key_name": key.name,
            "key_expires_at": key.expires_at,
        }

    def _list(self, endpoint: Endpoint, request: Request) -> Answer:
        key, struck = _context(request)
        start, end = _asked(request).window()
        listing = self.workspace.listing(endpoint.name)
        ids = listing.within(start, end)
        if struck.touches_rows():
            rows = [row for row_id in ids if (row := listing.get(row_id))]
            return self._bent_page(endpoint, request, rows)
        return _page(request, len(ids), lambda low, high: listing.json(ids[low:high], key.sight))

    def _report(self, endpoint: Endpoint, request: Request) -> Answer:
        key, struck = _context(request)
        rows = self.report(endpoint.name, request)
        if struck.touches_rows():
            return self._bent_page(endpoint, request, rows)
        return _page(
            request, len(rows), lambda low, high: [body(record(endpoint, r, key.sight)) for r in rows[low:high]]
        )

    def _bent_page(self, endpoint: Endpoint, request: Request, rows: Sequence[Row]) -> Answer:
        """A page with faults in its rows: rendered anew, record by record."""
        key, struck = _context(request)
        bent = struck.bend(Stage.LISTING, list(rows))

        def items(low: int, high: int) -> list[bytes]:
            sent = [record(endpoint, row, key.sight) for row in bent[low:high]]
            return [body(one) for one in struck.bend(Stage.RECORD, sent)]

        return _page(request, len(bent), items)

    def report(self, name: str, request: Request) -> list[Row]:
        """A report's rows, computed once per question until something changes."""
        (start, end), customer = _asked(request).window(), _asked(request).query.get("customerId")
        see_cost = request.scope["key"].sight is Sight.EVERYTHING
        if self._reports_version != self.workspace.version:
            self._reports.clear()
            self._reports_version = self.workspace.version
        question = (name, start, end, customer, see_cost)
        if question not in self._reports:
            self._reports[question] = {
                "revenue_report": lambda: reports.revenue(self.workspace, start, end),
                "budget_health_report": lambda: reports.budget_health(self.workspace, see_cost=see_cost),
                "unbilled_time_report": lambda: reports.unbilled_time(self.workspace),
                "customer_billing_report": lambda: reports.customer_billing(self.workspace, start, end, customer),
            }[name]()
        return self._reports[question]

    def _export(self, endpoint: Endpoint) -> Callable[[Request], Answer]:
        def export(request: Request) -> Answer:
            text = reports.as_csv(endpoint, self.report(endpoint.name, request), request.scope["key"].sight)
            name = {"Content-Disposition": f'attachment; filename="{endpoint.path.rsplit("/", 1)[1]}.csv"'}
            return Answer(200, text, name, "text/csv; charset=utf-8")

        return export

    def _one(self, endpoint: Endpoint) -> Callable[[Request], Answer]:
        return lambda request: self._row(
            endpoint, request, self.workspace.find(endpoint.name, request.path_params["id"])
        )

    def _row(self, endpoint: Endpoint, request: Request, row: Row, status: int = 200) -> Answer:
        key, struck = _context(request)
        return Answer(status, body(struck.bend(Stage.RECORD, [record(endpoint, row, key.sight)])[0]))

    def _create(self, endpoint: Endpoint) -> Callable[[Request], Awaitable[Answer]]:
        async def create(request: Request) -> Answer:
            return self._row(endpoint, request, self.workspace.create(endpoint.name, await _fields(request)), 201)

        return create

    def _update(self, endpoint: Endpoint) -> Callable[[Request], Awaitable[Answer]]:
        async def update(request: Request) -> Answer:
            row_id = request.path_params["id"]
            return self._row(endpoint, request, self.workspace.update(endpoint.name, row_id, await _fields(request)))

        return update

    def _delete(self, endpoint: Endpoint) -> Callable[[Request], Answer]:
        def delete(request: Request) -> Answer:
            self.workspace.delete(endpoint.name, request.path_params["id"])
            return Answer(204, b"")

        return delete

    def _restore(self, endpoint: Endpoint) -> Callable[[Request], Answer]:
        return lambda request: self._row(
            endpoint, request, self.workspace.restore(endpoint.name, request.path_params["id"])
        )

    def _invoice(self, change: Callable[[str], Row]) -> Callable[[Request], Answer]:
        return lambda request: self._row(BY_NAME["invoices"], request, change(request.path_params["id"]))


def respond(answer: Answer) -> Response:
    response = Response(answer.body, answer.status, dict(answer.headers), answer.content_type)
    response.headers["content-type"] = answer.content_type
    return response


def _context(request: Request) -> tuple[Key, Struck]:
    return request.scope["key"], request.scope["struck"]


def _asked(request: Request) -> Asked:
    asked: Asked = request.scope["asked"]
    return asked


async def _fields(request: Request) -> Mapping[str, Any]:
    try:
        fields = json.loads(await request.body(), parse_float=Decimal)
    except ValueError as broken:
        raise Refused(f"The body is no JSON: {broken}.") from broken
    if not isinstance(fields, dict):
        raise Refused("The body must be one JSON object.")
    return fields


def _number(query: Mapping[str, str], name: str, usual: int, most: int) -> int:
    text = query.get(name, str(usual))
    if not text.isascii() or not text.isdigit() or not 1 <= int(text) <= most:
        raise Refused(f"{name} must be a whole number from 1 to {most}, and is {text!r}.")
    return int(text)


def _page(request: Request, total: int, items: Callable[[int, int], Sequence[bytes]]) -> Answer:
    """A page of `total` rows, of which `items(low, high)` renders some."""
    query, struck = _asked(request).query, request.scope["struck"]
    page, size = _number(query, "page", 1, 10**9), _number(query, "pageSize", USUAL_PAGE, LARGEST_PAGE)
    cut: Cut = struck.bend(Stage.CUT, Cut(page, size, page, size))
    low = (cut.page - 1) * cut.size
    high = min(total, low + cut.size)
    whole = Page(items(low, high), total, cut.said_page, cut.said_size, high < total, lambda: items(0, total))
    bent: Page = struck.bend(Stage.PAGE, whole)
    return bent.answer()
