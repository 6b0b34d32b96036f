"""A program without an event loop: the pipeline runs on a thread of its own.

Run it: python examples/background_script.py
"""

import sys
import threading
from typing import Any

from sluiceway import BatchBy, Inlet, Pipeline, processor, sink

Reading = dict[str, Any]
readings: Inlet[Reading] = Inlet("readings")


@processor
def to_celsius(reading: Reading) -> Reading:
    """Change the event in place and pass it on."""
    reading["celsius"] = round((reading.pop("fahrenheit") - 32) / 1.8, 1)
    return reading


@sink(batch=BatchBy(max_events=100, flush_interval=0.1))
def write_lines(events: list[Reading]) -> None:
    """Deliver a list of events; returning means delivered."""
    for event in events:
        sys.stdout.write(f"{event['room']}: {event['celsius']} C\n")


pipeline = Pipeline(readings >> to_celsius >> write_lines)


def measure(room: str) -> None:
    """Emit from any thread; the answer says whether there was room."""
    for fahrenheit in (68, 71, 75):
        taken = readings.emit_nowait({"room": room, "fahrenheit": fahrenheit})
        assert taken


def main() -> None:
    with pipeline.background():
        threads = [
            threading.Thread(target=measure, args=(room,))
            for room in ("kitchen", "cellar")
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    print(pipeline.ledger())


if __name__ == "__main__":
    main()
