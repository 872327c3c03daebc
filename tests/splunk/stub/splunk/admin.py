"""What UCC's REST handlers are: one request, read from standard input as JSON, its answer on standard output.

{"action": "create", "name": …, "values": {…}, "session_key": …}; the actions are Splunk's handler methods.
"""

import json
import sys

ACTION_CREATE, ACTION_LIST, ACTION_EDIT, ACTION_REMOVE = 1, 2, 4, 8
CONTEXT_NONE, CONTEXT_APP_ONLY, CONTEXT_APP_AND_USER = 1, 2, 3
_ACTIONS = {"create": ACTION_CREATE, "list": ACTION_LIST, "edit": ACTION_EDIT, "remove": ACTION_REMOVE}


class AdminManagerException(Exception):  # noqa: N818 - Splunk's names
    """Splunk's."""


class ArgValidationException(AdminManagerException):
    """Splunk's."""


class InternalException(AdminManagerException):
    """Splunk's."""


class NotFoundException(AdminManagerException):
    """Splunk's."""


class ConfigItem(dict):
    def setMetadata(self, key, value):  # noqa: N802
        """Not shown."""


class ConfigInfo(dict):
    def __missing__(self, name):
        self[name] = ConfigItem()
        return self[name]


class _Arguments:
    def __init__(self, name=None, data=None):
        self.id, self.data = name, data or {}

    def addReqArg(self, name):  # noqa: N802
        """Splunk would refuse a request without it."""

    def addOptArg(self, name):  # noqa: N802
        """Splunk would refuse what nobody added."""


class MConfigHandler:
    request = None

    def __init__(self, *_):
        values = self.request.get("values", {})
        self.supportedArgs = _Arguments()
        self.callerArgs = _Arguments(self.request.get("name"), {name: [value] for name, value in values.items()})
        self.requestedAction = _ACTIONS[self.request["action"]]
        self.appName, self.userName, self.context = "entrawatch", "nobody", CONTEXT_APP_ONLY
        self.customAction, self.posOffset, self.maxCount = "", 0, 0

    def getSessionKey(self):  # noqa: N802
        return self.request["session_key"]


def init(handler, ctxInfo):  # noqa: N803
    MConfigHandler.request = json.load(sys.stdin)
    made, answer = handler(), ConfigInfo()
    made.setup()
    getattr(made, "handle" + MConfigHandler.request["action"].capitalize())(answer)
    sys.stdout.write(json.dumps(answer))
