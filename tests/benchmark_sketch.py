"""How long a stroke's answer takes: `/classify_sketch` against an event that does nothing with the same picture.

    python tests/benchmark_sketch.py [rounds]

Both are called through `gradio_client` on loopback in turn, in one run; medians, and their ratio.
"""

from __future__ import annotations

import statistics
import sys
import tempfile
import time
from pathlib import Path

import gradio as gr
from gradio_client import Client, handle_file

sys.path.insert(0, str(Path(__file__).parents[1]))


def measure(rounds: int) -> tuple[float, float]:
    """Median seconds of a stroke's round trip: ours, and the one that does nothing."""
    from demos import sketch
    from demos._parts import Blocks, Picture

    sketch.warm_up()
    with Blocks() as page:
        sketch.build()
        picture = Picture(type="pil")
        answers = [gr.Label() for _ in range(3)]
        small = gr.Image(format="png")
        gr.Button().click(lambda image: (None, None, None, None), picture, [*answers, small], api_name="nothing")
    _, address, _ = page.launch(prevent_thread_lock=True, quiet=True, server_name="127.0.0.1")
    try:
        client = Client(address, verbose=False)
        with tempfile.NamedTemporaryFile(suffix=".png") as file:
            sketch.sheet("Shoe").save(file, "PNG")
            file.flush()
            took: dict[str, list[float]] = {f"/{sketch.API}": [], "/nothing": []}
            for round_number in range(rounds + 2):
                for name, seconds in took.items():
                    began = time.perf_counter()
                    client.predict(handle_file(file.name), api_name=name)
                    if round_number >= 2:  # the first ones fill caches
                        seconds.append(time.perf_counter() - began)
    finally:
        page.close(verbose=False)
    ours, theirs = (statistics.median(seconds) for seconds in took.values())
    return ours, theirs


if __name__ == "__main__":
    ours, theirs = measure(int(sys.argv[1]) if len(sys.argv) > 1 else 30)
    print(f"/classify_sketch {ours * 1000:.0f} ms, nothing {theirs * 1000:.0f} ms, ratio {ours / theirs:.2f}")
