"""nginx as the edge's file server (driver B): its configuration as a pure function.

nginx sends files from the directory that our cache owns, and nothing else: whether a viewer may have an object is
asked of our own edge (driver A) by a subrequest, which also tells the cache that the object is used; what is not
held, refused or no plain GET goes to driver A whole. nginx caches nothing itself: no `proxy_cache`, so none of its
locks and rules.
"""

from __future__ import annotations

import re
from urllib.parse import urlsplit

import msgspec

from reelwright.kernel.errors import Invalid

TYPES = {
    "video/iso.segment": "m4s",
    "video/mp4": "mp4",
    "text/vtt": "vtt",
    "image/jpeg": "jpg",
    "application/json": "json",
}
_SAFE_PATH = re.compile(r"/[A-Za-z0-9._/@+-]*")
_SAFE_ORIGIN = re.compile(r"https?://[A-Za-z0-9.:\[\]-]+")
_SAFE_LISTEN = re.compile(r"[A-Za-z0-9.\[\]:-]+:\d{1,5}")


class NginxSite(msgspec.Struct, frozen=True, kw_only=True):
    """What the configuration is made from."""

    folder: str
    """Objects as files: the cache's directory, or the media store's."""
    home: str
    """Where nginx keeps its pid, log and temporary files."""
    listen: str
    driver_a: str
    """URL of our own edge."""
    origins: tuple[str, ...] = ()
    user: str = ""
    """Whom the workers run as, where the master is root."""
    certificate: str = ""
    key: str = ""
    connections: int = 20_000
    idle_s: float = 75.0
    request_s: float = 10.0
    stall_s: float = 30.0


def nginx_config(site: NginxSite) -> str:
    """The whole of nginx.conf. Raises Invalid for what could be read as more than a value."""
    for path in (site.folder, site.home, *filter(None, (site.certificate, site.key))):
        if not _SAFE_PATH.fullmatch(path):
            raise Invalid(f"a path for nginx is absolute, of letters, digits and ._/@+-; got {path!r}")
    for origin in site.origins:
        if not _SAFE_ORIGIN.fullmatch(origin):
            raise Invalid(f"an origin is http(s)://host[:port], got {origin!r}")
    if not _SAFE_LISTEN.fullmatch(site.listen) or not re.fullmatch(r"[A-Za-z0-9_-]*", site.user):
        raise Invalid(f"nginx listens on host:port as a plain user, got {site.listen!r} and {site.user!r}")
    upstream = urlsplit(site.driver_a)
    if upstream.scheme != "http" or not _SAFE_LISTEN.fullmatch(upstream.netloc) or upstream.path not in ("", "/"):
        raise Invalid(f"driver A is http://host:port on this machine, got {site.driver_a!r}")
    tls = f"ssl_certificate {site.certificate}; ssl_certificate_key {site.key};" if site.certificate else ""
    types = " ".join(f"{kind} {suffix};" for kind, suffix in TYPES.items())
    allowed = " ".join(f'"{origin}" $http_origin;' for origin in site.origins)
    return f"""\
# Written by `reelwright cdn nginx`; changes are lost.
{f"user {site.user};" if site.user else ""}
worker_processes auto;
worker_rlimit_nofile {2 * site.connections + 1024};
worker_shutdown_timeout 600s;
pid {site.home}/nginx.pid;
error_log {site.home}/error.log warn;
events {{ worker_connections {site.connections}; }}
http {{
  access_log off;
  server_tokens off;
  sendfile on;
  sendfile_max_chunk 1m;
  tcp_nopush off;  # with it, 64 KB answers stalled for 48 ms
  open_file_cache max=4096 inactive=60s;
  open_file_cache_valid 10s;
  keepalive_timeout {site.idle_s:.0f}s;
  keepalive_requests 100000;
  client_header_timeout {site.request_s:.0f}s;
  client_body_timeout {site.request_s:.0f}s;
  send_timeout {site.stall_s:.0f}s;
  large_client_header_buffers 4 4k;
  client_max_body_size 1;
  request_pool_size 2k;
  client_body_temp_path {site.home}/body; proxy_temp_path {site.home}/proxy;
  fastcgi_temp_path {site.home}/fastcgi; uwsgi_temp_path {site.home}/uwsgi; scgi_temp_path {site.home}/scgi;
  types {{ {types} }}
  default_type application/octet-stream;
  map $http_origin $cors_origin {{ default ""; {allowed} }}
  map $cors_origin $cors_credentials {{ default ""; ~. true; }}
  map $cors_origin $cors_expose {{ default ""; ~. "Content-Length, Content-Range, ETag"; }}
  map $cors_origin $cors_timing {{ default ""; ~. "*"; }}
  map $http_origin $cors_vary {{ default ""; ~. Origin; }}
  upstream driver_a {{ server {upstream.netloc}; keepalive 64; }}
  proxy_http_version 1.1;
  proxy_set_header Connection "";
  proxy_set_header Host $http_host;
  proxy_set_header X-Forwarded-For $remote_addr;  # by which steering knows the viewer's region
  proxy_buffering off;
  proxy_read_timeout {site.stall_s:.0f}s;
  server {{
    listen {site.listen} {"ssl " if tls else ""}backlog=1024;
    {tls}
    location / {{ proxy_pass http://driver_a; }}
    location @driver_a {{ proxy_pass http://driver_a; }}
    location ~ \\.part$ {{ proxy_pass http://driver_a; }}  # on its way in: never served from the directory
    location ~ ^/m/[^/]+/(?<object>assets/[A-Za-z0-9._~/-]+)$ {{
      if ($request_method !~ ^(GET|HEAD)$) {{ return 418; }}
      error_page 403 404 418 500 = @driver_a;
      auth_request /allowed;
      root {site.folder};
      disable_symlinks on from=$document_root;
      try_files /$object @driver_a;
      max_ranges 1;
      add_header Cache-Control "private, max-age=31536000, immutable" always;
      add_header X-Content-Type-Options nosniff always;
      add_header Access-Control-Allow-Origin $cors_origin always;
      add_header Access-Control-Allow-Credentials $cors_credentials always;
      add_header Access-Control-Expose-Headers $cors_expose always;
      add_header Timing-Allow-Origin $cors_timing always;
      add_header Vary $cors_vary always;
    }}
    location = /allowed {{
      internal;
      proxy_pass http://driver_a/allowed;
      proxy_pass_request_body off;
      proxy_set_header Content-Length "";
      proxy_set_header Range "";
      proxy_set_header Connection "";
      proxy_set_header Host $http_host;
      proxy_set_header X-Original-URI $request_uri;
    }}
  }}
}}
"""
