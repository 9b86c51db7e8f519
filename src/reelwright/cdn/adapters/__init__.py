"""Sockets, files and upstreams."""
