"""The files of deploy/ say what docs/deploy.md promises, and the same as the files that they repeat."""

import json
import os
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import grpc
import pytest
import yaml
from grpc_health.v1 import health
from grpc_health.v1.health_pb2 import HealthCheckResponse
from grpc_health.v1.health_pb2_grpc import add_HealthServicer_to_server
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

import timix_assets
from timix_assets.settings.environment import NAMES, reject_misspelt
from timix_assets.text.key_mask import contains_key

from .compose import COMPOSE, DATABASE, DEPLOY, DOCKERFILE, OURS, ROOT, SERVICES, mapped

DOC = (ROOT / "docs" / "deploy.md").read_text()
HELM: dict[str, Any] = yaml.safe_load((DEPLOY / "helm-values.yaml").read_text())

WITH_SECRETS = ("PGPASSWORD", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY")
LIBPQ = ("PGHOST", "PGPORT", "PGUSER", "PGDATABASE")
IMAGE_OF_POSTGRESQL = ("POSTGRES_USER", "POSTGRES_DB", "POSTGRES_PASSWORD_FILE")
STORE = ("AWS_DEFAULT_REGION", "AWS_ENDPOINT_URL")
OF_DAGSTER_YAML = ("DAGSTER_COMPUTE_LOGS_BUCKET",)
TOLERANCE = "DAGSTER_DAEMON_HEARTBEAT_TOLERANCE"
KNOWN = {
    *NAMES,
    *LIBPQ,
    *IMAGE_OF_POSTGRESQL,
    *STORE,
    *OF_DAGSTER_YAML,
    TOLERANCE,
    *(f"{name}_FILE" for name in WITH_SECRETS),
}


def example_variables() -> dict[str, str]:
    """Those of timix.env.example, also where they are commented out."""
    found = re.findall(r"^(?:# )?([A-Z_]+)=(.*)$", (DEPLOY / "timix.env.example").read_text(), re.MULTILINE)
    return dict(found)


def variables() -> Iterator[tuple[str, str]]:
    """Every variable of compose.yaml and its example, with its value."""
    for service in SERVICES.values():
        yield from service["environment"].items()
    yield from example_variables().items()


def env_of(data: Any) -> Iterator[str]:
    """The variables that `{env: NAME}` reads, wherever they are."""
    if isinstance(data, dict):
        if set(data) == {"env"}:
            yield data["env"]
        for each in data.values():
            yield from env_of(each)


def test_every_variable_is_known() -> None:
    assert {name for name, _ in variables()} <= KNOWN
    reject_misspelt(name for name, _ in variables())


def test_dagster_yaml_reads_variables_that_every_service_of_dagster_has() -> None:
    read = set(env_of(yaml.safe_load((DEPLOY / "dagster.yaml").read_text())))
    for name in set(OURS) - {"webhooks"}:
        assert read <= {*SERVICES[name]["environment"], *example_variables()}, name


def test_dagster_yaml_differs_from_the_projects_own_only_in_where_things_are_kept() -> None:
    ours, servers = (yaml.safe_load((folder / "dagster.yaml").read_text()) for folder in (ROOT, DEPLOY))
    for kept in ("storage", "compute_logs"):
        assert ours.pop(kept) != servers.pop(kept)
    assert servers == ours


def test_helm_values_repeat_dagster_yaml() -> None:
    own = yaml.safe_load((DEPLOY / "dagster.yaml").read_text())
    daemon = HELM["dagsterDaemon"]
    monitoring, retries = own["run_monitoring"], own["run_retries"]
    assert daemon["runMonitoring"]["maxRuntimeSeconds"] == monitoring["max_runtime_seconds"]
    assert daemon["runMonitoring"]["pollIntervalSeconds"] == monitoring["poll_interval_seconds"]
    assert daemon["runRetries"] == {
        "enabled": retries["enabled"],
        "maxRetries": retries["max_retries"],
        "retryOnAssetOrOpFailure": retries["retry_on_asset_or_op_failure"],
    }
    runs = daemon["runCoordinator"]["config"]["queuedRunCoordinator"]["maxConcurrentRuns"]
    assert runs == own["concurrency"]["runs"]["max_concurrent_runs"]
    assert HELM["retention"]["sensor"]["purgeAfterDays"] == own["retention"]["sensor"]["purge_after_days"]
    assert HELM["retention"]["schedule"]["purgeAfterDays"] == own["retention"]["schedule"]["purge_after_days"]
    scheme = own["storage"]["postgres"]["postgres_db"]["scheme"]
    assert HELM["postgresql"]["postgresqlScheme"] == scheme == "postgresql+psycopg2"


def test_helm_starts_a_pod_for_each_run_and_asks_every_service_for_its_health() -> None:
    [code] = HELM["dagster-user-deployments"]["deployments"]
    for service in (code, HELM["dagsterWebserver"]):
        for probe in ("readinessProbe", "livenessProbe", "startupProbe"):
            assert service[probe].get("enabled", True), probe
            assert service[probe]["failureThreshold"]
    for probe in ("livenessProbe", "startupProbe"):
        assert HELM["dagsterDaemon"][probe]["exec"]["command"] == ["dagster-daemon", "liveness-check"]
    assert HELM["runLauncher"]["type"] == "K8sRunLauncher"
    assert code["dagsterApiGrpcArgs"] == ["-m", "timix_assets.definitions"]
    assert set(code["env"]) <= KNOWN
    port = HELM["dagsterWebserver"]["service"]["port"]
    assert all(HELM["dagsterWebserver"][f"{of}Probe"]["httpGet"]["port"] == port for of in ("readiness", "liveness"))


def test_a_run_gets_the_resources_of_its_code_server() -> None:
    # The container context of a deployment takes precedence over the launcher's own.
    [code] = HELM["dagster-user-deployments"]["deployments"]
    assert code["includeConfigInLaunchedRuns"]["enabled"]
    assert code["resources"]["limits"]["memory"] == "2Gi"
    assert "resources" not in HELM["runLauncher"]["config"]["k8sRunLauncher"]


def test_pods_of_runs_are_as_hardened_as_those_of_services() -> None:
    launcher = HELM["runLauncher"]["config"]["k8sRunLauncher"]
    [code] = HELM["dagster-user-deployments"]["deployments"]
    runs = {
        "podSecurityContext": launcher["runK8sConfig"]["podSpecConfig"]["securityContext"],
        "securityContext": launcher["securityContext"],
    }
    for pods in (runs, code, HELM["dagsterWebserver"], HELM["dagsterDaemon"]):
        assert pods["podSecurityContext"]["runAsNonRoot"]
        assert pods["podSecurityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
        assert pods["securityContext"] == {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}}


def test_the_code_server_is_asked_in_the_same_way_everywhere() -> None:
    kind, *probe = SERVICES["code"]["healthcheck"]["test"]
    [code] = HELM["dagster-user-deployments"]["deployments"]
    assert kind == "CMD"
    for name in ("readinessProbe", "livenessProbe", "startupProbe"):
        assert code[name]["exec"]["command"] == probe, name


def test_the_probe_of_the_code_server_passes_while_it_serves() -> None:
    with ThreadPoolExecutor() as threads:
        server, servicer = grpc.server(threads), health.HealthServicer()
        add_HealthServicer_to_server(servicer, server)
        port = server.add_insecure_port("127.0.0.1:0")
        _, python, *probe = (mapped(word, {"4000": str(port)}) for word in SERVICES["code"]["healthcheck"]["test"])
        assert python == "python"

        def status() -> int:
            return subprocess.run([sys.executable, *probe], capture_output=True, check=False).returncode

        server.start()
        servicer.set("DagsterApi", HealthCheckResponse.SERVING)
        assert status() == 0
        servicer.set("DagsterApi", HealthCheckResponse.NOT_SERVING)
        assert status() == 1
        server.stop(None).wait()
        assert status() == 1


def test_probes_that_import_dagster_are_a_minute_apart() -> None:
    for name in OURS:
        probe = SERVICES[name]["healthcheck"]
        if any(word.startswith("dagster") for word in probe["test"]):
            assert probe["interval"] == "60s", name
    assert HELM["dagsterDaemon"]["livenessProbe"]["periodSeconds"] == 60


def test_the_daemons_tolerance_is_minutes_everywhere() -> None:
    tolerance = HELM["dagsterDaemon"]["heartbeatTolerance"]
    assert tolerance == 180
    assert SERVICES["daemon"]["environment"][TOLERANCE] == str(tolerance)


def test_the_receiver_of_webhooks_reaches_no_other_service() -> None:
    networks = {name: set(service.get("networks", ["default"])) for name, service in SERVICES.items()}
    own = networks.pop("webhooks")
    assert own <= set(COMPOSE["networks"])
    assert all(own.isdisjoint(other) for other in networks.values())


def test_what_services_print_is_bounded() -> None:
    for name, service in SERVICES.items():
        assert set(service["logging"]["options"]) == {"max-size", "max-file"}, name


def test_no_image_is_the_newest_of_its_day() -> None:
    images = [service["image"] for service in SERVICES.values()] + re.findall(r"^FROM (\S+)", DOCKERFILE, re.MULTILINE)
    for image in images:
        name, _, tag = image.partition(":")
        assert re.fullmatch(r"\d+\.\d+(\.\d+)?(-[\w-]+)?", tag), image
        if name == "timix-assets":
            assert tag == timix_assets.__version__
    assert HELM["dagsterDaemon"]["image"]["tag"] == timix_assets.__version__


def test_no_secret_is_in_a_file() -> None:
    for file in sorted(DEPLOY.iterdir()):
        assert not contains_key(file.read_text()), file.name
    for name, value in variables():
        if re.search("PASSWORD|SECRET|API_KEY|ACCESS_KEY|ALERT_URLS", name):
            assert name.endswith("_FILE"), name
            assert value.removeprefix("/run/secrets/") in COMPOSE["secrets"], name
    assert all(secret["file"].startswith("secrets/") for secret in COMPOSE["secrets"].values())
    of_the_firm = ("secrets/timix_api_key", "timix.env", "config/overrides.yaml", "imports/entries.csv")
    for name in (f"deploy/{each}" for each in of_the_firm):
        assert subprocess.run(["git", "check-ignore", "-q", name], cwd=ROOT, check=False).returncode == 0, name


def test_only_who_needs_a_secret_has_it() -> None:
    for secret in ("timix_api_key", "timix_alert_urls"):
        assert [name for name in SERVICES if secret in SERVICES[name]["secrets"]] == ["code"], secret
    assert SERVICES["webhooks"]["secrets"] == ["timix_webhook_secrets"]
    [code] = HELM["dagster-user-deployments"]["deployments"]
    assert {"name": "timix"} in code["envSecrets"]
    for other in ("dagsterWebserver", "dagsterDaemon"):
        assert {"name": "timix"} not in HELM[other]["envSecrets"]


def test_image_runs_without_root_and_holds_no_setting_of_ours() -> None:
    assert "\nUSER timix\n" in DOCKERFILE.rpartition("FROM")[2]
    assert not re.search(r"TIMIX_|PASSWORD|ACCESS_KEY", DOCKERFILE)


def test_every_service_is_restarted_and_asked_for_its_health() -> None:
    for name, service in SERVICES.items():
        assert service["restart"] == "always", name
        assert service["healthcheck"]["test"][0] == "CMD", name
    for name in OURS:
        for port in SERVICES[name].get("ports", []):
            assert port.startswith("127.0.0.1:"), name
    assert "ports" not in SERVICES[DATABASE]


def test_with_secrets_gives_the_content_of_files_and_fails_without_one(tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("pass word$\n")
    script = str(DEPLOY / "with-secrets")
    path = os.environ["PATH"]

    def run(environ: dict[str, str]) -> subprocess.CompletedProcess[str]:
        command = [script, "sh", "-c", 'printf %s "$PGPASSWORD"']
        return subprocess.run(command, env={"PATH": path} | environ, capture_output=True, text=True, check=False)

    assert run({"PGPASSWORD_FILE": str(secret)}).stdout == "pass word$"
    assert run({"PGPASSWORD": "as it is"}).stdout == "as it is"
    absent = run({"PGPASSWORD_FILE": str(tmp_path / "absent")})
    assert absent.returncode != 0
    assert not absent.stdout
    assert "absent" in absent.stderr


def test_with_secrets_knows_what_compose_gives_it() -> None:
    given = {name.removesuffix("_FILE") for name, _ in variables() if name.endswith("_FILE")}
    assert given & set(WITH_SECRETS) == set(WITH_SECRETS)
    assert f"for name in {' '.join(WITH_SECRETS)};" in (DEPLOY / "with-secrets").read_text()


def pins(name: str) -> dict[str, str]:
    lines = [line for line in (ROOT / name).read_text().splitlines() if not line.startswith("#")]
    assert all(re.fullmatch(r"[\w.-]+==[\w.]+", line) for line in lines), name
    return {canonicalize_name(line.partition("==")[0]): line.partition("==")[2] for line in lines}


def test_production_pins_differ_from_the_others_and_cover_the_extra() -> None:
    usual, production = pins("constraints.txt"), pins("constraints-production.txt")
    assert not usual.items() & production.items()
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    named = [*map(Requirement, extras["production"]), *map(Requirement, extras["dagster-plus"])]
    for requirement in (each for each in named if each.name != "timix_assets"):
        assert requirement.specifier.contains(production[canonicalize_name(requirement.name)])
    printed = subprocess.run(
        ["make", "--no-print-directory", "-s", "production-constraints"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    merged = [line for line in printed.splitlines() if not line.startswith("#")]
    assert {
        canonicalize_name(line.partition("==")[0]): line.partition("==")[2] for line in merged
    } == usual | production
    assert len(merged) == len(usual | production)


def test_document_names_every_file_and_chart_version() -> None:
    for file in DEPLOY.iterdir():
        if file.name in {"secrets", "timix.env"}:
            continue
        assert file.name.partition(".dockerignore")[0] in DOC, file.name
    assert f"--version {pins('constraints-production.txt')['dagster']}" in DOC


def test_section_on_several_firms_changes_what_there_is() -> None:
    [section] = re.findall(r"^## Several firms\n(.*?)^## ", DOC, re.MULTILINE | re.DOTALL)
    assert re.findall(r"^FROM (\S+)", section, re.MULTILINE) == [SERVICES["code"]["image"]]
    [code] = HELM["dagster-user-deployments"]["deployments"]
    ours = code["dagsterApiGrpcArgs"]
    assert f"dagsterApiGrpcArgs: {json.dumps([*ours[:-1], 'firms'])}" in section
    assert SERVICES["code"]["command"][-2:] == ours
    assert SERVICES["code"]["env_file"] == "timix.env"
    assert re.findall(r"secret generic (\S+)", section) == ["timix"]
    assert {"name": "timix"} in code["envSecrets"]
    assert "webhooks" in SERVICES
    ignored = ["git", "check-ignore", "-q", "deploy/secrets/firms.env"]
    assert subprocess.run(ignored, cwd=ROOT, check=False).returncode == 0


@pytest.mark.parametrize("name", ["build.yaml", "workspace.yaml"])
def test_other_files_are_yaml(name: str) -> None:
    assert yaml.safe_load((DEPLOY / name).read_text())
