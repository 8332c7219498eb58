# RFC 3501 section 6.3.1: what SELECT must tell.
include three_messages
C: a UNSELECT
S: a OK {{.*}}
C: b SELECT INBOX
S| * FLAGS ({{.*}})
S| * OK [PERMANENTFLAGS ({{.*}}\*)] {{.*}}
S| * 3 EXISTS
S| * 0 RECENT
S| * OK [UNSEEN 2] {{.*}}
S| * OK [UIDVALIDITY {{[1-9][0-9]*}}] {{.*}}
S| * OK [UIDNEXT 4] {{.*}}
S| * OK [HIGHESTMODSEQ {{[1-9][0-9]*}}] {{.*}}
S: b OK [READ-WRITE] {{.*}}
