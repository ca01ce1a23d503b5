#!/usr/bin/env python3
"""What CPython's email makes of the mails on standard input (see mails.py): facts as JSON."""

import base64
import datetime
import email
import email.policy
import json
import sys


def attempt(read):
    """A reader that fails says nothing."""
    try:
        return read()
    except Exception:
        return None


def people(message, name):
    field = message[name]
    return [f"{it.display_name} <{it.addr_spec}>" for it in field.addresses] if field else []


def when(message):
    date = message["date"].datetime if message["date"] else None
    if date is None:
        return ""
    if date.tzinfo is None:
        date = date.replace(tzinfo=datetime.timezone.utc)
    return str(int(date.timestamp()))


def files(message):
    leaves = [part for part in message.walk() if not part.is_multipart()]
    text = next((part for part in leaves if part.get_content_type() == "text/plain"), None)
    return [part.get_filename() or "" for part in leaves if part is not text]


def body(message):
    part = message.get_body(preferencelist=("plain", "html"))
    return part.get_content() if part else ""


facts = {}
for mail in json.load(sys.stdin):
    message = email.message_from_bytes(base64.b64decode(mail["octets"]), policy=email.policy.default)
    facts[mail["name"]] = {
        "subject": attempt(lambda: str(message["subject"] or "")),
        "from": attempt(lambda: people(message, "from")),
        "to": attempt(lambda: people(message, "to")),
        "date": attempt(lambda: when(message)),
        "text": attempt(lambda: body(message)),
        "files": attempt(lambda: files(message)),
    }
# Octets that it could not read come as lone surrogates.
sys.stdout.buffer.write(json.dumps(facts, ensure_ascii=False).encode("utf-8", "replace"))
