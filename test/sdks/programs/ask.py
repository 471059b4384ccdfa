# The same as ask.ts, for Python.
import importlib.util
import json

requests = 0


def count_requests(client):
    """Each try of an SDK is a request of its HTTP client."""
    send = client.send

    def count(*args, **keys):
        global requests
        requests += 1
        return send(*args, **keys)

    client.send = count


# The SDKs use one or the other.
for name in ("httpx", "httpx2"):
    if importlib.util.find_spec(name):
        count_requests(importlib.import_module(name).Client)


def say(**what):
    print(json.dumps(what, separators=(",", ":")), flush=True)


def ask(whole, pieces):
    """Asks for a whole answer, then for a streamed one; an SDK's exception is told, not raised."""
    global requests

    def stream():
        answer = ""
        for piece in pieces():
            if piece:
                answer += piece
                say(piece=piece)
        return answer

    for mode, run in (("whole", whole), ("stream", stream)):
        requests = 0
        try:
            answer = run()
            say(mode=mode, requests=requests, answer=answer)
        except Exception as error:
            status = getattr(error, "status_code", None) or getattr(error, "code", None)
            say(mode=mode, requests=requests, error=type(error).__name__, status=status, message=str(error))
