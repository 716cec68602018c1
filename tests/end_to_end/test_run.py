"""`iron-proxy run` with real programs: what they reach, what they hold, what is told at the end."""

import json
import shutil
import subprocess
from pathlib import Path

import pytest
from tests.clients.origins.packages import WHEEL
from tests.fakes.run_world import NAMES, SECRET, RunWorld

pytestmark = [pytest.mark.end_to_end, pytest.mark.root]

GIT = ["git", "-c", "user.name=Tester", "-c", "user.email=tester@example.com", "-c", "init.defaultBranch=main"]
FETCH = "fetch(process.argv[1]).then(r => r.text()).then(t => console.log(r = t.trim()))"
URLLIB = "import sys, urllib.request as u; print(u.urlopen(sys.argv[1]).read().decode().strip())"


@pytest.fixture
def place(run_world: RunWorld, user: str, request: pytest.FixtureRequest) -> Path:
    """A folder of the user's own to work in."""
    folder = run_world.folder / f"work-{user}-{abs(hash(request.node.name))}"
    folder.mkdir()
    shutil.chown(folder, user)
    return folder


# --- allowed and denied ---------------------------------------------------------------------------------------------


def test_curl_reaches_an_allowed_host_without_any_configuration(run_world: RunWorld, user: str) -> None:
    done = run_world.run("-allow", "example.com", "--", "curl", "-sS", "https://example.com/", user=user)

    assert (done.status, done.out) == (0, "open\n")
    assert done.err == "iron-proxy: 1 request allowed, 0 denied\n  allowed  example.com (1)\n"


def test_a_denied_host_is_403_and_the_flag_for_it_is_told(run_world: RunWorld, user: str) -> None:
    start = run_world.mark()
    curl = ["curl", "-sS", "-o", "/dev/null", "-w", "%{http_code}"]

    done = run_world.run("-allow", "example.com", "--", *curl, "https://other.test/x", user=user)
    again = run_world.run("-allow", "other.test", "--", *curl, "https://other.test/x", user=user)

    assert (done.out, again.out) == ("403", "200")
    assert "  denied   other.test (1): no rule matches the host; to allow it: --allow other.test\n" in done.err
    assert [each["path"] for each in run_world.arrived(start)] == ["/x"]


def test_a_configuration_of_three_lines_is_enough(run_world: RunWorld, user: str, place: Path) -> None:
    config = place / "proxy.yaml"
    config.write_text('transforms:\n  - name: allowlist\n    config: {domains: ["example.com"]}\n')
    status = "curl -sS -o /dev/null -w '%{http_code}'"
    script = f"curl -sS https://example.com/; {status} https://other.test/; cat proxy.yaml"

    done = run_world.run("-config", config, "--", "sh", "-c", script, user=user, cwd=place)

    assert done.out == "open\n403"
    assert "proxy.yaml: Permission denied" in done.err


def test_a_port_that_a_rule_names_leads_out_and_others_do_not(run_world: RunWorld, user: str) -> None:
    script = "curl -sS https://example.com:8443/; curl -sS -m 5 https://example.com:8444/ || echo refused"

    done = run_world.run("-allow", "example.com:8443", "-summary", "json", "--", "sh", "-c", script, user=user)

    assert done.out == "open\nrefused\n"
    assert {"protocol": "tcp", "port": 8444, "count": 1} in [
        {key: each[key] for key in ("protocol", "port", "count")} for each in done.summary["refused"]["destinations"]
    ]


def test_an_address_that_is_allowed_is_reached_by_tls_without_a_name(run_world: RunWorld, user: str) -> None:
    curl = ["curl", "-sS", "-w", "%{http_code}"]

    allowed = run_world.run("-allow", "203.0.113.0/24", "--", *curl, "https://203.0.113.5/", user=user)
    denied = run_world.run("--", *curl, "http://203.0.113.5/", user=user)

    assert allowed.out == "open\n200"
    assert denied.out == "403"


# --- what programs do -----------------------------------------------------------------------------------------------


@pytest.mark.skipif(shutil.which("node") is None, reason="node is not installed")
def test_node_and_python_fetch(run_world: RunWorld, user: str) -> None:
    for command in (["node", "-e", FETCH], ["python3", "-c", URLLIB]):
        done = run_world.run("-allow", "example.com", "--", *command, "https://example.com/", user=user)

        assert done.out == "open\n", (command, done.err)


