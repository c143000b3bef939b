# Two stages: what builds is not what runs. The image needs a PostgreSQL beside it; see compose.yaml.
FROM python:3.13-slim AS build
WORKDIR /build
RUN python -m venv /opt/rapport
COPY requirements.lock .
RUN /opt/rapport/bin/pip install --no-cache-dir --require-hashes -r requirements.lock
COPY requirements-dev.lock pyproject.toml README.md LICENSE ./
COPY app app
COPY migrations migrations
# The builder comes from the lock file as well, into an environment that is thrown away.
RUN python -m venv /opt/builder \
    && /opt/builder/bin/pip install --no-cache-dir --require-hashes -r requirements-dev.lock \
    && /opt/builder/bin/pip wheel --no-cache-dir --no-build-isolation --no-deps --wheel-dir /dist . \
    && /opt/rapport/bin/pip install --no-cache-dir --no-deps /dist/rapport-*.whl

FROM python:3.13-slim
RUN useradd --system --uid 10001 --no-create-home --home-dir /nonexistent rapport
COPY --from=build /opt/rapport /opt/rapport
ENV PATH=/opt/rapport/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    RAPPORT_HOST=0.0.0.0 \
    RAPPORT_LOG_FORMAT=json
USER 10001
EXPOSE 8000
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=3s --start-period=20s CMD ["python", "-c", \
    "import os, urllib.request as u; u.urlopen('http://127.0.0.1:' + os.environ.get('RAPPORT_PORT', '8000') + '/healthz', timeout=2)"]
ENTRYPOINT ["rapport"]
CMD ["serve", "--no-worker"]
