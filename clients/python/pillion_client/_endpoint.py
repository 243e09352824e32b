"""Where the sidecar is, and how a caller shows who it is."""

from __future__ import annotations

import os
import ssl
from typing import Dict, Optional
from urllib.parse import urlsplit

from .errors import UnauthenticatedError

DEFAULT_SOCKET = "/run/sidecar/sidecar.sock"


class Endpoint:
    """The sidecar's Unix socket, or its TCP listener: TLS and a bearer token.

    What is not given is the environment's, as with the sidecar's own commands:
    $SIDECAR_SERVER with $SIDECAR_CA_FILE and $SIDECAR_TOKEN_FILE, else
    $SIDECAR_SOCKET. A token file is read again for each call, so that it may
    be renewed.
    """

    def __init__(
        self,
        socket: Optional[str] = None,
        *,
        base_url: Optional[str] = None,
        ca_file: Optional[str] = None,
        token: Optional[str] = None,
        token_file: Optional[str] = None,
    ) -> None:
        self.socket = ""
        self.host, self.port = "sidecar", 0
        self.tls: Optional[ssl.SSLContext] = None
        if socket and base_url:
            raise ValueError("give either a socket or base_url")
        base_url = base_url or (None if socket else os.environ.get("SIDECAR_SERVER"))
        if base_url:
            self._token = token
            self._token_file = token_file or (None if token else os.environ.get("SIDECAR_TOKEN_FILE"))
            self._use_url(base_url, ca_file or os.environ.get("SIDECAR_CA_FILE") or None)
            return
        if ca_file or token or token_file:
            raise ValueError("ca_file, token and token_file go with base_url; a Unix socket needs none")
        self._token = self._token_file = None
        self.socket = socket or os.environ.get("SIDECAR_SOCKET") or DEFAULT_SOCKET

    def _use_url(self, base_url: str, ca_file: Optional[str]) -> None:
        url = urlsplit(base_url)
        if url.scheme != "https" or not url.hostname or url.path not in ("", "/") or url.query:
            raise ValueError(f"base_url must be https://HOST:PORT, not {base_url!r}")
        if bool(self._token) == bool(self._token_file):
            raise ValueError("base_url needs either token or token_file: api.tokenFile of the sidecar")
        self.host, self.port = url.hostname, url.port or 443
        self.tls = ssl.create_default_context(cafile=ca_file)
        self.tls.minimum_version = ssl.TLSVersion.TLSv1_2

    def __str__(self) -> str:
        return self.socket or f"https://{self.authority}"

    @property
    def authority(self) -> str:
        """What the Host header says."""
        if self.socket:
            return self.host
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    def headers(self) -> Dict[str, str]:
        """What each request carries. Raises UnauthenticatedError if the token
        file cannot be read."""
        token = self._read_token() if self._token_file else self._token
        return {"Authorization": f"Bearer {token}"} if token else {}

    def _read_token(self) -> str:
        assert self._token_file
        try:
            with open(self._token_file, encoding="ascii") as file:
                return file.read().strip()
        except (OSError, UnicodeDecodeError) as error:
            raise UnauthenticatedError("unauthenticated", f"cannot read token_file: {error}") from error
