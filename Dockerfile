# ConvLens in a container:
#
#     docker build -t convlens .
#     docker run --rm -p 7860:7860 convlens
#
# On a machine without a GPU, wheels of PyTorch without CUDA make the image much smaller. PIP_ARGS is handed to pip; what
# to put there, https://pytorch.org/get-started says under "CPU":
#     docker build --build-arg PIP_ARGS="…" -t convlens .
FROM python:3.12-slim

ARG PIP_ARGS=""

# What OpenCV is linked against.
COPY packages.txt /tmp/
RUN apt-get update -q \
    && xargs -a /tmp/packages.txt apt-get install -qy --no-install-recommends \
    && rm -rf /var/lib/apt/lists/*

RUN useradd --create-home --uid 1000 convlens
WORKDIR /home/convlens/app

# Before the code, so that a change of code installs nothing anew.
COPY requirements.txt ./
RUN pip install --no-cache-dir $PIP_ARGS -r requirements.txt

COPY --chown=convlens app.py LICENSE README.md ./
COPY --chown=convlens cnn_core/ cnn_core/
COPY --chown=convlens demos/ demos/
COPY --chown=convlens weights/ weights/

USER 1000
# Made while it is ours: a volume that is mounted here takes over its owner.
RUN mkdir -p /home/convlens/.cache/huggingface
ENV GRADIO_SERVER_NAME=0.0.0.0 \
    GRADIO_SERVER_PORT=7860 \
    GRADIO_ANALYTICS_ENABLED=False \
    HF_HOME=/home/convlens/.cache/huggingface \
    PYTHONUNBUFFERED=1
EXPOSE 7860

HEALTHCHECK --interval=30s --timeout=5s --start-period=120s \
    CMD ["python", "-c", "from urllib.request import urlopen; urlopen('http://127.0.0.1:7860/', timeout=4)"]

CMD ["python", "app.py"]
