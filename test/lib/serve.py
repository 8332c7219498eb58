#!/usr/bin/env python3
"""A service for tests in other languages: serve.py ADDRESS prints one line of JSON with the ports and
the password, and serves until its standard input ends."""
import json
import sys

from service import Service

with Service() as service:
    password = service.add_alias(sys.argv[1])
    print(json.dumps({
        "smtp_port": service.smtp_port, "imap_port": service.imap_port,
        "imaps_port": service.imaps_port, "password": password, "data": service.data,
    }), flush=True)
    sys.stdin.read()
