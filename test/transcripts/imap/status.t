# RFC 9051 section 6.3.11: every item, in any order, also of the selected mailbox.
include three_messages
C: a STATUS INBOX (MESSAGES)
S: * STATUS INBOX (MESSAGES 3)
S: a OK {{.*}}
C: b STATUS INBOX (UIDNEXT UIDVALIDITY UNSEEN)
S: * STATUS INBOX (UIDNEXT 4 UIDVALIDITY {{[0-9]+}} UNSEEN 2)
S: b OK {{.*}}
C: c STATUS INBOX (RECENT)
S: * STATUS INBOX (RECENT {{[0-9]+}})
S: c OK {{.*}}
C: d STATUS INBOX (SIZE)
S: * STATUS INBOX (SIZE {{[1-9][0-9]*}})
S: d OK {{.*}}
C: e STATUS INBOX (HIGHESTMODSEQ)
S: * OK [HIGHESTMODSEQ {{[1-9][0-9]*}}] {{.*}}
S: * STATUS INBOX (HIGHESTMODSEQ {{[1-9][0-9]*}})
S: e OK {{.*}}
