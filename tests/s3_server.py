"""A real S3 server (SeaweedFS) on this machine, for tests of stores in a bucket."""

import contextlib
import datetime
import json
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

import obstore
import pytest
from ports import free_ports

KEYS = {"AWS_ACCESS_KEY_ID": "raypipe", "AWS_SECRET_ACCESS_KEY": "of-these-tests", "AWS_REGION": "us-east-1"}


def make_bucket(name):
    """Create a bucket with a signed request, because obstore cannot create buckets."""
    bucket = obstore.store.S3Store(name, virtual_hosted_style_request=False)
    url = obstore.sign(bucket, "PUT", "", datetime.timedelta(minutes=1))
    urllib.request.urlopen(urllib.request.Request(url, method="PUT"), timeout=10).close()


class Server:
    """The server process; it can be stopped, and started again with the same data."""

    def __init__(self, command, log):
        self._command, self._log = command, log
        self.start()

    def start(self):
        with self._log.open("a") as log:
            self.process = subprocess.Popen(self._command, stdout=log, stderr=log)

    def stop(self):
        self.process.kill()
        self.process.wait()


@contextlib.contextmanager
def serving(folder: Path, address: str = "127.0.0.1"):
    """Serve S3 from a folder, with the environment variables set by which obstore finds it."""
    # By default SeaweedFS serves gRPC on the port number plus 10000.
    names = ["master.port", "master.port.grpc", "volume.port", "volume.port.grpc"]
    names += ["filer.port", "filer.port.grpc", "s3.port", "s3.port.grpc"]
    ports = dict(zip(names, free_ports(len(names)), strict=True))
    actions = ["Admin", "Read", "Write", "List"]
    credentials = [{"accessKey": KEYS["AWS_ACCESS_KEY_ID"], "secretKey": KEYS["AWS_SECRET_ACCESS_KEY"]}]
    config = folder / "s3.json"
    config.write_text(json.dumps({"identities": [{"name": "tests", "credentials": credentials, "actions": actions}]}))
    (folder / "data").mkdir()
    settings = {"dir": folder / "data", "ip": address, "ip.bind": address, "s3.config": config}
    settings |= {"s3.port.iceberg": 0, "s3.port.lance": 0, "volume.max": 100, "master.telemetry": "false", **ports}
    flags = [f"-{name}={value}" for name, value in settings.items()]
    weed = Path(sys.executable).parent / "weed"
    command = [weed, "-logtostderr=true", "server", "-filer", "-s3", "-master.volumeSizeLimitMB=64", *flags]
    server = Server(command, folder / "log")
    endpoint = f"http://{address}:{ports['s3.port']}"
    try:
        with pytest.MonkeyPatch.context() as patch:
            for name, value in {**KEYS, "AWS_ENDPOINT": endpoint, "AWS_ALLOW_HTTP": "true"}.items():
                patch.setenv(name, value)
            deadline = time.monotonic() + 60
            while True:
                try:
                    make_bucket("raypipe")
                    break
                except OSError:
                    assert server.process.poll() is None, (folder / "log").read_text()[-3000:]
                    assert time.monotonic() < deadline, (folder / "log").read_text()[-3000:]
                    time.sleep(0.2)
            yield server
    finally:
        server.stop()
