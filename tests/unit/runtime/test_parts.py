"""Listeners and DNS of a process: started, taken away, and ended with everything that goes on."""

import asyncio
from dataclasses import replace

from tests.fakes.log_lines import LogLines
from tests.unit.runtime.assembled import ANY_PORT, EVERYTHING, HTTP_ONLY, assembled

from iron_proxy.config.schema import DNSConfig
from iron_proxy.proxy.services import Services
from iron_proxy.runtime.parts import Parts

LONG = 5.0


async def test_a_listener_that_is_retired_is_gone_once_nothing_goes_on(process_log: LogLines) -> None:
    assembly = assembled(HTTP_ONLY)
    async with asyncio.TaskGroup() as group:
        parts = Parts(group, assembly.own)
        parts.add_listener(assembly.listeners[0])
        address = assembly.listeners[0].sock.getsockname()
        assert assembly.own.includes(*address)

        parts.retire_listener("http")
        parts.retire_listener("none of that name")

        assert parts.accepting == {}
        assert not assembly.own.includes(*address)
        async with asyncio.timeout(LONG):
            while parts.listeners:
                await asyncio.sleep(0)
    assembly.services.pool.close()


async def test_dns_begins_and_ends(process_log: LogLines) -> None:
    assembly = assembled(replace(HTTP_ONLY, dns=DNSConfig(listen=ANY_PORT, proxy_ip="192.0.2.1")))
    assert assembly.dns is not None
    async with asyncio.TaskGroup() as group:
        parts = Parts(group, assembly.own)
        await parts.start_dns(assembly.dns)
        assert parts.dns is not None
        await parts.stop_dns()
        await parts.stop_dns()
        assert parts.dns is None
    assembly.listeners[0].sock.close()
    assembly.services.pool.close()


async def test_retired_services_are_closed_when_told_to_stop(process_log: LogLines) -> None:
    assembly = assembled(HTTP_ONLY)
    old = assembly.services
    with old.in_use():
        async with asyncio.TaskGroup() as group:
            parts = Parts(group, assembly.own)
            parts.close_when_unused(old, old.retire(Services(
                old.snapshot, old.audit, old.dialer, old.pool, old.leaves, process=old.process
            )))  # fmt: skip
            await asyncio.sleep(0)
            assert parts.generations_closing == 1
            parts.close_retired()
    assert parts.generations_closing == 0
    assembly.listeners[0].sock.close()


async def test_what_runs_in_the_background_ends_with_the_process(process_log: LogLines) -> None:
    assembly = assembled(EVERYTHING)
    async with asyncio.TaskGroup() as group:
        parts = Parts(group, assembly.own)
        waiting = parts.in_background(asyncio.Event().wait(), "waiting")
        await asyncio.sleep(0)
        parts.cancel_background()
    assert waiting.cancelled()
    for sock in (*(each.sock for each in assembly.listeners), assembly.pages, *assembly.dns.datagrams,
                 *assembly.dns.streams) if assembly.dns is not None else ():  # fmt: skip
        if sock is not None:
            sock.close()
    assembly.services.pool.close()
