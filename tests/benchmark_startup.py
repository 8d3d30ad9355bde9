"""How long `python app.py` takes to its first page, against the least that Gradio can do: five tabs that say hello.

    python tests/benchmark_startup.py [runs]

Both start in turn, and the fastest start of each is compared: whatever else the machine does only slows them.
"""

import os
import socket
import subprocess
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory
from urllib.error import URLError
from urllib.request import urlopen

ROOT = Path(__file__).parents[1]
PATIENCE = 120  # s
BARE = """
import gradio as gr

with gr.Blocks() as demo:
    for number in range(5):
        with gr.Tab(f"Tab {number}"):
            name, greeting = gr.Textbox(label="Name"), gr.Textbox(label="Greeting")
            gr.Button("Greet").click(lambda name: f"Hello {name}!", name, greeting)

demo.launch()
"""


def seconds_to_first_page(script: Path) -> float:
    """From starting the script to its answer 200 to GET /, in s; the process is gone afterwards."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    place = {"GRADIO_SERVER_NAME": "127.0.0.1", "GRADIO_SERVER_PORT": str(port), "GRADIO_ANALYTICS_ENABLED": "False"}
    begin = time.perf_counter()
    with subprocess.Popen(
        [sys.executable, script], env=os.environ | place, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    ) as process:
        try:
            while time.perf_counter() - begin < PATIENCE and process.poll() is None:
                try:
                    with urlopen(f"http://127.0.0.1:{port}/", timeout=PATIENCE) as answer:
                        if answer.status == 200:
                            return time.perf_counter() - begin
                except (URLError, ConnectionError):
                    time.sleep(0.01)
            raise RuntimeError(f"{script} served no page within {PATIENCE} s (exit code {process.poll()})")
        finally:
            process.kill()


def measure(runs: int) -> tuple[float, float]:
    """Least seconds of the app and of the bare page, each started `runs` times, after one start each for the disk."""
    with TemporaryDirectory() as folder:
        bare = Path(folder, "bare.py")
        bare.write_text(BARE, encoding="utf-8")
        pairs = [(seconds_to_first_page(ROOT / "app.py"), seconds_to_first_page(bare)) for _ in range(runs + 1)][1:]
    ours, theirs = zip(*pairs, strict=True)
    return min(ours), min(theirs)


if __name__ == "__main__":
    ours, theirs = measure(int(sys.argv[1]) if len(sys.argv) > 1 else 7)
    print(f"app {ours:.2f} s, bare page {theirs:.2f} s, ratio {ours / theirs:.2f}")
