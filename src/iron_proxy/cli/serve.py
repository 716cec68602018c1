"""
The default command: configuration, CA files, then serve until a signal.

The order is contract: a launcher may delete `ca.key` half a second after exec, so the configuration and the CA's files
are read before anything heavy is imported.
"""

import logging
import os
import signal
import sys

from iron_proxy.certs.ca_files import CAFiles, read_ca_files
from iron_proxy.cli.complaints import complain
from iron_proxy.cli.main import FAILURE, OK, USAGE
from iron_proxy.config.loading import examine_config, read_config_file
from iron_proxy.config.problems import Problems
from iron_proxy.config.schema import Config, TLSConfig
from iron_proxy.errors import ConfigError, IronProxyError
from iron_proxy.go_compat.flags import Flag, FlagError, FlagSet, HelpRequested

FLAGS = FlagSet(
    "iron-proxy",
    [
        Flag("config", "", "the YAML file; without it, environment and defaults only", "FILE"),
        Flag("token", "", "control plane token: not available in this version", "TOKEN"),
    ],
)

COMMANDS = """\
Other commands:
  iron-proxy run -- COMMAND  start a program that can reach nothing but the proxy; needs no root (-h for its flags)
  iron-proxy generate-ca     make a CA certificate and key (-h for its flags)
  iron-proxy demo            see the proxy at work on this machine; nothing to configure
  iron-proxy init            write a configuration for the programs that will use the proxy
  iron-proxy check           tell what is wrong or doubtful in a configuration
  iron-proxy explain         tell what would happen to a request: iron-proxy explain GET https://host/path
  iron-proxy schema          print the JSON Schema of configurations, for editors
  iron-proxy reload          tell a running proxy to read its configuration again
  iron-proxy secrets check   ask every source of a configuration for its secret, and tell how that went
  iron-proxy audit verify    tell whether an audit log is whole; audit keygen makes the keys to sign one
  iron-proxy logs            show audit records: as lines, as figures, or what was denied with the rules for it
  iron-proxy learn           write the allowlist that covers what audit records show
  iron-proxy replay          tell which recorded requests another configuration would treat otherwise
  iron-proxy env             print the variables that make programs trust the CA and use the proxy
  iron-proxy doctor          start the clients of this machine through a proxy, and tell what each of them lacks
  iron-proxy selftest        behave as hostile code would where workloads run, and tell what got out
  iron-proxy nft             print firewall rules that leave workloads no way but the proxy
  iron-proxy tproxy up|down  take connections to the proxy by TPROXY, with rules and routes; or end that
  iron-proxy action          what the GitHub Action runs
  iron-proxy help COMMAND    print the flags of a command, as its -h does
  iron-proxy version         print the version

Environment variables IRON_* override keys of the file: docs/reference/environment.md"""


def run(arguments: list[str]) -> int:
    """Serve; returns the exit status."""
    try:
        flags = FLAGS.parse(arguments)
    except HelpRequested:
        print(f"{FLAGS.usage()}\n{COMMANDS}", file=sys.stderr)
        return OK
    except FlagError as error:
        print(f"{error}\n{FLAGS.usage()}", file=sys.stderr)
        return USAGE
    if flags.text("token") or os.environ.get("IRON_PROXY_TOKEN"):
        return complain("managed mode (-token, IRON_PROXY_TOKEN) is not available in this version", status=USAGE)
    return _load_and_serve(flags.text("config"))


def _load_and_serve(path: str) -> int:
    # Until there is somebody to obey it: then it comes, and what is read below is read again.
    signal.pthread_sigmask(signal.SIG_BLOCK, (signal.SIGHUP,))
    try:
        text: bytes | None = None

        def read(name: str) -> bytes:
            nonlocal text
            text = read_config_file(name)
            return text

        config, problems = examine_config(path or None, os.environ, read)
        return _serve(path or None, text, config, problems, None if problems.errors else _read_ca(config.tls))
    except ConfigError as error:
        return complain(*error.problems, status=USAGE)
    except IronProxyError as error:
        return complain(error, status=FAILURE)
    finally:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, (signal.SIGHUP,))


def _read_ca(tls: TLSConfig) -> CAFiles | None:
    """None when no listener needs a CA: the configuration was checked for that."""
    if tls.mode == "sni-only" or not (tls.ca_cert and tls.ca_key):
        return None
    return read_ca_files(tls.ca_cert, tls.ca_key)


def _serve(
    path: str | None, text: bytes | None, config: Config, problems: Problems, ca_files: CAFiles | None
) -> int:
    # Heavy from here on: cryptography, the event loop, the protocols.
    from iron_proxy.audit.otlp_settings import honours_trace_context
    from iron_proxy.proxy.client_identity import build_identities
    from iron_proxy.runtime.assemble import build_pipeline
    from iron_proxy.runtime.audit_part import standard_error
    from iron_proxy.runtime.hardening import harden_process, harden_server
    from iron_proxy.runtime.last_wall import LAST_WALL
    from iron_proxy.runtime.open_files import raise_open_files
    from iron_proxy.runtime.policy_reading import Origin
    from iron_proxy.runtime.process_log import report, start_logging
    from iron_proxy.runtime.serving import serve_until_signal
    from iron_proxy.runtime.start_environment import SecretVariables, take_environment
    from iron_proxy.secret_sources.registry import SourceContext

    harden_process()
    harden_server()
    raise_open_files()
    environment = take_environment()
    variables = SecretVariables(environment)
    start_logging(config.log.level, LAST_WALL.before(standard_error().put_beside))
    pipeline = build_pipeline(config, variables, is_traced=honours_trace_context(environment))
    clients = build_identities(config.clients, SourceContext(variables))
    problems.raise_if_any()                       # the file's and the transforms', all at once
    for warning in problems.warnings:
        report(logging.WARNING, warning)
    if ca_files is not None and ca_files.is_open_to_others:
        report(logging.WARNING, "CA key can be read by others", file=ca_files.key_path, remedy="chmod 600")
    build_fleet = None
    if config.proxy.workers != 1:
        from iron_proxy.workers.launching import fleet_builder

        build_fleet = fleet_builder(config, Origin(path, environment), text, ca_files is not None)
    serve_until_signal(config, pipeline, ca_files, clients, Origin(path, environment), variables.asked, build_fleet)
    return OK
