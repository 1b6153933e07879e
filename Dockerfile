# Keydeck's image: one for web, gateway, worker and beat (docker-compose.yml gives the commands).

FROM node:24-slim AS pages
WORKDIR /app
COPY package.json package-lock.json ./
RUN npm ci --ignore-scripts --no-audit --no-fund

FROM python:3.13-slim-trixie AS packages
COPY requirements.txt .
RUN python -m venv /venv \
    && /venv/bin/pip install --no-cache-dir --disable-pip-version-check --require-hashes -r requirements.txt

FROM python:3.13-slim-trixie
# pg_dump and pg_restore, for manage.py backup and restore
RUN apt-get update \
    && apt-get install -y --no-install-recommends postgresql-client \
    && rm -rf /var/lib/apt/lists/* \
    && useradd --system --uid 10001 --home-dir /var/lib/keydeck --create-home keydeck
ENV PATH=/venv/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    KEYDECK_DATA_DIR=/var/lib/keydeck \
    KEYDECK_STATIC_DIR=/app/collected \
    KEYDECK_DEMO=0
WORKDIR /app
COPY --from=packages /venv /venv
COPY . .
RUN --mount=from=pages,source=/app/node_modules,target=/app/node_modules \
    SECRET_KEY=build-only python manage.py collectstatic --noinput
USER keydeck
VOLUME /var/lib/keydeck
EXPOSE 8000
HEALTHCHECK --interval=15s --timeout=5s --start-period=30s \
    CMD ["python", "-m", "config.probe", "http://127.0.0.1:8000/readyz"]
# The web service's command of docker-compose.yml, bounds and all.
CMD ["python", "-m", "uvicorn", "config.asgi:application", "--host", "0.0.0.0", "--port", "8000", \
     "--loop", "uvloop", "--http", "config.protocol:BoundedProtocol", "--no-access-log", \
     "--no-server-header", "--no-proxy-headers", "--limit-concurrency", "1000", \
     "--timeout-graceful-shutdown", "20", "--log-level", "warning"]
