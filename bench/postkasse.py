"""The service of this tree."""
import json
import os
import subprocess

from server import Server, USERS, size_of, wait_port


class Postkasse(Server):
    delivery = "smtp"

    def __init__(self, folder, certificate, binary):
        super().__init__("postkasse", folder)
        self.binary = binary
        for folder_above in (folder, self.folder):
            os.chmod(folder_above, 0o755)
        self.config = self.path("postkasse.conf")
        with open(self.config, "w", encoding="utf-8") as file:
            file.write(f"""
data_dir = {self.path("data")}
run_dir = {self.path("run")}
host_key_file = {self.path("host.key")}
hostname = mx.example.test
smtp_listen = 127.0.0.1:{self.deliver_port}
imap_listen = 127.0.0.1:{self.imap_port}
imaps_listen = 127.0.0.1:{self.imaps_port}
tls_certificate_file = {self.path("tls.pem")}
tls_key_file = {self.path("tls.key")}
auth_without_tls = yes
connections_per_mailbox = 100000
""")
        self.command("init")
        self.command("domain", "add", "example.test")
        with open(self.passwords, "w", encoding="ascii") as file:
            for user in range(USERS):
                address = f"user{user}@example.test"
                self.command("alias", "add", address)
                made = json.loads(self.command("password", "new", address, "--json"))
                file.write(made["password"] + "\n")

    def command(self, *arguments):
        done = subprocess.run([self.binary, "--config", self.config, *arguments],
                              capture_output=True, text=True, timeout=120)
        if done.returncode != 0:
            raise RuntimeError(f"postkasse {' '.join(arguments)}: {done.stdout}{done.stderr}")
        return done.stdout

    def start(self):
        self.hold(self.binary, "--config", self.config, "serve")
        for port in (self.deliver_port, self.imap_port, self.imaps_port):
            wait_port(port)

    def stored_bytes(self):
        return size_of(self.path("data"))
