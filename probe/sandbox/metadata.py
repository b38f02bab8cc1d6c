"""A stand-in for the metadata server, which gives a program on Google Cloud its identity."""

from itertools import count
from urllib.parse import urlsplit

from probe.sandbox.http_server import HttpServer, Request, Response, json_response

BEHAVIOURS = ("normal", "expired", "silent")
ROOT = "/computeMetadata/v1/"
REFUSED = "/refused/token"
HTML = "/html/token"
PROJECT_NUMBER = "701982941522"
TOKEN_LIFETIME_S = 3599
SCOPE = "https://www.googleapis.com/auth/cloud-platform"
FLAVOR = {"Metadata-Flavor": "Google"}


def _text(text: str, *, status: int = 200) -> Response:
    return Response(status=status, body=text.encode(), content_type="application/text", headers=FLAVOR)


class MetadataServer(HttpServer):
    """The server over plain HTTP in daemon threads; a context manager.

    ``behaviour``: ``normal``, ``expired`` (tokens that are too old when they are issued) or ``silent`` (reads
    requests and never answers). Point ``GCE_METADATA_HOST`` and ``GCE_METADATA_IP`` at ``address``. Raises
    ValueError for another behaviour, OSError where ``host`` cannot be bound.
    """

    def __init__(self, *, host: str, project: str, region: str, behaviour: str = "normal") -> None:
        if behaviour not in BEHAVIOURS:
            raise ValueError(f"no such behaviour: {behaviour}")
        self._behaviour = behaviour
        self._serial = count(1)
        self._email = f"probe@{project}.iam.gserviceaccount.com"
        self._texts = {
            "": "instance/\nproject/\n",
            "project/project-id": project,
            "project/numeric-project-id": PROJECT_NUMBER,
            "instance/region": f"projects/{PROJECT_NUMBER}/regions/{region}",
            "instance/zone": f"projects/{PROJECT_NUMBER}/zones/{region}-1",
            "universe/universe-domain": "googleapis.com",
        }
        super().__init__(host=host, answer=self._answer)
        self.token_url_refused = f"http://{self.address}{REFUSED}"
        """A token endpoint that refuses every credential: ``invalid_grant``."""
        self.token_url_html = f"http://{self.address}{HTML}"
        """A token endpoint that answers a web page."""

    def _answer(self, request: Request) -> Response | str:
        path = urlsplit(request.path).path
        if self._behaviour == "silent":
            return "silent"
        if path == REFUSED:
            refusal = {"error": "invalid_grant", "error_description": "Invalid JWT Signature."}
            return json_response(refusal, status=400)
        if path == HTML:
            page = b"<html><body>Welcome</body></html>"
            return Response(status=200, body=page, content_type="text/html")
        if path == "/":
            return _text("computeMetadata/\n")
        if request.headers.get("metadata-flavor") != "Google":
            return _text("Missing Metadata-Flavor:Google header.", status=403)
        return self._metadata(path.removeprefix(ROOT)) if path.startswith(ROOT) else _text("", status=404)

    def _metadata(self, key: str) -> Response:
        if key in self._texts:
            return _text(self._texts[key])
        for account in ("default", self._email):
            prefix = f"instance/service-accounts/{account}/"
            if key.startswith(prefix):
                return self._account(key.removeprefix(prefix))
        return _text("", status=404)

    def _account(self, key: str) -> Response:
        if key == "":
            account = {"aliases": ["default"], "email": self._email, "scopes": [SCOPE]}
            return json_response(account, headers=FLAVOR)
        if key == "token":
            return json_response(self._token(), headers=FLAVOR)
        texts = {"email": self._email, "scopes": SCOPE + "\n"}
        return _text(texts[key]) if key in texts else _text("", status=404)

    def _token(self) -> dict[str, str | int]:
        lifetime_s = 0 if self._behaviour == "expired" else TOKEN_LIFETIME_S
        token = f"sandbox-token-{next(self._serial)}"
        return {"access_token": token, "expires_in": lifetime_s, "token_type": "Bearer"}
