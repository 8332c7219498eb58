# What a client sees first, in clear: no LOGIN capability is missing, the table makes the text.
connect A
S: * OK [CAPABILITY IMAP4rev1 LITERAL+ SASL-IR ID STARTTLS AUTH=SCRAM-SHA-256 AUTH={{.*}}] postkasse ready
C: a CAPABILITY
S: * CAPABILITY IMAP4rev1 {{.*}}
S: a OK {{.*}}
C: b NOOP
S: b OK {{.*}}
C: c SELECT INBOX
S: c BAD Log in first
C: d LOGIN ${user} ${password}
S: d OK [CAPABILITY IMAP4rev1 {{.*}}IDLE{{.*}}] Logged in
C: e LOGIN ${user} ${password}
S: e BAD You are logged in already
C: f LOGOUT
S: * BYE {{.*}}
S: f OK Logged out
S$
