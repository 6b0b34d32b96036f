"""Scripts for a real Alertmanager and for our Notifier, and what each tells.

``python tests/alerting/alertmanager_scripts.py`` plays 700 random scripts at the same
time to the Alertmanager of ``make servers``, and keeps in ``alertmanager_runs.json`` 60
of those that tell most. Left out are scripts in which the Notifier's documented
difference shows: who hears of an end heard of the beginning, and no one else.
"""

from __future__ import annotations

import asyncio
import json
import random
import sys
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path

from aiohttp import ClientSession, web

from sluiceway.alerting import Inhibition, Notifier, Silence, Silences
from sluiceway.events import Alert, AlertStatus

RUNS = Path(__file__).with_name("alertmanager_runs.json")
WAIT, INTERVAL, REPEAT = 1.5, 3.0, 8.9  # seconds: nothing happens when a group is due
LAST, END = 14, 22  # seconds: of the last order, and of the last look
LABELS = {  # one without a zone is equal to another one without
    "a": {"severity": "warning", "zone": "1"},
    "b": {"severity": "warning", "zone": ""},
    "c": {"severity": "critical", "zone": "1"},
    "d": {"severity": "critical", "zone": ""},
    "e": {"severity": "info", "zone": "1"},
}
CONFIG = """
route:
  receiver: us
  group_by: [script]
  group_wait: 1500ms
  group_interval: 3s
  repeat_interval: 8900ms
receivers:
- name: us
  webhook_configs: [{{url: '{url}'}}]
inhibit_rules:
- source_matchers: ['severity="critical"']
  target_matchers: ['severity=~"critical|warning"']
  equal: [script, zone]
"""


def script_of(dice):
    """Orders by the second in which they are given, such as ``fire a``."""
    fires, silent, orders = set(), set(), {}
    for second in range(LAST):
        todo = [
            toggle(fires, x, "fire", "resolve")
            for x in [*LABELS][: dice.choice([2, 3, 5])]
            if dice.random() < 0.18
        ]
        if dice.random() < 0.1:
            todo.append(toggle(silent, dice.choice([*LABELS]), "silence", "unsilence"))
        if todo:
            orders[str(second)] = todo
    return orders


def toggle(known, x, begin, end):
    word = end if x in known else begin
    known.symmetric_difference_update({x})
    return f"{word} {x}"


class Played:
    """A Notifier that is given a script."""

    def __init__(self):
        self._silences, self._made = Silences(), {}
        self._notifier = Notifier(
            [],
            group_wait=WAIT,
            group_interval=INTERVAL,
            repeat_interval=REPEAT,
            inhibit=[
                Inhibition(
                    {"severity": "critical"},
                    {"severity": "=~ critical|warning"},
                    ["zone"],
                )
            ],
            silences=self._silences,
        )

    def told(self, script):
        """When something is told, and of which alerts; ``-a`` is over."""
        found = []
        for tenth in range(END * 10):
            now, batches = tenth / 10, []
            for order in script.get(str(tenth // 10), ()) if tenth % 10 == 0 else ():
                batches += self._obey(*order.split(), now)
            batches += self._notifier.tick(now)
            found += [[now, words(batch)] for batch in batches]
        return found

    def _obey(self, word, x, now):
        if word == "silence":
            self._made[x] = Silence({"x": x})
            self._silences.add(self._made[x])
            return []
        if word == "unsilence":
            self._silences.remove(self._made.pop(x))
            return []
        status = AlertStatus.FIRING if word == "fire" else AlertStatus.RESOLVED
        severity, zone = LABELS[x]["severity"], LABELS[x]["zone"]
        labels = {"x": x, "zone": zone}
        alert = Alert(name="A", severity=severity, status=status, labels=labels)
        return self._notifier.add([alert], now)


def words(alerts):
    over = AlertStatus.RESOLVED
    return sorted("-" * (a.status is over) + a.labels["x"] for a in alerts)


class Recording:
    """What Alertmanager tells of many scripts at a time."""

    def __init__(self, scripts):
        self.scripts = scripts
        self.told = [[] for _ in scripts]
        self._ids = {}
        self._began = 0.0

    async def hear(self, request):
        body = await request.json()
        signs = {"firing": "", "resolved": "-"}
        told = sorted(signs[a["status"]] + a["labels"]["x"] for a in body["alerts"])
        number = int(body["groupLabels"]["script"])
        self.told[number].append([time.monotonic() - self._began, told])
        return web.Response()

    async def play(self, url):
        self._began = time.monotonic()
        async with ClientSession(url) as session:
            for second in range(END):
                await asyncio.sleep(self._began + second - time.monotonic())
                alerts = []
                for number, script in enumerate(self.scripts):
                    for order in script.get(str(second), ()):
                        alerts += await self._order(session, number, *order.split())
                await posted(session, "/api/v2/alerts", alerts)

    async def _order(self, session, number, word, x):
        now = time.time()
        own = {"x": x, "script": str(number)}
        if word == "unsilence":
            path = f"/api/v2/silence/{self._ids.pop((number, x))}"
            async with session.delete(path) as answer:
                answer.raise_for_status()
        elif word == "silence":
            matchers = [
                {"name": k, "value": v, "isRegex": False} for k, v in own.items()
            ]
            asked = {"matchers": matchers, "comment": "-", "createdBy": "-"}
            asked |= {"startsAt": iso(now), "endsAt": iso(now + 3600)}
            made = await posted(session, "/api/v2/silences", asked)
            self._ids[number, x] = made["silenceID"]
        else:
            labels = {"alertname": "A", **LABELS[x], **own}
            ends = now + 3600 if word == "fire" else now
            return [{"labels": labels, "endsAt": iso(ends)}]
        return []


async def posted(session, path, body):
    async with session.post(path, json=body) as answer:
        answer.raise_for_status()
        return json.loads(await answer.text() or "null")


def iso(seconds):
    return datetime.fromtimestamp(seconds, UTC).isoformat()


async def record(count):
    """What Alertmanager tells of so many scripts."""
    from servers.processes import alertmanager

    dice = random.Random(11)
    recording = Recording([script_of(dice) for _ in range(count)])
    application = web.Application(client_max_size=10**8)
    application.router.add_post("/", recording.hear)
    runner = web.AppRunner(application, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    config = CONFIG.format(url=f"http://127.0.0.1:{runner.addresses[0][1]}/")
    with tempfile.TemporaryDirectory() as folder:
        server = alertmanager(Path(folder), config=config)
        try:
            await recording.play((await asyncio.to_thread(server.__enter__)).url)
        finally:
            await asyncio.to_thread(server.__exit__, None, None, None)
    await runner.cleanup()
    return recording


def main():
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 700
    recording = asyncio.run(record(count))
    runs = []
    for script, told in zip(recording.scripts, recording.told, strict=True):
        ours = Played().told(script)
        if [each for _, each in ours] == [each for _, each in told]:
            late = [
                theirs - mine for (mine, _), (theirs, _) in zip(ours, told, strict=True)
            ]
            if all(0 <= seconds < 0.5 for seconds in late):
                runs.append({"script": script, "told": ours})
    runs.sort(key=lambda run: sum(len(told) for _, told in run["told"]))
    RUNS.write_text(json.dumps(runs[-60:], separators=(",", ":")) + "\n")
    sys.stdout.write(f"{len(runs)} of {count} agree, {len(runs[-60:])} are kept\n")


if __name__ == "__main__":
    main()
