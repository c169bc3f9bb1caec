"""A PostgreSQL server of its own, that dies as a whole when it is killed."""

import glob
import os
import pwd
import shutil
import signal
import subprocess

from .processes import Process

SETTINGS = """
listen_addresses = '127.0.0.1'
port = {port}
unix_socket_directories = '{folder}'
shared_buffers = 16MB
max_connections = 20
max_wal_size = 128MB
recovery_init_sync_method = syncfs
log_min_messages = warning
"""


def binaries():
    """The newest server's programs; None when there is none."""
    found = sorted(glob.glob("/usr/lib/postgresql/*/bin/postgres"), key=lambda path: int(path.split("/")[4]))
    return os.path.dirname(found[-1]) if found else None


def server_user():
    """The server refuses root."""
    if os.getuid() != 0:
        return None
    names = {entry.pw_name for entry in pwd.getpwall()}
    return "postgres" if "postgres" in names else "nobody"


class Server:
    def __init__(self, folder, port, reached_by):
        self.folder, self.port = folder, port
        self.data = os.path.join(folder, "data")
        self.user = server_user()
        self.uri = f"postgresql://phonehome@127.0.0.1:{port}/postgres"
        self.uri_of_clients = f"postgresql://phonehome@127.0.0.1:{reached_by}/postgres?connect_timeout=5"

    def make(self):
        os.makedirs(self.folder)
        if self.user:
            shutil.chown(self.folder, self.user)
        command = [os.path.join(binaries(), "initdb"), "-D", self.data, "-U", "phonehome", "--auth=trust",
                   "--no-sync", "--encoding=UTF8", "--locale=C"]
        if self.user:
            command = ["setpriv", f"--reuid={self.user}", "--regid=" + str(pwd.getpwnam(self.user).pw_gid),
                       "--clear-groups", "--"] + command
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL, cwd=self.folder)
        with open(os.path.join(self.data, "postgresql.conf"), "a", encoding="utf-8") as file:
            file.write(SETTINGS.format(port=self.port, folder=self.folder))

    def process(self, log, env):
        argv = [os.path.join(binaries(), "postgres"), "-D", self.data]
        process = Process("database", "database", argv, log, env=env, user=self.user, whole_tree=True)
        process.end_signal = signal.SIGINT  # SIGTERM would wait for its clients
        return process

    def is_ready(self):
        command = [os.path.join(binaries(), "pg_isready"), "-q", "-h", "127.0.0.1", "-p", str(self.port)]
        return subprocess.run(command, check=False).returncode == 0
