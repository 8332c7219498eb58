# RFC 9051 section 7.4.1: a message that is appended to the selected mailbox is told before the answer.
login A
C: a SELECT INBOX
S~ a OK {{.*}}
C: b APPEND INBOX {3+}
C: One
S: * 1 EXISTS
S: * 1 RECENT
S: b OK [APPENDUID {{[0-9]+}} 1] {{.*}}
