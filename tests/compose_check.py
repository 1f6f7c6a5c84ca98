#!/usr/bin/env python3
"""Checks docker-compose.yml and the Dockerfile where no Docker engine runs: against the schema of the Compose
Specification, and against the binary itself. What only an engine can show (that images exist, that the containers come
up) it does not show.

    compose_check.py [COMMAND...]     COMMAND runs the binary [default: cargo run --quiet --package topology --]

tests/compose/compose-spec.json is the schema of the Compose Specification as github.com/compose-spec/compose-go v2.16.2
has it (Apache-2.0).
"""

import copy
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import jsonschema
import yaml

ROOT = Path(__file__).resolve().parent.parent
SCHEMA = json.loads((ROOT / "tests/compose/compose-spec.json").read_text())
SECRET = re.compile(r"KEY|TOKEN|PASSWORD|SECRET")
BINARY = sys.argv[1:] or ["cargo", "run", "--quiet", "--package", "topology", "--"]
OUTSIDE = {"SYNCWELL_KEY": "ab" * 32, "SYNCWELL_METRICS_TOKEN": "a-token"}


def interpolated(text):
    """The text with variables from OUTSIDE in place of `${NAME}`, `${NAME:?words}` and `${NAME:-default}`."""
    return re.sub(r"\$\{(\w+)(?::[?-][^}]*)?\}", lambda it: OUTSIDE[it[1]], str(text))


def syncwell(arguments, environment=None):
    """What is wrong with running the binary so, in one line; None if nothing is."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith("SYNCWELL_")}
    ran = subprocess.run(
        [*BINARY, *arguments], cwd=ROOT, env=clean | (environment or {}), capture_output=True, text=True
    )
    return None if ran.returncode == 0 else f"exit {ran.returncode}: {' '.join(ran.stderr.split())[:300]}"


def is_pinned(image):
    name, _, tag = image.rpartition(":")
    return bool(name) and tag not in ("", "latest") and "/" not in tag


def wrong_in_dockerfile(text):
    stages = [line.split()[1] for line in text.splitlines() if line.startswith("FROM ")]
    wrong = [f"Dockerfile: {image} has no version" for image in stages if not is_pinned(image)]
    users = [line.split()[1] for line in text.splitlines() if line.startswith("USER ")]
    if not users or users[-1].split(":")[0] in ("root", "0"):
        wrong.append("Dockerfile: it runs as root")
    return wrong


def wrong_in_ours(name, service):
    wrong = []
    environment = {key: interpolated(value) for key, value in service.get("environment", {}).items()}
    ours = {key: value for key, value in environment.items() if key.startswith("SYNCWELL_")}
    said = syncwell(["config"], ours)
    if said:
        wrong.append(f"{name}: its environment is no configuration: {said}")
    said = syncwell([*service["command"], "--help"])
    if said:
        wrong.append(f"{name}: `{' '.join(service['command'])}` is no command: {said}")
    if str(service.get("user", "nonroot")).split(":")[0] in ("root", "0") or service.get("privileged"):
        wrong.append(f"{name}: it runs as root")
    return wrong


def wrong_in(compose):
    """Everything that is wrong, one line each."""
    errors = jsonschema.Draft202012Validator(SCHEMA).iter_errors(compose)
    wrong = [f"{'.'.join(map(str, it.absolute_path))}: {it.message[:200]}" for it in errors]
    if wrong:
        return wrong
    services = compose["services"]
    for name, service in services.items():
        is_ours = "build" in service
        if not is_pinned(service["image"]):
            wrong.append(f"{name}: {service['image']} has no version")
        lasts = service.get("restart") is not None
        if lasts and "healthcheck" not in service:
            wrong.append(f"{name}: nobody asks whether it is healthy")
        for other, how in service.get("depends_on", {}).items():
            if other not in services:
                wrong.append(f"{name}: it waits for {other}, which is no service")
            elif how["condition"] == "service_healthy" and "healthcheck" not in services[other]:
                wrong.append(f"{name}: it waits for the health of {other}, which has no check")
            elif how["condition"] == "service_completed_successfully" and services[other].get("restart"):
                wrong.append(f"{name}: it waits for the end of {other}, which never ends")
        for key, value in service.get("environment", {}).items():
            if SECRET.search(key) and not key.endswith("_FILE") and not str(value).startswith("${"):
                wrong.append(f"{name}: {key} is written down")
        for kind in ("secrets", "configs"):
            used = [it if isinstance(it, str) else it["source"] for it in service.get(kind, [])]
            wrong += [f"{name}: there is no {it} among {kind}" for it in used if it not in compose.get(kind, {})]
        mounted = [it.split(":")[0] for it in service.get("volumes", [])]
        wrong += [f"{name}: there is no volume {it}" for it in mounted if it not in compose.get("volumes", {})]
        if is_ours:
            wrong += wrong_in_ours(name, service)
    scraped = yaml.safe_load(compose["configs"]["prometheus"]["content"])["scrape_configs"][0]["dns_sd_configs"][0]
    listening = services["api"]["environment"]["SYNCWELL_LISTEN"].rpartition(":")[2]
    wrong += [f"prometheus: {it} is no service" for it in scraped["names"] if it not in services]
    if str(scraped["port"]) != listening:
        wrong.append(f"prometheus: it asks port {scraped['port']}, and {listening} is listened on")
    return wrong


def check(compose, change, expected):
    """That this check sees a fault."""
    spoilt = copy.deepcopy(compose)
    change(spoilt["services"])
    assert any(expected in it for it in wrong_in(spoilt)), f"this check does not see: {expected}"


def main():
    compose = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
    dockerfile = (ROOT / "Dockerfile").read_text()
    wrong = wrong_in(compose) + wrong_in_dockerfile(dockerfile)
    if wrong:
        sys.exit("\n".join(wrong))
    check(compose, lambda it: it["kafka"].update(image="apache/kafka"), "apache/kafka has no version")
    check(compose, lambda it: it["api"].update(comand=["api"]), "comand")
    check(compose, lambda it: it["api"].update(command=["apj"]), "`apj` is no command")
    check(compose, lambda it: it["worker"].update(user="0:0"), "worker: it runs as root")
    check(compose, lambda it: it["worker"]["environment"].update(SYNCWELL_BUSS="x"), "buss")
    check(compose, lambda it: it["api"]["environment"].update(SYNCWELL_KEY="ab"), "SYNCWELL_KEY is written down")
    check(compose, lambda it: it["scylla"].pop("healthcheck"), "scylla, which has no check")
    assert wrong_in_dockerfile("FROM rust\nUSER root") == [
        "Dockerfile: rust has no version",
        "Dockerfile: it runs as root",
    ]
    print(f"docker-compose.yml: {len(compose['services'])} services as they should be; unproven on a Docker engine")


main()
