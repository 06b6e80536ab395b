"""What a live test needs, in one import."""
from kafka import Kafka
from postgres import Postgres
from process import CACHE, ROOT, Process, Skip, Timeout, at_exit, free_port, port_taken, scope, shared, temp_dir, wait_until
from walwire import BINARY, Walwire, connector, run
from websocket import Closed, Refused, WebSocket

__all__ = ["BINARY", "CACHE", "Closed", "Kafka", "Postgres", "Process", "ROOT", "Refused", "Skip", "Timeout", "Walwire", "WebSocket", "at_exit",
           "connector", "free_port", "port_taken", "run", "scope", "shared", "temp_dir", "wait_until"]
