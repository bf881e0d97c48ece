"""How the servers speak HTTP."""

from ponder.http.serving import http_config


def test_clients_close_their_idle_connections_first():
    """Go's pool keeps them for 90 s, the longest of those that are common."""
    assert http_config(None).timeout_keep_alive > 90
