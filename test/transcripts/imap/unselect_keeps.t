# RFC 9051 section 6.4.2: UNSELECT removes nothing.
include three_messages
C: a UNSELECT
S: a OK {{.*}}
C: b STATUS INBOX (MESSAGES DELETED)
S: {{\* STATUS INBOX \(MESSAGES 3 DELETED 1\)|b BAD .*}}
C: c UNSELECT
S~ c BAD {{.*}}
