# RFC 9051 section 6.4.7: into the mailbox that is selected.
include three_messages
C: a COPY 2 INBOX
S: * 4 EXISTS
S~ a OK [COPYUID {{[0-9]+}} 2 4] {{.*}}
C: b FETCH 4 FLAGS
S: * 4 FETCH (FLAGS ({{.*}}\Flagged{{.*}}$work{{.*}}))
S: b OK {{.*}}
