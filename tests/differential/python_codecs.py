#!/usr/bin/env python3
"""What CPython's codecs say of the charsets that smtpd reads by tables and by code of its own, for
tests/it/differential.rs: label, octets (base64) and text as JSON, every character that the codec has.
"""

import base64
import json

PAGES = """cp437 cp720 cp737 cp775 cp850 cp852 cp855 cp856 cp857 cp858 cp860 cp861 cp862 cp863 cp864
cp865 cp869 cp1125 cp037 cp273 cp500 cp1026 cp1140 koi8-t kz1048 ptcp154 hp-roman8 mac-latin2
mac-greek mac-turkish mac-iceland mac-croatian mac-romanian""".split()

# Every character alone, as an escape says.
MANY = ["iso2022-kr", "hz", "johab", "iso2022-jp", "iso2022-jp-1", "iso2022-jp-2", "iso2022-jp-ext"]

checks = []


def check(label, octets, text):
    checks.append({"label": label, "octets": base64.b64encode(octets).decode(), "text": text})


for label in PAGES:
    for octet in range(256):
        try:
            check(label, bytes([octet]), bytes([octet]).decode(label))
        except UnicodeDecodeError:
            check(label, bytes([octet]), None)
for label in MANY:
    for code in [*range(0xA0, 0xD800), *range(0xF900, 0xFFFE)]:
        try:
            check(label, chr(code).encode(label), chr(code))
        except UnicodeEncodeError:
            pass
print(json.dumps(checks))
