"""
Domains below which anybody can have a name: top-level domains, those of registries, those of hosting services.

A rule `*.github.io` admits whatever an attacker puts there. The table holds what workloads are commonly pointed at; it
cannot be complete, and a domain that is missing is one finding less. Called by `rule_checks.py`, `secret_checks.py`.
"""

import re

from iron_proxy.matching.rule import Rule

# `co.uk`, `com.au`, `ne.jp`: registries of a country that divide it by kind.
_COUNTRY_REGISTRY = re.compile(r"(?:ac|co|com|edu|go|gob|gov|gv|ne|net|nom|or|org|sch|web)\.[a-z]{2}")
# Buckets of object storage in one region.
_BUCKETS = re.compile(r"(?:s3|s3-website)[.-](?:dualstack\.)?[a-z0-9-]+\.amazonaws\.com")

# Sites, functions, buckets and tunnels that are to be had without asking anybody, by who runs them.
_HOSTING = frozenset((
    # Amazon
    "amazonaws.com", "s3.amazonaws.com", "cloudfront.net", "elasticbeanstalk.com", "amplifyapp.com", "awsapprunner.com",
    "on.aws",
    # Google
    "appspot.com", "web.app", "firebaseapp.com", "firebaseio.com", "run.app", "cloudfunctions.net", "blogspot.com",
    # Microsoft and GitHub
    "windows.net", "core.windows.net", "blob.core.windows.net", "azurewebsites.net", "azureedge.net", "azurefd.net",
    "azurestaticapps.net", "cloudapp.net", "cloudapp.azure.com", "trafficmanager.net", "github.io", "github.dev",
    "githubusercontent.com", "githubpreview.dev", "app.github.dev",
    # Cloudflare
    "pages.dev", "workers.dev", "r2.dev", "r2.cloudflarestorage.com", "trycloudflare.com",
    # others that serve what their users upload
    "gitlab.io", "bitbucket.io", "vercel.app", "now.sh", "netlify.app", "herokuapp.com", "fly.dev", "onrender.com",
    "railway.app", "up.railway.app", "deno.dev", "glitch.me", "repl.co", "replit.app", "replit.dev", "surge.sh",
    "supabase.co", "digitaloceanspaces.com", "ondigitalocean.app", "backblazeb2.com", "wasabisys.com", "hf.space",
    "readthedocs.io", "wordpress.com", "myshopify.com", "webflow.io", "neocities.org", "val.run",
    # tunnels to anybody's machine, and names that are addresses
    "ngrok.io", "ngrok.app", "ngrok.dev", "ngrok-free.app", "ngrok-free.dev", "loca.lt", "localhost.run", "serveo.net",
    "duckdns.org", "no-ip.org", "dyndns.org", "nip.io", "sslip.io", "xip.io",
))  # fmt: skip


def is_shared(domain: str) -> bool:
    """Whether names directly below a domain belong to others than the domain."""
    return (
        "." not in domain
        or domain in _HOSTING
        or _COUNTRY_REGISTRY.fullmatch(domain) is not None
        or _BUCKETS.fullmatch(domain) is not None
    )


def is_for_every_host(rule: Rule) -> bool:
    """Whether a rule names no destination at all."""
    if rule.cidr is not None:
        return rule.cidr.prefix_length == 0
    return rule.host is not None and rule.host.matches_all


def is_for_names_of_others(rule: Rule) -> bool:
    """Whether a rule covers names that anybody can have."""
    pattern = rule.host
    if pattern is None:
        return False
    if pattern.suffix is not None:
        return pattern.suffix != "localhost" and is_shared(pattern.suffix)
    return pattern.glob is not None and pattern.trap is not None
