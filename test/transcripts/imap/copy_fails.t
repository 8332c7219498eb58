# RFC 9051 section 6.4.7: a mailbox that is not there is TRYCREATE; nothing is copied and nothing lost.
include three_messages
C: a COPY 1:3 Nosuch
S: a NO [TRYCREATE] {{.*}}
C: b COPY 4 Sent
S: b BAD {{.*}}
C: c UID COPY 99 Sent
S: c OK {{.*}}
C: d COPY 1 ""
S: d {{NO|BAD}} {{.*}}
C: e COPY 1
S: e BAD {{.*}}
C: f STATUS Sent (MESSAGES)
S: * STATUS Sent (MESSAGES 0)
S: f OK {{.*}}
