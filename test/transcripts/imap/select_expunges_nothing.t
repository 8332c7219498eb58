# RFC 9051 section 6.3.2: selecting another mailbox deselects without removing.
include three_messages
C: a SELECT Sent
S: * OK [CLOSED] {{.*}}
S~ a OK {{.*}}
C: b SELECT INBOX
S: * OK [CLOSED] {{.*}}
S~ * 3 EXISTS
S~ b OK {{.*}}
