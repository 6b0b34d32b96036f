"""The option that refuses private addresses: what it refuses, and when it looks."""

from __future__ import annotations

import asyncio

import pytest
from servers.http_peers import answering, status

from sluiceway.errors import PermanentError, TransientError
from sluiceway.sinks.addresses import is_public
from sluiceway.sinks.http import Destination, HttpClient


@pytest.mark.parametrize(
    "host",
    [
        "127.0.0.1",
        "127.9.9.9",
        "0.0.0.0",
        "10.1.2.3",
        "172.16.0.1",
        "192.168.1.1",
        "169.254.169.254",
        "100.64.0.1",
        "224.0.0.1",
        "255.255.255.255",
        "::",
        "::1",
        "fe80::1",
        "fe80::1%eth0",
        "fd00::1",
        "ff02::1",
        "::ffff:127.0.0.1",
        "::ffff:10.0.0.1",
        "64:ff9b::7f00:1",
        "2002:7f00:1::",
        "2002:a00:1::",
        "2130706433",
        "127.1",
        "localhost",
        "",
    ],
)
def test_an_address_that_leads_inside_is_not_public(host):
    assert not is_public(host)


@pytest.mark.parametrize("host", ["1.1.1.1", "2606:4700::1111", "64:ff9b::101:101"])
def test_an_address_of_the_internet_is_public(host):
    assert is_public(host)


async def send(url, **options):
    client = HttpClient(**options)
    await client.open()
    try:
        answer = await client.send(Destination(url=url, shown="it"), b"", {}, 0)
    except (PermanentError, TransientError) as error:
        return error
    finally:
        await client.close()
    return answer.status


@pytest.mark.parametrize(
    "host", ["127.0.0.1", "localhost", "2130706433", "0x7f000001", "127.1", "0177.1"]
)
def test_nothing_is_sent_to_a_private_address_however_it_is_written(host):
    async def scenario():
        async with answering(status(200)) as server:
            port = server.url.rpartition(":")[2]
            error = await send(f"http://{host}:{port}/", refuse_private=True)
            return error, server.requests

    error, requests = asyncio.run(scenario())
    assert type(error) is PermanentError
    assert error.reason == "private_address"
    assert requests == []


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
def test_private_addresses_are_fine_unless_they_are_refused(host):
    async def scenario():
        async with answering(status(200)) as server:
            return await send(f"http://{host}:{server.url.rpartition(':')[2]}/")

    assert asyncio.run(scenario()) == 200


def test_an_ipv6_address_in_brackets_is_looked_at_too():
    error = asyncio.run(send("http://[::1]:9/", refuse_private=True))
    assert error.reason == "private_address"
