"""Dovecot and Postfix from Debian, each with its own folders and ports on loopback."""
import os
import pwd
import subprocess

from server import Server, USERS, free_ports, wait_port

PASSWORD = "secret"
MAIL_UID = 65123

VARIANTS = {
    "plain": {"mail_location": "maildir:~/Maildir"},
    "tuned": {"mail_location": "maildir:~/Maildir", "reuse": True},
    "mdbox": {"mail_location": "mdbox:~/mdbox"},
    "mail_crypt": {"mail_location": "maildir:~/Maildir", "crypt": True},
}


class Dovecot(Server):
    def __init__(self, variant, folder, certificate):
        super().__init__(variant, folder)
        self.variant = VARIANTS[variant]
        self.certificate = certificate
        os.makedirs(self.path("mail"))
        os.chown(self.path("mail"), MAIL_UID, MAIL_UID)
        for folder_above in (folder, self.folder):
            os.chmod(folder_above, 0o755)
        with open(self.passwords, "w", encoding="ascii") as file:
            file.write(f"{PASSWORD}\n" * USERS)
        self.config = self.path("dovecot.conf")
        if self.variant.get("crypt"):
            self.make_keys()
        with open(self.config, "w", encoding="utf-8") as file:
            file.write(self.configuration())

    def make_keys(self):
        for command in (["ecparam", "-name", "prime256v1", "-genkey", "-noout", "-out", "ec.key"],
                        ["pkey", "-in", "ec.key", "-out", "crypt.key"],
                        ["pkey", "-in", "crypt.key", "-pubout", "-out", "crypt.pub"]):
            subprocess.run(["openssl", *command], cwd=self.folder, check=True, capture_output=True)
        for name in ("crypt.key", "crypt.pub"):
            os.chmod(self.path(name), 0o644)

    def configuration(self):
        certificate, key = self.certificate
        text = f"""
base_dir = {self.path("run")}
state_dir = {self.path("run")}
log_path = {self.path("dovecot.log")}
listen = 127.0.0.1
protocols = imap lmtp
ssl = yes
ssl_cert = <{certificate}
ssl_key = <{key}
ssl_min_protocol = TLSv1.2
disable_plaintext_auth = no
auth_cache_size = 1M
mail_location = {self.variant["mail_location"]}
mail_max_userip_connections = 10000
default_process_limit = 2000
default_client_limit = 8000
default_vsz_limit = 1G
first_valid_uid = 1
passdb {{
  driver = static
  args = password={PASSWORD}
}}
userdb {{
  driver = static
  args = uid={MAIL_UID} gid={MAIL_UID} home={self.path("mail")}/%u allow_all_users=yes
}}
service anvil {{
  client_limit = 20000
}}
service auth {{
  client_limit = 20000
}}
service imap-login {{
  inet_listener imap {{
    port = {self.imap_port}
  }}
  inet_listener imaps {{
    port = {self.imaps_port}
    ssl = yes
  }}
{"  service_count = 0" if self.variant.get("reuse") else ""}
}}
service imap {{
{"  service_count = 256" if self.variant.get("reuse") else ""}
}}
service lmtp {{
  inet_listener lmtp {{
    address = 127.0.0.1
    port = {self.deliver_port}
  }}
}}
protocol lmtp {{
  postmaster_address = postmaster@example.test
}}
namespace inbox {{
  inbox = yes
}}
"""
        if self.variant.get("crypt"):
            text += f"""
mail_plugins = mail_crypt zlib
plugin {{
  mail_crypt_global_private_key = <{self.path("crypt.key")}
  mail_crypt_global_public_key = <{self.path("crypt.pub")}
  mail_crypt_save_version = 2
  zlib_save = zstd
}}
"""
        return text

    def start(self):
        self.hold("dovecot", "-F", "-c", self.config)
        for port in (self.deliver_port, self.imap_port, self.imaps_port):
            wait_port(port)

    def stored_bytes(self):
        from server import size_of
        return size_of(self.path("mail"))

    def forget_caches(self):
        for path, _, names in os.walk(self.path("mail")):
            for name in names:
                if name.startswith("dovecot.index.cache"):
                    os.unlink(os.path.join(path, name))


class PostfixDovecot(Dovecot):
    """Postfix takes the mail and hands it to Dovecot over LMTP."""

    delivery = "smtp"

    def __init__(self, variant, folder, certificate):
        super().__init__(variant, os.path.join(folder, "postfix"), certificate)
        self.name = f"postfix + {variant}"
        self.lmtp_port = self.deliver_port
        self.smtp_port = free_ports(1)[0]
        for name in ("conf", "queue", "data"):
            os.makedirs(self.path("pf", name))
        os.chown(self.path("pf", "data"), pwd.getpwnam("postfix").pw_uid, -1)
        with open(self.path("pf", "conf", "main.cf"), "w", encoding="utf-8") as file:
            file.write(f"""
compatibility_level = 3.6
queue_directory = {self.path("pf", "queue")}
data_directory = {self.path("pf", "data")}
command_directory = /usr/sbin
daemon_directory = /usr/lib/postfix/sbin
mail_owner = postfix
setgid_group = postdrop
maillog_file = {self.path("pf", "log")}
maillog_file_prefixes = {self.folder}
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
myhostname = mx.example.test
mydestination =
mynetworks = 192.0.2.1/32
alias_maps =
virtual_mailbox_domains = example.test
virtual_mailbox_maps =
virtual_transport = lmtp:inet:127.0.0.1:{self.lmtp_port}
smtpd_relay_restrictions = reject_unauth_destination
smtpd_client_connection_count_limit = 0
message_size_limit = 52428800
""")
        with open(self.path("pf", "conf", "master.cf"), "w", encoding="utf-8") as file:
            file.write(f"127.0.0.1:{self.smtp_port} inet n - n - - smtpd\n" + "".join(
                f"{line}\n" for line in (
                    "pickup unix n - n 60 1 pickup", "cleanup unix n - n - 0 cleanup",
                    "qmgr unix n - n 300 1 qmgr", "rewrite unix - - n - - trivial-rewrite",
                    "bounce unix - - n - 0 bounce", "defer unix - - n - 0 bounce",
                    "trace unix - - n - 0 bounce", "verify unix - - n - 1 verify",
                    "flush unix n - n 1000? 0 flush", "proxymap unix - - n - - proxymap",
                    "smtp unix - - n - - smtp", "relay unix - - n - - smtp",
                    "error unix - - n - - error", "retry unix - - n - - error",
                    "discard unix - - n - - discard", "lmtp unix - - n - - lmtp",
                    "anvil unix - - n - 1 anvil", "scache unix - - n - 1 scache",
                    "postlog unix-dgram n - n - 1 postlogd")))

    def start(self):
        self.deliver_port = self.lmtp_port
        super().start()
        self.hold("postfix", "-c", self.path("pf", "conf"), "start-fg")
        self.deliver_port = self.smtp_port
        wait_port(self.smtp_port)
