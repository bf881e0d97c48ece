# Ponder in a container, for laptops without Linux.
#
#   docker build -t ponder .
#   docker run --rm -it -v "$PWD/runs:/home/ponder/project/runs" ponder train recipes/tiny.yaml
#   docker run --rm -p 127.0.0.1:8000:8000 -v "$PWD/runs:/home/ponder/project/runs" ponder serve runs/tiny --host 0.0.0.0
#
# The page is then at http://127.0.0.1:8000/. CPU only. This file has not been tried: where it was written there is no Docker.
#
# Tasks of the code verifier run programs in the sandbox, which is made of Linux namespaces. Docker's own filter refuses
# these to a container. To let the sandbox be, loosen it:
#
#   docker run --security-opt seccomp=unconfined --security-opt apparmor=unconfined ... ponder ...
#
# `... ponder doctor` then says in its last line what the sandbox found, and which call was refused where it found nothing. This
# takes a wall away between container and machine (on macOS and Windows Docker's virtual machine is another one). The tiny
# recipe has code tasks; without the sandbox, train on math alone.
FROM python:3.11-slim

RUN apt-get update \
 && apt-get install -y --no-install-recommends make g++ nodejs \
 && rm -rf /var/lib/apt/lists/*
RUN useradd --create-home --uid 1000 ponder
USER ponder
WORKDIR /home/ponder/project

# PyPI's torch for x86-64 brings GPU libraries of several GB. For the CPU build name an index that has it:
#   docker build --build-arg PIP_EXTRA_INDEX_URL=... -t ponder .
ARG PIP_EXTRA_INDEX_URL=
COPY --chown=ponder . .
RUN make install && mkdir -p runs

EXPOSE 8000
ENV PATH=/home/ponder/project/.venv/bin:$PATH
ENTRYPOINT ["ponder"]
CMD ["--help"]
