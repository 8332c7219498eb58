# RFC 9051 section 6.3.12: a message of no bytes is refused or kept, and the next command is understood.
login A
C: a APPEND INBOX {0+}
C:
S: a {{OK|NO}} {{.*}}
C: b NOOP
S: b OK {{.*}}
