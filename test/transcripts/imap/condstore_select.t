# RFC 7162 section 3.1.8: SELECT (CONDSTORE) enables it; a parameter that is none is BAD.
include three_messages
C: a SELECT INBOX (CONDSTORE)
S~ a OK {{.*}}
C: b STORE 1 +FLAGS (\Answered)
S: * 1 FETCH (UID 1 MODSEQ ({{[0-9]+}}) FLAGS ({{.*}}))
S: b OK {{.*}}
C: c SELECT INBOX (NOSUCH)
S: c BAD {{.*}}
