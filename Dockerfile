# iron-proxy with exactly the dependencies of requirements-runtime.lock. For both architectures:
#   docker buildx build --platform linux/amd64,linux/arm64 --build-arg VERSION=... --build-arg REVISION="$(git rev-parse HEAD)" .
# What needs no engine of this is rehearsed by `make image-check`.
ARG PYTHON_IMAGE=python:3.13-slim-trixie

FROM ${PYTHON_IMAGE} AS build
WORKDIR /src
COPY requirements-build.lock requirements-runtime.lock ./
RUN python -m venv /opt/tools \
    && python -m venv --without-pip /opt/iron-proxy \
    && /opt/tools/bin/pip install --no-cache-dir --require-hashes -r requirements-build.lock \
    && /opt/tools/bin/pip --python /opt/iron-proxy/bin/python install --no-cache-dir --only-binary :all: --require-hashes \
        -r requirements-runtime.lock
COPY pyproject.toml README.md LICENSE ./
COPY src src
# Its bytecode is made here: later the file system may be read-only.
RUN /opt/tools/bin/python -m hatchling build --target wheel --directory /tmp/wheel \
    && /opt/tools/bin/pip --python /opt/iron-proxy/bin/python install --no-cache-dir --no-deps --no-index /tmp/wheel/*.whl \
    && /opt/iron-proxy/bin/python -m compileall -q /opt/iron-proxy/lib

FROM ${PYTHON_IMAGE}
ARG VERSION=unreleased
ARG REVISION=unknown
LABEL org.opencontainers.image.title="iron-proxy" \
    org.opencontainers.image.description="A MITM egress proxy with a built-in DNS server: default deny, secrets swapped at the boundary, every request audited." \
    org.opencontainers.image.licenses="Apache-2.0" \
    org.opencontainers.image.version="${VERSION}" \
    org.opencontainers.image.revision="${REVISION}"
# Volumes that are first mounted at /ca (certificate and key, the proxy's alone) and /certs (the certificate, for workloads)
# are writable to it, as these folders are.
RUN groupadd --gid 65532 iron-proxy \
    && useradd --uid 65532 --gid 65532 --no-create-home --home-dir /nonexistent --shell /usr/sbin/nologin iron-proxy \
    && install -d -o 65532 -g 65532 -m 0700 /ca \
    && install -d -o 65532 -g 65532 -m 0755 /certs
COPY --from=build /opt/iron-proxy /opt/iron-proxy
ENV PATH=/opt/iron-proxy/bin:/usr/local/bin:/usr/bin:/bin \
    PYTHONDONTWRITEBYTECODE=1
USER 65532:65532
EXPOSE 53/udp 53/tcp 80 443 8080 9090
# `metrics.listen` is :9090 unless the configuration says otherwise; whoever changes it changes this too. By http.client,
# since urllib would go through an HTTP_PROXY of the environment.
HEALTHCHECK --interval=10s --timeout=3s --start-period=10s --retries=3 CMD ["python", "-I", "-c", "import http.client as h; c = h.HTTPConnection('127.0.0.1', 9090, timeout=2); c.request('GET', '/healthz'); raise SystemExit(c.getresponse().status != 200)"]
STOPSIGNAL SIGTERM
ENTRYPOINT ["iron-proxy"]
CMD ["-config", "/etc/iron-proxy/proxy.yaml"]
