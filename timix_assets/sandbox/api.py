"""The documented API over a workspace: lists, single rows, writes, invoice actions, reports and their CSV exports."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from timix_assets.contract.endpoints import BY_NAME, ENDPOINTS
from timix_assets.contract.schema import Endpoint, Shape
from timix_assets.text.wording import excerpt
from timix_assets.vendor import MAX_PAGE_SIZE

from . import reports
from .faults import ActiveFaults, Stage
from .keys import Key
from .responses import ApiResponse, Page, PageSlice, ParsedRequest, error_response, is_count
from .serialization import Visibility, body, record
from .workspace import Workspace
from .write_validation import InvalidWrite, RowNotFound

Row = dict[str, Any]
Answer = Callable[[Endpoint, Request], ApiResponse]

PREFIX = "/api/integration/v1"
DEFAULT_PAGE_SIZE = 50


@dataclass
class Api:
    """The endpoints. The middleware puts `key`, `parsed` and `faults` into a request's scope."""

    workspace: Workspace
    plan: str
    read_only: bool = False
    _reports: dict[tuple[object, ...], list[Row]] = field(default_factory=dict)
    _reports_version: int = 0

    def routes(self) -> list[Route]:
        """One route per path of the contract, with its record, write and export paths."""
        read = {Shape.OBJECT: self._object, Shape.LIST: self._list, Shape.REPORT: self._report}
        routes: list[Route] = []
        for endpoint in ENDPOINTS:
            routes.append(self._route("GET", endpoint, "", read[endpoint.shape]))
            if endpoint.csv_path:
                routes.append(self._route("GET", endpoint, endpoint.csv_path.removeprefix(endpoint.path), self._export))
            if endpoint.shape is Shape.LIST:
                routes.append(self._route("GET", endpoint, "/{id}", self._record_from(self.workspace.find)))
            if endpoint.writable:
                routes.append(self._route("POST", endpoint, "", self._create))
                routes.append(self._route("PUT", endpoint, "/{id}", self._update))
                routes.append(self._route("DELETE", endpoint, "/{id}", self._delete))
                routes.append(self._route("POST", endpoint, "/{id}/restore", self._record_from(self.workspace.restore)))
        issue, void = (lambda _, row_id: self.workspace.issue(row_id)), (lambda _, row_id: self.workspace.void(row_id))
        routes.append(self._route("POST", BY_NAME["invoices"], "/{id}/issue", self._record_from(issue)))
        routes.append(self._route("POST", BY_NAME["invoices"], "/{id}/void", self._record_from(void)))
        return routes

    def _route(self, method: str, endpoint: Endpoint, rest: str, answer: Answer) -> Route:
        async def handle(request: Request) -> Response:
            if method != "GET" and (refused := self._write_refusal(request.scope["key"], endpoint)):
                return to_response(refused)
            request.scope["body"] = await request.body()
            try:
                with self.workspace.lock:
                    return to_response(answer(endpoint, request))
            except InvalidWrite as broken:
                return to_response(error_response(422, str(broken)))
            except RowNotFound as missing:
                return to_response(error_response(404, str(missing)))

        return Route(f"{PREFIX}{endpoint.path}{rest}", handle, methods=[method])

    def _write_refusal(self, key: Key, endpoint: Endpoint) -> ApiResponse | None:
        if self.read_only:
            return error_response(403, "The trial has ended; the workspace is read-only.")
        if not key.may_write(endpoint.name):
            return error_response(403, f"The role {key.role} may not change {endpoint.path}.")
        return None

    def _object(self, endpoint: Endpoint, request: Request) -> ApiResponse:
        key, struck = _context(request)
        row = self._identity(key) if endpoint.name == "me" else self._organization(key)
        return ApiResponse(200, body(struck.apply(Stage.RECORD, [record(endpoint, row)])[0]))

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
            "permissions": ["read", *writes, *(["financials"] if key.visibility is Visibility.EVERYTHING else [])],
            "key_name": key.name,
            "key_expires_at": key.expires_at,
        }

    def _list(self, endpoint: Endpoint, request: Request) -> ApiResponse:
        key, struck = _context(request)
        start, end = _parsed(request).window()
        listing = self.workspace.listing(endpoint.name)
        ids = listing.within(start, end)
        if struck.changes_rows():
            rows = [row for row_id in ids if (row := listing.get(row_id))]
            return self._changed_page(endpoint, request, rows)
        return _page(request, len(ids), lambda low, high: listing.json(ids[low:high], key.visibility))

    def _report(self, endpoint: Endpoint, request: Request) -> ApiResponse:
        key, struck = _context(request)
        rows = self.report(endpoint.name, request)
        if struck.changes_rows():
            return self._changed_page(endpoint, request, rows)
        return _page(
            request, len(rows), lambda low, high: [body(record(endpoint, r, key.visibility)) for r in rows[low:high]]
        )

    def _changed_page(self, endpoint: Endpoint, request: Request, rows: Sequence[Row]) -> ApiResponse:
        """A page with faults in its rows, rendered record by record."""
        key, struck = _context(request)
        changed = struck.apply(Stage.LISTING, list(rows))

        def items(low: int, high: int) -> list[bytes]:
            sent = [record(endpoint, row, key.visibility) for row in changed[low:high]]
            return [body(one) for one in struck.apply(Stage.RECORD, sent)]

        return _page(request, len(changed), items)

    def report(self, name: str, request: Request) -> list[Row]:
        """A report's rows, cached per query until the data changes."""
        (start, end), customer = _parsed(request).window(), _parsed(request).query.get("customerId")
        see_cost = request.scope["key"].visibility is Visibility.EVERYTHING
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

    def _export(self, endpoint: Endpoint, request: Request) -> ApiResponse:
        text = reports.as_csv(endpoint, self.report(endpoint.name, request), request.scope["key"].visibility)
        name = {"Content-Disposition": f'attachment; filename="{endpoint.path.rsplit("/", 1)[1]}.csv"'}
        return ApiResponse(200, text, name, "text/csv; charset=utf-8")

    def _record_from(self, find: Callable[[str, str], Row]) -> Answer:
        """The record that `find` gives for the endpoint's name and the id in the path."""
        return lambda endpoint, request: self._row(endpoint, request, find(endpoint.name, request.path_params["id"]))

    def _row(self, endpoint: Endpoint, request: Request, row: Row, status: int = 200) -> ApiResponse:
        key, struck = _context(request)
        return ApiResponse(status, body(struck.apply(Stage.RECORD, [record(endpoint, row, key.visibility)])[0]))

    def _create(self, endpoint: Endpoint, request: Request) -> ApiResponse:
        return self._row(endpoint, request, self.workspace.create(endpoint.name, _fields(request)), 201)

    def _update(self, endpoint: Endpoint, request: Request) -> ApiResponse:
        changed = self.workspace.update(endpoint.name, request.path_params["id"], _fields(request))
        return self._row(endpoint, request, changed)

    def _delete(self, endpoint: Endpoint, request: Request) -> ApiResponse:
        self.workspace.delete(endpoint.name, request.path_params["id"])
        return ApiResponse(204, b"")