def test_pip_installs_with_a_password_that_it_never_has(run_world: RunWorld, user: str, place: Path) -> None:
    script = (
        f"python3 -m venv {place}/venv && {place}/venv/bin/python -m pip install --no-cache-dir --no-input --no-deps "
        "--disable-pip-version-check -q --index-url https://x:$PASSWORD@pypi.test/simple/ tinywheel && "
        f"{place}/venv/bin/python -c 'import tinywheel; print(tinywheel.NAME)'"
    )
    start = run_world.mark()

    done = run_world.run(
        "-secret", "PASSWORD@pypi.test", "--", "sh", "-c", script, user=user, environment={"PASSWORD": SECRET}
    )

    assert (done.status, done.out) == (0, "tinywheel\n"), done.err
    assert [each["path"] for each in run_world.arrived(start)] == ["/simple/tinywheel/", f"/files/{WHEEL}"]


@pytest.mark.skipif(shutil.which("npm") is None, reason="npm is not installed")
def test_npm_installs(run_world: RunWorld, user: str, place: Path) -> None:
    (place / "package.json").write_text("{}")
    shutil.chown(place / "package.json", user)
    options = ["--no-audit", "--no-fund", "--no-update-notifier", "--cache", "cache", "--fetch-retries=0"]

    done = run_world.run(
        "-allow", "npm.test", "--", "npm", "install", *options, "--registry", "https://npm.test/", "tiny-package",
        user=user, cwd=place,
    )  # fmt: skip

    assert done.status == 0, done.err
    assert (place / "node_modules" / "tiny-package" / "index.js").exists()


def test_git_clones_what_was_pushed(run_world: RunWorld, user: str, place: Path) -> None:
    repository = run_world.folder / "project.git"
    if not repository.exists():
        subprocess.run([*GIT, "init", "-q", "--bare", str(repository)], check=True)
    branch = f"refs/heads/{user}"
    url = "https://x:$TOKEN@git.test/project.git"
    git = " ".join(GIT)
    script = (
        f"{git} init -q a && cd a && echo hello > file && git add file && {git} commit -qm one && "
        f"git push -q {url} HEAD:{branch} && "
        f"cd .. && git clone -q -b {user} {url} b && cat b/file && git -C b remote -v"
    )

    done = run_world.run(
        "-secret", "TOKEN@git.test", "--", "sh", "-c", script, user=user, cwd=place, environment={"TOKEN": SECRET}
    )

    assert (done.status, done.out.splitlines()[0]) == (0, "hello"), done.err
    assert SECRET not in done.out


# --- secrets --------------------------------------------------------------------------------------------------------


def test_the_program_has_a_token_and_the_origin_gets_the_value(run_world: RunWorld, user: str) -> None:
    start = run_world.mark()
    script = 'env; cat /proc/self/environ; curl -sS -H "Authorization: Bearer $API_KEY" https://api.example.com/v1'
    environment = {"API_KEY": SECRET, "A_COPY": f"x{SECRET}y", "HTTPS_PROXY": "", "http_proxy": ""}

    done = run_world.run(
        "-secret", "API_KEY@api.example.com", "-summary", "json", "--", "sh", "-c", script, user=user,
        environment=environment,
    )  # fmt: skip

    assert done.out.endswith("open\n"), done.err
    assert SECRET not in done.out + done.err
    assert "A_COPY" not in done.out
    assert "iron-proxy: A_COPY is not passed on: API_KEY stands in it\n" in done.err
    assert [each["authorization"] for each in run_world.arrived(start)] == [f"Bearer {SECRET}"]
    assert done.summary["hosts"] == [
        {"host": "api.example.com", "allowed": 1, "denied": 0, "failed": 0, "secrets": {"API_KEY": 1}}
    ]


def test_the_token_is_worth_nothing_elsewhere(run_world: RunWorld, user: str) -> None:
    start = run_world.mark()
    script = 'curl -sS -H "Authorization: Bearer $API_KEY" https://example.com/'

    run_world.run(
        "-allow", "example.com", "-secret", "API_KEY@api.example.com", "--", "sh", "-c", script, user=user,
        environment={"API_KEY": SECRET},
    )  # fmt: skip

    (seen,) = run_world.arrived(start)
    assert seen["authorization"].startswith("Bearer sk-")
    assert SECRET not in seen["authorization"]


def test_a_configured_secret_is_replaced_by_its_proxy_token(run_world: RunWorld, user: str, place: Path) -> None:
    config = place / "proxy.yaml"
    secret = {"var": "API_KEY", "proxy_value": "proxy-token-1234567890", "hosts": [{"name": "api.example.com"}]}
    config.write_text(
        json.dumps(
            {
                "transforms": [
                    {"name": "allowlist", "config": {"domains": ["api.example.com"]}},
                    {"name": "secrets", "config": {"source": "env", "secrets": [secret]}},
                ]
            }
        )
    )
    script = 'echo $API_KEY; curl -sS -H "X-Key: $API_KEY" -H "Authorization: $API_KEY" https://api.example.com/'

    done = run_world.run(
        "-config", config, "--", "sh", "-c", script, user=user, cwd=place, environment={"API_KEY": SECRET}
    )

    assert done.out == "proxy-token-1234567890\nopen\n", done.err


