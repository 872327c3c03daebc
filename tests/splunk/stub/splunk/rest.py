"""Requests to splunkd, at $SPLUNKD_URI."""

import os
import urllib.error
import urllib.parse
import urllib.request
from types import SimpleNamespace


def simpleRequest(path, sessionKey=None, getargs=None, postargs=None, method="GET", **_):  # noqa: N802, N803
    url = os.environ["SPLUNKD_URI"] + path + ("?" + urllib.parse.urlencode(getargs) if getargs else "")
    body = urllib.parse.urlencode(postargs).encode() if postargs else None
    request = urllib.request.Request(url, body, {"Authorization": f"Splunk {sessionKey}"}, method=method)
    try:
        with urllib.request.urlopen(request) as response:
            return SimpleNamespace(status=str(response.status)), response.read()
    except urllib.error.HTTPError as error:
        return SimpleNamespace(status=str(error.code)), error.read()
