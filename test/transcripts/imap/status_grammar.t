# RFC 9051 section 6.3.11: what it is not.
login A
C: a STATUS INBOX ()
S: a BAD {{.*}}
C: b STATUS INBOX (NOSUCH)
S: b BAD {{.*}}
C: c STATUS INBOX MESSAGES
S: c BAD {{.*}}
C: d STATUS INBOX
S: d BAD {{.*}}
C: e STATUS Nosuch (MESSAGES)
S: e NO [NONEXISTENT] {{.*}}
C: f STATUS "" (MESSAGES)
S: f {{NO|BAD}} {{.*}}
C: g STATUS inbox (MESSAGES)
S: * STATUS INBOX (MESSAGES 0)
S: g OK {{.*}}
