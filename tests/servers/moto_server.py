"""moto as a server that answers one request after the other: `moto_server.py PORT`.

moto's own server looks and writes without a lock, so that of several who create the same object at
once two may succeed, as `init` finds out.
"""

import os
import sys
import time
from io import BytesIO
from threading import Lock, Thread

from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app
from werkzeug.serving import run_simple


def main(port):
    served = DomainDispatcherApplication(create_backend_app)
    lock = Lock()

    def one_by_one(environ, start_response):
        length = int(environ.get("CONTENT_LENGTH") or 0)
        body = environ["wsgi.input"].read(length) if length else b""
        if len(body) < length:  # the connection was cut
            start_response("400 Bad Request", [("Content-Length", "0")])
            return [b""]
        if length:
            environ["wsgi.input"] = BytesIO(body)
        with lock:
            return [b"".join(served(environ, start_response))]

    Thread(target=end_with, args=(os.getppid(),), daemon=True).start()
    run_simple("127.0.0.1", port, one_by_one, threaded=True)


def end_with(parent):
    """Ends this process once its parent is gone: a test run that is killed cannot end it."""
    while os.getppid() == parent:
        time.sleep(1)
    os._exit(0)


main(int(sys.argv[1]))
