import asyncio

import pytest
from tests.unit.session.session_orders import Told, prepared

from iron_proxy.audit.record import EventRecord, RequestRecord
from iron_proxy.config.schema import LogConfig
from iron_proxy.errors import JailUnavailable
from iron_proxy.jail.launch import Jail
from iron_proxy.jail.refused import Refusal
from iron_proxy.jail.trust import trust_targets
from iron_proxy.session.jailed import plan_for, run_jailed, served
from iron_proxy.session.serving import assemble_tunnel
from iron_proxy.session.summary import Ending

FETCH = (
    "exec 3<>/dev/tcp/denied.test/80; printf 'GET /x HTTP/1.0\\r\\nHost: denied.test\\r\\n\\r\\n' >&3; head -1 <&3 >&2"
)


async def run(told: Told, *command: str) -> Ending:
    try:
        return await run_jailed(prepared(*command), told.records)
    except JailUnavailable as error:
        if "user namespace" in str(error) or "AppArmor" in str(error):
            pytest.skip(str(error))
        raise


async def test_the_plan_shows_trust_and_names_and_hides_what_is_secret() -> None:
    plan = await plan_for(prepared("cat", hidden=("/secret",), binds=("/run/x",), ports=(8443,)), Told().records)

    shown = {"/run/iron-proxy/ca.crt", "/run/iron-proxy/ca-bundle.crt", "/run/iron-proxy/ca-bundle.p12"}
    assert plan.files.keys() == shown | {"/etc/resolv.conf", *trust_targets()}
    assert plan.files["/etc/resolv.conf"] == b"nameserver 198.18.0.1\n"
    assert (plan.hidden, plan.binds) == (("/secret",), ("/run/x",))
    assert [door.port for door in plan.doors] == [53, 53, 80, 443, 8443]
    assert plan.environment["SSL_CERT_FILE"] == "/run/iron-proxy/ca-bundle.crt"


async def test_what_was_taken_out_of_the_environment_is_told() -> None:
    told = Told()
    environment = {"HTTPS_PROXY": "http://u:password-1@p:1", "COPY": "password-1"}

    await plan_for(prepared(environment=environment), told.records)

    assert told.sentences == ["COPY is not passed on: the outbound proxy's password stands in it"]


async def test_a_program_runs_behind_the_proxy_and_its_account_is_given() -> None:
    told = Told()

    ending = await run(told, "bash", "-c", f"{FETCH}; (exec 3<>/dev/tcp/192.0.2.7/22) 2>/dev/null; exit 3")

    assert (ending.status, ending.failure) == (3, "")
    assert ending.refused == {Refusal("tcp", "192.0.2.7", 22): 1}
    assert ending.seconds > 0
    (request,) = [record for record in told.seen if isinstance(record, RequestRecord)]
    assert (request.host, request.path, request.action) == ("denied.test", "/x", "reject")
    (event,) = [record for record in told.seen if isinstance(record, EventRecord)]
    assert (event.event, event.original_destination) == ("jail", "192.0.2.7:22")


async def test_many_refusals_of_one_destination_are_two_records() -> None:
    told = Told()

    await run(told, "bash", "-c", "for i in 1 2 3; do (exec 3<>/dev/tcp/192.0.2.7/22) 2>/dev/null; done")

    assert [record.reason for record in told.seen if isinstance(record, EventRecord)] == [
        "no way out by tcp to this port", "no way out by tcp to this port, 3 times in all",
    ]  # fmt: skip


async def test_a_program_that_is_not_there_is_said_as_a_shell_says_it() -> None:
    ending = await run(Told(), "no-such-program")

    assert (ending.status, ending.failure) == (127, "no-such-program: command not found")


async def test_a_proxy_that_fails_ends_the_body_with_its_failure() -> None:
    assembly, _ = assemble_tunnel(prepared(), Told().records.emitter(LogConfig()), "x")
    assembly.listeners[0].run = fail  # type: ignore[method-assign]

    with pytest.raises(OSError, match="broken"):
        async with served(assembly):
            await asyncio.Event().wait()
    assembly.listeners[0].sock.close()


async def test_a_failure_of_the_body_is_raised_as_it_is() -> None:
    assembly, _ = assemble_tunnel(prepared(), Told().records.emitter(LogConfig()), "x")

    with pytest.raises(JailUnavailable, match="no"):
        async with served(assembly):
            raise JailUnavailable("no")


async def test_no_jail_is_told_before_anything_is_served(monkeypatch: pytest.MonkeyPatch) -> None:
    async def refuse(plan: object) -> None:
        raise JailUnavailable("not here")

    monkeypatch.setattr(Jail, "open", refuse)

    with pytest.raises(JailUnavailable, match="not here"):
        await run_jailed(prepared(), Told().records)


async def fail() -> None:
    raise OSError("broken")