# --- learning -------------------------------------------------------------------------------------------------------


def test_what_was_learned_allows_the_same_and_no_more(run_world: RunWorld, user: str, place: Path) -> None:
    script = "; ".join(
        f"curl -sS -o /dev/null -w '%{{http_code}} ' {options}"
        for options in (
            "https://example.com/a",
            "-X POST -d x 'https://example.com/b*c?q=1'",
            "http://www.example.com/",
            "https://other.test:8443/d/",
            "https://other.test/e%2ff",
        )
    )
    learned = place / "learned.yaml"

    first = run_world.run("-learn", learned, "-port", "8443", "--", "sh", "-c", script, user=user, cwd=place)
    second = run_world.run("-config", learned, "--", "sh", "-c", script, user=user, cwd=place)
    beyond = run_world.run(
        "-config", learned, "--", "curl", "-sS", "-w", "%{http_code}", "https://example.com/bc", user=user, cwd=place
    )

    assert first.out == second.out == "200 200 200 200 200 ", (first.err, learned.read_text(), second.err)
    assert beyond.out == "403"
    assert '- "/b\\\\*c"  # 1\n' in learned.read_text()


def test_learning_gives_no_secret_to_others_and_does_not_reach_forbidden_addresses(
    run_world: RunWorld, user: str, place: Path
) -> None:
    start = run_world.mark()
    script = (
        'curl -sS -H "Authorization: $API_KEY" https://example.com/; '
        "curl -sS -o /dev/null -w '%{http_code} ' http://127.0.0.1/; "
        "curl -sS -o /dev/null -w '%{http_code} ' http://169.254.169.254/latest/meta-data/"
    )

    done = run_world.run(
        "-learn", place / "learned.yaml", "-secret", "API_KEY@api.example.com", "--", "sh", "-c", script, user=user,
        cwd=place, environment={"API_KEY": SECRET},
    )  # fmt: skip

    assert done.out == "open\n502 502 ", done.err
    assert SECRET not in run_world.arrived(start)[0]["authorization"]
    assert "169.254" not in (place / "learned.yaml").read_text()


# --- files, and the quiet terminal ----------------------------------------------------------------------------------


def test_audit_records_go_to_a_file_that_the_program_cannot_touch(run_world: RunWorld, user: str, place: Path) -> None:
    audit = place / "audit.jsonl"
    script = "curl -sS https://example.com/; curl -sS http://203.0.113.5:22/; echo x > audit.jsonl; cat audit.jsonl"

    done = run_world.run(
        "-allow", "example.com", "-audit", audit, "-summary", "off", "--", "sh", "-c", script, user=user, cwd=place
    )

    lines = [json.loads(line) for line in audit.read_text().splitlines()]
    assert [line["host"] for line in lines if line["msg"] == "request"] == ["example.com"]
    refused = [line for line in lines if line.get("event") == "jail"]
    assert [line["original_destination"] for line in refused] == ["203.0.113.5:22"]
    assert done.out == "open\n"
    assert "iron-proxy" not in done.err


def test_verbose_puts_everything_on_standard_error(run_world: RunWorld, user: str) -> None:
    done = run_world.run("-allow", "example.com", "-verbose", "--", "curl", "-sS", "https://example.com/", user=user)

    lines = [json.loads(line) for line in done.err.splitlines() if line.startswith("{")]
    assert {"iron-proxy starting", "request", "iron-proxy stopped"} <= {line["msg"] for line in lines}


def test_the_summary_can_go_to_a_file(run_world: RunWorld, user: str, place: Path) -> None:
    summary = place / "summary.json"

    done = run_world.run("-summary", "json", "-summary-file", summary, "--", "true", user=user, cwd=place)

    assert (done.status, done.out, done.err) == (0, "", "")
    assert json.loads(summary.read_text())["requests"] == {"allowed": 0, "denied": 0, "failed": 0}


# --- weak -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["example.com", "other.test"])
def test_weak_tells_the_program_by_variables(run_world: RunWorld, user: str, name: str) -> None:
    done = run_world.run(
        "-weak", "-allow", "example.com", "--", "curl", "-sS", f"https://{name}/", user=user, environment={"X": "1"}
    )

    assert done.err.startswith("iron-proxy: weak: ")
    assert done.out == ("open\n" if name == "example.com" else "")
    assert name in NAMES


def test_weak_lets_nobody_in_without_the_password(run_world: RunWorld, user: str) -> None:
    proxy = '-x "http://${HTTPS_PROXY#*@}"'
    ways = ("--proxy-user run:guess " + proxy, proxy)
    script = "; ".join(f"curl -sS -o /dev/null -w '%{{http_code}} ' {way} http://example.com/" for way in ways)

    done = run_world.run("-weak", "-allow", "example.com", "--", "sh", "-c", script, user=user)

    assert done.out == "407 407 "
