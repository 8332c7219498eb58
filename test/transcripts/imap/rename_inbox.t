# RFC 9051 section 6.3.6: RENAME of INBOX moves its messages and leaves it empty.
login A
C: a APPEND INBOX {3+}
C: One
S: a OK {{.*}}
C: b RENAME INBOX Kept
S: b OK {{.*}}
C: c STATUS INBOX (MESSAGES)
S: * STATUS INBOX (MESSAGES 0)
S: c OK {{.*}}
C: d STATUS Kept (MESSAGES)
S: * STATUS Kept (MESSAGES 1)
S: d OK {{.*}}
