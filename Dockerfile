# The image of `aion-store`: projectors, the operator's commands, and a base for writers. Not the embedded servers.
# Versions are those of requirements.lock. Checked by eye, and its steps by hand; no Docker ran here.

FROM python:3.13.9-slim-bookworm AS build
WORKDIR /src
RUN python -m venv /opt/aion-store
COPY pyproject.toml requirements.lock README.md LICENSE ./
RUN sed -n 's/^\([A-Za-z0-9._-]*==[^ ;]*\)\( ;[^\\]*\)\{0,1\}.*/\1\2/p' requirements.lock > /tmp/constraints.txt
COPY store store
COPY producers producers
COPY projectors projectors
COPY service service
RUN /opt/aion-store/bin/pip install --no-cache-dir --constraint /tmp/constraints.txt ".[projector,cli,parquet,audit]"

FROM python:3.13.9-slim-bookworm
RUN useradd --system --uid 10001 --home-dir /nonexistent --shell /usr/sbin/nologin aion
COPY --from=build /opt/aion-store /opt/aion-store
ENV PATH=/opt/aion-store/bin:$PATH PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1
USER 10001:10001
ENTRYPOINT ["aion-store"]
CMD ["--help"]
