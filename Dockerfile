# The image of `aion-store`: projectors, the operator's commands, and a base for writers. Not the embedded servers.
# Every package, what builds included, is one that requirements.lock names by hash. Untested as an image: its pip steps ran
# by hand, no Docker did.

FROM python:3.13.9-slim-bookworm AS build
WORKDIR /src
COPY requirements.lock ./
RUN pip download --no-cache-dir --require-hashes --no-deps --only-binary :all: --dest /wheels --requirement requirements.lock
RUN python -m venv /opt/aion-store
COPY pyproject.toml README.md LICENSE ./
COPY store store
COPY producers producers
COPY projectors projectors
COPY service service
RUN /opt/aion-store/bin/pip install --no-cache-dir --no-index --find-links /wheels ".[projector,cli,parquet,audit]"

FROM python:3.13.9-slim-bookworm
RUN useradd --system --uid 10001 --home-dir /nonexistent --shell /usr/sbin/nologin aion
COPY --from=build /opt/aion-store /opt/aion-store
ENV PATH=/opt/aion-store/bin:$PATH PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1
USER 10001:10001
ENTRYPOINT ["aion-store"]
CMD ["--help"]