def to_response(answer: ApiResponse) -> Response:
    response = Response(answer.body, answer.status, dict(answer.headers), answer.content_type)
    response.headers["content-type"] = answer.content_type
    return response


def _context(request: Request) -> tuple[Key, ActiveFaults]:
    return request.scope["key"], request.scope["faults"]


def _parsed(request: Request) -> ParsedRequest:
    parsed: ParsedRequest = request.scope["parsed"]
    return parsed


def _fields(request: Request) -> Mapping[str, Any]:
    try:
        fields = json.loads(request.scope["body"], parse_float=Decimal)
    except ValueError as broken:
        raise InvalidWrite(f"The body is not JSON: {broken}.") from broken
    if not isinstance(fields, dict):
        raise InvalidWrite("The body must be one JSON object.")
    return fields


def _number(query: Mapping[str, str], name: str, default: int, most: int) -> int:
    text = query.get(name, str(default))
    if not is_count(text) or not 1 <= int(text) <= most:
        raise InvalidWrite(f"{name} must be a whole number from 1 to {most}, and is {excerpt(repr(text))}.")
    return int(text)


def _page(request: Request, total: int, items: Callable[[int, int], Sequence[bytes]]) -> ApiResponse:
    """A page of `total` rows; `items(low, high)` renders a slice."""
    query, struck = _parsed(request).query, request.scope["faults"]
    page, size = _number(query, "page", 1, 10**9), _number(query, "pageSize", DEFAULT_PAGE_SIZE, MAX_PAGE_SIZE)
    cut: PageSlice = struck.apply(Stage.SLICE, PageSlice(page, size, page, size))
    low = (cut.page - 1) * cut.size
    high = min(total, low + cut.size)
    whole = Page(items(low, high), total, cut.reported_page, cut.reported_size, high < total, lambda: items(0, total))
    changed: Page = struck.apply(Stage.PAGE, whole)
    return changed.answer()
