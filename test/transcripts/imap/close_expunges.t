# RFC 9051 section 6.4.1: CLOSE removes what is \Deleted without a word.
include three_messages
C: a CLOSE
S: a OK {{.*}}
C: b STATUS INBOX (MESSAGES)
S: * STATUS INBOX (MESSAGES 2)
S: b OK {{.*}}
C: c FETCH 1 UID
S: c BAD {{.*}}
