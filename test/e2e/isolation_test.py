#!/usr/bin/env python3
"""A second mailbox is out of reach: a front that sends any link message it likes (rogue.c) gets nowhere.

Prints the rogue's own TAP, once for each role that it takes on, then whether the victim was left alone.
"""
import hashlib
import os
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
from service import BUILD, Service, message  # noqa: E402

ROGUE = os.path.join(BUILD, "test", "rogue")
OWN, VICTIM = "rogue@example.test", "victim@example.test"


def main():
    number = failed = 0
    with Service() as service:
        own_password, victim_password = service.add_alias(OWN), service.add_alias(VICTIM)
        victim = {alias["address"]: alias for alias in service.json("alias", "list")["aliases"]}[VICTIM]
        sent = message(1, "Private")
        service.send(VICTIM, sent)
        reader = service.imap(VICTIM, victim_password)  # a live session, so that there is one to steal
        reader.select("INBOX")
        uid_base = int(service.options.get("uid_base", "64200"))
        run = service.options["run_dir"]
        for offset, role in ((2, "imap"), (3, "smtp")):
            uid = uid_base + offset if os.getuid() == 0 else os.getuid()
            gid = uid_base if os.getuid() == 0 else os.getgid()
            done = subprocess.run(
                [ROGUE, role, str(uid), str(gid), f"{run}/store.sock", f"{run}/directory.sock",
                 victim["mailbox"], OWN, VICTIM],
                input=own_password + "\n", capture_output=True, text=True, timeout=300)
            lines = [line for line in done.stdout.splitlines() if line.startswith(("ok", "not ok"))]
            for line in lines:
                number += 1
                word, _, rest = line.partition(" - ")
                print(f"{word.rsplit(' ', 1)[0]} {number} - {role}: {rest}")
                failed += line.startswith("not ok")
            number += 1
            good = done.returncode == 0 and len(lines) > 20
            failed += not good
            print(f"{'ok' if good else 'not ok'} {number} - {role}: ran to its end")
            if not good:
                print("# " + "\n# ".join((done.stdout + done.stderr).splitlines()[-40:]))
        number += 1
        status, data = reader.fetch("1", "(BODY.PEEK[])")
        fresh = service.imap(VICTIM, victim_password)
        untouched = (status == "OK" and data[0][1].endswith(sent)
                     and fresh.select("INBOX")[1] == [b"1"] and service.stop() == 0)
        failed += not untouched
        print(f"{'ok' if untouched else 'not ok'} {number} - the victim's mailbox is as it was")
    print(f"1..{number}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
