"""A group's labels become a path that the pushgateway reads back."""

from __future__ import annotations

from base64 import urlsafe_b64decode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sluiceway.errors import ConfigurationError
from sluiceway.formats.pushgateway import gateway_address, grouping_path


@pytest.mark.parametrize(
    ("grouping", "expected"),
    [
        ({"job": "shop"}, "/metrics/job/shop"),
        ({"job": "a", "z": "1", "b": "2"}, "/metrics/job/a/b/2/z/1"),
        (
            {"job": "a", "path": "/var/tmp"},
            "/metrics/job/a/path@base64/L3Zhci90bXA",
        ),
        ({"job": "Προμηθεύς"}, "/metrics/job@base64/zqDPgc6_zrzOt864zrXPjc-C"),
        ({"job": "a", "empty": ""}, "/metrics/job/a/empty@base64/="),
        ({"job": "a", "up": ".."}, "/metrics/job/a/up@base64/Li4"),
        ({"job": "a", "instance": "host-1:77"}, "/metrics/job/a/instance/host-1:77"),
    ],
)
def test_a_grouping_is_written_as_the_gateway_documents_it(grouping, expected):
    assert grouping_path(grouping) == expected


@given(st.text(min_size=1), st.text())
def test_every_value_can_be_read_back_from_its_segment(job, value):
    parts = grouping_path({"job": job, "x": value}).split("/")
    assert parts[:2] == ["", "metrics"]
    names, texts = parts[2::2], parts[3::2]
    read = {
        name.removesuffix("@base64"): decoded(text) if "@" in name else text
        for name, text in zip(names, texts, strict=True)
    }
    assert read == {
        "job": job.encode(errors="replace").decode(),
        "x": value.encode(errors="replace").decode(),
    }


def decoded(text):
    bare = text.rstrip("=")
    return urlsafe_b64decode(bare + "=" * (-len(bare) % 4)).decode()


@pytest.mark.parametrize(
    ("grouping", "words"),
    [
        ({}, "job is None"),
        ({"job": ""}, "job is ''"),
        ({"job": "a", "__x": "1"}, "__x"),
        ({"job": "a", "1x": "1"}, "1x"),
        ({"job": "a", "x": 1}, "grouping['x'] is 1"),
    ],
)
def test_a_grouping_that_the_gateway_would_refuse_is_refused_here(grouping, words):
    with pytest.raises(ConfigurationError) as caught:
        grouping_path(grouping)
    assert words in str(caught.value)


@pytest.mark.parametrize(
    ("url", "base", "auth"),
    [
        ("localhost:9091", "http://localhost:9091", None),
        ("https://push.example/base/", "https://push.example/base", None),
        ("http://u:p%40ss@h:1", "http://h:1", ("u", "p@ss")),
        ("http://[::1]:9091", "http://[::1]:9091", None),
    ],
)
def test_a_url_gives_its_base_and_its_password(url, base, auth):
    assert gateway_address(url) == (base, auth)


@pytest.mark.parametrize(
    "url", ["ftp://h", "http://", "http://u:secret@:x", "http://h:x"]
)
def test_an_address_that_is_none_is_refused_without_its_password(url):
    with pytest.raises(ConfigurationError) as caught:
        gateway_address(url)
    assert "http://localhost:9091" in str(caught.value)
    assert "secret" not in str(caught.value)
