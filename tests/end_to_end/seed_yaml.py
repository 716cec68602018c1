"""The YAML of the project's description: the full shape, the docker-compose example, and annotate."""

FULL_SHAPE = """
dns:
  listen: ":53"
  proxy_ip: "10.16.0.1"
  passthrough:
    - "*.internal.corp"
    - "metadata.google.internal"
  records:
    - name: "internal.example.com"
      type: A
      value: "10.0.0.5"

proxy:
  http_listen: ":80"
  https_listen: ":443"
  tunnel_listen: ":8080"
  max_request_body_bytes: 1048576
  max_response_body_bytes: 0

tls:
  ca_cert: "/etc/iron-proxy/ca.crt"
  ca_key: "/etc/iron-proxy/ca.key"
  cert_cache_size: 1000
  leaf_cert_expiry_hours: 72

transforms:
  - name: allowlist
    config:
      domains:
        - "api.openai.com"
        - "*.anthropic.com"
      cidrs:
        - "10.0.0.0/8"

  - name: secrets
    config:
      source: env
      secrets:
        - var: OPENAI_API_KEY
          proxy_value: "proxy-token-123"
          match_headers: ["Authorization"]
          match_body: false
          require: true
          hosts:
            - name: "api.openai.com"

log:
  level: "info"
"""

COMPOSE = """
dns: {proxy_ip: "172.20.0.2"}
proxy:
  tunnel_listen: ":8080"
tls:
  ca_cert: "/etc/iron-proxy/ca.crt"
  ca_key: "/etc/iron-proxy/ca.key"
transforms:
  - name: allowlist
    config:
      domains:
        - "httpbin.org"
        - "icanhazip.com"
      cidrs:
        - "172.20.0.0/24"
  - name: secrets
    config:
      source: env
      secrets:
        - var: OPENAI_API_KEY
          proxy_value: "proxy-openai-abc123"
          match_headers: ["Authorization"]
          hosts:
            - name: "httpbin.org"
        - var: INTERNAL_TOKEN
          proxy_value: "proxy-internal-tok"
          match_headers: []
          hosts:
            - name: "httpbin.org"
"""

ANNOTATE = """
  - name: annotate
    config:
      annotations:
        - rules:
            - host: "api.openai.com"
              methods: ["POST"]
              paths: ["/v1/*"]
          headers: ["x-request-id"]
        - rules:
            - host: "*.anthropic.com"
          headers: ["x-request-id"]
"""
