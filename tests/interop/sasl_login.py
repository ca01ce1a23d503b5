"""Logs in by one mechanism: host port mechanism user secret. Ends with 0 if it was accepted.

smtplib speaks CRAM-MD5 itself; the client's half of SCRAM-SHA-256 (RFC 7677) and of the bearer tokens
is written here from the RFCs, with nothing of smtpd's in it.
"""

import base64
import hashlib
import hmac
import os
import smtplib
import sys


class Scram:
    def __init__(self, user, password):
        self.user, self.password = user, password.encode()
        self.nonce = base64.b64encode(os.urandom(18)).decode()
        self.signature = None

    def __call__(self, challenge=None):
        if challenge is None or challenge == b"":
            self.bare = f"n={self.user},r={self.nonce}"
            return "n,," + self.bare
        if self.signature is not None:
            verifier = "v=" + base64.b64encode(self.signature).decode()
            assert challenge.decode() == verifier, "the server does not know the password"
            self.signature = b""
            return ""
        first = challenge.decode()
        fields = dict(field.split("=", 1) for field in first.split(","))
        assert fields["r"].startswith(self.nonce) and fields["r"] != self.nonce
        assert int(fields["i"]) >= 4096
        salt = base64.b64decode(fields["s"])
        salted = hashlib.pbkdf2_hmac("sha256", self.password, salt, int(fields["i"]))
        client_key = hmac.digest(salted, b"Client Key", "sha256")
        without_proof = "c=biws,r=" + fields["r"]
        message = f"{self.bare},{first},{without_proof}".encode()
        mask = hmac.digest(hashlib.sha256(client_key).digest(), message, "sha256")
        proof = bytes(a ^ b for a, b in zip(client_key, mask))
        self.signature = hmac.digest(hmac.digest(salted, b"Server Key", "sha256"), message, "sha256")
        return without_proof + ",p=" + base64.b64encode(proof).decode()


def main():
    host, port, mechanism, user, secret = sys.argv[1:]
    client = smtplib.SMTP(host, int(port))
    client.ehlo()
    offered = client.esmtp_features["auth"].split()
    assert mechanism in offered, f"{mechanism} is not in {offered}"
    client.user, client.password = user, secret
    ways = {
        "CRAM-MD5": client.auth_cram_md5,
        "SCRAM-SHA-256": Scram(user, secret),
        "XOAUTH2": lambda _=None: f"user={user}\1auth=Bearer {secret}\1\1",
        "OAUTHBEARER": lambda _=None: f"n,a={user},\1host={host}\1auth=Bearer {secret}\1\1",
    }
    try:
        client.auth(mechanism, ways[mechanism], initial_response_ok=mechanism != "CRAM-MD5")
    except smtplib.SMTPAuthenticationError as error:
        sys.exit(f"{error.smtp_code}")
    client.sendmail("ann@example.org", ["bob@example.org"], f"Subject: {mechanism}\r\n\r\nhello\r\n")
    client.quit()


main()
