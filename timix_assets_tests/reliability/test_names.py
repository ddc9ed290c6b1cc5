"""Rows 53 and 54: names and the server's words that try to do something where they are shown."""

import json
import re
from datetime import UTC, date, datetime
from decimal import Decimal

import polars as pl
import pytest
from markdown_it import MarkdownIt

from timix_assets.alerts.budgets import BudgetTransition, budget_message
from timix_assets.alerts.delivery import receivers_of
from timix_assets.alerts.failed_runs import RunFailure, run_failure_message
from timix_assets.alerts.key_expiry import ApiKey, key_expiry_message
from timix_assets.assets.preview import preview
from timix_assets.reporting.summary import Budget
from timix_assets.sandbox.faults import Fault
from timix_assets_tests.alerts.hours import log_hours_over_a_cap
from timix_assets_tests.alerts.receiver import WebhookReceiver
from timix_assets_tests.conftest import TODAY
from timix_assets_tests.reliability.conftest import Workplace
from timix_assets_tests.workspace import Workspace, failures

OBEYED = re.compile("[\x00-\x09\x0b-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]")
TERMINAL = "Apollo\x1b[2J\x1b]52;c;cm0gLXJmIH4=\x07\x9b31m\u202egpj\nfailed timix/me: all is lost"
SHOWN = (
    "timix/projects",
    "timix/customers",
    "timix/time_reports",
    "rollups/budget_health",
    "rollups/organization_kpis",
)
MARKUP = (
    "@everyone",
    "<@123456> <!channel>",
    "[pay here](https://evil.example)",
    "https://evil.example/pay",
    "www.evil.example",
    "![x](https://evil.example/x.png)",
    "<img src=x onerror=alert(1)>",
    "<script>alert(1)</script>",
    "[x](javascript:alert(1))",
    "a | b `c` **d** ~~e~~ &lt;b&gt;",
)


def named(workplace: Workplace, name: str) -> None:
    """Gives every project and customer that name."""
    for kind in ("projects", "customers"):
        for row in list(workplace.sandbox.workspace.rows(kind)):
            workplace.sandbox.workspace.update(kind, row["id"], {"name": name})


@pytest.mark.fault(53)
@pytest.mark.timeout(300)
def test_names_reach_no_terminal_as_commands(workplace: Workplace) -> None:
    log_hours_over_a_cap(workplace.sandbox, workplace.lake, date.today())
    named(workplace, TERMINAL)
    done = [
        workplace.refresh_in_a_process(*SHOWN),
        *(workplace.project.run(command) for command in ("summary", "doctor")),
    ]
    for each in done:
        said = each.stdout + each.stderr
        assert not OBEYED.search(said)
        assert not [line for line in said.splitlines() if line.startswith("failed")]
    assert r"Apollo\x1b[2J" in done[1].stdout
    assert set(workplace.table("timix/projects")["name"]) == {TERMINAL}


@pytest.mark.fault(53)
def test_the_servers_words_reach_no_terminal_as_commands(workplace: Workplace, untouched: None) -> None:
    fault = Fault("invalid", path="/customers", value=TERMINAL)
    refreshed = workplace.refresh("timix/customers", faults=(fault,))
    assert r"Apollo\x1b[2J" in refreshed.sentence
    assert not OBEYED.search(refreshed.sentence + refreshed.stdout)


@pytest.mark.fault(53)
def test_field_names_reach_no_terminal_as_commands(workplace: Workplace) -> None:
    done = workplace.refresh(
        "timix/customers", faults=(Fault("new_field", path="/customers", field=json.dumps(TERMINAL)[1:-1]),)
    )
    assert any(r"\x1b[2J" in line for line in done.warnings)
    assert not OBEYED.search(done.stdout + done.stderr)


@pytest.mark.fault(54)
@pytest.mark.parametrize("name", MARKUP)
def test_names_are_inert_in_alerts(name: str) -> None:
    over = Budget("a", "TM", name, name, "over_budget", Decimal(120), Decimal(100), None, None)
    key = ApiKey(name, datetime(2026, 11, 18, tzinfo=UTC))
    failed = RunFailure("refresh_recent", "", [("timix/customers", f"The server said {name}.")])
    with WebhookReceiver() as webhook:
        [receiver] = receivers_of(webhook.url)
        for message in (
            budget_message([BudgetTransition(over, "on_track", is_worse_status=True)], TODAY, TODAY, "", ""),
            key_expiry_message(key, datetime(2026, 11, 12, tzinfo=UTC), "", ""),
            run_failure_message(failed, ""),
        ):
            receiver.send(message)
    assert len(webhook.messages) == 3
    for title, text in webhook.messages:
        assert not re.search(r"@\w|[<>`|]|\*\*|\]\(|://|www\.|\w\.example", f"{title}\n{text}")


@pytest.mark.fault(54)
@pytest.mark.parametrize("name", MARKUP)
def test_names_are_inert_in_dagsters_markdown(name: str) -> None:
    page = (
        MarkdownIt("commonmark", {"html": True})
        .enable(["table", "strikethrough"])
        .render(preview(pl.DataFrame({name: [name]})))
    )
    assert set(re.findall(r"<(\w+)", page)) == {"table", "thead", "tbody", "tr", "th", "td"}
    cells = [cell.replace("\u200b", "") for cell in re.findall(r"<t[hd]>(.*?)</t[hd]>", page)]
    assert cells == [name.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")] * 2
    assert not re.search(r"://|www\.|@\w", page)


@pytest.mark.fault(54)
@pytest.mark.parametrize("name", MARKUP)
def test_names_are_inert_in_check_descriptions(workspace: Workspace, name: str) -> None:
    workspace.overrides = {"invoices": {"skip_forbidden": True}}
    workspace.settings["max_rejected_share"] = 1.0
    workspace.lake.exports.put("budget_health_report.csv", b"projectId,status\r\nx,y\r\n")
    for fault in (
        Fault("new_field", path="/customers", field=name),
        Fault("raw_value", path="/projects", field="budgetHours", value=json.dumps(name)),
        Fault("raw_value", path="/tasks", field="id", value=json.dumps([name])),
        Fault("invalid", path="/invoices", status=403, value=name),
        Fault("text_replaced", path="/financial-reports/budget-health/export/csv", old="consumedHours", new=name),
    ):
        workspace.sandbox.faults.add(fault)
    result = workspace.refresh(
        "timix/customers", "timix/projects", "timix/tasks", "timix/invoices", "exports/budget_health_report"
    )
    said = [check.description for check in result.get_asset_check_evaluations() if check.description]
    said += failures(result).values()
    assert len([text for text in said if set(re.findall(r"\w+", name)) <= set(re.findall(r"\w+", text))]) >= 4
    pages = [MarkdownIt("commonmark", {"html": True}).enable("strikethrough").render(text) for text in said]
    assert {tag for page in pages for tag in re.findall(r"<(\w+)", page)} <= {"p", "code", "em", "strong", "s"}
    assert not [page for page in pages if re.search(r"://|www\.|@\w", page)]
